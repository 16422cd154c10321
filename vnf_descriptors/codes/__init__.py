"""Every kind of finding: its code, how bad it is, the clause behind it, and what it means.

A code never changes its meaning and is never used again for another fault.
"""

from __future__ import annotations

from vnf_descriptors.codes.code import Code, Severity
from vnf_descriptors.codes.manifest import MANIFEST
from vnf_descriptors.codes.nsd import NSD
from vnf_descriptors.codes.package import PACKAGE
from vnf_descriptors.codes.tosca import TOSCA
from vnf_descriptors.codes.vnfd import VNFD

__all__ = ["CODES", "Code", "Severity", "explain", "markdown_table"]

#: Every code of a finding.
CODES: dict[str, Code] = {entry.code: entry for entry in (*PACKAGE, *MANIFEST, *TOSCA, *VNFD, *NSD)}


def explain(code: str) -> str | None:
    """Some lines of text on a code of a finding, or None when there is no such code."""
    entry = CODES.get(code.upper())
    if entry is None:
        return None
    lines = [f"{entry.code} ({entry.severity.value}): {entry.title}"]
    if entry.clause:
        lines.append(f"Clause: {entry.clause}")
    lines += ["", entry.text]
    if entry.example:
        lines += ["", "Example:", *(f"    {line}" for line in entry.example.splitlines())]
    return "\n".join(lines) + "\n"


def markdown_table() -> str:
    """All codes as the table of `docs/descriptor-findings.md`."""
    rows = ["| code | severity | fault | clause | example |", "|---|---|---|---|---|"]
    for entry in CODES.values():
        example = "<br>".join(f"`{line.strip()}`" for line in entry.example.replace("|", "\\|").splitlines())
        rows.append(f"| {entry.code} | {entry.severity.value} | {entry.title} | {entry.clause} | {example} |")
    return "\n".join(rows) + "\n"

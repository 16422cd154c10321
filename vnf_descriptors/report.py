"""Findings, and how they are shown: as text, JSON and SARIF."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Protocol

from vnf_descriptors.codes import CODES, Severity

__all__ = [
    "DescriptorError",
    "Finding",
    "Place",
    "Position",
    "Report",
    "Severity",
    "SignatureState",
    "finding",
    "printable",
    "quote",
    "to_sarif",
    "to_text",
]

_RANK = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}
#: Most findings of one code that a report tells one by one.
MAX_OF_A_CODE = 500
#: Longest piece of a package that a message repeats, in characters.
MAX_QUOTED = 80


class Place(Protocol):
    """Anything that knows where it was written; lines and columns count from 1."""

    @property
    def file(self) -> str: ...
    @property
    def line(self) -> int: ...
    @property
    def column(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a member of a package; the default is the member as a whole."""

    file: str
    line: int = 1
    column: int = 1


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, or worth knowing, with its place."""

    file: str
    line: int
    column: int
    code: str
    severity: Severity
    message: str
    clause: str = ""
    hint: str = ""

    @property
    def sort_key(self) -> tuple[str, int, int, int, str, str]:
        """By file, line and column; at one place errors first."""
        return (self.file, self.line, self.column, _RANK[self.severity], self.code, self.message)


def finding(code: str, place: Place, message: str, hint: str = "", severity: Severity | None = None) -> Finding:
    """A finding with the severity and the clause of its code. `message` has no full stop at its end."""
    entry = CODES[code]
    return Finding(place.file, place.line, place.column, code, severity or entry.severity, message, entry.clause, hint)


class SignatureState(StrEnum):
    """What is known of a package's signature."""

    NONE = "none"
    VALID = "valid"
    UNKNOWN_SIGNER = "unknown-signer"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class Report:
    """All findings of one package or file, sorted by place."""

    path: str
    findings: tuple[Finding, ...] = ()
    signature: SignatureState = SignatureState.NONE
    #: Subject of the certificate that signed the package.
    signer: str = ""

    def __post_init__(self) -> None:
        ordered = tuple(sorted(dict.fromkeys(self.findings), key=lambda entry: entry.sort_key))
        object.__setattr__(self, "findings", ordered)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    @property
    def ok(self) -> bool:
        """True when nothing is an error; warnings do not count."""
        return not self.errors

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that refuse the package."""
        return tuple(entry for entry in self.findings if entry.severity is Severity.ERROR)

    def to_text(self, with_path: bool = False) -> str:
        """One line for each finding (see `to_text`), each ended by a newline."""
        return "".join(to_text(entry, self.path if with_path else None) + "\n" for entry in self.findings)

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values."""
        return {
            "path": printable(self.path),
            "ok": self.ok,
            "signature": self.signature.value,
            "signer": self.signer,
            "findings": [
                {
                    "file": printable(entry.file),
                    "line": entry.line,
                    "column": entry.column,
                    "severity": entry.severity.value,
                    "code": entry.code,
                    "message": entry.message,
                    "clause": entry.clause,
                    "hint": entry.hint,
                }
                for entry in self.findings
            ],
        }


def limited(findings: Iterable[Finding]) -> list[Finding]:
    """The findings, with at most `MAX_OF_A_CODE` of each code; one more then counts the rest."""
    kept: list[Finding] = []
    seen: dict[str, int] = {}
    first_left_out: dict[str, Finding] = {}
    for entry in dict.fromkeys(findings):
        seen[entry.code] = seen.get(entry.code, 0) + 1
        if seen[entry.code] <= MAX_OF_A_CODE:
            kept.append(entry)
        else:
            first_left_out.setdefault(entry.code, entry)
    for code, entry in first_left_out.items():
        kept.append(replace(entry, message=f"{seen[code] - MAX_OF_A_CODE} more findings of this code", hint=""))
    return kept


class DescriptorError(Exception):
    """A package or descriptor that cannot be used; `report` says why."""

    def __init__(self, report: Report) -> None:
        self.report = report
        first = report.errors[0] if report.errors else None
        more = f" (and {len(report.errors) - 1} more)" if len(report.errors) > 1 else ""
        super().__init__(f"{to_text(first)}{more}" if first else f"{printable(report.path)} cannot be used")


def to_text(entry: Finding, path: str | None = None) -> str:
    """`FILE:LINE:COL: SEVERITY CODE message (clause)`, with the hint after the message, on one line.

    With `path`, FILE follows `PATH!`: for runs over several packages.
    """
    file = printable(entry.file) if path is None else f"{printable(path)}!{printable(entry.file)}"
    hint = f". {entry.hint}" if entry.hint else ""
    clause = f" ({entry.clause})" if entry.clause else ""
    place = f"{file}:{entry.line}:{entry.column}"
    return f"{place}: {entry.severity.value} {entry.code} {printable(entry.message)}{printable(hint)}{clause}"


_SARIF_LEVEL = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def to_sarif(reports: Iterable[Report], tool_version: str = "") -> str:
    """The reports as one SARIF 2.1.0 log: what code review tools read."""
    reports = list(reports)
    used = sorted({entry.code for report in reports for entry in report})
    driver: dict[str, Any] = {"name": "mano package validate", "rules": [_sarif_rule(code) for code in used]}
    if tool_version:
        driver["version"] = tool_version
    results = [_sarif_result(report, entry, used.index(entry.code)) for report in reports for entry in report]
    log = {"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}
    return json.dumps(log, indent=2)


def _sarif_rule(code: str) -> dict[str, Any]:
    entry = CODES[code]
    return {
        "id": code,
        "shortDescription": {"text": entry.title},
        "fullDescription": {"text": entry.text},
        "defaultConfiguration": {"level": _SARIF_LEVEL[entry.severity]},
        "properties": {"clause": entry.clause},
    }


def _sarif_result(report: Report, entry: Finding, rule: int) -> dict[str, Any]:
    text = f"{entry.message}. {entry.hint}" if entry.hint else entry.message
    place = {
        "artifactLocation": {"uri": _uri(_file_of(report.path, entry.file))},
        "region": {"startLine": entry.line, "startColumn": entry.column},
    }
    return {
        "ruleId": entry.code,
        "ruleIndex": rule,
        "level": _SARIF_LEVEL[entry.severity],
        "message": {"text": printable(text)},
        "locations": [{"physicalLocation": place}],
        "properties": {"package": printable(report.path)},
    }


def _file_of(path: str, member: str) -> str:
    """Where a review tool finds a member: below a source tree, beside a bare file, by its own name in an archive."""
    if os.path.isdir(path):
        return os.path.join(path, member)
    return os.path.join(os.path.dirname(path), member) if path.lower().endswith((".yaml", ".yml")) else member


def _uri(path: str) -> str:
    from urllib.parse import quote as percent_encode

    return percent_encode(path, errors="replace")


def printable(text: str) -> str:
    """The text on one line, with every character that a terminal or a log might obey made visible."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape", "backslashreplace").decode("ascii")


def quote(text: object) -> str:
    """A piece of a package for a message: in quotes, on one line, cut to a readable length."""
    shown = str(text)
    if len(shown) > MAX_QUOTED:
        shown = shown[: MAX_QUOTED - 1] + "…"
    return f"'{printable(shown)}'"

"""Load and validate descriptors: the two calls that most users of this library need."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass, replace

from vnf_descriptors.context import Context, Kind, read_context
from vnf_descriptors.csar import inspect
from vnf_descriptors.model import Nsd, Pnfd, Vnfd
from vnf_descriptors.package import Package, Policy
from vnf_descriptors.report import DescriptorError, Finding, Position, Report, Severity, finding, limited
from vnf_descriptors.rules import rules_for, template_rules
from vnf_descriptors.types import EDITIONS

Descriptor = Vnfd | Nsd | Pnfd
#: Most findings of one rule in one report.
MAX_FINDINGS = 200
#: Codes of what a later edition of the standard may have added: properties, values, requirements, capabilities, …
_MAY_BE_NEW = frozenset({"TOSCA009", "TOSCA012", "TOSCA013", "TOSCA017", "TOSCA018"})


@dataclass(frozen=True, slots=True)
class Loaded:
    """A descriptor (None when it has errors) and everything that was found."""

    descriptor: Descriptor | None
    report: Report


def validate(path: str | os.PathLike[str], policy: Policy | None = None) -> Report:
    """Everything that is wrong with a CSAR, a directory or a YAML file. Never raises for content."""
    return load_with_report(path, policy).report


def load(path: str | os.PathLike[str], policy: Policy | None = None) -> Descriptor:
    """The descriptor of a CSAR, a directory or a YAML file; DescriptorError(report) when it has errors."""
    loaded = load_with_report(path, policy)
    if loaded.descriptor is None:
        raise DescriptorError(loaded.report)
    return loaded.descriptor


def load_with_report(path: str | os.PathLike[str], policy: Policy | None = None) -> Loaded:
    """The descriptor together with the report, warnings included. Never raises for content."""
    package, findings = inspect(path, policy or Policy())
    shown = os.fspath(path)
    if package is None:
        return Loaded(None, Report(shown, tuple(findings)))
    with package:
        descriptor, more = read_descriptor(package)
        report = Report(shown, tuple(dict.fromkeys(findings + limited(more))), package.signature, package.signer)
    return Loaded(descriptor if report.ok else None, report)


def read_descriptor(package: Package) -> tuple[Descriptor | None, list[Finding]]:
    """The descriptor of an open package (None when it has errors), and what was found in its templates."""
    from vnf_descriptors.tosca.opinion import second_opinion

    context, findings = read_context(package)
    if not context.templates.files:
        return None, findings
    for rule in (*template_rules(), *rules_for(context.kind)):
        findings.extend(itertools.islice(rule(context), MAX_FINDINGS))
    findings = _without_echoes(findings)
    if context.templates.is_newer:
        findings = [_perhaps_newer(entry) for entry in findings]
    if not context.topologies and not _has_errors(findings):
        findings.append(finding("TOSCA027", Position(package.entry), "the entry definitions have no topology_template"))
    if not _has_errors(findings):
        findings.extend(second_opinion(context))
    if _has_errors(findings):
        return None, findings
    try:
        return _read(context), findings
    except ValueError as error:
        return None, [*findings, finding("TOSCA030", Position(package.entry), str(error))]


def _without_echoes(findings: list[Finding]) -> list[Finding]:
    """The findings without those on a value's type where a rule on what the value means tells the same."""
    told = {(entry.file, entry.line, entry.column) for entry in findings if entry.code == "NSD006"}
    return [
        entry
        for entry in findings
        if entry.code not in ("TOSCA011", "TOSCA012") or (entry.file, entry.line, entry.column) not in told
    ]


def _perhaps_newer(entry: Finding) -> Finding:
    """What the held editions do not know may be new in a later one, unless it looks misspelt."""
    if entry.code not in _MAY_BE_NEW or entry.hint or entry.severity is not Severity.ERROR:
        return entry
    hint = f"A later edition than {EDITIONS[-1]} may know it"
    return replace(entry, severity=Severity.WARNING, hint=hint)


def _read(context: Context) -> Descriptor:
    if context.kind is Kind.NSD:
        from vnf_descriptors.read_nsd import read_nsd

        return read_nsd(context)
    if context.kind is Kind.PNFD:
        from vnf_descriptors.read_pnfd import read_pnfd

        return read_pnfd(context)
    from vnf_descriptors.read_vnfd import read_vnfd

    return read_vnfd(context)


def _has_errors(findings: list[Finding]) -> bool:
    return any(entry.severity is Severity.ERROR for entry in findings)

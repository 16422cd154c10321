"""Packages as SOL004 lays them out: archives, signed outer archives, directories, single YAML files.

`inspect` opens a path under the guard's limits and checks structure, digests and signature. What it gives,
a `Package`, is also what a server needs to hand out a package's parts.
"""

from __future__ import annotations

import contextlib
import io
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from vnf_descriptors import guard, manifest, tosca_meta
from vnf_descriptors.integrity import OuterSignature, check_files, check_signature
from vnf_descriptors.members import Members, TreeMembers, ZipMembers, read
from vnf_descriptors.package import YAML_SUFFIXES, Layout, Package, Policy
from vnf_descriptors.report import DescriptorError, Finding, Position, Report, Severity, finding, limited, quote
from vnf_descriptors.signature import MAX_BYTES as MAX_SIGNATURE
from vnf_descriptors.signature import verify
from vnf_descriptors.tosca_meta import ToscaMeta

#: Largest archive inside a package that is looked into, in octets.
MAX_NESTED = 16 * 1024 * 1024
_ZIP_SUFFIXES = (".zip", ".jar", ".war")


def open_package(path: str | os.PathLike[str], policy: Policy | None = None) -> Package:
    """Open a package whose structure, digests and signature are in order; DescriptorError says what is not."""
    package, findings = inspect(path, policy or Policy())
    report = Report(os.fspath(path), tuple(findings))
    if package is None or not report.ok:
        if package is not None:
            package.close()
        raise DescriptorError(report)
    return package


def inspect(path: str | os.PathLike[str], policy: Policy) -> tuple[Package | None, list[Finding]]:
    """The package (None when it must not be touched) and what is wrong with its shell. Never raises for content."""
    shown = os.path.basename(os.fspath(path)) or os.fspath(path)
    with contextlib.ExitStack() as stack:
        try:
            package, findings = _open(Path(path), shown, policy, stack)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            return None, [finding("ZIP001", Position(shown), f"{quote(shown)} cannot be read: {reason}")]
        if package is not None:
            package.resources = stack.pop_all()
        return package, limited(findings)


def _open(path: Path, shown: str, policy: Policy, stack: contextlib.ExitStack) -> tuple[Package | None, list[Finding]]:
    if path.is_dir():
        return _open_directory(path, shown, policy, stack)
    if path.name.lower().endswith(YAML_SUFFIXES):
        return _open_bare(path, shown, policy)
    stream = stack.enter_context(os.fdopen(_regular(path), "rb"))
    members, findings = _open_archive(stream, shown, stack)
    if members is None:
        return None, findings
    inner = _inner_archive(members)
    if inner:
        package, more = _open_outer(members, inner, shown, policy, stack)
    else:
        package, more = _structure(shown, members, policy, None)
    return package, findings + more


def _regular(path: Path) -> int:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ValueError("it is neither a file nor a directory")
    return descriptor


def _open_archive(stream: BinaryIO, shown: str, stack: contextlib.ExitStack) -> tuple[ZipMembers | None, list[Finding]]:
    archive, findings = guard.open_archive(stream, shown)
    if archive is None:
        return None, findings
    stack.callback(archive.close)
    return ZipMembers(archive), findings


def _open_directory(
    path: Path, shown: str, policy: Policy, stack: contextlib.ExitStack
) -> tuple[Package | None, list[Finding]]:
    from vnf_descriptors.builder import tree_members

    members, findings = tree_members(path)
    stack.callback(members.close)
    if any(entry.severity is Severity.ERROR for entry in findings):
        return None, findings
    package, more = _structure(shown, members, policy, None)
    return package, findings + more


def _open_bare(path: Path, shown: str, policy: Policy) -> tuple[Package | None, list[Finding]]:
    os.close(_regular(path))
    members = _BareMembers(path.parent, path.name)
    return Package(shown, Layout.BARE, members, path.name, policy=policy), []


class _BareMembers(TreeMembers):
    """One YAML file, and what lies beside it when it is asked for by name."""

    def __init__(self, root: Path, main: str) -> None:
        super().__init__(root, {main: (root / main).stat().st_size})

    def __contains__(self, name: str) -> bool:
        if name in self._sizes:
            return True
        if guard.check_name(name) is not None:
            return False
        try:
            (self._root / name).resolve().relative_to(self._root.resolve())
            found = (self._root / name).lstat()
        except (OSError, ValueError):
            return False
        if not stat.S_ISREG(found.st_mode):
            return False
        self._sizes[name] = found.st_size
        return True


# Signed outer archives (SOL004 clause 5.1, option 2) ------------------------------------------------------


def _inner_archive(members: Members) -> str | None:
    if tosca_meta.PATH in members:
        return None
    return next((name for name in members.names() if "/" not in name and name.lower().endswith(".csar")), None)


def _open_outer(
    outer: Members, inner: str, shown: str, policy: Policy, stack: contextlib.ExitStack
) -> tuple[Package | None, list[Finding]]:
    base = inner[: -len(".csar")]
    cms, cert = f"{base}.cms", f"{base}.cert"
    findings = [
        finding("CSAR008", Position(name), f"{quote(name)} does not belong into a signed package")
        for name in outer.names()
        if name not in (inner, cms, cert)
    ]
    if cms not in outer:
        findings.append(finding("CSAR008", Position(inner), f"the signature {quote(cms)} is missing"))
    copy = tempfile.TemporaryFile()  # noqa: SIM115 - the stack closes it
    stack.callback(copy.close)
    try:
        for piece in outer.chunks(inner):
            copy.write(piece)
        signed = None
        if cms in outer:
            certificates = read(outer, cert, MAX_SIGNATURE) if cert in outer else b""
            signature = read(outer, cms, MAX_SIGNATURE)
            verdict = verify(_pieces(copy), signature, certificates, policy.trust, policy.time())
            signed = OuterSignature(cms, verdict, certificates)
    except guard.MemberError as error:
        return None, [*findings, finding("ZIP008", Position(inner), str(error))]
    members, damage = _open_archive(copy, inner, stack)
    if members is None:
        return None, findings + damage
    package, more = _structure(shown, members, policy, signed)
    return package, findings + damage + more


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    stream.seek(0)
    while piece := stream.read(1024 * 1024):
        yield piece


# Structure ------------------------------------------------------------------------------------------------


def _structure(
    shown: str, members: Members, policy: Policy, outer: OuterSignature | None
) -> tuple[Package | None, list[Finding]]:
    findings: list[Finding] = []
    try:
        package = _find_entry(shown, members, policy, findings)
        if package is None:
            return None, findings
        package.policy = policy
        findings += _check_nested(members)
        _read_manifest(package, findings)
        findings += check_files(package)
        findings += check_signature(package, policy, outer)
    except guard.MemberError as error:
        return None, [*findings, finding("ZIP008", Position(shown), str(error))]
    return package, findings


def _find_entry(shown: str, members: Members, policy: Policy, findings: list[Finding]) -> Package | None:
    if tosca_meta.PATH in members:
        meta, problems = tosca_meta.parse(read(members, tosca_meta.PATH, tosca_meta.MAX_BYTES))
        findings += problems
        entry = meta.get("Entry-Definitions")
        if entry is None:
            message = "TOSCA.meta has no Entry-Definitions"
            findings.append(finding("CSAR001", Position(tosca_meta.PATH), message, "Name the main YAML file"))
            return None
        findings += _check_meta_paths(meta, members, policy)
        if entry[0] not in members:
            return None
        return Package(shown, Layout.TOSCA_METADATA, members, entry[0], meta)
    roots = [name for name in members.names() if "/" not in name and name.endswith(YAML_SUFFIXES)]
    if len(roots) == 1:
        if "ChangeLog.txt" not in members:
            findings.append(finding("CSAR007", Position(roots[0]), "the package has no ChangeLog.txt at its root"))
        return Package(shown, Layout.ROOT_YAML, members, roots[0])
    have = f"{len(roots)} YAML files at its root" if roots else "no YAML file at its root"
    message = f"the package has no {tosca_meta.PATH} and {have}"
    findings.append(finding("CSAR001", Position(shown), message, _where_it_lies(members)))
    return None


def _where_it_lies(members: Members) -> str:
    deeper = next((name for name in members.names() if name.endswith(f"/{tosca_meta.PATH}")), None)
    if deeper is None:
        return ""
    return f"It lies in {quote(deeper.removesuffix(tosca_meta.PATH))}: archive what is in there, not the directory"


def _check_meta_paths(meta: ToscaMeta, members: Members, policy: Policy) -> Iterator[Finding]:
    for keyword, (value, place) in meta.entries.items():
        if not value or "entry-" not in keyword:
            continue
        directory = keyword in ("etsi-entry-tests", "etsi-entry-licenses") and members.has_directory(value)
        if value not in members and not directory:
            problem = guard.check_name(value)
            why = f"its name {problem}" if problem else "it is not in the package"
            yield finding("CSAR004", place, f"{keyword} names {quote(value)}, but {why}")
    if meta.get("ETSI-Entry-Manifest") is None:
        message = "TOSCA.meta lacks 'ETSI-Entry-Manifest'"
        yield finding("CSAR003", Position(tosca_meta.PATH), message)
    if meta.get("ETSI-Entry-Change-Log") is None:
        yield finding("CSAR007", Position(tosca_meta.PATH), "TOSCA.meta names no change log")
    for block in meta.blocks:
        value, place = block.get("name", ("", Position(tosca_meta.PATH)))
        if not value or value in members or members.has_directory(value):
            continue
        problem = policy.check_uri(value) if "://" in value else "is not in the package"
        if problem is not None:
            yield finding("CSAR004", place, f"the block names {quote(value)}, but it {problem}")


def _check_nested(members: Members) -> Iterator[Finding]:
    for name in members.names():
        if name.lower().endswith(".csar"):
            yield finding("ZIP009", Position(name), f"the package holds another package, {quote(name)}")
        elif name.lower().endswith(_ZIP_SUFFIXES):
            yield from _check_nested_zip(members, name)


def _check_nested_zip(members: Members, name: str) -> Iterator[Finding]:
    """An archive that is an artifact is never unpacked here; others must be able to do so safely."""
    message = f"the artifact {quote(name)} is an archive"
    if members.size(name) > MAX_NESTED:
        yield finding("ZIP009", Position(name), f"{message} too large to be looked into", severity=Severity.WARNING)
        return
    try:
        archive, problems = guard.open_archive(io.BytesIO(read(members, name, MAX_NESTED)), name)
    except guard.MemberError:
        return  # told by the check of sizes and digests
    if archive is None:
        yield finding("ZIP009", Position(name), f"{message} that cannot be unpacked safely: {problems[0].message}")
        return
    with archive:
        inner = [each for each in archive.namelist() if each.lower().endswith((*_ZIP_SUFFIXES, ".csar"))]
    if inner:
        yield finding("ZIP009", Position(name), f"{message} that holds another, {quote(inner[0])}")


def _read_manifest(package: Package, findings: list[Finding]) -> None:
    path = _manifest_path(package)
    if path is None:
        if package.layout is not Layout.BARE:
            findings.append(finding("MF001", Position(package.entry), "the package has no manifest"))
        return
    data = read(package.members, path, manifest.MAX_BYTES)
    package.manifest, problems = manifest.parse(data, path)
    findings += problems


def _manifest_path(package: Package) -> str | None:
    named = package.meta.get("ETSI-Entry-Manifest") if package.meta else None
    if named is not None:
        return named[0] if named[0] in package.members else None
    if package.layout is Layout.ROOT_YAML:
        path = f"{package.entry.rpartition('.')[0]}.mf"
        if path in package.members:
            return path
    roots = [name for name in package.members.names() if "/" not in name and name.endswith(".mf")]
    return roots[0] if len(roots) == 1 else None

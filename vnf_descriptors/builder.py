"""Build packages from source trees.

A source tree looks like the package that comes out of it: `TOSCA-Metadata/TOSCA.meta`, `Definitions/`, a
manifest with its metadata only, `ChangeLog.txt`, `Licenses/`, `Files/`. What is different:

* A directory `images/<name>/` is packed into the artifact `Files/images/<name>.tar`.
* In a software image's properties, the checksum `"@digest@"` and the size `"@size@"` stand for those of the
  artifact's file.
* The manifest's list of files is computed.

The same tree gives the same octets, whoever builds it and whenever (an elliptic curve signature excepted).
"""

from __future__ import annotations

import errno
import io
import os
import posixpath
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from vnf_descriptors import manifest, tosca_meta
from vnf_descriptors.guard import MemberError
from vnf_descriptors.integrity import digest
from vnf_descriptors.members import Members, MemoryMembers, TreeMembers, read, scan
from vnf_descriptors.package import Policy
from vnf_descriptors.report import DescriptorError, Finding, Position, Report, Severity, finding, quote
from vnf_descriptors.yamltree import MAX_BYTES as MAX_YAML
from vnf_descriptors.yamltree import Mapping, Node, Scalar, Sequence, compose

#: Directories of a source tree that hold what is packed into images.
IMAGES = "images"
#: Names that never come into a package or an image.
SKIPPED = frozenset({"__pycache__"})
_PLACEHOLDERS = ("@digest@", "@size@")
#: 1980-01-01 00:00:00, the earliest time a ZIP archive can hold.
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)
#: Largest directory that is packed into an image, in octets.
MAX_IMAGE = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key and its certificate (with those above it, if any), both in PEM."""

    key: bytes
    certificate: bytes
    password: bytes | None = None


def build(
    directory: str | os.PathLike[str],
    out: str | os.PathLike[str],
    signing: SigningKey | None = None,
    policy: Policy | None = None,
) -> Report:
    """Write the package that a source tree describes to `out`, and validate it.

    The tree may also be an unpacked package: its list of files and its signature are made anew. Raises DescriptorError
    when the tree cannot become a valid package; `out` is then not written. The report that comes back holds warnings
    at most.
    """
    from vnf_descriptors.loader import validate

    root, target = Path(directory), Path(out)
    members, findings = tree_members(root, signing, anew=True)
    if not _has_manifest(members):
        message = "the tree needs one manifest, at its root or where TOSCA.meta says"
        findings.append(finding("MF001", Position("."), message, severity=Severity.ERROR))
    if any(entry.severity is Severity.ERROR for entry in findings):
        raise DescriptorError(Report(str(directory), tuple(findings)))
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(target.parent))
    with tempfile.NamedTemporaryFile(
        dir=target.parent, prefix=f".{target.name}.", suffix=".csar", delete=False
    ) as file:
        try:
            write_archive(members, file)
            file.flush()
            report = validate(file.name, policy)
            if not report.ok:
                raise DescriptorError(Report(str(directory), report.findings))
            os.chmod(file.name, 0o644)
            os.replace(file.name, target)
        except BaseException:
            os.unlink(file.name)
            raise
    return Report(str(out), report.findings, report.signature, report.signer)


def tree_members(root: Path, signing: SigningKey | None = None, *, anew: bool = False) -> tuple[Members, list[Finding]]:
    """The files of the package in a directory: those of an unpacked one as they are, those of a source tree built.

    A directory is a source tree unless its manifest already lists files; `anew` makes it one all the same.
    """
    tree, findings = scan(root, SKIPPED)
    unpacked = _lists_files(tree)
    if any(entry.severity is Severity.ERROR for entry in findings) or (unpacked and not anew):
        return tree, findings
    packed: dict[str, bytes] = {}
    own: dict[str, int] = {}
    images: dict[str, list[str]] = {}
    for name in tree.names():
        parts = name.split("/")
        if parts[0] == IMAGES and len(parts) > 2 and not unpacked:
            images.setdefault(parts[1], []).append(name)
        elif parts[0] != IMAGES or unpacked:
            own[name] = tree.size(name)
    try:
        for image, files in images.items():
            packed[f"Files/images/{image}.tar"] = pack_image(root / IMAGES / image, tree, files)
        members = MemoryMembers(packed, TreeMembers(root, own))
        packed.update(_filled_definitions(members, findings))
        members = MemoryMembers(packed, TreeMembers(root, own))
        return with_manifest(members, signing), findings
    except MemberError as error:
        findings.append(finding("ZIP008", Position(root.name), str(error)))
        return tree, findings


def _lists_files(tree: Members) -> bool:
    for name in tree.names():
        if name.endswith(".mf"):
            try:
                listing, _ = manifest.parse(read(tree, name, manifest.MAX_BYTES), name)
                if any(not entry.external for entry in listing.entries):
                    return True
            except MemberError:
                continue
    return False


def pack_image(root: Path, tree: Members, files: list[str]) -> bytes:
    """A directory as a tar archive: sorted, without owners and times; executables keep their bit."""
    total = sum(tree.size(name) for name in files)
    if total > MAX_IMAGE:
        raise MemberError(f"the image {quote(root.name)} has {total} octets; the limit is {MAX_IMAGE}")
    prefix = f"{IMAGES}/{root.name}/"
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted(files):
            info = tarfile.TarInfo(name.removeprefix(prefix))
            info.size = tree.size(name)
            info.mode = 0o755 if os.stat(root / info.name).st_mode & 0o100 else 0o644
            archive.addfile(info, io.BytesIO(read(tree, name, MAX_IMAGE)))
    return out.getvalue()


def _filled_definitions(members: Members, findings: list[Finding]) -> dict[str, bytes]:
    """The YAML files that hold placeholders, with these replaced."""
    filled = {}
    for name in members.names():
        if not name.endswith((".yaml", ".yml")) or members.size(name) > MAX_YAML:
            continue
        data = read(members, name, MAX_YAML)
        if not any(mark.encode() in data for mark in _PLACEHOLDERS):
            continue
        composed = compose(data, name)
        if composed.root is not None:
            edits = _edits(composed.root, name, members, findings)
            filled[name] = _apply(data.decode("utf-8-sig"), edits).encode()
    return filled


Edit = tuple[int, int, str, str]


def _edits(node: Node, name: str, members: Members, findings: list[Finding]) -> list[Edit]:
    """Line, column, placeholder and replacement for every placeholder below `node`."""
    if isinstance(node, Sequence):
        return [edit for item in node.items for edit in _edits(item, name, members, findings)]
    if not isinstance(node, Mapping):
        return []
    file = node.get("file")
    properties = node.get("properties")
    edits = []
    if isinstance(file, Scalar) and isinstance(properties, Mapping):
        for scalar in _placeholders(properties):
            path = artifact_path(name, file.text, members)
            if path is None:
                findings.append(finding("TOSCA020", file, f"the artifact {quote(file.text)} is not in the tree"))
            else:
                edits.append((scalar.line, scalar.column, scalar.text, _fact(scalar.text, path, properties, members)))
    else:
        for _, _, value in node.items():
            edits += _edits(value, name, members, findings)
    return edits


def _placeholders(properties: Mapping) -> list[Scalar]:
    found = []
    for _, _, value in properties.items():
        if isinstance(value, Mapping):
            found += _placeholders(value)
        elif isinstance(value, Scalar) and value.text in _PLACEHOLDERS:
            found.append(value)
    return found


def _fact(placeholder: str, path: str, properties: Mapping, members: Members) -> str:
    if placeholder == "@size@":
        return f"{members.size(path)} B"
    checksum = properties.get("checksum")
    algorithm = checksum.get("algorithm") if isinstance(checksum, Mapping) else None
    text = algorithm.text if isinstance(algorithm, Scalar) else ""
    return digest(members.chunks(path), text if text in ("sha-224", "sha-256", "sha-384", "sha-512") else "sha-256")


def artifact_path(file: str, reference: str, members: Members) -> str | None:
    """The member that an artifact's `file` means: relative to the file that names it, else to the root."""
    beside = posixpath.normpath(posixpath.join(posixpath.dirname(file), reference))
    for candidate in (beside, posixpath.normpath(reference)):
        if not candidate.startswith("..") and candidate in members:
            return candidate
    return None


def _apply(text: str, edits: list[Edit]) -> str:
    lines = text.split("\n")
    for line, column, placeholder, replacement in sorted(edits, reverse=True):
        row = lines[line - 1]
        at = row.index(placeholder, column - 1)
        lines[line - 1] = row[:at] + replacement + row[at + len(placeholder) :]
    return "\n".join(lines)


def with_manifest(members: Members, signing: SigningKey | None) -> Members:
    """The files with the manifest's list of digests computed, and signed when a key is given.

    A tree without a manifest stays as it is.
    """
    path = _manifest_path(members)
    if path is None:
        return members
    before = read(members, path, manifest.MAX_BYTES)
    signed = {entry.source: entry for entry in manifest.parse(before, path)[0].entries if entry.signature}
    parts = [manifest.without_digests(before, path)]
    for name in members.names():
        if name != path:
            parts.append(f"\nSource: {name}\nAlgorithm: SHA-256\nHash: {digest(members.chunks(name), 'SHA-256')}\n")
        if name in signed:
            parts.append(f"Signature: {signed[name].signature}\n")
            parts.append(f"Certificate: {signed[name].certificate}\n" if signed[name].certificate else "")
    content = "".join(parts).encode()
    if signing is not None:
        from vnf_descriptors.signature import sign

        content += sign(content, signing.key, signing.certificate, signing.password)
    return MemoryMembers({path: content}, members)


def _has_manifest(members: Members) -> bool:
    return _manifest_path(members) is not None


def _manifest_path(members: Members) -> str | None:
    if tosca_meta.PATH in members:
        meta, _ = tosca_meta.parse(read(members, tosca_meta.PATH, tosca_meta.MAX_BYTES))
        named = meta.get("ETSI-Entry-Manifest")
        if named is not None:
            return named[0] if named[0] in members else None
    roots = [name for name in members.names() if "/" not in name and name.endswith(".mf")]
    return roots[0] if len(roots) == 1 else None


def write_archive(members: Members, stream: io.IOBase | tempfile._TemporaryFileWrapper[bytes]) -> None:
    """Write all files as a ZIP archive: TOSCA.meta first, then by name, without times and owners."""
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(members.names(), key=lambda each: (each != tosca_meta.PATH, each)):
            info = zipfile.ZipInfo(name, _ZIP_TIME)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 3
            info.external_attr = 0o100644 << 16
            with archive.open(info, "w", force_zip64=members.size(name) > 2**31) as target:
                for piece in members.chunks(name):
                    target.write(piece)

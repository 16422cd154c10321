"""VNF snapshot packages as ZIP files (after SOL010): a manifest with digests, the record, the VNFD, one image a VNFC.

What comes from elsewhere is believed only as far as its digests go and its numbers stay within bounds; names inside
are compared with those that a package may have and never become paths.
"""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import IO, Any

from mano.adapters.store.codec import decode, encode
from mano.domain.vnf_snapshot import VnfSnapshot
from mano.domain.vnf_snapshot_package import PackedFile
from mano.errors import InvalidInput
from mano.ports.snapshot_archives import IMAGES, RECORD, VNFD, ArchiveContent

MANIFEST = "vnf_snapshot_package.mf"
MEMBERS_MAX = 1000
RECORD_MAX = 16 << 20
MANIFEST_MAX = 1 << 20
CONTENT_MAX = 64 << 30
"""Octets of all members together, unpacked."""

_CHUNK = 1 << 20
_IMAGE = re.compile(re.escape(IMAGES) + r"([0-9A-Za-z][0-9A-Za-z._-]{0,127})\.img")
_SOURCE = re.compile(r"Source: (\S{1,300})\nAlgorithm: SHA-256\nHash: ([0-9a-f]{64})\n")
_UNIQUE = re.compile(r"^vnf_snapshot_package_unique_id: (\S{1,64})$", re.MULTILINE)


class ZipSnapshotArchives:
    """Implements :class:`mano.ports.snapshot_archives.SnapshotArchives`."""

    def pack(
        self,
        snapshot: VnfSnapshot,
        unique_id: str,
        descriptor: Sequence[tuple[str, str]],
        images: Iterable[tuple[str, Iterator[bytes]]],
    ) -> Iterator[bytes]:
        """The package, piece by piece."""
        own = [(RECORD, iter([encode(snapshot).encode()])), (VNFD, iter([_zipped(descriptor)]))]
        members = chain(own, ((f"{IMAGES}{id}.img", chunks) for id, chunks in images))
        return _written(members, f"vnf_snapshot_package_unique_id: {unique_id}\n\n")

    def bundle(self, images: Iterable[tuple[str, Iterator[bytes]]]) -> Iterator[bytes]:
        """States and nothing else."""
        return _written(images, "")

    def read(self, path: str) -> ArchiveContent:
        """What is in the file, every digest compared."""
        try:
            with zipfile.ZipFile(path) as archive:
                return self._read(archive)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
            raise InvalidInput(f"the VNF snapshot package cannot be read ({type(error).__name__})") from None

    def open(self, path: str, member: str) -> Iterator[bytes]:
        """One member, piece by piece."""
        with zipfile.ZipFile(path) as archive, archive.open(member) as file:
            while chunk := file.read(_CHUNK):
                yield chunk

    def _read(self, archive: zipfile.ZipFile) -> ArchiveContent:
        sizes = _sizes(archive)
        manifest = _text(archive, MANIFEST, sizes, MANIFEST_MAX)
        unique = _UNIQUE.search(manifest)
        listed = dict(_SOURCE.findall(manifest))
        if unique is None or set(listed) != set(sizes) - {MANIFEST} or RECORD not in listed or VNFD not in listed:
            raise InvalidInput(f"{MANIFEST} does not list what the VNF snapshot package holds, each with its SHA-256")
        files = {name: PackedFile(name, sizes[name], _digest(archive, name)) for name in listed}
        wrong = [name for name, file in files.items() if file.checksum != listed[name]]
        if wrong:
            raise InvalidInput(f"{len(wrong)} files of the VNF snapshot package are not those of its manifest")
        images = {match[1]: file for name, file in files.items() if (match := _IMAGE.fullmatch(name))}
        if len(images) != len(files) - 2:
            raise InvalidInput("the VNF snapshot package holds files that are nothing of a VNF snapshot")
        snapshot = _record(_text(archive, RECORD, sizes, RECORD_MAX))
        if not set(images) <= {vnfc.id for vnfc in snapshot.vnfcs} or snapshot.instance is None:
            raise InvalidInput("the VNF snapshot record does not tell of the images that are in the package")
        return ArchiveContent(snapshot, unique[1], files[RECORD], files[VNFD], images)


def _written(members: Iterable[tuple[str, Iterator[bytes]]], head: str) -> Iterator[bytes]:
    """An archive, with a manifest that begins with ``head`` where there is one."""
    sink, lines = _Sink(), [head]
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, chunks in members:
            digest = hashlib.sha256()
            with archive.open(_entry(name), "w", force_zip64=True) as file:
                for chunk in chunks:
                    digest.update(chunk)
                    file.write(chunk)
                    yield from sink.taken()
            lines.append(f"Source: {name}\nAlgorithm: SHA-256\nHash: {digest.hexdigest()}\n\n")
        if head:
            archive.writestr(_entry(MANIFEST), "".join(lines))
    yield from sink.taken()


def _record(text: str) -> VnfSnapshot:
    try:
        return decode(text, VnfSnapshot)
    except Exception as error:
        raise InvalidInput(f"the VNF snapshot record cannot be read ({type(error).__name__})") from None


def _sizes(archive: zipfile.ZipFile) -> dict[str, int]:
    entries = archive.infolist()
    sizes = {entry.filename: entry.file_size for entry in entries}
    if len(entries) > MEMBERS_MAX or len(sizes) != len(entries) or sum(sizes.values()) > CONTENT_MAX:
        raise InvalidInput(f"a VNF snapshot package has at most {MEMBERS_MAX} files and {CONTENT_MAX >> 30} GiB")
    return sizes


def _text(archive: zipfile.ZipFile, name: str, sizes: dict[str, int], limit: int) -> str:
    if not 0 < sizes.get(name, 0) <= limit:
        raise InvalidInput(f"the VNF snapshot package has no {name} of at most {limit >> 20} MiB")
    try:
        return archive.read(name).decode()
    except UnicodeDecodeError:
        raise InvalidInput(f"{name} of the VNF snapshot package is no text") from None


def _digest(archive: zipfile.ZipFile, name: str) -> str:
    digest = hashlib.sha256()
    with archive.open(name) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _zipped(files: Sequence[tuple[str, str]]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, path in files:
            archive.writestr(_entry(member), Path(path).read_bytes())
    return content.getvalue()


def _entry(name: str) -> zipfile.ZipInfo:
    """Of 1980: the same content gives the same octets."""
    entry = zipfile.ZipInfo(name)
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


class _Sink(io.RawIOBase, IO[bytes]):
    """What the archive writes, to be taken away piece by piece."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def taken(self) -> list[bytes]:
        """Everything that was written since."""
        pieces, self._pieces = self._pieces, []
        return pieces

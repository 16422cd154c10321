"""Software images of the local VIM: tar archives with a program named ``entrypoint`` at the top.

An archive comes from a vendor. Every member is judged before anything of it is written: only directories, regular
files, symbolic links that stay inside and hard links to files before them; no path leaves the archive, none leads
through a link, nothing is set-user-ID, and sizes are bounded. Only the standard library is needed: the launcher runs
this as well.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import posixpath
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

from mano.errors import InvalidInput

ENTRY_POINT = "entrypoint"
RESERVED = frozenset({"config.json", "log", "ready"})
"""Names at the top of ``/vnf`` that the VIM makes itself."""

ARCHIVE_MAX = 512 << 20
UNPACKED_MAX = 1 << 30
MEMBERS_MAX = 20_000
_CHUNK = 1 << 20
_GZIP = b"\x1f\x8b"


class Reader(Protocol):
    """What an archive is read from."""

    def read(self, size: int, /) -> bytes:
        """At most ``size`` octets; none at the end."""


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What an archive holds; ``unpacked`` is the sum of its files' octets."""

    members: int
    unpacked: int


@dataclass(slots=True)
class _Seen:
    """What was met so far in one archive."""

    files: dict[str, bool] = field(default_factory=dict)
    directories: set[str] = field(default_factory=set)
    links: set[str] = field(default_factory=set)
    octets: int = 0

    def __contains__(self, name: str) -> bool:
        return name in self.files or name in self.links

    def __len__(self) -> int:
        return len(self.files) + len(self.directories) + len(self.links)


def check(path: Path, checksum: str) -> ImageFacts:
    """Read the whole archive and judge it; writes nothing.

    ``checksum`` is the SHA-256 in hexadecimal digits. Raises :class:`~mano.errors.InvalidInput` saying which member
    is wrong and why.
    """
    with _opened(path, checksum) as archive:
        seen = _Seen()
        for member in _members(archive):
            _admit(member, seen)
    if ENTRY_POINT not in seen.files:
        raise InvalidInput(f"software image {path.name} has no file {ENTRY_POINT!r} at its top")
    if not seen.files[ENTRY_POINT]:
        raise InvalidInput(f"{ENTRY_POINT!r} of software image {path.name} is not executable", hint="chmod +x it")
    return ImageFacts(len(seen), seen.octets)


def unpack(path: Path, checksum: str, target: Path) -> None:
    """Unpack into the directory ``target``, which is empty; the same checks, member by member.

    Raises :class:`~mano.errors.InvalidInput` as :func:`check` does, and ``OSError`` when the place is too small.
    """
    with _opened(path, checksum) as archive:
        seen = _Seen()
        for member in _members(archive):
            name = _admit(member, seen)
            if name:
                _write(archive, member, target / name, target)


def _members(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    try:
        yield from archive
    except (tarfile.TarError, EOFError, OSError) as error:
        raise InvalidInput(f"the software image is not a whole tar archive: {str(error)[:200]}") from None


def _admit(member: tarfile.TarInfo, seen: _Seen) -> str:
    """The member's path below the top, empty for the top itself; raises when it may not be there."""
    name = _inside(member.name, "member")
    if not name:
        if member.isdir():
            return name
        raise InvalidInput("the software image's top is not a directory")
    _check_parents(name, seen)
    if name.split("/")[0] in RESERVED:
        raise InvalidInput(f"software image: {name!r:.100} is a name that the VIM uses itself")
    if name in seen or (name in seen.directories and not member.isdir()):
        raise InvalidInput(f"software image: {name!r:.100} occurs twice")
    if member.isdir():
        seen.directories.add(name)
    elif member.isreg():
        seen.files[name] = bool(member.mode & 0o111)
        seen.octets += member.size
    elif member.issym():
        if member.linkname.startswith("/"):
            raise InvalidInput(f"software image: link {name!r:.100} leads out of it")
        _inside(posixpath.join(posixpath.dirname(name), member.linkname), "link target")
        seen.links.add(name)
    elif member.islnk():
        origin = _inside(member.linkname, "link target")
        if origin not in seen.files:
            raise InvalidInput(f"software image: hard link {name!r:.100} is to no file before it")
        seen.files[name] = seen.files[origin]
    else:
        raise InvalidInput(
            f"software image: {name!r:.100} is a device, a pipe or something else that has no place in one"
        )
    if seen.octets > UNPACKED_MAX or len(seen) > MEMBERS_MAX:
        raise InvalidInput(
            f"the software image is too big: at most {UNPACKED_MAX >> 20} MiB in {MEMBERS_MAX} members are unpacked"
        )
    return name


def _inside(name: str, what: str) -> str:
    """The normal form of a path that does not leave the archive."""
    normal = posixpath.normpath(name)
    if not name or "\0" in name or not name.isprintable() or name.startswith("/"):
        raise InvalidInput(f"software image: {what} {name!r:.100} is no relative path of printable characters")
    if normal == ".." or normal.startswith("../"):
        raise InvalidInput(f"software image: {what} {name!r:.100} leads out of it")
    return "" if normal == "." else normal


def _check_parents(name: str, seen: _Seen) -> None:
    parent = posixpath.dirname(name)
    while parent:
        if parent in seen:
            raise InvalidInput(f"software image: {name!r:.100} lies behind {parent!r:.100}, which is no directory")
        parent = posixpath.dirname(parent)


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path, target: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if member.isdir():
        path.mkdir(exist_ok=True)
    elif member.issym():
        path.symlink_to(member.linkname)
    elif member.islnk():
        os.link(target / posixpath.normpath(member.linkname), path)
    else:
        source = archive.extractfile(member)
        if source is None:
            raise InvalidInput(f"software image: {member.name!r:.100} has no content")
        with source, path.open("xb") as file:
            shutil.copyfileobj(source, file, _CHUNK)
        path.chmod(0o755 if member.mode & 0o111 else 0o644)


@contextmanager
def _opened(path: Path, checksum: str) -> Iterator[tarfile.TarFile]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise InvalidInput(f"the software image {path.name} cannot be read: {error.strerror}") from None
    with file:
        _check_sum(file, path.name, checksum)
        is_gzip = file.read(2) == _GZIP
        file.seek(0)
        plain: Reader = gzip.GzipFile(fileobj=file) if is_gzip else file
        try:
            archive = tarfile.open(fileobj=_Bounded(plain), mode="r|")  # noqa: SIM115  (closed below)
        except (tarfile.TarError, EOFError, OSError) as error:
            raise InvalidInput(f"the software image {path.name} is no tar archive: {str(error)[:200]}") from None
        with archive:
            yield archive


def _check_sum(file: IO[bytes], name: str, checksum: str) -> None:
    digest, octets = hashlib.sha256(), 0
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
        octets += len(chunk)
        if octets > ARCHIVE_MAX:
            raise InvalidInput(f"the software image {name} has more than {ARCHIVE_MAX >> 20} MiB")
    if digest.hexdigest() != checksum.lower():
        raise InvalidInput(
            f"the software image {name} has the SHA-256 {digest.hexdigest()}, not {checksum.lower()!r:.80}",
            hint="onboard the package again",
        )
    file.seek(0)


class _Bounded(io.RawIOBase):
    """A reader that fails when more comes out than any good archive holds: compression can hide a flood."""

    def __init__(self, source: Reader) -> None:
        self._source = source
        self._left = UNPACKED_MAX + MEMBERS_MAX * 2048

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        chunk = self._source.read(_CHUNK if size < 0 else size)
        self._left -= len(chunk)
        if self._left < 0:
            raise tarfile.ReadError("it unpacks to more than is allowed")
        return chunk

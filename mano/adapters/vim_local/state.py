"""The state of a VNFC in an archive: what it has written below the directories that are its own.

The tree that is read belongs to a tenant: every directory is opened by its name in the one above and no link is
followed, for an absolute link would lead into the host. What is neither file, directory nor symbolic link has no state,
and what the VIM itself makes anew at each start is left out. Needs the standard library only: the launcher runs this.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from mano.adapters.vim_local.image import RESERVED
from mano.errors import InvalidInput, Refused

DIRECTORIES = ("vnf", "root", "var/lib")
"""What is kept, below the VNFC's root; all else is a program of the host or gone with every start."""

LEFT_OUT = frozenset(f"vnf/{name}" for name in RESERVED)
ROOM_BYTES = 64 << 20
"""What must stay free where snapshots are kept."""
MEMBERS_MAX = 1_000_000
_CHUNK = 1 << 20


def pack(root: Path, target: Path) -> tuple[int, str]:
    """Write the state below a VNFC's ``root`` into the archive ``target``: (octets, SHA-256).

    Raises :class:`~mano.errors.Refused` when there is not enough room and ``OSError`` when the VNFC goes meanwhile.
    """
    _require_room(root, target.parent)
    with target.open("wb") as file:
        hashing = _Hashing(file)
        with tarfile.open(fileobj=hashing, mode="w|", format=tarfile.PAX_FORMAT) as archive:
            for directory in DIRECTORIES:
                _pack_directory(archive, root, directory)
        file.flush()
        os.fsync(file.fileno())
    return hashing.octets, hashing.digest.hexdigest()


def unpack(path: Path, checksum: str, root: Path) -> None:
    """Write an archive's state below a root; raises :class:`~mano.errors.InvalidInput` when it is another's."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
        if digest.hexdigest() != checksum:
            raise InvalidInput("the kept state of the VNFC is not as it was taken: its SHA-256 differs")
        file.seek(0)
        with tarfile.open(fileobj=file, mode="r|") as archive:
            archive.extractall(root, numeric_owner=True, filter=_admitted)


def check(path: Path) -> None:
    """Raise :class:`~mano.errors.InvalidInput` for an archive from elsewhere that :func:`pack` could not have made.

    No devices, no hard links, nothing outside the directories of a VNFC, and nothing behind a symbolic link.
    """
    links: set[str] = set()
    try:
        with tarfile.open(path, mode="r|") as archive:
            for number, member in enumerate(archive):
                parts = member.name.split("/")
                ours = any(member.name.startswith(f"{directory}/") for directory in DIRECTORIES)
                plain = member.isreg() or member.isdir() or member.issym()
                behind = any("/".join(parts[:depth]) in links for depth in range(1, len(parts)))
                if not ours or not plain or behind or {"", ".", ".."} & set(parts) or number >= MEMBERS_MAX:
                    raise InvalidInput(
                        f"member {number} of the archive is nothing that a VNFC can have written",
                        hint="only files, directories and symbolic links below vnf, root and var/lib are",
                    )
                if member.issym():
                    links.add(member.name)
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise InvalidInput(f"the kept state is no archive that can be read ({type(error).__name__})") from None


def _admitted(member: tarfile.TarInfo, root: str) -> tarfile.TarInfo:
    tarfile.tar_filter(member, root)
    return member.replace(mode=member.mode & 0o1777, deep=False)


def _require_room(root: Path, directory: Path) -> None:
    used = os.statvfs(root)
    need = (used.f_blocks - used.f_bfree) * used.f_frsize + ROOM_BYTES
    free = shutil.disk_usage(directory).free
    if free < need:
        raise Refused(
            f"a snapshot may need {need >> 20} MiB where the VIM keeps them, and {free >> 20} MiB are free",
            hint="delete snapshots that are no longer needed",
        )


def _pack_directory(archive: tarfile.TarFile, root: Path, name: str) -> None:
    directory = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        device = os.fstat(directory).st_dev
        for part in name.split("/"):
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
            os.close(directory)
            directory = inner
        for member, content in _members(directory, name, device):
            with content:
                archive.addfile(member, content)
    finally:
        os.close(directory)


def _members(directory: int, path: str, device: int) -> Iterator[tuple[tarfile.TarInfo, IO[bytes]]]:
    """Everything below an open directory, itself first, in the order of names."""
    for name in sorted(os.listdir(directory)):
        here = f"{path}/{name}"
        facts = os.lstat(name, dir_fd=directory) if here not in LEFT_OUT else None
        if facts is None or facts.st_dev != device:
            continue
        member = tarfile.TarInfo(here)
        member.mode, member.mtime = stat.S_IMODE(facts.st_mode), int(facts.st_mtime)
        member.uid, member.gid = facts.st_uid, facts.st_gid
        if stat.S_ISLNK(facts.st_mode):
            member.type, member.linkname = tarfile.SYMTYPE, os.readlink(name, dir_fd=directory)
            yield member, io.BytesIO()
        elif stat.S_ISREG(facts.st_mode):
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            file = os.fdopen(os.open(name, flags, dir_fd=directory), "rb")
            member.size = os.fstat(file.fileno()).st_size
            yield member, file
        elif stat.S_ISDIR(facts.st_mode):
            member.type = tarfile.DIRTYPE
            yield member, io.BytesIO()
            inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
            try:
                yield from _members(inner, here, device)
            finally:
                os.close(inner)


class _Hashing(io.RawIOBase):
    """Writes on, counting and hashing."""

    def __init__(self, target: IO[bytes]) -> None:
        self._target = target
        self.digest = hashlib.sha256()
        self.octets = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.digest.update(data)
        self.octets += len(data)
        return self._target.write(data)

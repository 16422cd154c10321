"""Archives of on-boarded packages in a directory.

Content appears under its final name only when it is complete and on the disk: a crash leaves a temporary file, which
a later start removes, and never half an archive. A member of an archive is copied out under a name that is a hash,
so that no name from an archive ever becomes a path.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

from mano.errors import InvalidInput, NotFound

_KEY = re.compile(r"[0-9a-z][0-9a-z-]{0,63}")
_CHUNK = 1 << 20
_TEMPORARY = "incoming-"
_ABANDONED_S = 3600.0
"""A temporary file that nobody wrote to for so long is no upload of another server, but what a dead one left."""

DEFAULT_MEMBER_LIMIT = 4 << 30
"""Octets of one unpacked member."""


class PackageDirectory:
    """Implements :class:`mano.ports.repositories.PackageStore`."""

    def __init__(self, root: Path, *, max_member_bytes: int = DEFAULT_MEMBER_LIMIT) -> None:
        self._root = root
        self._max_member_bytes = max_member_bytes
        root.mkdir(parents=True, exist_ok=True, mode=0o750)
        for leftover in root.glob(f"{_TEMPORARY}*"):
            if time.time() - leftover.stat().st_mtime > _ABANDONED_S:
                leftover.unlink(missing_ok=True)

    def write(self, key: str, chunks: Iterator[bytes], max_bytes: int) -> tuple[int, str]:
        """Store content under a key, replacing what was there; (octets, SHA-256).

        Raises :class:`~mano.errors.InvalidInput` beyond ``max_bytes``, and whatever ``chunks`` raises.
        """
        target = self._file(key)
        digest = hashlib.sha256()
        size = 0

        def fill(file: IO[bytes]) -> None:
            nonlocal size
            for chunk in chunks:
                size += len(chunk)
                if size > max_bytes:
                    raise InvalidInput(
                        f"the content is larger than {max_bytes} octets", facts={"limitBytes": max_bytes}
                    )
                digest.update(chunk)
                file.write(chunk)

        self._remove_members(key)
        self._store(target, fill)
        return size, digest.hexdigest()

    def path(self, key: str) -> str:
        """The archive's path."""
        file = self._file(key)
        if not file.is_file():
            raise NotFound(f"there is no stored content {key}")
        return str(file)

    def member_path(self, key: str, member: str) -> str:
        """A file with one member of the archive, unpacked once.

        Raises :class:`~mano.errors.NotFound` for content that is no archive or has no such member, and
        :class:`~mano.errors.InvalidInput` for a member that is damaged or larger than its header says or the limit.
        """
        archive = self.path(key)
        target = self._members(key) / hashlib.sha256(member.encode(errors="surrogatepass")).hexdigest()
        if target.is_file():
            return str(target)
        try:
            with zipfile.ZipFile(archive) as content:
                self._unpack(content, member, target)
        except zipfile.BadZipFile as error:
            raise NotFound(f"content {key} is no archive with members") from error
        return str(target)

    def bundle_path(self, key: str, members: Sequence[str]) -> str:
        """A file with an archive of some members, packed once; the same octets whenever it is packed."""
        name = hashlib.sha256("\0".join(("bundle", *members)).encode(errors="surrogatepass")).hexdigest()
        target = self._members(key) / name
        if target.is_file():
            return str(target)
        sources = [(member, self.member_path(key, member)) for member in members]
        target.parent.mkdir(exist_ok=True, mode=0o750)

        def fill(file: IO[bytes]) -> None:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                for member, path in sources:
                    entry = zipfile.ZipInfo(member)  # of 1980, so that a range fits the part before it
                    entry.compress_type = zipfile.ZIP_DEFLATED
                    with open(path, "rb") as source, archive.open(entry, "w") as packed:
                        shutil.copyfileobj(source, packed, _CHUNK)

        self._store(target, fill)
        return str(target)

    def has_digest(self, key: str, algorithm: str, digest: str) -> bool:
        """Is this the digest of the content?"""
        try:
            made = hashlib.new(algorithm.replace("-", "").lower())
        except ValueError:
            return False
        with open(self.path(key), "rb") as content:
            while chunk := content.read(_CHUNK):
                made.update(chunk)
        return made.hexdigest() == digest.lower()

    def remove(self, key: str) -> None:
        """Delete content and everything unpacked of it; nothing to do when it is gone."""
        self._file(key).unlink(missing_ok=True)
        self._remove_members(key)

    def _unpack(self, content: zipfile.ZipFile, member: str, target: Path) -> None:
        try:
            info = content.getinfo(member)
        except KeyError as error:
            raise NotFound("the archive has no such member", facts={"member": member[:200]}) from error
        if info.is_dir():
            raise NotFound("this member of the archive is a directory", facts={"member": member[:200]})
        if info.file_size > self._max_member_bytes:
            raise InvalidInput(f"a member of the archive is larger than {self._max_member_bytes} octets")
        target.parent.mkdir(exist_ok=True, mode=0o750)

        def fill(file: IO[bytes]) -> None:
            # zipfile reads at most file_size octets and checks the CRC at their end
            try:
                with content.open(info) as source:
                    shutil.copyfileobj(source, file, _CHUNK)
            except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, OSError) as error:
                raise InvalidInput(
                    "a member of the archive cannot be unpacked: damaged, encrypted or of an unknown compression",
                    facts={"member": member[:200]},
                ) from error

        self._store(target, fill)

    def _store(self, target: Path, fill: Callable[[IO[bytes]], None]) -> None:
        """Write a file wholly or not at all, and to the disk."""
        descriptor, temporary = tempfile.mkstemp(prefix=_TEMPORARY, dir=self._root)
        try:
            with os.fdopen(descriptor, "wb") as file:
                fill(file)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o640)
            os.replace(temporary, target)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        _sync_directory(target.parent)

    def _file(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise NotFound("there is no stored content of that name")
        return self._root / f"{key}.content"

    def _members(self, key: str) -> Path:
        return self._root / f"{key}.members"

    def _remove_members(self, key: str) -> None:
        shutil.rmtree(self._members(key), ignore_errors=True)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""The files of a package, wherever they lie: in an archive, in a directory, or in memory."""

from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

from vnf_descriptors.guard import MAX_MEMBERS, MAX_PARTS, MemberError, MemberReader, check_names
from vnf_descriptors.report import Finding, Position, finding, quote


class Members(Protocol):
    """The files of a package by path. Paths are relative to its root, with '/' between their parts."""

    def names(self) -> list[str]:
        """The paths of all files, sorted."""
        ...

    def __contains__(self, name: str) -> bool: ...

    def has_directory(self, name: str) -> bool:
        """True for a directory, also an empty one."""
        ...

    def size(self, name: str) -> int:
        """Octets of a file; KeyError when there is none."""
        ...

    def chunks(self, name: str) -> Iterator[bytes]:
        """The content of a file in pieces; KeyError when there is none, MemberError when it is damaged."""
        ...

    def close(self) -> None:
        """Give back what is open."""
        ...


def _holds(names: Iterable[str], directory: str) -> bool:
    prefix = directory.rstrip("/") + "/"
    return any(name.startswith(prefix) for name in names)


def read(members: Members, name: str, limit: int) -> bytes:
    """The content of a file; MemberError when it is damaged or larger than `limit` octets."""
    if members.size(name) > limit:
        raise MemberError(f"{quote(name)} has {members.size(name)} octets; the limit is {limit}")
    return b"".join(members.chunks(name))


class ZipMembers:
    """The files of an archive that `guard.open_archive` let through."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._infos = {info.filename: info for info in archive.infolist() if not info.is_dir()}
        self._directories = frozenset(info.filename.rstrip("/") for info in archive.infolist() if info.is_dir())

    def names(self) -> list[str]:
        return sorted(self._infos)

    def __contains__(self, name: str) -> bool:
        return name in self._infos

    def has_directory(self, name: str) -> bool:
        return name.rstrip("/") in self._directories or _holds(self._infos, name)

    def size(self, name: str) -> int:
        return self._infos[name].file_size

    def chunks(self, name: str) -> Iterator[bytes]:
        info = self._infos[name]
        try:
            stream = self._archive.open(info)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError) as error:
            raise MemberError(f"{quote(name)} is damaged: {quote(error)}") from error
        return MemberReader(stream, name, info.file_size).chunks()

    def close(self) -> None:
        self._archive.close()


class TreeMembers:
    """The files of a directory; made by `scan`, which looks at every entry first."""

    def __init__(self, root: Path, sizes: Mapping[str, int]) -> None:
        self._root = root
        self._sizes = dict(sizes)

    def names(self) -> list[str]:
        return sorted(self._sizes)

    def __contains__(self, name: str) -> bool:
        return name in self._sizes

    def has_directory(self, name: str) -> bool:
        return _holds(self._sizes, name)

    def size(self, name: str) -> int:
        return self._sizes[name]

    def chunks(self, name: str) -> Iterator[bytes]:
        size = self._sizes[name]
        try:
            descriptor = os.open(self._root / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise MemberError(f"{quote(name)} cannot be opened: {error.strerror}") from error
        return MemberReader(os.fdopen(descriptor, "rb"), name, size).chunks()

    def close(self) -> None:
        """Nothing is kept open."""


class MemoryMembers:
    """Files that exist as octets only, before those of another package."""

    def __init__(self, contents: Mapping[str, bytes], behind: Members | None = None) -> None:
        self._contents = dict(contents)
        self._behind = behind

    def names(self) -> list[str]:
        behind = self._behind.names() if self._behind else []
        return sorted({*self._contents, *behind})

    def __contains__(self, name: str) -> bool:
        return name in self._contents or (self._behind is not None and name in self._behind)

    def has_directory(self, name: str) -> bool:
        behind = self._behind is not None and self._behind.has_directory(name)
        return behind or _holds(self._contents, name)

    def size(self, name: str) -> int:
        if name in self._contents:
            return len(self._contents[name])
        return self._other(name).size(name)

    def chunks(self, name: str) -> Iterator[bytes]:
        if name in self._contents:
            return iter((self._contents[name],))
        return self._other(name).chunks(name)

    def close(self) -> None:
        if self._behind is not None:
            self._behind.close()

    def _other(self, name: str) -> Members:
        if self._behind is None:
            raise KeyError(name)
        return self._behind


def scan(root: Path, skip: frozenset[str] = frozenset()) -> tuple[TreeMembers, list[Finding]]:
    """The files below a directory, without those whose name is in `skip` or begins with a dot.

    Links and special files are findings, and none of them is followed or opened.
    """
    sizes: dict[str, int] = {}
    findings: list[Finding] = []
    for name, entry in _walk(root, "", skip, 0):
        kind = entry.stat(follow_symlinks=False)
        if stat.S_ISREG(kind.st_mode):
            sizes[name] = kind.st_size
        else:
            what = "a symbolic link" if stat.S_ISLNK(kind.st_mode) else "a special file"
            findings.append(finding("ZIP004", Position(name), f"{quote(name)} is {what}"))
        if len(sizes) > MAX_MEMBERS:
            findings.append(finding("ZIP007", Position("."), f"this directory has more than {MAX_MEMBERS} files"))
            break
    findings.extend(check_names(sorted(sizes)))
    return TreeMembers(root, sizes), findings


def _walk(root: Path, prefix: str, skip: frozenset[str], depth: int) -> Iterator[tuple[str, os.DirEntry[str]]]:
    with os.scandir(root / prefix) as entries:
        for entry in sorted(entries, key=lambda each: each.name):
            if entry.name in skip or entry.name.startswith("."):
                continue
            name = f"{prefix}{entry.name}"
            if not entry.is_dir(follow_symlinks=False):
                yield name, entry
            elif depth < MAX_PARTS:
                yield from _walk(root, f"{name}/", skip, depth + 1)

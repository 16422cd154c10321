"""A directory that looks like /sys, read leniently; the only module of this library that touches files.

Nothing outside the root is followed, no file is read beyond 1 MiB, and everything together not beyond 64 MiB, so that
whatever lies there, reading it ends.
"""

from __future__ import annotations

import os
import re
import stat
from itertools import islice
from pathlib import Path

from dpdk_helpers.cpuset import CpusetError, parse_list, parse_mask

MAX_OCTETS = 2**20
MAX_OCTETS_TOGETHER = 2**26
"""A machine of 8192 CPUs, the most that Linux is built for, has some 10 MiB to read."""
MAX_ENTRIES = 65_536
"""Entries of one directory that are looked at."""


class SysfsError(OSError):
    """The root is no directory, no CPUs can be found below it, or there is more to read than any machine has."""


class Tree:
    """A directory whose files are read leniently and which is never left."""

    def __init__(self, root: Path, *, required: bool = True) -> None:
        try:
            self.root = root.resolve()
            is_there = self.root.is_dir()
        except (OSError, RuntimeError, ValueError):
            self.root, is_there = Path("/nowhere"), False
        if required and not is_there:
            raise SysfsError(f"expected a directory such as /sys, found {str(root)!r}")
        self._directories: dict[str, Path | None] = {}
        self._octets = 0
        self._sets: dict[tuple[str, bool], tuple[int, ...] | None] = {}

    def path(self, name: str) -> Path | None:
        """The real path, None when it does not exist or lies outside the root."""
        parent, _, last = name.rpartition("/")
        directory = self._directory(parent) if parent else self.root
        if directory is None:
            return None
        found = directory / last
        try:
            if not stat.S_ISLNK(found.lstat().st_mode):
                return found
            real = found.resolve(strict=True)
        except (OSError, RuntimeError):
            return None
        return real if real.is_relative_to(self.root) else None

    def _directory(self, name: str) -> Path | None:
        """The real path of a directory, looked up once."""
        if name not in self._directories:
            self._directories[name] = self.path(name)
        return self._directories[name]

    def text(self, name: str) -> str | None:
        """A file's text without surrounding blanks; None when there is none or it cannot be read."""
        path = self.path(name)
        if path is None:
            return None
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    return None
                content = os.read(descriptor, MAX_OCTETS)
            finally:
                os.close(descriptor)
        except OSError:
            return None
        self._octets += len(content)
        if self._octets > MAX_OCTETS_TOGETHER:
            raise SysfsError(f"expected a sysfs, found more than {MAX_OCTETS_TOGETHER >> 20} MiB below {self.root}")
        return content.decode("utf-8", "replace").strip(" \t\r\n\0")

    def whole(self, name: str, base: int = 10) -> int | None:
        """A file's number; None when it holds none."""
        text = self.text(name)
        try:
            return int(text, base) if text is not None and len(text) <= 32 and "_" not in text else None
        except ValueError:
            return None

    def names(self, name: str) -> list[str]:
        """What a directory holds; nothing when it cannot be read."""
        path = self.path(name)
        try:
            if path is None:
                return []
            with os.scandir(path) as entries:
                return sorted(entry.name for entry in islice(entries, MAX_ENTRIES))
        except OSError:
            return []

    def target(self, name: str) -> str | None:
        """The last part of what a symbolic link points to, whether that exists or not."""
        parent, _, last = name.rpartition("/")
        directory = self._directory(parent)
        try:
            return None if directory is None else printable(os.path.basename(os.readlink(directory / last)))
        except OSError:
            return None

    def numbered(self, name: str, prefix: str) -> list[int]:
        """The numbers of `prefix0`, `prefix1` ... in a directory, ascending."""
        pattern = re.compile(re.escape(prefix) + r"(0|[1-9][0-9]{0,8})", re.ASCII)
        found = (pattern.fullmatch(entry) for entry in self.names(name))
        return sorted(int(match[1]) for match in found if match)

    def cpus(self, *names: str) -> tuple[int, ...] | None:
        """The set in the first of these files that can be read: a mask by the file's name, else a list."""
        for name in names:
            text = self.text(name)
            found = None if text is None else self._set(text, is_mask=_is_mask(name))
            if found is not None:
                return found
        return None

    def _set(self, text: str, *, is_mask: bool) -> tuple[int, ...] | None:
        """What a text denotes; each text is read once, as CPUs that belong together all have the same."""
        if (text, is_mask) not in self._sets:
            try:
                self._sets[text, is_mask] = parse_mask(text) if is_mask else parse_list(text)
            except CpusetError:
                self._sets[text, is_mask] = None
        return self._sets[text, is_mask]


def _is_mask(name: str) -> bool:
    return name.endswith(("siblings", "cpumap", "cpus"))


def printable(name: str) -> str | None:
    """A name that may be shown and stored: printable, at most 255 characters; else None."""
    return name if 0 < len(name) <= 255 and name.isprintable() else None

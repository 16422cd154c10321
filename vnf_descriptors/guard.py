"""What an archive must be before anything in it is looked at.

The central directory is checked as a whole: names, kinds, sizes, ratios, overlaps. No member is unpacked
here, and nothing is written. `MemberReader` then unpacks under the sizes that were declared.
"""

from __future__ import annotations

import os
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, BinaryIO, NamedTuple

from vnf_descriptors.report import Finding, Position, Severity, finding, quote

#: Most members of an archive.
MAX_MEMBERS = 10_000
#: Largest central directory, in octets.
MAX_DIRECTORY = 8 * 1024 * 1024
#: Largest member once unpacked, and all members together, in octets.
MAX_MEMBER = 64 * 1024**3
MAX_TOTAL = 128 * 1024**3
#: A member above `RATIO_FROM` octets may not expand more than `MAX_RATIO` times, nor may all of them together.
MAX_RATIO = 200
RATIO_FROM = 8 * 1024 * 1024
#: Longest name of a member, in octets of UTF-8.
MAX_NAME = 1024
#: Deepest directory.
MAX_PARTS = 32

#: Schemes by which files outside a package may be named.
_SCHEMES = ("https", "http", "ftp", "ftps", "sftp", "oci", "docker", "swift", "s3")
_ENCRYPTED = 0x1 | 0x40 | 0x2000
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_END = b"PK\x05\x06"
_END_SIZE = 22
#: Numbers of this disk and of the directory's: there is one, or ZIP64 has the numbers.
_ONE_DISK = ((0, 0), (0xFFFF, 0xFFFF))
_END64_LOCATOR = b"PK\x06\x07"
_LOCAL = b"PK\x03\x04"
_LOCAL_SIZE = 30
_UNICODE_PATH = 0x7075
_HAS_DESCRIPTOR = 0x8
_IS_UTF8 = 0x800
_IN_ZIP64 = 0xFFFFFFFF
#: Largest data descriptor, which may stand between a member and the next one.
_MAX_DESCRIPTOR = 24


def check_name(name: str) -> str | None:
    """What is unsafe about a member's name, or None."""
    if not name:
        return "is empty"
    if len(name.encode("utf-8", "surrogateescape")) > MAX_NAME:
        return f"is longer than {MAX_NAME} octets"
    if not name.isprintable():
        return "holds a control character or bytes that are not UTF-8"
    if "\\" in name:
        return "holds a backslash"
    if name.startswith("/") or (len(name) > 1 and name[1] == ":"):
        return "is absolute"
    parts = name.rstrip("/").split("/")
    if ".." in parts:
        return "climbs out with '..'"
    if any(part in ("", ".") for part in parts):
        return "has an empty part or a '.'"
    return f"nests deeper than {MAX_PARTS} directories" if len(parts) > MAX_PARTS else None


def check_uri(uri: str) -> str | None:
    """What is wrong with the address of a file outside the package, or None. No address is ever followed."""
    scheme, _, rest = uri.partition("://")
    if not uri.isprintable() or len(uri) > MAX_NAME:
        return f"is longer than {MAX_NAME} characters or holds a control character"
    if scheme.lower() not in _SCHEMES:
        return f"has the scheme {quote(scheme)}; it must be one of {', '.join(_SCHEMES)}"
    return None if rest.split("/")[0] else "names no host"


def check_names(names: list[str]) -> Iterator[Finding]:
    """Unsafe names, duplicates, and names that collide on some file systems."""
    seen: dict[str, str] = {}
    directories: set[str] = set()
    for name in names:
        problem = check_name(name)
        if problem is not None:
            yield finding("ZIP002", Position(name), f"the name of the member {quote(name)} {problem}")
            continue
        if name.endswith("/"):
            continue
        key = _folded(name)
        if key in seen:
            kind = "occurs twice" if seen[key] == name else f"collides with {quote(seen[key])}"
            yield finding("ZIP003", Position(name), f"the member {quote(name)} {kind}")
        seen[key] = name
        parts = key.split("/")
        directories.update("/".join(parts[:end]) for end in range(1, len(parts)))
    for key in sorted(directories & seen.keys()):
        yield finding("ZIP003", Position(seen[key]), f"{quote(seen[key])} is a file and a directory at once")


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def open_archive(stream: BinaryIO, file: str) -> tuple[zipfile.ZipFile | None, list[Finding]]:
    """The archive, or None with findings that say why it must not be used. Never raises for content."""
    place = Position(file)
    promised = _check_end(stream)
    if not isinstance(promised, int):
        return None, [finding(promised[0], place, promised[1])]
    try:
        archive = zipfile.ZipFile(stream)
        findings = list(_check_directory(archive, stream, promised, place))
    except (
        zipfile.BadZipFile,
        OSError,
        ValueError,
        EOFError,
        struct.error,
        NotImplementedError,
        RuntimeError,
    ) as error:
        return None, [finding("ZIP001", place, f"this archive is damaged: {quote(error)}")]
    if any(entry.severity is Severity.ERROR for entry in findings):
        archive.close()
        return None, findings
    return archive, findings


def _check_end(stream: BinaryIO) -> tuple[str, str] | int:
    """How many members the end record promises, read before `zipfile` allocates for them; or code and problem."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    if stream.read(4) not in (_LOCAL, _END):
        return "ZIP001", "this is no ZIP archive, or something stands before its first member"
    tail_size = min(size, _END_SIZE + 0xFFFF)
    stream.seek(size - tail_size)
    tail = stream.read(tail_size)
    at = tail.rfind(_END)
    if at < 0 or len(tail) - at < _END_SIZE:
        return "ZIP001", "this archive has no end record; it is cut off"
    disk, first_disk, here, members, directory, _, comment = struct.unpack_from("<HHHHIIH", tail, at + 4)
    if len(tail) - at != _END_SIZE + comment:
        return "ZIP006", "something stands behind the end record of this archive"
    if _END in tail[at + 1 :] or (disk, first_disk) not in _ONE_DISK or here != members:
        return "ZIP006", "the end record of this archive can be read in two ways, or it is a part of several"
    if members == 0xFFFF or directory == 0xFFFFFFFF:
        members, directory = _end64(stream, size - tail_size + at, members, directory)
    if members > MAX_MEMBERS:
        return "ZIP007", f"this archive has {members} members; the limit is {MAX_MEMBERS}"
    if directory > MAX_DIRECTORY:
        return "ZIP007", f"the directory of this archive has {directory} octets; the limit is {MAX_DIRECTORY}"
    return int(members)


def _end64(stream: BinaryIO, end: int, members: int, directory: int) -> tuple[int, int]:
    stream.seek(max(0, end - 20))
    locator = stream.read(20)
    if len(locator) < 20 or locator[:4] != _END64_LOCATOR:
        return members, directory
    (offset,) = struct.unpack_from("<Q", locator, 8)
    if offset > end:
        return members, directory
    stream.seek(offset)
    record = stream.read(56)
    if len(record) < 56:
        return members, directory
    members, directory = struct.unpack_from("<QQ", record, 32)
    return int(members), int(directory)


def _check_directory(archive: zipfile.ZipFile, stream: BinaryIO, promised: int, place: Position) -> Iterator[Finding]:
    infos = archive.infolist()
    if not infos:
        yield finding("ZIP001", place, "this archive is empty")
        return
    if len(infos) > MAX_MEMBERS:
        yield finding("ZIP007", place, f"this archive has {len(infos)} members; the limit is {MAX_MEMBERS}")
        return
    if len(infos) != promised:
        message = f"the directory of this archive has {len(infos)} members, but its end record says {promised}"
        yield finding("ZIP006", place, message)
    yield from check_names([_original_name(info) for info in infos])
    for info in infos:
        yield from _check_member(info)
    total = sum(info.file_size for info in infos)
    if total > MAX_TOTAL:
        yield finding("ZIP007", place, f"this archive unpacks to {total} octets; the limit is {MAX_TOTAL}")
    packed = max(1, sum(info.compress_size for info in infos))
    if total > RATIO_FROM and total > MAX_RATIO * packed:
        yield finding("ZIP007", place, f"this archive expands {total // packed} times; {MAX_RATIO} is allowed")
    yield from _check_overlaps(infos, archive, stream, place)


def _original_name(info: zipfile.ZipInfo) -> str:
    """The name as stored: `zipfile` cuts it at a NUL, which would hide what stands behind."""
    return info.orig_filename


def _check_member(info: zipfile.ZipInfo) -> Iterator[Finding]:
    place = Position(info.filename)
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        what = "a symbolic link" if kind == stat.S_IFLNK else "a special file"
        yield finding("ZIP004", place, f"the member {quote(info.filename)} is {what}")
    if info.flag_bits & _ENCRYPTED:
        yield finding("ZIP005", place, f"the member {quote(info.filename)} is encrypted")
    elif info.compress_type not in _METHODS:
        message = f"the member {quote(info.filename)} is compressed with method {info.compress_type}"
        yield finding("ZIP005", place, message, "Store or deflate it")
    yield from _check_other_name(info)
    if info.file_size > MAX_MEMBER:
        yield finding("ZIP007", place, f"the member {quote(info.filename)} unpacks to {info.file_size} octets")
    elif info.filename.endswith("/") and info.file_size:
        yield finding("ZIP006", place, f"the directory {quote(info.filename)} holds data")
    elif info.file_size > RATIO_FROM and info.file_size > MAX_RATIO * max(1, info.compress_size):
        times = info.file_size // max(1, info.compress_size)
        yield finding(
            "ZIP007", place, f"the member {quote(info.filename)} expands {times} times; {MAX_RATIO} is allowed"
        )


def _check_other_name(info: zipfile.ZipInfo) -> Iterator[Finding]:
    """A second name in UTF-8 (the field 0x7075 of Info-ZIP), which some programs take instead of the first."""
    at = 0
    while at + 4 <= len(info.extra):
        kind, size = struct.unpack_from("<HH", info.extra, at)
        if kind == _UNICODE_PATH and size > 5:
            other = info.extra[at + 9 : at + 4 + size].decode("utf-8", "surrogateescape")
            # A name outside ASCII may well differ: the first is in some older character set then.
            if check_name(other) is not None or (other != info.orig_filename and info.orig_filename.isascii()):
                message = f"the member {quote(info.filename)} has a second name, {quote(other)}"
                yield finding("ZIP002", Position(info.filename), message)
        at += 4 + size


def _check_overlaps(
    infos: list[zipfile.ZipInfo], archive: zipfile.ZipFile, stream: BinaryIO, place: Position
) -> Iterator[Finding]:
    ordered = sorted(infos, key=lambda info: info.header_offset)
    if ordered and ordered[0].header_offset != 0:
        yield finding("ZIP006", place, "something stands before the first member of this archive")
    hidden = 0
    for info, following in zip(ordered, [*ordered[1:], None], strict=True):
        limit = archive.start_dir if following is None else following.header_offset
        local = _read_local(info, stream)
        if local.end > limit:
            yield finding(
                "ZIP006", Position(info.filename), f"the member {quote(info.filename)} shares octets with another"
            )
            return
        if local.problem:
            message = f"of the member {quote(info.filename)} the archive has {local.problem}"
            yield finding("ZIP006", Position(info.filename), message)
        hidden += limit - local.end if limit - local.end > _MAX_DESCRIPTOR else 0
    if hidden:
        message = f"{hidden} octets of this archive belong to no member"
        yield finding("ZIP006", place, message, severity=Severity.WARNING)


class _Local(NamedTuple):
    """What a member's own header says: where its data end, and how it contradicts the directory."""

    end: int
    problem: str


def _read_local(info: zipfile.ZipInfo, stream: BinaryIO) -> _Local:
    stream.seek(info.header_offset)
    header = stream.read(_LOCAL_SIZE)
    if len(header) < _LOCAL_SIZE or header[:4] != _LOCAL:
        raise zipfile.BadZipFile(f"no local header for {info.filename}")
    flags, method = struct.unpack_from("<HH", header, 6)
    packed, size, name_length, extra = struct.unpack_from("<IIHH", header, 18)
    name = stream.read(name_length).decode("utf-8" if info.flag_bits & _IS_UTF8 else "cp437", "replace")
    end = info.header_offset + _LOCAL_SIZE + name_length + extra + info.compress_size
    sizes = packed in (info.compress_size, _IN_ZIP64) and size in (info.file_size, _IN_ZIP64)
    if name != info.orig_filename:
        return _Local(end, f"two names, {quote(name)} as well")
    if method != info.compress_type or (flags & ~info.flag_bits) & _ENCRYPTED:
        return _Local(end, "two statements on how it is stored")
    if not sizes and not flags & _HAS_DESCRIPTOR:
        return _Local(end, "two sizes")
    return _Local(end, "")


class MemberError(Exception):
    """A member cannot be read as the archive's directory promises."""


class MemberReader:
    """Reads one member in pieces; raises `MemberError` when it is damaged or not as long as declared."""

    def __init__(self, stream: IO[bytes], name: str, size: int) -> None:
        self._stream = stream
        self._name = name
        self._left = size

    def chunks(self, chunk: int = 1024 * 1024) -> Iterator[bytes]:
        """The content, at most `chunk` octets at a time."""
        try:
            while data := self._stream.read(chunk):
                self._left -= len(data)
                if self._left < 0:
                    raise MemberError(f"{quote(self._name)} is longer than declared")
                yield data
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, NotImplementedError) as error:
            raise MemberError(f"{quote(self._name)} is damaged: {quote(error)}") from error
        finally:
            self._stream.close()
        if self._left:
            raise MemberError(f"{quote(self._name)} is shorter than declared")

    def read(self) -> bytes:
        """The whole content."""
        return b"".join(self.chunks())

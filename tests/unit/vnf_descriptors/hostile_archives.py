"""Archives that two programs would read in two ways: name -> (octets, codes of which one must be found)."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator

from tests.unit.vnf_descriptors.descriptor_support import archive, package_files

Case = tuple[str, bytes, set[str]]

END = b"PK\x05\x06"


def with_extra(data: bytes, name: bytes, extra: bytes) -> bytes:
    """The archive with an extra field more in a member's entry of the central directory."""
    at = data.rindex(b"PK\x01\x02", 0, data.rindex(name))
    name_length, length = struct.unpack_from("<HH", data, at + 28)
    insert, end = at + 46 + name_length, data.rindex(END)
    (size,) = struct.unpack_from("<I", data, end + 12)
    entry = data[:at] + data[at : at + 30] + struct.pack("<H", length + len(extra)) + data[at + 32 : insert]
    record = data[end : end + 12] + struct.pack("<I", size + len(extra)) + data[end + 16 :]
    return entry + extra + data[insert:end] + record


def with_zip64_end(data: bytes, members: int | None = None, size: int | None = None, at: int | None = None) -> bytes:
    """The archive with an end record of ZIP64, whose numbers may lie; `at` is where its locator says it is."""
    end = data.rindex(END)
    count, octets, start = struct.unpack_from("<HII", data, end + 10)
    count, octets = members or count, size or octets
    record = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, octets, start)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, end if at is None else at, 1)
    numbers = struct.pack("<HHII", 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)
    return data[:end] + record + locator + data[end : end + 8] + numbers + data[end + 20 :]


def in_local_header(data: bytes, name: bytes, offset: int, value: bytes) -> bytes:
    """The archive with some octets of a member's own header replaced."""
    at = data.index(name) - 30 + offset
    return data[:at] + value + data[at + len(value) :]


def with_gap(data: bytes, hidden: bytes) -> bytes:
    """The archive with octets between its last member and its directory."""
    end = data.rindex(END)
    (start,) = struct.unpack_from("<I", data, end + 16)
    return data[:start] + hidden + data[start : end + 16] + struct.pack("<I", start + len(hidden)) + data[end + 20 :]


def in_zip64(force: bool) -> bytes:
    """A good package written as a stream, as tools do that cannot seek, with or without ZIP64."""
    stream = io.BytesIO()
    with zipfile.ZipFile(_Unseekable(stream), "w", zipfile.ZIP_DEFLATED) as out:
        for name, data in package_files().items():
            with out.open(zipfile.ZipInfo(name), "w", force_zip64=force) as target:
                target.write(data)
    return stream.getvalue()


class _Unseekable(io.RawIOBase):
    def __init__(self, target: io.BytesIO) -> None:
        self._target = target

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def write(self, data: bytes) -> int:  # type: ignore[override]
        return self._target.write(data)


def sound_archives() -> Iterator[tuple[str, bytes]]:
    """Archives that are unusual, but can be read in one way only."""
    good = archive(package_files())
    yield "a stream with data descriptors", in_zip64(False)
    yield "ZIP64 throughout", in_zip64(True)
    yield "ZIP64 end record", with_zip64_end(good)
    yield "a comment", good[:-2] + struct.pack("<H", 5) + b"hello"
    entry = zipfile.ZipInfo("Files/empty/")
    stream = io.BytesIO(good)
    with zipfile.ZipFile(stream, "a") as out:
        out.writestr(entry, b"")
    yield "an empty directory", stream.getvalue()


def hostile_archives() -> Iterator[Case]:
    """Every case."""
    good = archive(package_files())
    end = good.rindex(END)
    yield (
        "second end record in the comment",
        good[:-2] + struct.pack("<H", len(good) - end) + good[end:],
        {
            "ZIP001",
            "ZIP006",
        },
    )
    yield "text behind the end", good + b"evil" * 100, {"ZIP006"}
    yield "end record that counts one", good[: end + 8] + struct.pack("<HH", 1, 1) + good[end + 12 :], {"ZIP006"}
    yield "one disk of several", good[: end + 4] + struct.pack("<HH", 1, 1) + good[end + 8 :], {"ZIP006"}
    at = good.rindex(b"install.sh") - 46
    nameless = good[: at + 28] + struct.pack("<HH", 0, 10) + good[at + 32 : at + 46]
    nameless += struct.pack("<HH", 0x9999, 6) + bytes(6) + good[at + 56 :]
    yield "a member without a name", nameless, {"ZIP002"}
    yield "two names", good.replace(b"install.sh", b"instead.sh", 1), {"ZIP006"}
    yield "two methods", in_local_header(good, b"install.sh", 8, b"\x00\x00"), {"ZIP006"}
    yield "two sizes", in_local_header(good, b"install.sh", 22, struct.pack("<I", 99999)), {"ZIP006"}
    yield "encrypted for some", in_local_header(good, b"install.sh", 6, b"\x01\x00"), {"ZIP006"}
    for name in (b"../../evil", b"/etc/shadow", b"other.sh"):
        second = struct.pack("<HHBI", 0x7075, 5 + len(name), 1, zlib.crc32(b"install.sh")) + name
        yield f"second name {name.decode()}", with_extra(good, b"install.sh", second), {"ZIP002"}
    stream = io.BytesIO(good)
    with zipfile.ZipFile(stream, "a") as out:
        out.writestr(zipfile.ZipInfo("Files/dir/"), b"data of a directory")
    yield "directory with data", stream.getvalue(), {"ZIP006"}
    yield "ZIP64 that promises too many", with_zip64_end(good, members=2**63), {"ZIP007"}
    yield "ZIP64 that counts one", with_zip64_end(good, members=1), {"ZIP006"}
    yield "ZIP64 directory too large", with_zip64_end(good, size=2**62), {"ZIP007"}
    yield "ZIP64 record nowhere", with_zip64_end(good, at=2**62), {"ZIP007", "ZIP006", "ZIP001"}
    yield "ZIP64 record in a member", with_zip64_end(good, at=10), {"ZIP007", "ZIP006", "ZIP001"}
    for magic in (b"%PDF-1.4\n", b"\x7fELF" + bytes(60), b"#!/bin/sh\n", b"\xff\xd8\xff\xe0"):
        yield f"polyglot {magic[:4]!r}", magic + good, {"ZIP001"}
    deep = archive({"a.zip": archive({"b.zip": archive({"c.jar": archive({"x": b"x"})})})})
    yield "archives nested four deep", archive({**package_files(), "Files/n.zip": deep}), {"ZIP009"}

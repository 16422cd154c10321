"""Archives on disk: whole or not at all, and no name from an archive becomes a path."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mano.adapters.store import PackageDirectory
from mano.errors import InvalidInput, NotFound

KEY = "6f1c9a5e-3c0b-5d0e-9a56-2f8d1c7e4b90"
BIG = 1 << 30


def archive(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as content:
        for name, data in members.items():
            content.writestr(name, data)
    return buffer.getvalue()


def chunks(data: bytes, size: int = 1000) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def files(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def packages(tmp_path: Path) -> PackageDirectory:
    return PackageDirectory(tmp_path / "packages")


def test_content_comes_back_with_its_size_and_hash(packages: PackageDirectory) -> None:
    data = os.urandom(10_000)
    assert packages.write(KEY, chunks(data), BIG) == (len(data), hashlib.sha256(data).hexdigest())
    assert Path(packages.path(KEY)).read_bytes() == data


def test_content_of_exactly_the_limit_fits_and_one_octet_more_leaves_nothing(
    packages: PackageDirectory, tmp_path: Path
) -> None:
    packages.write(KEY, chunks(b"x" * 5000), 5000)
    packages.remove(KEY)
    with pytest.raises(InvalidInput) as refusal:
        packages.write(KEY, chunks(b"x" * 5001), 5000)
    assert refusal.value.facts == {"limitBytes": 5000}
    assert files(tmp_path) == set()


def test_an_upload_that_breaks_off_leaves_what_was_there(packages: PackageDirectory, tmp_path: Path) -> None:
    packages.write(KEY, chunks(b"first"), BIG)

    def broken() -> Iterator[bytes]:
        yield b"second"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        packages.write(KEY, broken(), BIG)
    assert Path(packages.path(KEY)).read_bytes() == b"first"
    assert len(files(tmp_path)) == 1


def test_what_a_crash_left_half_written_goes_and_another_servers_upload_stays(tmp_path: Path) -> None:
    root = tmp_path / "packages"
    PackageDirectory(root).write(KEY, chunks(b"whole"), BIG)
    (root / "incoming-left").write_bytes(b"half")
    (root / "incoming-under-way").write_bytes(b"half")
    os.utime(root / "incoming-left", (0, 0))
    assert Path(PackageDirectory(root).path(KEY)).read_bytes() == b"whole"
    assert files(root) == {f"{KEY}.content", "incoming-under-way"}


@pytest.mark.parametrize("key", ["", "../x", "a/b", "A", "a.b", "a\0b", "-a", "x" * 65, "a\n"])
def test_a_key_that_is_no_identifier_names_nothing(packages: PackageDirectory, key) -> None:
    for call in (
        packages.path,
        packages.remove,
        lambda key: packages.write(key, iter([b""]), 1),
        lambda key: packages.member_path(key, "x"),
    ):
        with pytest.raises(NotFound):
            call(key)


def test_content_that_is_not_there_is_not_found(packages: PackageDirectory) -> None:
    with pytest.raises(NotFound):
        packages.path(KEY)
    packages.remove(KEY)


HOSTILE = ["../../etc/passwd", "/etc/passwd", "a/../../b", "..\\b", "CON", "a\nb", "é/ü", "x" * 4000]


def test_members_come_out_as_they_are_whatever_their_names(packages: PackageDirectory, tmp_path: Path) -> None:
    members = {name: name.encode() * 3 for name in [*HOSTILE, "Definitions/vnfd.yaml"]}
    packages.write(KEY, chunks(archive(members)), BIG)
    for name, data in members.items():
        path = Path(packages.member_path(KEY, name))
        assert path.read_bytes() == data
        assert path.resolve().is_relative_to(tmp_path / "packages")
        assert packages.member_path(KEY, name) == str(path)


@pytest.mark.parametrize("name", ["Definitions", "definitions/vnfd.yaml", "Definitions/../Definitions/vnfd.yaml", ""])
def test_another_spelling_of_a_member_is_not_found(packages: PackageDirectory, name) -> None:
    packages.write(KEY, chunks(archive({"Definitions/vnfd.yaml": b"x"})), BIG)
    with pytest.raises(NotFound):
        packages.member_path(KEY, name)


def test_a_directory_is_no_member(packages: PackageDirectory) -> None:
    packages.write(KEY, chunks(archive({"Files/": b""})), BIG)
    with pytest.raises(NotFound):
        packages.member_path(KEY, "Files/")


def test_content_that_is_no_archive_has_no_members(packages: PackageDirectory) -> None:
    packages.write(KEY, chunks(b"tosca_definitions_version: x"), BIG)
    with pytest.raises(NotFound):
        packages.member_path(KEY, "x")


def test_a_member_beyond_the_limit_is_refused_unread(tmp_path: Path) -> None:
    packages = PackageDirectory(tmp_path, max_member_bytes=100)
    packages.write(KEY, chunks(archive({"fits": b"x" * 100, "bomb": b"x" * 101})), BIG)
    packages.member_path(KEY, "fits")
    with pytest.raises(InvalidInput):
        packages.member_path(KEY, "bomb")
    assert len(files(tmp_path)) == 2


def test_a_member_that_is_damaged_or_lies_about_its_size_is_refused(packages: PackageDirectory, tmp_path: Path) -> None:
    data = bytearray(archive({"image": os.urandom(2000)}))
    data[500] ^= 0xFF
    packages.write(KEY, chunks(bytes(data)), BIG)
    with pytest.raises(InvalidInput):
        packages.member_path(KEY, "image")
    assert files(tmp_path) == {f"packages/{KEY}.content"}


def test_new_content_forgets_the_members_of_the_old(packages: PackageDirectory) -> None:
    packages.write(KEY, chunks(archive({"a": b"old"})), BIG)
    packages.member_path(KEY, "a")
    packages.write(KEY, chunks(archive({"a": b"new"})), BIG)
    assert Path(packages.member_path(KEY, "a")).read_bytes() == b"new"


def test_removing_takes_the_members_along(packages: PackageDirectory, tmp_path: Path) -> None:
    packages.write(KEY, chunks(archive({"a": b"x"})), BIG)
    packages.member_path(KEY, "a")
    packages.remove(KEY)
    packages.remove(KEY)
    assert files(tmp_path) == set()

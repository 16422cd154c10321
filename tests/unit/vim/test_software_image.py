"""Software images: what is admitted, and that nothing else ever reaches the disk."""

from __future__ import annotations

import gzip
import hashlib
import os
import stat
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mano.adapters.vim_local import image
from mano.errors import InvalidInput
from tests.scenarios.vim_contract.samples import SERVES, Image, build_image, member

ENTRY = member("entrypoint", SERVES)


def unpacked(archive: Image, target: Path) -> dict[str, str]:
    """Every path below ``target`` with its kind."""
    target.mkdir()
    image.unpack(archive.path, archive.checksum, target)
    kinds = {stat.S_IFDIR: "directory", stat.S_IFREG: "file", stat.S_IFLNK: "link"}
    return {
        str(path.relative_to(target)): kinds[stat.S_IFMT(path.lstat().st_mode)] for path in sorted(target.rglob("*"))
    }


@pytest.mark.parametrize("name", ["image.tar", "image.tar.gz"])
def test_a_good_image_is_unpacked_whole(tmp_path: Path, name: str) -> None:
    archive = build_image(
        tmp_path,
        [
            member("./", kind=tarfile.DIRTYPE),
            ENTRY,
            member("lib/deep/module.py", b"x = 1\n", mode=0o600),
            member("alias", kind=tarfile.SYMTYPE, link="lib/deep/module.py"),
            member("lib/up", kind=tarfile.SYMTYPE, link="../entrypoint"),
            member("same", kind=tarfile.LNKTYPE, link="./entrypoint"),
        ],
        name,
    )
    assert image.check(archive.path, archive.checksum.upper()).unpacked == len(SERVES) + len(b"x = 1\n")
    assert unpacked(archive, tmp_path / "out") == {
        "alias": "link",
        "entrypoint": "file",
        "lib": "directory",
        "lib/deep": "directory",
        "lib/deep/module.py": "file",
        "lib/up": "link",
        "same": "file",
    }
    assert (tmp_path / "out" / "lib/deep/module.py").read_bytes() == b"x = 1\n"
    assert (tmp_path / "out" / "same").read_bytes() == SERVES


def test_modes_are_reduced_to_executable_or_not(tmp_path: Path) -> None:
    members = [member("entrypoint", SERVES, mode=0o6777), member("data", b"x", mode=0o666)]
    unpacked(build_image(tmp_path, members), tmp_path / "out")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "out").iterdir()}
    assert modes == {"entrypoint": 0o755, "data": 0o644}


@pytest.mark.parametrize(
    ("bad", "word"),
    [
        (member("../x", b""), "leads out"),
        (member("a/../../x", b""), "leads out"),
        (member("/x", b""), "relative"),
        (member("a\nb", b""), "printable"),
        (member("up", kind=tarfile.SYMTYPE, link=".."), "leads out"),
        (member("up", kind=tarfile.SYMTYPE, link="a/../../b"), "leads out"),
        (member("abs", kind=tarfile.SYMTYPE, link="/etc/passwd"), "leads out"),
        (member("hard", kind=tarfile.LNKTYPE, link="/etc/passwd"), "relative"),
        (member("hard", kind=tarfile.LNKTYPE, link="../../etc/passwd"), "leads out"),
        (member("hard", kind=tarfile.LNKTYPE, link="later"), "no file before"),
        (member("entrypoint/x", b""), "no directory"),
        (member("entrypoint", b"other"), "twice"),
        (member("./entrypoint", b"other"), "twice"),
        (member("tty", kind=tarfile.CHRTYPE), "device"),
        (member("disk", kind=tarfile.BLKTYPE), "device"),
        (member("pipe", kind=tarfile.FIFOTYPE), "device"),
        (member("config.json", b"{}"), "uses itself"),
        (member("log", kind=tarfile.DIRTYPE), "uses itself"),
        (member("ready/x", b""), "uses itself"),
        (member(".", b"x"), "top"),
    ],
)
def test_a_bad_member_is_named_and_nothing_after_it_is_written(tmp_path: Path, bad: tuple, word: str) -> None:
    archive = build_image(tmp_path, [ENTRY, bad, member("after", b"x")])
    with pytest.raises(InvalidInput, match=word):
        image.check(archive.path, archive.checksum)
    with pytest.raises(InvalidInput, match=word):
        unpacked(archive, tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} <= {"entrypoint"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["image.tar", "out"]


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    members = [ENTRY, member("lib", kind=tarfile.SYMTYPE, link="other"), member("lib/x", b"x")]
    archive = build_image(tmp_path, members)
    with pytest.raises(InvalidInput, match="behind 'lib'"):
        image.check(archive.path, archive.checksum)


@pytest.mark.parametrize(
    ("members", "word"), [([], "no file"), ([member("entrypoint", b"", mode=0o644)], "executable")]
)
def test_an_image_needs_an_entry_point_that_can_run(tmp_path: Path, members: list, word: str) -> None:
    archive = build_image(tmp_path, members)
    with pytest.raises(InvalidInput, match=word):
        image.check(archive.path, archive.checksum)


def test_another_file_than_the_descriptor_meant_is_refused(tmp_path: Path) -> None:
    archive = build_image(tmp_path, [ENTRY])
    with pytest.raises(InvalidInput, match="SHA-256"):
        image.check(archive.path, "0" * 64)
    with pytest.raises(InvalidInput, match="cannot be read"):
        image.check(tmp_path / "none.tar", archive.checksum)
    with pytest.raises(InvalidInput, match="cannot be read"):
        image.check(tmp_path, archive.checksum)


@pytest.mark.parametrize(
    "content", [b"", b"not a tar archive", gzip.compress(b"neither", mtime=0), b"\x1f\x8bbroken", bytes(700)]
)
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match=r"no tar archive|not a whole tar|no file 'entrypoint'"):
        image.check(path, hashlib.sha256(content).hexdigest())


def test_a_cut_archive_is_refused(tmp_path: Path) -> None:
    archive = build_image(tmp_path, [ENTRY, member("big", os.urandom(20_000))], "image.tar.gz")
    cut = archive.path.read_bytes()[:9_000]
    archive.path.write_bytes(cut)
    with pytest.raises(InvalidInput, match="not a whole tar archive"):
        image.check(archive.path, hashlib.sha256(cut).hexdigest())


def test_a_flood_behind_compression_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image, "UNPACKED_MAX", 1 << 20)
    archive = build_image(tmp_path, [ENTRY, member("zeros", bytes(2 << 20))], "image.tar.gz")
    assert archive.path.stat().st_size < 10_000
    with pytest.raises(InvalidInput, match="too big"):
        image.check(archive.path, archive.checksum)


def test_a_flood_in_a_header_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image, "UNPACKED_MAX", 0)
    monkeypatch.setattr(image, "MEMBERS_MAX", 8)
    long_name = tarfile.TarInfo("././@LongLink")
    long_name.type, long_name.size = tarfile.GNUTYPE_LONGNAME, 1 << 20
    archive = build_image(tmp_path, [(long_name, b"a" * (1 << 20)), ENTRY], "image.tar.gz")
    with pytest.raises(InvalidInput, match="more than is allowed"):
        image.check(archive.path, archive.checksum)


def test_too_many_members_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image, "MEMBERS_MAX", 3)
    archive = build_image(tmp_path, [ENTRY, *(member(f"f{n}", b"") for n in range(3))])
    with pytest.raises(InvalidInput, match="too big"):
        image.check(archive.path, archive.checksum)


def test_too_big_an_archive_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image, "ARCHIVE_MAX", 1000)
    archive = build_image(tmp_path, [ENTRY])
    with pytest.raises(InvalidInput, match="more than 0 MiB"):
        image.check(archive.path, archive.checksum)


NAMES = st.text(st.sampled_from("ab./\\-\n\0é"), max_size=8)
KINDS = st.sampled_from([tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])


@given(st.lists(st.tuples(NAMES, KINDS, NAMES), max_size=6))
def test_whatever_an_archive_holds_it_stays_inside(
    tmp_path_factory: pytest.TempPathFactory, parts: list[tuple[str, bytes, str]]
) -> None:
    place = tmp_path_factory.mktemp("image")
    content = {tarfile.REGTYPE: b"x"}
    archive = build_image(place, [ENTRY, *(member(n, content.get(k, b""), kind=k, link=t) for n, k, t in parts)])
    (place / "out").mkdir()
    try:
        image.check(archive.path, archive.checksum)
    except InvalidInput:
        return
    image.unpack(archive.path, archive.checksum, place / "out")
    assert sorted(path.name for path in place.iterdir()) == ["image.tar", "out"]
    for path in (place / "out").rglob("*"):
        assert path.resolve().is_relative_to(place / "out")

"""A data directory as one file and back, through the command line."""

from __future__ import annotations

import io
import sqlite3
import tarfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from mano.adapters.backup import MARK
from mano.adapters.store import SqlStore, make_engines, upgrade
from mano.cli.commands import mano


def run(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(mano, [str(word) for word in words])
    return result.exit_code, result.output


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """A data directory with a database in use, a package and credentials."""
    folder = tmp_path / "data"
    (folder / "packages").mkdir(parents=True)
    (folder / "packages" / "p.content").write_bytes(b"archive")
    (folder / "credentials.json").write_text("{}")
    (folder / "server.lock").write_text("1")
    store = SqlStore(make_engines(f"sqlite:///{folder / 'catena.db'}"))
    upgrade(store.engines)
    with store.open_unit() as uow:
        uow.leases.take("held", "me", 60)
    yield folder
    store.close()


def test_a_restored_directory_has_everything_but_locks(data: Path, tmp_path: Path) -> None:
    file, copy = tmp_path / "b.tar.gz", tmp_path / "copy"
    assert run("backup", file, "--data-dir", data)[0] == 0
    assert file.stat().st_mode & 0o777 == 0o600
    assert run("restore", file, "--data-dir", copy)[0] == 0
    assert (copy / "packages" / "p.content").read_bytes() == b"archive"
    assert (copy / "credentials.json").is_file() and not (copy / "server.lock").exists()
    assert copy.stat().st_mode & 0o777 == 0o700
    with closing(sqlite3.connect(copy / "catena.db")) as database:
        assert database.execute("SELECT name, owner FROM leases").fetchall() == [("held", "me")]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.tar.gz", "copy", "data"]


def test_nothing_is_overwritten(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "b.tar.gz"
    run("backup", file, "--data-dir", data)
    code, output = run("restore", file, "--data-dir", data)
    assert code == 1 and "not empty" in output


def test_a_directory_without_a_database_is_no_servers(tmp_path: Path) -> None:
    code, output = run("backup", tmp_path / "b", "--data-dir", tmp_path)
    assert code == 1 and "pg_dump" in output and not (tmp_path / "b").exists()


def archive(path: Path, *members: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz") as made:
        for member in members:
            made.addfile(member, io.BytesIO(b"x" * member.size))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, link
    return made


@pytest.mark.parametrize(
    "members",
    [
        [],
        [member("catena.db")],
        [member(f"{MARK}/catena.db"), member("../outside")],
        [member(f"{MARK}/catena.db"), member(f"{MARK}/../../outside")],
        [member(f"{MARK}/catena.db"), member(f"{MARK}/link", tarfile.SYMTYPE, "/etc/passwd")],
        [member(f"{MARK}/catena.db"), member(f"{MARK}/device", tarfile.CHRTYPE)],
    ],
    ids=["empty", "foreign", "outside", "climbing", "link", "device"],
)
def test_a_hostile_archive_is_refused_and_leaves_nothing(tmp_path: Path, members: list[tarfile.TarInfo]) -> None:
    file = archive(tmp_path / "b.tar.gz", *members)
    code, _ = run("restore", file, "--data-dir", tmp_path / "made")
    assert code == 1 and [path.name for path in tmp_path.iterdir()] == ["b.tar.gz"]


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "b").write_text("nothing")
    assert run("restore", tmp_path / "b", "--data-dir", tmp_path / "made")[0] == 1
    assert not (tmp_path / "made").exists()

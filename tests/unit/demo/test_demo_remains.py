"""Where the demo works, that only one does, and how remains are found again."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mano.cli.demo import remains
from mano.cli.demo.errors import DemoProblem


@contextmanager
def running(*words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process with these words on its command line."""
    code = "print(flush=True); import time; time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", code, *words], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_root_works_below_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert remains.working_directory() == Path("/run/catena-demo")
    assert remains.working_directory("two") == Path("/run/catena-demo-two")


def test_others_work_in_their_runtime_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert remains.working_directory() == tmp_path / "catena-demo"
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "gone"))
    assert remains.working_directory("two").name == "catena-demo-1000-two"


def test_a_second_one_hears_who_is_first_and_what_to_do(tmp_path: Path) -> None:
    directory = tmp_path / "demo"
    with remains.only_one(directory):
        with pytest.raises(DemoProblem, match=f"process {os.getpid()}.*--lab"), remains.only_one(directory):
            pass
        with remains.only_one(tmp_path / "another"):
            pass
    with remains.only_one(directory):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_killed_holder_frees_the_lock(tmp_path: Path) -> None:
    directory = tmp_path / "demo"
    code = "import sys, time\nfrom pathlib import Path\nfrom mano.cli.demo.remains import only_one\n"
    code += "with only_one(Path(sys.argv[1])):\n    print(flush=True)\n    time.sleep(60)\n"
    with subprocess.Popen([sys.executable, "-c", code, str(directory)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(DemoProblem, match=f"process {holder.pid}"), remains.only_one(directory):
            pass
        holder.kill()
        holder.wait()
        with remains.only_one(directory):
            pass


def test_a_lock_file_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "demo.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DemoProblem, match="cannot be opened"), remains.only_one(tmp_path / "demo"):
        pass
    assert not (tmp_path / "elsewhere").exists()


def test_its_processes_are_known_by_their_words(tmp_path: Path) -> None:
    directory = tmp_path / "demo"
    with (
        running("mano.cli", "serve", "--data-dir", str(directory)) as mine,
        running("mano.cli", "serve", "--data-dir", str(tmp_path / "demonstration")) as anothers,
        running("editor", str(directory / "notes")) as nobodys,
    ):
        found = remains.processes_of(directory)
        assert mine.pid in found
        assert anothers.pid not in found
        assert nobodys.pid not in found


def test_what_is_left_is_removed_and_told(tmp_path: Path) -> None:
    directory = tmp_path / "demo"
    directory.mkdir()
    (directory / "catena.db").touch()
    with running("mano.cli.demo.subscriber", "--log", str(directory / "subscriber.log")) as process:
        removed = remains.remove_remains(directory, "nosuch")
        assert process.wait(5) == -9
    assert any(f"process {process.pid}" in line for line in removed)
    assert f"directory {directory}" in removed
    assert not directory.exists()
    assert remains.remove_remains(directory, "nosuch") == []


@pytest.mark.parametrize("kind", ["file", "link"])
def test_what_is_no_directory_of_ours_is_left_alone(tmp_path: Path, kind: str) -> None:
    directory, other = tmp_path / "demo", tmp_path / "other"
    other.mkdir()
    directory.touch() if kind == "file" else directory.symlink_to(other)
    with pytest.raises(DemoProblem, match="not a directory of this user"):
        remains.remove_remains(directory, "nosuch")
    assert os.path.lexists(directory)
    assert other.exists()


def test_a_directory_that_cannot_be_made_is_named_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(DemoProblem, match=r"cannot be made \(No such file or directory\)"):
        remains.make_directory(tmp_path / "gone" / "demo")


def test_a_run_is_kept_as_long_as_its_server_lives(tmp_path: Path) -> None:
    directory = tmp_path / "demo"
    remains.make_directory(directory)
    assert directory.stat().st_mode & 0o777 == 0o700
    assert remains.kept(directory) is None
    with running("mano.cli", "serve", "--data-dir", str(directory)) as server:
        remains.keep_note(directory, "http://127.0.0.1:9890", server.pid)
        note = remains.kept(directory)
        assert note is not None
        assert note["url"] == "http://127.0.0.1:9890"
    assert remains.kept(directory) is None
    (directory / remains.KEPT).write_text("{")
    assert remains.kept(directory) is None

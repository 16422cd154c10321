"""Stamps, hashes and commands of the set-up."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import python_packages, set_up
from scripts.dashboard import new_enough
from scripts.steps import ROOT, SetUpError, Stamp, digest, excerpt, run


def test_a_stamp_matches_the_hash_it_was_written_with_and_no_other(tmp_path: Path) -> None:
    stamp = Stamp(tmp_path / "stamps" / "step")
    assert not stamp.matches("a")
    stamp.write("a")
    assert stamp.matches("a")
    assert not stamp.matches("b")
    stamp.forget()
    assert not stamp.matches("a")


def test_a_digest_depends_on_names_and_contents() -> None:
    license_, readme, gone = ROOT / "LICENSE", ROOT / "README.md", ROOT / "no-such-file"
    seen = [
        digest(files=[license_]),
        digest(files=[readme]),
        digest(files=[license_, readme]),
        digest(files=[license_, gone]),
        digest("x", files=[license_]),
        digest("x", "y"),
        digest("xy"),
    ]
    assert len(set(seen)) == len(seen)
    assert digest(files=[readme, license_]) == digest(files=[license_, readme])


def test_of_a_long_text_the_first_and_the_last_lines_are_shown() -> None:
    text = "".join(f"{number}\n" for number in range(10))
    assert excerpt(text, first=2, last=3) == "    0\n    1\n    … 5 lines left out …\n    7\n    8\n    9"
    assert excerpt(text).count("\n") == 9


def test_a_failing_command_shows_what_it_said() -> None:
    with pytest.raises(SetUpError, match=r"(?s)ended with 3:\n    one\n    two"):
        run(["sh", "-c", "echo one; echo two >&2; exit 3"])


def test_a_command_that_is_not_there_is_named() -> None:
    with pytest.raises(SetUpError, match="cannot run no-such-command: No such file"):
        run(["no-such-command"])


@pytest.fixture
def venv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory in the place of .venv."""
    folder = tmp_path / ".venv"
    monkeypatch.setattr(python_packages, "VENV", folder)
    return folder


def test_a_step_is_done_once_for_the_same_inputs(venv: Path) -> None:
    done: list[str] = []
    for interpreter in ("3.11", "3.11", "3.12"):
        python_packages.step("x", [ROOT / "LICENSE"], interpreter, "a step", lambda: done.append("x"))
    assert len(done) == 2


def test_a_step_that_failed_is_done_again(venv: Path) -> None:
    def fail() -> None:
        raise SetUpError("no network")

    done: list[str] = []
    python_packages.step("x", [], "3.11", "a step", lambda: done.append("first"))
    with pytest.raises(SetUpError):
        python_packages.step("x", [], "3.12", "a step", fail)
    python_packages.step("x", [], "3.11", "a step", lambda: done.append("again"))
    assert done == ["first", "again"]


def test_pip_takes_over_where_uv_fails(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    commands: list[list[str]] = []

    def run_without_uv(command: list[str | Path], **_: object) -> None:
        commands.append([str(word) for word in command])
        if command[0] == python_packages.UV:
            raise SetUpError("no such mirror")

    monkeypatch.setattr(python_packages, "run", run_without_uv)
    python_packages.install(["--require-hashes", "--requirement", "x.txt"])
    assert [command[1:4] for command in commands] == [["pip", "install", "--quiet"], ["-m", "pip", "install"]]
    assert all(command[-3:] == ["--require-hashes", "--requirement", "x.txt"] for command in commands)
    assert "no such mirror" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("version", "verdict"),
    [
        ("v18.19.0\n", False),
        ("v20.18.3\n", False),
        ("v20.19.0\n", True),
        ("v21.7.3\n", False),
        ("v22.11.0\n", False),
        ("v22.12.0\n", True),
        ("v24.1.0\n", True),
        ("", False),
        ("node is not here", False),
    ],
)
def test_node_is_new_enough_for_vite(version: str, verdict: bool) -> None:
    assert new_enough(version) is verdict


@pytest.mark.parametrize("arguments", [[], ["everything"], ["demo", "test"]])
def test_wrong_usage_is_told_and_changes_nothing(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert set_up.main(arguments) == 2
    assert "usage: python3 -m scripts.set_up lint|demo|test" in capsys.readouterr().err

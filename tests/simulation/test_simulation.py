"""Operations under faults and deaths, by the thousand and in virtual time; a failure tells the seed that replays it.

What the simulation leaves out: bridges believe their tables here, for the proof of chains has tests of its own.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.simulation.nfvi import FarVim
from tests.simulation.play import Scene, play, set_the_scene


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return set_the_scene(tmp_path_factory.mktemp("scene") / "data")


def test_whatever_goes_wrong_every_operation_ends_and_nothing_is_left(scene: Scene, tmp_path: Path) -> None:
    outcomes = [play(scene, tmp_path / str(seed), seed, people=5, wishes=3) for seed in (1, 2)]
    assert sum(outcome.operations for outcome in outcomes) > 30
    assert sum(outcome.deaths for outcome in outcomes) > 1


def test_a_seed_replays_everything_that_happened(scene: Scene, tmp_path: Path) -> None:
    first, second = (play(scene, tmp_path / name, seed=2, people=3, wishes=1) for name in ("first", "second"))
    assert first == second
    other = play(scene, tmp_path / "other", seed=4, people=3, wishes=1)
    assert other.history != first.history


def test_a_leak_is_found_and_told_with_its_seed(scene: Scene, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(FarVim, "remove_compute", lambda vim, compute_id, host: None)
    with pytest.raises(AssertionError, match="computes") as failure:
        play(scene, tmp_path / "data", seed=2, people=3, wishes=2)
    assert any("seed 2" in note for note in failure.value.__notes__)


@pytest.mark.deep
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("part", range(20))
def test_thousands_of_operations_end_and_leave_nothing(scene: Scene, tmp_path: Path, part: int) -> None:
    operations = 0
    for seed in range(100 + part, 300, 20):
        operations += play(scene, tmp_path / "data", seed, people=10, wishes=8).operations
        shutil.rmtree(tmp_path / "data")
    assert operations > 500

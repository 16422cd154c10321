"""Every scenario is played in both worlds; the real one needs the root tier."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.vim_contract.worlds import LocalWorld, SimulatedWorld, World


@pytest.fixture(params=["simulated", pytest.param("local", marks=pytest.mark.dataplane)])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A world in which nothing is yet; the test fails when it leaves anything behind."""
    if request.param == "simulated":
        yield from _watched(SimulatedWorld(tmp_path))
    else:
        yield from _watched(LocalWorld(tmp_path, request.getfixturevalue("lab_id")))


def _watched(world: World) -> Iterator[World]:
    try:
        yield world
        left = world.remains()
    finally:
        world.clean_up()
    assert left == []

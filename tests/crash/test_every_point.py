"""A server is killed at every point of every operation of a small service, and another one goes on: nothing is lost.

The points are those of a run without deaths; what a server leaves at each comes from an image of it that was killed
there with SIGKILL (:mod:`tests.crash.images`). A new server starts on each, without a person, and a judge looks at the
database and the simulated NFVI when it has nothing more to do.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.conftest import Mother, Site
from tests.crash.images import Remains, read_remains
from tests.crash.judging import expect_no_leaks, expect_order
from tests.crash.lives import FILE, HERE
from tests.crash.test_network_service import changed, rows_of

Nursery = dict[str, Path]
INSPECTORS = {
    "instantiate_small": 1,
    "terminate": 0,
    "scale_out": 2,
    "scale_in": 1,
    "heal": 1,
    "move": 1,
}
"""How many VNFCs the service has after each operation."""

BEFORE = {"instantiate_small": "ready", "scale_in": "scaled", "change_chain": "whole"}
"""Which state of a service an operation begins in, where it is not the small one as it runs."""


def site_here(mother: Mother, directory: Path) -> Site:
    return Site(mother, directory, HERE, rows_of(directory / FILE))


@pytest.fixture(scope="module")
def nursery(roomy: Path) -> Iterator[Nursery]:
    """States of services, and the mother of all servers that begin in them: she made them herself."""
    mother = Mother()
    made: Nursery = {}
    ways = (
        ("ready", None, "make_small"),
        ("running", "ready", "instantiate_small"),
        ("scaled", "running", "scale_out"),
        ("whole-ready", None, "make_ready"),
        ("whole", "whole-ready", "instantiate"),
    )
    for name, source, scenario in ways:
        made[name] = roomy / name
        if source is None:
            made[name].mkdir()
        else:
            shutil.copytree(made[source], made[name])
        site = site_here(mother, made[name])
        site.expect_orderly_end(site.live(f"service:{scenario}", at_home=True))
    MOTHERS.append(mother)
    yield made
    MOTHERS.remove(mother)
    mother.end()


MOTHERS: list[Mother] = []


def walk(nursery: Nursery, scenario: str, directory: Path) -> tuple[list[str], list[Remains]]:
    """The names of the points of one run, and what is left by servers killed there."""
    shutil.copytree(nursery[BEFORE.get(scenario, "running")], directory / "run")
    names = site_here(MOTHERS[0], directory / "run").points(f"service:{scenario}", images=str(directory / "images"))
    return names, read_remains(directory / "images")


def judge(site: Site, scenario: str) -> None:
    expect_order(site)
    if scenario == "change_chain":
        changed(site)
    else:
        expect_no_leaks(site, INSPECTORS[scenario])


DEEP = [pytest.param(scenario, marks=pytest.mark.deep) for scenario in ("scale_in", "move")]


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("scenario", ["instantiate_small", "terminate", "scale_out", "heal", "change_chain", *DEEP])
def test_killed_at_every_point_an_operation_ends_as_if_nothing_had_been(nursery, roomy: Path, scenario: str) -> None:
    names, remains = walk(nursery, scenario, roomy / scenario)
    assert sorted(number for one in remains for number in one.points) == list(range(1, len(names) + 1))
    for one in remains:
        site = site_here(MOTHERS[0], one.directory)
        site.expect_orderly_end(site.live(f"service:{scenario}"))
        try:
            judge(site, scenario)
        except AssertionError as error:
            error.add_note(f"killed {[names[number - 1] for number in one.points]} of {scenario}\n{site.log()}")
            raise
        shutil.rmtree(one.directory)

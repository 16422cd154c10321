"""A server is killed at every point of an operation and started again: the operation ends, the world is right.

The list of points is not written here: a dry run finds it. One life per point is killed with SIGKILL.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from tests.crash.conftest import Site

MakeSite = Callable[[], Site]


def kill_everywhere(make: MakeSite, scenario: str, judge: Callable[[Site], None], every: int = 1) -> int:
    """How many points there are; each ``every``-th is tried, with both ends."""
    points = make().points(scenario)
    chosen = {*range(1, len(points) + 1, every), len(points)}
    killed = 0
    for number in sorted(chosen):
        site = make()
        killed += site.die_and_live_again(scenario, number)
        try:
            site.expect_agreement()
            judge(site)
        except AssertionError as error:
            error.add_note(f"killed {points[number - 1]} (point {number} of {len(points)})")
            raise
    assert killed >= 0.8 * len(chosen), f"only {killed} of {len(chosen)} lives were killed"
    return len(points)


def built(site: Site) -> None:
    assert site.states() == {"build": "COMPLETED"}
    assert site.reserved() == {"one.x", "one.y"}
    assert site.told("build") == ["STARTING", "PROCESSING", "COMPLETED"]


def rolled_back(site: Site) -> None:
    assert site.states() == {"build": "ROLLED_BACK"}
    assert site.reserved() == set()
    assert site.told("build") == ["STARTING", "PROCESSING", "FAILED_TEMP", "ROLLING_BACK", "ROLLED_BACK"]


def retried(site: Site) -> None:
    assert site.states() == {"build": "COMPLETED"}
    assert site.told("build") == ["STARTING", "PROCESSING", "FAILED_TEMP", "PROCESSING", "COMPLETED"]


def terminated(site: Site) -> None:
    assert site.states() == {"build": "COMPLETED", "raze": "COMPLETED"}
    assert site.reserved() == set()


def refused(site: Site) -> None:
    assert site.states() == {"build": "ROLLED_BACK"}
    assert site.told("build") == ["STARTING", "ROLLED_BACK"]


@pytest.mark.deep
@pytest.mark.timeout(3600)
def test_instantiate_survives_a_kill_at_every_point(site_of_its_own: MakeSite) -> None:
    assert kill_everywhere(site_of_its_own, "instantiate", built) > 20


@pytest.mark.timeout(600)
def test_a_refusal_survives_a_kill_at_every_point(site_of_its_own: MakeSite) -> None:
    kill_everywhere(site_of_its_own, "refuse", refused, every=2)


def assembled(site: Site) -> None:
    assert site.states() == {"build": "COMPLETED", "build-vnf": "COMPLETED"}
    assert site.reserved() == {"one-vnf.x", "one-vnf.y"}


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("scenario", "judge"),
    [
        ("fail_and_roll_back", rolled_back),
        ("fail_and_retry", retried),
    ],
)
def test_a_sample_of_the_other_operations_points(site_of_its_own: MakeSite, scenario, judge) -> None:
    kill_everywhere(site_of_its_own, scenario, judge, every=9)


def test_another_step_is_another_few_points(site_of_its_own: MakeSite) -> None:
    two = site_of_its_own().points("instantiate", things=("x", "y"))
    three = site_of_its_own().points("instantiate", things=("x", "y", "z"))
    for name in two:
        three.remove(name)
    effects = [name for name in three if "making" in name]
    assert sorted(effects) == sorted(
        f"{when} making one.z.{half}" for when in ("before", "after") for half in ("left", "right")
    )
    assert len(three) > len(effects)


def test_the_points_are_the_same_in_every_run(site_of_its_own: MakeSite) -> None:
    assert site_of_its_own().points("instantiate") == site_of_its_own().points("instantiate")


def test_a_kill_leaves_what_the_restart_must_mend(site_of_its_own: MakeSite) -> None:
    """The test can fail: without the second life the world is half made."""
    points = site_of_its_own().points("instantiate")
    site = site_of_its_own()
    site.live("instantiate", kill_at=points.index("after making one.x.left") + 1)
    assert site.things() == {"one.x.left"}
    assert site.states() == {"build": "PROCESSING"}
    with pytest.raises(AssertionError):
        site.expect_agreement()


@pytest.mark.deep
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("scenario", "judge"),
    [
        ("fail_and_roll_back", rolled_back),
        ("fail_and_retry", retried),
        ("instantiate_and_terminate", terminated),
        ("refuse", refused),
        ("ns_with_vnf", assembled),
    ],
)
def test_every_operation_survives_a_kill_at_every_point(site_of_its_own: MakeSite, scenario, judge) -> None:
    kill_everywhere(site_of_its_own, scenario, judge)


@pytest.mark.deep
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(60))
def test_pairs_of_kills_are_survived(site_of_its_own: MakeSite, seed: int) -> None:
    chance = random.Random(seed)
    scenario = chance.choice(["instantiate", "fail_and_roll_back", "instantiate_and_terminate"])
    count = len(site_of_its_own().points(scenario))
    site = site_of_its_own()
    site.live(scenario, kill_at=chance.randint(1, count))
    site.live(scenario, kill_at=chance.randint(1, count))
    site.expect_orderly_end(site.live(scenario))
    site.expect_agreement()


@pytest.mark.postgresql
@pytest.mark.timeout(600)
def test_a_sample_of_points_on_postgresql(site_on_postgresql: MakeSite) -> None:
    kill_everywhere(site_on_postgresql, "instantiate", built, every=8)


@pytest.mark.postgresql
@pytest.mark.timeout(600)
@pytest.mark.parametrize("share", [0.0, 0.4, 0.9], ids=["when stored", "in the middle", "near the end"])
def test_another_server_finishes_what_a_dead_one_began(site_on_postgresql: MakeSite, share: float) -> None:
    points = site_on_postgresql().points("instantiate")
    number = 2 + int(share * (len(points) - 2))
    site = site_on_postgresql()
    site.live("instantiate", kill_at=number, server_id="first", lease_s=3.0)
    site.expect_orderly_end(site.live("wait_for_takeover", server_id="second"))
    site.expect_agreement()
    built(site)


@pytest.mark.deep
@pytest.mark.postgresql
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("scenario", "judge"),
    [("instantiate", built), ("fail_and_roll_back", rolled_back), ("ns_with_vnf", assembled)],
)
def test_every_point_on_postgresql(site_on_postgresql: MakeSite, scenario, judge) -> None:
    kill_everywhere(site_on_postgresql, scenario, judge)

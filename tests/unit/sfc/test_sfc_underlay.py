"""Instances chosen by latency, bandwidth and load of the links between hosts; SPIs that rest."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sfc.errors import ModelError, PathError
from sfc.model import SpiPool
from sfc.path import choose_instances, plan_chain
from sfc.underlay import Link, Underlay, weighed_by_load
from tests.unit.sfc.spreading import spread_chain, three_firewalls

# h1 and h2 hang on one switch, h3 on another that is far away.
LINKS = (
    Link("h1", "tor1", 10_000, 5),
    Link("tor1", "h2", 1_000, 5),
    Link("tor1", "spine", 40_000, 500),
    Link("spine", "h3", 10_000, 500),
    Link("h1", "h3", 100, 20),
)
UNDERLAY = Underlay(LINKS)


def test_the_way_is_the_quickest_that_has_the_bandwidth() -> None:
    assert UNDERLAY.way("h1", "h3") == ("h1", "h3")
    assert UNDERLAY.way("h1", "h3", mbps=200) == ("h1", "tor1", "spine", "h3")
    assert UNDERLAY.way("h1", "h3", load={("h1", "h3"): 60}, mbps=50) == ("h1", "tor1", "spine", "h3")
    assert UNDERLAY.way("h1", "h2", mbps=2_000) is None
    assert UNDERLAY.way("h1", "nowhere") is None
    assert UNDERLAY.latency_us(("h1", "tor1", "spine", "h3")) == 1005


def test_cost_grows_with_latency_and_with_load() -> None:
    idle, busy = UNDERLAY.hop_cost(), UNDERLAY.hop_cost(load={("h2", "tor1"): 900})
    assert idle("h1", "h1") == 0
    assert idle("h1", "h2") < idle("h1", "h3")
    assert busy("h1", "h2") == pytest.approx(idle("h1", "h2") * 1.9)
    assert UNDERLAY.hop_cost(mbps=2_000)("h1", "h2") == float("inf")


def test_instances_are_chosen_by_the_links() -> None:
    topology = three_firewalls()  # fw on h1, fw2 on h2, fw3 on h3; the dpi on h2
    chain = spread_chain()
    chain = replace(chain, path=(replace(chain.path[0], spread=False), *chain.path[1:]))

    def firewall(**how: object) -> str:
        return choose_instances(topology, chain, UNDERLAY.hop_cost(**how), down=("fw",))[0].id  # type: ignore[arg-type]

    assert firewall() == "fw2"
    narrow = Underlay((*LINKS, Link("h3", "h2", 1_000, 1)))
    cost = narrow.hop_cost(load={("h2", "tor1"): 1_000}, mbps=10)
    assert choose_instances(topology, chain, cost, down=("fw",))[0].id == "fw3"


def test_a_chain_knows_its_way_and_what_it_adds() -> None:
    topology = three_firewalls()
    chain = spread_chain()
    chain = replace(chain, path=(replace(chain.path[0], spread=False), *chain.path[1:]))
    way = UNDERLAY.path_way(plan_chain(topology, chain, 100, 101), mbps=50)
    assert way.ways == (("h1",), ("h1", "tor1", "h2"), ("h2", "tor1", "h1", "h3"))
    assert way.latency_us == 10 + 30
    assert way.load()["h1", "tor1"] == 100
    with pytest.raises(PathError, match="2000 Mbit/s to spare"):
        UNDERLAY.path_way(plan_chain(topology, chain, 100, 101), mbps=2_000)


def test_busy_instances_weigh_less() -> None:
    chain = spread_chain((10, 10, 0))
    weighed = weighed_by_load(chain, {"fw": 39, "fw2": 9, "fw3": 500})
    assert [each.weight for each in weighed.path[0].instances] == [2, 10, 0]
    assert weighed.path[1:] == chain.path[1:]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Link("a", "a", 1),
        lambda: Link("a", "b", 0),
        lambda: Link("a", "b", 1, -1),
        lambda: Link("a b", "c", 1),
        lambda: Underlay((Link("a", "b", 1), Link("b", "a", 2))),
    ],
)
def test_what_is_no_link_is_refused(make) -> None:
    with pytest.raises(ModelError):
        make()


def test_a_released_spi_rests_until_no_packet_can_carry_it_any_more() -> None:
    pool = SpiPool(100, 102)
    (first, second), pool = pool.allocate(2, now=10.0)
    pool = pool.release((first,), until=40.0)
    (third,), pool = pool.allocate(1, now=39.0)
    assert third == 102
    with pytest.raises(PathError, match="1 more are resting"):
        pool.allocate(1, now=39.9)
    (again,), pool = pool.allocate(1, now=40.0)
    assert again == first and pool.resting == frozenset() and pool.used == {first, second, third}
    assert pool.release((777,), until=50.0) == pool

"""Reservations of concurrent decisions: they never overlap, lost races are decided again, unused ones expire."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from mano.adapters.clock import SystemClock
from mano.adapters.store import Engines, SqlStore, make_engines
from mano.domain.nfvi import Inventory
from mano.errors import NotFound, NotPlaceable, StaleGeneration
from mano.nfvo.reserving import ATTEMPTS, Reserving
from mano.placement import PlacementRequest, PlacementResult, inventory_from_document, plan
from mano.ports.repositories import NO_NODE, StoredHost
from tests.fakes.clock import FakeClock
from tests.unit.placement.world import direct, host, nic, node, vdu

TENANT = "tenant"
HOSTS = 3
CPUS = 8
"""Of each host; a VDU takes two, and one VF of the four."""


def furnish(store: SqlStore, documents: list[dict[str, Any]], links: list[dict[str, Any]] | None = None) -> None:
    with store.open_unit() as uow:
        for one in inventory_from_document({"hosts": documents}).hosts:
            uow.hosts.put(StoredHost(one, "local"))
        uow.hosts.put_links(links or [])


def small_hosts() -> list[dict[str, Any]]:
    return [host(f"h{n}", nodes=[node(cores=CPUS // 2)], nics=[nic(vfs=4)]) for n in range(HOSTS)]


def request(*vdus: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"apiVersion": "catena/v1", "kind": "PlacementRequest", "vdus": list(vdus), **more}


def ask(reserving: Reserving, name: str, **more: Any) -> bool:
    """Reserve one VDU for an owner of that name; False when there is no room."""
    document = request(vdu(name, interfaces=[direct()]), **more)
    try:
        reserving.reserve(name, TENANT, document, {name: f"r-{name}"})
    except NotPlaceable:
        return False
    return True


def inventory_of(store: SqlStore) -> Inventory:
    """Raises InventoryError where reservations overlap: an inventory cannot hold that."""
    with store.open_unit(read_only=True) as uow:
        return uow.hosts.inventory()


def assert_full(store: SqlStore) -> None:
    for one in inventory_of(store).hosts:
        cpus = [cpu for held in one.allocations for cell in held.cells for cpu in cell.cpus]
        vfs = [vf for held in one.allocations for vf in held.interfaces["e"].vfs]
        assert sorted(cpus) == [0, 1, 2, 3, 50, 51, 52, 53] and sorted(vfs) == [0, 1, 2, 3]


def test_threads_fill_the_hosts_and_never_overlap(store: SqlStore) -> None:
    furnish(store, small_hosts())
    reserving = Reserving(store.open_unit, plan, SystemClock())
    placed: list[bool] = []

    def work(worker: int) -> None:
        placed.extend(ask(reserving, f"v{worker}-{n}") for n in range(4))

    workers = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert placed.count(True) == HOSTS * CPUS // 2 and placed.count(False) == 4
    assert_full(store)


def fill(url: str, worker: int, answers: multiprocessing.Queue[int]) -> None:
    engines = make_engines(url)
    reserving = Reserving(SqlStore(engines).open_unit, plan, SystemClock())
    answers.put(sum(ask(reserving, f"p{worker}-{n}") for n in range(8)))
    engines.dispose()


def test_processes_fill_the_hosts_and_never_overlap(store: SqlStore, engines: Engines) -> None:
    furnish(store, small_hosts())
    url = engines.units.url.render_as_string(hide_password=False)
    context = multiprocessing.get_context("spawn")
    answers: multiprocessing.Queue[int] = context.Queue()
    workers = [context.Process(target=fill, args=(url, n, answers)) for n in range(2)]
    for worker in workers:
        worker.start()
    assert answers.get(timeout=100) + answers.get(timeout=100) == HOSTS * CPUS // 2
    for worker in workers:
        worker.join(20)
    assert_full(store)


Decide = Callable[[Inventory, PlacementRequest], PlacementResult]


def interrupted(store: SqlStore, times: int, deed: Callable[[int], None]) -> tuple[Decide, list[str]]:
    """A planner during whose first decisions something else happens, and the hosts that it decided for."""
    decided: list[str] = []

    def decide(inventory: Inventory, wanted: PlacementRequest) -> PlacementResult:
        result = plan(inventory, wanted)
        decided.extend(placement.host for placement in result.placements.values())
        if len(decided) <= times:
            deed(len(decided))
        return result

    return decide, decided


def test_a_lost_race_is_decided_again(store: SqlStore) -> None:
    furnish(store, small_hosts())
    rival = Reserving(store.open_unit, plan, SystemClock())

    def fill_first_host(_: int) -> None:
        wanted = [vdu(f"rival-{n}", vcpus=4, interfaces=[direct(vfs=2)]) for n in range(2)]
        rival.reserve("rival", TENANT, request(*wanted), {one["id"]: one["id"] for one in wanted})

    decide, decided = interrupted(store, 1, fill_first_host)
    assert ask(Reserving(store.open_unit, decide, SystemClock()), "v")
    assert decided == ["h0", "h1"]
    assert {one.id for one in inventory_of(store).host("h1").allocations} == {"r-v"}


def test_a_race_that_is_always_lost_ends(store: SqlStore) -> None:
    furnish(store, small_hosts())

    def touch(_: int) -> None:
        with store.open_unit() as uow:
            uow.hosts.touch("h0", uow.hosts.get("h0").generation)

    decide, decided = interrupted(store, 10**6, touch)
    with pytest.raises(StaleGeneration):
        ask(Reserving(store.open_unit, decide, SystemClock()), "v")
    assert len(decided) == ATTEMPTS
    assert not inventory_of(store).host("h0").allocations


def test_what_fails_with_the_reservation_takes_it_along(store: SqlStore) -> None:
    furnish(store, small_hosts())
    reserving = Reserving(store.open_unit, plan, SystemClock())

    def fail(_: object) -> None:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        reserving.reserve("v", TENANT, request(vdu("v")), {"v": "r"}, also=fail)
    assert not inventory_of(store).host("h0").allocations


def test_an_unused_reservation_expires(store: SqlStore) -> None:
    furnish(store, [host("h0", nodes=[node(cores=1)])])
    clock = FakeClock()
    reserving = Reserving(store.open_unit, plan, clock)
    ends = clock.now() + timedelta(seconds=60)
    reserving.reserve("a", TENANT, request(vdu("a")), {"a": "r-a"}, expires_at=ends)
    with pytest.raises(NotPlaceable):
        reserving.reserve("b", TENANT, request(vdu("b")), {"b": "r-b"})
    clock.sleep(61)
    reserving.reserve("b", TENANT, request(vdu("b")), {"b": "r-b"})
    assert {one.id for one in inventory_of(store).host("h0").allocations} == {"r-b"}


LINKS = [{"a": "h0", "b": "tor", "mbps": 100, "latencyUs": 5}, {"a": "h1", "b": "tor", "mbps": 100, "latencyUs": 5}]


def chained(name: str, mbps: int) -> dict[str, Any]:
    chain = {"id": f"c-{name}", "path": [f"{name}-0", f"{name}-1"], "bandwidthMbps": mbps}
    apart = {"kind": "anti-affinity", "members": chain["path"]}
    return request(vdu(f"{name}-0"), vdu(f"{name}-1"), chains=[chain], groups=[apart])


def reserve_chain(reserving: Reserving, name: str, mbps: int) -> None:
    ids = {f"{name}-{n}": f"r-{name}-{n}" for n in range(2)}
    reserving.reserve(name, TENANT, chained(name, mbps), ids)


def test_chains_hold_bandwidth_until_they_go(store: SqlStore) -> None:
    furnish(store, small_hosts()[:2], LINKS)
    reserving = Reserving(store.open_unit, plan, SystemClock())
    reserve_chain(reserving, "a", 60)
    assert [link.reserved_mbps for link in inventory_of(store).links] == [60, 60]
    with pytest.raises(NotPlaceable) as refused:
        reserve_chain(reserving, "b", 60)
    (why,) = {tuple(one["reasons"]) for one in refused.value.facts["unplaced"].values()}
    assert "LINK_BANDWIDTH" in why
    reserve_chain(reserving, "b", 40)
    assert [link.reserved_mbps for link in inventory_of(store).links] == [100, 100]
    with store.open_unit() as uow:
        for reservation in uow.reservations.list(ns_instance_id="a"):
            uow.reservations.remove(reservation.id)
    assert [link.reserved_mbps for link in inventory_of(store).links] == [40, 40]


def test_two_chains_on_other_hosts_do_not_fill_a_link_twice(store: SqlStore) -> None:
    """Both decisions see the spine free; the hosts that they use have nothing in common."""
    links = [{"a": f"h{n}", "b": "spine" if n % 2 else "leaf", "mbps": 1000, "latencyUs": 1} for n in range(4)]
    links.append({"a": "leaf", "b": "spine", "mbps": 100, "latencyUs": 1})
    hosts = [host(f"h{n}", nodes=[node(cores=1)], labels={"pair": str(n // 2)}) for n in range(4)]
    furnish(store, hosts, links)
    rival = Reserving(store.open_unit, plan, SystemClock())

    def request_in(pair: str, name: str) -> dict[str, Any]:
        document = chained(name, 80)
        return {**document, "vdus": [{**one, "requires": {"pair": pair}} for one in document["vdus"]]}

    def interfere(_: int) -> None:
        rival.reserve("b", TENANT, request_in("1", "b"), {"b-0": "r-b-0", "b-1": "r-b-1"})

    decide, _ = interrupted(store, 2, interfere)
    late = Reserving(store.open_unit, decide, SystemClock())
    with pytest.raises(NotPlaceable):
        late.reserve("a", TENANT, request_in("0", "a"), {"a-0": "r-a-0", "a-1": "r-a-1"})
    assert inventory_of(store).links[-1].reserved_mbps == 80


def test_a_reservation_remembers_what_was_asked_for(store: SqlStore) -> None:
    furnish(store, small_hosts()[:2], LINKS)
    reserve_chain(Reserving(store.open_unit, plan, SystemClock()), "a", 60)
    with store.open_unit(read_only=True) as uow:
        first, second = uow.reservations.list(ns_instance_id="a")
    assert first.request["vdu"]["id"] == "a-0" and second.request["vdu"]["id"] == "a-1"
    assert first.request["chains"] == second.request["chains"] and len(first.request["groups"]) == 1
    assert first.links == () and {load["mbps"] for load in second.links} == {60}
    assert replace(first, request={}) != first


def two_nodes(**more: Any) -> dict[str, Any]:
    return host("h0", nodes=[node(0), node(1)], nics=[nic(), nic(1, None, physnet="far")], **more)


def far(interface_id: str) -> dict[str, Any]:
    return direct(interface_id, physnet="far", numaAffinity="none")


def decisions_beside(store: SqlStore, mine: dict[str, Any], *rivals: dict[str, Any], **more: Any) -> list[str]:
    """The hosts decided for while rivals take places on node 0 during the first decision."""
    rival = Reserving(store.open_unit, plan, SystemClock())

    def deed(_: int) -> None:
        rival.reserve("rival", TENANT, request(*rivals, **more), {one["id"]: f"r-{one['id']}" for one in rivals})

    decide, decided = interrupted(store, 1, deed)
    Reserving(store.open_unit, decide, SystemClock()).reserve("mine", TENANT, request(mine), {mine["id"]: "r-mine"})
    return decided


def occupy(store: SqlStore, cpus: int) -> None:
    """Node 0 keeps so few CPUs that what needs more goes to node 1."""
    Reserving(store.open_unit, plan, SystemClock()).reserve(
        "first", TENANT, request(vdu("first", vcpus=cpus, interfaces=[direct()])), {"first": "r-first"}
    )


def test_decisions_on_different_nodes_do_not_race(store: SqlStore) -> None:
    furnish(store, [two_nodes()])
    occupy(store, 4)
    assert decisions_beside(store, vdu("mine", vcpus=6), vdu("small", interfaces=[direct()])) == ["h0"]
    with store.open_unit(read_only=True) as uow:
        stored = uow.hosts.get("h0")
        assert (stored.generation, stored.node_generations) == (4, {0: 2, 1: 1})
        assert uow.hosts.generations()["h0"].total == stored.generation


def test_decisions_on_one_node_race(store: SqlStore) -> None:
    furnish(store, [two_nodes()])
    occupy(store, 4)
    assert decisions_beside(store, vdu("mine"), vdu("small", interfaces=[direct()])) == ["h0"] * 2


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        ({"storageGib": 60}, {"storageGib": 20}),
        ({"interfaces": [far("m")]}, {"interfaces": [direct(), far("t")]}),
        ({"storageGib": 60}, {"interfaces": [direct(), far("t")]}),
    ],
    ids=["storage", "NIC of unknown node", "both"],
)
def test_what_a_host_has_once_is_raced_for_from_every_node(
    store: SqlStore, mine: dict[str, Any], theirs: dict[str, Any]
) -> None:
    furnish(store, [two_nodes(storageGib=90)])
    occupy(store, 4)
    assert decisions_beside(store, vdu("mine", vcpus=6, **mine), vdu("small", **theirs)) == ["h0"] * 2


def test_a_group_binds_the_whole_host(store: SqlStore) -> None:
    furnish(store, [two_nodes()])
    occupy(store, 4)
    groups = [{"kind": "anti-affinity", "scope": "numa-node", "members": ["small", "r-first"], "strict": False}]
    assert decisions_beside(store, vdu("mine", vcpus=6), vdu("small"), groups=groups) == ["h0"] * 2


def test_a_change_of_the_host_is_seen_from_every_node(store: SqlStore) -> None:
    furnish(store, [two_nodes()])
    with store.open_unit(read_only=True) as uow:
        seen, read = uow.hosts.generations()["h0"], uow.hosts.get("h0")
    with store.open_unit() as uow:
        uow.hosts.touch_nodes("h0", seen, {1})
        uow.hosts.touch_nodes("h0", seen, {0, NO_NODE})
    with pytest.raises(StaleGeneration), store.open_unit() as uow:
        uow.hosts.touch_nodes("h0", seen, {1})
    with pytest.raises(StaleGeneration), store.open_unit() as uow:
        uow.hosts.put(read)
    with store.open_unit() as uow:
        now = uow.hosts.get("h0")
        assert uow.hosts.put(now).generation == now.generation + 1 == seen.total + 4
    with pytest.raises(StaleGeneration), store.open_unit() as uow:
        uow.hosts.touch_nodes("h0", seen, {7})
    with pytest.raises(NotFound), store.open_unit() as uow:
        uow.hosts.touch_nodes("h9", seen, {0})


def test_threads_share_the_nodes_of_one_host(store: SqlStore) -> None:
    furnish(store, [host("h0", nodes=[node(n, cores=6) for n in range(4)], nics=[nic(n, n, vfs=16) for n in range(4)])])
    reserving = Reserving(store.open_unit, plan, SystemClock())
    placed: list[bool] = []

    def work(worker: int) -> None:
        placed.extend(ask(reserving, f"v{worker}-{n}") for n in range(6))

    workers = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert placed == [True] * 24
    (full,) = inventory_of(store).hosts
    cpus = [cpu for held in full.allocations for cell in held.cells for cpu in cell.cpus]
    assert len(cpus) == len(set(cpus)) == 48

"""The NFVI: hosts, links, and reservations that placement sees as allocations."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mano.adapters.store import SqlStore
from mano.domain.nfvi import HostState, Link
from mano.errors import AlreadyExists, NotFound, StaleGeneration
from mano.ports.repositories import StoredHost
from tests.unit.store.samples import RESERVATION, host


def add(store: SqlStore, *names: str) -> None:
    with store.open_unit() as uow:
        for name in names:
            uow.hosts.put(StoredHost(replace(host(name), allocations=()) if name != "h1" else host(), "local"))


def test_a_host_comes_back_equal_with_a_generation(store: SqlStore) -> None:
    dataplane = {"bridge": "br-int", "tunnel_ofport": 1}
    with store.open_unit() as uow:
        put = uow.hosts.put(StoredHost(host(), "local", dataplane=dataplane))
        assert put.generation == 1
    with store.open_unit(read_only=True) as uow:
        assert uow.hosts.get("h1") == put
        assert uow.hosts.get("h1").dataplane == dataplane
        assert uow.hosts.get("h1").host == host()


def test_hosts_are_listed_by_name_and_removed(store: SqlStore) -> None:
    add(store, "h2", "h1")
    with store.open_unit() as uow:
        assert [one.host.name for one in uow.hosts.list()] == ["h1", "h2"]
        uow.hosts.remove("h1")
        uow.hosts.remove("h1")
        with pytest.raises(NotFound):
            uow.hosts.get("h1")


def test_a_host_is_added_once_and_changed_by_who_read_it_last(store: SqlStore) -> None:
    add(store, "h1")
    with store.open_unit() as uow:
        with pytest.raises(AlreadyExists):
            uow.hosts.put(StoredHost(host(), "local"))
        read = uow.hosts.get("h1")
        draining = uow.hosts.put(replace(read, host=replace(read.host, state=HostState.DRAINING)))
        assert draining.generation == 2
        with pytest.raises(StaleGeneration):
            uow.hosts.put(read)
        with pytest.raises(NotFound):
            uow.hosts.put(replace(read, host=host("h9")))


def test_touching_admits_one_decision_per_generation(store: SqlStore) -> None:
    add(store, "h1")
    with store.open_unit(read_only=True) as uow:
        generation = uow.hosts.inventory().host("h1").generation
    with store.open_unit() as uow:
        uow.hosts.touch("h1", generation)
    with pytest.raises(StaleGeneration), store.open_unit() as uow:
        uow.hosts.touch("h1", generation)
    with pytest.raises(NotFound), store.open_unit() as uow:
        uow.hosts.touch("h9", 1)
    with store.open_unit(read_only=True) as uow:
        assert uow.hosts.get("h1").generation == uow.hosts.get("h1").host.generation == generation + 1


def test_the_inventory_has_declared_and_reserved_allocations(store: SqlStore) -> None:
    add(store, "h1", "h2")
    links = [{"a": "h1", "b": "tor", "mbps": 25000, "latencyUs": 5}, {"a": "h2", "b": "tor", "mbps": 10000}]
    with store.open_unit() as uow:
        uow.hosts.put_links([{"a": "x", "b": "y", "mbps": 1}])
        uow.hosts.put_links(links)
        uow.reservations.add(RESERVATION)
    with store.open_unit(read_only=True) as uow:
        inventory = uow.hosts.inventory()
        declared = uow.hosts.get("h1").host
    reserved = inventory.host("h1").allocations
    assert [one.id for one in reserved] == ["db-1", "res-1"]
    assert reserved[1].cells[0].cpus == (2, 10)
    assert reserved[1].interfaces["outside"].vfs == (3,)
    assert [one.id for one in declared.allocations] == ["db-1"]
    assert inventory.links == (Link("h1", "tor", 25000, 5), Link("h2", "tor", 10000))


def test_links_of_some_hosts_leave_those_of_others(store: SqlStore) -> None:
    add(store, "h1", "h2")
    to_tor = [{"a": name, "b": "tor", "mbps": 25000} for name in ("h1", "h2")]
    with store.open_unit() as uow:
        uow.hosts.put_links([*to_tor, {"a": "tor", "b": "spine", "mbps": 1}, {"a": "spine", "b": "edge", "mbps": 1}])
        uow.hosts.put_links([{"a": "tor2", "b": "h2", "mbps": 2}, {"a": "spine", "b": "tor", "mbps": 3}], {"h2"})
        assert uow.hosts.inventory().links == (
            Link("h1", "tor", 25000),
            Link("spine", "edge", 1),
            Link("tor2", "h2", 2),
            Link("spine", "tor", 3),
        )
        uow.hosts.remove("h2")
        assert [link.a for link in uow.hosts.inventory().links] == ["h1", "spine", "spine"]


def test_a_released_reservation_is_free_again(store: SqlStore) -> None:
    add(store, "h1")
    with store.open_unit() as uow:
        uow.reservations.add(RESERVATION)
    with store.open_unit() as uow:
        uow.reservations.remove(RESERVATION.id)
        assert [one.id for one in uow.hosts.inventory().host("h1").allocations] == ["db-1"]


def test_an_ns_reserves_each_key_once(store: SqlStore) -> None:
    with store.open_unit() as uow:
        uow.reservations.add(RESERVATION)
        with pytest.raises(AlreadyExists):
            uow.reservations.add(replace(RESERVATION, id="res-2"))
        uow.reservations.add(replace(RESERVATION, id="res-2", ns_instance_id="ns-2"))

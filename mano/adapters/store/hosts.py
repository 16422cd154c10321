"""The NFVI: hosts of all VIMs, the links between them, and what is free on them."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa

from mano.adapters.store import schema
from mano.adapters.store.codec import column_value, decode, decode_kept, encode
from mano.adapters.store.host_generations import advance_nodes, read_generations, read_nodes, take_whole
from mano.adapters.store.resources import insert_or_skip
from mano.domain.allocation import Allocation
from mano.domain.nfvi import Host, Inventory, Link
from mano.domain.ns_instance import Reservation
from mano.errors import AlreadyExists, NotFound
from mano.ports.repositories import HostGenerations, StoredHost

KEPT_RECORDS = 1024
KEPT_RESERVATIONS = 32_768
"""Parsed hosts and reservations that are kept in memory."""


@dataclass(frozen=True, slots=True)
class _Record:
    """The document of one row."""

    host: Host
    dataplane: Mapping[str, Any] = field(default_factory=dict)


class SqlHosts:
    """Implements :class:`mano.ports.repositories.Hosts`."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def get(self, name: str) -> StoredHost:
        """Raises :class:`~mano.errors.NotFound`."""
        found = self._read(schema.hosts.c.name == column_value(name))
        if not found:
            raise NotFound(f"there is no host {name!r:.80}")
        return found[0]

    def list(self) -> Sequence[StoredHost]:
        """In order of their names."""
        return self._read(sa.true())

    def _read(self, condition: sa.ColumnElement[bool]) -> Sequence[StoredHost]:
        table = schema.hosts
        columns = (table.c.name, table.c.vim_id, table.c.generation, table.c.document)
        rows = self._connection.execute(sa.select(*columns).where(condition).order_by(table.c.name)).all()
        nodes = read_nodes(self._connection, rows[0].name if len(rows) == 1 else None)
        return [
            _stored(vim_id, HostGenerations(whole, nodes.get(name, {})), document)
            for name, vim_id, whole, document in rows
        ]

    def put(self, host: StoredHost) -> StoredHost:
        """Insert a host of generation 0, or replace it if its generation is still the stored one."""
        table = schema.hosts
        newer = replace(host, host=replace(host.host, generation=host.generation + 1), generation=host.generation + 1)
        row = {
            "name": column_value(host.host.name),
            "vim_id": host.vim_id,
            "generation": 1,
            "document": encode(_Record(newer.host, newer.dataplane)),
        }
        if host.generation == 0:
            if not insert_or_skip(self._connection, table, row):
                raise AlreadyExists(f"there is a host {host.host.name} already", hint="remove it first, or rename one")
            return newer
        row["generation"] = take_whole(self._connection, host.host.name, host.generation) + 1
        self._connection.execute(table.update().where(table.c.name == row["name"]).values(**row))
        return newer

    def remove(self, name: str) -> None:
        """Delete the host and its links; nothing to do when it is gone."""
        links = schema.links
        ends = sa.or_(links.c.a == column_value(name), links.c.b == column_value(name))
        self._connection.execute(links.delete().where(ends))
        self._connection.execute(schema.hosts.delete().where(schema.hosts.c.name == column_value(name)))
        self._connection.execute(schema.host_nodes.delete().where(schema.host_nodes.c.host == column_value(name)))

    def put_links(self, links: Sequence[Mapping[str, Any]], of_hosts: Set[str] | None = None) -> None:
        """Replace the links by those of an Inventory document; see the port."""
        new = [_link(link) for link in links]
        kept = [] if of_hosts is None else _without(self._links(), new, of_hosts)
        table = schema.links
        self._connection.execute(table.delete())
        rows = [
            {"position": position, "a": column_value(link.a), "b": column_value(link.b), "document": encode(link)}
            for position, link in enumerate((*kept, *new))
        ]
        if rows:
            self._connection.execute(table.insert(), rows)

    def _links(self) -> Sequence[Link]:
        """Without what chains hold of them."""
        query = sa.select(schema.links.c.document).order_by(schema.links.c.position)
        return tuple(decode(document, Link) for document in self._connection.execute(query).scalars())

    def inventory(self) -> Inventory:
        """All hosts with declared and reserved allocations, and the links.

        A reservation is an allocation of that identifier, and what its chains hold of links is reserved there. Each
        host's generation is the one to :meth:`touch`: it is read first, so that what is reserved is never older.
        """
        from mano.placement.link_loads import LinkLoad, with_loads

        stored = self.list()
        held, reserved = self._reserved()
        hosts = tuple(_with_reserved(one.host, tuple(reserved[one.host.name])) for one in stored)
        return Inventory(hosts, with_loads(self._links(), (LinkLoad(**load) for one in held for load in one.links)))

    def _reserved(self) -> tuple[Sequence[Reservation], Mapping[str, Sequence[Allocation]]]:
        """All reservations, and by host the allocations that they are."""
        table = schema.reservations
        documents = self._connection.execute(sa.select(table.c.document).order_by(table.c.id)).scalars()
        held: list[Reservation] = []
        by_host: dict[str, list[Allocation]] = defaultdict(list)
        for document in documents:
            reservation, allocation = _reservation_of(document)
            held.append(reservation)
            by_host[reservation.host].append(allocation)
        return held, by_host

    def generations(self) -> Mapping[str, HostGenerations]:
        """Of each host."""
        return read_generations(self._connection)

    def touch(self, name: str, generation: int) -> None:
        """Advance the host's generation: whoever decided on the same one is refused, on whatever node."""
        table = schema.hosts
        whole = take_whole(self._connection, name, generation)
        same = table.c.name == column_value(name)
        self._connection.execute(table.update().where(same).values(generation=whole + 1))

    def touch_nodes(self, name: str, seen: HostGenerations, nodes: Collection[int]) -> None:
        """Advance the generations of these nodes: whoever decided on one of them, or on the host, is refused."""
        advance_nodes(self._connection, name, seen, nodes)


@functools.lru_cache(maxsize=KEPT_RESERVATIONS)
def _reservation_of(document: str) -> tuple[Reservation, Allocation]:
    """A reservation, and the allocation that it is."""
    from mano.placement.documents import allocation_from_document

    reservation = decode_kept(document, Reservation)
    allocation = allocation_from_document(reservation.allocation, id=reservation.id)
    return reservation, replace(allocation, id=reservation.id)


_told: dict[str, tuple[Host, tuple[Allocation, ...], Host]] = {}
"""By name: the host as declared, what is reserved on it, and both together, as they were told last."""


def _with_reserved(host: Host, reserved: tuple[Allocation, ...]) -> Host:
    """The host with what is reserved on it: the same object as long as nothing changed, which placement relies on."""
    known = _told.get(host.name)
    if known is not None and known[0] is host and known[1] == reserved:
        return known[2]
    if len(_told) >= KEPT_RECORDS:
        _told.clear()
    whole = replace(host, allocations=(*host.allocations, *reserved))
    _told[host.name] = (host, reserved, whole)
    return whole


@functools.lru_cache(maxsize=KEPT_RECORDS)
def _record_of(document: str) -> _Record:
    """The values of a document are frozen, and a host's changes seldom: who read it once need not parse it again."""
    return decode(document, _Record)


@functools.lru_cache(maxsize=KEPT_RECORDS)
def _host_of(document: str, generation: int) -> Host:
    return replace(_record_of(document).host, generation=generation)


def _stored(vim_id: str, generations: HostGenerations, document: str) -> StoredHost:
    record, host = _record_of(document), _host_of(document, generations.total)
    nodes = {node.id: generations.nodes.get(node.id, 0) for node in host.numa_nodes}
    return StoredHost(host, vim_id, generations.total, record.dataplane, nodes)


def _without(links: Sequence[Link], new: Sequence[Link], of_hosts: Set[str]) -> list[Link]:
    """Those that neither end at one of the hosts nor lie between ends that are given anew."""
    ends = {frozenset((link.a, link.b)) for link in new}
    return [one for one in links if not {one.a, one.b} & of_hosts and frozenset((one.a, one.b)) not in ends]


def _link(document: Mapping[str, Any]) -> Link:
    return Link(
        a=document["a"],
        b=document["b"],
        mbps=document["mbps"],
        latency_us=document.get("latencyUs", 0),
        reserved_mbps=document.get("reservedMbps", 0),
    )

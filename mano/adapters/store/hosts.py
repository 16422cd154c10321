"""The NFVI: hosts of all VIMs, the links between them, and what is free on them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa

from mano.adapters.store import schema
from mano.adapters.store.codec import column_value, decode, encode
from mano.adapters.store.resources import insert_or_skip
from mano.domain.allocation import Allocation
from mano.domain.nfvi import Host, Inventory, Link
from mano.domain.ns_instance import Reservation
from mano.errors import AlreadyExists, NotFound, StaleGeneration
from mano.ports.repositories import StoredHost


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
        query = sa.select(table.c.vim_id, table.c.generation, table.c.document).where(condition).order_by(table.c.name)
        return [_stored(*row) for row in self._connection.execute(query)]

    def put(self, host: StoredHost) -> StoredHost:
        """Insert a host of generation 0, or replace it if its generation is still the stored one."""
        table = schema.hosts
        newer = replace(host, host=replace(host.host, generation=host.generation + 1), generation=host.generation + 1)
        row = {
            "name": column_value(host.host.name),
            "vim_id": host.vim_id,
            "generation": newer.generation,
            "document": encode(_Record(newer.host, newer.dataplane)),
        }
        if host.generation == 0:
            if not insert_or_skip(self._connection, table, row):
                raise AlreadyExists(f"there is a host {host.host.name} already", hint="remove it first, or rename one")
            return newer
        same = (table.c.name == host.host.name, table.c.generation == host.generation)
        if self._connection.execute(table.update().where(*same).values(**row)).rowcount == 0:
            raise self._lost(host.host.name)
        return newer

    def remove(self, name: str) -> None:
        """Delete the host; nothing to do when it is gone."""
        self._connection.execute(schema.hosts.delete().where(schema.hosts.c.name == column_value(name)))

    def put_links(self, links: Sequence[Mapping[str, Any]]) -> None:
        """Replace all links by those of an Inventory document."""
        table = schema.links
        self._connection.execute(table.delete())
        rows = [
            {"position": position, "a": column_value(link.a), "b": column_value(link.b), "document": encode(link)}
            for position, link in enumerate(map(_link, links))
        ]
        if rows:
            self._connection.execute(table.insert(), rows)

    def inventory(self) -> Inventory:
        """All hosts with declared and reserved allocations, and the links.

        A reservation is an allocation of that identifier, and what its chains hold of links is reserved there. Each
        host's generation is the one to :meth:`touch`: it is read first, so that what is reserved is never older.
        """
        from mano.placement.link_loads import LinkLoad, with_loads

        stored = self.list()
        held, reserved = self._reserved()
        hosts = tuple(
            replace(one.host, allocations=(*one.host.allocations, *reserved[one.host.name])) for one in stored
        )
        query = sa.select(schema.links.c.document).order_by(schema.links.c.position)
        links = tuple(decode(document, Link) for document in self._connection.execute(query).scalars())
        return Inventory(hosts, with_loads(links, (LinkLoad(**load) for one in held for load in one.links)))

    def _reserved(self) -> tuple[Sequence[Reservation], Mapping[str, Sequence[Allocation]]]:
        """All reservations, and by host the allocations that they are."""
        from mano.placement.documents import allocation_from_document

        table = schema.reservations
        documents = self._connection.execute(sa.select(table.c.document).order_by(table.c.id)).scalars()
        held = [decode(document, Reservation) for document in documents]
        by_host: dict[str, list[Allocation]] = defaultdict(list)
        for reservation in held:
            allocation = allocation_from_document(reservation.allocation, id=reservation.id)
            by_host[reservation.host].append(replace(allocation, id=reservation.id))
        return held, by_host

    def touch(self, name: str, generation: int) -> None:
        """Advance the host's generation: whoever decided on the same one is refused."""
        table = schema.hosts
        same = (table.c.name == column_value(name), table.c.generation == generation)
        if self._connection.execute(table.update().where(*same).values(generation=generation + 1)).rowcount == 0:
            raise self._lost(name)

    def _lost(self, name: str) -> Exception:
        self.get(name)
        return StaleGeneration(f"host {name} was changed meanwhile", hint="read it again and decide again")


def _stored(vim_id: str, generation: int, document: str) -> StoredHost:
    record = decode(document, _Record)
    host = replace(record.host, generation=generation)
    return StoredHost(host=host, vim_id=vim_id, generation=generation, dataplane=record.dataplane)


def _link(document: Mapping[str, Any]) -> Link:
    return Link(
        a=document["a"],
        b=document["b"],
        mbps=document["mbps"],
        latency_us=document.get("latencyUs", 0),
        reserved_mbps=document.get("reservedMbps", 0),
    )

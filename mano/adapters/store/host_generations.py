"""How often hosts changed: each as a whole, and the NUMA nodes of each.

What is placed on a node advances that node's generation and holds the host's row against changes; what concerns the
whole host takes the row for itself and finds all nodes as they were, or is refused. SQLite has one writer at a time;
PostgreSQL locks the rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping

import sqlalchemy as sa

from mano.adapters.store import schema
from mano.adapters.store.codec import column_value
from mano.adapters.store.resources import insert_or_skip
from mano.errors import NotFound, StaleGeneration
from mano.ports.repositories import HostGenerations


def read_generations(connection: sa.Connection) -> Mapping[str, HostGenerations]:
    """Of every host."""
    hosts = schema.hosts
    wholes = connection.execute(sa.select(hosts.c.name, hosts.c.generation)).all()
    nodes = read_nodes(connection)
    return {name: HostGenerations(whole, nodes.get(name, {})) for name, whole in wholes}


def read_nodes(connection: sa.Connection, only: str | None = None) -> Mapping[str, Mapping[int, int]]:
    """Generations of nodes by host, of one host or of all."""
    table = schema.host_nodes
    query = sa.select(table.c.host, table.c.node, table.c.generation)
    if only is not None:
        query = query.where(table.c.host == column_value(only))
    found: dict[str, dict[int, int]] = defaultdict(dict)
    for host, node, generation in connection.execute(query):
        found[host][node] = generation
    return found


def take_whole(connection: sa.Connection, name: str, generation: int) -> int:
    """Hold the host's row until the transaction ends, no node moving meanwhile; returns its own generation.

    Raises StaleGeneration unless all that happened to the host adds up to ``generation``.
    """
    whole = _lock(connection, name, shared=False)
    if HostGenerations(whole, read_nodes(connection, name).get(name, {})).total != generation:
        raise lost(name)
    return whole


def advance_nodes(connection: sa.Connection, name: str, seen: HostGenerations, nodes: Collection[int]) -> None:
    """Raises StaleGeneration when one of the nodes moved, or the host as a whole."""
    if _lock(connection, name, shared=True) != seen.whole:
        raise lost(name)
    table = schema.host_nodes
    for node in sorted(nodes):
        before = seen.nodes.get(node, 0)
        row = {"host": column_value(name), "node": node, "generation": before + 1}
        same = (table.c.host == row["host"], table.c.node == node, table.c.generation == before)
        moved = connection.execute(table.update().where(*same).values(generation=before + 1)).rowcount
        if not moved and (before or not insert_or_skip(connection, table, row)):
            raise lost(name)


def _lock(connection: sa.Connection, name: str, *, shared: bool) -> int:
    table = schema.hosts
    query = sa.select(table.c.generation).where(table.c.name == column_value(name)).with_for_update(read=shared)
    found = connection.execute(query).scalar_one_or_none()
    if found is None:
        raise NotFound(f"there is no host {name!r:.80}")
    return int(found)


def lost(name: str) -> StaleGeneration:
    """Who decided on what is no longer so."""
    return StaleGeneration(f"host {name} was changed meanwhile", hint="read it again and decide again")

"""Small unique numbers with a rest before they are used again."""

from __future__ import annotations

import sqlalchemy as sa

from mano.adapters.store import schema
from mano.adapters.store.leases import database_time
from mano.adapters.store.resources import insert_or_skip
from mano.errors import Refused

ATTEMPTS = 50
"""How often another transaction may take the number that we chose before we give up."""


class SqlNumbers:
    """Implements :class:`mano.ports.repositories.Numbers`.

    A number that rests keeps its row without a key; the row goes when the quarantine is over. The unique indexes on
    (pool, number) and (pool, key) decide between transactions that choose at the same time.
    """

    def __init__(self, connection: sa.Connection, quarantine_s: float) -> None:
        self._connection = connection
        self._quarantine_s = quarantine_s

    def allocate(self, pool: str, key: str, first: int, last: int) -> int:
        """The number of the key: the one that it has, else the smallest free one of ``first``..``last``."""
        for _ in range(ATTEMPTS):
            held = self._held(pool, key)
            if held is not None:
                return held
            self._wake(pool)
            number = self._smallest_free(pool, first, last)
            if insert_or_skip(self._connection, schema.numbers, {"pool": pool, "number": number, "key": key}):
                return number
        raise Refused(f"too many others take numbers of {pool} at the same time", hint="try again")

    def release(self, pool: str, key: str) -> None:
        """Let the key's number rest; nothing to do when it has none."""
        table = schema.numbers
        now = database_time(self._connection)
        mine = table.update().where(table.c.pool == pool, table.c.key == key)
        self._connection.execute(mine.values(key=None, released_at=now))

    def _held(self, pool: str, key: str) -> int | None:
        table = schema.numbers
        query = sa.select(table.c.number).where(table.c.pool == pool, table.c.key == key)
        found = self._connection.execute(query).scalar_one_or_none()
        return None if found is None else int(found)

    def _wake(self, pool: str) -> None:
        table = schema.numbers
        rested = database_time(self._connection) - self._quarantine_s
        self._connection.execute(
            table.delete().where(table.c.pool == pool, table.c.key.is_(None), table.c.released_at <= rested)
        )

    def _smallest_free(self, pool: str, first: int, last: int) -> int:
        table = schema.numbers
        following = table.alias()
        taken = sa.exists().where(following.c.pool == pool, following.c.number == table.c.number + 1)
        start = sa.select(table.c.number).where(table.c.pool == pool, table.c.number == first)
        if self._connection.execute(start).scalar_one_or_none() is None:
            return first
        gap = (
            sa.select(table.c.number + 1)
            .where(table.c.pool == pool, table.c.number.between(first, last - 1), ~taken)
            .order_by(table.c.number)
            .limit(1)
        )
        found = self._connection.execute(gap).scalar_one_or_none()
        if found is None:
            raise Refused(
                f"all numbers of {pool} from {first} to {last} are in use or rest",
                hint="release some, widen the range, or wait for the quarantine to end",
                facts={"pool": pool, "first": first, "last": last, "quarantineS": self._quarantine_s},
            )
        return int(found)

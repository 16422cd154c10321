"""One repository for every kind of resource."""

from __future__ import annotations

import builtins
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from mano.adapters.store.codec import column_value, decode, decode_kept, encode
from mano.errors import AlreadyExists, NotFound, StaleGeneration


class Resource(Protocol):
    """What every stored dataclass has."""

    @property
    def id(self) -> str: ...

    @property
    def tenant_id(self) -> str: ...

    @property
    def generation(self) -> int: ...


R = TypeVar("R", bound=Resource)

_OWN_COLUMNS = frozenset({"document", "generation"})


@dataclass(frozen=True, slots=True)
class Kind(Generic[R]):
    """Where a kind of resource is kept and what a person calls it."""

    table: sa.Table
    type: type[R]
    noun: str
    is_kept: bool = False
    """Values are parsed once and shared: for kinds that every decision reads all of."""

    def value(self, document: str) -> R:
        """The value of a document."""
        return decode_kept(document, self.type) if self.is_kept else decode(document, self.type)

    def row(self, value: R) -> dict[str, Any]:
        """The columns of a value: copies of its fields, and the document."""
        columns = {
            column.name: column_value(getattr(value, column.name))
            for column in self.table.columns
            if column.name not in _OWN_COLUMNS
        }
        return {**columns, "generation": value.generation, "document": encode(value)}


# Building a statement costs more than running it, so those of every step of an operation are built once.


@functools.cache
def _select(table: sa.Table) -> sa.Select[Any]:
    return sa.select(table.c.document, table.c.tenant_id).where(table.c.id == sa.bindparam("id"))


@functools.cache
def _update(table: sa.Table) -> sa.Update:
    return table.update().where(
        table.c.id == sa.bindparam("same_id"),
        table.c.tenant_id == sa.bindparam("same_tenant"),
        table.c.generation == sa.bindparam("read_generation"),
    )


@functools.cache
def _insert_or_skip(table: sa.Table, dialect: str) -> Any:
    builder = cast("Callable[..., Any]", sqlite_insert if dialect == "sqlite" else postgresql_insert)
    return builder(table).on_conflict_do_nothing().returning(sa.literal(1))


def insert_or_skip(connection: sa.Connection, table: sa.Table, row: dict[str, Any]) -> bool:
    """Insert; False when a unique index forbids it. The transaction stays usable, on PostgreSQL too."""
    return connection.execute(_insert_or_skip(table, connection.dialect.name), row).first() is not None


class SqlRepository(Generic[R]):
    """Implements :class:`mano.ports.repositories.Repository`."""

    def __init__(self, connection: sa.Connection, kind: Kind[R]) -> None:
        self._connection = connection
        self._kind = kind

    def get(self, id: str, tenant_id: str | None = None) -> R:
        """The resource; raises :class:`~mano.errors.NotFound`."""
        found = self.find(id, tenant_id)
        if found is None:
            raise NotFound(f"there is no {self._kind.noun} {id}")
        return found

    def find(self, id: str, tenant_id: str | None = None) -> R | None:
        """The resource or ``None``."""
        row = self._connection.execute(_select(self._kind.table), {"id": column_value(id)}).first()
        if row is None or tenant_id not in (None, row.tenant_id):
            return None
        return self._kind.value(row.document)

    def add(self, value: R) -> None:
        """Store a new one."""
        if not insert_or_skip(self._connection, self._kind.table, self._kind.row(value)):
            raise self._taken(value)

    def save(self, value: R) -> R:
        """Replace it if its generation is still the stored one."""
        newer = cast("R", replace(cast("Any", value), generation=value.generation + 1))
        same = {"same_id": value.id, "same_tenant": value.tenant_id, "read_generation": value.generation}
        try:
            changed = self._connection.execute(_update(self._kind.table), self._kind.row(newer) | same).rowcount
        except sa.exc.IntegrityError as error:
            raise self._taken(value) from error
        if changed == 0:
            raise self._lost(value)
        return newer

    def remove(self, id: str) -> None:
        """Delete it; nothing to do when it is gone."""
        table = self._kind.table
        self._connection.execute(table.delete().where(table.c.id == column_value(id)))

    def list(
        self, tenant_id: str | None = None, *, after: str = "", limit: int | None = None, **equals: Any
    ) -> Sequence[R]:
        """Resources in order of their identifiers; ``equals`` names columns, its values may be ``None``."""
        table = self._kind.table
        query = sa.select(table.c.document).order_by(table.c.id)
        if tenant_id is not None:
            query = query.where(table.c.tenant_id == tenant_id)
        if after:
            query = query.where(table.c.id > column_value(after))
        for name, value in equals.items():
            query = query.where(table.c[name] == column_value(value))
        if limit is not None:
            query = query.limit(limit)
        return self._decode(self._connection.execute(query).scalars())

    def _decode(self, documents: Any) -> builtins.list[R]:
        return [self._kind.value(document) for document in documents]

    def _taken(self, value: R) -> Exception:
        return AlreadyExists(f"{self._kind.noun} {value.id} exists already, or another one holds what must be unique")

    def _lost(self, value: R) -> Exception:
        if self.find(value.id, value.tenant_id) is None:
            return NotFound(f"there is no {self._kind.noun} {value.id}")
        return StaleGeneration(
            f"{self._kind.noun} {value.id} was changed meanwhile", hint="read it again and repeat the change"
        )

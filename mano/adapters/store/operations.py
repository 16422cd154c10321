"""Operation occurrences, their steps, and the events of both."""

from __future__ import annotations

import builtins
from collections import defaultdict
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from mano.adapters.store import schema
from mano.adapters.store.codec import decode, encode
from mano.adapters.store.outbox import SqlOutbox
from mano.adapters.store.resources import Kind, SqlRepository
from mano.domain.lcm_op_occ import ENDED, LcmOpOcc, StepRecord, state_event, step_event
from mano.errors import NotFound, OperationInProgress

OPERATIONS = Kind(schema.operations, LcmOpOcc, "operation occurrence")
_ENDED = [state.value for state in ENDED]


class SqlOperations(SqlRepository[LcmOpOcc]):
    """Implements :class:`mano.ports.repositories.Operations`."""

    def __init__(self, connection: sa.Connection, outbox: SqlOutbox) -> None:
        super().__init__(connection, OPERATIONS)
        self._outbox = outbox

    def add(self, value: LcmOpOcc) -> None:
        """Store a new occurrence and the event of its first state."""
        super().add(replace(value, steps=()))
        self._outbox.append(state_event(value))

    def save(self, value: LcmOpOcc) -> LcmOpOcc:
        """Replace it; a new state appends its event."""
        table = schema.operations
        before = self._connection.execute(sa.select(table.c.state).where(table.c.id == value.id)).scalar_one_or_none()
        saved = super().save(replace(value, steps=()))
        if before != value.state.value:
            self._outbox.append(state_event(value))
        return replace(saved, steps=value.steps)

    def active(self, instance_id: str) -> LcmOpOcc | None:
        """The operation that owns the instance now."""
        table = schema.operations
        query = sa.select(table.c.document).where(table.c.instance_id == instance_id, table.c.state.notin_(_ENDED))
        found = self._decode(self._connection.execute(query).scalars())
        return found[0] if found else None

    def record_step(self, op_id: str, step: StepRecord) -> None:
        """Insert the step's record or replace the one of the same name; the event tells of it."""
        op = self._bare(op_id)
        table = schema.steps
        row = {"state": step.state.value, "document": encode(step)}
        same = (table.c.op_id == op_id, table.c.name == step.name)
        if self._connection.execute(table.update().where(*same).values(**row)).rowcount == 0:
            position = sa.select(sa.func.count()).where(table.c.op_id == op_id).scalar_subquery()
            self._connection.execute(table.insert().values(op_id=op_id, name=step.name, position=position, **row))
        self._outbox.append(step_event(op, step))

    def _bare(self, op_id: str) -> LcmOpOcc:
        found = SqlRepository.find(self, op_id)
        if found is None:
            raise NotFound(f"there is no operation occurrence {op_id}")
        return found

    def find(self, id: str, tenant_id: str | None = None) -> LcmOpOcc | None:
        """The occurrence with its steps, or ``None``."""
        found = super().find(id, tenant_id)
        return None if found is None else self._with_steps([found])[0]

    def _decode(self, documents: Any) -> builtins.list[LcmOpOcc]:
        return self._with_steps(super()._decode(documents))

    def _with_steps(self, found: builtins.list[LcmOpOcc]) -> builtins.list[LcmOpOcc]:
        if not found:
            return found
        table = schema.steps
        query = (
            sa.select(table.c.op_id, table.c.document)
            .where(table.c.op_id.in_([op.id for op in found]))
            .order_by(table.c.position)
        )
        steps: dict[str, list[StepRecord]] = defaultdict(list)
        for op_id, document in self._connection.execute(query):
            steps[op_id].append(decode(document, StepRecord))
        return [replace(op, steps=tuple(steps[op.id])) for op in found]

    def _taken(self, value: LcmOpOcc) -> Exception:
        owner = self.active(value.instance_id)
        if owner is None or owner.id == value.id:
            return super()._taken(value)
        return OperationInProgress(
            f"operation {owner.operation} owns {value.instance_id} and is {owner.state.value}",
            hint="wait for its end; when it is FAILED_TEMP, retry, roll back or fail it",
            facts={"lcmOpOccId": owner.id, "operationState": owner.state.value},
        )

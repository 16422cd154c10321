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

_OPS, _STEPS = schema.operations, schema.steps
_STATE = sa.select(_OPS.c.state).where(_OPS.c.id == sa.bindparam("id"))
_STEPS_OF = (
    sa.select(_STEPS.c.op_id, _STEPS.c.document)
    .where(_STEPS.c.op_id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(_STEPS.c.position)
)
_UPDATE_STEP = _STEPS.update().where(
    _STEPS.c.op_id == sa.bindparam("same_op"), _STEPS.c.name == sa.bindparam("same_name")
)
_COUNT_STEPS = sa.select(sa.func.count()).where(_STEPS.c.op_id == sa.bindparam("op_id"))


class SqlOperations(SqlRepository[LcmOpOcc]):
    """Implements :class:`mano.ports.repositories.Operations`."""

    def __init__(self, connection: sa.Connection, outbox: SqlOutbox) -> None:
        super().__init__(connection, OPERATIONS)
        self._outbox = outbox
        self._read: dict[str, LcmOpOcc] = {}

    def add(self, value: LcmOpOcc) -> None:
        """Store a new occurrence and the event of its first state."""
        super().add(replace(value, steps=()))
        self._outbox.append(state_event(value))

    def save(self, value: LcmOpOcc) -> LcmOpOcc:
        """Replace it; a new state appends its event."""
        before = self._connection.execute(_STATE, {"id": value.id}).scalar_one_or_none()
        saved = super().save(replace(value, steps=()))
        self._read[value.id] = saved
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
        op = self._read.get(op_id) or self._bare(op_id)
        row = {"state": step.state.value, "document": encode(step)}
        same = {"same_op": op_id, "same_name": step.name}
        if self._connection.execute(_UPDATE_STEP, row | same).rowcount == 0:
            position = self._connection.execute(_COUNT_STEPS, {"op_id": op_id}).scalar_one()
            new = {"op_id": op_id, "name": step.name, "position": position}
            self._connection.execute(_STEPS.insert(), row | new)
        self._outbox.append(step_event(op, step))

    def _bare(self, op_id: str) -> LcmOpOcc:
        found = super().find(op_id)
        if found is None:
            raise NotFound(f"there is no operation occurrence {op_id}")
        return found

    def find(self, id: str, tenant_id: str | None = None) -> LcmOpOcc | None:
        """The occurrence with its steps, or ``None``."""
        found = super().find(id, tenant_id)
        if found is None:
            return None
        self._read[id] = found
        return self._with_steps([found])[0]

    def _decode(self, documents: Any) -> builtins.list[LcmOpOcc]:
        return self._with_steps(super()._decode(documents))

    def _with_steps(self, found: builtins.list[LcmOpOcc]) -> builtins.list[LcmOpOcc]:
        if not found:
            return found
        steps: dict[str, list[StepRecord]] = defaultdict(list)
        for op_id, document in self._connection.execute(_STEPS_OF, {"ids": [op.id for op in found]}):
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

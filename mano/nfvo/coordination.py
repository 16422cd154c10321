"""Whom the NFVO asks on an operation's way: the OSS that the server was told of (SOL005 clause 12)."""

from __future__ import annotations

from collections.abc import Sequence

from mano.domain.lcm_op_occ import LcmOpOcc
from mano.ports.coordination import Asked, Known
from mano.ports.repositories import UnitOfWorkFactory


class NsCoordination:
    """Finds the actions of the NFVO's operations: no NSD declares any, so the settings do."""

    def __init__(self, open_unit: UnitOfWorkFactory, known: Sequence[Known]) -> None:
        self._open_unit = open_unit
        self._known = known

    def actions_of(self, op: LcmOpOcc) -> Sequence[Asked]:
        """Those of the operation's kind, of each coordinator that cares for the NSD."""
        if not self._known:
            return ()
        with self._open_unit(read_only=True) as uow:
            nsd_id = uow.ns_instances.get(op.instance_id, op.tenant_id).nsd_id
        return tuple(
            Asked(action, one.coordinator)
            for one in self._known
            if one.cares_for(nsd_id)
            for action in one.actions
            if op.operation in action.operations
        )

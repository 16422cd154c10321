"""VNF snapshot resources (SOL003 clauses 5.4.22 and 5.4.23): made empty, filled by an operation, deleted with all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from mano.domain.lcm_op_occ import LcmOpOcc
from mano.domain.vnf_instance import VnfInstance, VnfOperationalState
from mano.domain.vnf_snapshot import VnfcSnapshot, VnfSnapshot
from mano.errors import InUse, NotFound, Refused, UnknownReference, WrongState
from mano.ports.clock import Clock, IdFactory
from mano.ports.repositories import PackageStore, UnitOfWork, UnitOfWorkFactory
from mano.ports.snapshot_archives import SnapshotArchives
from mano.ports.snapshots import SnapshotKeeper, SnapshotTransfer
from mano.ports.vim import VimDriver

CREATE, REVERT = "CREATE_SNAPSHOT", "REVERT_TO_SNAPSHOT"
"""Operations (LcmOperationType) that are about a snapshot."""

STATE_OVERHEAD = 16 << 20
"""Octets that an archive may take besides the states in it."""

POINTER = "/vnfSnapshotInfoId"
TAKEN, SECURED = "taken", "secured"
"""In the plans of operations: the snapshots that they take, to be kept, or for the way back."""


def keeper_of(vim: VimDriver, vim_id: str) -> SnapshotKeeper:
    """The VIM as one that keeps snapshots; raises Refused when it cannot."""
    if not isinstance(vim, SnapshotKeeper):
        raise Refused(f"VIM {vim_id} keeps no snapshots of VNFCs", hint="run the VNF in a VIM that does")
    return vim


class VnfSnapshots:
    """Use cases of the resources."""

    def __init__(
        self,
        open_unit: UnitOfWorkFactory,
        vims: Mapping[str, VimDriver],
        clock: Clock,
        new_id: IdFactory,
        store: PackageStore,
        archives: SnapshotArchives,
    ) -> None:
        self._open_unit = open_unit
        self._vims = vims
        self._store = store
        self._archives = archives
        self._clock = clock
        self._new_id = new_id

    def create(self, tenant_id: str, package_id: str = "", id: str = "") -> VnfSnapshot:
        """A new resource, empty; ``package_id`` names the VNF snapshot package that it is to come from.

        With an ``id`` it is made once.
        """
        made = VnfSnapshot(id or self._new_id(), tenant_id, self._clock.now(), package_id=package_id)
        with self._open_unit() as uow:
            if id and (present := uow.vnf_snapshots.find(id, tenant_id)) is not None:
                return present
            uow.vnf_snapshots.add(made)
        return made

    def patch(self, id: str, tenant_id: str, package_id: str, generation: int | None) -> VnfSnapshot:
        """Say from which VNF snapshot package it comes; ``generation`` is the one that the client read (``If-Match``).

        Raises WrongState for one that an operation has filled: its content came from no package.
        """
        with self._open_unit() as uow:
            snapshot = visible(uow, id, tenant_id)
            if snapshot.is_filled or _is_filling(uow, snapshot):
                raise WrongState(
                    "the VNF snapshot holds what an operation took: it comes from no package",
                    hint="make a resource of its own for what comes from a package",
                )
            current = snapshot if generation is None else replace(snapshot, generation=generation)
            return uow.vnf_snapshots.save(replace(current, package_id=package_id))

    def delete(self, id: str, tenant_id: str, generation: int | None) -> None:
        """Delete it with all that VIMs keep for it; InUse while an operation fills it or goes back to it."""
        with self._open_unit() as uow:
            snapshot = visible(uow, id, tenant_id)
            user = _user(uow, snapshot)
            if user is not None:
                raise InUse(
                    f"operation {user.id} ({user.operation}, {user.state.value}) uses the VNF snapshot",
                    hint="wait until it is over",
                    facts={"operationId": user.id},
                )
            current = snapshot if generation is None else replace(snapshot, generation=generation)
            going = uow.vnf_snapshots.save(replace(current, is_going=True))
        self._remove(going)

    def state_path(self, id: str, tenant_id: str) -> str:
        """A file with the state of all VNFCs together (SOL003 clause 5.4.25), put together when it is first read.

        Raises WrongState while the resource is empty and Refused where a VIM gives no states away.
        """
        with self._open_unit(read_only=True) as uow:
            snapshot = visible(uow, id, tenant_id)
        if not snapshot.is_filled:
            raise WrongState(f"VNF snapshot {id} is empty: it has no state", hint="fill it: create_snapshot of a VNF")
        key = state_key(id)
        if not snapshot.state_checksum:
            states = ((_name(vnfc), self._transfer(vnfc.vim_id).read_snapshot(vnfc.id)) for vnfc in snapshot.vnfcs)
            _, checksum = self._store.write(key, self._archives.bundle(states), snapshot.size_bytes + STATE_OVERHEAD)
            with self._open_unit() as uow:
                uow.vnf_snapshots.save(replace(visible(uow, id, tenant_id), state_checksum=checksum))
        return self._store.path(key)

    def _transfer(self, vim_id: str) -> SnapshotTransfer:
        vim: object = self._vims.get(vim_id)
        if not isinstance(vim, SnapshotTransfer):
            raise Refused(f"VIM {vim_id} gives no states of VNFCs away")
        return vim

    def sweep(self) -> int:
        """Remove what VIMs keep and no resource or running operation knows, and end what was being deleted; how many.

        An operation that was given up leaves such snapshots, and so does a server that was killed while it deleted.
        """
        kept = {vim_id: set(vim.snapshots()) for vim_id, vim in self._vims.items() if isinstance(vim, SnapshotKeeper)}
        with self._open_unit(read_only=True) as uow:
            stored = uow.vnf_snapshots.list()
            known = {vnfc.id for one in stored for vnfc in one.vnfcs}
            for operation in (CREATE, REVERT):
                known.update(id for op in uow.operations.list(operation=operation) for id in _of_operation(op))
        for snapshot in stored:
            if snapshot.is_going:
                self._remove(snapshot)
        strays = [(vim_id, id) for vim_id, ids in kept.items() for id in sorted(ids - known)]
        for vim_id, id in strays:
            keeper_of(self._vims[vim_id], vim_id).remove_snapshot(id)
        return len(strays)

    def _remove(self, snapshot: VnfSnapshot) -> None:
        for vnfc in snapshot.vnfcs:
            if vnfc.vim_id in self._vims:
                keeper_of(self._vims[vnfc.vim_id], vnfc.vim_id).remove_snapshot(vnfc.id)
        if snapshot.state_checksum:
            self._store.remove(state_key(snapshot.id))
        with self._open_unit() as uow:
            uow.vnf_snapshots.remove(snapshot.id)


def state_key(id: str) -> str:
    """Of a VNF state snapshot in the store of packages."""
    return f"state-{id}"


def _name(vnfc: VnfcSnapshot) -> str:
    return f"{vnfc.vdu_id}/{vnfc.index}.img"


def visible(uow: UnitOfWork, id: str, tenant_id: str) -> VnfSnapshot:
    """The snapshot; raises NotFound, also for one that is being deleted."""
    found = uow.vnf_snapshots.find(id, tenant_id)
    if found is None or found.is_going:
        raise NotFound(f"there is no VNF snapshot {id}")
    return found


def admit_creation(uow: UnitOfWork, instance: VnfInstance, op: LcmOpOcc) -> None:
    """CreateVnfSnapshot begins: the resource is there, empty, and this operation's from now on.

    Raises UnknownReference and WrongState (SOL003 clause 5.4.21).
    """
    snapshot = _named(uow, op)
    if snapshot.is_filled or _is_filling(uow, snapshot):
        raise WrongState(
            f"VNF snapshot {snapshot.id} has been filled, or is being filled, by operation {snapshot.operation_id}",
            hint="create a new one: POST /vnflcm/v2/vnf_snapshots",
        )
    idle = [vnfc.id for vnfc in instance.vnfcs if vnfc.state is not VnfOperationalState.STARTED]
    if idle:
        raise WrongState(
            f"{len(idle)} VNFCs of the VNF do not run: what is stopped has no state to be kept", hint="start it first"
        )
    uow.vnf_snapshots.save(replace(snapshot, operation_id=op.id, vnf_instance_id=instance.id))


def admit_reversion(uow: UnitOfWork, instance: VnfInstance, op: LcmOpOcc) -> None:
    """RevertToVnfSnapshot begins: the snapshot is one of this VNF as it is described now.

    Raises UnknownReference and WrongState (SOL003 clause 5.4.26).
    """
    snapshot = _named(uow, op)
    then = snapshot.instance
    if then is None:
        raise WrongState(f"VNF snapshot {snapshot.id} is empty", hint="fill it: create_snapshot")
    if then.id != instance.id:
        raise WrongState(
            f"VNF snapshot {snapshot.id} is of VNF instance {then.id}", hint="a VNF goes back to its own snapshots only"
        )
    for what, was, now in (
        ("VNFD", then.vnfd_id, instance.vnfd_id),
        ("flavour", then.flavour_id, instance.flavour_id),
    ):
        if was != now:
            raise WrongState(
                f"the VNF had the {what} {was} when the snapshot was taken, and has {now} now",
                hint="change it back first: change_vnfpkg, change_flavour",
            )


ADMISSIONS: Mapping[str, Callable[[UnitOfWork, VnfInstance, LcmOpOcc], None]] = {
    CREATE: admit_creation,
    REVERT: admit_reversion,
}
"""What is checked and marked in the transaction that stores an operation."""


def _named(uow: UnitOfWork, op: LcmOpOcc) -> VnfSnapshot:
    try:
        return visible(uow, str(op.parameters["vnfSnapshotInfoId"]), op.tenant_id)
    except NotFound as error:
        raise UnknownReference(
            error.detail,
            hint="create one: POST /vnflcm/v2/vnf_snapshots, or mano vnf snapshot create",
            facts={"pointer": POINTER},
        ) from None


def _user(uow: UnitOfWork, snapshot: VnfSnapshot) -> LcmOpOcc | None:
    """The operation that fills the snapshot or goes back to it now."""
    active = uow.operations.active(snapshot.vnf_instance_id) if snapshot.vnf_instance_id else None
    uses = active is not None and active.parameters.get("vnfSnapshotInfoId") == snapshot.id
    return active if uses else None


def _is_filling(uow: UnitOfWork, snapshot: VnfSnapshot) -> bool:
    user = _user(uow, snapshot)
    return user is not None and user.operation == CREATE


def _of_operation(op: LcmOpOcc) -> Iterator[str]:
    """Snapshots that belong to an operation which is not over."""
    if op.ended or not op.plan:
        return
    plan: Mapping[str, Any] = op.plan
    yield from (str(one["id"]) for one in plan.get(TAKEN, ()))
    yield from (str(id) for id in plan.get("facts", {}).get(SECURED, {}).values())

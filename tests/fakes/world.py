"""A world that operations change: files in a directory, so that it outlives any process; and operations on it.

Each thing has two parts, made one after the other: a crash between them leaves half a thing. The database holds what
should be there as reservations, so that the two can be compared by somebody else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mano.domain.lcm_op_occ import LcmOpOcc, Level, OperationState
from mano.domain.ns_instance import NsInstance, Reservation
from mano.domain.vnf_instance import InstantiationState
from mano.errors import NotPlaceable, Unreachable
from mano.ports.clock import Clock
from mano.ports.repositories import UnitOfWork, UnitOfWorkFactory
from mano.ports.workflows import Step, Workflows

TENANT = "tenant"


class World:
    """Things in a directory; ``point`` is called before and after each effect."""

    def __init__(self, root: Path, point: Callable[[str], None] = lambda name: None) -> None:
        self._root = root
        self._point = point
        root.mkdir(exist_ok=True)

    def make(self, owner: str, thing: str) -> None:
        """Observe, then act: nothing happens for what is there."""
        for path in self._parts(owner, thing):
            if not path.exists():
                self._point(f"before making {path.name}")
                path.touch()
                self._point(f"after making {path.name}")

    def unmake(self, owner: str, thing: str) -> None:
        """The same backwards."""
        for path in reversed(self._parts(owner, thing)):
            if path.exists():
                self._point(f"before unmaking {path.name}")
                path.unlink()
                self._point(f"after unmaking {path.name}")

    def _parts(self, owner: str, thing: str) -> list[Path]:
        return [self._root / f"{owner}.{thing}.{half}" for half in ("left", "right")]

    def things(self) -> set[str]:
        """What is there, half things told as such."""
        return {path.name for path in self._root.iterdir()}


def whole(owner: str, *things: str) -> set[str]:
    """How :meth:`World.things` tells of things that are complete."""
    return {f"{owner}.{thing}.{half}" for thing in things for half in ("left", "right")}


@dataclass
class Build:
    """INSTANTIATE: reserve and make the things that the request names.

    The request's ``refuse`` ends it before it begins; ``break`` names a step that fails in attempt 1.
    """

    world: World
    open_unit: UnitOfWorkFactory
    level: Level = Level.VNF
    operation: str = "INSTANTIATE"

    def prepare(self, op: LcmOpOcc) -> tuple[str, ...]:
        if op.parameters.get("refuse"):
            raise NotPlaceable("there is no room")
        things = tuple(op.parameters["things"])
        with self.open_unit() as uow:
            for thing in things:
                if uow.reservations.find(f"{op.instance_id}/{thing}") is None:
                    uow.reservations.add(
                        Reservation(f"{op.instance_id}/{thing}", TENANT, op.instance_id, thing, "h1", {})
                    )
            uow.operations.save(replace(uow.operations.get(op.id), plan={"things": things}))
        return tuple(f"make {thing}" for thing in things)

    def step(self, op: LcmOpOcc, name: str) -> Step:
        thing = name.removeprefix("make ")

        def do() -> Mapping[str, Any]:
            self.world.make(op.instance_id, thing)
            if op.parameters.get("break") == thing and op.attempt == 1:
                raise Unreachable(f"{thing} does not answer")
            return {"made": thing}

        return Step(name, do, lambda: self.world.unmake(op.instance_id, thing))

    def complete(self, uow: UnitOfWork, op: LcmOpOcc) -> None:
        ns = uow.ns_instances.get(op.instance_id)
        uow.ns_instances.save(replace(ns, state=InstantiationState.INSTANTIATED, plan=op.plan))

    def rolled_back(self, uow: UnitOfWork, op: LcmOpOcc) -> None:
        for reservation in uow.reservations.list(ns_instance_id=op.instance_id):
            uow.reservations.remove(reservation.id)


@dataclass
class Raze:
    """TERMINATE: unmake everything, then give the reservations back."""

    world: World
    open_unit: UnitOfWorkFactory
    level: Level = Level.VNF
    operation: str = "TERMINATE"

    def prepare(self, op: LcmOpOcc) -> tuple[str, ...]:
        with self.open_unit(read_only=True) as uow:
            held = uow.reservations.list(ns_instance_id=op.instance_id)
        return tuple(f"unmake {reservation.key}" for reservation in held)

    def step(self, op: LcmOpOcc, name: str) -> Step:
        thing = name.removeprefix("unmake ")

        def do() -> None:
            self.world.unmake(op.instance_id, thing)

        return Step(name, do)

    def complete(self, uow: UnitOfWork, op: LcmOpOcc) -> None:
        for reservation in uow.reservations.list(ns_instance_id=op.instance_id):
            uow.reservations.remove(reservation.id)
        ns = uow.ns_instances.get(op.instance_id)
        uow.ns_instances.save(replace(ns, state=InstantiationState.NOT_INSTANTIATED))

    def rolled_back(self, uow: UnitOfWork, op: LcmOpOcc) -> None:
        """Nothing was decided."""


@dataclass
class Assemble:
    """An NS operation: its only step starts a VNF operation that builds, and waits for its end."""

    world: World
    open_unit: UnitOfWorkFactory
    workflows: Workflows
    clock: Clock
    level: Level = Level.NS
    operation: str = "INSTANTIATE"

    def prepare(self, op: LcmOpOcc) -> tuple[str, ...]:
        return ("vnf",)

    def step(self, op: LcmOpOcc, name: str) -> Step:
        part = f"{op.instance_id}-vnf"
        child = new_operation(f"{op.id}-vnf", part, self.clock, things=op.parameters["things"])

        def do() -> None:
            with self.open_unit() as uow:
                if uow.operations.find(child.id) is None:
                    uow.ns_instances.add(new_instance(part, self.clock))
                    self.workflows.start(uow, replace(child, parent_id=op.id))
            while self._state(child.id) is not OperationState.COMPLETED:
                self.clock.sleep(0.02)

        return Step(name, do)

    def _state(self, op_id: str) -> OperationState:
        with self.open_unit(read_only=True) as uow:
            return uow.operations.get(op_id).state

    def complete(self, uow: UnitOfWork, op: LcmOpOcc) -> None:
        ns = uow.ns_instances.get(op.instance_id)
        uow.ns_instances.save(replace(ns, state=InstantiationState.INSTANTIATED))

    def rolled_back(self, uow: UnitOfWork, op: LcmOpOcc) -> None:
        """Nothing was decided."""


def new_instance(id: str, clock: Clock) -> NsInstance:
    """Where an operation's outcome is kept."""
    return NsInstance(id, TENANT, id, "", "nsd", "nsd-info", clock.now())


def new_operation(
    id: str, instance: str, clock: Clock, *, operation: str = "INSTANTIATE", level: Level = Level.VNF, **parameters: Any
) -> LcmOpOcc:
    """An operation as a use case stores it."""
    return LcmOpOcc(
        id=id,
        tenant_id=TENANT,
        level=level,
        instance_id=instance,
        operation=operation,
        state=OperationState.STARTING if level is Level.VNF else OperationState.PROCESSING,
        state_entered_at=clock.now(),
        started_at=clock.now(),
        parameters=parameters,
    )

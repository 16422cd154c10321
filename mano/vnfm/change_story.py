"""Operations that change a running VNF, as stories of durable steps: decide, get the grant, go from plan to plan."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mano.domain.grant import Grant
from mano.domain.lcm_op_occ import LcmOpOcc, Level
from mano.domain.vnf_instance import Realisation, VnfcResource, VnfInstance, VnfOperationalState
from mano.errors import CatenaError, DeadlineExceeded, Unreachable, WrongState
from mano.ports.or_vnfm import Leftover
from mano.ports.repositories import UnitOfWork
from mano.ports.vim import PortStatus
from mano.ports.workflows import Step
from mano.vnfm.bit_rates import rates_at, with_rates
from mano.vnfm.changes import (
    COMPUTE,
    FREE,
    GRANT,
    LEAVE,
    PORTS,
    RATE,
    RELEASE,
    STOP,
    Action,
    Transition,
    VnfChange,
    actions,
    change_from_json,
    leaves,
)
from mano.vnfm.resources import (
    PlanInputs,
    PlannedCompute,
    PlannedPort,
    VnfPlan,
    definition_of,
    plan_vnf,
    removal_of,
    signature,
)
from mano.vnfm.scaling import present_size
from mano.vnfm.world import VnfmWorld, flavour_of, grant_request, standing_plan, vnfc_resource, vnfd_of
from vnf_descriptors.model import Vnfd, VnfFlavour

STORED = frozenset(
    {
        "flavour_id",
        "instantiation_level_id",
        "scale_levels",
        "max_scale_levels",
        "vnf_state",
        "ext_virtual_links",
        "vnfd_id",
        "package_id",
        "provider",
        "product_name",
        "software_version",
        "descriptor_version",
        "configuration",
        "extensions",
    }
)
"""Fields of a VNF instance that a change may set."""

LEFT = "left"
"""In a step's result: a host that does not answer kept what the step was to remove."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What an operation finds: the instance, its descriptor, what stands, and which of it is alive."""

    op: LcmOpOcc
    instance: VnfInstance
    vnfd: Vnfd
    flavour: VnfFlavour
    standing: VnfPlan
    live: frozenset[str]

    @property
    def plan(self) -> VnfPlan:
        """What the VNF consists of now."""
        return replace(self.standing, computes=tuple(c for c in self.standing.computes if c.signature in self.live))


class ChangeVnf:
    """What the operations share. A subclass decides; the way there and back is the same for all."""

    level = Level.VNF
    operation = ""
    wants_whole = True
    """Refuse a VNF of which an operation that was given up left parts: only healing and termination mend it."""

    def __init__(self, world: VnfmWorld) -> None:
        self._world = world

    @abstractmethod
    def decide(self, situation: Situation) -> tuple[VnfChange, Grant | None]:
        """The change, with the grant for it; raises what ends the operation as refused."""

    def prepare(self, op: LcmOpOcc) -> tuple[str, ...]:
        """Decide once, and name the steps."""
        if op.plan:
            change = change_from_json(op.plan)
        else:
            try:
                change, grant = self.decide(self._situation(op))
            except CatenaError:
                self._world.nfvo.settle(op.id, op.tenant_id, done=False)
                raise
            self._world.save_plan(op, change.to_json(), grant, change.possible)
        return (GRANT, *(action.name for action in actions(change)), RELEASE)

    def step(self, op: LcmOpOcc, name: str) -> Step:
        """The step of this name."""
        nfvo = self._world.nfvo
        if name == GRANT:
            return Step(name, lambda: {"grantId": op.grant_id}, lambda: nfvo.settle(op.id, op.tenant_id, done=False))
        if name == RELEASE:
            return Step(name, lambda: nfvo.settle(op.id, op.tenant_id, done=True, left=self._left(op)), None)
        change = change_from_json(op.plan)
        action = next(action for action in actions(change) if action.name == name)
        return Step(name, *_Doing(self._world, op, change, action).both())

    def _left(self, op: LcmOpOcc) -> tuple[Leftover, ...]:
        """What goes and could not be removed, as the steps told."""
        with self._world.open_unit(read_only=True) as uow:
            told = {step.name: step.result or {} for step in uow.operations.get(op.id).steps}
        missed = [a.transition for a in actions(change_from_json(op.plan)) if told.get(a.name, {}).get(LEFT)]
        found: dict[str, Leftover] = {}
        for each in missed:
            if each is not None and each.before is not None and (each.moves or each.after is None):
                one, ports = each.before, tuple(port.spec for port in each.old_ports)
                found[one.compute_id] = Leftover(one.compute_id, one.vim_id, one.host, ports)
        return tuple(found.values())

    def complete(self, uow: UnitOfWork, op: LcmOpOcc) -> None:
        """The instance is as decided."""
        change = change_from_json(op.plan)
        instance = uow.vnf_instances.get(op.instance_id)
        instance = uow.vnf_instances.save(replace(instance, plan=change.after.to_json(), **stored_facts(change.facts)))
        self._world.announce(uow, instance, "changed")

    def rolled_back(self, uow: UnitOfWork, op: LcmOpOcc) -> None:
        """The instance is as it was."""
        if not op.plan:
            return
        change = change_from_json(op.plan)
        instance = uow.vnf_instances.get(op.instance_id)
        former = replace(change.before, computes=(*change.before.computes, *change.strays))
        uow.vnf_instances.save(replace(instance, plan=former.to_json()))

    def _situation(self, op: LcmOpOcc) -> Situation:
        instance = self._world.instance(op)
        standing = standing_plan(self._world, instance)
        live = frozenset(
            signature(vnfc.compute_id, (cp.port_id for cp in vnfc.connection_points)) for vnfc in instance.vnfcs
        )
        if self.wants_whole and {compute.signature for compute in standing.computes} != live:
            raise WrongState(
                f"VNF instance {instance.id} is not whole since an operation on it was given up",
                hint="heal it, or terminate it",
            )
        _, document = self._world.nfvo.vnfd(instance.vnfd_id, op.tenant_id)
        vnfd = vnfd_of(document)
        return Situation(op, instance, vnfd, flavour_of(vnfd, instance.flavour_id), standing, live)

    # What subclasses build their decision of

    def ask(
        self,
        situation: Situation,
        level_id: str,
        *,
        flavour_id: str = "",
        vnfd_id: str = "",
        add: Sequence[tuple[str, int]] = (),
        remove: Sequence[PlannedCompute] = (),
        links: Sequence[Mapping[str, Any]] | None = None,
        former: Mapping[str, str] | None = None,
    ) -> Grant:
        """The NFVO's grant for VNFCs that come, as (VDU, index), and go.

        ``former`` tells how VDUs were called before that have another name now.
        """
        names = former or {}
        op, instance = situation.op, situation.instance
        request = grant_request(
            op,
            instance,
            flavour_id or situation.flavour.id,
            level_id,
            vnfd_id=vnfd_id,
            add=tuple(
                replace(
                    definition_of(op.id, vdu_id, index), former=f"{names[vdu_id]}/{index}" if vdu_id in names else ""
                )
                for vdu_id, index in add
            ),
            remove=tuple(removal_of(compute) for compute in remove),
            links=tuple(instance.ext_virtual_links if links is None else links),
        )
        return self._world.nfvo.grant(request, op.tenant_id)

    def made(
        self,
        situation: Situation,
        grant: Grant,
        add: Sequence[tuple[str, int]],
        *,
        flavour: VnfFlavour | None = None,
        package_id: str = "",
        links: Sequence[Mapping[str, Any]] | None = None,
    ) -> tuple[PlannedCompute, ...]:
        """The granted VNFCs as they will be: connected as the grant says, else as the VNF is."""
        op, own = situation.op, flavour or situation.flavour
        known = situation.instance.ext_virtual_links if links is None else links
        new = plan_vnf(
            PlanInputs(
                op_id=op.id,
                flavour=own,
                level_id="",
                package_id=package_id or situation.standing.package_id,
                definitions=tuple(definition_of(op.id, vdu_id, index) for vdu_id, index in add),
                grant=grant,
                ext_virtual_links=(*grant.ext_virtual_links, *known),
                parameters=op.parameters.get("additionalParams") or {},
            )
        ).computes
        return new if flavour else with_rates(new, rates_at(own, present_size(situation.instance, own)))


def stored_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of the instance out of a change's JSON."""
    found = {name: value for name, value in facts.items() if name in STORED}
    if "vnf_state" in found:
        found["vnf_state"] = VnfOperationalState(found["vnf_state"])
    if "ext_virtual_links" in found:
        found["ext_virtual_links"] = tuple(found["ext_virtual_links"])
    return found


class _Doing:
    """One action of a change, and its undoing."""

    def __init__(self, world: VnfmWorld, op: LcmOpOcc, change: VnfChange, action: Action) -> None:
        self._world = world
        self._op = op
        self._change = change
        self._wave = tuple(each for each in change.waves[action.wave] if not each.is_tuned)
        self._action = action

    def both(self) -> tuple[Callable[[], Mapping[str, Any] | None], Callable[[], None]]:
        """(do, undo)."""
        verb, each = self._action.verb, self._action.transition
        if each is None:
            return (self._leave, self._return) if verb == LEAVE else (self._join, self._part)
        if verb == RATE:
            return lambda: self._tune(each.after), lambda: self._tune(each.before)
        if verb == STOP:
            return lambda: self._stop(each), lambda: self._revive(each)
        if verb == FREE:
            return lambda: self._free(each), lambda: self._replug(each, each.freed_ports)
        if verb == PORTS:
            return lambda: self._plug(each), lambda: self._withdraw_ports(each)
        if verb == COMPUTE:
            return lambda: self._run(each), lambda: self._withdraw(each)
        kept = tuple(port for port in each.old_ports if port not in each.freed_ports)
        return lambda: self._clear(each), lambda: self._replug(each, kept)

    # Leaving and joining the networks: records alone, then the NFVO's networks and chains follow

    def _leave(self) -> None:
        gone = {each.before.compute_id for each in self._wave if each.before and each.after is None}
        instance = self._world.instance(self._op)
        leaving = [vnfc.id for vnfc in instance.vnfcs if vnfc.compute_id in gone]
        self._world.nfvo.vnfcs_leave(instance.id, self._op.tenant_id, leaving)
        idle = {each.before.compute_id for each in self._wave if each.before and each.after and leaves(each)}
        self._record(lambda vnfcs: [_stopped(v, idle) for v in vnfcs if v.compute_id not in gone])

    def _return(self) -> None:
        """Every VNFC of the wave is back as it was."""
        back = [self._world.vnfc(each.before) for each in self._wave if each.before and not each.dead and leaves(each)]
        self._record(lambda vnfcs: _with(vnfcs, back))

    def _join(self) -> None:
        here = [self._world.vnfc(each.after) for each in self._wave if each.after and not each.stop]
        left = {each.before.compute_id for each in self._wave if each.before and each.moves}
        self._record(lambda vnfcs: _with([v for v in vnfcs if v.compute_id not in left], here))

    def _part(self) -> None:
        """The new ones leave; those that they stood in for are there again, and stopped until they run."""
        new = {each.after.compute_id for each in self._wave if each.after}
        back = [self._former(each) for each in self._wave if each.before and each.after]
        self._record(lambda vnfcs: _with([v for v in vnfcs if v.compute_id not in new], back))

    def _former(self, each: Transition) -> VnfcResource:
        """Started where it only moves: its process is there, or about to be."""
        assert each.before is not None
        unreached = (each.dead and each.moves) or bool(each.freed_ports)
        found = _unseen(each.before) if unreached else self._world.vnfc(each.before)
        is_started = each.moves and not each.stopped
        return found if is_started else replace(found, state=VnfOperationalState.STOPPED)

    def _record(self, change: Callable[[Sequence[VnfcResource]], Sequence[VnfcResource]]) -> None:
        with self._world.open_unit() as uow:
            instance = uow.vnf_instances.get(self._op.instance_id)
            vnfcs = tuple(change(instance.vnfcs))
            if vnfcs != instance.vnfcs:
                uow.vnf_instances.save(replace(instance, vnfcs=vnfcs))
        self._world.nfvo.lcm_changed(self._op.instance_id, self._op.tenant_id, self._hosts())

    def _hosts(self) -> list[str]:
        """Hosts that must answer: a dead one is what the operation is about."""
        dead = {each.before.host for each in self._wave if each.before and each.dead and each.moves}
        sides = [side for each in self._wave for side in (each.before, each.after) if side]
        return sorted({side.host for side in sides} - dead)

    # Processes and ports

    def _tune(self, compute: PlannedCompute | None) -> None:
        """Its ports have the bit rates of this plan, and the record tells so."""
        assert compute is not None
        found = self._world.vnfc(compute)
        with self._world.open_unit() as uow:
            instance = uow.vnf_instances.get(self._op.instance_id)
            present = {vnfc.id: vnfc for vnfc in instance.vnfcs}.get(found.id)
            if present is not None and present.connection_points != found.connection_points:
                tuned = replace(present, connection_points=found.connection_points)
                uow.vnf_instances.save(replace(instance, vnfcs=tuple(_with(instance.vnfcs, [tuned]))))

    def _stop(self, each: Transition) -> Mapping[str, Any] | None:
        assert each.before is not None
        if each.snapshot and not each.dead:
            self._world.secure(each.before, self._secured(each))
        try:
            self._world.end(each.before)
        except (Unreachable, DeadlineExceeded):
            if not each.dead:
                raise
            return {LEFT: True}
        return None

    def _revive(self, each: Transition) -> None:
        """What was stopped runs again, unless it was dead before."""
        if each.before is not None and not each.dead:
            package_id, secured = self._change.before.package_id, self._secured(each) if each.snapshot else ""
            if not secured or not self._world.restore(self._op, package_id, each.before, secured, "undo"):
                self._world.run(self._op, package_id, each.before)

    def _secured(self, each: Transition) -> str:
        """The snapshot of what ran before another one was restored."""
        return str(self._change.facts["secured"][each.key])

    def _plug(self, each: Transition) -> Mapping[str, Any]:
        assert each.after is not None
        vim = self._world.vim(each.after.vim_id)
        return {"ports": [vim.ensure_port(port.spec).id for port in each.new_ports]}

    def _free(self, each: Transition) -> None:
        side = each.before or each.after
        assert side is not None
        for port in each.freed_ports:
            self._world.vim(side.vim_id).remove_port(port.spec)

    def _clear(self, each: Transition) -> Mapping[str, Any] | None:
        """What is no longer needed goes, and what was left lying about."""
        is_whole = self._unplug(each.before, each.after, dead=each.dead)
        side = each.after or each.before
        for port in each.litter if side else ():
            self._world.vim(side.vim_id).remove_port(port.spec)  # type: ignore[union-attr]
        return None if is_whole else {LEFT: True}

    def _replug(self, each: Transition, ports: Sequence[PlannedPort]) -> None:
        """Old ports are there again; what lay about stays gone."""
        if each.before is not None and not each.dead:
            vim = self._world.vim(each.before.vim_id)
            for port in ports:
                if port in each.old_ports:
                    vim.ensure_port(port.spec)

    def _unplug(self, one: PlannedCompute | None, other: PlannedCompute | None, *, dead: bool = False) -> bool:
        """Remove the ports of ``one`` that ``other`` has not; False when a dead host kept some."""
        is_whole = True
        if one is None:
            return is_whole
        kept: Collection[str] = {port.spec.id for port in other.ports} if other else ()
        vim = self._world.vim(one.vim_id)
        for port in reversed(one.ports):
            if port.spec.id not in kept:
                try:
                    vim.remove_port(port.spec)
                except (Unreachable, DeadlineExceeded):
                    if not dead:
                        raise
                    is_whole = False
        return is_whole

    def _withdraw_ports(self, each: Transition) -> None:
        self._unplug(each.after, each.before)

    def _run(self, each: Transition) -> Mapping[str, Any]:
        assert each.after is not None
        package_id = self._change.after.package_id
        if each.snapshot and (found := self._world.restore(self._op, package_id, each.after, each.snapshot, "do")):
            return found
        return self._world.run(self._op, package_id, each.after)

    def _withdraw(self, each: Transition) -> None:
        """The new process ends. One that goes on under its name is started as it was when its stop is undone."""
        assert each.after is not None
        self._world.end(each.after)


def _unseen(compute: PlannedCompute) -> VnfcResource:
    """A VNFC none of whose ports is reached now: its host does not answer, or another port has its place still."""
    ports = {
        port.spec.id: PortStatus(port.spec.id, compute.host, "", None, Realisation.ACCOUNTED) for port in compute.ports
    }
    return vnfc_resource(compute, ports, {})


def _stopped(vnfc: VnfcResource, idle: Collection[str]) -> VnfcResource:
    return replace(vnfc, state=VnfOperationalState.STOPPED) if vnfc.compute_id in idle else vnfc


def _with(vnfcs: Sequence[VnfcResource], others: Sequence[VnfcResource]) -> list[VnfcResource]:
    """The VNFCs with these in place of those of the same identifier, in the order of VDU and number."""
    new = {vnfc.id for vnfc in others}
    together = [*(vnfc for vnfc in vnfcs if vnfc.id not in new), *others]
    return sorted(together, key=lambda vnfc: (vnfc.vdu_id, vnfc.index))

"""HealVnf (SOL003 clause 5.4.9): what does not work works again, elsewhere if its host is no good."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Any

from mano.domain.grant import Grant
from mano.domain.ids import derive_id
from mano.domain.vnf_instance import VnfInstance
from mano.errors import CatenaError, InvalidInput
from mano.vnfm.change_story import ChangeVnf, Situation
from mano.vnfm.changes import VnfChange, between
from mano.vnfm.choosing import catena_parameters, named_vnfcs
from mano.vnfm.resources import PlannedCompute
from mano.vnfm.scale_stories import difference, in_order
from mano.vnfm.scaling import present_size
from vnf_descriptors.model import Vnfd


class Remedy(StrEnum):
    """What is done with a VNFC."""

    RESTART = "restart"
    """Its process ends and begins anew, on the same ports."""
    RECREATE = "recreate"
    """The same with new ports."""
    MOVE = "move"
    """It goes to another host, with its addresses."""


ILL = "ill"
"""The action that leaves alone what works, even where everything does."""


def remedy_of(request: Mapping[str, Any]) -> Remedy | None:
    """The remedy that ``additionalParams.catena.action`` asks for; ``None`` to choose what is needed."""
    wanted = catena_parameters(request, ("action",)).get("action")
    if wanted in (None, "auto", ILL):
        return None
    try:
        return Remedy(wanted)
    except ValueError:
        raise InvalidInput(
            "additionalParams.catena.action is no remedy",
            hint=f"choose one of auto, {ILL}, {', '.join(Remedy)}",
            facts={"pointer": "/additionalParams/catena/action"},
        ) from None


def judge_heal(instance: VnfInstance, vnfd: Vnfd, request: Mapping[str, Any]) -> None:
    """HealVnfRequest: the VNFCs exist, and the remedy is one."""
    named_vnfcs(instance, request)
    remedy_of(request)


class HealVnf(ChangeVnf):
    """HealVnf: the named VNFCs, else those that do not work, else all of them one after the other.

    Without a remedy asked for, a VNFC whose host does not answer moves, any other one is restarted. What a former
    operation left half-made is completed or removed.
    """

    operation = "HEAL"
    wants_whole = False

    def decide(self, situation: Situation) -> tuple[VnfChange, Grant | None]:
        """Look at every VNFC and its host, then choose."""
        op, standing = situation.op, situation.standing
        states = {compute.compute_id: self._state(compute) for compute in standing.computes}
        remedies = self._remedies(situation, states)
        lost = {key for key, state in states.items() if state == UNREACHABLE}
        moving = [c for c in situation.plan.computes if remedies.get(c.vnfc) is Remedy.MOVE]
        kept = [_treated(c, remedies.get(c.vnfc), op.id) for c in situation.plan.computes if c not in moving]
        kept += self._half_made(situation, lost)
        strays = _strays(situation, [*kept, *moving])
        missing, _ = difference(
            replace(standing, computes=(*kept, *moving)), present_size(situation.instance, situation.flavour)
        )
        add = sorted({*missing, *((c.vdu_id, c.index) for c in moving)})
        grant = self.ask(situation, standing.level_id, add=add, remove=[*moving, *strays])
        identities = {(c.vdu_id, c.index): c.vnfc for c in moving}
        made = [replace(c, vnfc_id=identities.get((c.vdu_id, c.index), "")) for c in self.made(situation, grant, add)]
        after = replace(standing, computes=in_order((*kept, *made)))
        waves = between(
            standing,
            after,
            situation.live,
            restart={c.key for c in kept if c.vnfc in remedies},
            dead={c.key for c in standing.computes if c.compute_id in lost},
            rolling=all(states[c.compute_id] == RUNNING for c in situation.plan.computes),
        )
        return VnfChange(situation.plan, after, waves), grant

    def _remedies(self, situation: Situation, states: Mapping[str, str]) -> dict[str, Remedy]:
        """VNFC to what is done with it."""
        asked = remedy_of(situation.op.parameters)
        named = named_vnfcs(situation.instance, situation.op.parameters)
        computes = situation.plan.computes
        ill = [c for c in computes if states[c.compute_id] != RUNNING]
        half_made = len(situation.standing.computes) != len(computes)
        chosen: Sequence[PlannedCompute] = [c for c in computes if c.vnfc in named] if named else ill
        only_ill = catena_parameters(situation.op.parameters, ("action",)).get("action") == ILL
        if not named and not ill and not half_made and not only_ill:
            chosen = computes
        return {c.vnfc: asked or _needed(states[c.compute_id]) for c in chosen}

    def _half_made(self, situation: Situation, lost: Collection[str]) -> list[PlannedCompute]:
        """What an operation that was given up had planned, belongs to the VNF's size, and can be made where it was."""
        counts = present_size(situation.instance, situation.flavour).counts
        held = {(c.vdu_id, c.index) for c in situation.plan.computes}
        found = {}
        for compute in situation.standing.computes:
            place = (compute.vdu_id, compute.index)
            if place not in held and compute.index < counts.get(compute.vdu_id, 0) and compute.compute_id not in lost:
                found[place] = compute
        return list(found.values())

    def _state(self, compute: PlannedCompute) -> str:
        try:
            vim = self._world.vim(compute.vim_id)
            if not vim.host_status(compute.host).reachable:
                return UNREACHABLE
            return vim.compute_status(compute.compute_id, compute.host).state
        except CatenaError:
            return UNREACHABLE


RUNNING, UNREACHABLE = "running", "unreachable"
"""States of a VNFC as the VIM tells them, and of one that nobody can tell anything of."""


def _needed(state: str) -> Remedy:
    return Remedy.MOVE if state == UNREACHABLE else Remedy.RESTART


def _treated(compute: PlannedCompute, remedy: Remedy | None, op_id: str) -> PlannedCompute:
    if remedy is not Remedy.RECREATE:
        return compute
    ports = tuple(
        replace(port, spec=replace(port.spec, id=derive_id(op_id, "port", compute.key, port.cpd_id)))
        for port in compute.ports
    )
    return replace(compute, ports=ports)


def _strays(situation: Situation, wanted: Sequence[PlannedCompute]) -> list[PlannedCompute]:
    """What an operation that was given up left, and that nobody needs."""
    ids = {compute.compute_id for compute in wanted}
    return [c for c in situation.standing.computes if c.compute_id not in ids and c.signature not in situation.live]

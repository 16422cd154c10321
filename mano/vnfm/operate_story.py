"""OperateVnf (SOL003 clause 5.4.10): start and stop VNFCs; a stopped one keeps its place, ports and addresses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mano.domain.grant import Grant
from mano.domain.vnf_instance import VnfInstance, VnfOperationalState
from mano.errors import InvalidInput
from mano.vnfm.change_story import ChangeVnf, Situation
from mano.vnfm.changes import Transition, VnfChange
from mano.vnfm.choosing import named_vnfcs
from vnf_descriptors.model import Vnfd


def judge_operate(instance: VnfInstance, vnfd: Vnfd, request: Mapping[str, Any]) -> None:
    """OperateVnfRequest: a timeout belongs to a graceful stop (SOL003 clause 5.5.2.10)."""
    named_vnfcs(instance, request)
    graceful = request.get("stopType") == "GRACEFUL" and request.get("changeStateTo") == "STOPPED"
    if request.get("gracefulStopTimeout") is not None and not graceful:
        raise InvalidInput(
            "gracefulStopTimeout belongs to a stop that is GRACEFUL (SOL003 clause 5.5.2.10)",
            hint="leave it out, or send changeStateTo STOPPED and stopType GRACEFUL",
            facts={"pointer": "/gracefulStopTimeout"},
        )


class OperateVnf(ChangeVnf):
    """OperateVnf. A VNFC that is stopped leaves networks and chains first: what is on the way to it is let go."""

    operation = "OPERATE"

    def decide(self, situation: Situation) -> tuple[VnfChange, Grant | None]:
        """The VNFCs that are not yet as they shall be."""
        wanted = VnfOperationalState(situation.op.parameters["changeStateTo"])
        stop = wanted is VnfOperationalState.STOPPED
        named = named_vnfcs(situation.instance, situation.op.parameters)
        states = {vnfc.id: vnfc.state for vnfc in situation.instance.vnfcs}
        chosen = [
            compute
            for compute in situation.plan.computes
            if states[compute.vnfc] is not wanted and (not named or compute.vnfc in named)
        ]
        grant = self.ask(situation, situation.standing.level_id)
        wave = tuple(Transition(compute, compute, stopped=not stop, stop=stop) for compute in chosen)
        left = {vnfc for vnfc, state in states.items() if state is not wanted} - {c.vnfc for c in chosen}
        stopped_all = stop and not left
        facts = {"vnf_state": "STOPPED" if stopped_all else "STARTED"}
        return VnfChange(situation.plan, situation.plan, (wave,) if wave else (), facts), grant

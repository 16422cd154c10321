"""Clients of a simulation: they ask for what comes to their mind, wait for its end, and decide on what stopped."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from mano.adapters.store import SqlStore
from mano.domain.ids import DEFAULT_TENANT
from mano.domain.lcm_op_occ import CancelMode, LcmOpOcc, OperationState
from mano.domain.vnf_instance import InstantiationState
from tests.simulation.servers import Land

LOOK_S = 2.0
GIVE_UP_AFTER = 6
"""How often a failed operation is decided upon before it is given up."""

VNF_CHANGES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("SCALE", {"type": "SCALE_OUT", "aspectId": "load"}),
    ("SCALE", {"type": "SCALE_IN", "aspectId": "load"}),
    ("SCALE_TO_LEVEL", {"instantiationLevelId": "large"}),
    ("HEAL", {}),
    ("HEAL", {"additionalParams": {"catena": {"action": "recreate"}}}),
    ("HEAL", {"additionalParams": {"catena": {"action": "move"}}}),
    ("OPERATE", {"changeStateTo": "STOPPED"}),
    ("OPERATE", {"changeStateTo": "STARTED"}),
    ("MODIFY_INFO", {"metadata": {"seen": "yes"}}),
)
IDLE = InstantiationState.NOT_INSTANTIATED


@dataclass
class Crowd:
    """All clients, what they did, and a look at what is stored."""

    land: Land
    store: SqlStore
    vnfd_id: str
    nsd_id: str
    heard: Counter[str] = field(default_factory=Counter)

    @property
    def dice(self) -> random.Random:
        return self.land.dice

    def operation(self, op_id: str) -> LcmOpOcc | None:
        with self.store.open_unit(read_only=True) as uow:
            return uow.operations.find(op_id)

    def active(self, instance_id: str) -> LcmOpOcc | None:
        with self.store.open_unit(read_only=True) as uow:
            return uow.operations.active(instance_id)

    def hear(self, what: str, answer: str) -> str:
        self.heard[f"{what}: {answer or 'no answer'}"] += 1
        return answer

    # One VNF

    def look_after_vnf(self, number: int, wishes: int) -> None:
        """A person with one VNF."""
        vnf_id = self.land.new_id()
        for _ in range(wishes):
            self.wait_for_end(vnf_id)
            self.wish_for_vnf(vnf_id, number)
            self.land.tasks.sleep(self.dice.random() * 5)
        self.wait_for_end(vnf_id)

    def wish_for_vnf(self, vnf_id: str, number: int) -> None:
        with self.store.open_unit(read_only=True) as uow:
            vnf = uow.vnf_instances.find(vnf_id)
        op_id, tenant = self.land.new_id(), DEFAULT_TENANT
        if vnf is None:
            arguments: tuple[Any, ...] = (vnf_id, tenant, self.vnfd_id, f"vnf-{number}", {})
            self.hear("create", self.land.ask(lambda s: s.vnf_lifecycle.create_vnf(*arguments)))
        elif vnf.instantiation_state is IDLE:
            request: dict[str, Any] = {"flavourId": "simple"}
            call = lambda s: s.vnf_lifecycle.instantiate(vnf_id, tenant, op_id, request)  # noqa: E731
            self.hear("INSTANTIATE", self.land.ask(call))
        elif self.dice.random() < 0.2:
            request = {"terminationType": "FORCEFUL"}
            call = lambda s: s.vnf_lifecycle.terminate(vnf_id, tenant, op_id, request)  # noqa: E731
            self.hear("TERMINATE", self.land.ask(call))
        else:
            operation, request = self.dice.choice(VNF_CHANGES)
            call = lambda s: s.vnf_lifecycle.change(vnf_id, tenant, op_id, operation, request)  # noqa: E731
            self.hear(operation, self.land.ask(call))

    # One NS

    def look_after_service(self, number: int, wishes: int) -> None:
        """A person with one network service, whose VNF they also touch themselves."""
        ns_id = self.create_service(number)
        for _ in range(wishes):
            self.wait_for_end(ns_id)
            self.wish_for_service(ns_id, number)
            self.land.tasks.sleep(self.dice.random() * 20)
        self.wait_for_end(ns_id)

    def create_service(self, number: int) -> str:
        name = f"service-{number}"
        while True:
            self.land.ask(lambda s: s.ns_lifecycle.create(DEFAULT_TENANT, self.nsd_id, name, ""))
            with self.store.open_unit(read_only=True) as uow:
                found = [ns.id for ns in uow.ns_instances.list() if ns.name == name]
            if found:
                return found[0]

    def wish_for_service(self, ns_id: str, number: int) -> None:
        with self.store.open_unit(read_only=True) as uow:
            ns = uow.ns_instances.get(ns_id)
            vnfs = [vnf for vnf in uow.vnf_instances.list(ns_instance_id=ns_id)]
        tenant = DEFAULT_TENANT
        if ns.state is IDLE:
            saps = {
                "subscribers": {"attachment": f"subscribers-{number}"},
                "internet": {"attachment": f"internet-{number}"},
            }
            request = {"nsFlavourId": "simple", "additionalParamsForNs": {"catena": {"saps": saps}}}
            self.hear("NS INSTANTIATE", self.land.ask(lambda s: s.ns_lifecycle.instantiate(ns_id, tenant, request)))
        elif self.dice.random() < 0.3:
            self.hear("NS TERMINATE", self.land.ask(lambda s: s.ns_lifecycle.terminate(ns_id, tenant, {})))
        elif vnfs:
            vnf_id, op_id = vnfs[0].id, self.land.new_id()
            operation, request = self.dice.choice(VNF_CHANGES)
            call = lambda s: s.vnf_lifecycle.change(vnf_id, tenant, op_id, operation, request)  # noqa: E731
            self.hear(f"NS VNF {operation}", self.land.ask(call))
            self.wait_for_end(vnf_id)

    # The end

    def end_service(self, ns_id: str) -> None:
        """Ask until it is gone from the NFVI."""
        for _ in range(GIVE_UP_AFTER):
            with self.store.open_unit(read_only=True) as uow:
                if not uow.ns_instances.get(ns_id).plan:
                    return
            answer = self.land.ask(lambda s: s.ns_lifecycle.terminate(ns_id, DEFAULT_TENANT, {}))
            self.hear("last NS TERMINATE", answer)
            self.wait_for_end(ns_id)
        raise AssertionError(f"service {ns_id} cannot be terminated: {self.last(ns_id)}")

    def end_vnf(self, vnf_id: str) -> None:
        """The same for a VNF, which is deleted too."""
        for _ in range(GIVE_UP_AFTER):
            if self.land.ask(lambda s: s.vnf_lifecycle.delete_vnf(vnf_id, DEFAULT_TENANT)) == "done":
                return
            op_id, request = self.land.new_id(), {"terminationType": "FORCEFUL"}
            arguments = (vnf_id, DEFAULT_TENANT, op_id, request)
            self.hear("last TERMINATE", self.land.ask(partial(_terminate, arguments)))
            self.wait_for_end(vnf_id)
        raise AssertionError(f"VNF {vnf_id} cannot be deleted: {self.last(vnf_id)}")

    def last(self, instance_id: str) -> object:
        with self.store.open_unit(read_only=True) as uow:
            ops = uow.operations.list(instance_id=instance_id)
        latest = max(ops, key=lambda op: op.started_at, default=None)
        return latest and (latest.operation, latest.state, latest.error, latest.steps)

    # What stopped

    def wait_for_end(self, instance_id: str) -> None:
        """Until no operation owns the instance; what fails is tried again, rolled back or given up."""
        decisions = 0
        while (op := self.active(instance_id)) is not None:
            if op.state is OperationState.FAILED_TEMP:
                decisions += 1
                self.decide(op, decisions >= GIVE_UP_AFTER)
            elif self.dice.random() < 0.02:
                self.cancel(op)
            self.land.tasks.sleep(LOOK_S)

    def cancel(self, op: LcmOpOcc) -> None:
        mode = self.dice.choice(list(CancelMode))
        self.hear("cancel", self.land.ask(lambda s: self.use_case(s, op).cancel(op.id, DEFAULT_TENANT, mode)))

    def decide(self, op: LcmOpOcc, is_last: bool = False) -> None:
        """Retry, roll back, or give up."""
        name = "fail" if is_last else self.dice.choice(("retry", "retry", "rollback", "rollback", "fail"))
        self.hear(name, self.land.ask(lambda s: getattr(self.use_case(s, op), name)(op.id, DEFAULT_TENANT)))

    def use_case(self, services: Any, op: LcmOpOcc) -> Any:
        cases = {"vnf": services.vnf_lifecycle, "ns": services.ns_lifecycle, "chain": services.chains}
        return cases[op.level.value]


def _terminate(arguments: tuple[Any, ...], services: Any) -> None:
    services.vnf_lifecycle.terminate(*arguments)

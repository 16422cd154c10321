"""Emptying a host: which VNFCs leave it in which order, and which cannot, with the reasons.

The order respects a disruption budget: of one VNF one VNFC moves at a time, and no more VNFs than the budget at once;
those that have other VNFCs elsewhere come first, for they miss one least. Affinity rules bind each move as they bound
the first placement. The moves themselves are the VNFs' own operations (HealVnf with the action ``move``): each is
durable, and an emptying that was interrupted goes on when it is asked for again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mano.domain.grant import GrantRequest, ResourceDefinition
from mano.domain.vnf_instance import VnfInstance
from mano.errors import CatenaError, InvalidInput
from mano.nfvo.growth import Growth
from mano.ports.repositories import UnitOfWorkFactory

BUDGET_MAX = 1000


class Evacuation:
    """Use case of emptying hosts."""

    def __init__(self, open_unit: UnitOfWorkFactory, growth: Growth) -> None:
        self._open_unit = open_unit
        self._growth = growth

    def plan(self, host: str, budget: int = 1) -> Mapping[str, Any]:
        """What would leave the host, wave by wave; reserves and changes nothing.

        Each VNFC is judged by itself: two that want the same last place are both called possible. Raises NotFound for
        an unknown host, InvalidInput for a budget outside 1..1000.
        """
        if not 1 <= budget <= BUDGET_MAX:
            raise InvalidInput(f"the budget is a number of VNFs from 1 to {BUDGET_MAX}", facts={"pointer": "/budget"})
        with self._open_unit(read_only=True) as uow:
            stored = uow.hosts.get(host)
            there = [vnf for vnf in uow.vnf_instances.list() if any(vnfc.host == host for vnfc in vnf.vnfcs)]
        ordered = sorted(there, key=lambda vnf: (-_elsewhere(vnf, host), vnf.name, vnf.id))
        steps = list(self._steps(ordered, host))
        possible = [step for step in steps if step["possible"]]
        return {
            "host": host,
            "state": stored.host.state.value,
            "budget": budget,
            "waves": waves_of(possible, budget),
            "stays": [step for step in steps if not step["possible"]],
        }

    def _steps(self, vnfs: Sequence[VnfInstance], host: str) -> Iterator[dict[str, Any]]:
        for vnf in vnfs:
            for vnfc in vnf.vnfcs:
                if vnfc.host == host:
                    yield {
                        "vnfInstanceId": vnf.id,
                        "vnfInstanceName": vnf.name,
                        "nsInstanceId": vnf.ns_instance_id,
                        "vnfcInstanceId": vnfc.id,
                        "vdu": f"{vnfc.vdu_id}/{vnfc.index}",
                        **self._judged(vnf, vnfc.vdu_id, vnfc.index),
                    }

    def _judged(self, vnf: VnfInstance, vdu_id: str, index: int) -> dict[str, Any]:
        resource = ResourceDefinition(f"{vdu_id}/{index}", vdu_id, index)
        request = GrantRequest(
            vnf_instance_id=vnf.id,
            vnf_lcm_op_occ_id="what-if",
            vnfd_id=vnf.vnfd_id,
            operation="HEAL",
            flavour_id=vnf.flavour_id,
            add_resources=(resource,),
            remove_resources=(resource,),
            ext_virtual_links=vnf.ext_virtual_links,
        )
        try:
            result = self._growth.would(request, vnf, vnf.tenant_id)
        except CatenaError as error:
            return {"possible": False, "why": error.detail, "to": None}
        if result.complete:
            (placement,) = result.placements.values()
            return {"possible": True, "why": "", "to": placement.host}
        (unplaced,) = result.unplaced.values()
        reasons = ", ".join(f"{code} on {count}" for code, count in unplaced.reasons.items())
        return {"possible": False, "why": f"no other host takes it: {reasons}", "to": None}


def waves_of(steps: Sequence[Mapping[str, Any]], budget: int) -> list[list[Mapping[str, Any]]]:
    """The steps in their order, at most ``budget`` at a time and never two of one VNF."""
    waves: list[list[Mapping[str, Any]]] = []
    left = list(steps)
    while left:
        wave: dict[str, Mapping[str, Any]] = {}
        for step in left:
            if len(wave) < budget:
                wave.setdefault(step["vnfInstanceId"], step)
        waves.append(list(wave.values()))
        left = [step for step in left if step not in waves[-1]]
    return waves


def _elsewhere(vnf: VnfInstance, host: str) -> int:
    """How many VNFCs the VNF has on other hosts."""
    return sum(vnfc.host != host for vnfc in vnf.vnfcs)

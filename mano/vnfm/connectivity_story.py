"""ChangeExtVnfConnectivity (SOL003 clause 5.4.11): connection points go to other networks, or get other addresses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mano.domain.grant import Grant
from mano.domain.vnf_instance import VnfInstance
from mano.errors import InvalidInput
from mano.vnfm.change_story import ChangeVnf, Situation
from mano.vnfm.changes import BYPASSING, VnfChange, between
from mano.vnfm.links import merged_links
from mano.vnfm.resources import PlannedCompute, PlannedPort, planned_port
from mano.vnfm.world import flavour_of
from vnf_descriptors.model import Vnfd


def judge_connectivity(instance: VnfInstance, vnfd: Vnfd, request: Mapping[str, Any]) -> None:
    """ChangeExtVnfConnectivityRequest: the connection points are external ones of the VNF."""
    flavour = flavour_of(vnfd, instance.flavour_id)
    known = {name for ext in flavour.ext_cps for name in (ext.id, ext.requirement)}
    for number, link in enumerate(request.get("extVirtualLinks") or ()):
        for place, cp in enumerate(link.get("extCps") or ()):
            if cp.get("cpdId") not in known:
                raise InvalidInput(
                    "cpdId names no external connection point of the VNF",
                    hint=f"it has: {', '.join(sorted(ext.id for ext in flavour.ext_cps))}",
                    facts={"pointer": f"/extVirtualLinks/{number}/extCps/{place}/cpdId"},
                )


class ChangeConnectivity(ChangeVnf):
    """ChangeExtVnfConnectivity. A VNFC whose ports change starts anew with them."""

    operation = "CHANGE_EXT_CONN"

    def decide(self, situation: Situation) -> tuple[VnfChange, Grant | None]:
        """New ports for the connection points that are named; the rest stays."""
        wanted = situation.op.parameters.get("extVirtualLinks") or ()
        grant = self.ask(situation, situation.standing.level_id, links=wanted)
        links = merged_links(wanted, grant.ext_virtual_links)
        computes = tuple(_reconnected(situation, grant, links, one) for one in situation.plan.computes)
        after = replace(situation.plan, computes=computes)
        together = merged_links(situation.instance.ext_virtual_links, links)
        facts = {"ext_virtual_links": [dict(link) for link in together]}
        return VnfChange(situation.plan, after, between(situation.plan, after, situation.live), facts), grant


def _reconnected(
    situation: Situation, grant: Grant, links: Sequence[Mapping[str, Any]], compute: PlannedCompute
) -> PlannedCompute:
    ports = tuple(_port(situation, grant, links, compute, port) for port in compute.ports)
    known = {port.cpd_id for port in ports}
    new = [
        port
        for cp in situation.flavour.cps_of(compute.vdu_id)
        if cp.id not in known
        and (port := planned_port(situation.op.id, situation.flavour, cp, compute, links, grant)) is not None
    ]
    return replace(compute, ports=(*ports, *new))


def _port(
    situation: Situation,
    grant: Grant,
    links: Sequence[Mapping[str, Any]],
    compute: PlannedCompute,
    port: PlannedPort,
) -> PlannedPort:
    cp = situation.flavour.vdu_cp(port.cpd_id)
    new = planned_port(situation.op.id, situation.flavour, cp, compute, links, grant, former=port)
    if new is None or _same(new, port):
        return port
    if port.spec.vnic_type in BYPASSING and new.spec.network.physical_network != port.spec.network.physical_network:
        raise InvalidInput(
            f"connection point {port.cpd_id} is a virtual function on physical network "
            f"'{port.spec.network.physical_network}'; it cannot go to another one",
            hint="choose a network on the same physical network",
        )
    return new


def _same(new: PlannedPort, old: PlannedPort) -> bool:
    return replace(new.spec, id=old.spec.id) == old.spec

"""NsInstance (SOL005 clause 6.5.2.8). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from mano.api.collections import ListShape, names
from mano.api.links import link
from mano.api.sol003.vnf_instance import protocol_info, vnf_instance_in_ns
from mano.domain.ns_instance import Network, NsInstance, SapInstance, ServiceChain
from mano.domain.vnf_instance import InstantiationState, VnfInstance

NS_INSTANCES = "/nslcm/v2/ns_instances"

SHAPE = ListShape(
    attributes=names(
        "id nsInstanceName nsInstanceDescription nsdId nsdInfoId flavourId priority vnfInstance pnfInfo "
        "virtualLinkInfo vnffgInfo sapInfo nestedNsInstanceId vnfSnapshotInfoIds nsState monitoringParameter "
        "nsScaleStatus additionalAffinityOrAntiAffinityRule wanConnectionInfo _links"
    ),
    mandatory=names("id nsInstanceName nsInstanceDescription nsdId nsdInfoId nsState _links"),
    left_out=(
        "vnfInstance",
        "pnfInfo",
        "virtualLinkInfo",
        "vnffgInfo",
        "sapInfo",
        "nsScaleStatus",
        "additionalAffinityOrAntiAffinityRule",
        "wanConnectionInfo",
    ),
    columns={"nsInstanceName": "name", "nsdId": "nsd_id", "nsdInfoId": "nsd_info_id", "nsState": "state", "id": "id"},
)


@dataclass(frozen=True, slots=True)
class Parts:
    """What is stored beside an NS instance and belongs to it."""

    vnfs: Sequence[VnfInstance] = ()
    networks: Sequence[Network] = ()
    chains: Sequence[ServiceChain] = ()


def ns_instance(ns: NsInstance, parts: Parts, root: str) -> dict[str, Any]:
    """NsInstance with its VNF instances, virtual links, SAPs and forwarding graphs."""
    document: dict[str, Any] = {
        "id": ns.id,
        "nsInstanceName": ns.name,
        "nsInstanceDescription": ns.description,
        "nsdId": ns.nsd_id,
        "nsdInfoId": ns.nsd_info_id,
    }
    if ns.flavour_id:
        document["flavourId"] = ns.flavour_id
    document |= {
        "vnfInstance": [vnf_instance_in_ns(vnf) for vnf in parts.vnfs],
        "virtualLinkInfo": [_virtual_link(network) for network in parts.networks],
        "vnffgInfo": list(_vnffgs(ns, parts)),
        "sapInfo": [_sap(sap) for sap in ns.saps],
        "nsState": ns.state.value,
        "_links": _links(ns, f"{root}{NS_INSTANCES}/{ns.id}"),
    }
    return document


def _virtual_link(network: Network) -> dict[str, Any]:
    return {
        "id": network.id,
        "nsVirtualLinkDescId": network.vld_id,
        "nsVirtualLinkProfileId": network.vld_id,
        "resourceHandle": [{"resourceId": network.id, "vimLevelResourceType": f"{network.kind.value}-network"}],
    }


def _vnffgs(ns: NsInstance, parts: Parts) -> Iterable[dict[str, Any]]:
    """VnffgInfo: the chains of one VNFFG together. The OpenAPI document requires ``pnfInfoId``."""
    descriptors = dict.fromkeys(str(chain.spec.get("vnffgdId", "")) for chain in parts.chains)
    for descriptor in descriptors:
        if descriptor:
            chains = [chain for chain in parts.chains if chain.spec.get("vnffgdId") == descriptor]
            yield {
                "id": chains[0].id,
                "vnffgdId": descriptor,
                "vnfInstanceId": sorted(ns.vnf_instances.values()),
                "pnfInfoId": [],
                "nsVirtualLinkInfoId": [network.id for network in parts.networks],
            }


def _sap(sap: SapInstance) -> dict[str, Any]:
    return {
        "id": sap.id,
        "sapdId": sap.sapd_id,
        "sapName": sap.attachment,
        "sapProtocolInfo": [protocol_info(sap.connection_point, sol003=False)],
    }


def _links(ns: NsInstance, here: str) -> dict[str, Any]:
    links = {"self": link(here)}
    if ns.state is InstantiationState.INSTANTIATED:
        links |= {task: link(f"{here}/{task}") for task in ("terminate", "scale", "heal", "update")}
    else:
        links["instantiate"] = link(f"{here}/instantiate")
    return links

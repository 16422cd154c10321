"""NsInstance (SOL005 clause 6.5.2.8). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from mano.api.collections import ListShape, names
from mano.api.links import link
from mano.api.sol003.vnf_instance import protocol_info, vnf_instance_in_ns
from mano.domain.ns_instance import NestedNs, Network, NsInstance, PnfCp, PnfInstance, SapInstance, ServiceChain
from mano.domain.vnf_instance import InstantiationState, VnfInstance

NS_INSTANCES = "/nslcm/v2/ns_instances"

SHAPE = ListShape(
    attributes=names(
        "id nsInstanceName nsInstanceDescription nsdId nsdInfoId flavourId priority vnfInstance pnfInfo "
        "virtualLinkInfo vnffgInfo sapInfo nestedNsInstanceId vnfSnapshotInfoIds nsState monitoringParameter "
        "nsScaleStatus additionalAffinityOrAntiAffinityRule wanConnectionInfo catena _links"
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
        **_constituents(ns),
        "nsState": ns.state.value,
        "_links": _links(ns, f"{root}{NS_INSTANCES}/{ns.id}") | _nested_links(ns, root),
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
                "pnfInfoId": sorted(pnf.pnf_id for pnf in ns.pnfs),
                "nsVirtualLinkInfoId": [network.id for network in parts.networks],
            }


def _constituents(ns: NsInstance) -> dict[str, Any]:
    """PNFs, nested NSs, and the NSs around; left out where there are none."""
    found: dict[str, Any] = {}
    if ns.pnfs:
        found["pnfInfo"] = [_pnf(pnf) for pnf in ns.pnfs]
    if ns.nested:
        found["nestedNsInstanceId"] = [nested.ns_instance_id for nested in ns.nested]
    if ns.nested or ns.parents:
        found["catena"] = {"nested": [_nested(nested) for nested in ns.nested], "nestedIn": list(ns.parents)}
    return found


def _pnf(pnf: PnfInstance) -> dict[str, Any]:
    """PnfInfo (SOL005 clause 6.5.3.17).

    In the OpenAPI document of v3.7.1 ``cpInfo`` is one object, in the standard's text a list: it tells the first point,
    and ``catena.cpInfo`` all of them with where they are attached.
    """
    points = [_pnf_cp(cp) for cp in pnf.cps]
    document = {
        "pnfId": pnf.pnf_id,
        "pnfName": pnf.name,
        "pnfdId": pnf.pnfd_id,
        "pnfdInfoId": pnf.pnfd_info_id,
        "pnfProfileId": pnf.profile_id,
    }
    if not points:
        return document
    where = [{"attachment": cp.attachment or None, "networkId": cp.connection_point.network_id} for cp in pnf.cps]
    told = [point | place for point, place in zip(points, where, strict=True)]
    return {**document, "cpInfo": points[0], "catena": {"cpInfo": told}}


def _pnf_cp(cp: PnfCp) -> dict[str, Any]:
    """PnfExtCpInfo (SOL005 clause 6.5.3.18): its addresses in the words of CpProtocolData, as they were asked for."""
    point = cp.connection_point
    by_version: dict[str, list[str]] = {}
    for text in point.addresses:
        by_version.setdefault("IPV6" if ":" in text else "IPV4", []).append(text.split("/")[0])
    ethernet: dict[str, Any] = {"macAddress": point.mac.upper()}
    if by_version:
        ethernet["ipAddresses"] = [{"type": kind, "fixedAddresses": fixed} for kind, fixed in by_version.items()]
    protocol = {"layerProtocol": "IP_OVER_ETHERNET", "ipOverEthernet": ethernet}
    return {"cpInstanceId": cp.id, "cpdId": cp.cpd_id, "cpProtocolData": [protocol]}


def _nested(nested: NestedNs) -> dict[str, Any]:
    return {
        "nsInstanceId": nested.ns_instance_id,
        "nsdId": nested.nsd_id,
        "nsProfileId": nested.profile_id,
        "name": nested.key,
        "madeByThisNs": nested.made,
        "connectedSaps": {join.sapd_id: join.outer for join in nested.joins},
    }


def _nested_links(ns: NsInstance, root: str) -> dict[str, Any]:
    links = [link(f"{root}{NS_INSTANCES}/{nested.ns_instance_id}") for nested in ns.nested]
    return {"nestedNsInstances": links} if links else {}


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

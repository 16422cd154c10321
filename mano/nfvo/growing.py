"""What a running VNF gets besides: connection points with addresses, and the words for placing them. Pure.

The VNFs of an NS grow within the plan of the NS, a VNF on its own beside whatever else is on its networks. Either way
an addition keeps to the affinity rules between new and old VNFCs, and takes no address that anybody has.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network
from typing import Any

from mano.domain.grant import ResourceDefinition
from mano.domain.ids import derive_id, mac_address
from mano.domain.ns_instance import Network
from mano.nfvo.ipam import Subnet, assign, gateway_for, subnet_of
from mano.nfvo.ns_placement import groups_of, vdu_request
from mano.nfvo.plan import NsPlan, PlannedCp, PlannedVnf, PlannedVnfc
from mano.nfvo.planning import exposed_as
from vnf_descriptors.model import AffinityRule, NsFlavour, NsVirtualLink, VduCp, VnfFlavour


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A VNFC that is to be placed: its name in the placement, and the reservation that it will have."""

    definition: ResourceDefinition
    key: str
    reservation_id: str
    cps: tuple[PlannedCp, ...]
    stands_for: str = ""
    """The reservation of the VNFC whose place it takes: it goes to another host."""


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """Where newcomers come to: the VNF's flavour, what connects it, who has which address, who is there already."""

    op_id: str
    flavour: VnfFlavour
    links: Mapping[str, str]
    """External connection point's requirement, or identifier, to network."""
    networks: Mapping[str, Network]
    taken: Mapping[str, Iterable[str]]
    """Network to the addresses in use, without prefix lengths."""
    declared: Mapping[str, NsVirtualLink]
    """Network to the virtual link that it was made of, for the pools of its subnets."""


def connect(
    here: Neighbourhood,
    vdu_id: str,
    index: int,
    owner: str,
    former: Sequence[PlannedCp] = (),
    asked: Collection[tuple[str, int]] = (),
) -> tuple[PlannedCp, ...]:
    """The connection points of one more instance of a VDU; raises Refused where no address is free.

    Those of ``former`` that stay on their network keep their addresses. ``asked`` are (external CP, instance) for which
    the request gives addresses itself: they are left out.
    """
    known = {(cp.ext_cpd_id, cp.network_id): cp for cp in former}
    found = []
    for cp in here.flavour.cps_of(vdu_id):
        ext = exposed_as(here.flavour, cp)
        network_id = here.links.get(ext.requirement) or here.links.get(ext.id) if ext else None
        if ext is None or not network_id or {(ext.id, index), (ext.requirement, index)} & set(asked):
            continue
        if (kept := known.get((ext.id, network_id))) is not None:
            found.append(replace(kept, cpd_id=cp.id))
            continue
        network = here.networks[network_id]
        subnets = _subnets(here, network)
        slot = f"{owner}:{cp.id}"
        fixed = cp.fixed_addresses or ext.fixed_addresses
        addresses = assign(subnets, _versions(cp), fixed, slot)
        found.append(
            PlannedCp(
                cpd_id=cp.id,
                ext_cpd_id=ext.id,
                network_id=network_id,
                mac=mac_address(here.op_id, slot),
                addresses=addresses,
                gateway=gateway_for(subnets, addresses),
            )
        )
    return tuple(found)


def _versions(cp: VduCp) -> tuple[int, ...]:
    return tuple(v for v, name in ((4, "ipv4"), (6, "ipv6")) if name in cp.layer_protocols)


def _subnets(here: Neighbourhood, network: Network) -> list[Subnet]:
    link = here.declared.get(network.id)
    if link is not None and link.l3:
        subnets = [subnet_of(protocol) for protocol in link.l3]
    else:
        gateways = [ip_address(text) for text in network.gateways]
        subnets = [
            Subnet(prefix, next((one for one in gateways if one in prefix), None))
            for prefix in map(ip_network, network.subnets)
        ]
    for text in here.taken.get(network.id, ()):
        address = ip_address(text.split("/")[0])
        for subnet in subnets:
            subnet.taken.add(address)
    return subnets


def addresses_of(cps: Iterable[PlannedCp]) -> dict[str, list[str]]:
    """Network to the addresses that these connection points have."""
    found: dict[str, list[str]] = {}
    for cp in cps:
        found.setdefault(cp.network_id, []).extend(cp.addresses)
    return found


def placement_request(
    here: Neighbourhood, newcomers: Sequence[Newcomer], groups: Iterable[Mapping[str, Any]]
) -> dict[str, Any]:
    """The PlacementRequest document for newcomers; ``groups`` bind them to each other and to who is there."""
    apart = [
        {"kind": "anti-affinity", "scope": "host", "members": [one.key, one.stands_for], "strict": True}
        for one in newcomers
        if one.stands_for
    ]
    return {
        "apiVersion": "catena/v1",
        "kind": "PlacementRequest",
        "options": {"allOrNothing": True},
        "vdus": [_vdu(here, one) for one in newcomers],
        "groups": [*apart, *(dict(group) for group in groups)],
    }


def _vdu(here: Neighbourhood, one: Newcomer) -> dict[str, Any]:
    physnets = {cp.cpd_id: here.networks[cp.network_id].physical_network for cp in one.cps}
    return vdu_request(here.flavour, one.definition.vdu_id, one.key, physnets)


def rules_of_vnf(
    rules: Iterable[AffinityRule], present: Sequence[tuple[str, str]], newcomers: Sequence[Newcomer]
) -> Iterator[dict[str, Any]]:
    """The VNFD's own rules; ``present`` are (VDU, reservation) of the VNFCs that stay."""
    members = [*present, *((one.definition.vdu_id, one.key) for one in newcomers)]
    new = {one.key for one in newcomers}
    for rule in rules:
        yield from _concerning(groups_of(rule, [[name] for vdu, name in members if vdu in rule.members]), new)


def rules_of_ns(
    flavour: NsFlavour, plan: NsPlan, vnf: PlannedVnf, newcomers: Sequence[Newcomer]
) -> Iterator[dict[str, Any]]:
    """The NSD's rules between the VNFs of an NS, as far as they concern newcomers of one of them."""
    new = {one.key for one in newcomers}
    leaving = {one.stands_for for one in newcomers}
    for rule in flavour.affinity_rules:
        members = []
        for other in plan.vnfs:
            if other.profile_id in rule.members:
                names = [vnfc.reservation_id for vnfc in other.vnfcs if vnfc.reservation_id not in leaving]
                mine = sorted(new) if other.vnf_instance_id == vnf.vnf_instance_id else []
                members.append([name for name in (*names, *mine) if name])
        yield from _concerning(groups_of(rule, members), new)


def _concerning(groups: Iterable[dict[str, Any]], new: set[str]) -> Iterator[dict[str, Any]]:
    """Groups in which a newcomer is: those who are there already have been placed."""
    return (group for group in groups if new & set(group["members"]))


def reservation_of(op_id: str, key: str) -> str:
    """The reservation that an operation makes for a place of this name."""
    return derive_id(op_id, "reservation", key)


def with_vnfcs(plan: NsPlan, vnf_instance_id: str, vnfcs: Sequence[PlannedVnfc]) -> NsPlan:
    """The plan with these VNFCs in one of its VNFs."""
    ordered = tuple(sorted(vnfcs, key=lambda vnfc: (vnfc.vdu_id, vnfc.index)))
    return replace(
        plan,
        vnfs=tuple(replace(vnf, vnfcs=ordered) if vnf.vnf_instance_id == vnf_instance_id else vnf for vnf in plan.vnfs),
    )


def external_links(cps_by_index: Iterable[tuple[int, PlannedCp]]) -> tuple[dict[str, Any], ...]:
    """ExtVirtualLinkData (SOL003 clause 4.4.1.11) of connection points, the instances named by their numbers."""
    links: dict[str, dict[str, dict[str, Any]]] = {}
    for index, cp in cps_by_index:
        links.setdefault(cp.network_id, {}).setdefault(cp.ext_cpd_id, {})[f"{index:04d}"] = cp_config(cp)
    return tuple(
        {
            "id": network_id,
            "resourceId": network_id,
            "extCps": [{"cpdId": cpd_id, "cpConfig": configs} for cpd_id, configs in cps.items()],
        }
        for network_id, cps in links.items()
    )


def cp_config(cp: PlannedCp) -> dict[str, Any]:
    """VnfExtCpConfig (SOL003 clause 4.4.1.10a)."""
    data: dict[str, Any] = {"macAddress": cp.mac}
    if cp.addresses:
        data["ipAddresses"] = [
            {"type": "IPV6" if ":" in text else "IPV4", "fixedAddresses": [text.split("/")[0]]} for text in cp.addresses
        ]
    return {"cpProtocolData": [{"layerProtocol": "IP_OVER_ETHERNET", "ipOverEthernet": data}]}

"""From descriptors to the plan of an NS. Pure: clocks, numbers and names come in.

Order of the decisions: networks with their subnets, then addresses (fixed ones before free ones, so that a free one
never takes what a descriptor fixes); :mod:`mano.nfvo.ns_placement` then asks for all VDUs of all VNFs at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mano.domain.ids import derive_id, mac_address
from mano.domain.ns_instance import Network, NetworkKind
from mano.errors import InvalidInput
from mano.nfvo.ipam import Subnet, assign, gateway_for, parse_address, subnet_of
from mano.nfvo.plan import NsPlan, PlannedCp, PlannedSap, PlannedVnf, PlannedVnfc
from vnf_descriptors.model import (
    ExtCp,
    L3Protocol,
    Nsd,
    NsFlavour,
    NsVirtualLink,
    VduCp,
    Vnfd,
    VnfFlavour,
    VnfProfile,
)

TUNNEL_OVERHEAD = 74
"""Octets that VXLAN-GPE, NSH MD type 1 and the inner Ethernet header add to an IP packet over an IPv4 underlay."""

DEFAULT_MTU = 1500


@dataclass(frozen=True, slots=True)
class Constituent:
    """A VNF profile with the package that will serve it."""

    profile: VnfProfile
    vnfd: Vnfd
    package_id: str

    @property
    def flavour(self) -> VnfFlavour:
        """The VNFD's flavour that the profile names."""
        try:
            return self.vnfd.flavour(self.profile.flavour_id or None)
        except KeyError:
            raise InvalidInput(
                f"VNF profile {self.profile.id} asks for flavour '{self.profile.flavour_id}', which VNFD "
                f"{self.vnfd.descriptor_id} does not have",
                hint=f"it has {', '.join(flavour.id for flavour in self.vnfd.flavours)}",
            ) from None


@dataclass(frozen=True, slots=True)
class SapRequest:
    """How a SAP is to be attached: the attachment's name, its host (empty: outside the bridges), fixed addresses."""

    attachment: str
    host: str
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PlanInputs:
    """Everything that a plan depends on. ``numbers(pool, key)`` gives the VNI or subnet number of a key."""

    ns_instance_id: str
    tenant_id: str
    operation_id: str
    nsd: Nsd
    flavour: NsFlavour
    constituents: Mapping[str, Constituent]
    saps: Mapping[str, SapRequest]
    counts: Mapping[str, int]
    underlay_mtu: int
    vni_of: Callable[[str], int]
    subnet_for: Callable[[str], str]


def plan_ns(inputs: PlanInputs) -> NsPlan:
    """The plan; raises InvalidInput where the descriptors contradict each other or the request."""
    networks = {link.id: _network(inputs, link) for link in inputs.flavour.virtual_links}
    links = _Links(inputs, networks)
    _hold_fixed_addresses(inputs, links)
    vnfs = tuple(
        _vnf(inputs, links, inputs.constituents[profile.id], index)
        for profile in inputs.flavour.vnf_profiles
        for index in range(inputs.counts[profile.id])
    )
    saps = tuple(_sap(inputs, links, sap.id, sap.virtual_link_id) for sap in inputs.flavour.saps)
    return NsPlan(inputs.flavour.id, tuple(networks.values()), vnfs, saps)


def _network(inputs: PlanInputs, link: NsVirtualLink) -> Network:
    network_id = derive_id(inputs.operation_id, "network", link.id)
    physical = link.physical_network or ""
    limit = inputs.underlay_mtu - TUNNEL_OVERHEAD
    mtu = link.mtu or (DEFAULT_MTU if physical else min(DEFAULT_MTU, limit))
    if not physical and mtu > limit:
        raise InvalidInput(
            f"virtual link {link.id} asks for an MTU of {mtu}; "
            f"the underlay's {inputs.underlay_mtu} octets leave {limit}",
            hint=f"ask for at most {limit}, or raise the underlay's MTU",
        )
    protocols = _protocols(inputs, link, network_id)
    segment = link.l2.segmentation_id or 0 if link.l2 is not None and physical else 0
    return Network(
        id=network_id,
        tenant_id=inputs.tenant_id,
        ns_instance_id=inputs.ns_instance_id,
        vld_id=link.id,
        kind=NetworkKind.PROVIDER if physical else NetworkKind.OVERLAY,
        mtu=mtu,
        vni=0 if physical else inputs.vni_of(network_id),
        physical_network=physical,
        segment=segment,
        subnets=tuple(protocol.cidr for protocol in protocols),
        gateways=tuple(protocol.gateway_ip for protocol in protocols if protocol.gateway_ip),
    )


def _protocols(inputs: PlanInputs, link: NsVirtualLink, network_id: str) -> tuple[L3Protocol, ...]:
    """The link's subnets: as the descriptor gives them, else one of ours where the link speaks IPv4."""
    if link.l3 or "ipv4" not in link.layer_protocols:
        return link.l3
    return (L3Protocol(ip_version=4, cidr=inputs.subnet_for(network_id)),)


class _Links:
    """The networks with their subnets while addresses are given out."""

    def __init__(self, inputs: PlanInputs, networks: Mapping[str, Network]) -> None:
        self.networks = networks
        self.subnets: dict[str, list[Subnet]] = {
            link.id: [subnet_of(protocol) for protocol in _protocols(inputs, link, networks[link.id].id)]
            for link in inputs.flavour.virtual_links
        }

    def network_of(self, link_id: str, owner: str) -> Network:
        if link_id not in self.networks:
            raise InvalidInput(f"{owner} is connected to virtual link '{link_id}', which the NSD does not have")
        return self.networks[link_id]

    def take(self, taken: Mapping[str, Iterable[str]]) -> None:
        """These addresses are in use."""
        for link_id, network in self.networks.items():
            for text in taken.get(network.id, ()):
                address = parse_address(text, network.vld_id)
                for subnet in self.subnets.get(link_id, ()):
                    subnet.taken.add(address)

    def hold(self, link_id: str, addresses: Sequence[str], owner: str) -> None:
        self.network_of(link_id, owner)
        for text in addresses:
            address = parse_address(text, owner)
            for subnet in self.subnets[link_id]:
                subnet.held.add(address)


@dataclass(frozen=True, slots=True)
class _Slot:
    """A connection point that is about to be planned."""

    owner: str
    cp: VduCp
    ext: ExtCp | None
    link_id: str

    @property
    def fixed(self) -> tuple[str, ...]:
        return self.cp.fixed_addresses or (self.ext.fixed_addresses if self.ext else ())

    @property
    def versions(self) -> tuple[int, ...]:
        return tuple(v for v, name in ((4, "ipv4"), (6, "ipv6")) if name in self.cp.layer_protocols)


def _slots(constituent: Constituent, vdu_id: str, owner: str) -> Iterator[_Slot]:
    """The VDU's connection points that the NSD connects; those on a link inside the VNF are the VNF's own concern."""
    for cp in constituent.flavour.cps_of(vdu_id):
        ext = exposed_as(constituent.flavour, cp)
        link_id = constituent.profile.virtual_link_of(ext.requirement) if ext else None
        if link_id is not None:
            yield _Slot(f"{owner}:{cp.id}", cp, ext, link_id)


def exposed_as(flavour: VnfFlavour, cp: VduCp) -> ExtCp | None:
    """The external connection point that a VduCp is exposed as."""
    return next((ext for ext in flavour.ext_cps if ext.vdu_cp_id == cp.id), None)


def _hold_fixed_addresses(inputs: PlanInputs, links: _Links) -> None:
    """Keep what descriptors and request fix, so that no free address takes it first."""
    for sap in inputs.flavour.saps:
        links.hold(sap.virtual_link_id, inputs.saps[sap.id].addresses, f"SAP {sap.id}")
    for profile in inputs.flavour.vnf_profiles:
        constituent = inputs.constituents[profile.id]
        for vdu in constituent.flavour.vdus:
            for slot in _slots(constituent, vdu.id, profile.id):
                links.hold(slot.link_id, slot.fixed, slot.owner)


def _vnf(inputs: PlanInputs, links: _Links, constituent: Constituent, index: int) -> PlannedVnf:
    profile = constituent.profile
    name = f"{profile.id}-{index}"
    counts = constituent.flavour.instances(profile.instantiation_level_id)
    vnfcs = tuple(
        _vnfc(inputs, links, constituent, name, vdu.id, number)
        for vdu in constituent.flavour.vdus
        for number in range(counts[vdu.id])
    )
    return PlannedVnf(
        profile_id=profile.id,
        index=index,
        vnf_instance_id=derive_id(inputs.operation_id, "vnf", name),
        operation_id=derive_id(inputs.operation_id, "vnf", name, "instantiate"),
        vnfd_id=constituent.vnfd.descriptor_id,
        package_id=constituent.package_id,
        flavour_id=constituent.flavour.id,
        level_id=profile.instantiation_level_id or constituent.flavour.default_level_id or "",
        name=name,
        vnfcs=vnfcs,
    )


def _vnfc(
    inputs: PlanInputs, links: _Links, constituent: Constituent, vnf_name: str, vdu_id: str, number: int
) -> PlannedVnfc:
    key = f"{vnf_name}/{vdu_id}/{number}"
    return PlannedVnfc(
        key=key,
        vdu_id=vdu_id,
        index=number,
        reservation_id=derive_id(inputs.ns_instance_id, "reservation", key),
        cps=tuple(_cp(inputs, links, slot) for slot in _slots(constituent, vdu_id, key)),
    )


def _cp(inputs: PlanInputs, links: _Links, slot: _Slot) -> PlannedCp:
    network = links.network_of(slot.link_id, slot.owner)
    subnets = links.subnets[slot.link_id]
    addresses = assign(subnets, slot.versions, slot.fixed, slot.owner)
    return PlannedCp(
        cpd_id=slot.cp.id,
        ext_cpd_id=slot.ext.id if slot.ext else "",
        network_id=network.id,
        mac=mac_address(inputs.operation_id, slot.owner),
        addresses=addresses,
        gateway=gateway_for(subnets, addresses),
    )


def _sap(inputs: PlanInputs, links: _Links, sapd_id: str, link_id: str) -> PlannedSap:
    request = inputs.saps[sapd_id]
    owner = f"SAP {sapd_id}"
    network = links.network_of(link_id, owner)
    subnets = links.subnets[link_id]
    versions = tuple(dict.fromkeys(subnet.prefix.version for subnet in subnets))
    addresses = assign(subnets, versions, request.addresses, owner)
    return PlannedSap(
        id=derive_id(inputs.operation_id, "sap", sapd_id),
        sapd_id=sapd_id,
        network_id=network.id,
        attachment=request.attachment,
        host="" if network.kind is NetworkKind.PROVIDER else request.host,
        mac=mac_address(inputs.operation_id, owner),
        addresses=addresses,
        gateway=gateway_for(subnets, addresses),
    )


def grow_ns(
    inputs: PlanInputs, plan: NsPlan, add: Mapping[str, int], sapds: Sequence[str], taken: Mapping[str, Iterable[str]]
) -> NsPlan:
    """What comes to a service that runs: so many more VNFs of each profile, and these SAPs, on the networks it has.

    ``taken`` maps a network to the addresses in use. The result holds the newcomers alone, and all networks.
    """
    links = _Links(inputs, {network.vld_id: network for network in plan.networks})
    links.take(taken)
    vnfs = tuple(
        _vnf(inputs, links, inputs.constituents[profile], index)
        for profile, count in add.items()
        for index in _free_indices(plan, profile, count)
    )
    saps = tuple(_sap(inputs, links, sapd_id, inputs.flavour.sap(sapd_id).virtual_link_id) for sapd_id in sapds)
    return NsPlan(plan.flavour_id, plan.networks, vnfs, saps)


def _free_indices(plan: NsPlan, profile_id: str, count: int) -> list[int]:
    held = {vnf.index for vnf in plan.vnfs if vnf.profile_id == profile_id}
    return [index for index in range(len(held) + count) if index not in held][:count]


def count_instances(flavour: NsFlavour, level_id: str | None) -> dict[str, int]:
    """VNF instances of each profile at an NS instantiation level; raises InvalidInput for an unknown level."""
    try:
        return flavour.instances(level_id)
    except KeyError:
        known = ", ".join(level.id for level in flavour.instantiation_levels) or "none"
        raise InvalidInput(f"the NSD has no NS instantiation level '{level_id}'", hint=f"it has: {known}") from None

"""The virtual links of an NS as networks, and their addresses while they are given out. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from mano.domain.ids import derive_id
from mano.domain.ns_instance import Network, NetworkKind
from mano.errors import InvalidInput
from mano.nfvo.ipam import Subnet, assign, gateway_for, parse_address, subnet_of
from mano.nfvo.plan_inputs import PlanInputs
from vnf_descriptors.model import L3Protocol, NsVirtualLink

TUNNEL_OVERHEAD = 74
"""Octets that VXLAN-GPE, NSH MD type 1 and the inner Ethernet header add to an IP packet over an IPv4 underlay."""

DEFAULT_MTU = 1500


def network_id_of(operation_id: str, link_id: str) -> str:
    """The network that an operation makes of a virtual link."""
    return derive_id(operation_id, "network", link_id)


def network_of_link(inputs: PlanInputs, link: NsVirtualLink) -> Network:
    """The network that a virtual link becomes; raises InvalidInput where the underlay cannot carry it."""
    network_id = network_id_of(inputs.operation_id, link.id)
    physical = link.physical_network or ""
    limit = inputs.underlay_mtu - TUNNEL_OVERHEAD
    mtu = link.mtu or (DEFAULT_MTU if physical else min(DEFAULT_MTU, limit))
    if not physical and mtu > limit:
        raise InvalidInput(
            f"virtual link {link.id} asks for an MTU of {mtu}; "
            f"the underlay's {inputs.underlay_mtu} octets leave {limit}",
            hint=f"ask for at most {limit}, or raise the underlay's MTU",
        )
    protocols = protocols_of(inputs, link, network_id)
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


def protocols_of(inputs: PlanInputs, link: NsVirtualLink, network_id: str) -> tuple[L3Protocol, ...]:
    """The link's subnets: as the descriptor gives them, else those of the link around that a SAP connects it to, else
    one of ours where it speaks IPv4."""
    if link.l3:
        return link.l3
    outer = [inputs.outer[sap.id] for sap in inputs.flavour.saps if sap.virtual_link_id == link.id]
    if outer:
        return subnets_of(outer[0].network)
    if "ipv4" not in link.layer_protocols:
        return ()
    return (L3Protocol(ip_version=4, cidr=inputs.subnet_for(network_id)),)


def subnets_of(network: Network) -> tuple[L3Protocol, ...]:
    """The subnets of a network that is there."""
    versions = [(6 if ":" in cidr else 4, cidr) for cidr in network.subnets]
    gateways = {6 if ":" in gateway else 4: gateway for gateway in reversed(network.gateways)}
    return tuple(L3Protocol(ip_version=v, cidr=cidr, gateway_ip=gateways.get(v)) for v, cidr in versions)


class Links:
    """The networks with their subnets while addresses are given out."""

    def __init__(self, inputs: PlanInputs, networks: Mapping[str, Network]) -> None:
        self.networks = networks
        self.subnets: dict[str, list[Subnet]] = {
            link.id: [subnet_of(protocol) for protocol in link.l3 or subnets_of(networks[link.id])]
            for link in inputs.flavour.virtual_links
            if link.id in networks
        }
        self.take(inputs.taken)

    def network_of(self, link_id: str, owner: str) -> Network:
        """The network of a virtual link; raises InvalidInput for one that there is not."""
        if link_id not in self.networks:
            raise InvalidInput(f"{owner} is connected to virtual link '{link_id}', which the NS does not have")
        return self.networks[link_id]

    def take(self, taken: Mapping[str, Iterable[str]]) -> None:
        """These addresses are in use, by network."""
        for link_id, network in self.networks.items():
            for text in taken.get(network.id, ()):
                address = parse_address(text, network.vld_id)
                for subnet in self.subnets.get(link_id, ()):
                    subnet.taken.add(address)

    def hold(self, link_id: str, addresses: Sequence[str], owner: str) -> None:
        """Nobody gets these addresses for free."""
        self.network_of(link_id, owner)
        for text in addresses:
            address = parse_address(text, owner)
            for subnet in self.subnets[link_id]:
                subnet.held.add(address)

    def versions(self, link_id: str) -> tuple[int, ...]:
        """The IP versions that the link has subnets of."""
        return tuple(dict.fromkeys(subnet.prefix.version for subnet in self.subnets[link_id]))

    def give(
        self, link_id: str, fixed: Sequence[str], owner: str, versions: Iterable[int] | None = None
    ) -> tuple[tuple[str, ...], str]:
        """(interface addresses, gateway) for one point of the link: of each version that it has, unless said."""
        subnets = self.subnets[link_id]
        wanted = self.versions(link_id) if versions is None else versions
        addresses = assign(subnets, wanted, fixed, owner)
        return addresses, gateway_for(subnets, addresses)

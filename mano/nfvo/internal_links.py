"""Virtual links inside a VNF: an overlay network for each, made when the VNF is granted its instantiation.

They belong to the VNF instance and to nothing else: its own subnet may be that of another VNF's link.
"""

from __future__ import annotations

from mano.domain.ids import derive_id
from mano.domain.ns_instance import Network, NetworkKind
from mano.domain.vnf_instance import VnfInstance
from mano.errors import InvalidInput
from mano.nfvo.ns_world import FIRST_VNI, LAST_VNI, own_subnet, underlay_mtu
from mano.nfvo.virtual_links import DEFAULT_MTU, TUNNEL_OVERHEAD
from mano.ports.repositories import UnitOfWork
from vnf_descriptors.model import VnfFlavour, VnfVirtualLink


def link_id(vnf_instance_id: str, link: str) -> str:
    """The network of a VNF's internal virtual link."""
    return derive_id(vnf_instance_id, "internal-link", link)


def ensure_links(uow: UnitOfWork, instance: VnfInstance, flavour: VnfFlavour) -> dict[str, str]:
    """Store a network for each internal virtual link that a VDU is on; link to network. Repeatable."""
    used = {cp.virtual_link_id for cp in flavour.vdu_cps if cp.virtual_link_id is not None}
    found = {}
    for link in flavour.virtual_links:
        if link.id in used:
            found[link.id] = link_id(instance.id, link.id)
            if uow.networks.find(found[link.id]) is None:
                uow.networks.add(_network(uow, instance, link, found[link.id]))
    return found


def known_links(uow: UnitOfWork, instance: VnfInstance) -> dict[str, str]:
    """Internal virtual link to network, as they are stored."""
    return {network.vld_id: network.id for network in uow.networks.list(ns_instance_id=instance.id)}


def forget_links(uow: UnitOfWork, vnf_instance_id: str) -> None:
    """The VNF is gone, and its links with it."""
    for network in uow.networks.list(ns_instance_id=vnf_instance_id):
        uow.networks.remove(network.id)
        uow.numbers.release("vni", network.id)
        uow.numbers.release("subnet", network.id)


def _network(uow: UnitOfWork, instance: VnfInstance, link: VnfVirtualLink, network_id: str) -> Network:
    limit = underlay_mtu(uow) - TUNNEL_OVERHEAD
    wanted = link.l2.mtu if link.l2 is not None and link.l2.mtu else min(DEFAULT_MTU, limit)
    if wanted > limit:
        raise InvalidInput(
            f"internal virtual link {link.id} asks for an MTU of {wanted}; the underlay leaves {limit}",
            hint=f"ask for at most {limit}, or raise the underlay's MTU",
        )
    subnets = tuple(protocol.cidr for protocol in link.l3)
    if not subnets and "ipv4" in link.layer_protocols:
        subnets = (own_subnet(uow.numbers.allocate("subnet", network_id, 0, 4095)),)
    return Network(
        id=network_id,
        tenant_id=instance.tenant_id,
        ns_instance_id=instance.id,
        vld_id=link.id,
        kind=NetworkKind.OVERLAY,
        mtu=wanted,
        vni=uow.numbers.allocate("vni", network_id, FIRST_VNI, LAST_VNI),
        subnets=subnets,
        gateways=tuple(protocol.gateway_ip for protocol in link.l3 if protocol.gateway_ip),
    )

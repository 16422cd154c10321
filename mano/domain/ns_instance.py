"""Network service instances and what the NFVO keeps for them (NsInstance, SOL005 clause 6.5.2.8)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from mano.domain.service_chain import ServiceChain
from mano.domain.vnf_instance import ConnectionPoint, InstantiationState

__all__ = [
    "NestedNs",
    "Network",
    "NetworkJoin",
    "NetworkKind",
    "NsInstance",
    "PnfCp",
    "PnfInstance",
    "Reservation",
    "SapInstance",
    "ServiceChain",
]


class NetworkKind(StrEnum):
    """Overlay networks live in tunnels between the hosts; provider networks are a physical network's own."""

    OVERLAY = "overlay"
    PROVIDER = "provider"


@dataclass(frozen=True, slots=True)
class Network:
    """An instance of an NsVirtualLink: a real L2 network.

    ``vni`` (24 bits) is 0 for a provider network; ``mtu`` in octets of the L3 packet; ``subnets`` are prefixes such
    as ``10.10.0.0/24``, one per IP version; ``gateways`` the address that belongs to no port of ours, if any.
    ``segment`` is the VLAN of a provider network (0: untagged). ``ns_instance_id`` is empty for a network made by hand,
    which has a ``name``, a ``description`` and ``subnet_names`` (one for each of its subnets).
    """

    id: str
    tenant_id: str
    ns_instance_id: str
    vld_id: str
    kind: NetworkKind
    mtu: int
    vni: int = 0
    physical_network: str = ""
    segment: int = 0
    subnets: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    name: str = ""
    description: str = ""
    subnet_names: tuple[str, ...] = ()
    vlan_transparent: bool = False
    """Of a network made by hand: its ports may send frames with a VLAN tag."""
    generation: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.vni < 1 << 24:
            raise ValueError(f"VNI {self.vni} does not fit 24 bits")
        if not 68 <= self.mtu <= 65535:
            raise ValueError(f"MTU {self.mtu} is outside 68..65535")


@dataclass(frozen=True, slots=True)
class SapInstance:
    """A service access point that is attached (SapInfo, SOL005 clause 6.5.3.12)."""

    id: str
    sapd_id: str
    attachment: str
    connection_point: ConnectionPoint


@dataclass(frozen=True, slots=True)
class PnfCp:
    """A connection point of a PNF (PnfExtCpInfo, SOL005 clause 6.5.3.18).

    ``attachment`` is where the VIM ends its port, empty for a PNF that stands on a physical network itself: such a
    point has addresses, and no port.
    """

    id: str
    cpd_id: str
    attachment: str
    connection_point: ConnectionPoint


@dataclass(frozen=True, slots=True)
class PnfInstance:
    """A PNF that is part of an NS (PnfInfo, SOL005 clause 6.5.3.17). ``pnf_id`` is the operator's name for it.

    ``key`` is ``<PNF profile>-<n>``, unique within the NS.
    """

    pnf_id: str
    name: str
    pnfd_id: str
    pnfd_info_id: str
    profile_id: str
    key: str
    cps: tuple[PnfCp, ...] = ()


@dataclass(frozen=True, slots=True)
class NetworkJoin:
    """A SAP of a nested NS that is connected to a virtual link: the networks on both sides are one.

    ``outer`` is the network of the NS that nests, ``inner`` the one behind the SAP. ``entry_port`` is the only port of
    the outside on the outer network, where there is only one: paths of the nested NS that begin at the SAP begin there.
    ``link_id`` is the virtual link of the nested NS that ``inner`` is the network of.
    """

    sapd_id: str
    link_id: str
    outer: str
    inner: str
    entry_port: str = ""


@dataclass(frozen=True, slots=True)
class NestedNs:
    """An NS instance that is part of another one (IFA 014 clause 6.3.11).

    ``key`` is ``<NS profile>-<n>``, unique within the NS that nests it. ``made`` tells that this one made it: what was
    there before is only let go of when it is removed.
    """

    ns_instance_id: str
    nsd_id: str
    profile_id: str
    key: str
    made: bool
    joins: tuple[NetworkJoin, ...] = ()


@dataclass(frozen=True, slots=True)
class NsInstance:
    """An NS instance. ``plan`` is the desired state that its last operation decided (JSON)."""

    id: str
    tenant_id: str
    name: str
    description: str
    nsd_id: str
    nsd_info_id: str
    created_at: datetime
    state: InstantiationState = InstantiationState.NOT_INSTANTIATED
    flavour_id: str = ""
    vnf_instances: Mapping[str, str] = field(default_factory=dict)
    saps: tuple[SapInstance, ...] = ()
    plan: Mapping[str, Any] = field(default_factory=dict)
    scale_levels: Mapping[str, int] = field(default_factory=dict)
    """NS scaling aspect to the number of its scale level."""
    pnfs: tuple[PnfInstance, ...] = ()
    nested: tuple[NestedNs, ...] = ()
    parents: tuple[str, ...] = ()
    """The NS instances that this one is nested in."""
    generation: int = 0


@dataclass(frozen=True, slots=True)
class Reservation:
    """Resources of one host held for one VDU instance of an NS, from the decision to the end of its life.

    ``key`` is ``<vnf profile>/<vdu>/<index>`` and unique within the NS; ``allocation`` has the shape that
    ``mano place plan`` prints for one VDU. ``decision`` explains the choice. ``expires_at`` is set while no
    operation has used it yet. ``request`` is what was asked for: the VDU, and the groups and chains that it is in, as
    documents; ``links`` the bandwidth that its chains hold on the underlay, ``{a, b, mbps}`` each.
    """

    id: str
    tenant_id: str
    ns_instance_id: str
    key: str
    host: str
    allocation: Mapping[str, Any]
    decision: Mapping[str, Any] = field(default_factory=dict)
    expires_at: datetime | None = None
    request: Mapping[str, Any] = field(default_factory=dict)
    links: tuple[Mapping[str, Any], ...] = ()
    generation: int = 0

"""Logical ports and the chains made of them: the resources of OpenStack's networking-sfc, and Neutron's under them.

Names, defaults and ranges are those of its API reference ("Networking API v2.0", "Service Function Chaining"). Each
value is one resource as a client sees it; what it means for the bridges is decided in :mod:`mano.nfvo`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mano.domain.vnf_instance import ConnectionPoint

LB_FIELDS = ("eth_src", "eth_dst", "ip_src", "ip_dst", "tcp_src", "tcp_dst", "udp_src", "udp_dst")
"""What a group's load balancing may look at."""


@dataclass(frozen=True, slots=True)
class LogicalPort:
    """A port made through the Neutron API: a namespace's interface on a host's bridge.

    ``attachment`` is the place that its other end is in, ``made_attachment`` whether the place came with it.
    ``addresses`` are interface addresses such as ``10.10.0.9/24``. ``point`` is ``None`` until the VIM has it.
    """

    id: str
    tenant_id: str
    name: str
    network_id: str
    mac: str
    addresses: tuple[str, ...]
    host: str
    attachment: str
    description: str = ""
    device_id: str = ""
    device_owner: str = ""
    made_attachment: bool = False
    point: ConnectionPoint | None = None
    generation: int = 0


@dataclass(frozen=True, slots=True)
class PortPair:
    """One instance of a service function: the port that packets go in by and the one that they come out of.

    ``correlation`` is ``nsh`` or ``None``; ``weight`` counts within its group. ``declares`` tells whether the client
    said so, or left it to what is known of the function.
    """

    id: str
    tenant_id: str
    name: str
    ingress: str
    egress: str
    description: str = ""
    correlation: str | None = None
    weight: int = 1
    declares: bool = False
    generation: int = 0


@dataclass(frozen=True, slots=True)
class PortPairGroup:
    """One hop of a chain: instances that any connection may take.

    ``layer`` is what the functions do with frames, ``l2`` or ``l3``; empty to derive it from them.
    """

    id: str
    tenant_id: str
    name: str
    port_pairs: tuple[str, ...] = ()
    description: str = ""
    lb_fields: tuple[str, ...] = ()
    layer: str = ""
    tap_enabled: bool = False
    generation: int = 0


@dataclass(frozen=True, slots=True)
class FlowClassifier:
    """Which packets a chain takes. ``ethertype`` is ``IPv4`` or ``IPv6``; port ranges are inclusive."""

    id: str
    tenant_id: str
    name: str
    description: str = ""
    ethertype: str = "IPv4"
    protocol: str | None = None
    source_ip_prefix: str | None = None
    destination_ip_prefix: str | None = None
    source_port_range_min: int | None = None
    source_port_range_max: int | None = None
    destination_port_range_min: int | None = None
    destination_port_range_max: int | None = None
    logical_source_port: str | None = None
    logical_destination_port: str | None = None
    generation: int = 0


@dataclass(frozen=True, slots=True)
class PortChain:
    """Groups in order, and the classifiers of what passes them."""

    id: str
    tenant_id: str
    name: str
    port_pair_groups: tuple[str, ...]
    flow_classifiers: tuple[str, ...] = ()
    description: str = ""
    symmetric: bool = False
    order: int = 0
    generation: int = 0


@dataclass(frozen=True, slots=True)
class ServiceGraph:
    """Chains that go on in others: a chain's identifier to those that may take its packets on."""

    id: str
    tenant_id: str
    name: str
    port_chains: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    description: str = ""
    generation: int = 0


Resource = PortPair | PortPairGroup | FlowClassifier | PortChain | ServiceGraph
"""Whatever networking-sfc adds to Neutron."""

Document = Mapping[str, Any]
"""A resource in Neutron's JSON."""

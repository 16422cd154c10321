"""Virtual links inside a VNF, and what links of every kind may ask for (IFA011 clause 7.1.7)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class IpRange:
    """A pool of addresses, both ends included."""

    first: str
    last: str


@dataclass(frozen=True, slots=True)
class L3Protocol:
    """One IP subnet of a virtual link. `ip_version` is 4 or 6."""

    ip_version: int
    cidr: str
    name: str | None = None
    pools: tuple[IpRange, ...] = ()
    gateway_ip: str | None = None
    dhcp: bool | None = None


@dataclass(frozen=True, slots=True)
class L2Protocol:
    """The layer 2 facts of a virtual link."""

    name: str | None = None
    #: `flat`, `vlan`, `vxlan`, `gre`, or None for whatever the network offers.
    network_type: str | None = None
    segmentation_id: int | None = None
    mtu: int | None = None
    vlan_transparent: bool = False


@dataclass(frozen=True, slots=True)
class Bitrate:
    """Bit rates of a virtual link, in bit/s."""

    root_bps: int
    leaf_bps: int | None = None


@dataclass(frozen=True, slots=True)
class Qos:
    """Quality of a virtual link: microseconds, and packets lost per packet sent (0.0 to 1.0)."""

    latency_us: int
    jitter_us: int
    loss_ratio: float | None = None
    priority: int | None = None


@dataclass(frozen=True, slots=True)
class VnfVirtualLink:
    """A virtual link inside a VNF (SOL001 clause 6.8)."""

    id: str
    layer_protocols: tuple[str, ...]
    flow_pattern: str | None = None
    description: str | None = None
    l2: L2Protocol | None = None
    l3: tuple[L3Protocol, ...] = ()
    max_bitrate: Bitrate | None = None
    min_bitrate: Bitrate | None = None
    qos: Qos | None = None
    #: `allowed` or `required` when another party may or must provide the link.
    externally_managed: str | None = None

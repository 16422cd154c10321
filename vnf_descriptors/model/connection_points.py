"""Connection points of VDUs and of the VNF, and what a service function is (IFA011 clauses 7.1.6.4 and 7.1.7.3)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from vnf_descriptors.model.checks import check_at_least, check_name
from vnf_descriptors.model.frozen import EMPTY, FrozenMap


class VnicType(StrEnum):
    """The values of `vnic_type` (SOL001 clause 6.8)."""

    NORMAL = "normal"
    VIRTIO_FORWARDER = "virtio-forwarder"
    DIRECT = "direct"
    MACVTAP = "macvtap"
    DIRECT_PHYSICAL = "direct-physical"
    BAREMETAL = "baremetal"
    SMART_NIC = "smart-nic"
    BRIDGE = "bridge"
    IPVLAN = "ipvlan"
    LOOPBACK = "loopback"
    MACVLAN = "macvlan"
    PTP = "ptp"
    VLAN = "vlan"
    HOST_DEVICE = "host-device"


class NumaAffinity(StrEnum):
    """How near an interface's NIC must be to the VDU's cells."""

    REQUIRED = "required"
    PREFERRED = "preferred"
    SOCKET = "socket"
    NONE = "none"


class SfEncapsulation(StrEnum):
    """What a service function understands: NSH itself (RFC 8300), plain packets, or VLAN tags."""

    NSH = "nsh"
    NONE = "none"
    VLAN = "vlan"


class SfLayer(StrEnum):
    """How a service function forwards: as a bridge, as a router, or not at all (it gets a copy)."""

    L2 = "l2"
    L3 = "l3"
    TAP = "tap"


class OnFailure(StrEnum):
    """What happens to packets while a service function is down."""

    CLOSED = "closed"
    OPEN = "open"
    NEXT = "next"


@dataclass(frozen=True, slots=True)
class AddressAssignment:
    """How one protocol layer of a connection point gets its addresses (SOL001 clause 6.2)."""

    #: `mac_address` or `ip_address`.
    kind: str
    #: True: management and orchestration chooses the address; False: the VNF does.
    assigned_by_mano: bool = True
    #: 4 or 6 for IP addresses.
    ip_version: int | None = None
    #: Addresses that the descriptor fixes, without prefix length.
    fixed_addresses: tuple[str, ...] = ()
    count: int = 1
    floating: bool = False


@dataclass(frozen=True, slots=True)
class SfFacts:
    """What the service function behind a connection point is."""

    encapsulation: SfEncapsulation = SfEncapsulation.NONE
    layer: SfLayer = SfLayer.L2
    #: True when it changes addresses or ports, so that a connection looks different behind it.
    rewrites_5tuple: bool = False
    on_failure: OnFailure = OnFailure.CLOSED
    #: How to tell that it lives, for example `icmp:10.0.0.1`; None: by the port's state alone.
    probe: str | None = None


@dataclass(frozen=True, slots=True)
class VduCp:
    """A connection point of a VDU: one interface of each instance (SOL001 clause 6.8)."""

    id: str
    vdu_id: str
    layer_protocols: tuple[str, ...]
    order: int | None = None
    vnic_type: VnicType = VnicType.NORMAL
    physnet: str | None = None
    #: Number of virtual functions behind this interface, all of one NIC.
    vfs: int = 1
    numa_affinity: NumaAffinity = NumaAffinity.REQUIRED
    bandwidth_mbps: int = 0
    traits: tuple[str, ...] = ()
    #: The standard's `bitrate_requirement`.
    bitrate_bps: int | None = None
    #: The VnfVirtualLink that it is attached to; None when it is exposed or open.
    virtual_link_id: str | None = None
    addresses: tuple[AddressAssignment, ...] = ()
    description: str | None = None
    role: str | None = None
    trunk: bool = False
    #: None when the descriptor says nothing about service chains.
    sf: SfFacts | None = None
    #: The requirement keys as they were written.
    requirements: FrozenMap[str, str] = EMPTY

    def __post_init__(self) -> None:
        check_name(self.id, "the identifier of a connection point")
        check_at_least(self.vfs, 1, f"the number of virtual functions of {self.id}")
        check_at_least(self.bandwidth_mbps, 0, f"the bandwidth of {self.id} in Mbit/s")

    @property
    def fixed_addresses(self) -> tuple[str, ...]:
        """The IP addresses that the descriptor fixes, all layers together."""
        return tuple(address for entry in self.addresses for address in entry.fixed_addresses)


@dataclass(frozen=True, slots=True)
class ExtCp:
    """An external connection point of the VNF: either a VduCp that is exposed, or a VnfExtCp."""

    id: str
    #: Name of the VNF node's requirement that the NSD connects, for example `virtual_link_1`.
    requirement: str
    layer_protocols: tuple[str, ...]
    #: The VduCp that is exposed as this connection point.
    vdu_cp_id: str | None = None
    #: The internal virtual link that this connection point opens to the outside.
    virtual_link_id: str | None = None
    addresses: tuple[AddressAssignment, ...] = ()
    description: str | None = None

    def __post_init__(self) -> None:
        check_name(self.id, "the identifier of an external connection point")

    @property
    def fixed_addresses(self) -> tuple[str, ...]:
        """The IP addresses that the descriptor fixes, all layers together."""
        return tuple(address for entry in self.addresses for address in entry.fixed_addresses)

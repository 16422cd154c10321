"""The VNF descriptor as typed values (ETSI GS NFV-IFA 011 clause 7, GS NFV-SOL 001 clause 6).

A `Vnfd` holds one `VnfFlavour` per deployment flavour; each flavour holds its own topology.
The placement-relevant facts of a VDU stand on it directly, under the names and in the units of a
placement request: numbers of vCPUs, MiB of memory, KiB of page size, GiB of storage, Mbit/s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeVar

from vnf_descriptors.model.checks import check_at_least, check_name, check_unique
from vnf_descriptors.model.frozen import EMPTY, FrozenMap
from vnf_descriptors.model.vnf_facts import (
    ConfigurableProperties,
    LcmConfiguration,
    MonitoringParameter,
    PackageChange,
    RequestedCapability,
    SecurityGroupRule,
    SupportedInterface,
    VipCp,
    VnfIndicator,
)


class CpuPolicy(StrEnum):
    """Whether vCPUs own their logical CPUs."""

    DEDICATED = "dedicated"
    SHARED = "shared"
    MIXED = "mixed"


class ThreadPolicy(StrEnum):
    """How dedicated vCPUs use hyper-threads."""

    PREFER = "prefer"
    REQUIRE = "require"
    ISOLATE = "isolate"


class EmulatorThreads(StrEnum):
    """Where the hypervisor's own threads run."""

    NONE = "none"
    SHARE = "share"
    ISOLATE = "isolate"


class PageSizeClass(StrEnum):
    """A page size that is not a number of KiB."""

    SMALL = "small"
    LARGE = "large"
    ANY = "any"


class VduKind(StrEnum):
    """What runs a VDU: a virtual machine (or its equal) or a group of containers."""

    COMPUTE = "compute"
    OS_CONTAINER = "os-container-deployable-unit"


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
class VduCpu:
    """The CPUs that one instance of a VDU needs."""

    vcpus: int
    policy: CpuPolicy = CpuPolicy.SHARED
    #: Indices of the vCPUs that are dedicated when the policy is mixed; empty otherwise.
    dedicated_vcpus: tuple[int, ...] = ()
    thread_policy: ThreadPolicy = ThreadPolicy.PREFER
    emulator_threads: EmulatorThreads = EmulatorThreads.NONE
    architecture: str | None = None
    clock_mhz: int | None = None

    def __post_init__(self) -> None:
        check_at_least(self.vcpus, 1, "the number of vCPUs")
        if (self.policy is CpuPolicy.MIXED) != bool(self.dedicated_vcpus):
            raise ValueError("dedicated_vcpus belongs to the policy mixed, and the policy mixed needs it")
        if any(not 0 <= index < self.vcpus for index in self.dedicated_vcpus):
            raise ValueError(f"dedicated_vcpus must be indices below {self.vcpus}")


@dataclass(frozen=True, slots=True)
class NumaCell:
    """One NUMA node as the guest sees it."""

    vcpus: tuple[int, ...]
    memory_mib: int

    def __post_init__(self) -> None:
        check_at_least(self.memory_mib, 1, "the memory of a NUMA cell in MiB")


@dataclass(frozen=True, slots=True)
class Checksum:
    """A digest in lower-case hexadecimal; `algorithm` as SOL001 spells it, for example `sha-256`."""

    algorithm: str
    value: str


@dataclass(frozen=True, slots=True)
class SwImage:
    """A software image (`tosca.artifacts.nfv.SwImage`, SOL001 clause 6.5). Sizes are bytes."""

    id: str
    name: str
    version: str
    #: Path of the image inside the package, relative to its root; None for an image kept elsewhere.
    path: str | None
    #: Reference of an image that the package does not hold.
    uri: str | None = None
    provider: str | None = None
    checksum: Checksum | None = None
    container_format: str | None = None
    disk_format: str | None = None
    size_bytes: int | None = None
    min_disk_bytes: int | None = None
    min_ram_bytes: int | None = None
    operating_system: str | None = None
    supported_virtualisation_environments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BootData:
    """What a VDU instance is told when it boots (SOL001 clause 6.2)."""

    #: Keys and values for the VIM's metadata service.
    kvp: FrozenMap[str, str] = EMPTY
    #: The text that becomes the instance's user data.
    content: str | None = None
    source_path: str | None = None
    destination_path: str | None = None


@dataclass(frozen=True, slots=True)
class VirtualStorage:
    """A virtual storage node that VDUs attach to (SOL001 clause 6.8)."""

    id: str
    #: `block`, `object` or `file`.
    kind: str
    size_gib: int
    #: False when all instances of the VDU share one storage.
    per_vnfc_instance: bool = True
    sw_image: SwImage | None = None


@dataclass(frozen=True, slots=True)
class Vdu:
    """A virtualisation deployment unit: what one VNFC instance needs (IFA 011 clause 7.1.6)."""

    id: str
    name: str
    description: str
    cpu: VduCpu
    memory_mib: int
    #: A number of KiB, a class, or None when the descriptor leaves the page size open.
    page_size_kib: int | PageSizeClass | None = None
    #: How many NUMA cells; None leaves it to the placement. Excludes `numa_cells`.
    numa_nodes: int | None = None
    numa_cells: tuple[NumaCell, ...] = ()
    #: The descriptor's `numa_enabled`.
    numa_enabled: bool = False
    #: Local and attached block storage of one instance together.
    storage_gib: int = 0
    #: Labels that the host must carry.
    requires: FrozenMap[str, str] = EMPTY
    storages: tuple[VirtualStorage, ...] = ()
    sw_image: SwImage | None = None
    boot_data: BootData | None = None
    #: Instances at instantiation when no level says otherwise (VduInitialDelta).
    initial_instances: int = 1
    min_instances: int = 1
    max_instances: int = 1
    kind: VduKind = VduKind.COMPUTE
    nfvi_constraints: FrozenMap[str, str] = EMPTY
    requested_capabilities: tuple[RequestedCapability, ...] = ()
    monitoring_parameters: tuple[MonitoringParameter, ...] = ()
    #: Requirement keys that this library does not know, as they were written.
    other_requirements: FrozenMap[str, str] = EMPTY

    def __post_init__(self) -> None:
        check_name(self.id, "the identifier of a VDU")
        check_at_least(self.memory_mib, 1, f"the memory of VDU {self.id} in MiB")
        check_at_least(self.storage_gib, 0, f"the storage of VDU {self.id} in GiB")
        check_at_least(self.min_instances, 0, f"min_instances of VDU {self.id}")
        check_at_least(self.max_instances, self.min_instances, f"max_instances of VDU {self.id}")
        if self.numa_nodes is not None and self.numa_cells:
            raise ValueError(f"VDU {self.id} gives both a number of NUMA nodes and cells")


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


class AffinityKind(StrEnum):
    """Together or apart."""

    AFFINITY = "affinity"
    ANTI_AFFINITY = "anti-affinity"


@dataclass(frozen=True, slots=True)
class AffinityRule:
    """A placement rule. One member: among its instances. Several: between the members."""

    id: str
    kind: AffinityKind
    #: The standard's scope: nfvi_node, zone, zone_group, nfvi_pop, network_link_and_node, …
    scope: str
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ScalingAspect:
    """One way to scale the VNF (SOL001 clause 6.2)."""

    id: str
    name: str
    description: str
    max_scale_level: int
    #: The delta of each step; one entry repeats for all steps.
    step_deltas: tuple[str, ...]
    #: VDU -> delta -> instances added by that delta.
    vdu_deltas: FrozenMap[str, FrozenMap[str, int]] = EMPTY

    def instances_added(self, vdu_id: str, scale_level: int) -> int:
        """How many instances of a VDU the steps 1 to `scale_level` add; ValueError outside 0..max."""
        if not 0 <= scale_level <= self.max_scale_level:
            raise ValueError(f"scale level of {self.id} must be 0 to {self.max_scale_level}, not {scale_level}")
        deltas = self.vdu_deltas.get(vdu_id)
        if deltas is None or not self.step_deltas:
            return 0
        last = len(self.step_deltas) - 1
        return sum(deltas.get(self.step_deltas[min(step, last)], 0) for step in range(scale_level))


@dataclass(frozen=True, slots=True)
class InstantiationLevel:
    """A size that the VNF can be instantiated with (SOL001 clause 6.2)."""

    id: str
    description: str
    #: Scaling aspect -> scale level.
    scale_levels: FrozenMap[str, int] = EMPTY
    #: VDU -> number of instances.
    vdu_instances: FrozenMap[str, int] = EMPTY
    #: Virtual link -> bit rates.
    link_bitrates: FrozenMap[str, Bitrate] = EMPTY


@dataclass(frozen=True, slots=True)
class LcmScript:
    """An operation of the VNF's life-cycle interface that the package implements."""

    operation: str
    #: Path of the artifact inside the package.
    path: str


@dataclass(frozen=True, slots=True)
class VnfFlavour:
    """A deployment flavour with its topology (IFA 011 clause 7.1.8)."""

    id: str
    description: str
    vdus: tuple[Vdu, ...] = ()
    vdu_cps: tuple[VduCp, ...] = ()
    ext_cps: tuple[ExtCp, ...] = ()
    virtual_links: tuple[VnfVirtualLink, ...] = ()
    affinity_rules: tuple[AffinityRule, ...] = ()
    scaling_aspects: tuple[ScalingAspect, ...] = ()
    instantiation_levels: tuple[InstantiationLevel, ...] = ()
    default_level_id: str | None = None
    lcm_scripts: tuple[LcmScript, ...] = ()
    vip_cps: tuple[VipCp, ...] = ()
    security_group_rules: tuple[SecurityGroupRule, ...] = ()
    supported_interfaces: tuple[SupportedInterface, ...] = ()
    indicators: tuple[VnfIndicator, ...] = ()
    package_changes: tuple[PackageChange, ...] = ()
    monitoring_parameters: tuple[MonitoringParameter, ...] = ()

    def __post_init__(self) -> None:
        check_name(self.id, "the identifier of a flavour")
        check_unique([vdu.id for vdu in self.vdus], "VDU")
        check_unique([cp.id for cp in self.vdu_cps], "connection point")
        check_unique([cp.id for cp in self.ext_cps], "external connection point")

    def vdu(self, vdu_id: str) -> Vdu:
        """The VDU with this identifier; KeyError when there is none."""
        return _by_id(self.vdus, vdu_id)

    def vdu_cp(self, cp_id: str) -> VduCp:
        """The connection point with this identifier; KeyError when there is none."""
        return _by_id(self.vdu_cps, cp_id)

    def ext_cp(self, cp_id: str) -> ExtCp:
        """The external connection point with this identifier or requirement name; KeyError when there is none."""
        for cp in self.ext_cps:
            if cp_id in (cp.id, cp.requirement):
                return cp
        raise KeyError(cp_id)

    def cps_of(self, vdu_id: str) -> tuple[VduCp, ...]:
        """The connection points of a VDU: those with an order first, by it; then as they were written."""
        mine = [cp for cp in self.vdu_cps if cp.vdu_id == vdu_id]
        return tuple(sorted(mine, key=lambda cp: (cp.order is None, cp.order or 0)))

    def level(self, level_id: str | None = None) -> InstantiationLevel | None:
        """The named level; the default one for None; None when the flavour has no levels; KeyError if unknown."""
        wanted = level_id or self.default_level_id
        if wanted is None:
            return self.instantiation_levels[0] if len(self.instantiation_levels) == 1 else None
        return _by_id(self.instantiation_levels, wanted)

    def instances(self, level_id: str | None = None) -> dict[str, int]:
        """Number of instances of each VDU at an instantiation level (the default one for None)."""
        level = self.level(level_id)
        if level is None:
            return {vdu.id: vdu.initial_instances for vdu in self.vdus}
        return {vdu.id: level.vdu_instances.get(vdu.id, vdu.initial_instances) for vdu in self.vdus}

    def instances_at(self, scale_levels: Mapping[str, int]) -> dict[str, int]:
        """Number of instances of each VDU at given scale levels; aspects left out count as level 0."""
        unknown = set(scale_levels) - {aspect.id for aspect in self.scaling_aspects}
        if unknown:
            raise KeyError(f"no such scaling aspect: {', '.join(sorted(unknown))}")
        return {
            vdu.id: vdu.initial_instances
            + sum(a.instances_added(vdu.id, scale_levels.get(a.id, 0)) for a in self.scaling_aspects)
            for vdu in self.vdus
        }


@dataclass(frozen=True, slots=True)
class Vnfd:
    """A VNF descriptor (IFA 011 clause 7.1.2). `descriptor_id` is a UUID in all but a few older descriptors."""

    descriptor_id: str
    provider: str
    product_name: str
    software_version: str
    #: The descriptor's own version.
    version: str
    vnfm_info: tuple[str, ...]
    flavours: tuple[VnfFlavour, ...]
    product_info_name: str | None = None
    product_info_description: str | None = None
    ext_invariant_id: str | None = None
    localization_languages: tuple[str, ...] = ()
    lcm_configuration: LcmConfiguration | None = None
    configurable: ConfigurableProperties | None = None
    #: Flavour that a request without one gets.
    default_flavour_id: str | None = None
    #: Edition of SOL001 whose types it was read with, for example `3.7.1`.
    sol001_edition: str | None = None

    def __post_init__(self) -> None:
        check_name(self.descriptor_id, "descriptor_id")
        if not self.flavours:
            raise ValueError("a VNFD needs at least one deployment flavour")
        check_unique([flavour.id for flavour in self.flavours], "flavour")

    def flavour(self, flavour_id: str | None = None) -> VnfFlavour:
        """The named flavour, or for None the default or first one; KeyError if unknown."""
        if flavour_id is None and self.default_flavour_id is None:
            return self.flavours[0]
        return _by_id(self.flavours, flavour_id or self.default_flavour_id or "")

    @property
    def sw_images(self) -> tuple[SwImage, ...]:
        """Every software image of every flavour, each identifier once."""
        found: dict[str, SwImage] = {}
        for flavour in self.flavours:
            for vdu in flavour.vdus:
                for image in (vdu.sw_image, *(storage.sw_image for storage in vdu.storages)):
                    if image is not None:
                        found.setdefault(image.id, image)
        return tuple(found.values())


class _Named(Protocol):
    @property
    def id(self) -> str: ...


_T = TypeVar("_T", bound=_Named)


def _by_id(values: tuple[_T, ...], wanted: str) -> _T:
    for value in values:
        if value.id == wanted:
            return value
    raise KeyError(wanted)

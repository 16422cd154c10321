"""The NS descriptor as typed values (ETSI GS NFV-IFA 014 clause 6, GS NFV-SOL 001 clause 7).

An `Nsd` holds one `NsFlavour` per deployment flavour; each flavour holds its own topology.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeVar

from vnf_descriptors.model.checks import check_at_least, check_name, check_unique
from vnf_descriptors.model.frozen import EMPTY, FrozenMap
from vnf_descriptors.model.links import Bitrate, L2Protocol, L3Protocol, Qos
from vnf_descriptors.model.scaling import AffinityRule
from vnf_descriptors.model.triggers import Trigger


class ConstituentKind(StrEnum):
    """What a position of a forwarding path belongs to."""

    VNF = "vnf"
    PNF = "pnf"
    NS = "ns"
    SAP = "sap"


class ForwardingBehaviour(StrEnum):
    """How a position with several elements uses them (SOL001 clause 7.8)."""

    ALL = "all"
    LOAD_BALANCE = "lb"
    FIRST_FIT = "ff"


@dataclass(frozen=True, slots=True)
class VnfConnection:
    """A constituent's external connection point, attached to a virtual link of the NS."""

    #: Name of the constituent's requirement, for example `virtual_link_1`; `Vnfd` resolves it to a CP.
    requirement: str
    virtual_link_id: str


@dataclass(frozen=True, slots=True)
class VnfProfile:
    """A VNF that the NS is made of (IFA 014 clause 6.3.3)."""

    #: The name of the node in the topology.
    id: str
    #: `descriptor_id` of its VNFD.
    vnfd_id: str
    flavour_id: str
    instantiation_level_id: str | None = None
    min_instances: int = 1
    max_instances: int = 1
    #: Instances at instantiation when no NS level says otherwise.
    initial_instances: int = 1
    connections: tuple[VnfConnection, ...] = ()

    def __post_init__(self) -> None:
        check_name(self.id, "the identifier of a VNF profile")
        check_at_least(self.min_instances, 0, f"min_instances of {self.id}")
        check_at_least(self.max_instances, self.min_instances, f"max_instances of {self.id}")

    def virtual_link_of(self, requirement: str) -> str | None:
        """The virtual link that a requirement is attached to, or None when it is open."""
        for connection in self.connections:
            if connection.requirement == requirement:
                return connection.virtual_link_id
        return None


@dataclass(frozen=True, slots=True)
class PnfProfile:
    """A PNF that the NS is made of (IFA 014 clause 6.3.6)."""

    id: str
    pnfd_id: str
    name: str
    connections: tuple[VnfConnection, ...] = ()


@dataclass(frozen=True, slots=True)
class NestedNsProfile:
    """An NS inside the NS (IFA 014 clause 6.3.11)."""

    id: str
    nsd_id: str
    flavour_id: str
    min_instances: int = 1
    max_instances: int = 1
    connections: tuple[VnfConnection, ...] = ()
    #: Instances at instantiation when no NS level says otherwise.
    initial_instances: int = 1
    #: NS instantiation level of the nested NS; None: its flavour's default.
    instantiation_level_id: str | None = None

    def __post_init__(self) -> None:
        check_name(self.id, "the identifier of a nested NS profile")
        check_at_least(self.min_instances, 0, f"min_instances of {self.id}")
        check_at_least(self.max_instances, self.min_instances, f"max_instances of {self.id}")


@dataclass(frozen=True, slots=True)
class NsVirtualLink:
    """A virtual link between constituents (SOL001 clause 7.8)."""

    id: str
    layer_protocols: tuple[str, ...]
    flow_pattern: str | None = None
    description: str | None = None
    l2: L2Protocol | None = None
    l3: tuple[L3Protocol, ...] = ()
    max_bitrate: Bitrate | None = None
    min_bitrate: Bitrate | None = None
    qos: Qos | None = None

    def __post_init__(self) -> None:
        check_name(self.id, "the identifier of a virtual link")

    @property
    def physical_network(self) -> str | None:
        """The operator's network that a flat or VLAN link is; None for an overlay."""
        if self.l2 is not None and self.l2.network_type in ("flat", "vlan"):
            return self.l2.name
        return None

    @property
    def mtu(self) -> int | None:
        """Largest IP packet in octets, when the descriptor says one."""
        return None if self.l2 is None else self.l2.mtu


@dataclass(frozen=True, slots=True)
class Sap:
    """A service access point: where the outside world meets the NS (SOL001 clause 7.8)."""

    id: str
    #: The virtual link of the NS behind it.
    virtual_link_id: str
    layer_protocols: tuple[str, ...] = ()
    description: str | None = None
    #: Name of the NS node's requirement that an NSD which nests this one connects; None: nothing says.
    requirement: str | None = None
    #: What is attached may send frames with a VLAN tag (`trunk_mode`).
    trunk: bool = False


@dataclass(frozen=True, slots=True)
class NfpConnectionPoint:
    """One side of an element of a forwarding path: a connection point of a constituent."""

    kind: ConstituentKind
    #: Identifier of the VNF, PNF or nested NS profile, or of the SAP.
    constituent_id: str
    #: For a constituent: the requirement name of its connection point (see `VnfConnection`), or the name of
    #: its forwarding capability when the descriptor names no more; for a SAP its own identifier.
    cp: str
    virtual_link_id: str | None = None


@dataclass(frozen=True, slots=True)
class NfpElement:
    """An element of a position. A packet enters by `ingress` and leaves by `egress` (often the same)."""

    id: str
    ingress: NfpConnectionPoint
    egress: NfpConnectionPoint


@dataclass(frozen=True, slots=True)
class NfpPosition:
    """A position of a forwarding path (SOL001 clause 7.8)."""

    id: str
    elements: tuple[NfpElement, ...]
    behaviour: ForwardingBehaviour = ForwardingBehaviour.ALL
    behaviour_parameters: FrozenMap[str, str] = EMPTY


@dataclass(frozen=True, slots=True)
class PortRange:
    """Transport ports, both ends included, 0 to 65535."""

    first: int
    last: int

    def __post_init__(self) -> None:
        if not 0 <= self.first <= self.last <= 65535:
            raise ValueError(f"a port range must ascend within 0 to 65535, not {self.first} to {self.last}")


@dataclass(frozen=True, slots=True)
class MaskRule:
    """A comparison of bits: `length` bits from `starting_point` equal `value` (SOL001 clause 7.2)."""

    starting_point: int
    length: int
    value: str


@dataclass(frozen=True, slots=True)
class NfpRule:
    """What traffic takes a forwarding path (SOL001 clause 7.10). All given criteria must hold."""

    id: str
    #: `ipv4` or `ipv6`.
    ether_type: str | None = None
    #: Protocol name as the standard spells it (`tcp`, `udp`, `icmp`, …) or a number.
    protocol: str | None = None
    source_ports: PortRange | None = None
    destination_ports: PortRange | None = None
    #: Prefixes in CIDR notation.
    source_prefix: str | None = None
    destination_prefix: str | None = None
    source_mac: str | None = None
    destination_mac: str | None = None
    vlan_tags: tuple[str, ...] = ()
    dscp: int | None = None
    masks: tuple[MaskRule, ...] = ()
    #: Explicit precedence (greater wins); None: the order of the NFPs decides.
    priority: int | None = None


@dataclass(frozen=True, slots=True)
class Nfp:
    """A network forwarding path: positions in order, and the rules that select it (IFA 014 clause 6.4.4)."""

    id: str
    positions: tuple[NfpPosition, ...]
    rules: tuple[NfpRule, ...] = ()
    #: True when replies take the same functions in reverse order.
    symmetric: bool = False


@dataclass(frozen=True, slots=True)
class Vnffg:
    """A VNF forwarding graph (IFA 014 clause 6.4.2)."""

    id: str
    description: str
    nfps: tuple[Nfp, ...]
    #: Every member that the descriptor names, NFPs included.
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Dependency:
    """`dependent_id` is instantiated after `prerequisite_id`, and terminated before it."""

    dependent_id: str
    prerequisite_id: str


@dataclass(frozen=True, slots=True)
class NsLevel:
    """A size of the NS: constituent -> number of instances."""

    id: str
    description: str
    instances: FrozenMap[str, int] = EMPTY
    #: Virtual link of the NS -> bit rates, where a scale level sets them.
    link_bitrates: FrozenMap[str, Bitrate] = EMPTY


@dataclass(frozen=True, slots=True)
class NsScalingAspect:
    """One way to scale the NS; `levels[n]` is the size at scale level n."""

    id: str
    name: str
    description: str
    levels: tuple[NsLevel, ...] = ()


@dataclass(frozen=True, slots=True)
class NsFlavour:
    """A deployment flavour of the NS with its topology (IFA 014 clause 6.3.2)."""

    id: str
    vnf_profiles: tuple[VnfProfile, ...] = ()
    pnf_profiles: tuple[PnfProfile, ...] = ()
    nested_ns_profiles: tuple[NestedNsProfile, ...] = ()
    virtual_links: tuple[NsVirtualLink, ...] = ()
    saps: tuple[Sap, ...] = ()
    affinity_rules: tuple[AffinityRule, ...] = ()
    vnffgs: tuple[Vnffg, ...] = ()
    dependencies: tuple[Dependency, ...] = ()
    instantiation_levels: tuple[NsLevel, ...] = ()
    default_level_id: str | None = None
    scaling_aspects: tuple[NsScalingAspect, ...] = ()
    #: When the NS is scaled without being asked (NsAutoScale, IFA 014 clause 6.2.2).
    auto_scaling: tuple[Trigger, ...] = ()

    def __post_init__(self) -> None:
        check_unique([profile.id for profile in self.vnf_profiles], "VNF profile")
        check_unique([link.id for link in self.virtual_links], "virtual link")
        check_unique([sap.id for sap in self.saps], "SAP")

    def vnf_profile(self, profile_id: str) -> VnfProfile:
        """The VNF profile with this identifier; KeyError when there is none."""
        return _by_id(self.vnf_profiles, profile_id)

    def virtual_link(self, link_id: str) -> NsVirtualLink:
        """The virtual link with this identifier; KeyError when there is none."""
        return _by_id(self.virtual_links, link_id)

    def sap(self, sap_id: str) -> Sap:
        """The SAP with this identifier; KeyError when there is none."""
        return _by_id(self.saps, sap_id)

    def sap_behind(self, requirement: str) -> Sap:
        """The SAP that an NSD which nests this one means by a requirement of its NS node; KeyError for none.

        It is the one that the substitution mappings give, else the one of that name (`virtual_link_x` and `x` belong
        together), else the only one.
        """
        return behind(requirement, self.saps)

    def pnf_profile(self, profile_id: str) -> PnfProfile:
        """The PNF profile with this identifier; KeyError when there is none."""
        return _by_id(self.pnf_profiles, profile_id)

    def nested_ns_profile(self, profile_id: str) -> NestedNsProfile:
        """The nested NS profile with this identifier; KeyError when there is none."""
        return _by_id(self.nested_ns_profiles, profile_id)

    def instances(self, level_id: str | None = None) -> dict[str, int]:
        """Number of instances of each VNF profile at an NS instantiation level (the default one for None)."""
        wanted = level_id or self.default_level_id
        level = FrozenMap[str, int]() if wanted is None else _by_id(self.instantiation_levels, wanted).instances
        return {profile.id: level.get(profile.id, profile.initial_instances) for profile in self.vnf_profiles}

    def nested_instances(self, level_id: str | None = None) -> dict[str, int]:
        """Number of nested NSs of each profile at an NS instantiation level (the default one for None)."""
        wanted = level_id or self.default_level_id
        level = FrozenMap[str, int]() if wanted is None else _by_id(self.instantiation_levels, wanted).instances
        return {profile.id: level.get(profile.id, profile.initial_instances) for profile in self.nested_ns_profiles}


@dataclass(frozen=True, slots=True)
class Nsd:
    """An NS descriptor (IFA 014 clause 6.2). Its identifiers are UUIDs in all but a few older descriptors."""

    descriptor_id: str
    invariant_id: str
    designer: str
    name: str
    version: str
    flavours: tuple[NsFlavour, ...]
    default_flavour_id: str | None = None
    #: Edition of SOL001 whose types it was read with, for example `3.7.1`.
    sol001_edition: str | None = None
    #: True: the descriptors of all constituents are on-boarded before this one (SOL001 clause 7.8).
    strict_onboarding: bool = True

    def __post_init__(self) -> None:
        check_name(self.descriptor_id, "descriptor_id")
        check_name(self.invariant_id, "invariant_id")
        if not self.flavours:
            raise ValueError("an NSD needs at least one deployment flavour")
        check_unique([flavour.id for flavour in self.flavours], "flavour")

    def flavour(self, flavour_id: str | None = None) -> NsFlavour:
        """The named flavour, or for None the default or first one; KeyError if unknown."""
        if flavour_id is None and self.default_flavour_id is None:
            return self.flavours[0]
        return _by_id(self.flavours, flavour_id or self.default_flavour_id or "")

    @property
    def vnfd_ids(self) -> tuple[str, ...]:
        """`descriptor_id` of every VNFD that a flavour uses, each once, in order of appearance."""
        return tuple(dict.fromkeys(p.vnfd_id for flavour in self.flavours for p in flavour.vnf_profiles))

    @property
    def pnfd_ids(self) -> tuple[str, ...]:
        """`descriptor_id` of every PNFD that a flavour uses, each once."""
        return tuple(dict.fromkeys(p.pnfd_id for flavour in self.flavours for p in flavour.pnf_profiles))

    @property
    def nested_nsd_ids(self) -> tuple[str, ...]:
        """`descriptor_id` of every NSD that a flavour nests, each once."""
        return tuple(dict.fromkeys(p.nsd_id for flavour in self.flavours for p in flavour.nested_ns_profiles))


class _Named(Protocol):
    @property
    def id(self) -> str: ...


_T = TypeVar("_T", bound=_Named)


class _Opened(_Named, Protocol):
    @property
    def requirement(self) -> str | None: ...


_O = TypeVar("_O", bound=_Opened)


def behind(requirement: str, points: tuple[_O, ...]) -> _O:
    """The connection point that a requirement of a node leads to; KeyError for none (see `NsFlavour.sap_behind`)."""
    stem = requirement.removeprefix("virtual_link").strip("_")
    for wanted in (
        [p for p in points if p.requirement == requirement],
        [p for p in points if p.id in (requirement, stem)],
    ):
        if len(wanted) == 1:
            return wanted[0]
    if len(points) == 1 and points[0].requirement in (None, requirement):
        return points[0]
    raise KeyError(requirement)


def _by_id(values: tuple[_T, ...], wanted: str) -> _T:
    for value in values:
        if value.id == wanted:
            return value
    raise KeyError(wanted)

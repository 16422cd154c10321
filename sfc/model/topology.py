"""Where things are: forwarders, networks, ports and service function instances.

All forwarders (SFFs, RFC 7665 section 4.3) are joined pairwise by VXLAN-GPE tunnels over one underlay;
each has one tunnel port that takes its destination from the flow. Nothing here does I/O: a driver
fills in the OpenFlow port numbers and MAC addresses that it finds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from ipaddress import IPv4Address, IPv6Address
from typing import TypeVar

from sfc.errors import ModelError
from sfc.model.addresses import IpAddress, IpNetwork, Mac, only

OFPORT_MAX = 0xFEFF  # OFPP_MAX of OpenFlow 1.0 that OVS keeps for port numbers; also our conntrack zones
VNI_MAX = (1 << 24) - 1  # RFC 7348 section 5
VNI_NSH = 7  # tunnel key of NSH packets
VNI_OAM_REPLY = 9  # tunnel key of replies to OAM probes
VNI_FIRST_NETWORK = 16  # smaller keys are the library's own
MTU_MIN, MTU_MAX = 576, 65535

T = TypeVar("T")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}")


def check_name(kind: str, name: str) -> None:
    """Names are identifiers for people: short, printable and without white space."""
    if not _NAME.fullmatch(name):
        raise ModelError("NAME", f"{kind} name {name!r} is not allowed", "letters, digits and . _ : / - only")


def check_range(what: str, value: int, low: int, high: int) -> None:
    """Refuse an integer outside ``low``..``high`` (both included)."""
    if not low <= value <= high:
        raise ModelError("RANGE", f"{what} is {value}, not in {low}..{high}")


class PortRole(StrEnum):
    """What a port of the bridge is for."""

    TENANT = "tenant"
    """Plain member of its network; may also be where a chain begins or ends."""
    SF = "sf"
    """Leg of a service function: only chain traffic gets there, it is no member of a network."""


class Unclassified(StrEnum):
    """What happens to a packet that no classifier of its port takes."""

    FORWARD = "forward"
    """It goes its way in the plain network, as without chains."""
    DROP = "drop"
    """It is dropped and counted."""


class Awareness(StrEnum):
    """How chain traffic is handed to a function (RFC 7665 section 4.6)."""

    NSH = "nsh"
    """The function reads NSH and decrements the service index itself."""
    NONE = "none"
    """A proxy takes NSH off and puts it on again."""
    VLAN = "vlan"
    """A proxy tells paths apart by a VLAN tag, which the function keeps."""


class Layer(StrEnum):
    """What an NSH-unaware function does to frames."""

    L2 = "l2"
    """Bump in the wire: keeps MAC addresses. Hand-off by MAC tag."""
    L3 = "l3"
    """Routes: rewrites MAC addresses, keeps the 5-tuple. Hand-off by connection mark."""
    TAP = "tap"
    """Gets copies of the packets and sends nothing; NSH, too, when it speaks that."""


class OnFailure(StrEnum):
    """What becomes of the traffic while a function is down."""

    CLOSED = "closed"
    OPEN = "open"
    NEXT = "next"


@dataclass(frozen=True, slots=True)
class Sff:
    """One service function forwarder: the integration bridge of one host."""

    name: str
    underlay_ip: IPv4Address
    """Source and destination of its tunnels; unique."""
    tunnel_ofport: int
    """The one VXLAN-GPE port with ``remote_ip=flow`` and ``packet_type=ptap``."""
    oam_ofport: int | None = None
    """Port of the local OAM responder; without one, expired packets are dropped."""
    oam_mac: Mac | None = None
    oam_ip: IPv4Address | None = None
    lacks: frozenset[str] = frozenset()
    """What its datapath cannot do (:class:`sfc.limits.Feature`)."""

    def __post_init__(self) -> None:
        check_name("SFF", self.name)
        check_range(f"{self.name}: tunnel_ofport", self.tunnel_ofport, 1, OFPORT_MAX)
        if self.oam_ofport is not None:
            check_range(f"{self.name}: oam_ofport", self.oam_ofport, 1, OFPORT_MAX)
            if self.oam_ip is None or self.oam_mac is None:
                raise ModelError("OAM_ADDRESS", f"{self.name} has an OAM port but no oam_ip or no oam_mac")


@dataclass(frozen=True, slots=True)
class Network:
    """An overlay L2 network (an NS or VNF virtual link). ARP and ND are answered by each bridge itself.

    Its stations are the ``tenant`` ports that name it: nothing is flooded and nothing is learned.
    """

    id: str
    vni: int
    mtu: int = 1500
    """Octets of IP that a member may send."""

    def __post_init__(self) -> None:
        check_name("network", self.id)
        check_range(f"network {self.id}: vni", self.vni, VNI_FIRST_NETWORK, VNI_MAX)
        check_range(f"network {self.id}: mtu", self.mtu, MTU_MIN, MTU_MAX)


@dataclass(frozen=True, slots=True)
class Port:
    """A port of an integration bridge with what it may send."""

    id: str
    sff: str
    ofport: int
    mac: Mac
    addresses: tuple[IpAddress, ...] = ()
    """Its own addresses: answered for by ARP and ND, and allowed as source."""
    network: str | None = None
    role: PortRole = PortRole.TENANT
    mtu: int = 1500
    allowed: tuple[IpNetwork, ...] = ()
    """Further source prefixes it may send from: ``0.0.0.0/0`` for a router or a NAT's inside."""
    unclassified: Unclassified = Unclassified.FORWARD
    trunk: bool = False
    """Of a tenant: it may send frames with one VLAN tag, and gets them with theirs. A chain takes the tag off."""
    path_mtu: int | None = None
    """Octets of IP that chains and networks carry from here, when that is less than its ``mtu``: larger packets are
    dropped, counted, and answered as too big (RFC 1191, RFC 8201). :func:`sfc.mtu.path_mtu` computes it."""

    sources: tuple[IpNetwork, ...] = field(init=False, compare=False, repr=False)
    """Every source prefix it may use, own addresses first."""
    versions: tuple[int, ...] = field(init=False, compare=False, repr=False)
    """IP versions that it may send: a subset of (4, 6)."""

    @property
    def limits(self) -> bool:
        """True when it may send what is too big for its way."""
        return self.path_mtu is not None and self.path_mtu < self.mtu and self.role is PortRole.TENANT

    def __post_init__(self) -> None:
        check_name("port", self.id)
        check_range(f"port {self.id}: ofport", self.ofport, 1, OFPORT_MAX)
        check_range(f"port {self.id}: mtu", self.mtu, MTU_MIN, MTU_MAX)
        if self.path_mtu is not None:
            check_range(f"port {self.id}: path_mtu", self.path_mtu, MTU_MIN, MTU_MAX)
        if self.trunk and self.role is not PortRole.TENANT:
            raise ModelError("PORT_TRUNK", f"port {self.id} is a function's leg: chains bring it no tagged frame")
        if self.mac == 0 or self.mac.is_multicast:
            raise ModelError("PORT_MAC", f"port {self.id}: {self.mac} is no station's address")
        if self.role is PortRole.TENANT and self.network is None:
            raise ModelError("PORT_NETWORK", f"port {self.id} is a tenant's but names no network")
        for address in self.addresses:
            if address.is_multicast or address.is_unspecified or address.is_loopback:
                raise ModelError("PORT_ADDRESS", f"port {self.id}: {address} is no station's address")
        sources = tuple(dict.fromkeys((*map(only, self.addresses), *self.allowed)))
        object.__setattr__(self, "sources", sources)
        object.__setattr__(self, "versions", tuple(sorted({prefix.version for prefix in sources})))


@dataclass(frozen=True, slots=True)
class LivenessProbe:
    """A UDP datagram that a healthy function lets through from its ingress to its egress.

    A routing function needs one: the addresses must be such that it routes them that way. A bridging function is
    probed by frames of an experimental ethertype when it has none.
    """

    source: IPv4Address
    destination: IPv4Address
    port: int = 48952
    """Source and destination port."""

    def __post_init__(self) -> None:
        check_range("port of a liveness probe", self.port, 1, 65535)


@dataclass(frozen=True, slots=True)
class ServiceFunction:
    """One instance of a service function and how traffic is handed to it.

    A forward packet enters by ``ingress`` and leaves by ``egress``; a reverse packet the other way round.
    A function that rewrites the 5-tuple (a NAT) cannot be told from its output which chain a packet was on:
    it stands at a chain's end, where ``ingress`` (its inside, a ``tenant`` port) is the reverse classifier.
    """

    id: str
    name: str
    ingress: str
    egress: str | None = None
    """Port id; None: the same as ``ingress``. Of a tap, and of a function at a chain's end, none of our business."""
    awareness: Awareness = Awareness.NONE
    layer: Layer = Layer.L2
    rewrites_5tuple: bool = False
    own_address: IPv4Address | None = None
    """Address of an L2 function's own IP stack, from which it may send ICMP errors."""
    reads_context: bool = False
    """It needs what a function before it wrote into the context headers."""
    writes_context: bool = False
    on_failure: OnFailure = OnFailure.CLOSED
    probe: LivenessProbe | None = None
    """How to find out whether it lives; None: as its kind has it (:mod:`sfc.liveness`)."""

    def __post_init__(self) -> None:
        check_name("function", self.id)
        check_name("function", self.name)
        if self.rewrites_5tuple and self.awareness is Awareness.NSH:
            raise ModelError(
                "REWRITING_NSH",
                f"function {self.id} is NSH-aware and rewrites 5-tuples",
                "leave rewrites_5tuple out: its NSH header tells the chain",
            )
        if self.is_tap and (self.rewrites_5tuple or self.awareness is Awareness.VLAN):
            raise ModelError("TAP", f"tap {self.id} hands nothing back: it rewrites nothing, and needs no VLAN")
        if self.is_proxied and not self.is_tap and self.egress in (None, self.ingress):
            raise ModelError("LEGS", f"function {self.id} needs two legs", "give ingress and egress ports")

    @property
    def is_tap(self) -> bool:
        """True when it gets copies only."""
        return self.layer is Layer.TAP

    @property
    def is_proxied(self) -> bool:
        """True when NSH is taken off before it, and put on again behind it unless it is a tap."""
        return self.awareness is not Awareness.NSH and not self.rewrites_5tuple

    @property
    def sends_nsh(self) -> bool:
        """True when packets come back from it in NSH."""
        return self.awareness is Awareness.NSH and not self.is_tap

    @property
    def policy(self) -> OnFailure:
        """What becomes of its traffic while it is down; a tap keeps nothing up."""
        return OnFailure.OPEN if self.is_tap else self.on_failure

    def legs(self, forward: bool) -> tuple[str, str]:
        """Port ids (handed to, comes back from) of one direction."""
        egress = self.ingress if self.egress is None or self.is_tap else self.egress
        return (self.ingress, egress) if forward else (egress, self.ingress)


@dataclass(frozen=True)
class Topology:
    """Everything the renderer knows about the world; true from birth (raises :class:`ModelError`)."""

    sffs: tuple[Sff, ...]
    networks: tuple[Network, ...] = ()
    ports: tuple[Port, ...] = ()
    functions: tuple[ServiceFunction, ...] = ()

    def __post_init__(self) -> None:
        _unique("SFF", (sff.name for sff in self.sffs))
        _unique("SFF underlay address", (str(sff.underlay_ip) for sff in self.sffs))
        _unique("network", (network.id for network in self.networks))
        _unique("VNI", (str(network.vni) for network in self.networks))
        _unique("port", (port.id for port in self.ports))
        _unique("function", (function.id for function in self.functions))
        self._check_ports()
        self._check_functions()

    @cached_property
    def sff_by_name(self) -> Mapping[str, Sff]:
        return {sff.name: sff for sff in self.sffs}

    @cached_property
    def network_by_id(self) -> Mapping[str, Network]:
        return {network.id: network for network in self.networks}

    @cached_property
    def port_by_id(self) -> Mapping[str, Port]:
        return {port.id: port for port in self.ports}

    @cached_property
    def function_by_id(self) -> Mapping[str, ServiceFunction]:
        return {function.id: function for function in self.functions}

    def sff(self, name: str) -> Sff:
        """The forwarder of that name; :class:`ModelError` when there is none."""
        return _known("SFF", name, self.sff_by_name)

    def port(self, port_id: str) -> Port:
        """The port of that id; :class:`ModelError` when there is none."""
        return _known("port", port_id, self.port_by_id)

    def network(self, network_id: str) -> Network:
        """The network of that id; :class:`ModelError` when there is none."""
        return _known("network", network_id, self.network_by_id)

    def function(self, function_id: str) -> ServiceFunction:
        """The function instance of that id; :class:`ModelError` when there is none."""
        return _known("function", function_id, self.function_by_id)

    def _check_ports(self) -> None:
        taken = {(sff.name, sff.tunnel_ofport): "the tunnel" for sff in self.sffs}
        for sff in self.sffs:
            if sff.oam_ofport is not None:
                _claim(taken, (sff.name, sff.oam_ofport), "the OAM port")
        stations: dict[tuple[str, str], str] = {}
        for port in self.ports:
            self.sff(port.sff)
            _claim(taken, (port.sff, port.ofport), f"port {port.id}")
            if port.network is None:
                continue
            self.network(port.network)
            if port.role is PortRole.TENANT:
                for identity in (str(port.mac), *map(str, port.addresses)):
                    _claim(stations, (port.network, identity), f"port {port.id}")

    def _check_functions(self) -> None:
        legs: dict[tuple[str, str], str] = {}
        for function in self.functions:
            role = PortRole.TENANT if function.rewrites_5tuple else PortRole.SF
            ports = [function.ingress] if function.rewrites_5tuple else sorted(set(function.legs(True)))
            for port_id in ports:
                if self.port(port_id).role is not role:
                    raise ModelError(
                        "LEG_ROLE", f"function {function.id}: port {port_id} must have the role {role.value}"
                    )
                _claim(legs, (self.port(port_id).sff, port_id), f"function {function.id}")
            if len({self.port(port_id).sff for port_id in ports}) != 1:
                raise ModelError("LEG_SFF", f"function {function.id}: its legs are on different hosts")


def addresses_of(port: Port, version: int) -> tuple[IpAddress, ...]:
    """The port's own addresses of one IP version."""
    wanted = IPv4Address if version == 4 else IPv6Address
    return tuple(address for address in port.addresses if isinstance(address, wanted))


def _unique(kind: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ModelError("TWICE", f"{kind} {name} occurs twice")
        seen.add(name)


def _claim(taken: dict[tuple[str, T], str], key: tuple[str, T], owner: str) -> None:
    if key in taken:
        raise ModelError("TAKEN", f"{key[1]} on {key[0]} belongs to {taken[key]} and to {owner}")
    taken[key] = owner


def _known(kind: str, name: str, items: Mapping[str, T]) -> T:
    try:
        return items[name]
    except KeyError:
        raise ModelError("UNKNOWN", f"{kind} {name} does not exist in the topology") from None

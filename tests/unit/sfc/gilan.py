"""The Gi-LAN that most tests share: three hosts, a bridging or routing firewall, an NSH-aware dpi, a NAT at the end."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_network

from sfc.model import (
    Awareness,
    Chain,
    Classifier,
    FlowTables,
    Layer,
    Mac,
    Match,
    Network,
    PathGroup,
    PlannedChain,
    Port,
    PortRange,
    PortRole,
    ServiceFunction,
    Sff,
    Topology,
)
from sfc.path import plan_chain
from sfc.render import render

SUB = Mac.parse("02:10:00:00:00:02")
GATEWAY = Mac.parse("02:10:00:00:00:01")
DPI = Mac.parse("02:21:00:00:00:01")
FIREWALL_IN, FIREWALL_OUT = Mac.parse("02:11:00:00:00:01"), Mac.parse("02:12:00:00:00:01")
SUB_IP, GATEWAY_IP = IPv4Address("10.10.0.2"), IPv4Address("10.10.0.1")
WEB_IP = IPv4Address("198.51.100.1")


@dataclass(frozen=True)
class GiLan:
    topology: Topology
    chains: tuple[PlannedChain, ...]

    @property
    def tables(self) -> dict[str, FlowTables]:
        return render(self.topology, self.chains)

    @property
    def web(self) -> PlannedChain:
        return self.chains[0]

    @property
    def other(self) -> PlannedChain:
        return self.chains[1]


def sff(number: int) -> Sff:
    return Sff(
        f"h{number}",
        IPv4Address(f"10.99.0.{number}"),
        tunnel_ofport=100,
        oam_ofport=200,
        oam_mac=Mac(0x020A00000000 + number),
        oam_ip=IPv4Address(f"192.168.200.{number}"),
    )


def mgmt_port(name: str, host: str, ofport: int, number: int) -> Port:
    addresses = (IPv4Address(f"192.0.2.{number}"), IPv6Address(f"fd00:ca:7e::{number}"))
    return Port(name, host, ofport, Mac(0x020300000000 + number), addresses, "mgmt")


def gilan(
    layer: Layer = Layer.L2,
    firewall: str = "h1",
    dpi: str = "h2",
    nat: str = "h3",
    own_address: bool = True,
    symmetric: bool = True,
) -> GiLan:
    ports = (
        Port("sub", "h1", 1, SUB, (SUB_IP,), "access"),
        Port("fw-in", firewall, 11, FIREWALL_IN, role=PortRole.SF, network="access"),
        Port("fw-out", firewall, 12, FIREWALL_OUT, role=PortRole.SF, network="access"),
        Port("dpi-sfc", dpi, 21, DPI, role=PortRole.SF, network="access"),
        Port("nat-in", nat, 31, GATEWAY, (GATEWAY_IP,), "access", allowed=(ip_network("0.0.0.0/0"),)),
        mgmt_port("fw-mgmt", firewall, 41, 11),
        mgmt_port("dpi-mgmt", dpi, 42, 12),
        mgmt_port("nat-mgmt", nat, 43, 13),
    )
    functions = (
        ServiceFunction(
            "fw",
            "firewall",
            "fw-in",
            "fw-out",
            layer=layer,
            own_address=IPv4Address("10.10.0.254") if own_address else None,
        ),
        ServiceFunction("dpi", "dpi", "dpi-sfc", awareness=Awareness.NSH, writes_context=True),
        ServiceFunction("nat", "nat", "nat-in", rewrites_5tuple=True),
    )
    networks = (Network("access", 1000), Network("mgmt", 1001))
    topology = Topology((sff(1), sff(2), sff(3)), networks, ports, functions)
    web = Chain(
        "web",
        "sub",
        (PathGroup.of("fw"), PathGroup.of("dpi"), PathGroup.of("nat")),
        tuple(Classifier(Match(protocol=6, destination_port=PortRange(port, port)), 10) for port in (80, 443)),
        symmetric=symmetric,
    )
    other = Chain("other", "sub", (PathGroup.of("fw"), PathGroup.of("nat")), order=1, symmetric=symmetric)
    chains = (
        plan_chain(topology, web, 100, 101 if symmetric else None),
        plan_chain(topology, other, 200, 201 if symmetric else None),
    )
    return GiLan(topology, chains)

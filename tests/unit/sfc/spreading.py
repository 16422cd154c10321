"""The Gi-LAN with three firewalls of the same kind on three hosts, over which chains spread their connections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Address

from sfc.model import (
    Chain,
    Layer,
    Mac,
    OnFailure,
    PathGroup,
    PlannedChain,
    Port,
    PortRole,
    ServiceFunction,
    Topology,
    WeightedInstance,
)
from sfc.path import plan_branches
from sfc.simulator import Simulator
from sfc.simulator.packets import Ethernet, Ip, Tcp
from tests.unit.sfc.gilan import GATEWAY, SUB, SUB_IP, WEB_IP, gilan

FIREWALLS = ("fw", "fw2", "fw3")


def three_firewalls(layer: Layer = Layer.L2, on_failure: OnFailure = OnFailure.NEXT) -> Topology:
    lan = gilan(layer)
    ports, functions = list(lan.topology.ports), [each for each in lan.topology.functions if each.id != "fw"]
    for number, name in enumerate(FIREWALLS):
        legs = ("fw-in", "fw-out") if name == "fw" else (f"{name}-in", f"{name}-out")
        if name != "fw":
            for side, leg in enumerate(legs):
                mac = Mac(0x021300000000 + number * 16 + side)
                ports.append(Port(leg, f"h{number + 1}", 70 + number * 2 + side, mac, role=PortRole.SF))
        functions.append(ServiceFunction(name, "firewall", *legs, layer=layer, on_failure=on_failure))
    return replace(lan.topology, ports=tuple(ports), functions=tuple(functions))


def spread_chain(weights: Sequence[int] = (1, 1, 1), **options: object) -> Chain:
    instances = tuple(WeightedInstance(name, weight) for name, weight in zip(FIREWALLS, weights, strict=False))
    path = (PathGroup("firewalls", instances, spread=True), PathGroup.of("dpi"), PathGroup.of("nat"))
    return Chain("web", "sub", path, **options)  # type: ignore[arg-type]


def planned(topology: Topology, chain: Chain, first_spi: int = 100) -> tuple[PlannedChain, ...]:
    group = chain.path[0].instances
    count = sum(1 for each in group if each.weight) or len(group)
    return plan_branches(topology, chain, [(first_spi + 2 * n, first_spi + 2 * n + 1) for n in range(count)])


def syn(own: int, port: int = 80, address: IPv4Address = WEB_IP, flags: str = "S") -> Ethernet:
    return Ethernet(SUB, GATEWAY, Ip(SUB_IP, address, Tcp(own, port, flags)))


def firewall_of(network: Simulator, packet: Ethernet, port: str = "sub") -> str:
    """The firewall that a packet meets."""
    return next(name for name in network.inject(port, packet).functions if name in FIREWALLS)

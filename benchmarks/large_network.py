"""A network as large as a benchmark wants it: hosts, functions of every kind, and chains over random ones of them."""

from __future__ import annotations

import random
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_network

from sfc.model import (
    Awareness,
    Chain,
    Classifier,
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
    SpiPool,
    Topology,
)
from sfc.path import plan_chains

SEED = 7665
FUNCTIONS_PER_HOST = 5
CHAINS_PER_NETWORK = 10
KINDS = ((Awareness.NONE, Layer.L2), (Awareness.NSH, Layer.L2), (Awareness.NONE, Layer.L3))


@dataclass(frozen=True)
class LargeNetwork:
    """A topology with planned chains, and the pool that gave their SPIs."""

    topology: Topology
    chains: tuple[PlannedChain, ...]
    pool: SpiPool


def large_network(hosts: int, chains: int, hops: int) -> LargeNetwork:
    """``chains`` symmetric chains of ``hops`` functions each, spread over ``hosts``; the same on every call.

    A third of the functions bridge, a third speak NSH, a third route. Ten chains share a network: each begins at a
    port of its own and ends at the network's gateway; half of them are chosen by TCP ports, the others take the rest.
    """
    chance = random.Random(SEED)
    sffs = tuple(_sff(number) for number in range(1, hosts + 1))
    ports: list[Port] = []
    functions: list[ServiceFunction] = []
    used = dict.fromkeys((sff.name for sff in sffs), 0)

    def plug(name: str, host: str, network: str | None = None, address: str = "", gateway: bool = False) -> Port:
        used[host] += 1
        port = Port(
            name,
            host,
            used[host],
            Mac(0x020000000000 + len(ports) + 1),
            (IPv4Address(address),) if address else (),
            network,
            PortRole.TENANT if address else PortRole.SF,
            allowed=(ip_network("0.0.0.0/0"),) if gateway else (),
        )
        ports.append(port)
        return port

    for sff in sffs:
        for number in range(FUNCTIONS_PER_HOST):
            name = f"{sff.name}-f{number}"
            awareness, layer = KINDS[len(functions) % len(KINDS)]
            legs = [plug(f"{name}-in", sff.name), plug(f"{name}-out", sff.name)]
            functions.append(ServiceFunction(name, "function", legs[0].id, legs[1].id, awareness, layer))
    networks, wanted = [], []
    for number in range(chains):
        tenant, member = divmod(number, CHAINS_PER_NETWORK)
        if not member:
            networks.append(Network(f"n{tenant}", 1000 + tenant))
            # Routing functions are shared, and they tell connections by their addresses: no two tenants overlap.
            plug(f"n{tenant}-gw", chance.choice(sffs).name, f"n{tenant}", f"10.{tenant}.0.1", gateway=True)
        start = plug(f"c{number}-sub", chance.choice(sffs).name, f"n{tenant}", f"10.{tenant}.1.{member + 1}")
        path = tuple(PathGroup.of(function.id) for function in chance.sample(functions, hops))
        match = Match(protocol=6, destination_port=PortRange(80, 80)) if member % 2 else Match()
        wanted.append(Chain(f"c{number}", start.id, path, (Classifier(match),), egress=f"n{tenant}-gw"))
    topology = Topology(sffs, tuple(networks), tuple(ports), tuple(functions))
    planned, pool = plan_chains(topology, wanted, SpiPool(100, 1_000_000))
    return LargeNetwork(topology, planned, pool)


def _sff(number: int) -> Sff:
    return Sff(
        f"h{number}",
        IPv4Address("192.0.2.0") + number,
        tunnel_ofport=60001,
        oam_ofport=60002,
        oam_mac=Mac(0x020A00000000 + number),
        oam_ip=IPv4Address("198.51.100.0") + number,
    )

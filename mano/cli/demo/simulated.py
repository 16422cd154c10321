"""The claims that can be tried without root: the very tables that Open vSwitch would get, on the simulator.

Nothing here sends a packet; every line that claims one says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mano.cli.demo.checks import Check
from mano.cli.demo.errors import CheckFailed
from mano.cli.demo.world import DemoWorld


def check_proof(world: DemoWorld) -> str:
    """The simulator proves every chain in both directions, and the stored tables are those of the plan."""
    tried = 0
    for name, chain in sorted(world.chains.items()):
        result = world.api.post(f"/mano/v1/chains/{chain['id']}/verify", {})
        if not result["proven"]:
            raise CheckFailed(f"chain {name}: {'; '.join(result['violations'][:3])}")
        wrong = [trace["host"] for trace in result["traces"] if not trace["agrees"]]
        if wrong or result["drift"]:
            raise CheckFailed(f"chain {name}: the programmed tables differ on {', '.join(wrong) or 'some host'}")
        tried = max(tried, result["packetsTried"])
    if not tried:
        raise CheckFailed("no packet was tried")
    return f"{tried} simulated packets, every invariant holds"


def _functions(world: DemoWorld, chain: str, packet: Mapping[str, Any]) -> tuple[list[str], str]:
    """(names of the functions that a simulated packet meets, its end)."""
    document = world.chains[chain]
    walk = world.api.post(f"/mano/v1/chains/{document['id']}/trace", packet)
    names = {hop["sfId"]: hop["sfName"] for path in document["paths"] for hop in path["hops"]}
    for path in document["paths"]:
        if "terminator" in path:
            names[path["terminator"]["sfId"]] = path["terminator"]["sfName"]
    return [names.get(function, function) for function in walk["functions"]], walk["verdict"]


def _expect_walk(world: DemoWorld, chain: str, packet: Mapping[str, Any], wanted: list[str]) -> str:
    met, verdict = _functions(world, chain, packet)
    profiles = [name.rsplit("-", 1)[0] for name in met]
    if profiles != wanted:
        raise CheckFailed(f"the simulated packet met {profiles or 'nothing'}, expected {wanted} ({verdict})")
    return f"a simulated packet meets {' > '.join(profiles)}"


def check_web(world: DemoWorld) -> str:
    """HTTP meets firewall, dpi and nat."""
    packet = {"source": "10.10.0.2", "destination": "198.51.100.1", "protocol": "tcp", "destinationPort": 80}
    return _expect_walk(world, "web", {**packet, "sourcePort": 40000}, ["firewall", "dpi", "nat"])


def check_other(world: DemoWorld) -> str:
    """DNS meets firewall and nat."""
    packet = {"source": "10.10.0.2", "destination": "198.51.100.1", "protocol": "udp", "destinationPort": 53}
    return _expect_walk(world, "other", {**packet, "sourcePort": 40000}, ["firewall", "nat"])


def check_spoofed(world: DemoWorld) -> str:
    """A foreign source address is dropped by the guard."""
    packet = {"source": "203.0.113.66", "destination": "198.51.100.1", "protocol": "udp", "destinationPort": 53}
    met, verdict = _functions(world, "other", {**packet, "sourcePort": 40000})
    if met or "dropped" not in verdict:
        raise CheckFailed(f"the simulated spoofed packet met {met or 'nothing'}: {verdict}")
    return f"a simulated spoofed packet is {verdict}"


SIMULATED_CHECKS: tuple[Check, ...] = (
    Check("the chains are proven", check_proof),
    Check("web traffic meets its functions", check_web),
    Check("other traffic meets its functions", check_other),
    Check("forged sources go nowhere", check_spoofed),
)
"""What the simulated tier can claim."""

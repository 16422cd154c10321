"""Claims about what was on the underlay while the packets were sent, by captures and an independent decoder."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mano.cli.demo.captures import NshPacket
from mano.cli.demo.checks.claims import expect
from mano.cli.demo.errors import CheckFailed
from mano.cli.demo.world import DemoWorld

GPE_VNI_NSH = 7


@dataclass(frozen=True, slots=True)
class Leg:
    """A way over the underlay, and what the NSH packets on it look like."""

    source: str
    target: str
    spi: int
    si: int
    ttl: int

    def is_like(self, other: Leg) -> bool:
        """The same way for the same path and index, whatever the TTL."""
        return (self.source, self.target, self.spi, self.si) == (other.source, other.target, other.spi, other.si)

    def __str__(self) -> str:
        return f"{self.source} to {self.target} with SPI {self.spi}, SI {self.si}, TTL {self.ttl}"


def check_underlay(world: DemoWorld) -> str:
    """Every NSH packet on every uplink is where the plan has it, and every planned leg was seen."""
    planned = {leg: context for name in world.chains for leg, context in _planned_legs(world, name).items()}
    seen: Counter[tuple[str, Leg]] = Counter()
    for packet in _captured(world):
        leg = _leg(world, packet)
        expect(packet.vni == GPE_VNI_NSH, f"NSH on VNI {packet.vni}")
        if leg not in planned:
            raise CheckFailed(f"on {packet.host}'s uplink: {leg} is on no planned leg")
        _expect_context(packet, planned[leg], leg)
        seen[packet.host, leg] += 1
    missing = [f"{leg} at {host}" for leg in planned for host in (leg.source, leg.target) if not seen[host, leg]]
    expect(not missing, f"never seen on the underlay: {'; '.join(missing)}")
    return f"{sum(seen.values())} NSH packets on {len(planned)} legs, each with the planned SPI, SI, TTL and context"


def check_context_header(world: DemoWorld) -> str:
    """What the dpi wrote of this run's names is in the context header on the next hop's wire."""
    after = _leg_behind(world, "web", "forward", world.vnfc("dpi")["vnfName"])
    wanted = {_context_value(name): name for name in (world.http_name, world.tls_name)}
    found = {
        packet.context[1]
        for packet in _captured(world)
        if packet.host == after.target and _leg(world, packet).is_like(after) and len(packet.context) > 1
    }
    missing = [name for value, name in wanted.items() if value not in found]
    expect(not missing, f"no packet from {after.source} to {after.target} carries the mark of {', '.join(missing)}")
    marks = ", ".join(f"{value:#010x}" for value in wanted)
    return f"{marks} in c2 from {after.source} to {after.target} (SPI {after.spi}, SI {after.si})"


def _planned_legs(world: DemoWorld, chain: str) -> dict[Leg, list[int | None]]:
    return {_planned(leg): leg["context"] for path in world.chains[chain]["paths"] for leg in path["legs"]}


def _planned(leg: Mapping[str, Any]) -> Leg:
    return Leg(leg["from"], leg["to"], leg["spi"], leg["si"], leg["ttl"])


def _leg(world: DemoWorld, packet: NshPacket) -> Leg:
    here = world.underlay.get(packet.source, packet.source)
    there = world.underlay.get(packet.destination, packet.destination)
    return Leg(here, there, packet.spi, packet.si, packet.ttl)


def _leg_behind(world: DemoWorld, chain: str, direction: str, function: str) -> Leg:
    """The leg of the underlay that a packet takes when it leaves a function."""
    path = world.path(chain, direction)
    si = next((hop["si"] for hop in path["hops"] if hop["sfName"] == function), None)
    for leg in path["legs"]:
        if si is not None and leg["si"] == si - 1:
            return _planned(leg)
    raise CheckFailed(f"no leg of the underlay follows {function} in chain {chain}")


def _expect_context(packet: NshPacket, planned: Sequence[int | None], leg: Leg) -> None:
    expect(len(packet.context) == len(planned), f"{leg}: {len(packet.context)} context words")
    for word, (got, wanted) in enumerate(zip(packet.context, planned, strict=True), 1):
        if wanted is not None and got != wanted:
            raise CheckFailed(f"{leg}: context word {word} is {got:#x}, planned {wanted:#x}")


def _context_value(name: str) -> int:
    """The first 32 bits of the name's SHA-256: what the sample dpi writes."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")


def _captured(world: DemoWorld) -> Sequence[NshPacket]:
    if world.capture is None:
        raise CheckFailed("nothing was captured")
    return world.capture.packets()

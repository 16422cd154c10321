"""Claims about what the switches hold, would do, and counted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mano.cli.demo.checks.claims import expect
from mano.cli.demo.errors import CheckFailed
from mano.cli.demo.world import DemoWorld


def check_chain_choice(world: DemoWorld) -> str:
    """Since the checks began, web traffic moved the counters of chain web and the rest those of chain other."""
    counts = {name: list(_moved(world, name)) for name in sorted(world.chains)}
    for name, paths in counts.items():
        for direction, hops in paths:
            expect(all(hops), f"chain {name}, {direction}: hop counters moved by {hops}")
    ends = {(name, direction): hops[-1] for name, paths in counts.items() for direction, hops in paths}
    expect(
        ends["web", "reverse"] > ends["other", "reverse"],
        f"the download did not go by chain web: {ends['web', 'reverse']} packets against {ends['other', 'reverse']}",
    )
    return ", ".join(f"{name} {direction} {count}" for (name, direction), count in ends.items())


def _moved(world: DemoWorld, chain: str) -> Iterator[tuple[str, list[int]]]:
    """(direction, packets at each hop and at the end) since the baseline."""
    before = {path["direction"]: _counts(path) for path in world.baseline[chain]["paths"]}
    for path in world.statistics(chain)["paths"]:
        yield (
            path["direction"],
            [now - then for now, then in zip(_counts(path), before[path["direction"]], strict=True)],
        )


def _counts(path: Mapping[str, Any]) -> list[int]:
    return [hop["packets"] for hop in path["hops"]] + [path["endPackets"]]


def check_traces(world: DemoWorld) -> str:
    """The simulator proves the chains, and the switches say the same of every classifier's packet."""
    bridges, tried = 0, 0
    for name, result in world.verified().items():
        expect(result["proven"], f"chain {name}: {'; '.join(result['violations'][:3])}")
        wrong = [trace for trace in result["traces"] if not trace["agrees"]]
        if wrong:
            first = wrong[0]
            raise CheckFailed(
                f"chain {name}, {first['packet']} on {first['host']}: the switch met {first['cookies']}, "
                f"expected {first['expected']}"
            )
        expect(bool(result["traces"]), f"chain {name}: no trace was made")
        _expect_same_hops(world, name, result["traces"])
        bridges += len(result["traces"])
        tried = max(tried, result["packetsTried"])
    return f"{tried} packets proven on the simulator, {bridges} bridge traces agree"


def check_drift(world: DemoWorld) -> str:
    """Every bridge holds the flows that were rendered for it, and no other."""
    drifted = {
        drift["host"]: f"{drift['host']} lacks {len(drift['missing'])} and has {len(drift['foreign'])} others"
        for result in world.verified().values()
        for drift in result["drift"]
    }
    expect(not drifted, f"the bridges differ from what was rendered: {'; '.join(drifted.values())}")
    return f"{len(world.hosts)} bridges hold what was rendered for them, and nothing else"


def _expect_same_hops(world: DemoWorld, name: str, traces: Sequence[dict[str, Any]]) -> None:
    """The hosts of each trace are those of the plan, in order, repeats left out."""
    path = world.path(name, "forward")
    planned = [path["ingress"]["host"], *(hop["host"] for hop in path["hops"]), path["egress"]["host"]]
    by_packet: dict[str, list[str]] = {}
    for trace in traces:
        by_packet.setdefault(trace["packet"], []).append(trace["host"])
    for packet, hosts in by_packet.items():
        expect(_unrepeated(hosts) == _unrepeated(planned), f"chain {name}, {packet}: traced {hosts}, planned {planned}")


def _unrepeated(names: Sequence[str]) -> list[str]:
    return [name for index, name in enumerate(names) if index == 0 or names[index - 1] != name]

"""A placement's reasons in sentences: why here, and why not elsewhere. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

SENTENCES = {
    "HOST_STATE": "not enabled",
    "LABEL": "without the labels that the VDU requires",
    "ZONE": "in another zone",
    "AFFINITY": "ruled out by an affinity or anti-affinity rule",
    "CPU_DEDICATED": "short of dedicated CPUs",
    "CPU_SHARED": "short of shared CPUs",
    "THREAD_POLICY": "without whole cores as the thread policy asks",
    "MEMORY": "short of memory",
    "NUMA_CELLS": "without NUMA nodes that take the cells",
    "STORAGE": "short of storage",
    "PHYSNET": "without a NIC on the physical network",
    "VF": "short of virtual functions",
    "NIC_NUMA": "whose NICs are on the wrong NUMA node",
    "BANDWIDTH": "short of NIC bandwidth",
    "LINK_BANDWIDTH": "with links too narrow for the chain",
    "LATENCY": "too far for the chain's latency bound",
}
"""What each failing code of a placement says of a host."""

SCORES = {
    "cost": "cost",
    "softGroupsBroken": "soft rules broken",
    "brokenCores": "broken cores",
    "strandedPagesMib": "MiB of stranded pages",
    "strandedVfs": "stranded VFs",
    "packing": "fit for what is still to be placed",
}


def why(decision: Mapping[str, Any]) -> Iterator[str]:
    """Sentences on one decision, as :meth:`mano.placement.Decision.to_json` tells it."""
    if not decision:
        return
    refused = [
        f"{count} {_hosts(count)} {sentence_of(code)}" for code, count in decision.get("reasons", {}).items() if count
    ]
    total, feasible = decision["hosts"], decision["feasible"]
    yield f"of {total} {_hosts(total)}, {feasible} could take it" + (f"; {', '.join(refused)}" if refused else "")
    runner_up = decision.get("runnerUp")
    if runner_up:
        yield f"{decision['host']} won over {runner_up}: {_comparison(decision)}"
    elif total > 1:
        yield f"{decision['host']} was the only choice"


def not_elsewhere(decision: Mapping[str, Any]) -> dict[str, str]:
    """For each other host that was examined, why the VDU is not there."""
    mine = decision.get("score") or {}
    return {host: _why_not(verdict, mine) for host, verdict in (decision.get("elsewhere") or {}).items()}


def _why_not(verdict: str | Mapping[str, int], mine: Mapping[str, int]) -> str:
    if isinstance(verdict, str):
        return sentence_of(verdict)
    return _differing(verdict, mine) or "as good, but later by name"


def sentence_of(code: str) -> str:
    """What a failing code says of a host; page codes carry their size (``PAGES_2048``)."""
    if code.startswith("PAGES_"):
        return f"short of pages of {code.removeprefix('PAGES_')} KiB"
    return SENTENCES.get(code, code)


def _comparison(decision: Mapping[str, Any]) -> str:
    mine, other = decision.get("score") or {}, decision.get("runnerUpScore") or {}
    return _differing(mine, other) or "equal in everything, first by name"


def _differing(mine: Mapping[str, int], other: Mapping[str, int]) -> str:
    """The first score by which the two differ; empty when they do not. Those of third parties count behind groups."""
    first, *last = SCORES
    others = sorted({*mine, *other} - set(SCORES))
    for name in (first, last[0], *others, *last[1:]):
        if mine.get(name, 0) != other.get(name, 0):
            return f"{SCORES.get(name, name)} {mine.get(name, 0)} against {other.get(name, 0)}"
    return ""


def _hosts(count: int) -> str:
    return "host" if count == 1 else "hosts"

"""What the bridges count of chains: packets and octets per path and hop, drops, and how they went lately. Pure."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from mano.domain.service_chain import ServiceChain
from mano.nfvo.data_plane import DataPlane
from mano.ports.service_paths import FlowStatistics, PathProbe
from sfc.model import Cookie, Direction, Kind, PlannedChain, Rsp

SAMPLE_S = 5.0
"""How often the counters are read for the history."""

SAMPLES_KEPT = 360
"""Half an hour of them."""

HANDED_OVER = (Kind.HAND_OFF, Kind.HAND_OFF_ERROR, Kind.TO_SF)
"""Kinds of flows that count the packets which a function was given."""

CAME_BACK = (Kind.SF_RETURN, Kind.PROXY_RETURN, Kind.MARK_RETURN)
"""Kinds of flows that count the packets which a function gave back."""

CLASSIFIED = (Kind.CLASSIFY, Kind.CLASSIFY_FRAGMENT, Kind.REVERSE_MARK, Kind.REVERSE_MISS)
"""Kinds of flows that count the packets which were put on a path."""

SPREAD = (Kind.SPREAD_MARK, Kind.SPREAD_SHARE, Kind.SPREAD_SHARE_ERROR, Kind.REVERSE_MARK, Kind.REVERSE_SHARE)
"""The same for a branch of a chain that spreads its connections."""

LEFT = (Kind.END, Kind.END_ERROR)
"""Kinds of flows that count the packets which left a path at its end."""


Counters = Mapping[str, Sequence[FlowStatistics]]
"""Every flow's counters by host."""


class CountHistory:
    """Samples of each chain's counters in the memory of this server; the oldest are forgotten."""

    def __init__(self, every_s: float = SAMPLE_S) -> None:
        self.every_s = every_s
        self._kept: dict[str, deque[Mapping[str, Any]]] = {}
        self._lock = threading.Lock()

    def of(self, chain_id: str) -> Sequence[Mapping[str, Any]]:
        """A chain's samples, oldest first."""
        with self._lock:
            return list(self._kept.get(chain_id, ()))

    def add(self, now: datetime, plane: DataPlane, counters: Counters) -> None:
        """One sample of every chain; those of chains that are gone are forgotten."""
        taken = {
            chain: _sample(now, plane, chain, counters)
            for chain in plane.ways
            if set(plane.hosts_of(chain)) <= counters.keys()
        }
        with self._lock:
            for gone in self._kept.keys() - plane.ways.keys():
                del self._kept[gone]
            for chain, sample in taken.items():
                self._kept.setdefault(chain, deque(maxlen=SAMPLES_KEPT)).append(sample)


def _sample(now: datetime, plane: DataPlane, chain: str, counters: Counters) -> Mapping[str, Any]:
    passed = {host: counters[host] for host in plane.hosts_of(chain)}
    paths = [path_statistics(one, rsp, passed, {}) for one in plane.ways[chain] for rsp in one.rsps]
    dropped: dict[str, int] = {}
    for drop in drops(passed):
        dropped[drop["reason"]] = dropped.get(drop["reason"], 0) + drop["packets"]
    return {
        "time": now.isoformat().replace("+00:00", "Z"),
        "paths": [{key: path[key] for key in ("direction", "spi", "classified", "endPackets")} for path in paths],
        "drops": dropped,
    }


def functions_called(chain: ServiceChain) -> Mapping[str, str]:
    """Names of the chain's functions, of both its versions, by identifier."""
    specs = [chain.spec, chain.change.spec if chain.change else {}]
    return {function["id"]: function["name"] for spec in specs for function in spec.get("functions", ())}


def direction_of(rsp: Rsp) -> str:
    """``forward`` or ``reverse``."""
    return "forward" if rsp.direction is Direction.FORWARD else "reverse"


def probed_path(rsp: Rsp, found: PathProbe, names: Mapping[str, str]) -> dict[str, Any]:
    """One path as its hops answered, each with the function that stands behind its rule."""
    hops = []
    for hop in found.hops:
        function = rsp.hop(hop.si) if hop.host is not None and rsp.end_si < hop.si <= 255 else None
        hops.append(
            {
                "ttl": hop.ttl,
                "host": hop.host,
                "spi": hop.spi if hop.host else None,
                "si": hop.si if hop.host else None,
                "sfName": names.get(function.function, function.function) if function else None,
                "end": hop.end,
                "rule": _rule(hop.rule),
                "cookie": f"{hop.rule:#x}" if hop.rule else None,
                "nextRule": _rule(hop.next_rule),
                "sent": hop.sent,
                "received": hop.received,
                "leastMs": hop.least_ms,
                "medianMs": hop.median_ms,
                "hopMs": hop.hop_ms,
            }
        )
    return {"direction": direction_of(rsp), "spi": rsp.spi, "whole": not found.why, "why": found.why, "hops": hops}


def _rule(cookie: int) -> str | None:
    found = _cookie(cookie) if cookie else None
    return str(found) if found else None


def path_statistics(
    planned: PlannedChain, rsp: Rsp, counters: Mapping[str, Sequence[FlowStatistics]], names: Mapping[str, str]
) -> dict[str, Any]:
    """One path: what was put on it, what each function got and gave back, what left at its end."""
    number = planned.forward.spi

    def count(host: str, kinds: Sequence[Kind], si: int | None) -> tuple[int, int]:
        found = [
            flow
            for flow in counters[host]
            if (cookie := _cookie(flow.cookie)) is not None
            and cookie.kind in kinds
            and (cookie.chain, cookie.direction) == (number, rsp.direction)
            and si in (None, cookie.hop)
        ]
        return sum(flow.packets for flow in found), sum(flow.bytes for flow in found)

    hops = []
    for hop in rsp.hops:
        packets, octets = count(hop.sff, HANDED_OVER, hop.si)
        name = names.get(hop.function, hop.function)
        returned, _ = count(hop.sff, CAME_BACK, hop.si)
        where = {"si": hop.si, "host": hop.sff, "sfName": name}
        hops.append({**where, "packets": packets, "bytes": octets, "returned": returned})
    entered = CLASSIFIED if planned.share is None else SPREAD
    classified, _ = count(rsp.start_sff, entered, None)  # whichever classifier of the chain it was
    ended, _ = count(rsp.end_sff, LEFT, rsp.end_si)
    return {
        "direction": direction_of(rsp),
        "spi": rsp.spi,
        "classified": classified,
        "hops": hops,
        "endPackets": ended,
    }


def drops(counters: Mapping[str, Sequence[FlowStatistics]]) -> Iterator[dict[str, Any]]:
    """What was dropped on each host, by reason."""
    for host, flows in counters.items():
        for flow in flows:
            cookie = _cookie(flow.cookie)
            if cookie is not None and cookie.kind.is_drop and flow.packets:
                yield {"host": host, "reason": cookie.kind.meaning, "packets": flow.packets}


def _cookie(value: int) -> Cookie | None:
    """The decoded cookie; ``None`` for a flow that is not ours."""
    try:
        return Cookie.decode(value)
    except ValueError:
        return None

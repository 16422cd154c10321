"""Counters of a bridge, settled before they are read.

Datapath counters reach the flows with a delay of up to a second; ``revalidator/wait`` ends it. Around a change of a
flow's actions, pending counts are credited to the new flow: compare counters only over times without a change.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from sfc.ovs.control import ask
from sfc.ovs.location import SwitchLocation
from sfc.ovs.openflow import TIMEOUT_S, OpenFlow
from sfc.ovs.replies import GroupCounter, MeterCounter, PortCounter


@dataclass(frozen=True, slots=True)
class FlowCounter:
    """What one flow has matched."""

    cookie: int
    table: int
    packets: int
    octets: int


def settle(location: SwitchLocation, *, timeout: float = 10.0) -> None:
    """Return when every datapath counter has been added to its flow."""
    ask(location, "revalidator/wait", timeout=timeout)


def forget(location: SwitchLocation, *, timeout: float = 10.0) -> None:
    """Return when no packet goes any more by what the datapath remembers of tables that were changed before the call.

    A datapath goes on by its own flows until a pass of the revalidators finds them out of date. The first pass that
    ends may have begun before the change, so two are waited for: a second at most on a quiet switch.
    """
    for _ in range(2):
        settle(location, timeout=timeout)


def flow_counters(location: SwitchLocation, bridge: str, *, timeout: float = TIMEOUT_S) -> tuple[FlowCounter, ...]:
    """Settled counters of every flow, by table."""
    settle(location, timeout=timeout)
    with OpenFlow(location, bridge, timeout=timeout) as switch:
        flows = sorted(switch.flows(), key=lambda flow: (flow.table, -flow.priority, flow.cookie))
    return tuple(FlowCounter(flow.cookie, flow.table, flow.packets, flow.octets) for flow in flows)


def port_counters(location: SwitchLocation, bridge: str, *, timeout: float = TIMEOUT_S) -> Mapping[int, PortCounter]:
    """Exact counters by OpenFlow port number; the bridge's own port is left out."""
    with OpenFlow(location, bridge, timeout=timeout) as switch:
        return switch.port_counters()


def meter_counters(location: SwitchLocation, bridge: str, *, timeout: float = TIMEOUT_S) -> Mapping[int, MeterCounter]:
    """Counters by meter number."""
    with OpenFlow(location, bridge, timeout=timeout) as switch:
        return switch.meter_counters()


def group_counters(location: SwitchLocation, bridge: str, *, timeout: float = TIMEOUT_S) -> Mapping[int, GroupCounter]:
    """Settled counters by group number."""
    settle(location, timeout=timeout)
    with OpenFlow(location, bridge, timeout=timeout) as switch:
        return switch.group_counters()


_CONNECTION = re.compile(r"\bzone=(\d+)\b|\bmark=(\d+)\b")


def connection_marks(location: SwitchLocation, *, timeout: float = 10.0) -> dict[int, Counter[int]]:
    """How many connections the switch tracks, by zone and mark; what has no zone or mark is in 0."""
    found: dict[int, Counter[int]] = {}
    for line in ask(location, "dpctl/dump-conntrack", timeout=timeout).splitlines():
        zone = mark = 0
        for part in _CONNECTION.finditer(line):
            if part[1] is not None:
                zone = int(part[1])
            else:
                mark = int(part[2])
        if line.strip():
            found.setdefault(zone, Counter())[mark] += 1
    return found

"""What VNFCs and ports use, read from the kernel and from Open vSwitch."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from mano.ports.metering import ComputeUsage, PortCounters
from sfc.ovs.location import SwitchLocation

COUNTERS_FILE = "state/counters.json"
"""Where a VNFC tells of its work, below ``/vnf``."""

MAX_VALUES = 256
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def usage_of(processes: Iterable[int], proc: Path = Path("/proc")) -> ComputeUsage | None:
    """CPU time (of ended children too) and resident memory of processes, ``None`` when none of them is there."""
    ticks = resident = found = 0
    for pid in processes:
        with suppress(OSError, ValueError, IndexError):
            fields = (proc / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            ticks += sum(int(fields[index]) for index in range(11, 15))  # utime stime cutime cstime
            resident += int((proc / str(pid) / "statm").read_text(encoding="ascii").split()[1])
            found += 1
    return ComputeUsage(ticks / _TICKS, resident * _PAGE) if found else None


def counters_of(location: SwitchLocation, bridge: str) -> Mapping[int, PortCounters]:
    """Counters of a bridge's ports: what the switch sends is what the compute receives."""
    from sfc.ovs.stats import port_counters

    return {
        number: PortCounters(
            incoming_bytes=counter.tx_bytes,
            outgoing_bytes=counter.rx_bytes,
            incoming_packets=counter.tx_packets,
            outgoing_packets=counter.rx_packets,
        )
        for number, counter in port_counters(location, bridge).items()
    }


def values_of(content: bytes) -> Mapping[str, float]:
    """The numbers in a VNFC's counters file, those of nested objects by ``a.b``; untrusted, so within bounds."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    found: dict[str, float] = {}
    _collect(document, "", found)
    return found


def _collect(value: Any, name: str, found: dict[str, float]) -> None:
    if len(found) >= MAX_VALUES or name.count(".") > 4:
        return
    if isinstance(value, dict):
        for key, inner in value.items():
            if key.isascii() and key.isprintable() and len(key) <= 64:
                _collect(inner, f"{name}.{key}" if name else key, found)
    elif isinstance(value, int | float) and not isinstance(value, bool) and name and abs(value) < 1e300:
        found[name] = float(value)

"""Where packets end inside a switch: in its full receive queues, in its datapath, by its rules."""

from __future__ import annotations

import re
import subprocess
from collections import Counter

from sfc.model.cookies import Cookie
from sfc.ovs.control import ask
from sfc.ovs.location import SwitchLocation
from sfc.ovs.stats import flow_counters

_QUEUE = re.compile(r"^p_raw\s+\S+\s+\S+\s+\*:(\S+)[^\n]*\n[^\n]*\bd(\d+)\)", re.MULTILINE)
_GIVEN_UP = re.compile(r"^(datapath_drop_\w+|drop_action_\w+)\b.*total: (\d+)$", re.MULTILINE)
_FAILED = re.compile(r"miss with failed upcall: (\d+)")


def ended(location: SwitchLocation, bridge: str) -> Counter[str]:
    """Packets that ended in the switch so far, by where; of a rule, its meaning."""
    found = Counter[str]()
    for device, packets in _QUEUE.findall(_sockets(location)):
        found[f"receive queue of {device}"] += int(packets)
    for name, packets in _GIVEN_UP.findall(ask(location, "coverage/show")):
        found[name] += int(packets)
    found["failed upcalls"] += sum(map(int, _FAILED.findall(ask(location, "dpif-netdev/pmd-stats-show"))))
    for flow in flow_counters(location, bridge):
        kind = Cookie.decode(flow.cookie).kind
        if kind.is_drop:
            found[kind.meaning] += flow.packets
    return +found


def _sockets(location: SwitchLocation) -> str:
    entered = ["ip", "netns", "exec", location.namespace] if location.namespace else []
    return subprocess.run([*entered, "ss", "-0me"], capture_output=True, text=True, timeout=10, check=False).stdout

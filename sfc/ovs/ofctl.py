"""``ovs-ofctl`` for people: a bridge's flows, and how they differ from intended ones, as text.

Its only input is what :mod:`sfc.model.flows` writes from typed values, handed over on standard input, so that nothing
an outsider chose becomes an argument or a line of a flow file. Flows are written by :mod:`sfc.ovs.openflow`.
"""

from __future__ import annotations

from sfc.model.flows import FlowTables
from sfc.ovs.location import SwitchLocation

_OPTIONS = ("-O", "OpenFlow15", "--no-names")


def dump_flows(location: SwitchLocation, bridge: str, *, timeout: float = 20.0) -> str:
    """All flows with their counters."""
    return _ofctl(location, bridge, "dump-flows", timeout=timeout)


def diff_flows(
    location: SwitchLocation, bridge: str, tables: FlowTables, *, timeout: float = 20.0
) -> tuple[list[str], list[str]]:
    """Lines of the intended flow file that the bridge lacks, and lines of the bridge that nobody intended."""
    text = _ofctl(location, bridge, "diff-flows", "/dev/stdin", text=tables.flow_text(), good=(0, 2), timeout=timeout)
    lines = text.splitlines()
    return [line[1:] for line in lines if line.startswith("+")], [line[1:] for line in lines if line.startswith("-")]


def _ofctl(
    location: SwitchLocation,
    bridge: str,
    command: str,
    *arguments: str,
    timeout: float,
    text: str = "",
    good: tuple[int, ...] = (0,),
) -> str:
    switch = f"unix:{location.management_socket(bridge)}"
    return location.run(
        "ovs-ofctl", *_OPTIONS, command, switch, *arguments, timeout=timeout, text=text, good=good
    ).stdout

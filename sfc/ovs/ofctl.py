"""OpenFlow by way of ``ovs-ofctl``: programs, compares and reads one bridge's tables as text.

Its only input is what :mod:`sfc.model.flows` writes from typed values, handed over on standard input, so that nothing
an outsider chose becomes an argument or a line of a flow file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sfc.model.flows import FlowTables
from sfc.ovs.location import SwitchLocation

_VERSION = ("-O", "OpenFlow15")
_METER = re.compile(r"\bmeter=(\d+)")
TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class TableDifference:
    """Lines of the intended flow file that the bridge lacks, and lines of the bridge that nobody intended."""

    missing: tuple[str, ...]
    foreign: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.missing or self.foreign)


def replace_tables(location: SwitchLocation, bridge: str, tables: FlowTables, *, timeout: float = TIMEOUT_S) -> None:
    """Make the bridge's flows equal to ``tables`` in one bundle: all or nothing, unchanged flows keep their counters.

    Groups and meters that flows refer to come first. Raises the errors of :mod:`sfc.ovs.errors`.
    """
    present = {int(number) for number in _METER.findall(_ofctl(location, bridge, "dump-meters", timeout=timeout))}
    for meter in tables.meters:
        _ofctl(location, bridge, "mod-meter" if meter.id in present else "add-meter", meter.text(), timeout=timeout)
    for group in tables.groups:
        _ofctl(location, bridge, "--may-create", "mod-group", group.text(), timeout=timeout)
    _ofctl(location, bridge, "--bundle", "replace-flows", "-", timeout=timeout, text=tables.flow_text())


def compare_tables(
    location: SwitchLocation, bridge: str, tables: FlowTables, *, timeout: float = TIMEOUT_S
) -> TableDifference:
    """Where the bridge's flows differ from the intended ones."""
    text = _ofctl(location, bridge, "diff-flows", "/dev/stdin", timeout=timeout, text=tables.flow_text(), good=(0, 2))
    lines = [line for line in text.splitlines() if line[:1] in "+-"]
    return TableDifference(
        missing=tuple(line[1:] for line in lines if line.startswith("+")),
        foreign=tuple(line[1:] for line in lines if line.startswith("-")),
    )


def dump_flows(location: SwitchLocation, bridge: str, *, timeout: float = TIMEOUT_S) -> str:
    """All flows with their counters, as ``ovs-ofctl`` prints them."""
    return dump(location, bridge, "dump-flows", timeout=timeout)


def dump(location: SwitchLocation, bridge: str, what: str, *, timeout: float = TIMEOUT_S) -> str:
    """The text of ``dump-ports``, ``dump-groups``, ``dump-meters``, ``meter-stats`` or ``dump-group-stats``."""
    return _ofctl(location, bridge, "--no-names", what, timeout=timeout)


def flow_actions(location: SwitchLocation, bridge: str, cookie: int, *, timeout: float = TIMEOUT_S) -> str:
    """The actions of the flow with this cookie, empty when there is none."""
    text = _ofctl(location, bridge, "--no-names", "dump-flows", f"cookie={cookie:#x}/-1", timeout=timeout)
    lines = [line for line in text.splitlines() if "actions=" in line]
    return lines[0].rpartition("actions=")[2] if lines else ""


def clear_tables(location: SwitchLocation, bridge: str, *, timeout: float = TIMEOUT_S) -> None:
    """Delete all flows, groups and meters."""
    for command in ("del-flows", "del-groups", "del-meters"):
        _ofctl(location, bridge, command, timeout=timeout)


def _ofctl(
    location: SwitchLocation, bridge: str, *words: str, timeout: float, text: str = "", good: tuple[int, ...] = (0,)
) -> str:
    """``words``: options, the command's name, then what follows the bridge."""
    options = [word for word in words if word.startswith("--")]
    command, *rest = (word for word in words if not word.startswith("--"))
    switch = f"unix:{location.management_socket(bridge)}"
    return location.run(
        "ovs-ofctl", *_VERSION, *options, command, switch, *rest, timeout=timeout, text=text, good=good
    ).stdout

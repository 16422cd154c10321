"""Wishes about a switch's bridges and ports, each true or made true.

A command looks at a snapshot and yields the operations that are missing, each guarded by what the command relied on:
when another writer was faster, the whole transaction aborts and is planned anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from sfc.ovs.location import check_identifier
from sfc.ovs.rows import Operation, Row, delete_reference, expect, insert, insert_reference, named, to_map
from sfc.ovs.switch_state import BridgeState, PortState, Snapshot

PROTOCOLS = ("OpenFlow10", "OpenFlow13", "OpenFlow14", "OpenFlow15")
OFPORT_MAX = 0xFEFF  # above are the reserved ports
INTERFACE_NAME_MAX = 15  # IFNAMSIZ - 1


class WrongBridge(ValueError):
    """The port is already on another bridge."""


class Command(Protocol):
    """One wish about the switch."""

    @property
    def touches(self) -> tuple[str, ...]:
        """Ports that must be without error afterwards."""

    def operations(self, now: Snapshot) -> Iterator[Operation]:
        """What is missing; nothing when the wish is already true."""


@dataclass(frozen=True, slots=True)
class EnsureBridge:
    """A bridge with its internal port of the same name; maps are merged into what is there."""

    name: str
    datapath_type: str = "netdev"
    fail_mode: str = "secure"
    protocols: tuple[str, ...] = PROTOCOLS
    other_config: Mapping[str, str] = field(default_factory=dict)
    external_ids: Mapping[str, str] = field(default_factory=dict)
    mtu: int | None = None
    """Of its internal port, in octets."""

    def __post_init__(self) -> None:
        _check_device("bridge", self.name)
        if self.fail_mode not in ("secure", "standalone"):
            raise ValueError(f"fail mode {self.fail_mode!r} is neither secure nor standalone")

    @property
    def touches(self) -> tuple[str, ...]:
        return (self.name,)

    def operations(self, now: Snapshot) -> Iterator[Operation]:
        present = now.bridges.get(self.name)
        interface = {} if self.mtu is None else {"mtu_request": self.mtu}
        if present is None:
            yield expect("Bridge", self.name, exists=False)
            yield from _insert_port(self.name, {"type": "internal", **interface})
            yield insert(
                "Bridge",
                _handle_name("b", self.name),
                {"name": self.name, "ports": _handle("p", self.name), **self._row(None)},
            )
            yield insert_reference("Open_vSwitch", [], "bridges", _handle("b", self.name))
            return
        yield from _update("Bridge", self.name, _differences(self._row(present), _bridge_row(present)))
        if self.mtu is not None and now.ports[self.name].requested_mtu != self.mtu:
            yield from _update("Interface", self.name, interface)

    def _row(self, present: BridgeState | None) -> Row:
        return {
            "datapath_type": self.datapath_type,
            "fail_mode": self.fail_mode,
            "protocols": ["set", sorted(self.protocols)],
            "other_config": to_map({**(present.other_config if present else {}), **self.other_config}),
            "external_ids": to_map({**(present.external_ids if present else {}), **self.external_ids}),
        }


@dataclass(frozen=True, slots=True)
class RemoveBridge:
    """The bridge and all its ports are gone."""

    name: str

    @property
    def touches(self) -> tuple[str, ...]:
        return ()

    def operations(self, now: Snapshot) -> Iterator[Operation]:
        if present := now.bridges.get(self.name):
            yield delete_reference("Open_vSwitch", [], "bridges", present.uuid)


@dataclass(frozen=True, slots=True)
class EnsurePort:
    """A port of one interface on a bridge.

    ``type`` is empty for a network device of the system, else ``internal``, ``vxlan`` and so on. ``options`` replace
    those that are there, ``external_ids`` are merged. ``ofport`` asks for an OpenFlow number: one that is taken is an
    error, and not another number. ``mtu`` in octets. ``bfd`` replaces the column of that name of
    ``ovs-vswitchd.conf.db(5)``; None leaves it alone.
    """

    bridge: str
    name: str
    ofport: int | None = None
    type: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    external_ids: Mapping[str, str] = field(default_factory=dict)
    mtu: int | None = None
    bfd: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        _check_device("bridge", self.bridge)
        _check_device("port", self.name)
        if self.ofport is not None and not 1 <= self.ofport <= OFPORT_MAX:
            raise ValueError(f"port {self.name}: OpenFlow number {self.ofport} is not in 1..{OFPORT_MAX}")

    @property
    def touches(self) -> tuple[str, ...]:
        return (self.name,)

    def operations(self, now: Snapshot) -> Iterator[Operation]:
        present = now.ports.get(self.name)
        if present is None:
            yield expect("Bridge", self.bridge, exists=True)
            yield expect("Port", self.name, exists=False)
            yield from _insert_port(self.name, self._row(None))
            yield insert_reference("Bridge", named(self.bridge), "ports", _handle("p", self.name))
            return
        if present.bridge != self.bridge:
            raise WrongBridge(f"port {self.name} is on {present.bridge}, not on {self.bridge}")
        yield from _update("Interface", self.name, _differences(self._row(present), _port_row(present)))

    def _row(self, present: PortState | None) -> Row:
        row: Row = {
            "type": self.type,
            "options": to_map(self.options),
            "external_ids": to_map({**(present.external_ids if present else {}), **self.external_ids}),
        }
        if self.ofport is not None:
            row["ofport_request"] = self.ofport
        if self.mtu is not None:
            row["mtu_request"] = self.mtu
        if self.bfd is not None:
            row["bfd"] = to_map(self.bfd)
        return row


@dataclass(frozen=True, slots=True)
class RemovePort:
    """The port is gone; its network device, if the system's, stays."""

    name: str

    @property
    def touches(self) -> tuple[str, ...]:
        return ()

    def operations(self, now: Snapshot) -> Iterator[Operation]:
        if present := now.ports.get(self.name):
            yield delete_reference("Bridge", named(present.bridge), "ports", present.uuid)
            if present.max_rate_bps:
                yield from _forget_limit(self.name)
                yield _set_limit(self.name, _NONE)


@dataclass(frozen=True, slots=True)
class LimitPort:
    """What the switch sends to a port of the system's is no more than a bit rate (QoS ``linux-htb``); 0: no limit."""

    name: str
    max_rate_bps: int

    def __post_init__(self) -> None:
        _check_device("port", self.name)
        if self.max_rate_bps < 0:
            raise ValueError(f"port {self.name}: a rate of {self.max_rate_bps} bit/s is less than nothing")

    @property
    def touches(self) -> tuple[str, ...]:
        return ()

    def operations(self, now: Snapshot) -> Iterator[Operation]:
        present = now.ports.get(self.name)
        if present is None or present.max_rate_bps == self.max_rate_bps:
            return
        yield expect("Port", self.name, exists=True)
        yield from _forget_limit(self.name)
        limit = _NONE
        if self.max_rate_bps:
            rate = {"other_config": to_map({"max-rate": str(self.max_rate_bps)}), "external_ids": _limit_of(self.name)}
            queues = ["map", [[0, _handle("q", self.name)]]]
            yield insert("Queue", _handle_name("q", self.name), rate)
            yield insert("QoS", _handle_name("l", self.name), {**rate, "type": "linux-htb", "queues": queues})
            limit = _handle("l", self.name)
        yield _set_limit(self.name, limit)


_NONE: list[Any] = ["set", []]


def _set_limit(name: str, limit: list[Any]) -> Operation:
    return {"op": "update", "table": "Port", "where": named(name), "row": {"qos": limit}}


def _limit_of(name: str) -> list[Any]:
    return to_map({"limits-port": name})


def _forget_limit(name: str) -> Iterator[Operation]:
    """Rows of the tables QoS and Queue stay until they are deleted."""
    for table in ("QoS", "Queue"):
        yield {"op": "delete", "table": table, "where": [["external_ids", "includes", _limit_of(name)]]}


@dataclass(frozen=True, slots=True)
class SetSwitchConfig:
    """Keys of ``other_config`` of the switch as a whole have these values; others stay."""

    values: Mapping[str, str]

    @property
    def touches(self) -> tuple[str, ...]:
        return ()

    def operations(self, now: Snapshot) -> Iterator[Operation]:
        missing = {key: value for key, value in self.values.items() if now.other_config.get(key) != value}
        if missing:
            keys = ["set", sorted(missing)]
            changes = [["other_config", "delete", keys], ["other_config", "insert", to_map(missing)]]
            yield {"op": "mutate", "table": "Open_vSwitch", "where": [], "mutations": changes}


def _check_device(kind: str, name: str) -> None:
    check_identifier(kind, name)
    if len(name) > INTERFACE_NAME_MAX:
        raise ValueError(f"{kind} name {name!r} is longer than {INTERFACE_NAME_MAX} characters")


def _handle(kind: str, name: str) -> list[Any]:
    return ["named-uuid", _handle_name(kind, name)]


def _handle_name(kind: str, name: str) -> str:
    return f"{kind}_{name.encode().hex()}"


def _insert_port(name: str, interface: Row) -> Iterator[Operation]:
    yield insert("Interface", _handle_name("i", name), {"name": name, **interface})
    yield insert("Port", _handle_name("p", name), {"name": name, "interfaces": _handle("i", name)})


def _update(table: str, name: str, changes: Row) -> Iterator[Operation]:
    if changes:
        yield expect(table, name, exists=True)
        yield {"op": "update", "table": table, "where": named(name), "row": changes}


def _differences(wanted: Row, present: Row) -> Row:
    return {column: value for column, value in wanted.items() if value != present[column]}


def _bridge_row(bridge: BridgeState) -> Row:
    return {
        "datapath_type": bridge.datapath_type,
        "fail_mode": bridge.fail_mode,
        "protocols": ["set", sorted(bridge.protocols)],
        "other_config": to_map(bridge.other_config),
        "external_ids": to_map(bridge.external_ids),
    }


def _port_row(port: PortState) -> Row:
    return {
        "type": port.type,
        "options": to_map(port.options),
        "external_ids": to_map(port.external_ids),
        "ofport_request": port.requested_ofport,
        "mtu_request": port.requested_mtu,
        "bfd": to_map(port.bfd),
    }

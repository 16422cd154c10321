"""What the database of one switch holds, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sfc.ovs.rows import Operation, Row, from_map, from_set, optional, select, uuid_of

_INTERFACE_COLUMNS = (
    "_uuid name type ofport ofport_request mtu mtu_request mac_in_use link_state error options external_ids bfd "
    "statistics"
)
_BRIDGE_COLUMNS = "_uuid name datapath_type fail_mode protocols other_config external_ids ports"


@dataclass(frozen=True, slots=True)
class PortState:
    """A port with its one interface. ``ofport`` is ``None`` until it has one; ``error`` says why it never will."""

    name: str
    bridge: str
    uuid: str
    """Of the row in the table Port."""
    ofport: int | None
    type: str = ""
    mtu: int | None = None
    mac: str = ""
    link_up: bool | None = None
    error: str = ""
    requested_ofport: int | None = None
    requested_mtu: int | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    external_ids: Mapping[str, str] = field(default_factory=dict)
    bfd: Mapping[str, str] = field(default_factory=dict)
    """Configuration of bidirectional forwarding detection; empty without."""
    statistics: Mapping[str, int] = field(default_factory=dict)
    """As of the switch's last update, up to 5 s old; :func:`sfc.ovs.stats.port_counters` is exact."""
    max_rate_bps: int = 0
    """What the switch sends to it at most, in bit/s; 0 without a limit."""


@dataclass(frozen=True, slots=True)
class BridgeState:
    """A bridge; ``ports`` are names, its own internal port among them."""

    name: str
    uuid: str
    datapath_type: str
    fail_mode: str
    protocols: tuple[str, ...]
    other_config: Mapping[str, str]
    external_ids: Mapping[str, str]
    ports: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything at one moment, by name."""

    bridges: Mapping[str, BridgeState]
    ports: Mapping[str, PortState]
    other_config: Mapping[str, str]
    """Of the switch as a whole."""


def snapshot_operations() -> list[Operation]:
    """The reads that :func:`read_snapshot` understands the results of."""
    return [
        select("Bridge", *_BRIDGE_COLUMNS.split()),
        select("Port", "_uuid", "name", "interfaces", "qos"),
        select("Interface", *_INTERFACE_COLUMNS.split()),
        select("Open_vSwitch", "other_config"),
        select("QoS", "_uuid", "other_config"),
    ]


def read_snapshot(results: list[dict[str, Any]]) -> Snapshot:
    """Join the tables. Bonds (ports of several interfaces) are none of ours: their first interface stands for all."""
    bridges, ports, interfaces, switch, qualities = (result["rows"] for result in results)
    rates = {uuid_of(row["_uuid"]): int(from_map(row["other_config"]).get("max-rate", 0)) for row in qualities}
    interface_by_uuid = {uuid_of(row["_uuid"]): row for row in interfaces}
    port_by_uuid = {uuid_of(row["_uuid"]): row for row in ports}
    port_states: dict[str, PortState] = {}
    bridge_states: dict[str, BridgeState] = {}
    for bridge in bridges:
        members = [port_by_uuid[uuid_of(item)] for item in from_set(bridge["ports"])]
        bridge_states[bridge["name"]] = _bridge(bridge, tuple(sorted(str(port["name"]) for port in members)))
        for port in members:
            row = interface_by_uuid[uuid_of(from_set(port["interfaces"])[0])]
            port_states[port["name"]] = _port(port, row, str(bridge["name"]), rates)
    return Snapshot(bridge_states, port_states, from_map(switch[0]["other_config"]) if switch else {})


def _bridge(row: Row, ports: tuple[str, ...]) -> BridgeState:
    return BridgeState(
        name=row["name"],
        uuid=uuid_of(row["_uuid"]),
        datapath_type=row["datapath_type"],
        fail_mode=optional(row["fail_mode"]) or "",
        protocols=tuple(sorted(from_set(row["protocols"]))),
        other_config=from_map(row["other_config"]),
        external_ids=from_map(row["external_ids"]),
        ports=ports,
    )


def _port(port: Row, row: Row, bridge: str, rates: Mapping[str, int]) -> PortState:
    quality = optional(port["qos"])
    ofport = optional(row["ofport"])
    link = optional(row["link_state"])
    return PortState(
        name=port["name"],
        bridge=bridge,
        uuid=uuid_of(port["_uuid"]),
        ofport=ofport if ofport is not None and ofport > 0 else None,
        type=row["type"],
        mtu=optional(row["mtu"]),
        mac=optional(row["mac_in_use"]) or "",
        link_up=None if link is None else link == "up",
        error=optional(row["error"]) or "",
        requested_ofport=optional(row["ofport_request"]),
        requested_mtu=optional(row["mtu_request"]),
        options=from_map(row["options"]),
        external_ids=from_map(row["external_ids"]),
        bfd=from_map(row["bfd"]),
        statistics=from_map(row["statistics"]),
        max_rate_bps=rates.get(uuid_of(quality), 0) if quality else 0,
    )

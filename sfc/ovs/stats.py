"""Counters of a bridge, settled before they are read.

Datapath counters reach the flows with a delay of up to a second; ``revalidator/wait`` ends it. Around a change of a
flow's actions, pending counts are credited to the new flow: compare counters only over times without a change.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sfc.ovs.control import ask
from sfc.ovs.location import SwitchLocation
from sfc.ovs.ofctl import TIMEOUT_S, dump, dump_flows

_FLOW = re.compile(
    r"cookie=(?P<cookie>0x[0-9a-f]+),.*? table=(?P<table>\d+), n_packets=(?P<packets>\d+), n_bytes=(?P<bytes>\d+)"
)
_PORT = re.compile(
    r"port +(?P<ofport>\d+): rx pkts=(?P<rx_packets>\d+), bytes=(?P<rx_bytes>\d+), drop=(?P<rx_dropped>[\d?]+).*\n"
    r" +tx pkts=(?P<tx_packets>\d+), bytes=(?P<tx_bytes>\d+), drop=(?P<tx_dropped>[\d?]+)"
)
_METER = re.compile(r"meter:(\d+) .*?packet_in_count:(\d+) .*?bands:\s*0: packet_count:(\d+)", re.DOTALL)
_GROUP = re.compile(r"group_id=(?P<id>\d+),.*?packet_count=(?P<packets>\d+),byte_count=(?P<bytes>\d+)(?P<buckets>.*)")
_BUCKET = re.compile(r"bucket\d+:packet_count=(\d+),byte_count=(\d+)")


@dataclass(frozen=True, slots=True)
class FlowCounter:
    """What one flow has matched."""

    cookie: int
    table: int
    packets: int
    bytes: int


@dataclass(frozen=True, slots=True)
class PortCounter:
    """What went through one port, as the switch sees it: received from it, transmitted to it."""

    rx_packets: int
    rx_bytes: int
    rx_dropped: int
    tx_packets: int
    tx_bytes: int
    tx_dropped: int


@dataclass(frozen=True, slots=True)
class MeterCounter:
    """Packets that came to a meter and those that it dropped."""

    packets: int
    dropped: int


@dataclass(frozen=True, slots=True)
class GroupCounter:
    """Packets and octets through a group, and packets of each bucket."""

    packets: int
    bytes: int
    bucket_packets: tuple[int, ...]


def settle(location: SwitchLocation, *, timeout: float = 10.0) -> None:
    """Return when every datapath counter has been added to its flow."""
    ask(location, "revalidator/wait", timeout=timeout)


def flow_counters(location: SwitchLocation, bridge: str, *, timeout: float = TIMEOUT_S) -> tuple[FlowCounter, ...]:
    """Settled counters of every flow, in table order."""
    settle(location, timeout=timeout)
    found = (_FLOW.search(line) for line in dump_flows(location, bridge, timeout=timeout).splitlines())
    return tuple(
        FlowCounter(int(each["cookie"], 16), int(each["table"]), int(each["packets"]), int(each["bytes"]))
        for each in found
        if each is not None
    )


def port_counters(location: SwitchLocation, bridge: str, *, timeout: float = TIMEOUT_S) -> Mapping[int, PortCounter]:
    """Exact counters by OpenFlow port number; a counter that the device does not keep is 0."""
    return {
        int(each["ofport"]): PortCounter(
            **{key: 0 if text == "?" else int(text) for key, text in each.groupdict().items() if key != "ofport"}
        )
        for each in _PORT.finditer(dump(location, bridge, "dump-ports", timeout=timeout))
    }


def meter_counters(location: SwitchLocation, bridge: str, *, timeout: float = TIMEOUT_S) -> Mapping[int, MeterCounter]:
    """Counters by meter number."""
    text = dump(location, bridge, "meter-stats", timeout=timeout)
    return {int(meter): MeterCounter(int(total), int(over)) for meter, total, over in _METER.findall(text)}


def group_counters(location: SwitchLocation, bridge: str, *, timeout: float = TIMEOUT_S) -> Mapping[int, GroupCounter]:
    """Settled counters by group number."""
    settle(location, timeout=timeout)
    text = dump(location, bridge, "dump-group-stats", timeout=timeout)
    return {
        int(each["id"]): GroupCounter(
            int(each["packets"]),
            int(each["bytes"]),
            tuple(int(packets) for packets, _ in _BUCKET.findall(each["buckets"])),
        )
        for each in _GROUP.finditer(text)
    }

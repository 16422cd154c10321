"""What the switch itself says it would do with a packet: ``ofproto/trace``, read and continued.

Open vSwitch ends a trace where a decap recirculates the packet. :func:`trace` goes on from there: it asks the switch
for the rest of the flow's actions and traces the packet inside through them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from ipaddress import IPv4Address

from sfc.model.fields import PACKET_TYPE_ETHERNET, Field
from sfc.ovs.control import ask
from sfc.ovs.errors import SwitchRefused
from sfc.ovs.location import SwitchLocation, check_identifier
from sfc.ovs.messages import table_behind_decap
from sfc.ovs.openflow import OpenFlow
from sfc.ovs.packet import packet_text

_HIT = re.compile(
    r"^ *(?P<table>\d+)\. (?:(?P<match>.*), )?priority (?P<priority>\d+)(?:, cookie (?P<cookie>0x[0-9a-f]+))?$"
)
_MISS = re.compile(r"^ *(?P<table>\d+)\. No match\.")
_BRIDGE = re.compile(r'^bridge\("(?P<name>[^"]+)"\)$')
_ACTION = re.compile(r"^ {4,}(?P<text>\S.*)$")
_NOTE = re.compile(r"^ +(?:->|>>) ?(?P<text>.*)$")
_OUTPUT = re.compile(r"output:(\d+)$")
_IN_PORT = re.compile(r"\bin_port=(\d+)")
_PEER = re.compile(r"tunneling to (\d+\.\d+\.\d+\.\d+) via")
_REGISTER = re.compile(r"\b(reg[0-3])=(0x[0-9a-f]+)")
_NSH = re.compile(r"\b(nsh_(?:flags|ttl|mdtype|np|spi|si|c[1-4]))=(0x[0-9a-f]+|\d+)")
_CONTINUATIONS_MAX = 8


class Verdict(StrEnum):
    """How the packet left the bridge."""

    OUTPUT = "output"
    TUNNEL = "tunnel"
    DROP = "drop"
    DECAPSULATED = "decapsulated"
    """The trace ends where NSH comes off; the packet inside was not given."""


@dataclass(frozen=True, slots=True)
class TraceHit:
    """One table that the packet met. ``cookie`` 0 is a flow without one."""

    table: int
    priority: int
    cookie: int
    match: str
    actions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Trace:
    """A packet's whole way through one bridge.

    ``outputs`` are OpenFlow ports, the tunnel port among them; ``peer`` is the underlay address that a tunnelled packet
    goes to. ``nsh`` are the NSH fields with which it leaves, empty when it leaves without. ``notes`` are the switch's
    remarks (a suppressed output, an untracked connection).
    """

    bridge: str
    hits: tuple[TraceHit, ...]
    verdict: Verdict
    outputs: tuple[int, ...]
    peer: IPv4Address | None
    nsh: Mapping[str, int]
    registers: Mapping[str, int]
    notes: tuple[str, ...]
    text: str

    @property
    def cookies(self) -> tuple[int, ...]:
        return tuple(hit.cookie for hit in self.hits)


def trace(
    location: SwitchLocation,
    bridge: str,
    packet: Mapping[Field, int],
    *,
    inner: Mapping[Field, int] | None = None,
    timeout: float = 10.0,
) -> Trace:
    """Trace ``packet`` from table 0.

    ``inner`` describes what an NSH packet carries; of a packet that begins as Ethernet it is the packet itself.
    Without it the trace ends at the first decap (:attr:`Verdict.DECAPSULATED`). Connections count as new.
    Raises the errors of :mod:`sfc.ovs.errors`.
    """
    check_identifier("bridge", bridge)
    if inner is None and packet.get(Field.PACKET_TYPE, PACKET_TYPE_ETHERNET) == PACKET_TYPE_ETHERNET:
        inner = packet
    first = parse_trace(ask(location, "ofproto/trace", bridge, packet_text(packet), timeout=timeout), bridge)
    return _continue(location, first, inner, timeout)


def _continue(location: SwitchLocation, so_far: Trace, inner: Mapping[Field, int] | None, timeout: float) -> Trace:
    for _ in range(_CONTINUATIONS_MAX):
        if so_far.verdict is not Verdict.DECAPSULATED or inner is None or Field.NSH_SPI in inner:
            return so_far
        table = _table_behind(location, so_far, timeout)
        if table is None:
            return so_far
        registers = "".join(f"set_field:{value:#x}->{name}," for name, value in so_far.registers.items())
        answer = ask(
            location,
            "ofproto/trace-packet-out",
            so_far.bridge,
            packet_text(inner),
            f"{registers}resubmit(,{table})",
            timeout=timeout,
        )
        so_far = _join(so_far, parse_trace(answer, so_far.bridge))
    raise SwitchRefused(location.host, f"the packet was decapsulated more than {_CONTINUATIONS_MAX} times")


def _table_behind(location: SwitchLocation, so_far: Trace, timeout: float) -> int | None:
    with OpenFlow(location, so_far.bridge, timeout=timeout) as switch:
        last = [flow for flow in switch.flows(so_far.hits[-1].cookie) if flow.table == so_far.hits[-1].table]
    return table_behind_decap(last[0].instructions) if last else None


def _join(first: Trace, second: Trace) -> Trace:
    return replace(
        second,
        hits=first.hits + second.hits,
        outputs=first.outputs + second.outputs,
        peer=second.peer or first.peer,
        notes=first.notes + second.notes,
        text=f"{first.text}\n{second.text}",
    )


def parse_trace(text: str, bridge: str) -> Trace:
    """Read the text of one ``ofproto/trace``; only what happens on ``bridge`` itself counts."""
    walk = _Walk(bridge)
    for line in text.splitlines():
        walk.read(line)
    nsh = {name: int(value, 0) for name, value in _NSH.findall(walk.final)} if walk.outputs else {}
    return Trace(
        bridge=bridge,
        hits=tuple(walk.hits),
        verdict=walk.verdict(),
        outputs=tuple(walk.outputs),
        peer=walk.peer,
        nsh=nsh,
        registers={name: int(value, 0) for name, value in _REGISTER.findall(walk.final)},
        notes=tuple(walk.notes),
        text=text,
    )


class _Walk:
    """Reads a trace line by line."""

    def __init__(self, bridge: str) -> None:
        self._bridge = bridge
        self._here = False
        self._in_port = 0
        self.hits: list[TraceHit] = []
        self.outputs: list[int] = []
        self.notes: list[str] = []
        self.peer: IPv4Address | None = None
        self.final = ""
        self._datapath = ""

    def read(self, line: str) -> None:
        if line.startswith("Flow:"):
            self.final = line
            entered_by = _IN_PORT.search(line)
            self._in_port = int(entered_by.group(1)) if entered_by else 0
        elif line.startswith("Final flow:"):
            self.final = self.final if line.endswith("unchanged") else line
            self._here = False
        elif line.startswith("Datapath actions:"):
            self._datapath = line.partition(":")[2].strip()
        elif entered := _BRIDGE.match(line):
            self._here = entered["name"] == self._bridge
        elif self._here:
            self._read_step(line)

    def _read_step(self, line: str) -> None:
        if hit := _HIT.match(line):
            cookie = int(hit["cookie"] or "0", 0)
            self.hits.append(TraceHit(int(hit["table"]), int(hit["priority"]), cookie, hit["match"] or ""))
        elif note := _NOTE.match(line):
            self._read_note(note["text"], failed=">>" in line)
        elif action := _ACTION.match(line):
            self._read_action(action["text"])
        elif _MISS.match(line):
            self.notes.append(line.strip())

    def _read_note(self, text: str, failed: bool) -> None:
        self.notes.append(text)
        if peer := _PEER.search(text):
            self.peer = IPv4Address(peer.group(1))
        if failed and self.outputs:
            self.outputs.pop()  # the switch says that it does not do it

    def _read_action(self, text: str) -> None:
        if self.hits:
            last = self.hits[-1]
            self.hits[-1] = replace(last, actions=(*last.actions, text))
        if output := _OUTPUT.search(text):
            self.outputs.append(int(output.group(1)))
        elif text == "IN_PORT":
            self.outputs.append(self._in_port)

    def verdict(self) -> Verdict:
        if self.peer is not None:
            return Verdict.TUNNEL
        if self.outputs:
            return Verdict.OUTPUT
        last = self.hits[-1].actions[-1:] if self.hits else ()
        if last == ("decap()",) and "recirc(" in self._datapath:
            return Verdict.DECAPSULATED
        return Verdict.DROP

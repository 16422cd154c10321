"""An OpenFlow 1.5 controller's side of one bridge, as small as programming flow tables needs it.

It speaks on the bridge's management socket, which never flushes flows when connections come and go. With a
``generation`` it becomes MASTER first: the switch then refuses every older server that had the same right, which no
database lease can do for a write that is already on its way.
"""

from __future__ import annotations

import itertools
import select
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeVar

from sfc.model.fields import Field, FieldMatch
from sfc.model.flows import FlowTables
from sfc.ovs.errors import SwitchRefused, SwitchTimeout
from sfc.ovs.jsonrpc import connect_unix
from sfc.ovs.location import SwitchLocation, unreachable
from sfc.ovs.messages import (
    VERSION,
    EncodedFlow,
    Message,
    Type,
    add_flow,
    bundled,
    delete_flow,
    delete_group,
    delete_meter,
    group_octets,
    set_group,
    set_meter,
)
from sfc.ovs.ofctl import diff_flows
from sfc.ovs.oxm import join_match, match_parts
from sfc.ovs.replies import (
    GroupCounter,
    InstalledFlow,
    Malformed,
    MeterCounter,
    Multipart,
    PortCounter,
    error_text,
    read_flows,
    read_group_buckets,
    read_groups,
    read_meter_ids,
    read_meters,
    read_ports,
)

T = TypeVar("T")

TIMEOUT_S = 20.0
_HELLO_VERSIONS = struct.pack("!HHI", 1, 8, 1 << VERSION)  # section 7.5.1: a bitmap of versions, ours alone
_ROLE_MASTER = 2
_BUNDLE_OPEN, _BUNDLE_COMMIT = 0, 4
_BUNDLE_FLAGS = 3  # atomic and ordered
_ALL = 0xFFFFFFFF
_ALL_TABLES = 0xFF
_WHOLE_COOKIE = (1 << 64) - 1
_ALL_METERS, _ALL_GROUPS = 0xFFFFFFFF, 0xFFFFFFFC
_MORE = 1
_NO_BUFFER = 0xFFFFFFFF
_PORT_TABLE = 0xFFFFFFF9  # OFPP_TABLE: the first table, as for a packet that comes in
_PIECE = 1 << 16  # octets
_TYPES = {int(each): each for each in Type}


class OpenFlow:
    """One connection, for one thread and one piece of work; ``timeout`` in seconds covers all of it."""

    def __init__(self, location: SwitchLocation, bridge: str, *, timeout: float = TIMEOUT_S) -> None:
        self._host = location.host
        self._bridge = bridge
        self._deadline = time.monotonic() + timeout
        self._xids = itertools.count(1)
        self._received = bytearray()
        self._socket = connect_unix(location.host, location.management_socket(bridge), timeout)
        self._socket.setblocking(False)
        try:
            self._greet()
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def become_master(self, generation: int) -> None:
        """Claim the bridge; :class:`SwitchRefused` when a server with a higher generation has it."""
        self._ask(Message(Type.ROLE_REQUEST, struct.pack("!IHxxQ", _ROLE_MASTER, 0, generation), "the role master"))

    def commit(self, messages: Iterable[Message]) -> None:
        """Carry out all modifications or none (section 6.9); :class:`SwitchRefused` says which one failed.

        What an iterator makes goes out in pieces, so that the switch reads while the rest is made.
        """
        bundle = 1
        self._ask(_bundle_control(bundle, _BUNDLE_OPEN))
        about: dict[int, object] = {}
        octets = bytearray()
        for message in messages:
            xid = next(self._xids)
            about[xid] = message.about
            octets += bundled(message, xid, bundle, _BUNDLE_FLAGS)
            if len(octets) >= _PIECE:
                self._send(octets)
                octets.clear()
        # A message that the bundle refuses does not keep the switch from committing the others: look first.
        barrier = next(self._xids)
        self._send(octets + Message(Type.BARRIER_REQUEST, b"").encode(barrier))
        self._answer(barrier, about)
        last = next(self._xids)
        self._send(_bundle_control(bundle, _BUNDLE_COMMIT).encode(last))
        self._answer(last, about)

    def send(self, messages: Iterable[Message]) -> None:
        """Carry out modifications one by one, without a bundle, and wait for the last."""
        about = {next(self._xids): message for message in messages}
        self._send(b"".join(message.encode(xid) for xid, message in about.items()))
        barrier = next(self._xids)
        self._send(Message(Type.BARRIER_REQUEST, b"").encode(barrier))
        self._answer(barrier, {xid: message.about for xid, message in about.items()})

    def packet_out(self, ofport: int, frame: bytes) -> None:
        """Send a frame through the tables as if it had come in by a port (section 7.3.6)."""
        match = join_match(match_parts((FieldMatch(Field.IN_PORT, ofport),)))
        action = struct.pack("!HHIH6x", 0, 16, _PORT_TABLE, 0)
        body = struct.pack("!IH2x", _NO_BUFFER, len(action)) + match + action + frame
        self.send([Message(Type.PACKET_OUT, body, "a packet")])

    def request(self, kind: Multipart, body: bytes = b"") -> list[bytes]:
        """The parts of a multipart reply (section 7.3.5)."""
        xid = next(self._xids)
        self._send(Message(Type.MULTIPART_REQUEST, struct.pack("!HHI", kind, 0, 0) + body).encode(xid))
        parts = []
        while True:
            reply = self._answer(xid)
            parts.append(reply[8:])
            if not struct.unpack_from("!H", reply, 2)[0] & _MORE:
                return parts

    def flows(
        self, cookie: int | None = None, *, table: int | None = None, match: Iterable[FieldMatch] = ()
    ) -> list[InstalledFlow]:
        """Every flow of the bridge; or those with this cookie, of this table, that match at least all of ``match``."""
        chosen = (0, 0) if cookie is None else (cookie, _WHOLE_COOKIE)
        head = struct.pack("!B3xII4xQQ", _ALL_TABLES if table is None else table, _ALL, _ALL, *chosen)
        return list(self._read(Multipart.FLOW_DESCRIPTION, head + join_match(match_parts(match)), read_flows))

    def groups(self) -> dict[int, tuple[int, bytes]]:
        """Type and octets of the bridge's groups, by number."""
        return dict(self._read(Multipart.GROUP_DESCRIPTION, struct.pack("!I4x", _ALL_GROUPS), read_group_buckets))

    def group_ids(self) -> set[int]:
        """Numbers of the bridge's groups."""
        return set(self.groups())

    def meter_ids(self) -> set[int]:
        """Numbers of the bridge's meters."""
        return set(self._read(Multipart.METER_DESCRIPTION, struct.pack("!I4x", _ALL_METERS), read_meter_ids))

    def port_counters(self) -> dict[int, PortCounter]:
        """Counters by port number."""
        return dict(self._read(Multipart.PORT_STATISTICS, struct.pack("!I4x", _ALL), read_ports))

    def group_counters(self) -> dict[int, GroupCounter]:
        """Counters by group number."""
        return dict(self._read(Multipart.GROUP_STATISTICS, struct.pack("!I4x", _ALL_GROUPS), read_groups))

    def meter_counters(self) -> dict[int, MeterCounter]:
        """Counters by meter number."""
        return dict(self._read(Multipart.METER_STATISTICS, struct.pack("!I4x", _ALL_METERS), read_meters))

    def _read(self, kind: Multipart, body: bytes, reader: Callable[[bytes], Iterator[T]]) -> Iterator[T]:
        for part in self.request(kind, body):
            try:
                yield from reader(part)
            except (Malformed, struct.error) as error:
                raise SwitchRefused(self._host, f"{self._bridge}: its reply cannot be read: {error}") from None

    def _greet(self) -> None:
        self._send(Message(Type.HELLO, _HELLO_VERSIONS).encode(0))
        kind, _, body = self._receive()
        if kind is not Type.HELLO:
            raise SwitchRefused(self._host, f"{self._bridge}: {error_text(body)}", "the bridge must speak OpenFlow 1.5")

    def _ask(self, message: Message) -> None:
        xid = next(self._xids)
        self._send(message.encode(xid))
        self._answer(xid, {xid: message.about})

    def _answer(self, wanted: int, about: dict[int, object] | None = None) -> bytes:
        """The body of the reply to ``wanted``; an error to it or to one of ``about`` is raised."""
        failure: str | None = None
        while True:
            kind, xid, body = self._receive()
            if kind is Type.ERROR and failure is None and (xid == wanted or (about and xid in about)):
                what = str((about or {}).get(xid, ""))
                failure = f"{self._bridge}: {error_text(body)}{': ' + what if what else ''}"
            if xid == wanted and kind is not Type.ECHO_REQUEST:
                if failure is not None:
                    raise SwitchRefused(self._host, failure)
                return body

    def _send(self, octets: bytes | bytearray) -> None:
        """Send all, taking in meanwhile what the switch says: else both could wait for the other for ever."""
        rest = memoryview(octets)
        while rest:
            readable, writable, _ = select.select([self._socket], [self._socket], [], self._left())
            if not readable and not writable:
                raise self._late()
            if readable:
                self._take()
            if writable:
                try:
                    rest = rest[self._socket.send(rest) :]
                except BlockingIOError:
                    continue
                except OSError as error:
                    raise unreachable(self._host, f"{self._bridge}: {error.strerror}") from None

    def _receive(self) -> tuple[Type | None, int, bytes]:
        """The next message that is no echo: its type (None: one that we do not know), transaction and body."""
        while True:
            while len(self._received) < 8 or len(self._received) < _length(self._received):
                if not select.select([self._socket], [], [], self._left())[0]:
                    raise self._late()
                self._take()
            length = _length(self._received)
            kind, xid = self._received[1], int.from_bytes(self._received[4:8], "big")
            body = bytes(self._received[8:length])
            del self._received[:length]
            if kind == Type.ECHO_REQUEST:
                self._send(Message(Type.ECHO_REPLY, body).encode(xid))
                continue
            return _TYPES.get(kind), xid, body

    def _take(self) -> None:
        try:
            chunk = self._socket.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError as error:
            raise unreachable(self._host, f"{self._bridge}: {error.strerror}") from None
        if not chunk:
            raise unreachable(self._host, f"{self._bridge} closed the connection")
        self._received += chunk

    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise self._late()
        return left

    def _late(self) -> SwitchTimeout:
        return SwitchTimeout(self._host, f"{self._bridge} did not answer OpenFlow requests in time")


def _length(octets: bytearray) -> int:
    return max(8, int.from_bytes(octets[2:4], "big"))


def _bundle_control(bundle: int, kind: int) -> Message:
    return Message(Type.BUNDLE_CONTROL, struct.pack("!IHH", bundle, kind, _BUNDLE_FLAGS), "a bundle")


def replace_tables(
    location: SwitchLocation,
    bridge: str,
    tables: FlowTables,
    *,
    generation: int | None = None,
    timeout: float = TIMEOUT_S,
) -> int:
    """Make the bridge's flows, groups and meters equal to ``tables``; returns how many modifications that took.

    All flows and groups change in one atomic bundle; flows that are right already are not touched and keep their
    counters. What the datapath has cached of older flows may live on for half a second; :func:`sfc.ovs.stats.settle`
    waits for its end. ``generation`` fences off older servers. Raises the errors of :mod:`sfc.ovs.errors`.
    """
    with OpenFlow(location, bridge, timeout=timeout) as switch:
        if generation is not None:
            switch.become_master(generation)
        return make_equal(switch, tables)


def make_equal(switch: OpenFlow, tables: FlowTables) -> int:
    """As :func:`replace_tables`, on a connection that is there."""
    meters, groups = switch.meter_ids(), switch.groups()
    switch.send([set_meter(meter, meter.id in meters) for meter in tables.meters])
    wanted = {group.id for group in tables.groups}
    changes = [
        *(set_group(group) for group in tables.groups if groups.get(group.id) != group_octets(group)),
        *_flow_changes(tables, switch.flows()),
        *map(delete_group, sorted(groups.keys() - wanted)),
    ]
    if changes:
        switch.commit(changes)
    switch.send(map(delete_meter, sorted(meters - {meter.id for meter in tables.meters})))
    return len(changes)


def count_differences(switch: OpenFlow, tables: FlowTables) -> int:
    """How many modifications :func:`make_equal` would make; 0 when the bridge holds exactly the tables."""
    meters, groups = switch.meter_ids(), switch.groups()
    flows = sum(1 for _ in _flow_changes(tables, switch.flows()))
    wanted = {group.id: group_octets(group) for group in tables.groups}
    differing = sum(groups.get(number) != wanted.get(number) for number in groups.keys() | wanted.keys())
    return flows + differing + len(meters ^ {meter.id for meter in tables.meters})


@dataclass(frozen=True, slots=True)
class TableDifference:
    """Lines of the intended tables that the bridge lacks, and lines of the bridge that nobody intended."""

    missing: tuple[str, ...]
    foreign: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.missing or self.foreign)


def compare_tables(
    location: SwitchLocation, bridge: str, tables: FlowTables, *, timeout: float = TIMEOUT_S
) -> TableDifference:
    """Where the bridge's flows, its groups, and the presence of its meters differ from the intended tables."""
    with OpenFlow(location, bridge, timeout=timeout) as switch:
        differs = any(True for _ in _flow_changes(tables, switch.flows()))
        groups, meters = switch.groups(), switch.meter_ids()
    missing, foreign = diff_flows(location, bridge, tables, timeout=timeout) if differs else ([], [])
    missing += [group.text() for group in tables.groups if groups.get(group.id) != group_octets(group)]
    missing += [meter.text() for meter in tables.meters if meter.id not in meters]
    foreign += [f"group_id={number}" for number in sorted(groups.keys() - {group.id for group in tables.groups})]
    foreign += [f"meter={number}" for number in sorted(meters - {meter.id for meter in tables.meters})]
    return TableDifference(tuple(missing), tuple(foreign))


def _flow_changes(tables: FlowTables, installed: Iterable[InstalledFlow]) -> Iterator[Message]:
    """Deletions first, for a flow whose match the switch spells otherwise is deleted and added.

    A flow in the place of one with another cookie counts anew: what that one took was another chain's, hop's or kind's.
    """
    present = {flow.key: flow for flow in installed}
    wanted = {encoded.key: encoded for encoded in map(EncodedFlow.of, tables.flows)}
    for key, old in present.items():
        if key not in wanted:
            yield delete_flow(old.table, old.priority, old.match)
    for key, encoded in wanted.items():
        found = present.get(key)
        if found is None or (found.cookie, found.instructions) != (encoded.cookie, encoded.instructions):
            yield add_flow(encoded, counts_anew=found is not None and found.cookie != encoded.cookie)

"""The OAM responder of one host: answers echo requests whose TTL runs out here, and sends requests of its own.

Run as ``python -m sfc.ovs.oam_responder`` inside the host's network namespace; :mod:`sfc.ovs.oam` does that. It has
the bridge's OAM port to itself. Messages are those of RFC 9516. Who may open its control socket may ask it for a
traceroute, or to watch the bridge's functions: one JSON object a line.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from sfc.errors import SfcError
from sfc.model.addresses import Mac
from sfc.model.chains import PathPosition
from sfc.model.topology import check_range
from sfc.nsh import NshHeader
from sfc.oam.echo import EchoMessage, EchoType, ReturnCode, reply_to
from sfc.oam.hop import HOP_RECORD, HopRecord
from sfc.oam.tlvs import OamError, OamTlv
from sfc.ovs.liveness_agent import Order, Watcher
from sfc.ovs.location import SwitchLocation
from sfc.ovs.oam_message import (
    ETHERTYPE_IPV4,
    NoMessage,
    echo_request,
    probe_frame,
    read_probe,
    read_reply,
    reply_frame,
    source_of,
)
from sfc.ovs.oam_rules import BridgeRules
from sfc.ovs.too_big import too_big_answer

ETHERTYPE_NSH, ETHERTYPE_IPV6 = 0x894F, 0x86DD
TTL_MAX = 63
COUNT_MAX = 100
"""Requests of one TTL."""
REQUEST_MAX = 1 << 20  # octets
_SOL_PACKET, _IGNORE_OUTGOING = 263, 23  # linux/socket.h, linux/if_packet.h
_LAST_OF_END = 0xFF  # last octet of the source of a frame that reached its path's end; see sfc.render.tables
_REOPEN_S = 0.2
_SPACING_S = 0.025
"""Between two requests: bridges let at most 50 a second out to their responders."""
_SILENT_MAX = 3
"""Hops without an answer, one behind the other, that end a traceroute."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Which responder this is."""

    host: str
    interface: str
    mac: Mac
    address: IPv4Address


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply with the monotonic time of its receipt, in seconds."""

    message: EchoMessage
    received: float


class Responder:
    """Holds the OAM port; single-threaded: while it waits for its own replies it answers others' requests."""

    def __init__(self, identity: Identity, rules: BridgeRules) -> None:
        self._identity = identity
        self._rules = rules
        self._sockets = self._open()
        self._replies: list[Answer] = []

    @property
    def host(self) -> str:
        """Whose responder it is."""
        return self._identity.host

    def watch(self, order: Order, asker: socket.socket) -> None:
        """Probe the functions of an order on a thread of its own, until the asker hangs up."""
        interface = self._identity.interface
        watcher = Watcher(order, self._identity.mac, lambda kind: _packets(interface, kind), asker)
        threading.Thread(target=watcher.run, name="liveness", daemon=True).start()

    def filenos(self) -> list[socket.socket]:
        """What to wait for before :meth:`receive`."""
        return self._sockets

    def receive(self, packets: socket.socket) -> None:
        """Take one frame: answer a request, keep a reply, pass over the rest."""
        try:
            frame = packets.recv(65536)
        except BlockingIOError:
            return
        except OSError:  # the port went away with its switch
            self._reopen()
            return
        now = time.monotonic()
        answer = too_big_answer(frame, self._identity.mac)
        if answer is not None:
            self._send(answer)
            return
        with contextlib.suppress(NoMessage):
            if packets is self._sockets[0]:
                self._answer(frame, now)
            else:
                self._replies.append(Answer(read_reply(frame, self._identity.address), now))

    def traceroute(self, path: PathPosition, ttl_max: int, wait_s: float, count: int = 1) -> list[dict[str, Any]]:
        """Send requests with growing TTL, ``count`` of each, until one reaches the path's end.

        A hop that is silent has ``host`` null; three of them in a row end it.
        """
        hops: list[dict[str, Any]] = []
        handle = secrets.randbits(32)
        for ttl in range(1, ttl_max + 1):
            hop = self._hop(path, ttl, wait_s, count, handle)
            hops.append(hop)
            if hop.get("end") or [each["host"] for each in hops[-_SILENT_MAX:]] == [None] * _SILENT_MAX:
                break
        return hops

    def _hop(self, path: PathPosition, ttl: int, wait_s: float, count: int, handle: int) -> dict[str, Any]:
        facts: dict[str, Any] = {"ttl": ttl, "host": None}
        times: list[float] = []
        net: list[float] = []
        for number in range(count):
            begin = time.monotonic()
            answer = self._probe(path, ttl, handle, ttl << 16 | number, begin + wait_s)
            if answer is not None:
                told = _told(answer.message)
                took = answer.received - begin
                times.append(round(took * 1000, 3))
                net.append(round(max(0.0, took * 1000 - told.pop("residenceUs", 0) / 1000), 3))
                facts |= told
                time.sleep(_SPACING_S)
            elif number == 0:
                break
        return facts | {"sent": max(1, count if times else 1), "ms": times, "networkMs": net}

    def _probe(self, path: PathPosition, ttl: int, handle: int, sequence: int, deadline: float) -> Answer | None:
        self._replies.clear()
        request = echo_request(self._identity.address, handle, sequence)
        self._send(probe_frame(self._identity.mac, path, ttl, request))
        while (left := deadline - time.monotonic()) > 0:
            for packets in select.select(self._sockets, [], [], left)[0]:
                self.receive(packets)
            for answer in self._replies:
                if (answer.message.handle, answer.message.sequence) == (handle, sequence):
                    return answer
        return None

    def _open(self) -> list[socket.socket]:
        kinds = (ETHERTYPE_NSH, ETHERTYPE_IPV4, ETHERTYPE_IPV6)
        return [_packets(self._identity.interface, kind) for kind in kinds]

    def _reopen(self) -> None:
        """Wait for the port to come back; a socket stays with the device that is gone."""
        for packets in self._sockets:
            packets.close()
        while True:
            with contextlib.suppress(OSError):
                self._sockets = self._open()
                return
            time.sleep(_REOPEN_S)

    def _answer(self, frame: bytes, received: float) -> None:
        header, octets = read_probe(frame)
        try:
            request = EchoMessage.decode(octets)
        except OamError as error:
            raise NoMessage(str(error)) from None
        to, port = source_of(request)
        end = frame[11] == _LAST_OF_END
        code = ReturnCode.END_OF_PATH if end else ReturnCode.TTL_EXCEEDED
        reply = reply_to(request, code, self._about(header, request, end, received))
        if reply is None:
            return
        if to == self._identity.address:
            self._replies.append(Answer(reply, time.monotonic()))
        else:
            self._send(reply_frame(self._identity.mac, self._identity.address, to, port, reply))

    def _about(self, header: NshHeader, request: EchoMessage, end: bool, received: float) -> list[OamTlv]:
        position = PathPosition(header.spi, header.si)
        taken = self._rules.taken_by(position, end)
        tlvs = []
        if request.type == EchoType.CONSISTENCY_REQUEST:
            tlvs.append(self._rules.record(header.spi).to_tlv())
        residence = min(round((time.monotonic() - received) * 1e6), 0xFFFFFFFF)
        record = HopRecord(self._identity.host, position, taken.rule, taken.next_rule, residence)
        return [*tlvs, record.to_tlv()]

    def _send(self, frame: bytes) -> None:
        with contextlib.suppress(OSError):  # as good as lost on the way
            self._sockets[0].send(frame)


def _told(reply: EchoMessage) -> dict[str, Any]:
    """What a reply says; of a responder that is none of ours, only whether the path ends there."""
    facts: dict[str, Any] = {
        "host": "?",
        "end": reply.return_code == ReturnCode.END_OF_PATH,
        "code": int(reply.return_code),
    }
    for tlv in reply.tlvs:
        if tlv.type == HOP_RECORD:
            with contextlib.suppress(OamError):
                hop = HopRecord.read(tlv)
                facts |= {"host": hop.host, "spi": hop.position.spi, "si": hop.position.si, "rule": hop.rule}
                facts |= {"nextRule": hop.next_rule, "residenceUs": hop.residence_us}
    return facts


def _packets(interface: str, ethertype: int) -> socket.socket:
    packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    packets.setsockopt(_SOL_PACKET, _IGNORE_OUTGOING, 1)
    packets.bind((interface, ethertype))
    packets.setblocking(False)
    return packets


def serve(responder: Responder, control: socket.socket) -> None:
    """Answer probes and requests until a signal ends the process."""
    while True:
        ready, _, _ = select.select([*responder.filenos(), control], [], [])
        for each in ready:
            if each is control:
                connection, _ = control.accept()
                with contextlib.suppress(OSError):
                    _serve_request(responder, connection)
            else:
                responder.receive(each)


def _serve_request(responder: Responder, connection: socket.socket) -> None:
    connection.settimeout(1.0)
    try:
        wish = json.loads(connection.makefile("rb").readline(REQUEST_MAX))
        if "watch" in wish:
            responder.watch(Order.read(wish, responder.host), connection)
            return
        answer: dict[str, Any] = {"hops": _traceroute(responder, wish)}
    except (ValueError, TypeError, KeyError, SfcError) as error:
        answer = {"error": f"{type(error).__name__}: {error}"[:500]}
    with connection:
        connection.sendall(json.dumps(answer).encode() + b"\n")


def _traceroute(responder: Responder, wish: Mapping[str, Any]) -> list[dict[str, Any]]:
    spi, si, ttl_max, wait_ms = (int(wish[key]) for key in ("spi", "si", "ttlMax", "waitMs"))
    count = int(wish.get("count", 1))
    check_range("spi", spi, 1, (1 << 24) - 1)
    check_range("si", si, 1, 255)
    check_range("ttlMax", ttl_max, 1, TTL_MAX)
    check_range("waitMs", wait_ms, 1, 10_000)
    check_range("count", count, 1, COUNT_MAX)
    return responder.traceroute(PathPosition(spi, si), ttl_max, wait_ms / 1000, count)


def main(arguments: Sequence[str] | None = None) -> int:
    """Open everything, then go to the background: the exit status of the foreground says whether that worked."""
    parser = argparse.ArgumentParser(prog="sfc.ovs.oam_responder")
    for name in ("--host", "--interface", "--mac", "--address", "--rundir"):
        parser.add_argument(name, required=True)
    parser.add_argument("--bridge", default="br-int")
    options = parser.parse_args(arguments)
    identity = Identity(options.host, options.interface, Mac.parse(options.mac), IPv4Address(options.address))
    rundir = Path(options.rundir)
    rules = BridgeRules(SwitchLocation(options.host, rundir), options.bridge)
    try:
        responder = Responder(identity, rules)
        control = _control(rundir)
    except OSError as error:
        print(f"the OAM responder cannot start on {options.interface}: {error}", file=sys.stderr)
        return 1
    child = os.fork()
    if child:
        (rundir / "oam.pid").write_text(f"{child}\n", encoding="ascii")
        return 0
    _detach()
    serve(responder, control)
    return 0


def _control(rundir: Path) -> socket.socket:
    """The control socket, in place of one that a killed responder left; the directory keeps strangers out."""
    os.chdir(rundir)  # its path may be longer than a socket's address
    Path("oam.sock").unlink(missing_ok=True)
    control = socket.socket(socket.AF_UNIX)
    control.bind("oam.sock")
    os.chmod("oam.sock", 0o600)
    control.listen(8)
    return control


def _detach() -> None:
    os.setsid()
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))


if __name__ == "__main__":
    sys.exit(main())

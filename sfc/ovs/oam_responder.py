"""The OAM responder of one host: answers probes whose TTL runs out here, and sends probes of its own.

Run as ``python -m sfc.ovs.oam_responder`` inside the host's network namespace; :mod:`sfc.ovs.oam` does that. It has
the bridge's OAM port to itself. Who may open its control socket may ask it for a traceroute: one JSON object a line.
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
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from sfc.errors import SfcError
from sfc.model.addresses import Mac
from sfc.model.topology import check_range
from sfc.ovs.oam_message import (
    ETHERTYPE_IPV4,
    TOKEN_OCTETS,
    NoMessage,
    Probe,
    Reply,
    probe_frame,
    read_probe,
    read_reply,
    reply_frame,
)

ETHERTYPE_NSH = 0x894F
TTL_MAX = 63
REQUEST_MAX = 4096  # octets
_SOL_PACKET, _IGNORE_OUTGOING = 263, 23  # linux/socket.h, linux/if_packet.h
_LAST_OF_END = 0xFF  # last octet of the source of a frame that reached its path's end; see sfc.render.tables
_REOPEN_S = 0.2
_SPACING_S = 0.025
"""Between two probes: bridges let at most 50 a second out to their responders."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Which responder this is."""

    host: str
    interface: str
    mac: Mac
    address: IPv4Address


class Responder:
    """Holds the OAM port; single-threaded: while it waits for its own replies it answers others' probes."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._sockets = self._open()
        self._replies: list[Reply] = []

    def filenos(self) -> list[socket.socket]:
        """What to wait for before :meth:`receive`."""
        return self._sockets

    def receive(self, packets: socket.socket) -> None:
        """Take one frame: answer a probe, keep a reply, pass over the rest."""
        try:
            frame = packets.recv(65536)
        except BlockingIOError:
            return
        except OSError:  # the port went away with its switch
            self._reopen()
            return
        with contextlib.suppress(NoMessage):
            if packets is self._sockets[0]:
                self._answer(frame)
            else:
                self._replies.append(read_reply(frame, self._identity.address))

    def traceroute(self, spi: int, si: int, ttl_max: int, wait_s: float) -> list[dict[str, Any]]:
        """Send probes with growing TTL until one reaches the path's end; a hop that is silent has ``host`` null."""
        hops: list[dict[str, Any]] = []
        token = secrets.token_bytes(TOKEN_OCTETS)
        for ttl in range(1, ttl_max + 1):
            begin = time.monotonic()
            reply = self._probe(spi, si, ttl, token, begin + wait_s)
            took = time.monotonic() - begin
            if reply is None:
                hops.append({"ttl": ttl, "host": None})
                if [hop["host"] for hop in hops[-3:]] == [None] * 3:
                    break
                continue
            facts = {key: value for key, value in asdict(reply).items() if key in ("host", "spi", "si", "end")}
            hops.append({"ttl": ttl, **facts, "ms": round(took * 1000, 3)})
            if reply.end:
                break
            time.sleep(_SPACING_S)
        return hops

    def _probe(self, spi: int, si: int, ttl: int, token: bytes, deadline: float) -> Reply | None:
        self._replies.clear()
        probe = Probe(self._identity.address, token, ttl)
        self._send(probe_frame(self._identity.mac, spi, si, ttl, probe))
        while (left := deadline - time.monotonic()) > 0:
            for packets in select.select(self._sockets, [], [], left)[0]:
                self.receive(packets)
            for reply in self._replies:
                if (reply.token, reply.number) == (token, ttl):
                    return reply
        return None

    def _open(self) -> list[socket.socket]:
        return [_packets(self._identity.interface, kind) for kind in (ETHERTYPE_NSH, ETHERTYPE_IPV4)]

    def _reopen(self) -> None:
        """Wait for the port to come back; a socket stays with the device that is gone."""
        for packets in self._sockets:
            packets.close()
        while True:
            with contextlib.suppress(OSError):
                self._sockets = self._open()
                return
            time.sleep(_REOPEN_S)

    def _answer(self, frame: bytes) -> None:
        header, probe = read_probe(frame)
        end = frame[11] == _LAST_OF_END
        reply = Reply(probe.token, probe.number, self._identity.host, header.spi, header.si, end)
        if probe.origin == self._identity.address:
            self._replies.append(reply)
        else:
            self._send(reply_frame(self._identity.mac, self._identity.address, probe.origin, reply))

    def _send(self, frame: bytes) -> None:
        with contextlib.suppress(OSError):  # as good as lost on the way
            self._sockets[0].send(frame)


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
                with connection, contextlib.suppress(OSError):
                    _serve_request(responder, connection)
            else:
                responder.receive(each)


def _serve_request(responder: Responder, connection: socket.socket) -> None:
    connection.settimeout(1.0)
    request = connection.makefile("rb").readline(REQUEST_MAX)
    try:
        wish = json.loads(request)
        spi, si, ttl_max, wait_ms = (int(wish[key]) for key in ("spi", "si", "ttlMax", "waitMs"))
        check_range("spi", spi, 1, (1 << 24) - 1)
        check_range("si", si, 1, 255)
        check_range("ttlMax", ttl_max, 1, TTL_MAX)
        check_range("waitMs", wait_ms, 1, 10_000)
        answer: dict[str, Any] = {"hops": responder.traceroute(spi, si, ttl_max, wait_ms / 1000)}
    except (ValueError, TypeError, KeyError, SfcError) as error:
        answer = {"error": f"{type(error).__name__}: {error}"[:500]}
    connection.sendall(json.dumps(answer).encode() + b"\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Open everything, then go to the background: the exit status of the foreground says whether that worked."""
    parser = argparse.ArgumentParser(prog="sfc.ovs.oam_responder")
    for name in ("--host", "--interface", "--mac", "--address", "--rundir"):
        parser.add_argument(name, required=True)
    options = parser.parse_args(arguments)
    identity = Identity(options.host, options.interface, Mac.parse(options.mac), IPv4Address(options.address))
    rundir = Path(options.rundir)
    try:
        responder = Responder(identity)
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

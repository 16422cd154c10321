"""The capture of the underlay: one tcpdump on the uplinks of all hosts, read by tshark, an independent decoder."""

from __future__ import annotations

import os
import selectors
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mano.cli.demo.errors import CheckFailed

START_DEADLINE_S = 10.0
STOP_DEADLINE_S = 10.0
DECODE_DEADLINE_S = 60.0

SETTLE_S = 0.3
"""Pause before the end, so that what is on its way still counts."""

SNAP_OCTETS = 512
"""Octets of each packet that are kept: outer headers, NSH and the inner headers."""

GPE_PORT = 4790
LISTENING = b"listening on"


@dataclass(frozen=True, slots=True)
class NshPacket:
    """One NSH packet on a host's uplink, as tshark decodes it. ``context`` are the words of MD type 1."""

    host: str
    source: str
    destination: str
    vni: int
    spi: int
    si: int
    ttl: int
    oam: bool
    context: tuple[int, ...]


class UnderlayCapture:
    """tcpdump on the uplinks of all hosts between :meth:`start` and :meth:`stop`.

    ``uplinks`` maps the index of an interface of ``namespace`` to the host whose uplink it carries.
    """

    def __init__(self, namespace: str, uplinks: Mapping[int, str], file: Path) -> None:
        self._namespace = namespace
        self._uplinks = uplinks
        self._file = file
        self._process: subprocess.Popen[bytes] | None = None
        self._decoded: list[NshPacket] | None = None

    def start(self) -> None:
        """Begin; returns once tcpdump listens."""
        self._decoded = None
        self._file.unlink(missing_ok=True)
        command = ["ip", "netns", "exec", self._namespace, "tcpdump", "-i", "any", "-y", "LINUX_SLL2", "-n"]
        command += ["-s", str(SNAP_OCTETS), "--immediate-mode", "-Z", "root", "-U", "-w", str(self._file)]
        self._process = subprocess.Popen(
            [*command, "udp", "port", str(GPE_PORT)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        said = _await_listening(self._process)
        if LISTENING not in said:
            self._end()
            raise CheckFailed(f"tcpdump does not start: {said.decode(errors='replace')[:200]}")

    def stop(self) -> None:
        """End; what was on the wire is in the file."""
        time.sleep(SETTLE_S)
        self._end()

    def packets(self) -> Sequence[NshPacket]:
        """Every NSH packet that arrived at a host or left it; decoded once."""
        if self._decoded is None:
            self._decoded = list(_decode(self._file, self._uplinks))
        return self._decoded

    def contains(self, marker: bytes) -> bool:
        """Whether the marker was on any uplink."""
        return marker in self._file.read_bytes()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stderr is not None:
            process.stderr.close()


def _await_listening(process: subprocess.Popen[bytes]) -> bytes:
    """What tcpdump said until it listens, ends or the deadline is over."""
    assert process.stderr is not None
    deadline = time.monotonic() + START_DEADLINE_S
    said = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stderr, selectors.EVENT_READ)
        while LISTENING not in said and selector.select(max(0.0, deadline - time.monotonic())):
            piece = os.read(process.stderr.fileno(), 4096)
            said += piece
            if not piece:
                break
    return said


FIELDS = (
    "sll.ifindex",
    "ip.src",
    "ip.dst",
    "vxlan.vni",
    "nsh.spi",
    "nsh.si",
    "nsh.ttl",
    "nsh.Obit",
    "nsh.contextheader",
)


def _decode(path: Path, uplinks: Mapping[int, str]) -> Iterator[NshPacket]:
    command = ["tshark", "-r", str(path), "-n", "-Y", "nsh", "-T", "fields", "-E", "occurrence=a", "-E", "separator=|"]
    for field in FIELDS:
        command += ["-e", field]
    done = subprocess.run(command, capture_output=True, timeout=DECODE_DEADLINE_S, check=False)
    if done.returncode != 0:
        raise CheckFailed(f"tshark cannot read {path.name}: {done.stderr.decode(errors='replace')[:200]}")
    for line in done.stdout.decode().splitlines():
        columns = line.split("|")
        index = columns[0].split(",")[0]
        if len(columns) == len(FIELDS) and index.isdigit() and int(index) in uplinks:
            yield _packet(uplinks[int(index)], columns[1:])


def _packet(host: str, columns: Sequence[str]) -> NshPacket:
    source, destination, vni, spi, si, ttl, oam, context = (column.split(",") for column in columns)
    return NshPacket(
        host=host,
        source=source[0],
        destination=destination[0],
        vni=int(vni[0], 0),
        spi=int(spi[0], 0),
        si=int(si[0], 0),
        ttl=int(ttl[0], 0),
        oam=oam[0] in ("1", "True"),
        context=tuple(int(word.replace("0x", ""), 16) for word in context if word),
    )

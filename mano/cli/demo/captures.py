"""Captures of the underlay: tcpdump on every host's uplink, read by tshark, an independent decoder."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mano.cli.demo.errors import CheckFailed

START_DEADLINE_S = 10.0
SETTLE_S = 0.3
"""Octets of each packet that are kept: outer headers, NSH and the inner headers."""
SNAP_OCTETS = 512


@dataclass(frozen=True, slots=True)
class NshPacket:
    """One NSH packet on the underlay, as tshark decodes it. ``context`` are the four words of MD type 1."""

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

    ``uplinks`` maps a host to the interface that carries its uplink, in ``namespace``.
    """

    def __init__(self, namespace: str, uplinks: dict[str, str], directory: Path) -> None:
        self._namespace = namespace
        self._uplinks = uplinks
        self._directory = directory
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._decoded: dict[str, list[NshPacket]] = {}

    def start(self) -> None:
        """Begin; returns once every tcpdump listens."""
        self._decoded.clear()
        for host, interface in self._uplinks.items():
            self._running[host] = self._tcpdump(host, interface)
        for host, process in self._running.items():
            self._await_listening(host, process)

    def stop(self) -> None:
        """End; what was on the wire is in the files."""
        time.sleep(SETTLE_S)
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            process.wait(timeout=START_DEADLINE_S)
            if process.stderr is not None:
                process.stderr.close()
        self._running.clear()

    def nsh_packets(self, host: str) -> list[NshPacket]:
        """Every NSH packet that arrived at a host or left it; decoded once, when the capture is over."""
        if host not in self._decoded:
            self._decoded[host] = list(_decode(self.file(host)))
        return self._decoded[host]

    def contains(self, marker: bytes) -> list[str]:
        """The hosts in whose captures the marker occurs."""
        return [host for host in self._uplinks if marker in self.file(host).read_bytes()]

    def file(self, host: str) -> Path:
        """The host's capture file."""
        return self._directory / f"underlay-{host}.pcap"

    def _tcpdump(self, host: str, interface: str) -> subprocess.Popen[bytes]:
        self.file(host).unlink(missing_ok=True)
        command = ["ip", "netns", "exec", self._namespace, "tcpdump", "-i", interface, "-n", "-s", str(SNAP_OCTETS)]
        command += ["--immediate-mode", "-Z", "root", "-U", "-w", str(self.file(host)), "udp", "port", "4790"]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def _await_listening(self, host: str, process: subprocess.Popen[bytes]) -> None:
        assert process.stderr is not None
        deadline = time.monotonic() + START_DEADLINE_S
        said = b""
        while b"listening on" not in said:
            line = process.stderr.readline()
            said += line
            if not line or time.monotonic() > deadline:
                raise CheckFailed(f"tcpdump on {host}'s uplink does not start: {said.decode(errors='replace')[:200]}")


FIELDS = ("ip.src", "ip.dst", "vxlan.vni", "nsh.spi", "nsh.si", "nsh.ttl", "nsh.Obit", "nsh.contextheader")


def _decode(path: Path) -> Iterator[NshPacket]:
    command = ["tshark", "-r", str(path), "-n", "-Y", "nsh", "-T", "fields", "-E", "occurrence=a", "-E", "separator=|"]
    for field in FIELDS:
        command += ["-e", field]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    if done.returncode != 0:
        raise CheckFailed(f"tshark cannot read {path.name}: {done.stderr.decode(errors='replace')[:200]}")
    for line in done.stdout.decode().splitlines():
        columns = line.split("|")
        if len(columns) == len(FIELDS):
            yield _packet(columns)


def _packet(columns: Sequence[str]) -> NshPacket:
    source, destination, vni, spi, si, ttl, oam, context = (column.split(",") for column in columns)
    return NshPacket(
        source=source[0],
        destination=destination[0],
        vni=int(vni[0], 0),
        spi=int(spi[0], 0),
        si=int(si[0], 0),
        ttl=int(ttl[0], 0),
        oam=oam[0] in ("1", "True"),
        context=tuple(int(word.replace("0x", ""), 16) for word in context if word),
    )

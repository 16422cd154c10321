"""Several tables for the same packets, measured in turn: CPU of ovs-vswitchd for a segment, flows of the datapath."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from sfc.ovs.control import ask
from sfc.ovs.location import SwitchLocation

SEGMENT = 1448
MEGABYTES = 48
TIMEOUT_S = 120.0

MakeSocket = Callable[[], socket.socket]


def cpu_seconds(locations: Sequence[SwitchLocation]) -> float:
    """What the switches have used so far, all threads."""
    total = 0
    for location in locations:
        pid = int((location.rundir / "ovs-vswitchd.pid").read_text())
        for thread in Path(f"/proc/{pid}/task").iterdir():
            total += int((thread / "schedstat").read_text().split()[0])
    return total / 1e9


def replace_flows(location: SwitchLocation, bridge: str, text: str) -> None:
    """Let ``ovs-ofctl`` make a bridge's flows these."""
    switch = f"unix:{location.management_socket(bridge)}"
    command = ["ovs-ofctl", "-O", "OpenFlow15", "--bundle", "replace-flows", switch, "-"]
    done = subprocess.run(
        command,
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        env=dict(location.environment),
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{location.host} does not take the flows: {done.stderr[-500:]}")


def transfer(
    locations: Sequence[SwitchLocation], sender: MakeSocket, receiver: MakeSocket, address: str, port: int
) -> float:
    """CPU seconds of the switches for each segment of a TCP stream to ``address``."""
    with receiver() as listening, sender() as sending:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((address, port))
        listening.listen()
        for each in (listening, sending):
            each.settimeout(TIMEOUT_S)
        sending.connect((address, port))
        receiving, _ = listening.accept()
        with receiving:
            receiving.settimeout(TIMEOUT_S)
            before = cpu_seconds(locations)
            thread = threading.Thread(target=sending.sendall, args=(bytes(MEGABYTES << 20),))
            thread.start()
            left = MEGABYTES << 20
            while left:
                left -= len(receiving.recv(1 << 20))
            thread.join()
    return (cpu_seconds(locations) - before) / ((MEGABYTES << 20) / SEGMENT)


def datapath_flows(locations: Sequence[SwitchLocation]) -> tuple[int, int]:
    """(flows for IPv4 or NSH in the datapaths, those of them behind a recirculation)."""
    lines = [line for each in locations for line in ask(each, "dpctl/dump-flows").splitlines()]
    about = [line for line in lines if "eth_type(0x0800)" in line or "0x894f" in line]
    return len(about), sum("recirc_id(0)" not in line for line in about)


class Paired:
    """Runs of each variant in turn; the least CPU of each counts."""

    def __init__(
        self,
        locations: Sequence[SwitchLocation],
        variants: Mapping[str, Callable[[], object]],
        measure: Callable[[], float],
    ) -> None:
        """``variants`` install the tables, ``measure`` sends packets through them; CPU seconds for each segment."""
        self._locations = locations
        self._variants = variants
        self._measure = measure
        self.best = dict.fromkeys(variants, float("inf"))
        self.flows: dict[str, tuple[int, int]] = {}

    def run(self) -> None:
        """One run of each."""
        for name, install in self._variants.items():
            install()
            for location in self._locations:
                ask(location, "dpctl/del-flows")
            self.best[name] = min(self.best[name], self._measure())
            self.flows[name] = datapath_flows(self._locations)

    def report(self) -> str:
        """What came of it; the first variant is what the others are compared with."""
        first = next(iter(self._variants))
        told = []
        for name, spent in self.best.items():
            many, recirculated = self.flows[name]
            ratio = "" if name == first else f", {spent / self.best[first]:.2f} x"
            told.append(f"{name} {spent * 1e6:.1f} us{ratio}, {many} datapath flows ({recirculated} recirculated)")
        return "; ".join(told)

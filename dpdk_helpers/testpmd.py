"""dpdk-testpmd, DPDK's own traffic tool: its command line, and the counters that it prints.

A testpmd whose vhost-user end is the server waits inside EAL for its client and does not hear SIGINT meanwhile: whoever
starts it has to set a deadline and end it with SIGKILL.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from dpdk_helpers.eal import EalArguments

MIN_MBUFS = 2048
"""testpmd refuses a pool of 1024 and accepts this one."""


class TestpmdError(ValueError):
    """Settings that testpmd would refuse."""

    __test__ = False


class ForwardMode(StrEnum):
    """What testpmd does with packets ("Testpmd Application User Guide", set fwd)."""

    IO = "io"
    MAC = "mac"
    MACSWAP = "macswap"
    RXONLY = "rxonly"
    TXONLY = "txonly"
    FLOWGEN = "flowgen"
    ICMPECHO = "icmpecho"


@dataclass(frozen=True, slots=True)
class TestpmdCommand:
    """One run. `cores` forward; EAL needs one lcore more, for the command line."""

    __test__ = False

    eal: EalArguments
    mode: ForwardMode = ForwardMode.IO
    cores: int = 1
    queues: int = 1
    mbufs: int = 8192
    stats_period_s: int | None = 1
    tx_first: bool = False

    def __post_init__(self) -> None:
        lcores = len(self.eal.lcores) or len(self.eal.lcore_map)
        if not 1 <= self.cores < lcores:
            raise TestpmdError(f"expected 1 to {lcores - 1} forwarding cores with {lcores} lcores, found {self.cores}")
        if self.queues < 1 or self.mbufs < MIN_MBUFS:
            raise TestpmdError(f"expected a queue and {MIN_MBUFS} mbufs at least")
        if self.stats_period_s is not None and self.stats_period_s < 1:
            raise TestpmdError(f"expected a period of 1 s or more, found {self.stats_period_s}")

    def argv(self, program: str = "dpdk-testpmd") -> list[str]:
        """The command line, each element one word. Link interrupts are off: virtio-user has none."""
        argv = [program, *self.eal.argv(), "--", f"--total-num-mbufs={self.mbufs}", f"--nb-cores={self.cores}"]
        argv += [f"--rxq={self.queues}", f"--txq={self.queues}", f"--forward-mode={self.mode}", "--auto-start"]
        if self.stats_period_s is not None:
            argv.append(f"--stats-period={self.stats_period_s}")
        argv += ["--tx-first"] if self.tx_first else []
        argv.append("--no-lsc-interrupt")
        return argv


@dataclass(frozen=True, slots=True)
class PortStats:
    """A port's counters at one moment; rates are packets a second since the moment before."""

    port: int
    rx_packets: int
    rx_missed: int
    tx_packets: int
    tx_errors: int
    rx_pps: int
    tx_pps: int


_PORT = re.compile(r"#+ NIC statistics for port (\d{1,9})\s+#+")
_FIELDS = {
    "RX-packets": "rx_packets",
    "RX-missed": "rx_missed",
    "TX-packets": "tx_packets",
    "TX-errors": "tx_errors",
    "Rx-pps": "rx_pps",
    "Tx-pps": "tx_pps",
}


def parse_port_stats(text: str) -> tuple[PortStats, ...]:
    """Every report of every port in the order in which testpmd printed them; a report that was cut off is left out."""
    return tuple(_reports(text))


def _reports(text: str) -> Iterator[PortStats]:
    port: int | None = None
    found: dict[str, int] = {}
    for line in text.splitlines():
        if match := _PORT.search(line):
            port, found = int(match[1]), {}
        elif port is not None:
            for name, number in re.findall(r"([RT][Xx]-(?:packets|missed|errors|pps)):\s+(\d{1,20})", line):
                if name in _FIELDS:
                    found[_FIELDS[name]] = int(number)
            if len(found) == len(_FIELDS):
                yield PortStats(port, **found)
                port = None

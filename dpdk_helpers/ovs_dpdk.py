"""Open vSwitch with DPDK: its settings from a host's topology, and what its threads report.

Settings are keys of `other_config` in the Open_vSwitch table (ovs-vswitchd.conf.db(5)); reports are the texts of
`ovs-appctl dpif-netdev/pmd-rxq-show` and `pmd-stats-show`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from dpdk_helpers.cpuset import format_mask
from dpdk_helpers.eal import socket_mem
from dpdk_helpers.topology import HostTopology


class OvsDpdkError(ValueError):
    """Settings that contradict the host, or a report that cannot be read."""


@dataclass(frozen=True, slots=True)
class PmdPlan:
    """CPUs of the poll-mode threads, of the switch's other threads, and huge memory by NUMA node in MiB."""

    pmd_cpus: tuple[int, ...]
    lcore_cpus: tuple[int, ...]
    socket_mem_mib: Mapping[int, int]

    def other_config(self) -> dict[str, str]:
        return {
            "dpdk-init": "true",
            "dpdk-lcore-mask": format_mask(self.lcore_cpus),
            "pmd-cpu-mask": format_mask(self.pmd_cpus),
            "dpdk-socket-mem": socket_mem(self.socket_mem_mib),
        }


def plan_pmds(
    topology: HostTopology, nodes: Iterable[int], *, cores_per_node: int, memory_mib: int, housekeeping: Iterable[int]
) -> PmdPlan:
    """Poll-mode threads on whole cores of each of `nodes`, none of them a `housekeeping` CPU's core.

    A thread that polls leaves nothing for its sibling, so a core is taken with all its hyper-threads; isolated CPUs
    first, then by number. Raises OvsDpdkError where a node has too few cores or there is no housekeeping CPU online.
    """
    keep = {cpu for cpu in housekeeping if cpu in topology.cpus}
    if not keep:
        raise OvsDpdkError("expected an online CPU for the threads that do not poll")
    isolated = set(topology.isolated_cpus)
    chosen: list[int] = []
    wanted = sorted(set(nodes))
    for node in wanted:
        free = [core for core in topology.cores_of(node) if keep.isdisjoint(core.cpus)]
        free.sort(key=lambda core: (not isolated.issuperset(core.cpus), core.cpus))
        if len(free) < cores_per_node:
            raise OvsDpdkError(f"expected {cores_per_node} cores to spare on node {node}, found {len(free)}")
        for core in free[:cores_per_node]:
            chosen.extend(core.cpus)
    return PmdPlan(tuple(sorted(chosen)), tuple(sorted(keep)), dict.fromkeys(wanted, memory_mib))


@dataclass(frozen=True, slots=True)
class Rxq:
    """A receive queue and the share of its thread that it uses, in per cent (None: not measured yet)."""

    port: str
    queue: int
    enabled: bool
    usage: int | None


@dataclass(frozen=True, slots=True)
class PmdThread:
    """A poll-mode thread and the queues it polls. An isolated one polls only what is pinned to it."""

    numa_node: int
    cpu: int
    isolated: bool
    rxqs: tuple[Rxq, ...]


_THREAD = re.compile(r"pmd thread numa_id (\d{1,9}) core_id (\d{1,9}):")
_RXQ = re.compile(
    r"port: (\S{1,64})\s+queue-id:\s*(\d{1,9}) \((enabled|disabled)\)\s+pmd usage:\s*(?:(\d{1,3}) %|NOT AVAIL)"
)


def parse_pmd_rxq_show(text: str) -> tuple[PmdThread, ...]:
    """The threads of `pmd-rxq-show`. Raises OvsDpdkError when a queue stands under no thread."""
    threads: list[PmdThread] = []
    for line in text.splitlines():
        stripped = line.strip()
        if match := _THREAD.fullmatch(stripped):
            threads.append(PmdThread(int(match[1]), int(match[2]), False, ()))
        elif stripped.startswith(("isolated :", "port:")):
            if not threads:
                raise OvsDpdkError(f"expected 'pmd thread numa_id N core_id N:' before {stripped[:60]!r}")
            threads[-1] = _with_line(threads[-1], stripped)
    return tuple(threads)


def _with_line(thread: PmdThread, line: str) -> PmdThread:
    if line.startswith("isolated"):
        return PmdThread(thread.numa_node, thread.cpu, line.endswith("true"), thread.rxqs)
    match = _RXQ.fullmatch(line)
    if match is None:
        raise OvsDpdkError(f"expected 'port: NAME queue-id: N (enabled) pmd usage: N %', found {line[:80]!r}")
    usage = int(match[4]) if match[4] is not None else None
    queue = Rxq(match[1], int(match[2]), match[3] == "enabled", usage)
    return PmdThread(thread.numa_node, thread.cpu, thread.isolated, (*thread.rxqs, queue))


def unpolled(threads: Iterable[PmdThread], queues: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    """Queues (port and number) that no thread polls, given how many each port has.

    When every thread is isolated by pinning, Open vSwitch leaves the other queues out without an error, and their
    traffic stops.
    """
    polled = {(rxq.port, rxq.queue) for thread in threads for rxq in thread.rxqs}
    return tuple(
        (port, queue) for port, count in sorted(queues.items()) for queue in range(count) if (port, queue) not in polled
    )


@dataclass(frozen=True, slots=True)
class PmdStats:
    """A thread's counters since they were cleared. `cpu` is None for the main thread."""

    numa_node: int | None
    cpu: int | None
    packets: int
    upcalls_failed: int
    idle_cycles: int
    busy_cycles: int

    @property
    def busy_percent(self) -> float:
        total = self.idle_cycles + self.busy_cycles
        return 100 * self.busy_cycles / total if total else 0.0

    @property
    def cycles_per_packet(self) -> float | None:
        """Processing cycles per packet, None without packets."""
        return self.busy_cycles / self.packets if self.packets else None


_COUNTERS = {
    "packets received": "packets",
    "miss with failed upcall": "upcalls_failed",
    "idle cycles": "idle_cycles",
    "processing cycles": "busy_cycles",
}


def parse_pmd_stats_show(text: str) -> tuple[PmdStats, ...]:
    """The threads of `pmd-stats-show`, the main thread included."""
    return tuple(_stats(title, counters) for title, counters in _sections(text))


def _sections(text: str) -> Iterator[tuple[str, dict[str, int]]]:
    title, counters = "", dict[str, int]()
    for line in text.splitlines():
        if line and not line[0].isspace() and line.rstrip().endswith(":"):
            if title:
                yield title, counters
            title, counters = line.strip(), {}
        elif match := re.match(r"\s+([a-z ]+): (\d{1,20})(?:\s|$)", line):
            name = _COUNTERS.get(match[1])
            if name is not None:
                counters[name] = int(match[2])
    if title:
        yield title, counters


def _stats(title: str, counters: Mapping[str, int]) -> PmdStats:
    match = _THREAD.fullmatch(title)
    return PmdStats(
        numa_node=int(match[1]) if match else None,
        cpu=int(match[2]) if match else None,
        packets=counters.get("packets", 0),
        upcalls_failed=counters.get("upcalls_failed", 0),
        idle_cycles=counters.get("idle_cycles", 0),
        busy_cycles=counters.get("busy_cycles", 0),
    )

"""One request over the same 1 000 hosts: our decision beside the filters of OpenStack Nova, in one run.

    python3 -m venv /tmp/nova && /tmp/nova/bin/pip install nova==34.0.0
    CATENA_NOVA_PYTHON=/tmp/nova/bin/python python -m benchmarks.bench_placement_peers [--hosts N] [--decisions N]

Nova is no dependency: it runs in a Python of its own, which `CATENA_NOVA_PYTHON` names, and without one this says so
and measures ours alone. CPU time on both sides. Nova only filters here; ours decides, pins and explains.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.bench_placement import SINGLE, fleet
from benchmarks.harness import Skipped, benchmark
from mano.domain.nfvi import Host, Inventory, NumaNode
from mano.placement import Planner, request_from_document

PYTHON = "CATENA_NOVA_PYTHON"
MISSING = f"no Nova; {PYTHON} names a Python that has it (see benchmarks/README.md)"
HOSTS = 1000
DEADLINE_S = 900.0


def nova_hosts(inventory: Inventory) -> list[dict[str, Any]]:
    """The hosts in plain words: what each node has and what of it is in use."""
    return [
        {
            "name": host.name,
            "nodes": [_node(host, node) for node in host.numa_nodes],
            "pools": [
                {"node": nic.numa_node, "physnet": nic.physnet, "count": nic.total_vfs - _vfs(host, nic.pci)}
                for nic in host.nics
                if nic.total_vfs > _vfs(host, nic.pci)
            ],
        }
        for host in inventory.hosts
    ]


def _node(host: Host, node: NumaNode) -> dict[str, Any]:
    cpus = sorted(set(node.cpus()) - host.reserved_cpus)
    cells = [cell for allocation in host.allocations for cell in allocation.cells if cell.node == node.id]
    used = {size: 0 for size in node.hugepages}
    for cell in cells:
        used[cell.page_size_kib] += cell.memory_mib * 1024 // cell.page_size_kib
    small = (node.memory_mib - node.hugepage_memory_mib) * 256
    pages = [[4, small, 0], *([size, total, used[size]] for size, total in sorted(node.hugepages.items()))]
    return {
        "id": node.id,
        "socket": node.socket,
        "cpus": cpus,
        "siblings": [[cpu for cpu in core if cpu in cpus] for core in node.cores if set(core) & set(cpus)],
        "pinned": sorted(cpu for cell in cells for cpu in cell.cpus),
        "memoryMib": node.memory_mib,
        "usedMib": sum(cell.memory_mib for cell in cells),
        "pages": pages,
    }


def _vfs(host: Host, pci: str) -> int:
    interfaces = [one for allocation in host.allocations for one in allocation.interfaces.values()]
    return sum(len(interface.vfs) for interface in interfaces if interface.pci == pci)


class Nova:
    """Nova's filters in a process of their own, over the hosts of an inventory. Use it in a `with` statement."""

    def __init__(self, python: str, inventory: Inventory) -> None:
        wanted: dict[str, Any] = dict(SINGLE)
        (interface,) = wanted.pop("interfaces")
        request = wanted | {"vfs": interface["vfs"], "physnet": interface["physnet"]}
        self._document = json.dumps({"hosts": nova_hosts(inventory), "request": request})
        self._python = python
        self.spent_s = 0.0
        """CPU seconds of all runs so far."""

    def __enter__(self) -> Nova:
        program = [self._python, str(Path(__file__).with_name("nova_filters.py"))]
        self._process = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._end = threading.Timer(DEADLINE_S, self._process.kill)
        self._end.daemon = True
        self._end.start()
        self._send(self._document)
        return self

    def __exit__(self, *_: object) -> None:
        self._end.cancel()
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            with suppress(OSError):  # what it never read is lost, and may be
                stream.close()

    def _send(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def run(self) -> dict[str, Any]:
        """Filter once: Nova's version, the CPU seconds, the hosts that pass."""
        assert self._process.stdout is not None
        self._send("again")
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._python} does not run Nova's filters; its message is above")
        answer = dict(json.loads(line))
        self.spent_s += answer["cpuS"]
        return answer


def by_us(inventory: Inventory, decisions: int) -> tuple[list[float], set[str]]:
    """CPU seconds of each decision over all hosts, reasons included; and the hosts that take the VDU."""
    planner = Planner(inventory, None)
    request = request_from_document({"vdus": [SINGLE | {"id": "v"}]})
    times = []
    for _ in range(decisions):
        started = time.process_time()
        result = planner.plan(request)
        times.append(time.process_time() - started)
    assert result.complete
    return times, hosts_that_fit(inventory)


def hosts_that_fit(inventory: Inventory) -> set[str]:
    """Each host asked by itself: the exact fit, without the arrays' help."""
    request = request_from_document({"vdus": [SINGLE | {"id": "v"}]})
    return {host.name for host in inventory.hosts if Planner(Inventory((host,)), None).plan(request).complete}


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0, with Nova or without; 1 when Nova is named and does not run."""
    parser = argparse.ArgumentParser(description="Compare one decision with Nova's filters.")
    parser.add_argument("--hosts", type=int, default=HOSTS)
    parser.add_argument("--decisions", type=int, default=200, help="of ours")
    parser.add_argument("--repeat", type=int, default=5, help="runs of Nova's filters")
    options = parser.parse_args(arguments)
    inventory = fleet(options.hosts)
    ours, fitting = by_us(inventory, options.decisions)
    median = statistics.median(ours)
    print(f"ours: {median * 1000:.3f} ms of CPU a decision over {options.hosts} hosts; {len(fitting)} of them fit")
    python = os.environ.get(PYTHON)
    if not python:
        print(f"skipped: {MISSING}")
        return 0
    try:
        with Nova(python, inventory) as nova:
            answers = [nova.run() for _ in range(options.repeat)]
    except (OSError, RuntimeError, ValueError) as error:
        print(f"failed: {error}", file=sys.stderr)
        return 1
    theirs = statistics.median(answer["cpuS"] for answer in answers)
    passed = set(answers[-1]["passed"])
    print(f"Nova {answers[-1]['nova']}: {theirs * 1000:.0f} ms of CPU for its filters; {len(passed)} hosts pass")
    print(f"hosts that fit and do not pass: {len(fitting - passed)}; that pass and do not fit: {len(passed - fitting)}")
    print(f"ratio {theirs / median:.0f}")
    return 0


@benchmark("placement: a decision over 1 000 hosts", number=20, clock=time.process_time)
def a_decision() -> Iterator[Callable[[], object]]:
    """8 dedicated CPUs, 1 GiB pages and 2 VFs near to them; reasons included."""
    planner = Planner(fleet(HOSTS), None)
    request = request_from_document({"vdus": [SINGLE | {"id": "v"}]})
    yield lambda: planner.plan(request)


SPENT: list[Nova] = []


@benchmark("placement: Nova's filters over the same hosts", clock=lambda: SPENT[-1].spent_s)
def nova_filters() -> Iterator[Callable[[], object]]:
    """The same request, by the process that has Nova; tells the ratio when done."""
    python = os.environ.get(PYTHON)
    if not python:
        raise Skipped(MISSING)
    inventory = fleet(HOSTS)
    runs = 0
    with Nova(python, inventory) as nova:
        SPENT.append(nova)

        def run() -> None:
            nonlocal runs
            nova.run()
            runs += 1

        yield run
        ours, _ = by_us(inventory, 50)
        print(f"    Nova takes {nova.spent_s / runs / statistics.median(ours):.0f} times as long as our decision")


if __name__ == "__main__":
    sys.exit(main())

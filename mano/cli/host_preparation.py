"""What ``mano host doctor`` and ``mano host prepare`` do: look at a host's hardware, and make it fit its Inventory."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dpdk_helpers.cpuset import CpusetError, format_list, parse_list
from dpdk_helpers.ovs_dpdk import PmdPlan
from dpdk_helpers.pci import PciAddress, PciError, SysfsWrite
from dpdk_helpers.prepare import Kernel, Step, Wishes, plan
from dpdk_helpers.sysfs import discover
from dpdk_helpers.sysfs.kernel import read_kernel
from dpdk_helpers.topology import HostTopology
from mano.cli.doctor import Finding
from mano.cli.exits import Failure

COMMAND_TIMEOUT_S = 60.0
PASSES = 3
"""VFs are bound when they are there, thus one pass after they were made."""
SWITCH_MEMORY_MIB = 1024
"""Huge memory of the virtual switch on each of its nodes."""

Run = Callable[[Sequence[str]], str]
"""Runs a command and returns its output; raises :class:`~mano.cli.exits.Failure`."""


def run_command(command: Sequence[str]) -> str:
    """No shell reads it, and it ends."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S, stdin=subprocess.DEVNULL, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failure(f"{command[0]}: {error}") from None
    if done.returncode:
        raise Failure(f"{' '.join(command)}: {done.stderr.strip() or f'exit code {done.returncode}'}")
    return done.stdout


@dataclass(frozen=True, slots=True)
class Ground:
    """The host that is looked at: its /sys and /proc, and its commands where it is this very machine."""

    sysfs_root: Path = Path("/sys")
    proc_root: Path | None = None
    run: Run = run_command

    @property
    def is_here(self) -> bool:
        """Whether it is this machine, so that commands concern it."""
        return os.path.realpath(self.sysfs_root) == "/sys"

    def topology(self) -> HostTopology:
        return discover(self.sysfs_root, self.proc_root)

    def kernel(self) -> Kernel:
        kernel = read_kernel(self.sysfs_root, self.proc_root)
        return replace(kernel, switch=self._switch()) if self.is_here else kernel

    def _switch(self) -> Mapping[str, str]:
        """Open vSwitch's other_config; nothing where none runs."""
        try:
            text = self.run(
                ["ovs-vsctl", "--timeout=5", "--no-headings", "--columns=other_config", "list", "Open_vSwitch"]
            )
        except Failure:
            return {}
        return dict(_pairs(text))

    def write(self, write: SysfsWrite) -> None:
        """Raises OSError; never writes outside the root, wherever links lead."""
        root = self.sysfs_root.resolve()
        path = (root / write.path).resolve()
        if not path.is_relative_to(root):
            raise OSError(0, "leads out of the sysfs", write.path)
        descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"{write.value}\n")


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    """The entries of ovs-vsctl's `{key="a,b", other=c}`."""
    import re

    for match in re.finditer(r'([\w-]+)=(?:"([^"]*)"|([^,}\s]*))', text):
        yield match[1], match[2] if match[2] is not None else match[3]


def examine(ground: Ground) -> tuple[Finding, ...]:
    """What the host has of what VNFs on DPDK need."""
    host, kernel = ground.topology(), ground.kernel()
    return (
        _processors(host),
        _isolation(host),
        _pages(host),
        Finding(
            "IOMMU",
            kernel.has_iommu,
            "in use" if kernel.has_iommu else "off",
            "VT-d or AMD-Vi in the firmware, and intel_iommu=on iommu=pt at boot",
        ),
        Finding(
            "vfio-pci",
            "vfio-pci" in kernel.drivers,
            "loaded" if "vfio-pci" in kernel.drivers else "not loaded",
            "modprobe vfio-pci",
        ),
        _functions(host),
        _places(host),
    )


def _processors(host: HostTopology) -> Finding:
    nodes = ", ".join(f"node {node.id}: {format_list(node.cpus) or 'no CPUs'}" for node in host.numa_nodes)
    threads = "with hyper-threads" if host.has_threads else "without hyper-threads"
    return Finding("CPUs", True, f"{len(host.packages)} packages, {len(host.cores)} cores {threads}; {nodes}")


def _isolation(host: HostTopology) -> Finding:
    there = bool(host.isolated_cpus)
    detail = format_list(host.isolated_cpus) if there else "none: the scheduler runs anything anywhere"
    return Finding("isolated CPUs", there, detail, "isolcpus= and nohz_full= at boot, as `mano host prepare` says")


def _pages(host: HostTopology) -> Finding:
    pools = [(node.id, pool) for node in host.numa_nodes for pool in node.hugepages if pool.total]
    told = [f"node {node}: {pool.free} of {pool.total} of {pool.size_kib} KiB free" for node, pool in pools]
    return Finding("huge pages", bool(pools), ", ".join(told) or "none", "mano host prepare --hugepages NODE:KIB=COUNT")


def _functions(host: HostTopology) -> Finding:
    able = [nic for nic in host.nics if nic.total_vfs and nic.physical_function is None]
    told = [f"{nic.address} ({nic.driver or 'no driver'}): {len(nic.vfs)} of {nic.total_vfs} VFs made" for nic in able]
    there = any(nic.vfs for nic in able)
    hint = "mano host prepare --vfs PCI=COUNT" if able else "needs a NIC with SR-IOV, enabled in the firmware"
    return Finding("SR-IOV", there, ", ".join(told) or "no NIC can have VFs", hint)


def _places(host: HostTopology) -> Finding:
    lost = [nic for nic in host.nics if nic.numa_node is None and nic.physical_function is None]
    several = len(host.numa_nodes) > 1
    told = [
        f"{nic.address}" + (f" (perhaps {format_list(nic.nearest_nodes)})" if nic.nearest_nodes else "") for nic in lost
    ]
    detail = f"not known of {', '.join(told)}" if told else f"known of all {len(host.nics)} NICs"
    return Finding(
        "NUMA nodes of NICs",
        not (lost and several),
        detail,
        "the firmware does not tell: look into the board's manual and write numaNode into the Inventory",
    )


def wishes_of(host: Mapping[str, Any], topology: HostTopology) -> Wishes:
    """What an Inventory promises of a host. Raises Failure where the host's hardware is another."""
    reserved = set(host.get("reservedCpus") or ())
    aside = reserved | set(host.get("sharedCpus") or ())
    cpus = {cpu for node in host["numaNodes"] for core in node["cores"] for cpu in core}
    missing = sorted(cpus - set(topology.cpus))
    if missing:
        raise Failure(f"the Inventory names CPUs that are not online here: {format_list(missing)}")
    vfs = {_address(nic["pci"]): int(nic.get("totalVfs") or 0) for nic in host.get("nics") or () if nic.get("totalVfs")}
    switch = host.get("vswitch") or {}
    pmd_nodes = [int(node) for node in switch.get("nodes") or ()] if switch.get("datapath") == "netdev" else []
    return Wishes(
        hugepages={
            int(node["id"]): {int(size): int(count) for size, count in (node.get("hugepages") or {}).items()}
            for node in host["numaNodes"]
        },
        vfs=vfs,
        isolated_cpus=tuple(sorted(cpus - aside)),
        iommu=bool(vfs) or bool(pmd_nodes),
        switch=_pmds(topology, pmd_nodes, reserved).other_config() if pmd_nodes else {},
    )


def _pmds(topology: HostTopology, nodes: Iterable[int], reserved: set[int]) -> PmdPlan:
    """Poll-mode threads run on the reserved CPUs of the switch's nodes, all but those of the first reserved core."""
    if not reserved:
        raise Failure("a switch on DPDK needs reservedCpus: a core for the host, and one on each of its nodes")
    housekeeping = topology.siblings([min(reserved)])
    nodes = sorted(set(nodes))
    pmds: list[int] = []
    for node in nodes:
        mine = [cpu for cpu in sorted(reserved) if cpu not in housekeeping and topology.node_of(cpu) == node]
        if not mine:
            hint = "add a core of that node to reservedCpus"
            raise Failure(f"no CPU of node {node} is reserved for the switch's poll-mode thread", hint=hint)
        pmds += mine
    return PmdPlan(tuple(pmds), housekeeping, dict.fromkeys(nodes, SWITCH_MEMORY_MIB))


def with_options(
    wishes: Wishes,
    *,
    hugepages: Iterable[str],
    vfs: Iterable[str],
    vf_driver: str | None,
    bind: Iterable[str],
    isolate: str | None,
) -> Wishes:
    """The wishes with those of the command line in their place. Raises Failure."""
    pages = {node: dict(sizes) for node, sizes in wishes.hugepages.items()}
    for text in hugepages:
        place, count = _split(text, "=", "NODE:KIB=COUNT")
        node, size = _split(place, ":", "NODE:KIB=COUNT")
        pages.setdefault(_number(node), {})[_number(size)] = _number(count)
    functions = dict(wishes.vfs) | {_address(pci): _number(count) for pci, count in _entries(vfs, "PCI=COUNT")}
    drivers = dict(wishes.drivers) | {_address(pci): driver for pci, driver in _entries(bind, "PCI=DRIVER")}
    try:
        isolated = wishes.isolated_cpus if isolate is None else parse_list(isolate)
    except CpusetError as error:
        raise Failure(str(error)) from None
    return replace(
        wishes,
        hugepages=pages,
        vfs=functions,
        vf_driver=vf_driver or wishes.vf_driver,
        drivers=drivers,
        isolated_cpus=isolated,
        iommu=wishes.iommu or bool(vf_driver) or bool(drivers),
    )


def _entries(texts: Iterable[str], form: str) -> list[tuple[str, str]]:
    return [_split(text, "=", form) for text in texts]


def _split(text: str, mark: str, form: str) -> tuple[str, str]:
    left, found, right = text.rpartition(mark)
    if not found:
        raise Failure(f"expected {form}, found {text[:60]!r}")
    return left, right


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise Failure(f"expected a whole number, found {text[:60]!r}")
    return int(text)


def _address(text: str) -> PciAddress:
    try:
        return PciAddress.parse(text)
    except PciError as error:
        raise Failure(str(error)) from None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The steps that were taken, those that are left, and what went wrong on the way."""

    taken: tuple[Step, ...]
    left: tuple[Step, ...]
    faults: tuple[str, ...]


def steps_of(ground: Ground, wishes: Wishes) -> tuple[Step, ...]:
    """What is to be done. Raises Failure for wishes that the hardware cannot meet."""
    try:
        return plan(ground.topology(), ground.kernel(), wishes)
    except ValueError as error:
        raise Failure(str(error)) from None


def carry_out(ground: Ground, wishes: Wishes, *, force: bool) -> Outcome:
    """Take the steps that can be taken now; those that disturb running work only by force."""
    taken: list[Step] = []
    faults: list[str] = []
    for _ in range(PASSES):
        steps = [step for step in steps_of(ground, wishes) if _can_take(ground, step, force=force)]
        fresh = [step for step in steps if step not in taken]
        if not fresh:
            break
        for step in fresh:
            try:
                _take(ground, step)
                taken.append(step)
            except (OSError, Failure) as error:
                faults.append(f"{step.what}: {error}")
        if faults:
            break
    return Outcome(tuple(taken), steps_of(ground, wishes), tuple(faults))


def _can_take(ground: Ground, step: Step, *, force: bool) -> bool:
    if step.disturbs and not force:
        return False
    return step.write is not None or (bool(step.command) and ground.is_here)


def _take(ground: Ground, step: Step) -> None:
    if step.write is not None:
        ground.write(step.write)
    else:
        ground.run(step.command)


def step_row(step: Step) -> dict[str, Any]:
    """A step for people and programs."""
    if step.write is not None:
        how = f"write {step.write.value.strip() or 'a newline'} to {step.write.path}"
    elif step.command:
        how = f"run {' '.join(step.command)}"
    else:
        how = f"add to the kernel's command line, and start anew: {step.boot}"
    return {"difference": step.what, "step": how, "disturbs": step.disturbs}

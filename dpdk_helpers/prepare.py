"""What separates a host from one that is ready for VNFs on DPDK: the steps that lead there, as values.

A step is a write below /sys, a command, or a kernel parameter that counts from the next boot only. Deciding is pure;
who carries steps out re-reads the host and plans again: no step left means ready.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from dpdk_helpers.cpuset import format_list
from dpdk_helpers.hugepages import resize
from dpdk_helpers.pci import DRIVER_NAME, PciAddress, SysfsWrite, bind
from dpdk_helpers.sriov import is_capable, set_vfs
from dpdk_helpers.topology import HostTopology, Nic


class PrepareError(ValueError):
    """A wish that the host's hardware cannot meet."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """What the running kernel was told and has, and what Open vSwitch has in other_config (nothing without one)."""

    command_line: str
    is_amd: bool
    has_iommu: bool
    drivers: frozenset[str]
    switch: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the host is to have.

    `hugepages` counts pages by NUMA node and size in KiB; `vfs` by physical function; `drivers` names the driver of
    devices, and `vf_driver` that of all VFs of `vfs` (None: as they are); `isolated_cpus` are kept from the scheduler;
    `iommu` is needed by vfio-pci; `switch` are keys of Open vSwitch's other_config.
    """

    hugepages: Mapping[int, Mapping[int, int]] = field(default_factory=dict)
    vfs: Mapping[PciAddress, int] = field(default_factory=dict)
    vf_driver: str | None = None
    drivers: Mapping[PciAddress, str] = field(default_factory=dict)
    isolated_cpus: tuple[int, ...] = ()
    iommu: bool = False
    switch: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """One difference, and how it is overcome. One of `write`, `command` and `boot` is set.

    `disturbs` says what running work would lose; empty where it loses nothing.
    """

    what: str
    write: SysfsWrite | None = None
    command: tuple[str, ...] = ()
    boot: str = ""
    disturbs: str = ""


def plan(host: HostTopology, kernel: Kernel, wishes: Wishes) -> tuple[Step, ...]:
    """The steps from the host as it is to what is wished, in the order to take them; none when it is ready.

    Raises PrepareError, SriovError and HugepageError for what the hardware cannot have.
    """
    return (
        *_boot(host, kernel, wishes),
        *_hugepages(host, wishes),
        *_modules(kernel, wishes),
        *_virtual_functions(host, wishes),
        *_bindings(host, wishes),
        *_switch(kernel, wishes),
    )


def _boot(host: HostTopology, kernel: Kernel, wishes: Wishes) -> Iterator[Step]:
    words = kernel.command_line.split()
    if wishes.iommu and not kernel.has_iommu:
        wanted = ["iommu=pt"] if kernel.is_amd else ["intel_iommu=on", "iommu=pt"]
        missing = [word for word in wanted if word not in words]
        yield Step("the IOMMU is off (it may be off in the firmware too)", boot=" ".join(missing or wanted))
    unknown = sorted(set(wishes.isolated_cpus) - set(host.cpus))
    if unknown:
        raise PrepareError(f"expected online CPUs to isolate, found {format_list(unknown)}")
    text = format_list(wishes.isolated_cpus)
    for key, now in (("isolcpus", host.isolated_cpus), ("nohz_full", host.nohz_full_cpus)):
        if wishes.isolated_cpus and not set(wishes.isolated_cpus) <= set(now):
            told = format_list(now) or "none"
            yield Step(f"CPUs {text} are not kept from the scheduler ({key} names {told})", boot=f"{key}={text}")


def _hugepages(host: HostTopology, wishes: Wishes) -> Iterator[Step]:
    known = {node.id: node for node in host.numa_nodes}
    for number, sizes in sorted(wishes.hugepages.items()):
        if number not in known:
            raise PrepareError(f"expected a NUMA node of the host, found {number}")
        pools = {pool.size_kib: pool for pool in known[number].hugepages}
        for size, count in sorted(sizes.items(), reverse=True):
            if size not in pools:
                raise PrepareError(f"expected pages of {_sizes(pools)} KiB on node {number}, found {size}")
            pool = pools[size]
            if count < pool.used:
                raise PrepareError(
                    f"expected {pool.used} pages of {size} KiB or more on node {number}: so many are in use"
                )
            if count != pool.total:
                what = f"node {number} has {pool.total} pages of {size} KiB, to have {count}"
                yield Step(what, write=resize(number, size, count))


def _sizes(pools: Mapping[int, object]) -> str:
    return ", ".join(map(str, sorted(pools))) or "no"


def _modules(kernel: Kernel, wishes: Wishes) -> Iterator[Step]:
    wanted = {*wishes.drivers.values(), *([wishes.vf_driver] if wishes.vf_driver and any(wishes.vfs.values()) else [])}
    for driver in sorted(wanted):
        if DRIVER_NAME.fullmatch(driver) is None:
            raise PrepareError(f"expected the name of a driver, found {driver[:40]!r}")
        if driver not in kernel.drivers:
            yield Step(f"the driver {driver} is not loaded", command=("modprobe", driver))


def _virtual_functions(host: HostTopology, wishes: Wishes) -> Iterator[Step]:
    for address, count in sorted(wishes.vfs.items()):
        nic = _nic(host, address)
        if count == 0 and not is_capable(nic):
            continue
        disturbs = f"{len(nic.vfs)} VFs of {address} vanish meanwhile" if nic.vfs else ""
        for write in set_vfs(nic, count):
            yield Step(f"{address} has {len(nic.vfs)} VFs, to have {count}", write=write, disturbs=disturbs)


def _bindings(host: HostTopology, wishes: Wishes) -> Iterator[Step]:
    """VFs that are to be made are bound when they are there, by the next plan."""
    by_address = {nic.address: nic for nic in host.nics}
    wanted = dict(wishes.drivers)
    if wishes.vf_driver is not None:
        for address, count in wishes.vfs.items():
            existing = _nic(host, address).vfs
            if len(existing) == count:
                wanted |= {vf.address: wishes.vf_driver for vf in existing}
    for address, driver in sorted(wanted.items()):
        nic = by_address.get(address)
        if nic is None:
            raise PrepareError(f"expected a network controller of the host, found {address}")
        disturbs = f"its interface {', '.join(nic.interfaces)} vanishes" if nic.interfaces else ""
        for write in bind(address, driver, nic.driver):
            yield Step(
                f"{address} belongs to {nic.driver or 'no driver'}, to belong to {driver}",
                write=write,
                disturbs=disturbs,
            )


def _switch(kernel: Kernel, wishes: Wishes) -> Iterator[Step]:
    other = {key: value for key, value in sorted(wishes.switch.items()) if kernel.switch.get(key) != value}
    if other:
        settings = tuple(f"other_config:{key}={_quoted(value)}" for key, value in other.items())
        what = f"Open vSwitch's {', '.join(other)} {'differs' if len(other) == 1 else 'differ'}"
        yield Step(what, command=("ovs-vsctl", "set", "Open_vSwitch", ".", *settings), disturbs="it may start anew")


def _quoted(value: str) -> str:
    """As ovs-vsctl reads a string with commas in it."""
    return f'"{value}"' if "," in value else value


def _nic(host: HostTopology, address: PciAddress) -> Nic:
    for nic in host.nics:
        if nic.address == address:
            return nic
    raise PrepareError(f"expected a network controller of the host, found {address}")

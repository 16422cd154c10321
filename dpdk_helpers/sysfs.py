"""Reads a host's topology from /sys, or from a copy of it; the only module of this library that touches files.

Real machines are odd, and nothing here takes for granted what kernels leave out: CPU 0 and node 0 may be offline,
numbers sparse, nodes without CPUs, files missing or unreadable. A value that cannot be read is unknown, never zero.
Nothing outside the given root is followed, and no file is read beyond 1 MiB.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from dpdk_helpers.cpuset import CpusetError, parse_list, parse_mask
from dpdk_helpers.hugepages import HugepagePool
from dpdk_helpers.pci import NETWORK_CLASS, PciAddress, PciError
from dpdk_helpers.topology import Core, HostTopology, Nic, NumaNode, Package, VirtualFunction

MAX_OCTETS = 2**20
_CPU = "devices/system/cpu"
_NODE = "devices/system/node"
_PCI = "bus/pci/devices"


class SysfsError(OSError):
    """The root is no directory, or no CPUs can be found below it."""


def discover(root: str | os.PathLike[str] = "/sys", proc_root: str | os.PathLike[str] | None = None) -> HostTopology:
    """The topology of the host whose /sys is at `root`.

    `proc_root` gives the kernel command line and the memory of hosts without NUMA; by default it is the directory
    `proc` beside `root`. Raises SysfsError when `root` is no sysfs.
    """
    tree = _Tree(Path(root))
    proc = _Tree(Path(root).parent / "proc" if proc_root is None else Path(proc_root), required=False)
    online = _online_cpus(tree)
    if not online:
        raise SysfsError(f"no CPUs below {root}: expected a directory such as /sys with devices/system/cpu in it")
    nodes = _numa_nodes(tree, online) or (_only_node(tree, proc, online),)
    cores = _cores(tree, online, {cpu: node.id for node in nodes for cpu in node.cpus})
    return HostTopology(
        packages=_packages(tree, online),
        numa_nodes=nodes,
        cores=cores,
        nics=tuple(_nics(tree, nodes, online)),
        isolated_cpus=_set_at_boot(tree, proc, f"{_CPU}/isolated", "isolcpus", online),
        nohz_full_cpus=_set_at_boot(tree, proc, f"{_CPU}/nohz_full", "nohz_full", online),
    )


class _Tree:
    """A directory whose files are read leniently and which is never left."""

    def __init__(self, root: Path, *, required: bool = True) -> None:
        self.root = root.resolve()
        if required and not self.root.is_dir():
            raise SysfsError(f"expected a directory such as /sys, found {str(root)!r}")

    def path(self, name: str) -> Path | None:
        """The real path, None when it does not exist or lies outside the root."""
        try:
            real = (self.root / name).resolve(strict=True)
        except (OSError, RuntimeError):
            return None
        return real if real.is_relative_to(self.root) else None

    def text(self, name: str) -> str | None:
        """A file's text without surrounding blanks; None when there is none or it cannot be read."""
        path = self.path(name)
        if path is None:
            return None
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    return None
                return os.read(descriptor, MAX_OCTETS).decode("utf-8", "replace").strip(" \t\r\n\0")
            finally:
                os.close(descriptor)
        except OSError:
            return None

    def whole(self, name: str, base: int = 10) -> int | None:
        text = self.text(name)
        try:
            return int(text, base) if text is not None and len(text) <= 32 else None
        except ValueError:
            return None

    def names(self, name: str) -> list[str]:
        """What a directory holds; nothing when it cannot be read."""
        path = self.path(name)
        try:
            return sorted(os.listdir(path)) if path is not None else []
        except OSError:
            return []

    def target(self, name: str) -> str | None:
        """The last part of what a symbolic link points to, whether that exists or not."""
        try:
            return os.path.basename(os.readlink(self.root / name))
        except OSError:
            return None

    def numbered(self, name: str, prefix: str) -> list[int]:
        """The numbers of `prefix0`, `prefix1` ... in a directory, ascending."""
        pattern = re.compile(re.escape(prefix) + r"([0-9]{1,9})")
        found = (pattern.fullmatch(entry) for entry in self.names(name))
        return sorted(int(match[1]) for match in found if match)

    def cpus(self, *names: str) -> tuple[int, ...] | None:
        """The set in the first of these files that can be read: a list if its name ends in `list` or is a plain set,
        else a mask."""
        for name in names:
            text = self.text(name)
            if text is None:
                continue
            try:
                return parse_mask(text) if _is_mask(name) else parse_list(text)
            except CpusetError:
                continue
        return None


def _is_mask(name: str) -> bool:
    return name.endswith(("siblings", "cpumap", "cpus"))


def _online_cpus(tree: _Tree) -> tuple[int, ...]:
    """CPUs that run. Older kernels have no list: then each CPU's own file, which those that cannot be stopped lack."""
    listed = tree.cpus(f"{_CPU}/online")
    present = tree.numbered(_CPU, "cpu")
    if listed is not None:
        return tuple(cpu for cpu in listed if not present or cpu in present) or listed
    return tuple(cpu for cpu in present if tree.text(f"{_CPU}/cpu{cpu}/online") != "0")


def _topology(cpu: int, name: str) -> str:
    return f"{_CPU}/cpu{cpu}/topology/{name}"


def _cores(tree: _Tree, online: tuple[int, ...], node_of: Mapping[int, int]) -> tuple[Core, ...]:
    siblings = {cpu: _together(tree, cpu, online, "core_cpus", "thread_siblings") for cpu in online}
    ids = {cpu: tree.whole(_topology(cpu, "core_id")) for cpu in online}
    if _are_compute_units(siblings, ids):
        siblings = {cpu: (cpu,) for cpu in online}
    cores = []
    for cpus in _disjoint(online, siblings):
        cores.append(Core(cpus, ids[cpus[0]], _package_id(tree, cpus[0]), node_of.get(cpus[0])))
    return tuple(cores)


def _together(tree: _Tree, cpu: int, online: tuple[int, ...], new: str, old: str) -> tuple[int, ...]:
    """The online CPUs that share something with `cpu`: kernels before 5.4 have the old name, some no lists."""
    names = (f"{new}_list", new, f"{old}_list", old)
    found = tree.cpus(*(_topology(cpu, name) for name in names)) or ()
    alive = set(online)
    return tuple(sorted({cpu, *(one for one in found if one in alive)}))


def _are_compute_units(siblings: Mapping[int, tuple[int, ...]], ids: Mapping[int, int | None]) -> bool:
    """AMD's family 15h calls the two cores of a compute unit siblings, but numbers them as different cores."""
    for cpu, together in siblings.items():
        others = [one for one in together if one != cpu]
        if others:
            return ids[cpu] is not None and ids[others[0]] is not None and ids[others[0]] != ids[cpu]
    return False


def _disjoint(online: tuple[int, ...], together: Mapping[int, tuple[int, ...]]) -> Iterator[tuple[int, ...]]:
    """Sets of CPUs in the order of their first one; contradicting files never put a CPU in two of them."""
    left = set(online)
    for cpu in online:
        if cpu in left:
            mine = tuple(one for one in together[cpu] if one in left)
            left.difference_update(mine)
            yield mine


def _packages(tree: _Tree, online: tuple[int, ...]) -> tuple[Package, ...]:
    together = {cpu: _together(tree, cpu, online, "package_cpus", "core_siblings") for cpu in online}
    packages = []
    for cpus in _disjoint(online, together):
        if tree.whole(_topology(cpus[0], "physical_package_id")) is not None:
            packages.append(Package(_package_id(tree, cpus[0]), cpus))
    return tuple(packages)


def _package_id(tree: _Tree, cpu: int) -> int | None:
    """Some firmware numbers no packages; the kernel then says -1."""
    number = tree.whole(_topology(cpu, "physical_package_id"))
    return number if number is not None and number >= 0 else None


def _numa_nodes(tree: _Tree, online: tuple[int, ...]) -> tuple[NumaNode, ...]:
    """The online nodes; one that claims CPUs of a node before it is a firmware's mistake and left out."""
    present = tree.numbered(_NODE, "node")
    listed = tree.cpus(f"{_NODE}/online")
    ids = [node for node in present if listed is None or node in listed]
    nodes: list[NumaNode] = []
    claimed: set[int] = set()
    for number in ids:
        node = _numa_node(tree, number, ids, online)
        if claimed.isdisjoint(node.cpus):
            claimed.update(node.cpus)
            nodes.append(node)
    return tuple(nodes)


def _numa_node(tree: _Tree, node: int, ids: list[int], online: tuple[int, ...]) -> NumaNode:
    base = f"{_NODE}/node{node}"
    alive = set(online)
    cpus = tree.cpus(f"{base}/cpulist", f"{base}/cpumap") or ()
    memory = _meminfo(tree.text(f"{base}/meminfo") or "")
    return NumaNode(
        id=node,
        cpus=tuple(cpu for cpu in cpus if cpu in alive),
        memory_kib=memory.get("MemTotal"),
        free_kib=memory.get("MemFree"),
        hugepages=_hugepages(tree, f"{base}/hugepages"),
        distances=_distances(tree.text(f"{base}/distance") or "", ids),
    )


def _only_node(tree: _Tree, proc: _Tree, online: tuple[int, ...]) -> NumaNode:
    """A kernel without NUMA: all CPUs and all memory are on node 0."""
    memory = _meminfo(proc.text("meminfo") or "")
    pools = _hugepages(tree, "kernel/mm/hugepages")
    return NumaNode(0, online, memory.get("MemTotal"), memory.get("MemFree"), pools, {0: 10})


def _meminfo(text: str) -> dict[str, int]:
    """KiB by name, of `Node 0 MemTotal: 1 kB` as well as of `MemTotal: 1 kB`."""
    return {name: int(kib) for name, kib in re.findall(r"(\w+): +([0-9]{1,15}) kB", text)}


def _distances(text: str, ids: list[int]) -> dict[int, int]:
    """One number for each online node, in their order; a file of another length says nothing."""
    parts = text.split()
    if len(parts) != len(ids) or not all(part.isdigit() and len(part) < 10 for part in parts):
        return {}
    return {node: int(part) for node, part in zip(ids, parts, strict=True)}


def _hugepages(tree: _Tree, base: str) -> tuple[HugepagePool, ...]:
    pools = []
    for entry in tree.names(base):
        match = re.fullmatch(r"hugepages-([0-9]{1,9})kB", entry)
        total = tree.whole(f"{base}/{entry}/nr_hugepages")
        if match is None or total is None or total < 0:
            continue
        free = tree.whole(f"{base}/{entry}/free_hugepages")
        surplus = tree.whole(f"{base}/{entry}/surplus_hugepages") or 0
        size = int(match[1])
        if size >= 8 and not size & (size - 1):
            pools.append(HugepagePool(size, total, _within(free, total), _within(surplus, total)))
    return tuple(sorted(pools))


def _within(count: int | None, total: int) -> int:
    """A part of a pool; unknown counts as nothing, so that no page is promised that may not be free."""
    return min(max(count or 0, 0), total)


def _nics(tree: _Tree, nodes: tuple[NumaNode, ...], online: tuple[int, ...]) -> Iterator[Nic]:
    for name in tree.names(_PCI):
        try:
            address = PciAddress.parse(name)
        except PciError:
            continue
        kind = tree.whole(f"{_PCI}/{name}/class", 16)
        if kind is not None and kind >> 16 == NETWORK_CLASS:
            yield _nic(tree, address, name, nodes, online)


def _nic(tree: _Tree, address: PciAddress, name: str, nodes: tuple[NumaNode, ...], online: tuple[int, ...]) -> Nic:
    base = f"{_PCI}/{name}"
    number = tree.whole(f"{base}/numa_node")
    numa_node = number if number in {node.id for node in nodes} else None
    interfaces = _interfaces(tree, base)
    return Nic(
        address=address,
        vendor_id=tree.whole(f"{base}/vendor", 16),
        device_id=tree.whole(f"{base}/device", 16),
        driver=tree.target(f"{base}/driver"),
        interfaces=interfaces,
        speed_mbps=_speed(tree, base, interfaces),
        numa_node=numa_node,
        nearest_nodes=() if numa_node is not None else _nearest(tree, base, nodes, online),
        total_vfs=max(0, tree.whole(f"{base}/sriov_totalvfs") or 0),
        vfs=tuple(_virtual_functions(tree, base)),
        physical_function=_address_of(tree.target(f"{base}/physfn")),
    )


def _interfaces(tree: _Tree, base: str) -> tuple[str, ...]:
    """Network interfaces of a device, those of a virtio device below it included."""
    below = [base, *(f"{base}/{entry}" for entry in tree.names(base) if re.fullmatch(r"virtio[0-9]+", entry))]
    return tuple(sorted(name for place in below for name in tree.names(f"{place}/net")))


def _speed(tree: _Tree, base: str, interfaces: tuple[str, ...]) -> int | None:
    for interface in interfaces:
        speed = tree.whole(f"{base}/net/{interface}/speed") or tree.whole(f"class/net/{interface}/speed")
        if speed is not None and speed > 0:
            return speed
    return None


def _nearest(tree: _Tree, base: str, nodes: tuple[NumaNode, ...], online: tuple[int, ...]) -> tuple[int, ...]:
    """Nodes of the CPUs that are local to the device; nothing when that is all of them, as that says nothing."""
    local = set(tree.cpus(f"{base}/local_cpulist", f"{base}/local_cpus") or ())
    if not local or local.issuperset(online):
        return ()
    return tuple(node.id for node in nodes if local.intersection(node.cpus))


def _virtual_functions(tree: _Tree, base: str) -> Iterator[VirtualFunction]:
    for index in tree.numbered(base, "virtfn"):
        address = _address_of(tree.target(f"{base}/virtfn{index}"))
        if address is not None:
            device = f"{_PCI}/{address}"
            yield VirtualFunction(index, address, tree.target(f"{device}/driver"), _interfaces(tree, device))


def _address_of(name: str | None) -> PciAddress | None:
    try:
        return PciAddress.parse(name) if name is not None else None
    except PciError:
        return None


def _set_at_boot(tree: _Tree, proc: _Tree, name: str, parameter: str, online: tuple[int, ...]) -> tuple[int, ...]:
    """CPUs that a kernel parameter names, by the kernel's own account or else by its command line."""
    known = tree.cpus(name)
    if known is None:
        known = _parameter_cpus(proc.text("cmdline") or "", parameter)
    alive = set(online)
    return tuple(cpu for cpu in known if cpu in alive)


def _parameter_cpus(command_line: str, parameter: str) -> tuple[int, ...]:
    """The CPUs of `isolcpus=nohz,domain,2-5` and the like (Documentation/admin-guide/kernel-parameters.txt)."""
    for word in reversed(command_line.split()):
        if word.startswith(f"{parameter}="):
            parts = word.partition("=")[2].split(",")
            numbers = [part for part in parts if part[:1].isdigit()]
            try:
                return parse_list(",".join(numbers))
            except CpusetError:
                return ()
    return ()

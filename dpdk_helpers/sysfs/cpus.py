"""CPUs, cores and packages of a sysfs (Documentation/admin-guide/cputopology.rst)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from dpdk_helpers.cpuset import CpusetError, parse_list
from dpdk_helpers.sysfs.tree import Tree
from dpdk_helpers.topology import Core, Package

CPU = "devices/system/cpu"

Cpus = tuple[int, ...]


def online_cpus(tree: Tree) -> Cpus:
    """CPUs that run. Older kernels have no list: then each CPU's own file, which those that cannot be stopped lack."""
    listed = tree.cpus(f"{CPU}/online")
    present = tree.numbered(CPU, "cpu")
    if listed is not None:
        known = set(present)
        return tuple(cpu for cpu in listed if cpu in known) or listed
    return tuple(cpu for cpu in present if tree.text(f"{CPU}/cpu{cpu}/online") != "0")


def read_cores(tree: Tree, online: Cpus, node_of: Mapping[int, int]) -> tuple[Core, ...]:
    """Cores in the order of their first online CPU."""
    together = _Together(tree, online, "core_cpus", "thread_siblings")
    alone = _are_compute_units(tree, online, together)
    siblings = (lambda cpu: (cpu,)) if alone else together
    return tuple(
        Core(cpus, tree.whole(_topology(cpus[0], "core_id")), _package_id(tree, cpus[0]), node_of.get(cpus[0]))
        for cpus in _disjoint(online, siblings)
    )


def read_packages(tree: Tree, online: Cpus) -> tuple[Package, ...]:
    """Packages in the order of their first online CPU; none where the kernel does not tell."""
    packages = []
    for cpus in _disjoint(online, _Together(tree, online, "package_cpus", "core_siblings")):
        if tree.whole(_topology(cpus[0], "physical_package_id")) is not None:
            packages.append(Package(_package_id(tree, cpus[0]), cpus))
    return tuple(packages)


def set_at_boot(tree: Tree, proc: Tree, name: str, parameter: str, online: Cpus) -> Cpus:
    """Online CPUs that a kernel parameter names, by the kernel's own account or else by its command line."""
    known = tree.cpus(f"{CPU}/{name}")
    if known is None:
        known = _parameter_cpus(proc.text("cmdline") or "", parameter, max(online))
    alive = set(online)
    return tuple(cpu for cpu in known if cpu in alive)


def _topology(cpu: int, name: str) -> str:
    return f"{CPU}/cpu{cpu}/topology/{name}"


class _Together:
    """The online CPUs that share something with one; kernels before 5.4 have the old name, some no lists."""

    def __init__(self, tree: Tree, online: Cpus, new: str, old: str) -> None:
        self._tree = tree
        self._alive = set(online)
        self._names = (f"{new}_list", new, f"{old}_list", old)

    def __call__(self, cpu: int) -> Cpus:
        found = self._tree.cpus(*(_topology(cpu, name) for name in self._names)) or ()
        return tuple(sorted({cpu, *(one for one in found if one in self._alive)}))


def _are_compute_units(tree: Tree, online: Cpus, together: Callable[[int], Cpus]) -> bool:
    """AMD's family 15h calls the two cores of a compute unit siblings, but numbers them as different cores."""
    for cpu in online:
        others = [one for one in together(cpu) if one != cpu]
        if others:
            mine, other = (tree.whole(_topology(one, "core_id")) for one in (cpu, others[0]))
            return mine is not None and other is not None and mine != other
    return False


def _disjoint(online: Cpus, together: Callable[[int], Cpus]) -> Iterator[Cpus]:
    """Sets of CPUs in the order of their first one; contradicting files never put a CPU in two of them."""
    left = set(online)
    for cpu in online:
        if cpu in left:
            mine = tuple(one for one in together(cpu) if one in left)
            left.difference_update(mine)
            yield mine


def _package_id(tree: Tree, cpu: int) -> int | None:
    """Some firmware numbers no packages; the kernel then says -1."""
    number = tree.whole(_topology(cpu, "physical_package_id"))
    return number if number is not None and number >= 0 else None


def _parameter_cpus(command_line: str, parameter: str, last: int) -> Cpus:
    """The CPUs of `isolcpus=nohz,domain,2-N` and the like; the last such word counts.

    `all` and `N`, the last CPU, are the kernel's own notation (Documentation/admin-guide/kernel-parameters.rst).
    """
    for word in reversed(command_line.split()):
        if word.startswith(f"{parameter}="):
            parts = word.partition("=")[2].strip("\"'").split(",")
            numbers = [part.replace("N", str(last)) for part in parts if part[:1].isdigit() or part == "N"]
            numbers += [f"0-{last}" for part in parts if part == "all"]
            try:
                return parse_list(",".join(numbers))
            except CpusetError:
                return ()
    return ()

"""Reads a host's topology from /sys, or from a copy of it; the only package of this library that touches files.

Real machines are odd, and nothing here takes for granted what kernels leave out: CPU 0 and node 0 may be offline,
numbers sparse, nodes without CPUs, files missing or unreadable. A value that cannot be read is unknown, never zero.
"""

from __future__ import annotations

import os
from pathlib import Path

from dpdk_helpers.sysfs.cpus import online_cpus, read_cores, read_packages, set_at_boot
from dpdk_helpers.sysfs.nics import read_nics
from dpdk_helpers.sysfs.nodes import read_nodes
from dpdk_helpers.sysfs.tree import SysfsError, Tree
from dpdk_helpers.topology import HostTopology

__all__ = ["SysfsError", "discover"]


def discover(root: str | os.PathLike[str] = "/sys", proc_root: str | os.PathLike[str] | None = None) -> HostTopology:
    """The topology of the host whose /sys is at `root`.

    `root` may also be the directory that `sys` and `proc` of a captured host lie in. `proc_root` gives the kernel
    command line and the memory of hosts without NUMA; by default it is the directory `proc` beside the sysfs. Raises
    SysfsError when `root` is no sysfs.
    """
    sysfs = _sysfs_of(Path(root))
    tree = Tree(sysfs)
    proc = Tree(sysfs.parent / "proc" if proc_root is None else Path(proc_root), required=False)
    online = online_cpus(tree)
    if not online:
        raise SysfsError(f"no CPUs below {root}: expected a directory such as /sys with devices/system/cpu in it")
    nodes = read_nodes(tree, proc, online)
    return HostTopology(
        packages=read_packages(tree, online),
        numa_nodes=nodes,
        cores=read_cores(tree, online, {cpu: node.id for node in nodes for cpu in node.cpus}),
        nics=read_nics(tree, nodes, online),
        isolated_cpus=set_at_boot(tree, proc, "isolated", "isolcpus", online),
        nohz_full_cpus=set_at_boot(tree, proc, "nohz_full", "nohz_full", online),
    )


def _sysfs_of(root: Path) -> Path:
    is_above = not (root / "devices").is_dir() and (root / "sys/devices/system/cpu").is_dir()
    return root / "sys" if is_above else root

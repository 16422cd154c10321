"""What the running kernel was told at boot and has loaded: command line, IOMMU, modules, drivers."""

from __future__ import annotations

import os
from pathlib import Path

from dpdk_helpers.prepare import Kernel
from dpdk_helpers.sysfs.tree import Tree

_DRIVERS = "bus/pci/drivers"


def read_kernel(root: str | os.PathLike[str] = "/sys", proc_root: str | os.PathLike[str] | None = None) -> Kernel:
    """The kernel of the host whose /sys is at `root`; `proc_root` as for `discover`. Raises SysfsError."""
    tree = Tree(Path(root))
    proc = Tree(Path(root).parent / "proc" if proc_root is None else Path(proc_root), required=False)
    return Kernel(
        command_line=proc.text("cmdline") or "",
        is_amd="AuthenticAMD" in (proc.text("cpuinfo") or "")[:65536],
        has_iommu=bool(tree.names("class/iommu")) or bool(tree.names("kernel/iommu_groups")),
        drivers=frozenset(tree.names(_DRIVERS)),
    )

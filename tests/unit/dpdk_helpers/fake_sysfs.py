"""Builds small copies of /sys, each file as a kernel would have it."""

from __future__ import annotations

from pathlib import Path

from dpdk_helpers.cpuset import format_kernel_mask, format_list


class FakeSysfs:
    """A directory that looks like /sys; `proc` beside it."""

    def __init__(self, base: Path) -> None:
        self.root = base / "sys"
        self.proc = base / "proc"
        self.proc.mkdir(parents=True)
        (self.root / "devices/system/cpu").mkdir(parents=True)

    def write(self, name: str, text: object) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")

    def cpu(self, number, *, siblings=(), package=0, package_cpus=(), core_id=0, lists=True, old_names=False):
        base = f"devices/system/cpu/cpu{number}/topology"
        self.write(f"{base}/core_id", core_id)
        self.write(f"{base}/physical_package_id", package)
        core, pack = ("thread_siblings", "core_siblings") if old_names else ("core_cpus", "package_cpus")
        for name, cpus in ((core, siblings or (number,)), (pack, package_cpus or (number,))):
            if lists:
                self.write(f"{base}/{name}_list", format_list(cpus))
            else:
                self.write(f"{base}/{name}", format_kernel_mask(cpus))

    def online(self, cpus) -> None:
        self.write("devices/system/cpu/online", format_list(cpus))

    def node(self, number, cpus, *, kib=1024, free=512, distances="10", pages=()):
        base = f"devices/system/node/node{number}"
        self.write(f"{base}/cpulist", format_list(cpus))
        self.write(f"{base}/meminfo", f"Node {number} MemTotal:  {kib} kB\nNode {number} MemFree:   {free} kB")
        self.write(f"{base}/distance", distances)
        for size, total, unused in pages:
            pool = f"{base}/hugepages/hugepages-{size}kB"
            self.write(f"{pool}/nr_hugepages", total)
            self.write(f"{pool}/free_hugepages", unused)
            self.write(f"{pool}/surplus_hugepages", 0)

    def pci(
        self, address, *, kind="0x020000", node=-1, driver=None, interfaces=(), total_vfs=None, local=None, speed=None
    ):
        place = f"devices/pci0000:00/{address}"
        self.write(f"{place}/class", kind)
        self.write(f"{place}/vendor", "0x8086")
        self.write(f"{place}/device", "0x158b")
        self.write(f"{place}/numa_node", node)
        if total_vfs is not None:
            self.write(f"{place}/sriov_totalvfs", total_vfs)
        if local is not None:
            self.write(f"{place}/local_cpulist", format_list(local))
        for interface in interfaces:
            self.write(f"{place}/net/{interface}/speed", -1 if speed is None else speed)
        if driver is not None:
            self.link(f"{place}/driver", f"../../../bus/pci/drivers/{driver}")
        self.link(f"bus/pci/devices/{address}", f"../../../{place}")

    def vf(self, physical, index, address, driver=None):
        self.pci(address, driver=driver)
        self.link(f"devices/pci0000:00/{physical}/virtfn{index}", f"../{address}")
        self.link(f"devices/pci0000:00/{address}/physfn", f"../{physical}")

    def link(self, name: str, target: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)

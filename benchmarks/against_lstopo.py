"""Compares `dpdk_helpers.sysfs.discover` with hwloc's `lstopo`, capture by capture and field by field.

    python -m benchmarks.against_lstopo DIRECTORY [--json FILE] [--verbose]

DIRECTORY holds captures as `hwloc-gather-topology` makes them: archives (.tar.bz2, .tar.gz) or directories with a
`sys` in them. The captures of hwloc's own tests, tests/hwloc/linux of https://github.com/open-mpi/hwloc, are such
ones. What lstopo tells is compared with it; what it does not tell (drivers, numa_node, VFs, free huge pages, CPUs set
aside at boot) with a plain reading of the files. Exit code 0 when all captures agree, 1 when one does not.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from dpdk_helpers.cpuset import format_list, parse_list
from dpdk_helpers.sysfs import SysfsError, discover
from dpdk_helpers.topology import HostTopology

LSTOPO = "lstopo-no-graphics"
ENVIRONMENT = {"HWLOC_KEEP_NVIDIA_GPU_NUMA_NODES": "1", "HWLOC_HIDE_ERRORS": "2", "LC_ALL": "C"}
"""hwloc leaves the memory nodes of GPUs out unless told otherwise; they are nodes like others here."""
PUBLIC_DOMAINS = 2**16
"""Debian's hwloc leaves out PCI devices of domains beyond 16 bits."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One field of a capture that two readings tell differently."""

    field: str
    ours: object
    theirs: object

    def __str__(self) -> str:
        return f"{self.field}: discover {shown(self.ours)}, expected {shown(self.theirs)}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """A capture's name, the number of fields compared, and those that differ."""

    name: str
    fields: int
    differences: tuple[Difference, ...]


def shown(value: object) -> str:
    """A value, cut where it would fill the screen."""
    text = str(value)
    return text if len(text) <= 300 else f"{text[:300]} …"


def captures(directory: Path, scratch: Path) -> Iterator[tuple[str, Path]]:
    """The captures' names and roots; archives are unpacked below `scratch`."""
    for entry in sorted(directory.iterdir()):
        if entry.is_dir():
            yield from ((entry.name, root) for root in roots_of(entry))
        elif entry.name.endswith((".tar.bz2", ".tar.gz", ".tar.xz")):
            place = scratch / entry.name
            with tarfile.open(entry) as archive:
                archive.extractall(place, filter=links_stay)
            yield from ((entry.name.rpartition(".tar.")[0], root) for root in roots_of(place))


def links_stay(member: tarfile.TarInfo, place: str) -> tarfile.TarInfo | None:
    """Files, directories and links of sysfs, made readable; whatever else, or leads out of the archive, is left out."""
    try:
        safe = tarfile.tar_filter(member, place)
    except tarfile.FilterError:
        return None
    if not (safe.isfile() or safe.isdir() or safe.issym()):
        return None
    return safe.replace(mode=0o755 if safe.isdir() else 0o644, deep=False)


def roots_of(place: Path) -> Iterator[Path]:
    """Directories that hold a sys with CPUs: the place itself or one below it."""
    for root in (place, *sorted(child for child in place.iterdir() if child.is_dir())):
        if (root / "sys/devices/system/cpu").is_dir():
            yield root


def compare(name: str, root: Path) -> Comparison:
    """Every field of one capture."""
    try:
        host = discover(root / "sys", root / "proc")
    except SysfsError as error:
        return Comparison(name, 1, (Difference("discover", str(error), "a topology"),))
    try:
        told = lstopo(root)
    except subprocess.SubprocessError as error:
        return Comparison(name, 1, (Difference("lstopo", "a topology", str(error)),))
    pairs = [*of_lstopo(host, told), *of_files(host, root / "sys", root / "proc")]
    differences = tuple(Difference(field, ours, theirs) for field, ours, theirs in pairs if ours != theirs)
    return Comparison(name, len(pairs), differences)


def lstopo(root: Path) -> ElementTree.Element:
    """The topology by hwloc. Raises CalledProcessError where it finds none."""
    command = [LSTOPO, "--input", str(root), "--if", "fsroot", "--of", "xml", "--disallowed", "--whole-io"]
    run = subprocess.run(
        command, env={**os.environ, **ENVIRONMENT}, capture_output=True, text=True, timeout=120, check=True
    )
    return ElementTree.fromstring(run.stdout)


Pair = tuple[str, object, object]


def of_lstopo(host: HostTopology, tree: ElementTree.Element) -> Iterator[Pair]:
    """What hwloc tells as well."""
    yield "online CPUs", format_list(host.cpus), format_list(int(one.attrib["os_index"]) for one in of_type(tree, "PU"))
    packages = sorted((package.cpus, package.id) for package in host.packages)
    yield "packages", packages, sorted((cpus_of(one), index_of(one)) for one in of_type(tree, "Package"))
    cores = {core.cpus: core.core_id for core in host.cores}
    told = {cpus_of(one): index_of(one) for one in of_type(tree, "Core")}
    yield "cores", sorted(cores), sorted(told) or sorted(cores)
    yield "core numbers", {cpus: cores.get(cpus) for cpus in told}, told
    nodes = {int(one.attrib["os_index"]): one for one in of_type(tree, "NUMANode")}
    yield "NUMA nodes", sorted(node.id for node in host.numa_nodes), sorted(nodes)
    for node in host.numa_nodes:
        if node.id in nodes:
            yield from of_node(node.id, host, nodes[node.id])
    yield "distances", {node.id: dict(node.distances) for node in host.numa_nodes}, distances(tree, host)
    yield from of_pci(host, tree)


def of_node(number: int, host: HostTopology, told: ElementTree.Element) -> Iterator[Pair]:
    """CPUs, memory and pages of a node. hwloc lends the CPUs of others to nodes that have none."""
    node = host.node(number)
    if node.cpus:
        yield f"CPUs of node {number}", node.cpus, cpus_of(told)
    memory = int(told.get("local_memory", "0")) // 1024
    yield f"memory of node {number}", node.memory_kib or 0, memory
    pages = {int(one.attrib["size"]) // 1024: int(one.attrib["count"]) for one in told.iter("page_type")}
    base = min(pages, default=0)
    pools = {pool.size_kib: pool.total for pool in node.hugepages}
    yield f"huge pages of node {number}", pools, {size: count for size, count in pages.items() if size != base}


def distances(tree: ElementTree.Element, host: HostTopology) -> Mapping[int, Mapping[int, int]]:
    """hwloc's matrix by node, as it stands in the file: values[i * n + j]."""
    ours = {node.id: dict(node.distances) for node in host.numa_nodes}
    for matrix in tree.iter("distances2"):
        if matrix.get("name") == "NUMALatency" and matrix.get("indexing") == "os":
            nodes = numbers(matrix, "indexes")
            values = numbers(matrix, "u64values")
            rows = [values[start : start + len(nodes)] for start in range(0, len(values), len(nodes))]
            return {node: dict(zip(nodes, row, strict=True)) for node, row in zip(nodes, rows, strict=True)}
    return ours if len(ours) == 1 or not any(ours.values()) else {}


def numbers(element: ElementTree.Element, tag: str) -> list[int]:
    """The numbers of all children of that name."""
    return [int(word) for part in element.iter(tag) for word in (part.text or "").split()]


def of_pci(host: HostTopology, tree: ElementTree.Element) -> Iterator[Pair]:
    """Network controllers and their interfaces."""
    told: dict[str, tuple[int, int]] = {}
    interfaces: dict[str, list[str]] = {}
    for one in of_type(tree, "PCIDev"):
        match = re.match(r"(\w+) \[(\w+):(\w+)\]", one.attrib["pci_type"])
        if match is not None and match[1].startswith("02"):
            told[one.attrib["pci_busid"]] = (int(match[2], 16), int(match[3], 16))
            interfaces[one.attrib["pci_busid"]] = sorted(
                device.attrib["name"] for device in of_type(one, "OSDev") if device.get("osdev_type") == "2"
            )
    nics = {str(nic.address): nic for nic in host.nics if nic.address.domain < PUBLIC_DOMAINS}
    yield "NICs", {busid: (nic.vendor_id, nic.device_id) for busid, nic in nics.items()}, told
    yield "interfaces", {busid: list(nic.interfaces) for busid, nic in nics.items()}, interfaces


def of_type(tree: ElementTree.Element, kind: str) -> Iterator[ElementTree.Element]:
    return (one for one in tree.iter("object") if one.get("type") == kind)


def index_of(element: ElementTree.Element) -> int | None:
    index = element.get("os_index")
    return None if index is None else int(index)


def cpus_of(element: ElementTree.Element) -> tuple[int, ...]:
    """The CPUs of hwloc's sets: words of 32 bits, the highest first; one that is zero may be empty."""
    mask = 0
    for word in element.attrib["cpuset"].split(","):
        mask = mask << 32 | int(word or "0", 16)
    return tuple(cpu for cpu in range(mask.bit_length()) if mask >> cpu & 1)


def of_files(host: HostTopology, sysfs: Path, proc: Path) -> Iterator[Pair]:
    """What hwloc does not tell, by files alone."""
    devices = sysfs / "bus/pci/devices"
    names = sorted(os.listdir(devices)) if devices.is_dir() else []
    nics = {str(nic.address): nic for nic in host.nics}
    found = [name for name in names if read(devices / name / "class").startswith("0x02")]
    yield "NICs by class", sorted(nics), found
    for name in sorted(set(found) & nics.keys()):
        nic, device = nics[name], devices / name
        yield f"driver of {name}", nic.driver, last_of(device / "driver")
        number = read(device / "numa_node")
        known = int(number) if number.isdigit() and int(number) in {node.id for node in host.numa_nodes} else None
        yield f"numa_node of {name}", nic.numa_node, known
        yield f"VFs of {name}", nic.total_vfs, int(read(device / "sriov_totalvfs") or 0)
        existing = {link.name: last_of(link) for link in sorted(device.glob("virtfn*"))}
        yield f"VFs made of {name}", {f"virtfn{vf.index}": str(vf.address) for vf in nic.vfs}, existing
        physical = None if nic.physical_function is None else str(nic.physical_function)
        yield f"PF of {name}", physical, last_of(device / "physfn")
    for node in host.numa_nodes:
        for pool in node.hugepages:
            files = [
                sysfs / f"devices/system/node/node{node.id}/hugepages/hugepages-{pool.size_kib}kB/free_hugepages",
                sysfs / f"kernel/mm/hugepages/hugepages-{pool.size_kib}kB/free_hugepages",
            ]
            free = next((text for text in map(read, files) if text), "0")
            yield f"free pages of {pool.size_kib} KiB of node {node.id}", pool.free, min(int(free), pool.total)
    online = set(host.cpus)
    for field, ours in (("isolated", host.isolated_cpus), ("nohz_full", host.nohz_full_cpus)):
        text = read(sysfs / "devices/system/cpu" / field)
        if text[:1].isdigit():
            yield field, ours, tuple(cpu for cpu in parse_list(text) if cpu in online)
        elif f"{field.replace('isolated', 'isolcpus')}=" not in read(proc / "cmdline"):
            yield field, ours, ()


def read(path: Path) -> str:
    """A small file's text; nothing when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip(" \n\0")
    except OSError:
        return ""


def last_of(link: Path) -> str | None:
    """The last part of a link's target."""
    return os.readlink(link).rpartition("/")[2] if link.is_symlink() else None


def report(found: Sequence[Comparison], out: Callable[[str], object], *, verbose: bool) -> None:
    """A line for each capture that differs (or all of them), and the sum."""
    for one in found:
        if one.differences or verbose:
            out(f"{one.name}: {one.fields - len(one.differences)} of {one.fields} fields agree")
        for difference in one.differences:
            out(f"    {difference}")
    agreeing = sum(not one.differences for one in found)
    fields, wrong = sum(one.fields for one in found), sum(len(one.differences) for one in found)
    out(f"{agreeing} of {len(found)} captures agree; {fields - wrong} of {fields} fields")


def document(found: Sequence[Comparison]) -> list[dict[str, Any]]:
    """The comparisons for `--json`."""
    return [
        {"capture": one.name, "fields": one.fields, "differences": [str(item) for item in one.differences]}
        for one in found
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 when all agree, 1 when one does not or there is none, 2 where lstopo is missing."""
    parser = argparse.ArgumentParser(description="Compare discover with lstopo.")
    parser.add_argument("directory", type=Path, help="where captures lie, as archives or directories")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the comparison there")
    parser.add_argument("--verbose", action="store_true", help="tell of captures that agree, too")
    options = parser.parse_args(arguments)
    if shutil.which(LSTOPO) is None:
        print(f"needs {LSTOPO} of the Debian package hwloc", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="catena-captures-") as scratch:
        found = [compare(name, root) for name, root in captures(options.directory, Path(scratch))]
    report(found, print, verbose=options.verbose)
    if options.json:
        options.json.write_text(json.dumps(document(found), indent=2) + "\n", encoding="utf-8")
    return 0 if found and not any(one.differences for one in found) else 1


if __name__ == "__main__":
    sys.exit(main())

"""A host's topology from what libvirt tells of it: `virsh capabilities` and `virsh nodedev-dumpxml`.

See https://libvirt.org/formatcaps.html and https://libvirt.org/formatnode.html. It is the same host that
`dpdk_helpers.sysfs.discover` finds, less what libvirt does not tell: free memory, free huge pages (counted as none) and
the CPUs that were set aside at boot.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from dpdk_helpers.cpuset import MAX_CPUS, CpusetError, parse_list
from dpdk_helpers.hugepages import HugepageError, HugepagePool
from dpdk_helpers.pci import NETWORK_CLASS, PciAddress, PciError
from dpdk_helpers.topology import Core, HostTopology, Nic, NumaNode, Package, VirtualFunction
from dpdk_helpers.xml_text import XmlError, elements_of

__all__ = ["LibvirtError", "read_capabilities"]

MAX_NODE = 4095
_UNITS = {"b": 1, "bytes": 1, "KB": 10**3, "k": 2**10, "KiB": 2**10, "MB": 10**6, "M": 2**20, "MiB": 2**20}
_UNITS |= {"GB": 10**9, "G": 2**30, "GiB": 2**30, "TB": 10**12, "T": 2**40, "TiB": 2**40}
_WHOLE = re.compile(r"[0-9]{1,18}|0x[0-9a-fA-F]{1,15}", re.ASCII)


class LibvirtError(ValueError):
    """XML that is not what libvirt prints; the message names the element and what was expected."""


def read_capabilities(capabilities: str, devices: Iterable[str] = ()) -> HostTopology:
    """The topology of a host.

    `capabilities` is the text of `virsh capabilities`. Each of `devices` holds one or more `device` documents, one
    after the other, of PCI and network devices; others are passed over. Raises LibvirtError.
    """
    try:
        host = elements_of(capabilities).find("capabilities/host")
        found = [device for text in devices for device in elements_of(text).iter("device")]
    except XmlError as error:
        raise LibvirtError(str(error)) from None
    cells = [] if host is None else host.findall("topology/cells/cell")
    if not cells:
        raise LibvirtError("expected capabilities/host/topology/cells/cell, as `virsh capabilities` prints them")
    cpus = [cpu for cell in cells for cpu in _cpus(cell)]
    _refuse_twins((cpu.id for cpu in cpus), "CPU")
    online = {cpu.id for cpu in cpus}
    nodes = tuple(sorted((_node(cell, online) for cell in cells), key=lambda node: node.id))
    _refuse_twins((node.id for node in nodes), "cell")
    return HostTopology(_packages(cpus), nodes, _cores(cpus), tuple(_nics(found, {node.id for node in nodes})))


@dataclass(frozen=True, slots=True)
class _Cpu:
    """A `cpu` element of a cell."""

    id: int
    node: int
    socket: int | None
    core: int | None
    siblings: tuple[int, ...]


def _cpus(cell: Element) -> Iterator[_Cpu]:
    """The online ones: libvirt tells nothing but the number of a CPU that is offline."""
    node = _attribute(cell, "id", MAX_NODE)
    listed = cell.findall("cpus/cpu")
    are_told = any("siblings" in cpu.attrib or "socket_id" in cpu.attrib for cpu in listed)
    for cpu in listed:
        number = _attribute(cpu, "id", MAX_CPUS - 1)
        if are_told and "siblings" not in cpu.attrib and "socket_id" not in cpu.attrib:
            continue
        try:
            siblings = parse_list(cpu.get("siblings", ""))
        except CpusetError as error:
            raise LibvirtError(f"cpu {number}, siblings: {error}") from None
        yield _Cpu(number, node, _number_or_none(cpu, "socket_id"), _number_or_none(cpu, "core_id"), siblings)


def _node(cell: Element, online: set[int]) -> NumaNode:
    number = _attribute(cell, "id", MAX_NODE)
    memory = cell.find("memory")
    pools = []
    pages = {_size_kib(page): _whole(page.text, f"cell {number}, pages") for page in cell.findall("pages")}
    for size, count in pages.items():
        if size != min(pages):
            try:
                pools.append(HugepagePool(size, count, 0))
            except HugepageError as error:
                raise LibvirtError(f"cell {number}, pages: {error}") from None
    return NumaNode(
        id=number,
        cpus=tuple(sorted(cpu.id for cpu in _cpus(cell) if cpu.id in online)),
        memory_kib=None if memory is None else _octets(memory.text, memory.get("unit", "KiB")) // 1024,
        free_kib=None,
        hugepages=tuple(sorted(pools)),
        distances={
            _attribute(sibling, "id", MAX_NODE): _attribute(sibling, "value", 2**16)
            for sibling in cell.findall("distances/sibling")
        },
    )


def _size_kib(page: Element) -> int:
    return _octets(page.get("size"), page.get("unit", "KiB")) // 1024


def _octets(text: str | None, unit: str) -> int:
    if unit not in _UNITS:
        raise LibvirtError(f"expected a unit such as KiB, found {unit[:20]!r}")
    return _whole(text, "memory or page size") * _UNITS[unit]


def _cores(cpus: list[_Cpu]) -> tuple[Core, ...]:
    """CPUs that are siblings of each other; those that libvirt numbers as different cores are none."""
    by_id = {cpu.id: cpu for cpu in cpus}
    left = set(by_id)
    cores = []
    for cpu in sorted(cpus, key=lambda one: one.id):
        if cpu.id in left:
            mine = {cpu.id, *(other for other in cpu.siblings if other in left and by_id[other].core == cpu.core)}
            left -= mine
            cores.append(Core(tuple(sorted(mine)), cpu.core, cpu.socket, cpu.node))
    return tuple(cores)


def _packages(cpus: list[_Cpu]) -> tuple[Package, ...]:
    by_socket: dict[int, list[int]] = {}
    for cpu in sorted(cpus, key=lambda one: one.id):
        if cpu.socket is not None:
            by_socket.setdefault(cpu.socket, []).append(cpu.id)
    return tuple(Package(socket, tuple(members)) for socket, members in by_socket.items())


def _nics(devices: list[Element], nodes: set[int]) -> Iterator[Nic]:
    """PCI devices of the network class; where no class is told, those below which there is an interface."""
    interfaces: dict[str, list[tuple[str, int | None]]] = {}
    parents = {device.findtext("name", ""): device.findtext("parent", "") for device in devices}
    on_pci = [(device, kind) for device in devices if (kind := device.find("capability[@type='pci']")) is not None]
    pci = {device.findtext("name", ""): device for device, _ in on_pci}
    owners = {_address(kind): device.findtext("name", "") for device, kind in on_pci}
    drivers = {_address(kind): _driver(device) for device, kind in on_pci}
    _refuse_twins((_address(kind) for _, kind in on_pci), "PCI device")
    for device in devices:
        net = device.find("capability[@type='net']")
        if net is not None:
            interfaces.setdefault(_owner(device, parents, pci), []).append(_interface(net))
    for address, name in sorted(owners.items()):
        if _is_nic(pci[name], name in interfaces):
            vfs = tuple(
                VirtualFunction(index, vf, drivers.get(vf), _names(interfaces, owners.get(vf, "")))
                for index, vf in enumerate(_functions(pci[name], "virt_functions"))
            )
            yield _nic(pci[name], address, sorted(interfaces.get(name, ())), vfs, nodes)


def _names(interfaces: Mapping[str, list[tuple[str, int | None]]], owner: str) -> tuple[str, ...]:
    return tuple(sorted(name for name, _ in interfaces.get(owner, ())))


def _owner(device: Element, parents: Mapping[str, str], pci: Mapping[str, Element]) -> str:
    """The PCI device that a network device lies below, by the parents that are known, else by its path."""
    name = device.findtext("parent", "")
    for _ in range(16):
        if name in pci or name not in parents:
            break
        name = parents[name]
    if name in pci:
        return name
    steps = device.findtext("path", "").split("/")
    known = [f"pci_{re.sub('[:.]', '_', step)}" for step in reversed(steps)]
    return next((step for step in known if step in pci), name)


def _interface(net: Element) -> tuple[str, int | None]:
    name = net.findtext("interface", "")
    if not 0 < len(name) <= 255 or not name.isprintable():
        raise LibvirtError("expected the name of an interface in capability/interface of a net device")
    link = net.find("link")
    speed = _WHOLE.fullmatch(link.get("speed", "")) if link is not None else None
    known = int(speed[0], 0) if speed and not speed[0].startswith("00") else 0
    return name, known if 0 < known < 2**31 else None


def _is_nic(device: Element, has_interface: bool) -> bool:
    kind = device.findtext("capability/class")
    if kind is None:
        return has_interface
    return _whole(kind, "class") >> 16 == NETWORK_CLASS


def _nic(
    device: Element,
    address: PciAddress,
    interfaces: list[tuple[str, int | None]],
    vfs: tuple[VirtualFunction, ...],
    nodes: set[int],
) -> Nic:
    numa = device.find("capability/numa")
    node = None if numa is None else _number_or_none(numa, "node")
    virtual = device.find("capability/capability[@type='virt_functions']")
    physical = list(_functions(device, "phys_function"))
    return Nic(
        address=address,
        vendor_id=_identifier(device, "vendor"),
        device_id=_identifier(device, "product"),
        driver=_driver(device),
        interfaces=tuple(name for name, _ in interfaces),
        speed_mbps=next((speed for _, speed in interfaces if speed is not None), None),
        numa_node=node if node in nodes else None,
        total_vfs=0 if virtual is None else max(len(vfs), _number_or_none(virtual, "maxCount") or 0),
        vfs=vfs,
        physical_function=physical[0] if physical else None,
    )


def _functions(device: Element, kind: str) -> Iterator[PciAddress]:
    for address in device.findall(f"capability/capability[@type='{kind}']/address"):
        yield _pci_address(*(address.get(key) for key in ("domain", "bus", "slot", "function")))


def _address(capability: Element) -> PciAddress:
    return _pci_address(*(capability.findtext(key) for key in ("domain", "bus", "slot", "function")))


def _pci_address(*parts: str | None) -> PciAddress:
    domain, bus, slot, function = (_whole(part, "PCI address") for part in parts)
    try:
        return PciAddress(domain, bus, slot, function)
    except PciError as error:
        raise LibvirtError(str(error)) from None


def _driver(device: Element) -> str | None:
    name = device.findtext("driver/name")
    return name if name and len(name) <= 255 and name.isprintable() else None


def _identifier(device: Element, kind: str) -> int | None:
    found = device.find(f"capability/{kind}")
    return None if found is None or found.get("id") is None else _whole(found.get("id"), kind)


def _attribute(element: Element, name: str, high: int) -> int:
    number = _whole(element.get(name), f"{element.tag}/@{name}")
    if number > high:
        raise LibvirtError(f"{element.tag}/@{name}: expected a whole number from 0 to {high}, found {number}")
    return number


def _number_or_none(element: Element, name: str) -> int | None:
    """A number; None where there is none, or where it is -1, the kernel's "not known"."""
    text = element.get(name)
    return None if text is None or text == "-1" else _whole(text, f"{element.tag}/@{name}")


def _whole(text: str | None, what: str) -> int:
    stripped = (text or "").strip()
    if _WHOLE.fullmatch(stripped) is None:
        raise LibvirtError(f"{what}: expected a whole number, found {stripped[:40]!r}")
    return int(stripped, 16) if stripped.startswith("0x") else int(stripped)


def _refuse_twins(keys: Iterable[object], what: str) -> None:
    seen: set[object] = set()
    for key in keys:
        if key in seen:
            raise LibvirtError(f"expected each {what} once, found {key} again")
        seen.add(key)

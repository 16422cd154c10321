"""Network controllers on PCI of a sysfs (Documentation/ABI/testing/sysfs-bus-pci)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from dpdk_helpers.pci import NETWORK_CLASS, PciAddress, PciError
from dpdk_helpers.sysfs.tree import Tree, printable
from dpdk_helpers.topology import Nic, NumaNode, VirtualFunction

_PCI = "bus/pci/devices"
_DRIVER = re.compile(r"^DRIVER=(.+)$", re.MULTILINE)


def read_nics(tree: Tree, nodes: Iterable[NumaNode], online: Iterable[int]) -> tuple[Nic, ...]:
    """Every device of the network class, by address; the same address written in two ways is one device."""
    place = _Place(tuple(nodes), frozenset(online), _by_device(tree))
    found: dict[PciAddress, Nic] = {}
    for name in tree.names(_PCI):
        try:
            address = PciAddress.parse(name)
        except PciError:
            continue
        kind = tree.whole(f"{_PCI}/{name}/class", 16)
        if kind is not None and kind >> 16 == NETWORK_CLASS and (address not in found or name == str(address)):
            found[address] = _nic(tree, address, f"{_PCI}/{name}", place)
    return tuple(nic for _, nic in sorted(found.items()))


class _Place:
    """What lies around the devices: nodes that one can be near to, and interfaces by the devices they name."""

    def __init__(
        self, nodes: tuple[NumaNode, ...], online: frozenset[int], interfaces: Mapping[str, Sequence[str]]
    ) -> None:
        self.interfaces = interfaces
        self.nodes = nodes
        self.ids = frozenset(node.id for node in nodes)
        self.online = online

    def nearest(self, local: set[int]) -> tuple[int, ...]:
        """Nodes of the CPUs that are local to a device; nothing when that is all of them, as that says nothing."""
        if not local or local.issuperset(self.online):
            return ()
        return tuple(node.id for node in self.nodes if local.intersection(node.cpus))


def _nic(tree: Tree, address: PciAddress, base: str, place: _Place) -> Nic:
    number = tree.whole(f"{base}/numa_node")
    numa_node = number if number in place.ids else None
    local = () if numa_node is not None else tree.cpus(f"{base}/local_cpulist", f"{base}/local_cpus") or ()
    interfaces = _interfaces(tree, base) or tuple(place.interfaces.get(base.rpartition("/")[2], ()))
    return Nic(
        address=address,
        vendor_id=tree.whole(f"{base}/vendor", 16),
        device_id=tree.whole(f"{base}/device", 16),
        driver=_driver(tree, base),
        interfaces=interfaces,
        speed_mbps=_speed(tree, base, interfaces),
        numa_node=numa_node,
        nearest_nodes=place.nearest(set(local)),
        total_vfs=max(0, tree.whole(f"{base}/sriov_totalvfs") or 0),
        vfs=_virtual_functions(tree, base),
        physical_function=_address_of(tree.target(f"{base}/physfn")),
    )


def _driver(tree: Tree, base: str) -> str | None:
    """By the link, or by `uevent` where a copy of /sys has lost its links."""
    linked = tree.target(f"{base}/driver")
    if linked is not None:
        return linked
    told = _DRIVER.search(tree.text(f"{base}/uevent") or "")
    return printable(told[1].strip()) if told else None


def _interfaces(tree: Tree, base: str) -> tuple[str, ...]:
    """Network interfaces of a device, those of a virtio device below it included."""
    return tuple(sorted(name for place in _net(tree, base) for name in tree.names(place) if printable(name)))


def _by_device(tree: Tree) -> Mapping[str, Sequence[str]]:
    """Interfaces by the device that `class/net` names for them, as older kernels and lossy copies have it alone."""
    found: dict[str, list[str]] = {}
    for name in tree.names("class/net"):
        device = tree.target(f"class/net/{name}/device")
        if device is not None and printable(name):
            found.setdefault(device, []).append(name)
    return found


def _net(tree: Tree, base: str) -> list[str]:
    below = [entry for entry in tree.names(base) if re.fullmatch(r"virtio[0-9]{1,9}", entry, re.ASCII)]
    return [f"{base}/net", *(f"{base}/{entry}/net" for entry in below)]


def _speed(tree: Tree, base: str, interfaces: tuple[str, ...]) -> int | None:
    """That of the first interface whose link is up; the kernel says -1, or nothing, of one that is down."""
    for interface in interfaces:
        for place in (*_net(tree, base), "class/net"):
            speed = tree.whole(f"{place}/{interface}/speed")
            if speed is not None and 0 < speed < 2**31:
                return speed
    return None


def _virtual_functions(tree: Tree, base: str) -> tuple[VirtualFunction, ...]:
    functions = []
    for index in tree.numbered(base, "virtfn"):
        address = _address_of(tree.target(f"{base}/virtfn{index}"))
        if address is not None:
            device = f"{_PCI}/{address}"
            functions.append(VirtualFunction(index, address, _driver(tree, device), _interfaces(tree, device)))
    return tuple(functions)


def _address_of(name: str | None) -> PciAddress | None:
    try:
        return PciAddress.parse(name) if name is not None else None
    except PciError:
        return None

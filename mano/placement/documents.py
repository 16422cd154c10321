"""Inventory documents: parsed YAML or JSON to values and back."""

from __future__ import annotations

from typing import Any

from mano.domain.nfvi import (
    SMALL_PAGE_KIB,
    Allocation,
    Cell,
    Host,
    HostState,
    InterfacePlacement,
    Inventory,
    Link,
    Nic,
    NumaNode,
    Vswitch,
)
from mano.placement.reading import Faults, Reader
from mano.placement.result import allocation_to_json

API_VERSION = "catena/v1"
MAX_HOSTS = 200_000
MAX_NODES = 256
MAX_CORES = 8_192
MAX_CPUS = 65_536
MAX_NICS = 256
MAX_ALLOCATIONS = 10_000
MAX_LINKS = 1_000_000
QUANTITY = 10**12

PathT = tuple[str | int, ...]


def check_header(reader: Reader, kind: str) -> None:
    """Absent headers are accepted (a part of a document may be handed in), wrong ones are not."""
    for key, expected in (("apiVersion", API_VERSION), ("kind", kind)):
        value = reader.get(key)
        if value is not None and value != expected:
            reader.faults.add((*reader.path, key), f"{expected!r}")


def inventory_from_document(document: Any) -> Inventory:
    """The Inventory of a parsed document. Raises DocumentError with every fault it has."""
    faults = Faults()
    reader = Reader(document, (), faults)
    check_header(reader, "Inventory")
    nodes = _Nodes(faults)
    hosts = [_host(Reader(one, path, faults), nodes) for path, one in reader.items("hosts", MAX_HOSTS, required=True)]
    links = [_link(Reader(one, path, faults)) for path, one in reader.items("links", MAX_LINKS)]
    reader.close()
    faults.raise_if_any("Inventory")
    inventory = faults.build((), lambda: Inventory(tuple(h for h in hosts if h), tuple(x for x in links if x)))
    faults.raise_if_any("Inventory")
    assert inventory is not None
    return inventory


def host_from_document(document: Any) -> Host:
    """One element of an inventory's `hosts`. Raises DocumentError with every fault it has."""
    faults = Faults()
    host = _host(Reader(document, (), faults), _Nodes(faults))
    faults.raise_if_any("Host")
    assert host is not None
    return host


class _Nodes:
    """Reads NUMA nodes and NICs; equal ones become one object, as the hosts of a fleet resemble each other."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self._nodes: dict[str, NumaNode] = {}
        self._nics: dict[str, Nic] = {}

    def node(self, document: Any, path: PathT) -> NumaNode | None:
        key = _likeness(document)
        known = self._nodes.get(key)
        if known is None:
            known = _node(Reader(document, path, self.faults))
            if known is not None and key:
                self._nodes[key] = known
        return known

    def nic(self, document: Any, path: PathT) -> Nic | None:
        key = _likeness(document)
        known = self._nics.get(key)
        if known is None:
            known = _nic(Reader(document, path, self.faults))
            if known is not None and key:
                self._nics[key] = known
        return known


def _likeness(document: Any) -> str:
    """Text that equal documents share; "" for one that has no text, such as a number of ten thousand digits."""
    try:
        return repr(document)
    except (ValueError, RecursionError):
        return ""


def _host(reader: Reader, nodes: _Nodes) -> Host | None:
    faults = reader.faults
    before = len(faults.found)
    name = reader.text("name")
    zone = reader.text("zone", "default")
    state = reader.choice("state", HostState, HostState.ENABLED)
    labels = reader.text_map("labels", 1000)
    numa = [nodes.node(one, path) for path, one in reader.items("numaNodes", MAX_NODES, required=True)]
    reserved = frozenset(reader.wholes("reservedCpus", 0, MAX_CPUS - 1, MAX_CPUS))
    shared = frozenset(reader.wholes("sharedCpus", 0, MAX_CPUS - 1, MAX_CPUS))
    overcommit = reader.number("cpuOvercommit", 1.0, 0, 1000)
    storage = reader.whole("storageGib", 0, QUANTITY, 0)
    vswitch = _vswitch(reader.child("vswitch"))
    nics = [nodes.nic(one, path) for path, one in reader.items("nics", MAX_NICS)]
    held = [_allocation(Reader(one, path, faults), name) for path, one in reader.items("allocations", MAX_ALLOCATIONS)]
    generation = reader.whole("generation", 0, 2**63 - 1, 0)
    reader.close()
    if len(faults.found) > before:
        return None
    return faults.build(
        reader.path,
        lambda: Host(
            name=name,
            numa_nodes=tuple(node for node in numa if node is not None),
            zone=zone,
            state=state,
            labels=labels,
            reserved_cpus=reserved,
            shared_cpus=shared,
            cpu_overcommit=overcommit,
            storage_gib=storage,
            vswitch=vswitch,
            nics=tuple(nic for nic in nics if nic is not None),
            allocations=tuple(one for one in held if one is not None),
            generation=generation,
        ),
    )


def _node(reader: Reader) -> NumaNode | None:
    faults = reader.faults
    before = len(faults.found)
    node_id = reader.whole("id", 0, 4095)
    socket = reader.whole_or_none("socket", 0, QUANTITY)
    cores = []
    for path, core in reader.items("cores", MAX_CORES, required=True):
        if isinstance(core, (list, tuple)) and len(core) <= 64:
            cpus = (((*path, index), cpu) for index, cpu in enumerate(core))
            cores.append(reader.wholes_at(cpus, 0, MAX_CPUS - 1))
        else:
            faults.add(path, "a list of at most 64 CPU numbers, the hyper-threads of one core")
    memory = reader.whole("memoryMib", 0, QUANTITY)
    reserved = reader.whole("reservedMemoryMib", 0, QUANTITY, 0)
    hugepages = reader.number_map("hugepages", 2**34, QUANTITY, 16)
    reserved_pages = reader.number_map("reservedHugepages", 2**34, QUANTITY, 16)
    distances = reader.number_map("distances", 4095, 2**16, 4096)
    reader.close()
    if len(faults.found) > before:
        return None
    return faults.build(
        reader.path,
        lambda: NumaNode(node_id, tuple(cores), memory, socket, hugepages, reserved, reserved_pages, distances),
    )


def _nic(reader: Reader) -> Nic | None:
    faults = reader.faults
    before = len(faults.found)
    pci = reader.text("pci")
    name = reader.text("name", pci)
    numa_node = reader.whole_or_none("numaNode", 0, 4095)
    physnet = reader.text_or_none("physnet")
    link = reader.whole_or_none("linkMbps", 0, QUANTITY)
    total = reader.whole("totalVfs", 0, 65_535, 0)
    traits = frozenset(reader.texts("traits", 100))
    reader.close()
    if len(faults.found) > before:
        return None
    return faults.build(reader.path, lambda: Nic(name, pci, numa_node, physnet, link, total, traits))


def _vswitch(reader: Reader | None) -> Vswitch | None:
    if reader is None:
        return None
    datapath = reader.text("datapath", "system")
    nodes = reader.wholes("nodes", 0, 4095, MAX_NODES)
    reader.close()
    return reader.faults.build(reader.path, lambda: Vswitch(datapath, nodes))


def _link(reader: Reader) -> Link | None:
    before = len(reader.faults.found)
    a, b = reader.text("a"), reader.text("b")
    mbps = reader.whole("mbps", 0, QUANTITY)
    latency = reader.whole("latencyUs", 0, QUANTITY, 0)
    reserved = reader.whole("reservedMbps", 0, mbps, 0)
    reader.close()
    if len(reader.faults.found) > before:
        return None
    return reader.faults.build(reader.path, lambda: Link(a, b, mbps, latency, reserved))


def allocation_from_document(document: Any, *, id: str | None = None) -> Allocation:
    """An allocation, or a placement as a plan prints it (then `id` names it). Raises DocumentError."""
    faults = Faults()
    allocation = _allocation(Reader(document, (), faults), None, id)
    faults.raise_if_any("Allocation")
    assert allocation is not None
    return allocation


def _allocation(reader: Reader, host: str | None, default_id: str | None = None) -> Allocation | None:
    faults = reader.faults
    before = len(faults.found)
    allocation_id = reader.text("id", default_id)
    stated = reader.text_or_none("host")
    if host is not None and stated not in (None, host):
        faults.add((*reader.path, "host"), f"{host!r:.60}, the host that it stands under, or nothing")
    groups = reader.texts("groups", 1000)
    cells = [_cell(Reader(one, path, faults)) for path, one in reader.items("cells", MAX_NODES)]
    pins = reader.number_map("vcpuPins", MAX_CPUS, MAX_CPUS - 1, MAX_CPUS)
    emulator = reader.wholes("emulatorCpus", 0, MAX_CPUS - 1, MAX_CPUS)
    blocked = reader.wholes("blockedCpus", 0, MAX_CPUS - 1, MAX_CPUS)
    storage = reader.whole("storageGib", 0, QUANTITY, 0)
    interfaces = {name: _interface(Reader(one, path, faults)) for path, name, one in reader.entries("interfaces", 1000)}
    reader.close()
    if len(faults.found) > before:
        return None
    return faults.build(
        reader.path,
        lambda: Allocation(
            id=allocation_id,
            cells=tuple(cell for cell in cells if cell is not None),
            vcpu_pins=pins,
            emulator_cpus=emulator,
            blocked_cpus=blocked,
            interfaces={name: one for name, one in interfaces.items() if one is not None},
            storage_gib=storage,
            groups=groups,
        ),
    )


def _cell(reader: Reader) -> Cell | None:
    before = len(reader.faults.found)
    node = reader.whole("node", 0, 4095)
    cpus = reader.wholes("cpus", 0, MAX_CPUS - 1, MAX_CPUS)
    memory = reader.whole("memoryMib", 0, QUANTITY, 0)
    page = reader.whole("pageSizeKib", SMALL_PAGE_KIB, 2**34, SMALL_PAGE_KIB)
    shared = reader.whole("sharedVcpus", 0, QUANTITY, 0)
    vcpus = reader.wholes("vcpus", 0, MAX_CPUS, MAX_CPUS)
    reader.close()
    if len(reader.faults.found) > before:
        return None
    return reader.faults.build(reader.path, lambda: Cell(node, cpus, memory, page, shared, vcpus))


def _interface(reader: Reader) -> InterfacePlacement | None:
    before = len(reader.faults.found)
    pci = reader.text_or_none("pci")
    vfs = reader.wholes("vfs", 0, 65_535, 65_536)
    node = reader.whole_or_none("node", 0, 4095)
    bandwidth = reader.whole("bandwidthMbps", 0, QUANTITY, 0)
    reader.close()
    if len(reader.faults.found) > before:
        return None
    return reader.faults.build(reader.path, lambda: InterfacePlacement(pci, vfs, node, bandwidth))


def inventory_to_document(inventory: Inventory) -> dict[str, Any]:
    """The document that reads back as an equal inventory."""
    document: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": "Inventory",
        "hosts": [host_to_document(host) for host in inventory.hosts],
    }
    if inventory.links:
        document["links"] = [_link_to_document(link) for link in inventory.links]
    return document


def _link_to_document(link: Link) -> dict[str, Any]:
    document: dict[str, Any] = {"a": link.a, "b": link.b, "mbps": link.mbps, "latencyUs": link.latency_us}
    if link.reserved_mbps:
        document["reservedMbps"] = link.reserved_mbps
    return document


def host_to_document(host: Host) -> dict[str, Any]:
    """One element of an inventory's `hosts`."""
    document: dict[str, Any] = {
        "name": host.name,
        "zone": host.zone,
        "state": str(host.state),
        "labels": dict(host.labels),
        "numaNodes": [_node_to_document(node) for node in host.numa_nodes],
        "reservedCpus": sorted(host.reserved_cpus),
        "sharedCpus": sorted(host.shared_cpus),
        "cpuOvercommit": host.cpu_overcommit,
        "storageGib": host.storage_gib,
        "nics": [_nic_to_document(nic) for nic in host.nics],
        "allocations": [{"id": one.id, "groups": [], **allocation_to_json(one)} for one in host.allocations],
    }
    if host.vswitch is not None:
        document["vswitch"] = {"datapath": host.vswitch.datapath, "nodes": list(host.vswitch.nodes)}
    if host.generation:
        document["generation"] = host.generation
    return document


def _node_to_document(node: NumaNode) -> dict[str, Any]:
    document: dict[str, Any] = {
        "id": node.id,
        "cores": [list(core) for core in node.cores],
        "memoryMib": node.memory_mib,
        "hugepages": {str(size): count for size, count in sorted(node.hugepages.items())},
        "reservedMemoryMib": node.reserved_memory_mib,
        "reservedHugepages": {str(size): count for size, count in sorted(node.reserved_hugepages.items())},
        "distances": {str(other): distance for other, distance in sorted(node.distances.items())},
    }
    if node.socket is not None:
        document["socket"] = node.socket
    return document


def _nic_to_document(nic: Nic) -> dict[str, Any]:
    return {
        "name": nic.name,
        "pci": nic.pci,
        "numaNode": nic.numa_node,
        "physnet": nic.physnet,
        "linkMbps": nic.link_mbps,
        "totalVfs": nic.total_vfs,
        "traits": sorted(nic.traits),
    }

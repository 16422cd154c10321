"""PlacementRequest documents: parsed YAML or JSON to values and back."""

from __future__ import annotations

from typing import Any, TypeVar

from mano.placement.documents import API_VERSION, QUANTITY, check_header
from mano.placement.reading import Faults, Reader, as_whole, shown
from mano.placement.request import (
    MAX_CELLS,
    MAX_INTERFACES,
    MAX_VCPUS,
    CellRequest,
    ChainRequest,
    CpuPolicy,
    EmulatorThreads,
    Group,
    GroupKind,
    InterfaceRequest,
    NumaAffinity,
    PageClass,
    PlacementRequest,
    Scope,
    ThreadPolicy,
    VduRequest,
    VnicType,
)

MAX_VDUS = 10_000
MAX_GROUPS = 10_000
MAX_MEMBERS = 10_000
MAX_CHAINS = 10_000
MAX_PATH = 256

T = TypeVar("T")


def request_from_document(document: Any) -> PlacementRequest:
    """The PlacementRequest of a parsed document. Raises DocumentError with every fault it has."""
    faults = Faults()
    reader = Reader(document, (), faults)
    check_header(reader, "PlacementRequest")
    options = reader.child("options")
    all_or_nothing = True
    if options is not None:
        all_or_nothing = options.flag("allOrNothing", True)
        options.close()
    vdus = [_vdu(Reader(one, path, faults)) for path, one in reader.items("vdus", MAX_VDUS, required=True)]
    groups = [_group(Reader(one, path, faults)) for path, one in reader.items("groups", MAX_GROUPS)]
    chains = [_chain(Reader(one, path, faults)) for path, one in reader.items("chains", MAX_CHAINS)]
    reader.close()
    faults.raise_if_any("PlacementRequest")
    request = faults.build((), lambda: PlacementRequest(_all(vdus), _all(groups), _all(chains), all_or_nothing))
    faults.raise_if_any("PlacementRequest")
    assert request is not None
    return request


def vdu_from_document(document: Any) -> VduRequest:
    """One element of a request's `vdus`. Raises DocumentError with every fault it has."""
    faults = Faults()
    vdu = _vdu(Reader(document, (), faults))
    faults.raise_if_any("VDU")
    assert vdu is not None
    return vdu


def _all(values: list[T | None]) -> tuple[T, ...]:
    return tuple(value for value in values if value is not None)


def _vdu(reader: Reader) -> VduRequest | None:
    faults = reader.faults
    before = len(faults.found)
    vdu_id = reader.text("id")
    vcpus = reader.whole("vcpus", 1, MAX_VCPUS)
    memory = reader.whole("memoryMib", 1, QUANTITY)
    cpu_policy = reader.choice("cpuPolicy", CpuPolicy, CpuPolicy.DEDICATED)
    thread_policy = reader.choice("threadPolicy", ThreadPolicy, ThreadPolicy.PREFER)
    emulator = reader.choice("emulatorThreads", EmulatorThreads, EmulatorThreads.NONE)
    page = _page_size(reader)
    numa = _numa(reader)
    dedicated = frozenset(reader.wholes("dedicatedVcpus", 0, MAX_VCPUS, MAX_VCPUS))
    storage = reader.whole("storageGib", 0, QUANTITY, 0)
    requires = reader.text_map("requires", 1000)
    zones = _zones(reader)
    interfaces = [_interface(Reader(one, path, faults)) for path, one in reader.items("interfaces", MAX_INTERFACES)]
    reader.close()
    if len(faults.found) > before:
        return None
    return faults.build(
        reader.path,
        lambda: VduRequest(
            id=vdu_id,
            vcpus=vcpus,
            memory_mib=memory,
            cpu_policy=cpu_policy,
            thread_policy=thread_policy,
            emulator_threads=emulator,
            page_size=page,
            numa=numa,
            dedicated_vcpus=dedicated,
            storage_gib=storage,
            requires=requires,
            zones=zones,
            interfaces=_all(interfaces),
        ),
    )


def _page_size(reader: Reader) -> int | PageClass:
    value = reader.get("pageSizeKib")
    if value is None:
        return PageClass.SMALL
    if isinstance(value, str) and value in PageClass._value2member_map_:
        return PageClass(value)
    number = as_whole(value)
    if number is not None and 4 <= number <= 2**34 and not number & (number - 1):
        return number
    expected = "small, large, any or a page size in KiB that is a power of two"
    reader.faults.add((*reader.path, "pageSizeKib"), f"{expected}, found {shown(value)}")
    return PageClass.SMALL


def _zones(reader: Reader) -> frozenset[str]:
    """`zones: [a, b]`, or `zone: a` for one."""
    one = reader.text_or_none("zone")
    several = frozenset(reader.texts("zones", 10_000))
    return several if one is None else several | {one}


def _numa(reader: Reader) -> int | tuple[CellRequest, ...] | None:
    value = reader.get("numaNodes")
    if value is None:
        return None
    if not isinstance(value, (list, tuple)):
        return reader.whole("numaNodes", 1, MAX_CELLS)
    cells = [_cell(Reader(one, path, reader.faults)) for path, one in reader.items("numaNodes", MAX_CELLS)]
    return _all(cells)


def _cell(reader: Reader) -> CellRequest | None:
    before = len(reader.faults.found)
    vcpus = reader.wholes("vcpus", 0, MAX_VCPUS - 1, MAX_VCPUS)
    memory = reader.whole("memoryMib", 1, QUANTITY)
    reader.close()
    if len(reader.faults.found) > before:
        return None
    return reader.faults.build(reader.path, lambda: CellRequest(vcpus, memory))


def _interface(reader: Reader) -> InterfaceRequest | None:
    before = len(reader.faults.found)
    key = reader.text("id")
    vnic_type = reader.choice("vnicType", VnicType, VnicType.NORMAL)
    physnet = reader.text_or_none("physnet")
    vfs = reader.whole("vfs", 1, 65_535, 1)
    affinity = reader.choice("numaAffinity", NumaAffinity, NumaAffinity.REQUIRED)
    bandwidth = reader.whole("bandwidthMbps", 0, QUANTITY, 0)
    traits = frozenset(reader.texts("traits", 100))
    reader.close()
    if len(reader.faults.found) > before:
        return None
    return reader.faults.build(
        reader.path, lambda: InterfaceRequest(key, vnic_type, physnet, vfs, affinity, bandwidth, traits)
    )


def _group(reader: Reader) -> Group | None:
    before = len(reader.faults.found)
    kind = reader.choice("kind", GroupKind)
    scope = reader.choice("scope", Scope, Scope.HOST)
    members = reader.texts("members", MAX_MEMBERS, required=True)
    strict = reader.flag("strict", True)
    key = reader.text_or_none("id")
    reader.close()
    if len(reader.faults.found) > before:
        return None
    return reader.faults.build(reader.path, lambda: Group(kind, members, scope, strict, key))


def _chain(reader: Reader) -> ChainRequest | None:
    before = len(reader.faults.found)
    key = reader.text("id")
    path = reader.texts("path", MAX_PATH, required=True)
    bandwidth = reader.whole("bandwidthMbps", 0, QUANTITY, 0)
    latency = reader.whole_or_none("maxLatencyUs", 0, QUANTITY)
    ingress, egress = reader.text_or_none("ingress"), reader.text_or_none("egress")
    reader.close()
    if len(reader.faults.found) > before:
        return None
    return reader.faults.build(reader.path, lambda: ChainRequest(key, path, bandwidth, latency, ingress, egress))


def request_to_document(request: PlacementRequest) -> dict[str, Any]:
    """The document that reads back as an equal request."""
    return {
        "apiVersion": API_VERSION,
        "kind": "PlacementRequest",
        "options": {"allOrNothing": request.all_or_nothing},
        "vdus": [vdu_to_document(vdu) for vdu in request.vdus],
        "groups": [_group_to_document(group) for group in request.groups],
        "chains": [_chain_to_document(chain) for chain in request.chains],
    }


def vdu_to_document(vdu: VduRequest) -> dict[str, Any]:
    """One element of a request's `vdus`."""
    document: dict[str, Any] = {
        "id": vdu.id,
        "vcpus": vdu.vcpus,
        "memoryMib": vdu.memory_mib,
        "cpuPolicy": str(vdu.cpu_policy),
        "threadPolicy": str(vdu.thread_policy),
        "emulatorThreads": str(vdu.emulator_threads),
        "pageSizeKib": vdu.page_size if isinstance(vdu.page_size, int) else str(vdu.page_size),
        "storageGib": vdu.storage_gib,
        "requires": dict(vdu.requires),
        "interfaces": [_interface_to_document(one) for one in vdu.interfaces],
    }
    if isinstance(vdu.numa, tuple):
        document["numaNodes"] = [{"vcpus": list(cell.vcpus), "memoryMib": cell.memory_mib} for cell in vdu.numa]
    elif vdu.numa is not None:
        document["numaNodes"] = vdu.numa
    if vdu.dedicated_vcpus:
        document["dedicatedVcpus"] = sorted(vdu.dedicated_vcpus)
    if vdu.zones:
        document["zones"] = sorted(vdu.zones)
    return document


def _interface_to_document(interface: InterfaceRequest) -> dict[str, Any]:
    return {
        "id": interface.id,
        "vnicType": str(interface.vnic_type),
        "physnet": interface.physnet,
        "vfs": interface.vfs,
        "numaAffinity": str(interface.numa_affinity),
        "bandwidthMbps": interface.bandwidth_mbps,
        "traits": sorted(interface.traits),
    }


def _group_to_document(group: Group) -> dict[str, Any]:
    document: dict[str, Any] = {
        "kind": str(group.kind),
        "scope": str(group.scope),
        "members": list(group.members),
        "strict": group.strict,
    }
    if group.id is not None:
        document["id"] = group.id
    return document


def _chain_to_document(chain: ChainRequest) -> dict[str, Any]:
    return {
        "id": chain.id,
        "path": list(chain.path),
        "bandwidthMbps": chain.bandwidth_mbps,
        "maxLatencyUs": chain.max_latency_us,
        "ingress": chain.ingress,
        "egress": chain.egress,
    }

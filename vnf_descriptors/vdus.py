"""What a VDU and its interfaces ask of a host, from properties and requirement keys together.

Both the rules (for the findings) and the reader of VNFDs (for the facts) use these functions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from vnf_descriptors import units
from vnf_descriptors.model import (
    CpuPolicy,
    EmulatorThreads,
    FrozenMap,
    NumaAffinity,
    NumaCell,
    PageSizeClass,
    SfFacts,
    ThreadPolicy,
    VduCpu,
    VnicType,
)
from vnf_descriptors.report import Finding, finding, quote
from vnf_descriptors.requirement_keys import (
    MAX_VCPUS,
    PAGE_SIZES,
    KeyReader,
    VduFacts,
    memory_of,
    read_interface_facts,
    read_vdu_facts,
)
from vnf_descriptors.topology import NodeTemplate, Topology
from vnf_descriptors.vnf_nodes import boolean_of, child, integer_of, maps_of, storages, text_of
from vnf_descriptors.yamltree import Mapping, Node, Scalar

_COMPUTE = "virtual_compute"
#: Values of `vnic_type` in older editions.
_OLD_VNIC_TYPES = {"virtio": VnicType.NORMAL}


@dataclass(frozen=True, slots=True)
class VduDemand:
    """What one instance of a VDU needs. `cpu` is None and `memory_mib` 0 where the descriptor is too wrong."""

    cpu: VduCpu | None
    memory_mib: int
    page_size_kib: int | PageSizeClass | None
    numa_nodes: int | None
    numa_cells: tuple[NumaCell, ...]
    numa_enabled: bool
    storage_gib: int
    facts: VduFacts
    findings: tuple[Finding, ...]


def vdu_of(topology: Topology, template: NodeTemplate) -> VduDemand:
    """The demand of a Vdu.Compute node."""
    return topology.remember(("vdu_of", template.name), lambda: _vdu_of(topology, template))


def _vdu_of(topology: Topology, template: NodeTemplate) -> VduDemand:
    cpu = topology.capability_property(template, _COMPUTE, "virtual_cpu")
    memory = topology.capability_property(template, _COMPUTE, "virtual_memory")
    facts, keys = read_vdu_facts(_requirement_maps(topology, template, cpu, memory))
    findings = keys.findings
    vcpus = _vcpus(cpu, facts, keys)
    demand_cpu = _cpu(cpu, vcpus, facts, keys, findings)
    page = facts.page_size_kib
    huge = _huge_page(memory, findings)
    if page is None:
        page = huge
    elif huge is not None and page != huge:
        place = keys.place("catena:pageSizeKib", "hw:mem_page_size")
        if place is not None:
            keys.contradict(place, f"the page size differs from huge_pages_requirements, which say {huge} KiB")
    memory_mib = _memory(memory, page, facts, keys)
    findings.extend(_check_pages(page, memory_mib, facts, keys, memory, template))
    findings.extend(_check_cells(vcpus, memory_mib, page, facts, keys, template))
    return VduDemand(
        demand_cpu,
        memory_mib,
        page,
        facts.numa_nodes,
        facts.numa_cells,
        boolean_of(child(memory, "numa_enabled")),
        _storage_gib(topology, template, facts),
        facts,
        tuple(findings),
    )


def _requirement_maps(
    topology: Topology, template: NodeTemplate, cpu: Node | None, memory: Node | None
) -> Iterator[Node | None]:
    yield topology.follow(child(cpu, "vdu_cpu_requirements"), (), template)
    yield topology.follow(child(memory, "vdu_mem_requirements"), (), template)
    yield topology.capability_property(template, _COMPUTE, "compute_requirements")
    logical = topology.capability_property(template, _COMPUTE, "logical_node")
    for _, _, data in logical.items() if isinstance(logical, Mapping) else ():
        yield child(data, "logical_node_requirements")


def _vcpus(cpu: Node | None, facts: VduFacts, keys: KeyReader) -> int | None:
    node = child(cpu, "num_virtual_cpu")
    vcpus = integer_of(node)
    asked = keys.place("catena:vcpus")
    if vcpus is not None and facts.vcpus not in (None, vcpus) and asked is not None:
        keys.contradict(asked, f"catena:vcpus is {facts.vcpus}, but num_virtual_cpu is {vcpus}")
    if vcpus is not None and vcpus > MAX_VCPUS and isinstance(node, Scalar):
        keys.impossible(node, f"{vcpus} vCPUs are more than any host has ({MAX_VCPUS})")
        return None
    return vcpus if vcpus is not None and vcpus > 0 else facts.vcpus


def _cpu(
    cpu: Node | None, vcpus: int | None, facts: VduFacts, keys: KeyReader, findings: list[Finding]
) -> VduCpu | None:
    policy = _cpu_policy(cpu, facts, keys)
    for rule in (child(cpu, "virtual_cpu_pinning", "virtual_cpu_pinning_rule"),):
        if rule is not None and not isinstance(rule, Scalar):
            findings.append(finding("REQ005", rule, "virtual_cpu_pinning_rule is not used; the placement chooses"))
    if vcpus is None:
        return None
    dedicated = _dedicated(policy, vcpus, facts, keys)
    thread, emulator = facts.thread_policy, facts.emulator_threads
    if policy is CpuPolicy.SHARED:
        _check_shared(thread, emulator, keys)
    if policy is CpuPolicy.MIXED and not dedicated:
        return None
    clock = text_of(child(cpu, "virtual_cpu_clock"))
    return VduCpu(
        vcpus,
        policy,
        dedicated,
        thread or ThreadPolicy.PREFER,
        emulator or EmulatorThreads.NONE,
        text_of(child(cpu, "cpu_architecture")),
        _optional(units.frequency_mhz, clock),
    )


def _cpu_policy(cpu: Node | None, facts: VduFacts, keys: KeyReader) -> CpuPolicy:
    pinning = text_of(child(cpu, "virtual_cpu_pinning", "virtual_cpu_pinning_policy"))
    place = keys.place("catena:cpuPolicy", "hw:cpu_policy")
    if pinning == "static" and facts.cpu_policy is CpuPolicy.SHARED and place is not None:
        keys.contradict(place, "the CPU policy is shared, but virtual_cpu_pinning_policy is static")
    if facts.cpu_policy is not None:
        return facts.cpu_policy
    return CpuPolicy.DEDICATED if pinning == "static" else CpuPolicy.SHARED


def _dedicated(policy: CpuPolicy, vcpus: int, facts: VduFacts, keys: KeyReader) -> tuple[int, ...]:
    place = keys.place("catena:dedicatedVcpus", "hw:cpu_dedicated_mask")
    if policy is not CpuPolicy.MIXED:
        if place is not None:
            keys.contradict(place, f"dedicated vCPUs belong to the CPU policy mixed, not {policy.value}")
        return ()
    excluded = {-index - 1 for index in facts.dedicated_vcpus if index < 0}
    chosen = {index for index in facts.dedicated_vcpus if index >= 0} or (set(range(vcpus)) if excluded else set())
    chosen -= excluded
    where = place or keys.place("catena:cpuPolicy", "hw:cpu_policy")
    if where is not None and (not chosen or max(chosen) >= vcpus or len(chosen) == vcpus):
        hint = "Give catena:dedicatedVcpus or hw:cpu_dedicated_mask"
        keys.contradict(where, f"the policy mixed needs some, but not all, of the vCPUs 0 to {vcpus - 1}", hint)
        return ()
    return tuple(sorted(chosen))


def _check_shared(thread: ThreadPolicy | None, emulator: EmulatorThreads | None, keys: KeyReader) -> None:
    place = keys.place("catena:threadPolicy", "hw:cpu_thread_policy")
    if thread in (ThreadPolicy.REQUIRE, ThreadPolicy.ISOLATE) and place is not None:
        keys.contradict(place, f"the thread policy {thread.value} needs dedicated CPUs", "Set hw:cpu_policy: dedicated")
    place = keys.place("catena:emulatorThreads", "hw:emulator_threads_policy")
    if emulator is EmulatorThreads.ISOLATE and place is not None:
        keys.contradict(place, "isolated emulator threads need dedicated CPUs", "Set hw:cpu_policy: dedicated")


# Memory -----------------------------------------------------------------------------------------------------


def _huge_page(memory: Node | None, findings: list[Finding]) -> int | None:
    wanted = child(memory, "huge_pages_requirements")
    entries = maps_of(wanted)
    sizes = [(entry, _optional(units.size_kib, text_of(entry.get("hugepage_size")))) for entry in entries]
    known = [(entry, size) for entry, size in sizes if size is not None]
    if not known:
        return None
    if len({size for _, size in known}) > 1:
        findings.append(finding("REQ005", known[1][0], "memory is backed by pages of one size; the first is taken"))
    entry, size = known[0]
    requested = sum(
        _optional(units.size_mib, text_of(each.get("requested_size"))) or 0 for each, other in known if other == size
    )
    total = _optional(units.size_mib, text_of(child(memory, "virtual_mem_size"))) or 0
    if 0 < requested < total:
        message = f"{requested} MiB of huge pages are asked for, but all {total} MiB will be backed by them"
        findings.append(finding("REQ005", entry, message))
    elif requested > total > 0:
        findings.append(
            finding("REQ004", entry, f"{requested} MiB of huge pages are more than the {total} MiB of memory")
        )
    return size


def _memory(memory: Node | None, page: int | PageSizeClass | None, facts: VduFacts, keys: KeyReader) -> int:
    node = child(memory, "virtual_mem_size")
    try:
        mib = memory_of(text_of(node) or "", page)
    except ValueError:
        return facts.memory_mib or 0
    asked = keys.place("catena:memoryMib")
    if facts.memory_mib not in (None, mib) and asked is not None:
        keys.contradict(asked, f"catena:memoryMib is {facts.memory_mib}, but virtual_mem_size is {mib} MiB")
    if mib < 1 and isinstance(node, Scalar):
        keys.impossible(node, "a VDU needs some memory")
    return mib


def _check_pages(
    page: int | PageSizeClass | None,
    memory_mib: int,
    facts: VduFacts,
    keys: KeyReader,
    memory: Node | None,
    template: NodeTemplate,
) -> Iterator[Finding]:
    if not isinstance(page, int):
        return
    place = keys.place("catena:pageSizeKib", "hw:mem_page_size") or child(memory, "huge_pages_requirements")
    if page not in PAGE_SIZES:
        hint = "Common sizes are 4, 2048 and 1048576 KiB"
        yield finding("REQ003", place or template.key, f"no processor has pages of {page} KiB", hint)
    elif memory_mib * 1024 % page:
        where = child(memory, "virtual_mem_size") or template.key
        yield finding("REQ003", where, f"{memory_mib} MiB of memory are no multiple of its pages of {page} KiB")
    for number, cell in enumerate(facts.numa_cells):
        if page in PAGE_SIZES and cell.memory_mib * 1024 % page:
            message = f"the {cell.memory_mib} MiB of cell {number} are no multiple of pages of {page} KiB"
            yield finding("REQ003", place or template.key, message)


def _check_cells(
    vcpus: int | None,
    memory_mib: int,
    page: int | PageSizeClass | None,
    facts: VduFacts,
    keys: KeyReader,
    template: NodeTemplate,
) -> Iterator[Finding]:
    place: Node = keys.place("catena:numaNodes", "hw:numa_nodes") or template.key
    count = facts.numa_nodes or len(facts.numa_cells)
    if vcpus is not None and count > vcpus:
        yield finding("REQ003", place, f"{count} NUMA cells are more than {vcpus} vCPUs")
        return
    if facts.numa_nodes and isinstance(page, int) and 0 < memory_mib * 1024 < page * facts.numa_nodes:
        yield finding("REQ003", place, f"{memory_mib} MiB do not give each of {count} cells one page")
    if not facts.numa_cells or vcpus is None:
        return
    used = [index for cell in facts.numa_cells for index in cell.vcpus]
    if sorted(used) != list(range(vcpus)):
        yield finding("REQ003", place, f"the NUMA cells must hold each of the vCPUs 0 to {vcpus - 1} exactly once")
    total = sum(cell.memory_mib for cell in facts.numa_cells)
    if memory_mib and total != memory_mib:
        yield finding("REQ003", place, f"the NUMA cells have {total} MiB together, but the VDU has {memory_mib} MiB")


def _storage_gib(topology: Topology, template: NodeTemplate, facts: VduFacts) -> int:
    if facts.storage_gib is not None:
        return facts.storage_gib
    total = 0
    local = topology.capability_property(template, _COMPUTE, "virtual_local_storage")
    for entry in maps_of(local):
        size = topology.follow(entry.get("size_of_storage"), (), template)
        total += _optional(units.size_gib, text_of(size)) or 0
    attached = {use.target.text for use in template.uses("virtual_storage") if use.target}
    for node in storages(topology) if attached else ():
        if node.name in attached:
            total += storage_size_gib(topology, node)
    return total


def storage_size_gib(topology: Topology, node: NodeTemplate) -> int:
    """The size of a storage node in GiB, rounded up; 0 when it gives none."""
    for name, size in (
        ("virtual_block_storage_data", "size_of_storage"),
        ("virtual_object_storage_data", "max_size_of_storage"),
        ("virtual_file_storage_data", "size_of_storage"),
    ):
        found = _optional(units.size_gib, text_of(topology.property_of(node, name, size)))
        if found is not None:
            return found
    return 0


# Interfaces -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class InterfaceDemand:
    """What one interface needs."""

    vnic_type: VnicType = VnicType.NORMAL
    physnet: str | None = None
    vfs: int = 1
    numa_affinity: NumaAffinity | None = None
    bandwidth_mbps: int = 0
    traits: tuple[str, ...] = ()
    bitrate_bps: int | None = None
    sf: SfFacts | None = None
    keys: FrozenMap[str, str] = field(default_factory=FrozenMap)
    findings: tuple[Finding, ...] = ()


def interface_of(topology: Topology, template: NodeTemplate) -> InterfaceDemand:
    """The demand of a VduCp node. The entries of its requirements are read as one map."""
    return topology.remember(("interface_of", template.name), lambda: _interface_of(topology, template))


def _interface_of(topology: Topology, template: NodeTemplate) -> InterfaceDemand:
    entries = maps_of(topology.property_of(template, "virtual_network_interface_requirements"))
    maps = [entry.get("network_interface_requirements") for entry in entries]
    maps += [child(entry, "nic_io_requirements", "logical_node_requirements") for entry in entries]
    facts, keys = read_interface_facts(maps)
    vnic_type = _vnic_type(topology, template, facts.vnic_type, keys)
    if vnic_type in (VnicType.NORMAL, VnicType.VIRTIO_FORWARDER) and (facts.vfs or 1) > 1:
        place = keys.place("catena:vfs")
        if place is not None:
            keys.contradict(place, f"an interface of vnic_type {vnic_type.value} has no virtual functions")
    bitrate = integer_of(topology.property_of(template, "bitrate_requirement"))
    bandwidth = facts.bandwidth_mbps
    if bandwidth is None:
        bandwidth = -(-(bitrate or 0) // 10**6)
    return InterfaceDemand(
        vnic_type,
        facts.physnet,
        facts.vfs or 1,
        facts.numa_affinity,
        bandwidth,
        facts.traits,
        bitrate,
        facts.sf,
        facts.all,
        tuple(keys.findings),
    )


def _vnic_type(topology: Topology, template: NodeTemplate, key: str | None, keys: KeyReader) -> VnicType:
    written = text_of(topology.property_of(template, "vnic_type"))
    text = written or key or "normal"
    place = keys.place("catena:vnicType")
    if written and key and written != key and place is not None:
        keys.contradict(place, f"catena:vnicType is {quote(key)}, but vnic_type is {quote(written)}")
    if text in _OLD_VNIC_TYPES:
        return _OLD_VNIC_TYPES[text]
    try:
        return VnicType(text)
    except ValueError:
        if place is not None and not written:
            keys.findings.append(finding("REQ002", place, f"the vNIC type {quote(text)} is not known"))
        return VnicType.NORMAL


def _optional(convert: object, text: str | None) -> int | None:
    """What a conversion of `units` makes of a text; None when there is no text or it does not fit."""
    if text is None or not callable(convert):
        return None
    try:
        return int(convert(text))
    except ValueError:
        return None

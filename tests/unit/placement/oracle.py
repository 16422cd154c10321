"""A second opinion on placement that shares no code with the engine: documents in, exhaustive search, verdict out.

`verdict` says which reason refuses a VDU on a host, None when it fits; `faults_of` checks a printed placement against
the documents. Both are written from the contract's sentences alone and are only meant for small hosts.
"""

from __future__ import annotations

from itertools import combinations, permutations, product


class HostView:
    """What the allocations of a host document leave free, in plain sets and numbers."""

    def __init__(self, host) -> None:
        self.host = host
        self.nodes = {node["id"]: node for node in host["numaNodes"]}
        reserved, shared = set(host.get("reservedCpus", [])), set(host.get("sharedCpus", []))
        self.cores = {i: [set(core) for core in node["cores"]] for i, node in self.nodes.items()}
        self.free = {i: set().union(*cores) - reserved - shared if cores else set() for i, cores in self.cores.items()}
        ratio = host.get("cpuOvercommit", 1.0)
        self.pool = {i: int(len(set().union(*c, set()) & shared) * ratio + 1e-9) for i, c in self.cores.items()}
        self.small, self.pages = {}, {}
        for i, node in self.nodes.items():
            huge = {int(size): count for size, count in node.get("hugepages", {}).items()}
            kept = {int(size): count for size, count in node.get("reservedHugepages", {}).items()}
            total = node["memoryMib"] - sum(size * count // 1024 for size, count in huge.items())
            self.small[i] = max(0, total - node.get("reservedMemoryMib", 0))
            self.pages[i] = {size: count - kept.get(size, 0) for size, count in huge.items()}
        self.nics = {nic["pci"]: nic for nic in host.get("nics", [])}
        self.vfs = {pci: set(range(nic.get("totalVfs", 0))) for pci, nic in self.nics.items()}
        self.mbps = {pci: nic.get("linkMbps") for pci, nic in self.nics.items()}
        self.whole = dict.fromkeys(self.nics, True)
        self.gone = dict.fromkeys(self.nics, False)
        self.storage = host.get("storageGib", 0)
        for allocation in host.get("allocations", []):
            self._subtract(allocation, shared)

    def _subtract(self, allocation, shared):
        for cell in allocation.get("cells", []):
            i, mib, page = cell["node"], cell.get("memoryMib", 0), cell.get("pageSizeKib", 4)
            self.pool[i] = max(0, self.pool[i] - cell.get("sharedVcpus", 0) - len(set(cell.get("cpus", [])) & shared))
            if page == 4:
                self.small[i] = max(0, self.small[i] - mib)
            else:
                self.pages[i][page] = max(0, self.pages[i].get(page, 0) - mib * 1024 // page)
        held = {cpu for cell in allocation.get("cells", []) for cpu in cell.get("cpus", [])}
        held |= set(allocation.get("emulatorCpus", [])) | set(allocation.get("blockedCpus", []))
        for free in self.free.values():
            free -= held
        for interface in allocation.get("interfaces", {}).values():
            pci = interface.get("pci")
            if pci is None:
                continue
            self.whole[pci] = False
            if not interface.get("vfs"):
                self.gone[pci] = True
            self.vfs[pci] -= set(interface.get("vfs", []))
            if self.mbps[pci] is not None:
                self.mbps[pci] = max(0, self.mbps[pci] - interface.get("bandwidthMbps", 0))
        self.storage = max(0, self.storage - allocation.get("storageGib", 0))


def dedicated_indices(vdu):
    policy = vdu.get("cpuPolicy", "dedicated")
    if policy == "mixed":
        return set(vdu["dedicatedVcpus"])
    return set(range(vdu["vcpus"])) if policy == "dedicated" else set()


def has_threads(view):
    return any(len(core) > 1 for cores in view.cores.values() for core in cores)


def can_pin(view, node, count, policy, emulator):
    """Try every set of free CPUs."""
    free = view.free[node]
    if policy == "require" and count and not has_threads(view):
        return False
    for chosen in combinations(sorted(free), count):
        taken, held = set(chosen), set(chosen)
        if policy != "prefer":
            touched = [core for core in view.cores[node] if core & taken]
            if any(core - free for core in touched):
                continue
            if policy == "isolate" and any(len(core & taken) > 1 for core in touched):
                continue
            held = set().union(*touched, set())
        if not emulator or free - held:
            return True
    return False


def page_choices(vdu, view, node):
    wanted = vdu.get("pageSizeKib", "small")
    if wanted == "small":
        return [4]
    if wanted == "large":
        return list(view.pages[node])
    if wanted == "any":
        return [*view.pages[node], 4]
    return [wanted]


def holds(view, node, page, mib):
    if page == 4:
        return mib <= view.small[node]
    return mib * 1024 % page == 0 and mib * 1024 // page <= view.pages[node].get(page, 0)


def cell_fits(view, node, vdu, dedicated, shared, mib, emulator):
    if shared > view.pool[node] or not any(holds(view, node, page, mib) for page in page_choices(vdu, view, node)):
        return False
    return can_pin(view, node, dedicated, vdu.get("threadPolicy", "prefer"), emulator)


def compositions(total, parts, least=0):
    if parts == 1:
        if total >= least:
            yield (total,)
        return
    for first in range(least, total + 1):
        for rest in compositions(total - first, parts - 1, least):
            yield (first, *rest)


def cuts(vdu, view):
    """Every way to cut the VDU into (dedicated, shared, MiB) cells that the request allows."""
    own = dedicated_indices(vdu)
    numa = vdu.get("numaNodes")
    if isinstance(numa, list):
        yield [(len(set(c["vcpus"]) & own), len(set(c["vcpus"]) - own), c["memoryMib"]) for c in numa]
    elif numa is not None:
        sizes = [vdu["vcpus"] // numa + (i < vdu["vcpus"] % numa) for i in range(numa)]
        starts = [sum(sizes[:i]) for i in range(numa)]
        wanted = vdu.get("pageSizeKib", "small")
        units = {1} if wanted in ("small", "any", "large") else {max(1, wanted // 1024)}
        if wanted in ("large", "any"):
            units |= {max(1, page // 1024) for pages in view.pages.values() for page in pages}
        for unit in units:
            if vdu["memoryMib"] % unit or vdu["memoryMib"] // unit < numa:
                continue
            count = vdu["memoryMib"] // unit
            cells = []
            for i in range(numa):
                inside = set(range(starts[i], starts[i] + sizes[i]))
                cells.append((len(inside & own), len(inside - own), (count // numa + (i < count % numa)) * unit))
            yield cells
    else:
        for number in range(1, min(len(view.nodes), vdu["vcpus"]) + 1):
            for d in compositions(len(own), number):
                for s in compositions(vdu["vcpus"] - len(own), number):
                    if any(a + b == 0 for a, b in zip(d, s, strict=True)):
                        continue
                    for m in compositions(vdu["memoryMib"], number, 1):
                        yield list(zip(d, s, m, strict=True))


def node_sets(view, vdu, allowed=None):
    """Every set of nodes on which CPUs and memory can lie."""
    emulator = vdu.get("emulatorThreads") == "isolate"
    known, found = {}, set()
    for cells in cuts(vdu, view):
        for nodes in permutations(view.nodes if allowed is None else allowed, len(cells)):
            if frozenset(nodes) in found:
                continue
            fine = True
            for place, (node, cell) in enumerate(zip(nodes, cells, strict=True)):
                key = (node, cell, emulator and place == 0)
                if key not in known:
                    dedicated, shared, mib = cell
                    known[key] = cell_fits(view, node, vdu, dedicated, shared, mib, key[2])
                if not known[key]:
                    fine = False
                    break
            if fine:
                found.add(frozenset(nodes))
    return found


def is_near(view, interface, nic_node, nodes):
    affinity = interface.get("numaAffinity", "required")
    if affinity in ("preferred", "none") or nic_node in nodes:
        return True
    if affinity == "required" or nic_node is None:
        return False
    socket = {i: node.get("socket", ("own", i)) for i, node in view.nodes.items()}
    return socket[nic_node] in {socket[i] for i in nodes}


def attachable(view, vdu, nodes, numa=True, bandwidth=True):
    """Try every NIC for every interface."""
    takers = []
    switch = view.host.get("vswitch") or {}
    affine = switch.get("nodes", []) if switch.get("datapath", "system") == "netdev" else []
    for interface in vdu.get("interfaces", []):
        if interface.get("vnicType", "normal") != "normal":
            takers.append(interface)
        elif numa and affine and not any(is_near(view, interface, node, nodes) for node in affine):
            return False
    return any(_works(view, takers, nics, nodes, numa, bandwidth) for nics in product(view.nics, repeat=len(takers)))


def _works(view, takers, nics, nodes, numa, bandwidth):
    for pci in set(nics):
        nic = view.nics[pci]
        mine = [interface for interface, at in zip(takers, nics, strict=True) if at == pci]
        whole = [interface for interface in mine if interface["vnicType"] == "direct-physical"]
        if view.gone[pci] or (whole and (len(mine) > 1 or not view.whole[pci])):
            return False
        if sum(one.get("vfs", 1) for one in mine if one not in whole) > len(view.vfs[pci]):
            return False
        for one in mine:
            if one.get("physnet") not in (None, nic.get("physnet")):
                return False
            if not set(one.get("traits", [])) <= set(nic.get("traits", [])):
                return False
            if numa and not is_near(view, one, nic.get("numaNode"), nodes):
                return False
        load = sum(one.get("bandwidthMbps", 0) for one in mine)
        if bandwidth and load and (view.mbps[pci] is None or load > view.mbps[pci]):
            return False
    return True


def _memory_totals(view, vdu):
    most = []
    for node in view.nodes:
        rooms = [view.small[node] if page == 4 else view.pages[node].get(page, 0) * page // 1024
                 for page in page_choices(vdu, view, node)]  # fmt: skip
        most.append(max(rooms, default=0))
    return sum(most)


def policy_room(view, policy):
    room = 0
    for node, cores in view.cores.items():
        whole = [core for core in cores if core <= view.free[node]]
        room += {"prefer": len(view.free[node]), "require": sum(map(len, whole)), "isolate": len(whole)}[policy]
    return room


def verdict(host, vdu, allowed_zone=True):
    """The reason that refuses the VDU, None when it fits. Groups and chains are not part of it."""
    view = HostView(host)
    if host.get("state", "enabled") != "enabled":
        return "HOST_STATE"
    if any(host.get("labels", {}).get(key) != value for key, value in vdu.get("requires", {}).items()):
        return "LABEL"
    if vdu.get("zones") and host.get("zone", "default") not in vdu["zones"]:
        return "ZONE"
    dedicated = len(dedicated_indices(vdu))
    shared = vdu["vcpus"] - dedicated
    emulator = vdu.get("emulatorThreads") == "isolate"
    if sum(map(len, view.free.values())) < dedicated + emulator:
        return "CPU_DEDICATED"
    if sum(view.pool.values()) < shared:
        return "CPU_SHARED"
    policy = vdu.get("threadPolicy", "prefer")
    if dedicated and policy != "prefer":
        if policy == "require" and not has_threads(view):
            return "THREAD_POLICY"
        if policy_room(view, policy) < dedicated:
            return "THREAD_POLICY"
    page = vdu.get("pageSizeKib", "small")
    if page in ("small", "any", 4):
        if _memory_totals(view, vdu) < vdu["memoryMib"]:
            return "MEMORY"
    elif page == "large":
        if _memory_totals(view, vdu) // 2 < -(-vdu["memoryMib"] // 2):
            return "PAGES_2048"
    elif sum(pages.get(page, 0) for pages in view.pages.values()) < vdu["memoryMib"] * 1024 // page:
        return f"PAGES_{page}"
    sets = node_sets(view, vdu)
    if not sets:
        return "NUMA_CELLS"
    if view.storage < vdu.get("storageGib", 0):
        return "STORAGE"
    for interface in vdu.get("interfaces", []):
        if interface.get("vnicType", "normal") == "normal" and interface.get("physnet") is None:
            continue
        if not any(interface.get("physnet") in (None, nic.get("physnet")) for nic in view.nics.values()):
            return "PHYSNET"
    if not attachable(view, vdu, set(view.nodes), numa=False, bandwidth=False):
        return "VF"
    if not any(attachable(view, vdu, nodes, bandwidth=False) for nodes in sets):
        return "NIC_NUMA"
    if not any(attachable(view, vdu, nodes) for nodes in sets):
        return "BANDWIDTH"
    return None


def faults_of(host, vdu, placement):
    """What is wrong with a printed placement; an empty list is a sound one."""
    view = HostView(host)
    faults = []

    def check(holds_true, text):
        if not holds_true:
            faults.append(text)

    own = dedicated_indices(vdu)
    cells = placement["cells"]
    nodes = [cell["node"] for cell in cells]
    check(len(set(nodes)) == len(nodes), "two cells on one node")
    pins = {int(vcpu): cpu for vcpu, cpu in placement["vcpuPins"].items()}
    check(set(pins) == own, "pins are not those of the dedicated vCPUs")
    held = [*placement["emulatorCpus"], *placement["blockedCpus"]]
    numa = vdu.get("numaNodes")
    if isinstance(numa, list):
        check(len(cells) == len(numa), "not as many cells as asked for")
    elif numa is not None:
        check(len(cells) == numa, "not the count of cells")
    everyone = []
    for place, cell in enumerate(cells):
        node = cell["node"]
        held += cell["cpus"]
        check(set(cell["cpus"]) <= view.free[node], f"cell {place} takes CPUs that are not free on its node")
        vcpus = cell.get("vcpus", list(range(vdu["vcpus"])))
        everyone += vcpus
        if isinstance(numa, list):
            check(sorted(vcpus) == sorted(numa[place]["vcpus"]), f"cell {place} has other vCPUs")
            check(cell["memoryMib"] == numa[place]["memoryMib"], f"cell {place} has other memory")
        check(cell["cpus"] == [pins[v] for v in vcpus if v in own], f"cell {place}: cpus not in vCPU order")
        check(cell.get("sharedVcpus", 0) == len(set(vcpus) - own) <= view.pool[node], f"cell {place}: shared vCPUs")
        page = cell["pageSizeKib"]
        check(page in page_choices(vdu, view, node), f"cell {place}: page size")
        check(holds(view, node, page, cell["memoryMib"]), f"cell {place}: memory")
        if vdu.get("pageSizeKib") in ("large", "any"):
            bigger = [one for one in page_choices(vdu, view, node) if one > page]
            check(not any(holds(view, node, one, cell["memoryMib"]) for one in bigger), f"cell {place}: a larger page")
        _check_threads(check, view, vdu, placement, cell, place)
    check(sorted(everyone) == list(range(vdu["vcpus"])), "vCPUs are not all in one cell each")
    check(sum(cell["memoryMib"] for cell in cells) == vdu["memoryMib"], "memory does not add up")
    check(len(set(held)) == len(held), "a CPU is held twice")
    free = set().union(*view.free.values(), set())
    check(set(held) <= free, "a held CPU was not free")
    isolated = vdu.get("emulatorThreads") == "isolate"
    check(len(placement["emulatorCpus"]) == isolated, "emulator CPUs")
    check(set(placement["emulatorCpus"]) <= view.free[nodes[0]], "emulator not on cell 0's node")
    _check_interfaces(check, view, vdu, placement, set(nodes))
    return faults


def _check_threads(check, view, vdu, placement, cell, place):
    policy = vdu.get("threadPolicy", "prefer")
    blocked = set(placement["blockedCpus"])
    if policy == "prefer":
        check(not blocked, "prefer blocks nothing")
        return
    used = set(cell["cpus"])
    for core in view.cores[cell["node"]]:
        if core & used:
            check(core <= view.free[cell["node"]], f"cell {place}: core {core} is not whole")
            check(core - used <= blocked, f"cell {place}: siblings of {core} are not blocked")
            check(policy != "isolate" or len(core & used) == 1, f"cell {place}: two vCPUs on core {core}")


def _check_interfaces(check, view, vdu, placement, nodes):
    asked = {one["id"]: one for one in vdu.get("interfaces", [])}
    check(set(asked) == set(placement["interfaces"]), "other interfaces than asked for")
    load: dict = {}
    for key, interface in asked.items():
        got = placement["interfaces"][key]
        if interface.get("vnicType", "normal") == "normal":
            check(got["pci"] is None and got["vfs"] == [], f"{key}: a port has no NIC")
            continue
        pci = got["pci"]
        nic = view.nics[pci]
        whole = interface["vnicType"] == "direct-physical"
        check(len(got["vfs"]) == (0 if whole else interface.get("vfs", 1)), f"{key}: count of VFs")
        check(set(got["vfs"]) <= view.vfs[pci], f"{key}: VFs in use")
        check(not whole or view.whole[pci], f"{key}: NIC in use")
        view.vfs[pci] -= set(range(nic.get("totalVfs", 0))) if whole else set(got["vfs"])
        view.whole[pci] = False
        check(got["node"] == nic.get("numaNode"), f"{key}: node")
        check(interface.get("physnet") in (None, nic.get("physnet")), f"{key}: physnet")
        check(set(interface.get("traits", [])) <= set(nic.get("traits", [])), f"{key}: traits")
        check(is_near(view, interface, nic.get("numaNode"), nodes), f"{key}: affinity")
        load[pci] = load.get(pci, 0) + interface.get("bandwidthMbps", 0)
    for pci, mbps in load.items():
        check(not mbps or (view.mbps[pci] is not None and mbps <= view.mbps[pci]), f"{pci}: bandwidth")

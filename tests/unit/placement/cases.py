"""Random small hosts and VDUs, odd on purpose: broken cores, offline siblings, unknown nodes, leftovers."""

from __future__ import annotations

from random import Random


def random_host(random: Random, name: str = "h1", nodes: int | None = None) -> dict:
    threads = random.choice([1, 2, 2, 2, 3])
    host: dict = {
        "name": name,
        "numaNodes": [],
        "storageGib": random.choice([0, 10, 10, 10]),
        "nics": [],
        "allocations": [],
    }
    ids = random.sample(range(6), nodes or random.choice([1, 2, 2, 3]))
    cpu, everything, sockets = 0, [], random.choice([1, 2, 3])
    for node_id in ids:
        cores = []
        for _ in range(random.choice([0, 2, 2, 3, 4])):
            width = max(1, threads - (random.random() < 0.15))
            cores.append(list(range(cpu, cpu + width)))
            cpu += width
        everything += [one for core in cores for one in core]
        pages = {str(size): random.choice([0, 2, 3, 4]) for size in (2048, 4096) if random.random() < 0.8}
        huge = sum(int(size) * count // 1024 for size, count in pages.items())
        node = {"id": node_id, "cores": cores, "memoryMib": huge + random.choice([1, 4, 6, 8]), "hugepages": pages}
        if random.random() < 0.8:
            node["socket"] = node_id % sockets
        if random.random() < 0.2:
            node["reservedMemoryMib"] = random.choice([1, 2])
            node["reservedHugepages"] = {size: min(1, count) for size, count in pages.items()}
        host["numaNodes"].append(node)
    host["reservedCpus"] = [one for one in everything if random.random() < 0.1]
    host["sharedCpus"] = [one for one in everything if one not in host["reservedCpus"] and random.random() < 0.25]
    host["cpuOvercommit"] = random.choice([1.0, 1.5, 2.0, 4.0])
    _add_nics(random, host, ids)
    if random.random() < 0.3:
        host["vswitch"] = {"datapath": random.choice(["netdev", "netdev", "system"]), "nodes": [random.choice(ids)]}
    _add_allocations(random, host, everything)
    return host


def roomy_case(random: Random) -> tuple[dict, dict]:
    """A host of up to four nodes with room, and a VDU that mostly fits there, but not everywhere."""
    host = random_host(random, nodes=random.choice([2, 3, 3, 4]))
    for node in host["numaNodes"]:
        node["memoryMib"] += random.choice([0, 4, 8])
    host["storageGib"] = 10
    if random.random() < 0.6:
        host["sharedCpus"] = [cpu for cpu in host["sharedCpus"] if random.random() < 0.5]
        host["reservedCpus"] = []
    for nic in host["nics"]:
        if random.random() < 0.7:
            nic |= {"physnet": "a", "linkMbps": 20, "totalVfs": max(nic["totalVfs"], random.choice([2, 4, 6]))}
    vdu = random_vdu(random) | {"storageGib": 0}
    for interface in vdu["interfaces"]:
        if interface.get("physnet") == "b" and random.random() < 0.7:
            interface["physnet"] = "a"
        if interface["vnicType"] == "direct-physical" and random.random() < 0.6:
            interface["vnicType"] = "direct"
    if random.random() < 0.5:
        vdu["emulatorThreads"] = "none"
    return host, vdu


def _add_nics(random: Random, host: dict, ids: list[int]) -> None:
    for index in range(random.choice([0, 1, 2, 3, 3])):
        host["nics"].append(
            {
                "name": f"n{index}",
                "pci": f"0000:{index:02x}:00.0",
                "numaNode": random.choice([*ids, *ids, None]),
                "physnet": random.choice(["a", "a", "b", None]),
                "linkMbps": random.choice([None, 10, 20]),
                "totalVfs": random.choice([0, 2, 2, 4]),
                "traits": random.choice([[], [], ["trusted"]]),
            }
        )


def _add_allocations(random: Random, host: dict, everything: list[int]) -> None:
    taken: set[int] = set()
    spare: dict[tuple[int, int], int] = {}
    used_vfs: dict[str, set[int]] = {}
    for index in range(random.choice([0, 0, 1, 2])):
        node = random.choice(host["numaNodes"])
        mine = [cpu for core in node["cores"] for cpu in core if cpu not in taken and random.random() < 0.3]
        taken |= set(mine)
        page = random.choice([4, *(int(size) for size in node["hugepages"])])
        mib = random.choice([0, max(1, page // 1024)])
        if not _take(spare, node, page, mib):
            page, mib = 4, 0
        allocation: dict = {
            "id": f"old-{index}",
            "groups": [],
            "cells": [{"node": node["id"], "cpus": mine, "memoryMib": mib, "pageSizeKib": page}],
            "interfaces": {},
        }
        if random.random() < 0.2:
            allocation["cells"][0]["sharedVcpus"] = 1
        blocked = [cpu for cpu in everything if cpu not in taken and random.random() < 0.1]
        taken |= set(blocked)
        allocation["blockedCpus"] = blocked
        if host["nics"] and random.random() < 0.5:
            nic = random.choice(host["nics"])
            used = used_vfs.setdefault(nic["pci"], set())
            free = [vf for vf in range(nic["totalVfs"]) if vf not in used]
            if free:
                vf = random.choice(free)
                used.add(vf)
                allocation["interfaces"]["e"] = {"pci": nic["pci"], "vfs": [vf], "node": nic["numaNode"]}
                if random.random() < 0.3:
                    allocation["interfaces"]["e"]["bandwidthMbps"] = 5
        host["allocations"].append(allocation)


def _take(spare: dict[tuple[int, int], int], node: dict, page: int, mib: int) -> bool:
    """Whether the node has that memory left beside what was taken of it before, which `spare` remembers."""
    huge = {int(size): count * int(size) // 1024 for size, count in node["hugepages"].items()}
    key = (node["id"], page)
    spare.setdefault(key, node["memoryMib"] - sum(huge.values()) if page == 4 else huge[page])
    if spare[key] < mib:
        return False
    spare[key] -= mib
    return True


def random_vdu(random: Random, vdu_id: str = "v") -> dict:
    vcpus = random.choice([1, 1, 2, 2, 3, 4])
    page = random.choice(["small", "small", "large", "any", 2048, 4096, 4])
    unit = 4 if page == 4096 else 2 if page == 2048 else 1
    vdu = {
        "id": vdu_id,
        "vcpus": vcpus,
        "memoryMib": unit * random.choice([1, 1, 2, 3]),
        "cpuPolicy": random.choice(["dedicated", "dedicated", "dedicated", "dedicated", "shared", "mixed"]),
        "threadPolicy": random.choice(["prefer", "prefer", "require", "isolate"]),
        "emulatorThreads": random.choice(["none", "share", "isolate"]),
        "pageSizeKib": page,
        "storageGib": random.choice([0, 0, 0, 5, 5, 20]),
        "interfaces": [_interface(random, index) for index in range(random.choice([0, 0, 1, 1, 2, 3]))],
    }
    if vdu["cpuPolicy"] == "mixed":
        if vcpus == 1:
            vdu["cpuPolicy"] = "shared"
        else:
            vdu["dedicatedVcpus"] = random.sample(range(vcpus), random.randint(1, vcpus - 1))
    _add_cells(random, vdu, unit)
    return vdu


def _add_cells(random: Random, vdu: dict, unit: int) -> None:
    units = vdu["memoryMib"] // unit
    most = min(vdu["vcpus"], units)
    way = random.choice(["one", "absent", "count", "cells"])
    if way == "one":
        vdu["numaNodes"] = 1
    elif way == "count":
        vdu["numaNodes"] = random.randint(1, most)
    elif way == "cells":
        count = random.randint(1, most)
        order = random.sample(range(vdu["vcpus"]), vdu["vcpus"])
        edges = sorted(random.sample(range(1, vdu["vcpus"]), count - 1))
        parts = [order[a:b] for a, b in zip([0, *edges], [*edges, vdu["vcpus"]], strict=True)]
        cuts = sorted(random.sample(range(1, units), count - 1))
        sizes = [b - a for a, b in zip([0, *cuts], [*cuts, units], strict=True)]
        vdu["numaNodes"] = [
            {"vcpus": part, "memoryMib": size * unit} for part, size in zip(parts, sizes, strict=True)
        ]  # fmt: skip


def _interface(random: Random, index: int) -> dict:
    interface = {
        "id": f"e{index}",
        "vnicType": random.choice(
            ["normal", "direct", "direct", "direct", "macvtap", "virtio-forwarder", "direct-physical"]
        ),
        "numaAffinity": random.choice(["required", "required", "preferred", "socket", "none"]),
        "vfs": random.choice([1, 1, 1, 2]),
    }
    if random.random() < 0.5:
        interface["physnet"] = random.choice(["a", "b"])
    if random.random() < 0.2:
        interface["traits"] = ["trusted"]
    if random.random() < 0.4:
        interface["bandwidthMbps"] = random.choice([5, 10, 20])
    return interface

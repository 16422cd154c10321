"""NUMA nodes of a sysfs: CPUs, memory, huge pages, distances (Documentation/ABI/stable/sysfs-devices-node)."""

from __future__ import annotations

import re
from dataclasses import replace

from dpdk_helpers.hugepages import HugepagePool
from dpdk_helpers.sysfs.tree import Tree
from dpdk_helpers.topology import NumaNode

_NODE = "devices/system/node"


def read_nodes(tree: Tree, proc: Tree, online: tuple[int, ...]) -> tuple[NumaNode, ...]:
    """The online nodes; one that claims CPUs of a node before it is a firmware's mistake and left out.

    A kernel without NUMA has one node with everything.
    """
    present = tree.numbered(_NODE, "node")
    listed = tree.cpus(f"{_NODE}/online")
    ids = [node for node in present if listed is None or node in listed]
    nodes: list[NumaNode] = []
    claimed: set[int] = set()
    for number in ids:
        node = _read_node(tree, number, ids, set(online))
        if claimed.isdisjoint(node.cpus):
            claimed.update(node.cpus)
            nodes.append(node)
    kept = {node.id for node in nodes}
    near = tuple(replace(node, distances={i: d for i, d in node.distances.items() if i in kept}) for node in nodes)
    return near or (_only_node(tree, proc, online),)


def _read_node(tree: Tree, node: int, ids: list[int], alive: set[int]) -> NumaNode:
    base = f"{_NODE}/node{node}"
    cpus = tree.cpus(f"{base}/cpulist", f"{base}/cpumap") or ()
    memory = _meminfo(tree.text(f"{base}/meminfo") or "")
    return NumaNode(
        id=node,
        cpus=tuple(cpu for cpu in cpus if cpu in alive),
        memory_kib=memory.get("MemTotal"),
        free_kib=memory.get("MemFree"),
        hugepages=_hugepages(tree, f"{base}/hugepages"),
        distances=_distances(tree.text(f"{base}/distance") or "", ids),
    )


def _only_node(tree: Tree, proc: Tree, online: tuple[int, ...]) -> NumaNode:
    memory = _meminfo(proc.text("meminfo") or "")
    pools = _hugepages(tree, "kernel/mm/hugepages")
    return NumaNode(0, online, memory.get("MemTotal"), memory.get("MemFree"), pools, {0: 10})


def _meminfo(text: str) -> dict[str, int]:
    """KiB by name, of `Node 0 MemTotal: 1 kB` as well as of `MemTotal: 1 kB`."""
    return {name: int(kib) for name, kib in re.findall(r"(\w{1,64}): +([0-9]{1,15}) kB", text, re.ASCII)}


def _distances(text: str, ids: list[int]) -> dict[int, int]:
    """One number for each online node, in their order; a file of another length says nothing."""
    parts = text.split()
    if len(parts) != len(ids) or not all(re.fullmatch("[0-9]{1,9}", part, re.ASCII) for part in parts):
        return {}
    return {node: int(part) for node, part in zip(ids, parts, strict=True)}


def _hugepages(tree: Tree, base: str) -> tuple[HugepagePool, ...]:
    pools = []
    for entry in tree.names(base):
        match = re.fullmatch(r"hugepages-([0-9]{1,9})kB", entry, re.ASCII)
        total = tree.whole(f"{base}/{entry}/nr_hugepages")
        if match is None or total is None or total < 0:
            continue
        free = tree.whole(f"{base}/{entry}/free_hugepages")
        surplus = tree.whole(f"{base}/{entry}/surplus_hugepages") or 0
        size = int(match[1])
        if size >= 8 and not size & (size - 1):
            pools.append(HugepagePool(size, total, _within(free, total), _within(surplus, total)))
    return tuple(sorted(pools))


def _within(count: int | None, total: int) -> int:
    """A part of a pool; unknown counts as nothing, so that no page is promised that may not be free."""
    return min(max(count or 0, 0), total)

"""How true a host's resources are on this machine."""

from __future__ import annotations

import os
from collections.abc import Sequence

from mano.adapters.vim_local.cgroups import ControlGroups
from mano.adapters.vim_local.cpus import free_pages
from mano.domain.vnf_instance import Realisation

Judged = tuple[Realisation, str]


def judge_cpus(inventory: Sequence[int], usable: Sequence[int]) -> Judged:
    missing = sorted(set(inventory) - set(usable))
    if not missing:
        return Realisation.ENFORCED, "every CPU of the inventory is online here: VNFCs are pinned to their own"
    return (
        Realisation.EMULATED,
        f"{len(missing)} of {len(inventory)} CPUs are not here (such as {missing[0]}): "
        f"they run on id modulo {len(usable)}",
    )


def judge_memory(groups: ControlGroups) -> Judged:
    hierarchy = groups.hierarchies().get("memory")
    if hierarchy is None:
        return Realisation.ACCOUNTED, "this machine offers no memory control group"
    if not os.access(hierarchy.root, os.W_OK):
        return Realisation.ACCOUNTED, "the memory control group cannot be written here"
    return (
        Realisation.ENFORCED,
        f"limited by control groups, version {hierarchy.version}; NUMA nodes as far as they exist",
    )


def judge_hugepages(sizes_kib: Sequence[int]) -> Judged:
    free = {size: free_pages(size) for size in sizes_kib}
    if free and all(free.values()):
        return Realisation.ENFORCED, "mounted as long as enough are free, else accounted"
    return Realisation.ACCOUNTED, "this machine has no free huge pages of every size"


def judge_sriov() -> Judged:
    return Realisation.EMULATED, "a VF is a pair of virtual interfaces to the physical network's own switch"

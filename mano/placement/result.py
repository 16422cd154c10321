"""What placement decided and why: the contract's JSON by `PlacementResult.to_json`, the stored form with its reasons
by `PlacementResult.to_document`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mano.domain.nfvi import Allocation, Cell, InterfacePlacement

__all__ = [
    "Allocation",
    "Cell",
    "ChainRoute",
    "Code",
    "Decision",
    "Hop",
    "InterfacePlacement",
    "NearMiss",
    "Objective",
    "Placement",
    "PlacementResult",
    "Unplaced",
]


class Code(StrEnum):
    """Why a host was refused, in the order in which constraints are examined: a host counts under its first.

    A refusal for huge pages is written `PAGES_<KiB>`, see `pages_code`.
    """

    HOST_STATE = "HOST_STATE"
    LABEL = "LABEL"
    ZONE = "ZONE"
    AFFINITY = "AFFINITY"
    CPU_DEDICATED = "CPU_DEDICATED"
    CPU_SHARED = "CPU_SHARED"
    THREAD_POLICY = "THREAD_POLICY"
    MEMORY = "MEMORY"
    PAGES = "PAGES"
    NUMA_CELLS = "NUMA_CELLS"
    STORAGE = "STORAGE"
    PHYSNET = "PHYSNET"
    VF = "VF"
    NIC_NUMA = "NIC_NUMA"
    BANDWIDTH = "BANDWIDTH"
    LINK_BANDWIDTH = "LINK_BANDWIDTH"
    LATENCY = "LATENCY"


CODE_ORDER: tuple[Code, ...] = tuple(Code)


def pages_code(page_size_kib: int) -> str:
    return f"PAGES_{page_size_kib}"


def cell_to_json(cell: Cell) -> dict[str, Any]:
    """A cell; which vCPUs it has is said only where there are several cells, shared ones where there are some."""
    document: dict[str, Any] = {
        "node": cell.node,
        "cpus": list(cell.cpus),
        "memoryMib": cell.memory_mib,
        "pageSizeKib": cell.page_size_kib,
    }
    if cell.shared_vcpus:
        document["sharedVcpus"] = cell.shared_vcpus
    if cell.vcpus:
        document["vcpus"] = list(cell.vcpus)
    return document


def interface_to_json(interface: InterfacePlacement) -> dict[str, Any]:
    document: dict[str, Any] = {"pci": interface.pci, "vfs": list(interface.vfs), "node": interface.node}
    if interface.bandwidth_mbps:
        document["bandwidthMbps"] = interface.bandwidth_mbps
    return document


def allocation_to_json(allocation: Allocation) -> dict[str, Any]:
    """The members that a placement and an inventory's allocation have in common."""
    document: dict[str, Any] = {
        "cells": [cell_to_json(cell) for cell in allocation.cells],
        "vcpuPins": {str(vcpu): cpu for vcpu, cpu in sorted(allocation.vcpu_pins.items())},
        "emulatorCpus": list(allocation.emulator_cpus),
        "blockedCpus": list(allocation.blocked_cpus),
        "interfaces": {key: interface_to_json(one) for key, one in sorted(allocation.interfaces.items())},
    }
    if allocation.storage_gib:
        document["storageGib"] = allocation.storage_gib
    if allocation.groups:
        document["groups"] = list(allocation.groups)
    return document


@dataclass(frozen=True, slots=True)
class Placement:
    """A VDU on a host; the allocation's id is the VDU's."""

    host: str
    allocation: Allocation

    @property
    def vdu(self) -> str:
        return self.allocation.id

    def to_json(self) -> dict[str, Any]:
        return {"host": self.host, **allocation_to_json(self.allocation)}


@dataclass(frozen=True, slots=True)
class Hop:
    """One hop of a chain between two hosts (or a switch at an end); `links` in the direction of travel."""

    source: str
    target: str
    links: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {"from": self.source, "to": self.target, "links": [list(link) for link in self.links]}


@dataclass(frozen=True, slots=True)
class ChainRoute:
    """How a chain runs. `latency_us` sums over its links; without links in the inventory it is 0."""

    hops: tuple[Hop, ...]
    latency_us: int

    def to_json(self) -> dict[str, Any]:
        return {"hops": [hop.to_json() for hop in self.hops], "latencyUs": self.latency_us}


HOST_OPENED_COST = 1000
CROSS_NUMA_COST = 50
CHAIN_HOP_COST = 10


@dataclass(frozen=True, slots=True, order=True)
class Objective:
    """What a plan costs; less is better."""

    hosts_opened: int = 0
    cross_numa_vfs: int = 0
    chain_hops: int = 0

    @property
    def cost(self) -> int:
        return (
            HOST_OPENED_COST * self.hosts_opened
            + CROSS_NUMA_COST * self.cross_numa_vfs
            + CHAIN_HOP_COST * self.chain_hops
        )

    def to_json(self) -> dict[str, int]:
        return {
            "cost": self.cost,
            "hostsOpened": self.hosts_opened,
            "crossNumaVfs": self.cross_numa_vfs,
            "chainHops": self.chain_hops,
        }


@dataclass(frozen=True, slots=True)
class NearMiss:
    """A host that almost took the VDU: by how much each resource was short."""

    host: str
    short: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        return {"host": self.host, "short": {str(code): missing for code, missing in self.short.items()}}


@dataclass(frozen=True, slots=True)
class Unplaced:
    """Why a VDU was not placed: how many hosts fell to which code (they add up to `hosts`), the nearest misses, and
    relaxations each of which was verified to make it fit."""

    hosts: int
    reasons: Mapping[str, int]
    nearest: tuple[NearMiss, ...] = ()
    would_fit_if: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "hosts": self.hosts,
            "reasons": {str(code): hosts for code, hosts in self.reasons.items()},
            "nearest": [miss.to_json() for miss in self.nearest],
            "wouldFitIf": list(self.would_fit_if),
        }


@dataclass(frozen=True, slots=True)
class Decision:
    """Why a VDU went where it is: what refused the other hosts, and what the runner-up would have cost more.

    `feasible` counts the hosts that passed every constraint that was examined; the `winner`'s and `runner_up`'s
    scores are marginal costs and tie-breakers by name, in the order in which they were compared. `elsewhere` says of
    each other host that was examined, up to a number of them, the code that refused it or the score that it had.
    """

    vdu: str
    host: str
    hosts: int
    feasible: int
    reasons: Mapping[str, int]
    score: Mapping[str, int] = field(default_factory=dict)
    runner_up: str | None = None
    runner_up_score: Mapping[str, int] = field(default_factory=dict)
    elsewhere: Mapping[str, str | Mapping[str, int]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "host": self.host,
            "hosts": self.hosts,
            "feasible": self.feasible,
            "reasons": dict(self.reasons),
            "score": dict(self.score),
            "runnerUp": self.runner_up,
            "runnerUpScore": dict(self.runner_up_score),
            "elsewhere": {
                host: verdict if isinstance(verdict, str) else dict(verdict) for host, verdict in self.elsewhere.items()
            },
        }


@dataclass(frozen=True, slots=True)
class PlacementResult:
    """The outcome of one plan. Apply `reservable()` to the inventory to reserve it."""

    placements: Mapping[str, Placement]
    chains: Mapping[str, ChainRoute]
    objective: Objective
    unplaced: Mapping[str, Unplaced]
    decision_ms: float
    all_or_nothing: bool = True
    decisions: Mapping[str, Decision] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        return not self.unplaced

    def reservable(self) -> tuple[Placement, ...]:
        """What may be reserved: every placement, but none of them where all or nothing was asked and one is missing."""
        if self.all_or_nothing and self.unplaced:
            return ()
        return tuple(self.placements.values())

    def to_json(self) -> dict[str, Any]:
        """The document that `mano place plan -o json` prints."""
        return {
            "placements": {vdu: placement.to_json() for vdu, placement in self.placements.items()},
            "chains": {chain: route.to_json() for chain, route in self.chains.items()},
            "objective": self.objective.to_json(),
            "unplaced": {vdu: why.to_json() for vdu, why in self.unplaced.items()},
            "decisionMs": round(self.decision_ms, 3),
        }

    def to_document(self) -> dict[str, Any]:
        """`to_json` and the reasons of every decision: what is stored, and what `explain` reads."""
        decisions = {vdu: decision.to_json() for vdu, decision in self.decisions.items()}
        return {**self.to_json(), "decisions": decisions, "allOrNothing": self.all_or_nothing}

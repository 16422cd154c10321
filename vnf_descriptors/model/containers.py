"""Containers, and the packages that a container platform runs them from (SOL001 clause 6.8, IFA011 clause 7.1.6.13)."""

from __future__ import annotations

from dataclasses import dataclass

from vnf_descriptors.model.checks import check_at_least, check_name
from vnf_descriptors.model.frozen import EMPTY, FrozenMap
from vnf_descriptors.model.images import SwImage


@dataclass(frozen=True, slots=True)
class OsContainer:
    """One container of a deployable unit; None where the descriptor requests nothing."""

    id: str
    name: str
    description: str = ""
    #: Thousandths of a CPU.
    cpu_milli: int | None = None
    cpu_limit_milli: int | None = None
    memory_mib: int | None = None
    memory_limit_mib: int | None = None
    ephemeral_storage_gib: int | None = None
    ephemeral_storage_limit_gib: int | None = None
    #: Page size in KiB, as text -> MiB of pages of that size.
    huge_pages_mib: FrozenMap[str, int] = EMPTY
    #: Name of a further resource -> how many of it.
    extended_resources: FrozenMap[str, int] = EMPTY
    #: True when the container's CPUs are its own (`virtual_cpu_pinning_policy: static`).
    pinned: bool = False
    sw_images: tuple[SwImage, ...] = ()

    def __post_init__(self) -> None:
        check_name(self.id, "the identifier of a container")
        for value in (self.cpu_milli, self.memory_mib, self.ephemeral_storage_gib):
            check_at_least(value or 0, 0, f"what container {self.id} requests")


@dataclass(frozen=True, slots=True)
class Mciop:
    """A package for a container platform: which units it deploys, and its charts by path in the VNF package."""

    id: str
    vdu_ids: tuple[str, ...]
    charts: tuple[str, ...] = ()

"""Affinity, scaling aspects and instantiation levels (IFA011 clauses 7.1.8 and 7.1.10)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from vnf_descriptors.model.frozen import EMPTY, FrozenMap
from vnf_descriptors.model.links import Bitrate


class AffinityKind(StrEnum):
    """Together or apart."""

    AFFINITY = "affinity"
    ANTI_AFFINITY = "anti-affinity"


@dataclass(frozen=True, slots=True)
class AffinityRule:
    """A placement rule. One member: among its instances. Several: between the members."""

    id: str
    kind: AffinityKind
    #: The standard's scope: nfvi_node, zone, zone_group, nfvi_pop, network_link_and_node, …
    scope: str
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ScalingAspect:
    """One way to scale the VNF (SOL001 clause 6.2)."""

    id: str
    name: str
    description: str
    max_scale_level: int
    #: The delta of each step; one entry repeats for all steps.
    step_deltas: tuple[str, ...]
    #: VDU -> delta -> instances added by that delta.
    vdu_deltas: FrozenMap[str, FrozenMap[str, int]] = EMPTY
    #: Virtual link -> delta -> bit rates that the delta adds.
    link_deltas: FrozenMap[str, FrozenMap[str, Bitrate]] = EMPTY

    def instances_added(self, vdu_id: str, scale_level: int) -> int:
        """How many instances of a VDU the steps 1 to `scale_level` add; ValueError outside 0..max."""
        if not 0 <= scale_level <= self.max_scale_level:
            raise ValueError(f"scale level of {self.id} must be 0 to {self.max_scale_level}, not {scale_level}")
        deltas = self.vdu_deltas.get(vdu_id)
        if deltas is None or not self.step_deltas:
            return 0
        last = len(self.step_deltas) - 1
        return sum(deltas.get(self.step_deltas[min(step, last)], 0) for step in range(scale_level))


@dataclass(frozen=True, slots=True)
class InstantiationLevel:
    """A size that the VNF can be instantiated with (SOL001 clause 6.2)."""

    id: str
    description: str
    #: Scaling aspect -> scale level.
    scale_levels: FrozenMap[str, int] = EMPTY
    #: VDU -> number of instances.
    vdu_instances: FrozenMap[str, int] = EMPTY
    #: Virtual link -> bit rates.
    link_bitrates: FrozenMap[str, Bitrate] = EMPTY

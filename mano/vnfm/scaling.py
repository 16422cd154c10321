"""How big a VNF is and becomes: scaling aspects, deltas and levels (SOL003 clauses 5.4.5 and 5.4.6). Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mano.domain.vnf_instance import VnfInstance
from mano.errors import InvalidInput, NotFound
from mano.vnfm.resources import level_counts
from vnf_descriptors.model import ScalingAspect, Vnfd, VnfFlavour


@dataclass(frozen=True, slots=True)
class Size:
    """How big a VNF is: scaling aspect to scale level, and VDU to number of VNFCs."""

    levels: Mapping[str, int]
    counts: Mapping[str, int]
    level_id: str = ""


def initial_levels(flavour: VnfFlavour, level_id: str) -> dict[str, int]:
    """The scale level of each aspect at an instantiation level; 0 where the level says nothing."""
    level = flavour.level(level_id or None)
    said: Mapping[str, int] = level.scale_levels if level is not None else {}
    return {aspect.id: said.get(aspect.id, 0) for aspect in flavour.scaling_aspects}


def max_levels(flavour: VnfFlavour) -> dict[str, int]:
    """The greatest scale level of each aspect."""
    return {aspect.id: aspect.max_scale_level for aspect in flavour.scaling_aspects}


def present_size(instance: VnfInstance, flavour: VnfFlavour) -> Size:
    """The size that the instance has by its levels."""
    base = initial_levels(flavour, instance.instantiation_level_id)
    levels = {**base, **{k: v for k, v in instance.scale_levels.items() if k in base}}
    counts = _moved(flavour, level_counts(flavour, instance.instantiation_level_id), base, levels)
    return Size(levels, counts, instance.instantiation_level_id)


def scaled(instance: VnfInstance, vnfd: Vnfd, flavour: VnfFlavour, request: Mapping[str, Any]) -> Size:
    """The size after a ScaleVnfRequest; raises InvalidInput naming what the VNFD allows."""
    aspect = aspect_of(flavour, str(request.get("aspectId") or ""))
    steps = int(request.get("numberOfSteps") or 1)
    configured = vnfd.lcm_configuration
    single = configured is not None and "scale" in configured.operations and not configured.scale_by_several_steps
    if steps > 1 and single:
        raise InvalidInput(
            f"the VNF scales by one step at a time, not by {steps} (SOL001 clause 6.2)",
            hint="send numberOfSteps 1, several times",
            facts={"pointer": "/numberOfSteps"},
        )
    present = present_size(instance, flavour)
    level = present.levels[aspect.id] + (steps if request.get("type") == "SCALE_OUT" else -steps)
    return resized(flavour, present, {aspect.id: level})


def scaled_to_level(instance: VnfInstance, flavour: VnfFlavour, request: Mapping[str, Any]) -> Size:
    """The size after a ScaleVnfToLevelRequest: an instantiation level, or a scale level for each aspect named."""
    level_id, wanted = request.get("instantiationLevelId"), request.get("scaleInfo")
    if bool(level_id) == bool(wanted):
        raise InvalidInput(
            "a ScaleVnfToLevelRequest has either instantiationLevelId or scaleInfo (SOL003 clause 5.5.2.6)",
            hint="send one of them",
        )
    if level_id:
        return at_level(flavour, str(level_id))
    return resized(flavour, present_size(instance, flavour), scale_info(wanted or ()))


def at_level(flavour: VnfFlavour, level_id: str) -> Size:
    """The size at an instantiation level; raises InvalidInput for one that there is not."""
    counts = level_counts(flavour, level_id)
    return Size(initial_levels(flavour, level_id), counts, level_id)


def scale_info(entries: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Aspect to level of a list of ScaleInfo. The OpenAPI document writes levels as strings, its text as integers."""
    found = {}
    for index, entry in enumerate(entries):
        try:
            found[str(entry["aspectId"])] = int(entry.get("scaleToLevel", entry.get("scaleLevel")))
        except (KeyError, TypeError, ValueError):
            raise InvalidInput(
                f"scaleInfo {index} needs aspectId and a whole number as scaleToLevel",
                facts={"pointer": f"/scaleInfo/{index}"},
            ) from None
    return found


def resized(flavour: VnfFlavour, present: Size, wanted: Mapping[str, int]) -> Size:
    """The size with these aspects at these levels; raises InvalidInput outside of what the VNFD allows."""
    for aspect_id, level in wanted.items():
        aspect = aspect_of(flavour, aspect_id)
        if not 0 <= level <= aspect.max_scale_level:
            raise InvalidInput(
                f"aspect {aspect_id} has the levels 0 to {aspect.max_scale_level}; it is at "
                f"{present.levels[aspect_id]}, {level} was asked for",
                hint="ask for fewer steps, or a level within the range",
                facts={"scaleLevel": present.levels[aspect_id], "maxScaleLevel": aspect.max_scale_level},
            )
    levels = {**present.levels, **wanted}
    counts = _moved(flavour, present.counts, present.levels, levels)
    for vdu in flavour.vdus:
        if not vdu.min_instances <= counts[vdu.id] <= max(vdu.max_instances, present.counts[vdu.id]):
            raise InvalidInput(
                f"VDU {vdu.id} may have {vdu.min_instances} to {vdu.max_instances} instances, not {counts[vdu.id]} "
                "(SOL001 clause 6.8, VduProfile)",
                hint="ask for a level within its vdu_profile",
            )
    return Size(levels, counts, present.level_id)


def aspect_of(flavour: VnfFlavour, aspect_id: str) -> ScalingAspect:
    """The scaling aspect; raises NotFound for a VNF that cannot scale, InvalidInput for an unknown aspect."""
    if not flavour.scaling_aspects:
        raise NotFound(
            f"flavour {flavour.id} has no scaling aspect: the VNF cannot be scaled (SOL003 clause 5.4.5.3.1)",
            hint="scale the network service by adding VNF instances instead",
        )
    for aspect in flavour.scaling_aspects:
        if aspect.id == aspect_id:
            return aspect
    known = ", ".join(aspect.id for aspect in flavour.scaling_aspects)
    raise InvalidInput(
        f"flavour {flavour.id} has no scaling aspect '{aspect_id}'",
        hint=f"it has: {known}",
        facts={"pointer": "/aspectId"},
    )


def _moved(
    flavour: VnfFlavour, counts: Mapping[str, int], before: Mapping[str, int], after: Mapping[str, int]
) -> dict[str, int]:
    """Numbers of VNFCs after each aspect went from one level to another."""
    return {
        vdu.id: counts[vdu.id]
        + sum(
            aspect.instances_added(vdu.id, after.get(aspect.id, 0))
            - aspect.instances_added(vdu.id, before.get(aspect.id, 0))
            for aspect in flavour.scaling_aspects
        )
        for vdu in flavour.vdus
    }

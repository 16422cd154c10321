"""What can be said of a request by the descriptor alone, before an operation is stored. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mano.domain.vnf_instance import VnfInstance
from mano.vnfm.bit_rates import rates_at
from mano.vnfm.connectivity_story import judge_connectivity
from mano.vnfm.heal_story import judge_heal
from mano.vnfm.operate_story import judge_operate
from mano.vnfm.replace_stories import judge_flavour, package_change
from mano.vnfm.scaling import aspect_of, at_level, scaled, scaled_to_level
from mano.vnfm.world import flavour_of
from vnf_descriptors.model import Vnfd

Judge = Callable[[VnfInstance, Vnfd, Mapping[str, Any]], None]
"""Raises what is wrong with a request on an instance of a VNFD."""


def judge_instantiate(instance: VnfInstance, vnfd: Vnfd, request: Mapping[str, Any]) -> None:
    """InstantiateVnfRequest: the flavour and its level exist."""
    flavour = flavour_of(vnfd, str(request.get("flavourId") or ""))
    at_level(flavour, str(request.get("instantiationLevelId") or flavour.default_level_id or ""))


def judge_package(instance: VnfInstance, vnfd: Vnfd, successor: Vnfd) -> None:
    """ChangeCurrentVnfPkgRequest: a change leads from one descriptor to the other, and the flavour is there."""
    change = package_change(vnfd, successor, instance.flavour_id)
    flavour_of(successor, change.destination_flavour_id if change else instance.flavour_id)


def judge_scale(instance: VnfInstance, vnfd: Vnfd, request: Mapping[str, Any]) -> None:
    """ScaleVnfRequest: the aspect exists, and the level lies within it."""
    flavour = flavour_of(vnfd, instance.flavour_id)
    rates_at(flavour, scaled(instance, vnfd, flavour, request))


def judge_scale_to_level(instance: VnfInstance, vnfd: Vnfd, request: Mapping[str, Any]) -> None:
    """ScaleVnfToLevelRequest: the levels exist; a VNF without aspects cannot be scaled."""
    flavour = flavour_of(vnfd, instance.flavour_id)
    if not flavour.scaling_aspects:
        aspect_of(flavour, "")
    rates_at(flavour, scaled_to_level(instance, flavour, request))


JUDGES: Mapping[str, Judge] = {
    "INSTANTIATE": judge_instantiate,
    "SCALE": judge_scale,
    "SCALE_TO_LEVEL": judge_scale_to_level,
    "HEAL": judge_heal,
    "OPERATE": judge_operate,
    "CHANGE_EXT_CONN": judge_connectivity,
    "CHANGE_FLAVOUR": judge_flavour,
}
"""By operation (LcmOperationType)."""

"""ChangeVnfFlavour and ChangeCurrentVnfPkg (SOL003 clauses 5.4.7 and 5.4.11a): a VNF becomes what another flavour, or
another descriptor, says. What differs in its software alone starts anew where it is; what needs other resources gets
a new place first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mano.domain.grant import Grant
from mano.domain.vnf_instance import VnfInstance
from mano.errors import InvalidInput, Refused
from mano.vnfm.bit_rates import rates_at, with_rates
from mano.vnfm.change_story import ChangeVnf, Situation
from mano.vnfm.changes import VnfChange, between
from mano.vnfm.links import merged_links, renamed_cps
from mano.vnfm.resources import PlannedCompute, VnfPlan, image_of, user_data_of
from mano.vnfm.scale_stories import in_order
from mano.vnfm.scaling import Size, at_level, max_levels, present_size, resized
from mano.vnfm.world import flavour_of, vnfd_of
from vnf_descriptors.model import PackageChange, Vdu, VduCp, Vnfd, VnfFlavour


@dataclass(frozen=True, slots=True)
class Successor:
    """What the VNF shall be: descriptor, package, flavour and size; what its VDUs and CPs were called before."""

    vnfd: Vnfd
    package_id: str
    flavour: VnfFlavour
    size: Size
    vdus: Mapping[str, str]
    cps: Mapping[str, str]


def judge_flavour(instance: VnfInstance, vnfd: Vnfd, request: Mapping[str, Any]) -> None:
    """ChangeVnfFlavourRequest: the flavour and its level exist, and it is another one."""
    flavour = flavour_of(vnfd, str(request.get("newFlavourId") or ""))
    if flavour.id == instance.flavour_id:
        raise InvalidInput(
            f"the VNF has flavour {flavour.id} already",
            hint="scale it to another level instead",
            facts={"pointer": "/newFlavourId"},
        )
    at_level(flavour, str(request.get("instantiationLevelId") or flavour.default_level_id or ""))


class _Become(ChangeVnf):
    """What both share."""

    def become(self, situation: Situation, successor: Successor, *, rolling: bool) -> tuple[VnfChange, Grant | None]:
        """Keep what is the same, start anew what has other software, replace what needs other resources."""
        parameters = situation.op.parameters
        known = renamed_cps(situation.instance.ext_virtual_links, successor.cps)
        links = merged_links(known, parameters.get("extVirtualLinks") or ())
        old = {(successor.vdus.get(c.vdu_id, c.vdu_id), c.index): c for c in situation.plan.computes}
        kept: list[PlannedCompute] = []
        add: list[tuple[str, int]] = []
        for place in [(vdu, index) for vdu, count in successor.size.counts.items() for index in range(count)]:
            present = old.get(place)
            if present is not None and _same_needs(situation.flavour, successor.flavour, present, place[0]):
                kept.append(_with_software(present, successor.flavour.vdu(place[0]), parameters))
            else:
                add.append(place)
        stays = {compute.vnfc for compute in kept}
        remove = [compute for compute in situation.plan.computes if compute.vnfc not in stays]
        grant = self.ask(
            situation,
            successor.size.level_id,
            flavour_id=successor.flavour.id,
            vnfd_id=successor.vnfd.descriptor_id,
            add=add,
            remove=remove,
            links=links,
            former={new: old for old, new in successor.vdus.items() if new != old},
        )
        new = self.made(situation, grant, add, flavour=successor.flavour, package_id=successor.package_id, links=links)
        heirs = [replace(c, vnfc_id=old[c.vdu_id, c.index].vnfc if (c.vdu_id, c.index) in old else "") for c in new]
        computes = with_rates(in_order((*kept, *heirs)), rates_at(successor.flavour, successor.size))
        after = VnfPlan(successor.flavour.id, successor.size.level_id, successor.package_id, computes)
        waves = between(situation.plan, after, situation.live, rolling=rolling)
        links = merged_links(links, grant.ext_virtual_links)
        return VnfChange(situation.plan, after, waves, _facts(situation.instance, successor, links, parameters)), grant


def _facts(
    instance: VnfInstance, successor: Successor, links: Sequence[Mapping[str, Any]], parameters: Mapping[str, Any]
) -> dict[str, Any]:
    vnfd = successor.vnfd
    return {
        "flavour_id": successor.flavour.id,
        "instantiation_level_id": successor.size.level_id,
        "scale_levels": dict(successor.size.levels),
        "max_scale_levels": max_levels(successor.flavour),
        "ext_virtual_links": [dict(link) for link in links],
        "vnfd_id": vnfd.descriptor_id,
        "package_id": successor.package_id,
        "provider": vnfd.provider,
        "product_name": vnfd.product_name,
        "software_version": vnfd.software_version,
        "descriptor_version": vnfd.version,
        "configuration": {**instance.configuration, **(parameters.get("vnfConfigurableProperties") or {})},
        "extensions": {**instance.extensions, **(parameters.get("extensions") or {})},
    }


def _same_needs(old: VnfFlavour, new: VnfFlavour, present: PlannedCompute, vdu_id: str) -> bool:
    """True when the VDU differs in nothing but its software: its place and its ports can stay."""
    if present.vdu_id != vdu_id:
        return False
    one, other = old.vdu(present.vdu_id), new.vdu(vdu_id)
    cps, new_cps = old.cps_of(present.vdu_id), new.cps_of(vdu_id)
    return _needs(one) == _needs(other) and _exposed(old, cps) == _exposed(new, new_cps)


def _needs(vdu: Vdu) -> Vdu:
    """What a place depends on."""
    return replace(
        vdu,
        name="",
        description="",
        sw_image=None,
        boot_data=None,
        initial_instances=1,
        min_instances=1,
        max_instances=1,
        monitoring_parameters=(),
    )


def _exposed(flavour: VnfFlavour, cps: Sequence[VduCp]) -> list[tuple[VduCp, tuple[str, ...]]]:
    return [
        (replace(cp, description=None), tuple(ext.id for ext in flavour.ext_cps if ext.vdu_cp_id == cp.id))
        for cp in cps
    ]


def _with_software(present: PlannedCompute, vdu: Vdu, parameters: Mapping[str, Any]) -> PlannedCompute:
    artifact, checksum = image_of(vdu)
    extra = parameters.get("additionalParams") or {}
    data = present.user_data if "userData" not in extra and vdu.boot_data is None else user_data_of(vdu, extra)
    return replace(present, artifact=artifact, checksum=checksum, user_data=data)


class ChangeVnfFlavour(_Become):
    """ChangeVnfFlavour."""

    operation = "CHANGE_FLAVOUR"

    def decide(self, situation: Situation) -> tuple[VnfChange, Grant | None]:
        """The same descriptor, another flavour of it, at the level asked for."""
        parameters = situation.op.parameters
        flavour = flavour_of(situation.vnfd, str(parameters["newFlavourId"]))
        level_id = str(parameters.get("instantiationLevelId") or flavour.default_level_id or "")
        size = at_level(flavour, level_id)
        package_id = situation.standing.package_id
        return self.become(situation, Successor(situation.vnfd, package_id, flavour, size, {}, {}), rolling=False)


class ChangeVnfPackage(_Become):
    """ChangeCurrentVnfPkg: one VNFC after the other becomes what the new package says."""

    operation = "CHANGE_VNFPKG"

    def decide(self, situation: Situation) -> tuple[VnfChange, Grant | None]:
        """Another descriptor, its VDUs found by the component mapping; the size stays."""
        package_id, document = self._world.nfvo.vnfd(str(situation.op.parameters["vnfdId"]), situation.op.tenant_id)
        vnfd = vnfd_of(document)
        change = package_change(situation.vnfd, vnfd, situation.flavour.id)
        names = _mapping(change)
        flavour = flavour_of(vnfd, change.destination_flavour_id if change else situation.flavour.id)
        size = _carried_over(situation, flavour, names)
        successor = Successor(vnfd, package_id, flavour, size, names.get("vdu", {}), names.get("cp", {}))
        return self.become(situation, successor, rolling=True)


def package_change(old: Vnfd, new: Vnfd, flavour_id: str) -> PackageChange | None:
    """The declared change between the two descriptors; ``None`` when neither declares any: names stay as they are.

    Raises Refused when they declare others only (SOL001 clause 6.10, VnfPackageChange).
    """
    declared = [change for vnfd in (new, old) for flavour in vnfd.flavours for change in flavour.package_changes]
    for change in declared:
        for selector in change.selectors:
            pair = (selector.source_descriptor_id, selector.destination_descriptor_id, selector.source_flavour_id)
            if pair == (old.descriptor_id, new.descriptor_id, flavour_id):
                return change
    if declared:
        raise Refused(
            f"no VnfPackageChange leads from {old.descriptor_id} with flavour {flavour_id} to {new.descriptor_id}",
            hint="use a package whose VNFD has a selector for this pair (SOL001 clause 6.10)",
        )
    return None


def _mapping(change: PackageChange | None) -> dict[str, dict[str, str]]:
    """Kind of component to its old names with the new ones."""
    found: dict[str, dict[str, str]] = {}
    for one in change.mappings if change else ():
        found.setdefault(one.kind, {})[one.source_id] = one.destination_id
    return found


def _carried_over(situation: Situation, flavour: VnfFlavour, names: Mapping[str, Mapping[str, str]]) -> Size:
    """The present size in the words of the new descriptor."""
    present = present_size(situation.instance, situation.flavour)
    levels, aspects = names.get("instantiation_level", {}), names.get("scaling_aspect", {})
    level_id = levels.get(present.level_id, present.level_id)
    known = {level.id for level in flavour.instantiation_levels}
    base = at_level(flavour, level_id if level_id in known else str(flavour.default_level_id or ""))
    wanted = {aspects.get(aspect, aspect): level for aspect, level in present.levels.items()}
    return resized(flavour, base, {aspect: level for aspect, level in wanted.items() if aspect in base.levels})

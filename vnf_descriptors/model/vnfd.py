"""The VNF descriptor as typed values (ETSI GS NFV-IFA 011 clause 7, GS NFV-SOL 001 clause 6).

A `Vnfd` holds one `VnfFlavour` per deployment flavour; each flavour holds its own topology.
The placement-relevant facts of a VDU stand on it directly, under the names and in the units of a
placement request: numbers of vCPUs, MiB of memory, KiB of page size, GiB of storage, Mbit/s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from vnf_descriptors.model.checks import check_name, check_unique
from vnf_descriptors.model.connection_points import ExtCp, VduCp
from vnf_descriptors.model.containers import Mciop
from vnf_descriptors.model.frozen import EMPTY, FrozenMap
from vnf_descriptors.model.images import SwImage
from vnf_descriptors.model.links import Bitrate, VnfVirtualLink
from vnf_descriptors.model.scaling import AffinityRule, InstantiationLevel, ScalingAspect
from vnf_descriptors.model.vdu import Vdu
from vnf_descriptors.model.vnf_facts import (
    ConfigurableProperties,
    CoordinationAction,
    LcmConfiguration,
    MonitoringParameter,
    PackageChange,
    SecurityGroupRule,
    SupportedInterface,
    VipCp,
    VnfIndicator,
)


@dataclass(frozen=True, slots=True)
class LcmScript:
    """An operation of the VNF's life-cycle interface that the package implements."""

    operation: str
    #: Path of the artifact inside the package.
    path: str
    #: `shell`, `bash` or `python3`; empty when it is in none of these.
    language: str = ""
    #: Paths of further files of the package that it needs.
    dependencies: tuple[str, ...] = ()
    #: Seconds that it may take; None for whatever its runner allows.
    timeout_s: int | None = None
    #: Its inputs as a JSON object. What is known at run time only stands as `{"get_input": [name, default]}`,
    #: `{"get_attribute": [node, attribute, ...]}` or `{"concat": [...]}`.
    inputs: str = "{}"
    #: The connection point whose network it shares; None when it has no network.
    network_cp: str | None = None


@dataclass(frozen=True, slots=True)
class VnfFlavour:
    """A deployment flavour with its topology (IFA 011 clause 7.1.8)."""

    id: str
    description: str
    vdus: tuple[Vdu, ...] = ()
    vdu_cps: tuple[VduCp, ...] = ()
    ext_cps: tuple[ExtCp, ...] = ()
    virtual_links: tuple[VnfVirtualLink, ...] = ()
    affinity_rules: tuple[AffinityRule, ...] = ()
    scaling_aspects: tuple[ScalingAspect, ...] = ()
    instantiation_levels: tuple[InstantiationLevel, ...] = ()
    default_level_id: str | None = None
    lcm_scripts: tuple[LcmScript, ...] = ()
    vip_cps: tuple[VipCp, ...] = ()
    security_group_rules: tuple[SecurityGroupRule, ...] = ()
    supported_interfaces: tuple[SupportedInterface, ...] = ()
    indicators: tuple[VnfIndicator, ...] = ()
    package_changes: tuple[PackageChange, ...] = ()
    monitoring_parameters: tuple[MonitoringParameter, ...] = ()
    #: Packages for container platforms.
    mciops: tuple[Mciop, ...] = ()
    coordination_actions: tuple[CoordinationAction, ...] = ()
    #: Virtual link -> its bit rates at scale level 0.
    initial_link_bitrates: FrozenMap[str, Bitrate] = EMPTY

    def __post_init__(self) -> None:
        check_name(self.id, "the identifier of a flavour")
        check_unique([vdu.id for vdu in self.vdus], "VDU")
        check_unique([cp.id for cp in self.vdu_cps], "connection point")
        check_unique([cp.id for cp in self.ext_cps], "external connection point")

    def vdu(self, vdu_id: str) -> Vdu:
        """The VDU with this identifier; KeyError when there is none."""
        return _by_id(self.vdus, vdu_id)

    def vdu_cp(self, cp_id: str) -> VduCp:
        """The connection point with this identifier; KeyError when there is none."""
        return _by_id(self.vdu_cps, cp_id)

    def ext_cp(self, cp_id: str) -> ExtCp:
        """The external connection point with this identifier or requirement name; KeyError when there is none."""
        for cp in self.ext_cps:
            if cp_id in (cp.id, cp.requirement):
                return cp
        raise KeyError(cp_id)

    def cps_of(self, vdu_id: str) -> tuple[VduCp, ...]:
        """The connection points of a VDU: those with an order first, by it; then as they were written."""
        mine = [cp for cp in self.vdu_cps if cp.vdu_id == vdu_id]
        return tuple(sorted(mine, key=lambda cp: (cp.order is None, cp.order or 0)))

    def level(self, level_id: str | None = None) -> InstantiationLevel | None:
        """The named level; the default one for None; None when the flavour has no levels; KeyError if unknown."""
        wanted = level_id or self.default_level_id
        if wanted is None:
            return self.instantiation_levels[0] if len(self.instantiation_levels) == 1 else None
        return _by_id(self.instantiation_levels, wanted)

    def instances(self, level_id: str | None = None) -> dict[str, int]:
        """Number of instances of each VDU at an instantiation level (the default one for None)."""
        level = self.level(level_id)
        if level is None:
            return {vdu.id: vdu.initial_instances for vdu in self.vdus}
        return {vdu.id: level.vdu_instances.get(vdu.id, vdu.initial_instances) for vdu in self.vdus}

    def instances_at(self, scale_levels: Mapping[str, int]) -> dict[str, int]:
        """Number of instances of each VDU at given scale levels; aspects left out count as level 0."""
        unknown = set(scale_levels) - {aspect.id for aspect in self.scaling_aspects}
        if unknown:
            raise KeyError(f"no such scaling aspect: {', '.join(sorted(unknown))}")
        return {
            vdu.id: vdu.initial_instances
            + sum(a.instances_added(vdu.id, scale_levels.get(a.id, 0)) for a in self.scaling_aspects)
            for vdu in self.vdus
        }


@dataclass(frozen=True, slots=True)
class Vnfd:
    """A VNF descriptor (IFA 011 clause 7.1.2). `descriptor_id` is a UUID in all but a few older descriptors."""

    descriptor_id: str
    provider: str
    product_name: str
    software_version: str
    #: The descriptor's own version.
    version: str
    vnfm_info: tuple[str, ...]
    flavours: tuple[VnfFlavour, ...]
    product_info_name: str | None = None
    product_info_description: str | None = None
    ext_invariant_id: str | None = None
    localization_languages: tuple[str, ...] = ()
    lcm_configuration: LcmConfiguration | None = None
    configurable: ConfigurableProperties | None = None
    #: Flavour that a request without one gets.
    default_flavour_id: str | None = None
    #: Edition of SOL001 whose types it was read with, for example `3.7.1`.
    sol001_edition: str | None = None

    def __post_init__(self) -> None:
        check_name(self.descriptor_id, "descriptor_id")
        if not self.flavours:
            raise ValueError("a VNFD needs at least one deployment flavour")
        check_unique([flavour.id for flavour in self.flavours], "flavour")

    def flavour(self, flavour_id: str | None = None) -> VnfFlavour:
        """The named flavour, or for None the default or first one; KeyError if unknown."""
        if flavour_id is None and self.default_flavour_id is None:
            return self.flavours[0]
        return _by_id(self.flavours, flavour_id or self.default_flavour_id or "")

    @property
    def sw_images(self) -> tuple[SwImage, ...]:
        """Every software image of every flavour, each identifier once."""
        found: dict[str, SwImage] = {}
        for flavour in self.flavours:
            for vdu in flavour.vdus:
                inside = (image for container in vdu.containers for image in container.sw_images)
                for image in (vdu.sw_image, *(storage.sw_image for storage in vdu.storages), *inside):
                    if image is not None:
                        found.setdefault(image.id, image)
        return tuple(found.values())


class _Named(Protocol):
    @property
    def id(self) -> str: ...


_T = TypeVar("_T", bound=_Named)


def _by_id(values: tuple[_T, ...], wanted: str) -> _T:
    for value in values:
        if value.id == wanted:
            return value
    raise KeyError(wanted)

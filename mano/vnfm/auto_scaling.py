"""VNFs that scale and heal themselves, as their VNFD's triggers say and their configurable properties want it.

SOL001 clause 6.10 (VnfIndicator policies with triggers), SOL003 clause 5.5.2.2 (isAutoscaleEnabled, isAutohealEnabled).
The bounds are the VNFD's, or the narrower ones that the property ``catenaAutoscale`` of an instance gives.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from mano.assurance.auto_scaling import Subject
from mano.domain.auto_scaling import COOL_DOWN_S, Act, Reading, Rule, rules_of
from mano.domain.vnf_instance import InstantiationState, VnfInstance
from mano.errors import InvalidInput
from mano.ports.or_vnfm import Nfvo
from mano.ports.repositories import UnitOfWorkFactory
from mano.vnfm.auto_scale_settings import HEALS, SCALES, Settings, settings_of
from mano.vnfm.scaling import present_size, resized
from mano.vnfm.vnf_lifecycle import VnfLifecycle
from mano.vnfm.world import flavour_of, vnfd_of
from vnf_descriptors.model import Vnfd, VnfFlavour

KEPT_VNFDS = 100

ReadValues = Callable[[VnfInstance, Collection[str], str], Mapping[str, Reading]]
"""(instance, names, reader) to what can be read."""


class ScalableVnfs:
    """The VNFs of this VNFM; implements :class:`mano.assurance.auto_scaling.Scalable`."""

    noun = "vnf"

    def __init__(
        self, open_unit: UnitOfWorkFactory, nfvo: Nfvo, lifecycle: VnfLifecycle, read_values: ReadValues
    ) -> None:
        self._open_unit = open_unit
        self._nfvo = nfvo
        self._lifecycle = lifecycle
        self._read_values = read_values
        self._vnfds: dict[tuple[str, str], Vnfd] = {}

    def wanting(self) -> Iterable[tuple[str, str]]:
        """Those that are instantiated and whose properties ask for it."""
        with self._open_unit(read_only=True) as uow:
            found = uow.vnf_instances.list(instantiation_state=InstantiationState.INSTANTIATED.value)
        return [(vnf.id, vnf.tenant_id) for vnf in found if vnf.configuration.get(SCALES) is True or _heals(vnf)]

    def subject(self, id: str, tenant_id: str | None) -> Subject:
        """The VNF with its rules and bounds; a VNFD is read once."""
        vnf = self._vnf(id, tenant_id)
        if vnf.instantiation_state is not InstantiationState.INSTANTIATED:
            return _resting(vnf, "the VNF is not instantiated")
        vnfd = self._vnfd(vnf)
        flavour = flavour_of(vnfd, vnf.flavour_id)
        aspects = [aspect.id for aspect in flavour.scaling_aspects]
        rules = rules_of((trigger for one in flavour.indicators for trigger in one.triggers), aspects)
        if not rules:
            return _resting(vnf, "the VNFD has no trigger that scales or heals (SOL001 clause 6.10)")
        configured = vnfd.lcm_configuration
        single = configured is not None and "scale" in configured.operations and not configured.scale_by_several_steps
        size = present_size(vnf, flavour)
        return _bounded(
            Subject(
                id=vnf.id,
                tenant_id=vnf.tenant_id,
                name=vnf.name,
                rules=[replace(rule, steps=1) if single else rule for rule in rules],
                levels=dict(size.levels),
                most={},
                cool_down_s=COOL_DOWN_S,
                scales=vnf.configuration.get(SCALES) is True,
                heals=_heals(vnf),
                why_not="" if vnf.configuration.get(SCALES) is True or _heals(vnf) else f"{SCALES} is not true",
                owned_by=vnf.ns_instance_id,
            ),
            vnf,
            flavour,
        )

    def readings(self, subject: Subject, names: Collection[str], reader: str) -> Mapping[str, Reading]:
        """What its VNFCs tell and what is measured of them."""
        return self._read_values(self._vnf(subject.id, subject.tenant_id), names, reader)

    def start(self, subject: Subject, op_id: str, rule: Rule, steps: int) -> None:
        """ScaleVnf or HealVnf, with isAutomaticInvocation."""
        if rule.act is Act.HEAL:
            request: dict[str, Any] = {"cause": rule.cause or rule.id}
            operation = "HEAL"
        else:
            request = {"type": rule.act.value, "aspectId": rule.aspect, "numberOfSteps": steps}
            operation = "SCALE"
        self._lifecycle.change(subject.id, subject.tenant_id, op_id, operation, request, is_automatic=True)

    def _vnf(self, id: str, tenant_id: str | None) -> VnfInstance:
        with self._open_unit(read_only=True) as uow:
            return uow.vnf_instances.get(id, tenant_id)

    def _vnfd(self, vnf: VnfInstance) -> Vnfd:
        key = (vnf.vnfd_id, vnf.package_id)
        if key not in self._vnfds:
            if len(self._vnfds) >= KEPT_VNFDS:
                self._vnfds.clear()
            self._vnfds[key] = vnfd_of(self._nfvo.vnfd(vnf.vnfd_id, vnf.tenant_id)[1])
        return self._vnfds[key]


def _heals(vnf: VnfInstance) -> bool:
    return vnf.configuration.get(HEALS) is True


def _resting(vnf: VnfInstance, why: str) -> Subject:
    return Subject(vnf.id, vnf.tenant_id, vnf.name, (), {}, {}, COOL_DOWN_S, scales=False, heals=False, why_not=why)


def _bounded(subject: Subject, vnf: VnfInstance, flavour: VnfFlavour) -> Subject:
    """With the levels that the VNFD permits (aspects and VDU profiles), narrowed by the instance's own settings.

    Settings that a client wrote past every check count as none: the VNFD's bounds hold in any case.
    """
    try:
        settings = settings_of(vnf.configuration)
    except InvalidInput:
        settings = Settings()
    sizes, least, most = {}, {}, {}
    for aspect in flavour.scaling_aspects:
        permitted = _permitted(vnf, flavour, aspect.id, aspect.max_scale_level)
        level = subject.levels[aspect.id]
        sizes[aspect.id] = [permitted.get(each, 0) for each in range(aspect.max_scale_level + 1)]
        lowest = highest = level
        while lowest - 1 in permitted:
            lowest -= 1
        while highest + 1 in permitted:
            highest += 1
        least[aspect.id] = max(lowest, (settings.least or {}).get(aspect.id, 0))
        most[aspect.id] = min(highest, (settings.most or {}).get(aspect.id, highest))
    return replace(subject, least=least, most=most, sizes=sizes, cool_down_s=settings.cool_down_s)


def _permitted(vnf: VnfInstance, flavour: VnfFlavour, aspect_id: str, highest: int) -> dict[int, int]:
    """Scale level of an aspect to the number of all VNFCs there, where the VDU profiles permit it."""
    present = present_size(vnf, flavour)
    found = {}
    for level in range(highest + 1):
        try:
            found[level] = sum(resized(flavour, present, {aspect_id: level}).counts.values())
        except InvalidInput:
            continue
    return found

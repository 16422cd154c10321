"""Network services that scale themselves, as the NSD's NsAutoScale policies say (IFA 014 clause 6.2.2).

A condition names what is measured of the VNFs of a profile: ``profile.name``, over all VNFCs of all its instances;
without a profile over those of all VNFs of the service. ``ChainLatencyMean`` is that of the slowest of its chains.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from mano.assurance.auto_scaling import Subject
from mano.domain.auto_scaling import COOL_DOWN_S, Act, Reading, Rule, rules_of
from mano.domain.ns_instance import NsInstance
from mano.domain.vnf_instance import InstantiationState, VnfInstance
from mano.nfvo.ns_lifecycle import NsLifecycle
from mano.ports.repositories import UnitOfWork, UnitOfWorkFactory
from vnf_descriptors.model import Nsd, NsFlavour, from_json

ReadValues = Callable[[VnfInstance, Collection[str], str], Mapping[str, Reading]]
"""(VNF instance, names, reader) to what can be read."""

ReadService = Callable[[str, Collection[str], str], Mapping[str, Reading]]
"""(NS instance, names, reader) to what is measured of the service itself, such as its chains' latency."""

KEPT_NSDS = 100


class ScalableServices:
    """The network services of this NFVO; implements :class:`mano.assurance.auto_scaling.Scalable`."""

    noun = "ns"

    def __init__(
        self,
        open_unit: UnitOfWorkFactory,
        lifecycle: NsLifecycle,
        read_values: ReadValues,
        read_service: ReadService,
    ) -> None:
        self._open_unit = open_unit
        self._lifecycle = lifecycle
        self._read_values = read_values
        self._read_service = read_service
        self._nsds: dict[str, Nsd] = {}

    def wanting(self) -> Iterable[tuple[str, str]]:
        """Those that are instantiated and whose NSD has such a policy."""
        with self._open_unit(read_only=True) as uow:
            found = [
                ns
                for ns in uow.ns_instances.list(state=InstantiationState.INSTANTIATED.value)
                if self._flavour(uow, ns).auto_scaling
            ]
        return [(ns.id, ns.tenant_id) for ns in found]

    def subject(self, id: str, tenant_id: str | None) -> Subject:
        """The service with its rules and bounds."""
        with self._open_unit(read_only=True) as uow:
            ns = uow.ns_instances.get(id, tenant_id)
            flavour = self._flavour(uow, ns)
        aspects = [aspect.id for aspect in flavour.scaling_aspects]
        instantiated = ns.state is InstantiationState.INSTANTIATED
        rules = rules_of(flavour.auto_scaling, aspects) if instantiated else ()
        why = "the NSD has no NsAutoScale policy that scales or heals" if instantiated else "the NS is not instantiated"
        return Subject(
            id=ns.id,
            tenant_id=ns.tenant_id,
            name=ns.name,
            rules=rules,
            levels={aspect: ns.scale_levels.get(aspect, 0) for aspect in aspects},
            most={aspect.id: len(aspect.levels) - 1 for aspect in flavour.scaling_aspects},
            cool_down_s=COOL_DOWN_S,
            least=dict.fromkeys(aspects, 0),
            sizes={
                aspect.id: [sum(level.instances.values()) for level in aspect.levels]
                for aspect in flavour.scaling_aspects
            },
            scales=bool(rules),
            heals=bool(rules),
            why_not="" if rules else why,
        )

    def readings(self, subject: Subject, names: Collection[str], reader: str) -> Mapping[str, Reading]:
        """What is measured of its VNFs, put together for all instances of a profile."""
        with self._open_unit(read_only=True) as uow:
            vnfs = uow.vnf_instances.list(subject.tenant_id, ns_instance_id=subject.id)
        profiles = {vnf.vnf_profile_id for vnf in vnfs}
        found = dict(self._read_service(subject.id, names, reader))
        for name in set(names) - set(found):
            profile, dot, inner = name.partition(".")
            one_profile = bool(dot) and profile in profiles
            chosen = [vnf for vnf in vnfs if vnf.vnf_profile_id == profile] if one_profile else vnfs
            wanted = inner if one_profile else name
            read = [self._read_values(vnf, {wanted}, f"{reader} {name}").get(wanted) for vnf in chosen]
            told = [reading for reading in read if reading is not None and reading.values]
            if told:
                found[name] = Reading(tuple(value for one in told for value in one.values), told[0].usual)
        return found

    def start(self, subject: Subject, op_id: str, rule: Rule, steps: int) -> None:
        """ScaleNs or HealNs, with isAutomaticInvocation."""
        if rule.act is Act.HEAL:
            request: dict[str, Any] = {"healNsData": {"degreeHealing": "HEAL_RESTORE", "healScript": ""}}
            operation = "HEAL"
        else:
            by_steps = {"scalingDirection": rule.act.value, "aspectId": rule.aspect, "numberOfSteps": steps}
            request = {"scaleType": "SCALE_NS", "scaleNsData": {"scaleNsByStepsData": by_steps}}
            operation = "SCALE"
        self._lifecycle.change(subject.id, subject.tenant_id, operation, request, op_id=op_id, is_automatic=True)

    def _flavour(self, uow: UnitOfWork, ns: NsInstance) -> NsFlavour:
        if ns.nsd_info_id not in self._nsds:
            if len(self._nsds) >= KEPT_NSDS:
                self._nsds.clear()
            nsd = from_json(uow.packages.get(ns.nsd_info_id).descriptor)
            assert isinstance(nsd, Nsd)
            self._nsds[ns.nsd_info_id] = nsd
        nsd = self._nsds[ns.nsd_info_id]
        return next((one for one in nsd.flavours if one.id == ns.flavour_id), nsd.flavours[0])

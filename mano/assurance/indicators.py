"""VNF indicators (SOL003 clause 8): what the VNFD declares and the VNF tells, and what is measured of every VNF."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mano.domain.events import Event
from mano.domain.ids import derive_id
from mano.domain.vnf_instance import InstantiationState, VnfInstance
from mano.errors import CatenaError, NotFound
from mano.ports.clock import Clock
from mano.ports.metering import Meter
from mano.ports.repositories import UnitOfWork, UnitOfWorkFactory

RUNNING_VNFCS = "catena.runningVnfcs"
MEMORY_BYTES = "catena.memoryBytes"
BUILT_IN: Mapping[str, str] = {
    RUNNING_VNFCS: "number of VNFCs that run",
    MEMORY_BYTES: "memory of all VNFCs in octets",
}
"""Indicators that every VNF has, measured by its VNFM."""


@dataclass(frozen=True, slots=True)
class Indicator:
    """VnfIndicator (SOL003 clause 8.5.2.2)."""

    id: str
    name: str
    value: float
    vnf_instance_id: str


class Indicators:
    """Reads the values where the VNFs tell them."""

    def __init__(
        self,
        open_unit: UnitOfWorkFactory,
        meters: Mapping[str, Meter],
        clock: Clock,
        declared: Callable[[Mapping[str, Any]], Mapping[str, str]],
    ) -> None:
        """``declared`` gives identifier and name of the indicators in a VNFD's document."""
        self._open_unit = open_unit
        self._meters = meters
        self._clock = clock
        self._declared = declared
        self._known: dict[tuple[str, str], float] = {}

    def of(self, vnf_instance_id: str, tenant_id: str) -> Sequence[Indicator]:
        """All indicators of one instance; raises :class:`~mano.errors.NotFound`."""
        with self._open_unit(read_only=True) as uow:
            instance = uow.vnf_instances.get(vnf_instance_id, tenant_id)
            declared = self._names(uow, instance)
            hosts = {stored.host.name: stored.vim_id for stored in uow.hosts.list()}
        return list(self._read(instance, declared, hosts))

    def one(self, vnf_instance_id: str, indicator_id: str, tenant_id: str) -> Indicator:
        """One indicator; raises :class:`~mano.errors.NotFound`."""
        for indicator in self.of(vnf_instance_id, tenant_id):
            if indicator.id == indicator_id:
                return indicator
        raise NotFound("the VNF instance has no such indicator, or does not tell it now")

    def watch(self) -> None:
        """Tell every value that is another than when it was last looked at."""
        with self._open_unit(read_only=True) as uow:
            if not any(found.interface.value == "vnfind" for found in uow.subscriptions.list(interface="vnfind")):
                self._known.clear()
                return
            instances = uow.vnf_instances.list(instantiation_state=InstantiationState.INSTANTIATED.value)
            hosts = {stored.host.name: stored.vim_id for stored in uow.hosts.list()}
            names = {instance.id: self._names(uow, instance) for instance in instances}
        changed = [
            (instance, indicator)
            for instance in instances
            for indicator in self._read(instance, names[instance.id], hosts)
            if self._is_news(indicator)
        ]
        if changed:
            with self._open_unit() as uow:
                for instance, indicator in changed:
                    uow.outbox.append(self._event(instance, indicator))

    def _is_news(self, indicator: Indicator) -> bool:
        """True for a value that differs from the last one; the first one is none."""
        key = (indicator.vnf_instance_id, indicator.id)
        before = self._known.get(key)
        self._known[key] = indicator.value
        return before is not None and before != indicator.value

    def _names(self, uow: UnitOfWork, instance: VnfInstance) -> Mapping[str, str]:
        package = uow.packages.find(instance.package_id)
        return self._declared(package.descriptor) if package is not None else {}

    def _read(
        self, instance: VnfInstance, declared: Mapping[str, str], hosts: Mapping[str, str]
    ) -> Iterator[Indicator]:
        if instance.instantiation_state is not InstantiationState.INSTANTIATED:
            return
        running, memory = 0, 0
        values: dict[str, float] = {}
        for vnfc in instance.vnfcs:
            meter = self._meters.get(hosts.get(vnfc.host, ""))
            if meter is None:
                continue
            try:
                usage = meter.compute_usage(vnfc.compute_id, vnfc.host)
                told = meter.compute_values(vnfc.compute_id, vnfc.host)
            except CatenaError:
                continue
            running += 1
            memory += usage.memory_bytes
            for name, value in told.items():
                values[name] = values.get(name, 0.0) + value
        yield Indicator(RUNNING_VNFCS, BUILT_IN[RUNNING_VNFCS], running, instance.id)
        yield Indicator(MEMORY_BYTES, BUILT_IN[MEMORY_BYTES], memory, instance.id)
        for id, name in declared.items():
            if id in values or name in values:
                yield Indicator(id, name, values.get(id, values.get(name, 0.0)), instance.id)

    def _event(self, instance: VnfInstance, indicator: Indicator) -> Event:
        now = self._clock.now()
        return Event(
            id=derive_id("event", instance.id, indicator.id, now.isoformat()),
            noun="vnf-indicator",
            verb="changed",
            subject=instance.id,
            tenant_id=instance.tenant_id,
            occurred_at=now,
            data={"told": {"vnfIndicatorId": indicator.id, "name": indicator.name, "value": indicator.value}},
        )

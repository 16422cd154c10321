"""Alarms that were raised, changed and cleared (SOL003 clauses 7.5.2.5 and 7.5.2.6, SOL005 8.5.2.5 and 8.5.2.6)."""

from __future__ import annotations

from collections.abc import Iterator

from mano.assurance.notices.ns_life_cycle import ns_facts
from mano.assurance.notices.vnf_life_cycle import product, vnf_facts
from mano.domain.alarm import Alarm, AlarmLevel, alarm_document
from mano.domain.events import Event
from mano.domain.ids import derive_id
from mano.domain.subscription import Interface, Notice
from mano.ports.repositories import UnitOfWork

ROOTS = {AlarmLevel.VNF: "/vnffm/v1/alarms", AlarmLevel.NS: "/nsfm/v1/alarms"}
OBJECTS = {AlarmLevel.VNF: "/vnflcm/v2/vnf_instances", AlarmLevel.NS: "/nslcm/v2/ns_instances"}


def of_alarm(uow: UnitOfWork, event: Event) -> Iterator[Notice]:
    """One notice for the interface of the alarm's level; the infrastructure's alarms have none."""
    alarm = uow.alarms.find(event.subject)
    if alarm is None or alarm.level is AlarmLevel.NFVI or event.verb not in ("raised", "changed", "cleared"):
        return
    cleared = event.verb == "cleared"
    here = f"{ROOTS[alarm.level]}/{alarm.id}"
    whole = {**alarm_document(alarm), "_links": {"self": {"href": here}}}
    told = {"alarmId": alarm.id, "alarmClearedTime": whole["alarmClearedTime"]} if cleared else {"alarm": whole}
    yield Notice(
        id=event.id,
        interface=Interface.VNFFM if alarm.level is AlarmLevel.VNF else Interface.NSFM,
        type="AlarmClearedNotification" if cleared else "AlarmNotification",
        tenant_id=event.tenant_id,
        order_key=alarm.id,
        occurred_at=event.occurred_at,
        facts={
            "faultyResourceTypes": (alarm.resource_type.value,) if alarm.resource_type else (),
            "perceivedSeverities": (alarm.severity.value,),
            "eventTypes": (alarm.event_type.value,),
            "probableCauses": (alarm.probable_cause,),
            **_object_facts(uow, alarm),
        },
        products=_products(uow, alarm),
        body=told,
        links={"alarm": here},
    )


def of_list(uow: UnitOfWork, event: Event) -> Iterator[Notice]:
    """The alarm lists are not what subscribers followed: they read them anew (SOL003 7.5.2.7, SOL005 8.5.2.7)."""
    for level, interface in ((AlarmLevel.VNF, Interface.VNFFM), (AlarmLevel.NS, Interface.NSFM)):
        yield Notice(
            id=derive_id(event.id, level.value),
            interface=interface,
            type="AlarmListRebuiltNotification",
            tenant_id=event.tenant_id,
            order_key=event.subject,
            occurred_at=event.occurred_at,
            links={"alarms": ROOTS[level]},
        )


def _object_facts(uow: UnitOfWork, alarm: Alarm) -> dict[str, tuple[str, ...]]:
    if alarm.level is AlarmLevel.VNF:
        vnf = uow.vnf_instances.find(alarm.managed_object_id)
        found = vnf_facts(vnf) if vnf else {"vnfInstanceIds": (alarm.managed_object_id,)}
    else:
        ns = uow.ns_instances.find(alarm.managed_object_id)
        found = ns_facts(uow, ns) if ns else {"nsInstanceIds": (alarm.managed_object_id,)}
    return {name: tuple(values) for name, values in found.items()}


def _products(uow: UnitOfWork, alarm: Alarm) -> tuple[str, ...]:
    vnf = uow.vnf_instances.find(alarm.managed_object_id) if alarm.level is AlarmLevel.VNF else None
    return product(vnf) if vnf else ()

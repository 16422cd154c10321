"""Reports that are ready, thresholds that were crossed, indicators that changed, quota that is there again.

SOL003 clauses 6.5.2.5 and 6.5.2.6, 8.5.2.5 and 11.5.2.4; SOL005 clauses 7.5.2.5, 7.5.2.6 and 10.5.2.6. The events
carry the notification's own attributes in ``told``, and the one receiver where there is one.
"""

from __future__ import annotations

from collections.abc import Iterator

from mano.assurance.notices.vnf_life_cycle import product, vnf_facts
from mano.domain.events import Event
from mano.domain.subscription import Interface, Notice
from mano.ports.repositories import UnitOfWork


def of_report(uow: UnitOfWork, event: Event) -> Iterator[Notice]:
    """A performance report is ready; only its job's own receiver is told."""
    yield _for_one(event, "PerformanceInformationAvailableNotification")


def of_threshold(uow: UnitOfWork, event: Event) -> Iterator[Notice]:
    """A value went through a threshold; only the threshold's own receiver is told."""
    if event.verb == "crossed":
        capacity = event.data["interface"] == Interface.NFVICI.value
        yield _for_one(event, "CapacityShortageNotification" if capacity else "ThresholdCrossedNotification")


def _for_one(event: Event, kind: str) -> Notice:
    return Notice(
        id=event.id,
        interface=Interface(event.data["interface"]),
        type=kind,
        tenant_id=event.tenant_id,
        order_key=event.subject,
        occurred_at=event.occurred_at,
        body=event.data["told"],
        links=event.data.get("links", {}),
        receiver=str(event.data["receiver"]),
    )


def of_indicator(uow: UnitOfWork, event: Event) -> Iterator[Notice]:
    """An indicator of a VNF instance has another value."""
    instance = uow.vnf_instances.find(event.subject)
    if instance is None:
        return
    yield Notice(
        id=event.id,
        interface=Interface.VNFIND,
        type="VnfIndicatorValueChangeNotification",
        tenant_id=event.tenant_id,
        order_key=event.subject,
        occurred_at=event.occurred_at,
        facts={**vnf_facts(instance), "indicatorIds": (str(event.data["told"]["vnfIndicatorId"]),)},
        products=product(instance),
        body={"vnfInstanceId": instance.id, **event.data["told"]},
        links={"vnfInstance": f"/vnflcm/v2/vnf_instances/{instance.id}"},
    )


def of_quota(uow: UnitOfWork, event: Event) -> Iterator[Notice]:
    """A resource group has room again."""
    told = event.data["told"]
    yield Notice(
        id=event.id,
        interface=Interface.VRQAN,
        type="VrQuotaAvailNotification",
        tenant_id=event.tenant_id,
        order_key=event.subject,
        occurred_at=event.occurred_at,
        facts={
            "vimIds": (str(told.get("vimConnectionId", "")),),
            "resourceProviderIds": (str(told.get("resourceProviderId", "")),),
            "resourceTypes": tuple(event.data.get("resourceTypes", ())),
            "resourceGroupIds": (str(told["resourceGroupId"]),),
        },
        body=told,
    )

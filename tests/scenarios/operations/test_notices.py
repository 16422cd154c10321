"""What subscribers of a service hear of its parts, and of alarm lists that come from a backup."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from mano.adapters.backup import RESTORED
from mano.assurance.notices import notices
from mano.domain.events import Event
from mano.domain.subscription import Interface, Notice, Subscription, concerns, message
from tests.api.official import DOCUMENTS, faults
from tests.scenarios.operations.conftest import Running


def subscription(running: Running, interface: Interface, **wanted: Any) -> Subscription:
    return Subscription(
        id="00000000-0000-4000-8000-0000000000aa",
        tenant_id=running.job.tenant,
        interface=interface,
        callback_uri="http://203.0.113.1/",
        root="http://127.0.0.1",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        filter=wanted,
    )


def told(running: Running, noun: str) -> list[tuple[Event, Notice]]:
    """Every notice of the events of a noun."""
    with running.job.catena.store.open_unit(read_only=True) as uow:
        events = [event for event in uow.outbox.after(0, 10_000) if event.noun == noun]
        return [(event, notice) for event in events for notice in notices(uow, event)]


def test_operations_on_a_vnf_are_told_to_those_who_follow_its_service(running: Running) -> None:
    op = running.change("dpi-0", "HEAL")
    found = [
        notice
        for event, notice in told(running, "vnf-lcm-op-occ")
        if event.subject == op.id and notice.type == "NsChangeNotification"
    ]
    assert [notice.body["lcmOpOccStatusImpactingNsComponent"] for notice in found] == ["START", "COMPLETED"]
    healed = subscription(running, Interface.NSLCM, lcmOpNameImpactingNsComponent=["VNF_HEAL"])
    body = message(found[0], healed)
    assert concerns(found[0], healed)
    assert not concerns(found[0], subscription(running, Interface.NSLCM, lcmOpNameImpactingNsComponent=["VNF_SCALE"]))
    assert (body["nsInstanceId"], body["nsComponentType"]) == (running.ns_id, "VNF")
    assert body["nsComponentId"] == running.vnf("dpi-0").id and len({notice.id for notice in found}) == 2
    if DOCUMENTS.is_dir():
        # The document requires an attribute that it misspells, and takes states for names of operations.
        wrong = ("lcmOpOccStatusImpactingNsCompon", "/lcmOpOccStatusImpactingNsComponent")
        rest = faults("SOL005-NSLifecycleManagementNotification", "NsChangeNotification", body)
        assert [fault for fault in rest if not any(name in fault for name in wrong)] == []


def test_alarm_lists_from_a_backup_are_to_be_read_anew(running: Running) -> None:
    with running.job.catena.store.open_unit() as uow:
        uow.subscriptions.add(subscription(running, Interface.NSFM))
    (running.job.catena.settings.data_dir / RESTORED).touch()
    running.job.catena.start()
    assert not (running.job.catena.settings.data_dir / RESTORED).exists()
    found = [notice for _, notice in told(running, "alarm-list")]
    assert {notice.interface for notice in found} == {Interface.NSFM, Interface.VNFFM}
    for notice in found:
        body = message(notice, subscription(running, notice.interface))
        assert body["_links"]["alarms"]["href"].endswith("/alarms")
        document = {Interface.NSFM: "SOL005-NSFaultManagement", Interface.VNFFM: "SOL003-VNFFaultManagement"}
        if DOCUMENTS.is_dir():
            name = f"{document[notice.interface]}Notification"
            assert faults(name, "AlarmListRebuiltNotification", body) == []

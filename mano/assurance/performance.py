"""PM jobs and thresholds: counters collected when they are due, reports made, crossings told."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from mano.assurance.measuring import Measuring, Round
from mano.domain.events import Event
from mano.domain.ids import derive_id
from mano.domain.performance import (
    REPORT_LIFETIME,
    REPORTS_KEPT,
    Crossing,
    PmCriteria,
    PmJob,
    PmReport,
    Sample,
    Threshold,
    crossing,
    metrics_of,
    object_type,
    remember,
)
from mano.domain.subscription import Authentication, Interface, Subscription
from mano.errors import InvalidInput, NotFound, Refused, StaleGeneration
from mano.ports.clock import Clock, IdFactory
from mano.ports.notifier import Postman
from mano.ports.repositories import UnitOfWork, UnitOfWorkFactory

MAX_JOBS = 1000
MAX_OBJECTS = 1000
THRESHOLD_PERIOD_S = 5.0
OBJECTS = {Interface.VNFPM: "/vnflcm/v2/vnf_instances", Interface.NSPM: "/nslcm/v2/ns_instances"}


class Performance:
    """Use cases of performance management, and what is done again and again for them."""

    def __init__(
        self,
        open_unit: UnitOfWorkFactory,
        measuring: Measuring,
        postman: Postman,
        clock: Clock,
        new_id: IdFactory,
    ) -> None:
        self._open_unit = open_unit
        self._measuring = measuring
        self._postman = postman
        self._clock = clock
        self._new_id = new_id
        self._collected: dict[str, list[Sample]] = defaultdict(list)
        self._judged_at = float("-inf")

    # What clients ask for

    def create_job(
        self,
        interface: Interface,
        tenant_id: str,
        root: str,
        *,
        kind: str,
        object_ids: Sequence[str],
        sub_object_ids: Sequence[str],
        criteria: PmCriteria,
        callback_uri: str,
        authentication: Authentication,
    ) -> PmJob:
        """A job over objects of the tenant; its callback must answer."""
        measured = object_type(interface, kind)
        metrics_of(measured, criteria.metrics, criteria.groups)
        if not object_ids or len(object_ids) > MAX_OBJECTS:
            raise InvalidInput(f"a job measures 1 to {MAX_OBJECTS} objects", facts={"pointer": "/objectInstanceIds"})
        if sub_object_ids and len(object_ids) != 1:
            raise InvalidInput("with sub-objects there is one object", facts={"pointer": "/subObjectInstanceIds"})
        with self._open_unit(read_only=True) as uow:
            _require_objects(uow, interface, tenant_id, object_ids)
        self._postman.probe(callback_uri, authentication)
        job = PmJob(
            id=self._new_id(),
            tenant_id=tenant_id,
            interface=interface,
            object_type=kind,
            object_ids=tuple(object_ids),
            criteria=criteria,
            callback_uri=callback_uri,
            created_at=self._clock.now(),
            sub_object_ids=tuple(sub_object_ids),
        )
        with self._open_unit() as uow:
            if len(uow.pm_jobs.list(tenant_id, limit=MAX_JOBS)) >= MAX_JOBS:
                raise Refused(f"there are {MAX_JOBS} PM jobs already", hint="delete those that nobody needs")
            uow.pm_jobs.add(job)
            uow.subscriptions.add(self._receiver(job.id, tenant_id, interface, callback_uri, authentication, root))
        return job

    def delete_job(self, interface: Interface, id: str, tenant_id: str) -> None:
        """End a job; its reports go with it."""
        with self._open_unit() as uow:
            job = find_job(uow, interface, id, tenant_id)
            for report_id, *_ in job.reports:
                uow.pm_reports.remove(report_id)
            uow.pm_jobs.remove(id)
            _forget(uow, id)
        self._collected.pop(id, None)

    def redirect_job(
        self,
        interface: Interface,
        id: str,
        tenant_id: str,
        *,
        callback_uri: str | None,
        authentication: Authentication | None,
        generation: int | None,
    ) -> PmJob:
        """Tell another receiver, or prove to it otherwise who we are."""
        with self._open_unit(read_only=True) as uow:
            job = find_job(uow, interface, id, tenant_id)
            receiver = uow.subscriptions.get(id)
        self._probe_change(receiver, callback_uri, authentication)
        with self._open_unit() as uow:
            job = find_job(uow, interface, id, tenant_id)
            _require_generation(job.generation, generation)
            _redirect(uow, id, callback_uri, authentication)
            return uow.pm_jobs.save(replace(job, callback_uri=callback_uri or job.callback_uri))

    def create_threshold(self, threshold: Threshold, root: str, authentication: Authentication) -> Threshold:
        """A threshold on an object of the tenant; its callback must answer."""
        if threshold.interface is not Interface.NFVICI:
            metrics_of(object_type(threshold.interface, threshold.object_type), (threshold.metric,), ())
            with self._open_unit(read_only=True) as uow:
                _require_objects(uow, threshold.interface, threshold.tenant_id, (threshold.object_id,))
        self._postman.probe(threshold.callback_uri, authentication)
        made = replace(threshold, id=self._new_id(), created_at=self._clock.now())
        with self._open_unit() as uow:
            if len(uow.thresholds.list(made.tenant_id, limit=MAX_JOBS)) >= MAX_JOBS:
                raise Refused(f"there are {MAX_JOBS} thresholds already", hint="delete those that nobody needs")
            uow.thresholds.add(made)
            receiver = self._receiver(made.id, made.tenant_id, made.interface, made.callback_uri, authentication, root)
            uow.subscriptions.add(receiver)
        return made

    def delete_threshold(self, interface: Interface, id: str, tenant_id: str) -> None:
        """End a threshold."""
        with self._open_unit() as uow:
            find_threshold(uow, interface, id, tenant_id)
            uow.thresholds.remove(id)
            _forget(uow, id)

    def redirect_threshold(
        self,
        interface: Interface,
        id: str,
        tenant_id: str,
        *,
        callback_uri: str | None,
        authentication: Authentication | None,
        generation: int | None,
    ) -> Threshold:
        """As :meth:`redirect_job`."""
        with self._open_unit(read_only=True) as uow:
            find_threshold(uow, interface, id, tenant_id)
            receiver = uow.subscriptions.get(id)
        self._probe_change(receiver, callback_uri, authentication)
        with self._open_unit() as uow:
            threshold = find_threshold(uow, interface, id, tenant_id)
            _require_generation(threshold.generation, generation)
            _redirect(uow, id, callback_uri, authentication)
            return uow.thresholds.save(replace(threshold, callback_uri=callback_uri or threshold.callback_uri))

    def _probe_change(
        self, receiver: Subscription, callback_uri: str | None, authentication: Authentication | None
    ) -> None:
        if callback_uri is None and authentication is None:
            raise InvalidInput("there is nothing to change", hint="send callbackUri or authentication")
        self._postman.probe(callback_uri or receiver.callback_uri, authentication or receiver.authentication)

    def _receiver(
        self,
        id: str,
        tenant_id: str,
        interface: Interface,
        callback_uri: str,
        authentication: Authentication,
        root: str,
    ) -> Subscription:
        return Subscription(
            id=id,
            tenant_id=tenant_id,
            interface=interface,
            callback_uri=callback_uri,
            root=root,
            created_at=self._clock.now(),
            authentication=authentication,
            hidden=True,
        )

    # What is done again and again

    def collect(self) -> None:
        """Collect for the jobs that are due, make the reports that are due, judge the thresholds."""
        now = Round(self._clock.now(), self._clock.monotonic())
        with self._open_unit(read_only=True) as uow:
            jobs = uow.pm_jobs.list()
        for job in jobs:
            if _is_due(job, now.at):
                self._collect(job, now)
        if now.monotonic - self._judged_at >= THRESHOLD_PERIOD_S:
            self._judged_at = now.monotonic
            self._judge(now)

    def _collect(self, job: PmJob, now: Round) -> None:
        kind = object_type(job.interface, job.object_type)
        metrics = metrics_of(kind, job.criteria.metrics, job.criteria.groups)
        collected = self._collected[job.id]
        for object_id in job.object_ids:
            collected += self._measuring.samples(job.id, kind, object_id, job.sub_object_ids, metrics, now)
        begun = job.reported_at or job.created_at
        is_last = job.is_over(now.at)
        changed = replace(job, collected_at=now.at)
        if is_last or (now.at - begun).total_seconds() >= job.criteria.reporting_period_s:
            self._report(changed, tuple(collected), now.at)
            collected.clear()
            return
        with self._open_unit() as uow:
            current = uow.pm_jobs.find(job.id)
            if current is not None and current.generation == job.generation:
                uow.pm_jobs.save(changed)

    def _report(self, job: PmJob, samples: Sequence[Sample], now: datetime) -> None:
        """Store a report, forget the oldest, tell the receiver: one transaction."""
        names = {name.partition(".")[0]: name for name in job.criteria.metrics}
        entries = _entries(job.object_type, samples, names)
        report = PmReport(
            id=derive_id("pm-report", job.id, now.isoformat()),
            tenant_id=job.tenant_id,
            job_id=job.id,
            ready_at=now,
            expires_at=now + REPORT_LIFETIME,
            entries=entries,
        )
        size = len(json.dumps(entries, default=str))
        with self._open_unit() as uow:
            current = uow.pm_jobs.find(job.id)
            if current is None:
                return
            kept = (*current.reports, (report.id, report.ready_at, report.expires_at, size))
            for old, *_ in kept[:-REPORTS_KEPT]:
                uow.pm_reports.remove(old)
            uow.pm_reports.add(report)
            reported = replace(current, collected_at=now, reported_at=now, reports=kept[-REPORTS_KEPT:])
            uow.pm_jobs.save(reported)
            for object_id in job.object_ids:
                uow.outbox.append(_report_event(job, report, object_id, now))

    def _judge(self, now: Round) -> None:
        with self._open_unit(read_only=True) as uow:
            thresholds = [found for found in uow.thresholds.list() if found.interface is not Interface.NFVICI]
        for threshold in thresholds:
            kind = object_type(threshold.interface, threshold.object_type)
            metrics = metrics_of(kind, (threshold.metric,), ())
            reader = f"threshold {threshold.id}"
            samples = self._measuring.samples(reader, kind, threshold.object_id, threshold.sub_object_ids, metrics, now)
            self.judge(threshold, samples)

    def judge(self, threshold: Threshold, samples: Iterable[Sample], measured: Mapping[str, Any] | None = None) -> None:
        """Tell every crossing, and remember on which side the values are.

        ``measured`` is what else is told of a capacity: its NfviCapacityMeasurement.
        """
        crossed = [(sample, direction) for sample in samples if (direction := crossing(threshold, sample))]
        if not crossed:
            return
        with self._open_unit() as uow:
            current = uow.thresholds.find(threshold.id)
            if current is None or current.generation != threshold.generation:
                return
            for sample, direction in crossed:
                current = remember(current, sample, direction)
                uow.outbox.append(crossing_event(current, sample, direction, measured or {}))
            uow.thresholds.save(current)


def find_job(uow: UnitOfWork, interface: Interface, id: str, tenant_id: str) -> PmJob:
    """The job of this interface; raises :class:`~mano.errors.NotFound`."""
    job = uow.pm_jobs.get(id, tenant_id)
    if job.interface is not interface:
        raise NotFound(f"there is no PM job {id}")
    return job


def find_threshold(uow: UnitOfWork, interface: Interface, id: str, tenant_id: str) -> Threshold:
    """The threshold of this interface; raises :class:`~mano.errors.NotFound`."""
    threshold = uow.thresholds.get(id, tenant_id)
    if threshold.interface is not interface:
        raise NotFound(f"there is no threshold {id}")
    return threshold


def _require_objects(uow: UnitOfWork, interface: Interface, tenant_id: str, ids: Iterable[str]) -> None:
    known = uow.vnf_instances if interface is Interface.VNFPM else uow.ns_instances
    for id in ids:
        if known.find(id, tenant_id) is None:
            raise InvalidInput(
                "an object to be measured does not exist",
                hint=f"the identifiers are those of {OBJECTS[interface]}",
                facts={"pointer": "/objectInstanceIds"},
            )


def _require_generation(current: int, read: int | None) -> None:
    if read is not None and read != current:
        raise StaleGeneration("it changed since it was read", hint="read it again")


def _forget(uow: UnitOfWork, id: str) -> None:
    uow.subscriptions.remove(id)
    uow.deliveries.forget(id)


def _redirect(uow: UnitOfWork, id: str, callback_uri: str | None, authentication: Authentication | None) -> None:
    receiver = uow.subscriptions.get(id)
    uow.subscriptions.save(
        replace(
            receiver,
            callback_uri=callback_uri or receiver.callback_uri,
            authentication=authentication or receiver.authentication,
        )
    )


def _is_due(job: PmJob, now: datetime) -> bool:
    """Is it time to collect? Not after the boundary, but once more at it."""
    last = job.collected_at or job.created_at
    boundary = job.criteria.boundary
    if boundary is not None and last >= boundary:
        return False
    if job.is_over(now):
        return True
    return now - last >= timedelta(seconds=job.criteria.collection_period_s)


def _entries(kind: str, samples: Sequence[Sample], names: Mapping[str, str]) -> tuple[Mapping[str, Any], ...]:
    """The samples of a report, grouped by object, sub-object and metric."""
    grouped: dict[tuple[str, str, str], list[Sample]] = defaultdict(list)
    for sample in samples:
        grouped[sample.object_id, sample.sub_object_id, sample.metric].append(sample)
    return tuple(
        {
            "objectType": kind,
            "objectInstanceId": object_id,
            **({"subObjectInstanceId": sub_object_id} if sub_object_id else {}),
            "performanceMetric": names.get(metric, metric),
            "performanceValues": [{"timeStamp": told(sample.at), "value": sample.value} for sample in found],
        }
        for (object_id, sub_object_id, metric), found in grouped.items()
    )


def told(moment: datetime) -> str:
    """RFC 3339, UTC."""
    return moment.isoformat().replace("+00:00", "Z")


def _report_event(job: PmJob, report: PmReport, object_id: str, now: datetime) -> Event:
    here = f"/{job.interface.value}/v2/pm_jobs/{job.id}"
    return Event(
        id=derive_id("event", report.id, object_id),
        noun="pm-report",
        verb="ready",
        subject=job.id,
        tenant_id=job.tenant_id,
        occurred_at=now,
        data={
            "interface": job.interface.value,
            "receiver": job.id,
            "told": {
                "pmJobId": job.id,
                "objectType": job.object_type,
                "objectInstanceId": object_id,
                **({"subObjectInstanceIds": list(job.sub_object_ids)} if job.sub_object_ids else {}),
            },
            "links": {
                "objectInstance": f"{OBJECTS[job.interface]}/{object_id}",
                "pmJob": here,
                "performanceReport": f"{here}/reports/{report.id}",
            },
        },
    )


def crossing_event(threshold: Threshold, sample: Sample, direction: Crossing, measured: Mapping[str, Any]) -> Event:
    """A value went through a threshold: ThresholdCrossedNotification, or CapacityShortageNotification."""
    sub = {"subObjectInstanceId": sample.sub_object_id} if sample.sub_object_id else {}
    if threshold.interface is Interface.NFVICI:
        here = f"/nfvici/v1/capacity_thresholds/{threshold.id}"
        told_body: dict[str, Any] = {
            "thresholdId": threshold.id,
            "direction": direction.value,
            "objectInstanceId": threshold.object_id,
            **sub,
            "capacityInformation": dict(measured),
        }
        links = {"objectInstance": f"/nfvici/v1/nfvi_capacity_infos/{threshold.object_id}", "threshold": here}
    else:
        told_body = {
            "thresholdId": threshold.id,
            "crossingDirection": direction.value,
            "objectType": threshold.object_type,
            "objectInstanceId": threshold.object_id,
            **sub,
            "performanceMetric": threshold.metric,
            "performanceValue": sample.value,
        }
        links = {
            "objectInstance": f"{OBJECTS[threshold.interface]}/{threshold.object_id}",
            "threshold": f"/{threshold.interface.value}/v2/thresholds/{threshold.id}",
        }
    return Event(
        id=derive_id("event", threshold.id, sample.sub_object_id, direction.value, sample.at.isoformat()),
        noun="threshold",
        verb="crossed",
        subject=threshold.id,
        tenant_id=threshold.tenant_id,
        occurred_at=sample.at,
        data={
            "interface": threshold.interface.value,
            "receiver": threshold.id,
            "told": told_body,
            "links": links,
            "objectInstanceId": threshold.object_id,
            "metric": threshold.metric,
            "direction": direction.value,
        },
    )

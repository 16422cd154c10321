"""PM jobs, reports and thresholds: ``/vnfpm/v2`` (SOL003 clause 6) and ``/nspm/v2`` (SOL005 clause 7) alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import AfterValidator, Field
from starlette.responses import Response

from mano.api.api_versions import ApiRoot
from mano.api.auth import Caller
from mano.api.bodies import Body, Identifier
from mano.api.collections import ListShape, answer_list, names
from mano.api.conditional import etag, is_unchanged, required_generation
from mano.api.faults import PreconditionFailed
from mano.api.links import api_root, link, uri
from mano.api.openapi_document import Form
from mano.api.resource_routes import ResourceId, add, empty_answer, json_answer, timestamp
from mano.api.services import Performance
from mano.api.subscriptions import SubscriptionAuthentication, Uri, authentication_of
from mano.domain.performance import PmCriteria, PmJob, Threshold
from mano.domain.subscription import Interface
from mano.errors import NotFound, StaleGeneration
from mano.ports.repositories import UnitOfWork, UnitOfWorkFactory

JOB_SHAPE = ListShape(
    attributes=names("id objectType objectInstanceIds subObjectInstanceIds criteria callbackUri reports _links"),
    mandatory=names("id objectType objectInstanceIds criteria callbackUri _links"),
    left_out=("reports",),
)
THRESHOLD_SHAPE = ListShape(
    attributes=names("id objectType objectInstanceId subObjectInstanceIds criteria callbackUri _links"),
    mandatory=names("id objectType objectInstanceId criteria callbackUri _links"),
    unasked=False,
)
OBJECTS = {Interface.VNFPM: "/vnflcm/v2/vnf_instances", Interface.NSPM: "/nslcm/v2/ns_instances"}
MAX_NAMES = 64


def _moment(text: str) -> str:
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError
    return text


Moment = Annotated[str, Field(max_length=64), AfterValidator(_moment)]
"""RFC 3339 with its zone."""

Names = Annotated[list[Identifier], Field(max_length=MAX_NAMES)]
Ids = Annotated[list[Identifier], Field(max_length=1000)]
Period = Annotated[int, Field(ge=1, le=86_400)]
Number = Annotated[float, Field(allow_inf_nan=False)]


class Criteria(Body):
    """PmJobCriteria."""

    performance_metric: Names | None = None
    performance_metric_group: Names | None = None
    collection_period: Period
    reporting_period: Period
    reporting_boundary: Moment | None = None


class CreatePmJob(Body):
    """CreatePmJobRequest (SOL003 clause 6.5.2.6, SOL005 clause 7.5.2.6)."""

    object_type: Identifier
    object_instance_ids: Annotated[Ids, Field(min_length=1)]
    sub_object_instance_ids: Ids | None = None
    criteria: Criteria
    callback_uri: Uri
    authentication: SubscriptionAuthentication | None = None


class SimpleDetails(Body):
    """simpleThresholdDetails."""

    threshold_value: Number
    hysteresis: Annotated[Number, Field(ge=0)]


class ThresholdCriteria(Body):
    """ThresholdCriteria."""

    performance_metric: Identifier
    threshold_type: Literal["SIMPLE"]
    simple_threshold_details: SimpleDetails


class CreateThreshold(Body):
    """CreateThresholdRequest (SOL003 clause 6.5.2.8, SOL005 clause 7.5.2.8)."""

    object_type: Identifier
    object_instance_id: Identifier
    sub_object_instance_ids: Ids | None = None
    criteria: ThresholdCriteria
    callback_uri: Uri
    authentication: SubscriptionAuthentication | None = None


class Modifications(Body):
    """PmJobModifications, ThresholdModifications."""

    callback_uri: Uri | None = None
    authentication: SubscriptionAuthentication | None = None


class PerformanceResources:
    """The resources of one of the two interfaces."""

    def __init__(
        self, performance: Performance, open_unit: UnitOfWorkFactory, root: ApiRoot, interface: Interface
    ) -> None:
        self._performance = performance
        self._open_unit = open_unit
        self._prefix = root.prefix
        self._interface = interface

    def add_routes(self, router: APIRouter) -> None:
        """Put the resources under the router's prefix."""
        add(router, "GET", "/pm_jobs", self.list_jobs, form=Form.PAGE)
        add(router, "POST", "/pm_jobs", self.create_job, HTTPStatus.CREATED)
        add(router, "GET", "/pm_jobs/{id}", self.read_job)
        add(router, "PATCH", "/pm_jobs/{id}", self.change_job)
        add(router, "DELETE", "/pm_jobs/{id}", self.delete_job, HTTPStatus.NO_CONTENT)
        add(router, "GET", "/pm_jobs/{id}/reports/{report_id}", self.read_report)
        add(router, "GET", "/thresholds", self.list_thresholds, form=Form.PAGE)
        add(router, "POST", "/thresholds", self.create_threshold, HTTPStatus.CREATED)
        add(router, "GET", "/thresholds/{id}", self.read_threshold)
        add(router, "PATCH", "/thresholds/{id}", self.change_threshold)
        add(router, "DELETE", "/thresholds/{id}", self.delete_threshold, HTTPStatus.NO_CONTENT)

    # Jobs

    def list_jobs(self, request: Request, caller: Caller) -> Response:
        """List the PM jobs; takes filter, attribute selectors and the marker of the next page."""
        with self._open_unit(read_only=True) as uow:

            def page(after: str, limit: int) -> Sequence[PmJob]:
                return uow.pm_jobs.list(caller.tenant_id, after=after, limit=limit, interface=self._interface.value)

            return answer_list(request, JOB_SHAPE, page, lambda job: self._job(request, job))

    def create_job(self, request: Request, caller: Caller, body: CreatePmJob) -> Response:
        """Create a PM job; the callback must answer a GET with 204."""
        sent = body.criteria
        boundary = datetime.fromisoformat(sent.reporting_boundary) if sent.reporting_boundary else None
        job = self._performance.create_job(
            self._interface,
            caller.tenant_id,
            api_root(request),
            kind=body.object_type,
            object_ids=body.object_instance_ids,
            sub_object_ids=body.sub_object_instance_ids or (),
            criteria=PmCriteria(
                metrics=tuple(sent.performance_metric or ()),
                groups=tuple(sent.performance_metric_group or ()),
                collection_period_s=sent.collection_period,
                reporting_period_s=sent.reporting_period,
                boundary=boundary,
            ),
            callback_uri=body.callback_uri,
            authentication=authentication_of(body.authentication),
        )
        document = self._job(request, job)
        location = document["_links"]["self"]["href"]
        return json_answer(document, HTTPStatus.CREATED, Location=location, ETag=etag(job.generation))

    def read_job(self, request: Request, caller: Caller, id: ResourceId) -> Response:
        """Read one PM job with the links of its reports."""
        with self._open_unit(read_only=True) as uow:
            job = self._find_job(uow, id, caller.tenant_id)
        if is_unchanged(request, job.generation):
            return empty_answer(HTTPStatus.NOT_MODIFIED, ETag=etag(job.generation))
        return json_answer(self._job(request, job), ETag=etag(job.generation))

    def change_job(self, request: Request, caller: Caller, id: ResourceId, body: Modifications) -> Response:
        """Give a PM job another callback, or other credentials for it."""
        with self._open_unit(read_only=True) as uow:
            generation = required_generation(request, self._find_job(uow, id, caller.tenant_id).generation)
        with _stale_is_412(generation):
            job = self._performance.redirect_job(
                self._interface,
                id,
                caller.tenant_id,
                callback_uri=body.callback_uri,
                authentication=authentication_of(body.authentication) if body.authentication else None,
                generation=generation,
            )
        return json_answer(_changed(body), ETag=etag(job.generation))

    def delete_job(self, caller: Caller, id: ResourceId) -> Response:
        """End a PM job; its reports go with it."""
        self._performance.delete_job(self._interface, id, caller.tenant_id)
        return empty_answer(HTTPStatus.NO_CONTENT)

    def read_report(self, caller: Caller, id: ResourceId, report_id: ResourceId) -> Response:
        """Read one performance report."""
        with self._open_unit(read_only=True) as uow:
            self._find_job(uow, id, caller.tenant_id)
            report = uow.pm_reports.get(report_id, caller.tenant_id)
        if report.job_id != id:
            raise NotFound("the job has no such report")
        # the OpenAPI documents require "performanceValue" and define "performanceValues"
        entries = [{**entry, "performanceValue": entry["performanceValues"]} for entry in report.entries]
        return json_answer({"entries": entries})

    def _find_job(self, uow: UnitOfWork, id: str, tenant_id: str) -> PmJob:
        job = uow.pm_jobs.get(id, tenant_id)
        if job.interface is not self._interface:
            raise NotFound(f"there is no PM job {id}")
        return job

    def _job(self, request: Request, job: PmJob) -> dict[str, Any]:
        here = uri(request, f"{self._prefix}/pm_jobs/{job.id}")
        criteria = job.criteria
        document: dict[str, Any] = {
            "id": job.id,
            "objectType": job.object_type,
            "objectInstanceIds": list(job.object_ids),
        }
        if job.sub_object_ids:
            document["subObjectInstanceIds"] = list(job.sub_object_ids)
        told: dict[str, Any] = {
            "performanceMetric": list(criteria.metrics),
            "performanceMetricGroup": list(criteria.groups),
        }
        document["criteria"] = {name: value for name, value in told.items() if value} | {
            "collectionPeriod": criteria.collection_period_s,
            "reportingPeriod": criteria.reporting_period_s,
        }
        if criteria.boundary is not None:
            document["criteria"]["reportingBoundary"] = timestamp(criteria.boundary)
        document["callbackUri"] = job.callback_uri
        objects = [link(uri(request, f"{OBJECTS[self._interface]}/{object_id}")) for object_id in job.object_ids]
        links = {"self": link(here), "objects": objects}
        if job.reports:
            document["reports"] = [
                {
                    "href": f"{here}/reports/{report_id}",
                    "readyTime": timestamp(ready),
                    "expiryTime": timestamp(expiry),
                    "fileSize": size,
                    # The OpenAPI document of SOL005 v3.7.1 has the links of the job in each of its reports.
                    **({"_links": links} if self._interface is Interface.NSPM else {}),
                }
                for report_id, ready, expiry, size in job.reports
            ]
        return {**document, "_links": links}

    # Thresholds

    def list_thresholds(self, request: Request, caller: Caller) -> Response:
        """List the thresholds; takes filter and the marker of the next page."""
        with self._open_unit(read_only=True) as uow:

            def page(after: str, limit: int) -> Sequence[Threshold]:
                return uow.thresholds.list(caller.tenant_id, after=after, limit=limit, interface=self._interface.value)

            return answer_list(request, THRESHOLD_SHAPE, page, lambda found: self._threshold(request, found))

    def create_threshold(self, request: Request, caller: Caller, body: CreateThreshold) -> Response:
        """Create a threshold; the callback must answer a GET with 204."""
        details = body.criteria.simple_threshold_details
        threshold = self._performance.create_threshold(
            new_threshold(
                self._interface,
                caller.tenant_id,
                object_type=body.object_type,
                object_id=body.object_instance_id,
                sub_object_ids=body.sub_object_instance_ids or (),
                metric=body.criteria.performance_metric,
                value=details.threshold_value,
                hysteresis=details.hysteresis,
                callback_uri=body.callback_uri,
            ),
            api_root(request),
            authentication_of(body.authentication),
        )
        document = self._threshold(request, threshold)
        location = document["_links"]["self"]["href"]
        return json_answer(document, HTTPStatus.CREATED, Location=location, ETag=etag(threshold.generation))

    def read_threshold(self, request: Request, caller: Caller, id: ResourceId) -> Response:
        """Read one threshold."""
        with self._open_unit(read_only=True) as uow:
            found = self._find_threshold(uow, id, caller.tenant_id)
        if is_unchanged(request, found.generation):
            return empty_answer(HTTPStatus.NOT_MODIFIED, ETag=etag(found.generation))
        return json_answer(self._threshold(request, found), ETag=etag(found.generation))

    def change_threshold(self, request: Request, caller: Caller, id: ResourceId, body: Modifications) -> Response:
        """Give a threshold another callback, or other credentials for it."""
        with self._open_unit(read_only=True) as uow:
            generation = required_generation(request, self._find_threshold(uow, id, caller.tenant_id).generation)
        with _stale_is_412(generation):
            found = self._performance.redirect_threshold(
                self._interface,
                id,
                caller.tenant_id,
                callback_uri=body.callback_uri,
                authentication=authentication_of(body.authentication) if body.authentication else None,
                generation=generation,
            )
        return json_answer(_changed(body), ETag=etag(found.generation))

    def delete_threshold(self, caller: Caller, id: ResourceId) -> Response:
        """End a threshold."""
        self._performance.delete_threshold(self._interface, id, caller.tenant_id)
        return empty_answer(HTTPStatus.NO_CONTENT)

    def _find_threshold(self, uow: UnitOfWork, id: str, tenant_id: str) -> Threshold:
        found = uow.thresholds.get(id, tenant_id)
        if found.interface is not self._interface:
            raise NotFound(f"there is no threshold {id}")
        return found

    def _threshold(self, request: Request, found: Threshold) -> dict[str, Any]:
        here = uri(request, f"{self._prefix}/thresholds/{found.id}")
        document: dict[str, Any] = {
            "id": found.id,
            "objectType": found.object_type,
            "objectInstanceId": found.object_id,
        }
        if found.sub_object_ids:
            document["subObjectInstanceIds"] = list(found.sub_object_ids)
        return {
            **document,
            "criteria": {
                "performanceMetric": found.metric,
                "thresholdType": "SIMPLE",
                "simpleThresholdDetails": {"thresholdValue": found.value, "hysteresis": found.hysteresis},
            },
            "callbackUri": found.callback_uri,
            "_links": {
                "self": link(here),
                "object": link(uri(request, f"{OBJECTS[self._interface]}/{found.object_id}")),
            },
        }


def new_threshold(
    interface: Interface,
    tenant_id: str,
    *,
    object_type: str,
    object_id: str,
    sub_object_ids: Sequence[str],
    metric: str,
    value: float,
    hysteresis: float,
    callback_uri: str,
    details: dict[str, Any] | None = None,
) -> Threshold:
    """A threshold as a client asks for it; identifier and time are the use case's."""
    return Threshold(
        id="",
        tenant_id=tenant_id,
        interface=interface,
        object_type=object_type,
        object_id=object_id,
        metric=metric,
        value=value,
        hysteresis=hysteresis,
        callback_uri=callback_uri,
        created_at=datetime.fromtimestamp(0, UTC),
        details=details or {},
        sub_object_ids=tuple(sub_object_ids),
    )


def _changed(body: Modifications) -> dict[str, Any]:
    """What is told of a change; credentials are not."""
    return {"callbackUri": body.callback_uri} if body.callback_uri else {}


@contextmanager
def _stale_is_412(generation: int | None) -> Iterator[None]:
    """A change that came between reading and writing is the client's failed precondition, if it stated one."""
    try:
        yield
    except StaleGeneration as error:
        if generation is None:
            raise
        raise PreconditionFailed(error.detail, hint=error.hint) from None

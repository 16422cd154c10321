"""``/mano/v1/usage``: what each tenant held and for how long, as JSON or CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from mano.api.auth import Caller
from mano.api.media import JSON, best_offer, media
from mano.api.native.hosts import PREFIX
from mano.api.openapi_document import Form
from mano.api.resource_routes import add, json_answer, new_router
from mano.api.services import Metering
from mano.errors import InvalidInput

CSV = "text/csv"
COLUMNS = (
    "tenantId",
    "nsInstanceId",
    "nsInstanceName",
    "vcpuHours",
    "gibHours",
    "vfHours",
    "chainBytes",
)
Moment = Annotated[str, Query(max_length=64, description="RFC 3339 with its zone, or a date (UTC).")]


def router(metering: Metering) -> APIRouter:
    """The resource."""
    routes = new_router(PREFIX, "native")
    add(routes, "GET", "/usage", UsageResource(metering).read, form=Form.LIST)
    return routes


class UsageResource:
    """The totals per tenant and network service."""

    def __init__(self, metering: Metering) -> None:
        self._metering = metering

    @media(produces=(JSON, CSV))
    def read(self, request: Request, caller: Caller, since: Moment = "", until: Moment = "") -> Response:
        """Read vCPU hours, GiB hours, VF hours and octets of chains; an operator sees every tenant's."""
        tenant = None if caller.sees_infrastructure else caller.tenant_id
        rows = self._metering.usage(tenant, since=_moment("since", since), until=_moment("until", until))
        if best_offer(request, (JSON, CSV)) == CSV:
            return Response(as_csv(rows), media_type=CSV)
        return json_answer([dict(row) for row in rows])


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """RFC 4180. A name that a spreadsheet would take for a formula gets an apostrophe in front."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([_harmless(row[column]) for column in COLUMNS])
    return text.getvalue()


def _harmless(value: Any) -> Any:
    if value is None:
        return ""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def _moment(name: str, text: str) -> datetime | None:
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput("a time is not of the right form", facts={"pointer": f"query {name}"}) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)

"""``/healthz`` and ``/readyz``: is the process alive, and can it do its work?"""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from mano.api.media import MediaRoute
from mano.api.problem_details import problem_response
from mano.api.services import Services
from mano.errors import Unreachable

router = APIRouter(route_class=MediaRoute, tags=["server"])


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz")
def readyz(request: Request) -> Response:
    """200 when every part of the server works, 503 with the names of those that do not."""
    services: Services = request.app.state.services
    faults = {part: fault for part, fault in services.health.checks().items() if fault}
    if faults:
        error = Unreachable(f"not ready: {', '.join(sorted(faults))}", hint="the server's log says why")
        return problem_response(error, extra={"parts": sorted(faults)})
    return JSONResponse({"status": "ready", "parts": sorted(services.health.checks())})

"""``/healthz`` and ``/readyz``: is the process alive, and can it do its work?"""

from __future__ import annotations

from fastapi import Request
from starlette.responses import Response

from mano.api.problem_details import problem_response
from mano.api.resource_routes import add, json_answer, new_router
from mano.api.services import Services
from mano.errors import Unreachable


async def healthz() -> Response:
    """The process answers."""
    return json_answer({"status": "ok"})


def readyz(request: Request) -> Response:
    """200 when every part of the server works, 503 with the names of those that do not."""
    services: Services = request.app.state.services
    faults = {part: fault for part, fault in services.health.checks().items() if fault}
    if faults:
        error = Unreachable(f"not ready: {', '.join(sorted(faults))}", hint="the server's log says why")
        return problem_response(error, extra={"parts": sorted(faults)})
    return json_answer({"status": "ready"})


router = new_router("", "server")
add(router, "GET", "/healthz", healthz)
add(router, "GET", "/readyz", readyz)

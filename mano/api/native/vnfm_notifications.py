"""Where foreign VNFMs tell the NFVO of their operation occurrences (SOL003 clause 5.4.20).

The callback of the subscription that the NFVO makes itself. It has credentials of its own, which the subscription
names: a VNFM's password opens nothing else.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from mano.api.auth import basic_credentials
from mano.api.bodies import Body, Identifier
from mano.api.faults import Unauthenticated
from mano.api.native.hosts import PREFIX
from mano.api.resource_routes import add, empty_answer, new_router
from mano.api.services import VnfmNotices

Key = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", description="Which VNFM tells.")]


class VnfLcmNotification(Body):
    """VnfLcmOperationOccurrenceNotification, and those of identifiers, of which nothing more is read."""

    id: Identifier
    notification_type: Literal[
        "VnfLcmOperationOccurrenceNotification",
        "VnfIdentifierCreationNotification",
        "VnfIdentifierDeletionNotification",
    ]
    vnf_instance_id: Identifier
    vnf_lcm_op_occ_id: Identifier | None = None
    operation_state: Identifier | None = None


def router(notices: VnfmNotices) -> APIRouter:
    """The resource."""
    routes = new_router(PREFIX, "native")
    callbacks = Callbacks(notices)
    add(routes, "GET", "/vnfm_notifications/{key}", callbacks.test, HTTPStatus.NO_CONTENT)
    add(routes, "POST", "/vnfm_notifications/{key}", callbacks.take, HTTPStatus.NO_CONTENT)
    return routes


class Callbacks:
    """The callbacks of all subscriptions at VNFMs."""

    def __init__(self, notices: VnfmNotices) -> None:
        self._notices = notices

    def test(self, request: Request, key: Key) -> Response:
        """Test the callback, as a VNFM does before it takes the subscription."""
        self._require_proof(request, key)
        return empty_answer(HTTPStatus.NO_CONTENT)

    def take(self, request: Request, key: Key, body: VnfLcmNotification) -> Response:
        """Take a notification of a VNFM."""
        self._require_proof(request, key)
        if body.vnf_lcm_op_occ_id is not None:
            state = body.operation_state or ""
            self._notices.take(key, body.id, body.vnf_instance_id, body.vnf_lcm_op_occ_id, state)
        return empty_answer(HTTPStatus.NO_CONTENT)

    def _require_proof(self, request: Request, key: str) -> None:
        user_name, password = basic_credentials(request) or ("", "")
        if not self._notices.admits(key, user_name, password):
            raise Unauthenticated(
                "this callback has credentials of its own",
                hint="send those of the subscription's authentication.paramsBasic (RFC 7617)",
                headers={"WWW-Authenticate": 'Basic realm="catena"'},
            )

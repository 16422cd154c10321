"""Subscriptions: the same two resources below every interface that has them (SOL003 clause 5.4.18, and alike)."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import Field, StringConstraints
from starlette.responses import Response

from mano.api.api_versions import ApiRoot
from mano.api.auth import Caller
from mano.api.bodies import Body
from mano.api.collections import ListShape, answer_list, names
from mano.api.json_body import encode
from mano.api.links import api_root, link, uri
from mano.api.openapi_document import Form
from mano.api.resource_routes import ResourceId, add, empty_answer, json_answer
from mano.api.services import Subscriptions
from mano.domain.subscription import INSTANCE_FILTERS, PRODUCTS, Authentication, AuthType, Interface, Subscription
from mano.errors import InvalidInput, NotFound
from mano.ports.repositories import UnitOfWorkFactory

MAX_FILTER = 16 << 10
"""Octets of a filter."""

Uri = Annotated[str, StringConstraints(min_length=8, max_length=2048, pattern=r"^https?://[!-~]+$")]
Secret = Annotated[str, StringConstraints(max_length=1024)]

SHAPE = ListShape(
    attributes=names("id filter callbackUri verbosity _links"), mandatory=names("id callbackUri verbosity _links")
)
SEE_OTHER = {"303": "There is such a subscription already, at Location."}


class BasicParameters(Body):
    """paramsBasic."""

    user_name: Secret
    password: Secret


class OAuth2Parameters(Body):
    """paramsOauth2ClientCredentials."""

    client_id: Secret
    client_password: Secret
    token_endpoint: Uri


class SubscriptionAuthentication(Body):
    """SubscriptionAuthentication (SOL013 clause 8.3.4)."""

    auth_type: Annotated[
        list[Literal["BASIC", "OAUTH2_CLIENT_CREDENTIALS", "TLS_CERT"]], Field(min_length=1, max_length=3)
    ]
    params_basic: BasicParameters | None = None
    params_oauth2_client_credentials: OAuth2Parameters | None = None


class SubscriptionRequest(Body):
    """LccnSubscriptionRequest, PkgmSubscriptionRequest, FmSubscriptionRequest and alike."""

    callback_uri: Uri
    filter: dict[str, Any] | None = None
    authentication: SubscriptionAuthentication | None = None
    verbosity: Literal["FULL", "SHORT"] | None = None


class SubscriptionResources:
    """The subscriptions of one interface."""

    def __init__(
        self, subscriptions: Subscriptions, open_unit: UnitOfWorkFactory, root: ApiRoot, interface: Interface
    ) -> None:
        self._subscriptions = subscriptions
        self._open_unit = open_unit
        self._path = f"{root.prefix}/subscriptions"
        self._interface = interface

    def add_routes(self, router: APIRouter) -> None:
        """Put the resources under the router's prefix."""
        one = "/subscriptions/{id}"
        add(router, "GET", "/subscriptions", self.list_all, form=Form.PAGE)
        add(router, "POST", "/subscriptions", self.create, HTTPStatus.CREATED, also=SEE_OTHER)
        add(router, "GET", one, self.read)
        add(router, "DELETE", one, self.delete, HTTPStatus.NO_CONTENT)

    def list_all(self, request: Request, caller: Caller) -> Response:
        """List the subscriptions; takes filter and the marker of the next page."""
        with self._open_unit(read_only=True) as uow:

            def page(after: str, limit: int) -> Sequence[Subscription]:
                return uow.subscriptions.list(
                    caller.tenant_id, after=after, limit=limit, interface=self._interface.value
                )

            return answer_list(request, SHAPE, page, lambda found: self._document(request, found))

    def create(self, request: Request, caller: Caller, body: SubscriptionRequest) -> Response:
        """Subscribe; the callback must answer a GET with 204."""
        subscription, is_new = self._subscriptions.create(
            self._interface,
            caller.tenant_id,
            body.callback_uri,
            root=api_root(request),
            filter=checked_filter(body.filter),
            authentication=authentication_of(body.authentication),
            verbosity=body.verbosity or "FULL",
        )
        location = uri(request, f"{self._path}/{subscription.id}")
        if not is_new:
            return empty_answer(HTTPStatus.SEE_OTHER, Location=location)
        return json_answer(self._document(request, subscription), HTTPStatus.CREATED, Location=location)

    def read(self, request: Request, caller: Caller, id: ResourceId) -> Response:
        """Read one subscription; it does not tell its credentials."""
        with self._open_unit(read_only=True) as uow:
            found = uow.subscriptions.get(id, caller.tenant_id)
        if found.interface is not self._interface or found.hidden:
            raise NotFound(f"there is no subscription {id}")
        return json_answer(self._document(request, found))

    def delete(self, caller: Caller, id: ResourceId) -> Response:
        """Unsubscribe; what waits to be delivered is forgotten."""
        self._subscriptions.delete(self._interface, id, caller.tenant_id)
        return empty_answer(HTTPStatus.NO_CONTENT)

    def _document(self, request: Request, subscription: Subscription) -> dict[str, Any]:
        document: dict[str, Any] = {"id": subscription.id}
        if subscription.filter:
            document["filter"] = dict(subscription.filter)
        document["callbackUri"] = subscription.callback_uri
        if self._interface in (Interface.NSLCM, Interface.VNFLCM):
            document["verbosity"] = subscription.verbosity
        return {**document, "_links": {"self": link(uri(request, f"{self._path}/{subscription.id}"))}}


def authentication_of(body: SubscriptionAuthentication | None) -> Authentication:
    """The same in the words of the domain; raises :class:`~mano.errors.InvalidInput` when parameters are missing."""
    if body is None:
        return Authentication()
    basic, oauth2 = body.params_basic, body.params_oauth2_client_credentials
    if "BASIC" in body.auth_type and basic is None:
        raise InvalidInput("paramsBasic is missing", facts={"pointer": "/authentication/paramsBasic"})
    if "OAUTH2_CLIENT_CREDENTIALS" in body.auth_type and oauth2 is None:
        raise InvalidInput(
            "paramsOauth2ClientCredentials is missing",
            facts={"pointer": "/authentication/paramsOauth2ClientCredentials"},
        )
    return Authentication(
        kinds=tuple(AuthType(kind) for kind in body.auth_type),
        user_name=basic.user_name if basic else "",
        password=basic.password if basic else "",
        client_id=oauth2.client_id if oauth2 else "",
        client_password=oauth2.client_password if oauth2 else "",
        token_endpoint=oauth2.token_endpoint if oauth2 else "",
    )


def checked_filter(wanted: dict[str, Any] | None) -> dict[str, Any]:
    """A filter whose criteria are lists of strings; raises :class:`~mano.errors.InvalidInput`."""
    found = {name: value for name, value in (wanted or {}).items() if value is not None}
    if len(encode(found)) > MAX_FILTER:
        raise InvalidInput(f"the filter is longer than {MAX_FILTER} octets")
    for name, value in found.items():
        _check_criterion(name, value)
    return found


def _check_criterion(name: str, value: Any) -> None:
    if name in INSTANCE_FILTERS:
        _require(isinstance(value, dict), name, "an object")
        for inner, more in dict(value).items():
            _check_criterion(inner, more)
    elif name == PRODUCTS:
        is_right = _all(value, dict) and all(_is_provider(item) for item in value)
        _require(is_right, name, "an array of providers with their products")
    else:
        _require(isinstance(value, str) or _all(value, str), name, "an array of strings")


def _is_provider(item: Any) -> bool:
    if not isinstance(item, dict) or not isinstance(item.get("vnfProvider"), str):
        return False
    products: Any = item.get("vnfProducts", item.get(PRODUCTS, []))
    return _all(products, dict) and all(
        isinstance(product.get("vnfProductName"), str) and _are_versions(product.get("versions", []))
        for product in products
    )


def _are_versions(versions: Any) -> bool:
    return _all(versions, dict) and all(
        isinstance(version.get("vnfSoftwareVersion"), str) and _all(version.get("vnfdVersions", []), str)
        for version in versions
    )


def _all(values: Any, kind: type) -> bool:
    return isinstance(values, list) and all(isinstance(value, kind) for value in values)


def _require(is_right: bool, name: str, what: str) -> None:
    if not is_right:
        known = name if name.isascii() and name.isalnum() else "*"
        raise InvalidInput(f"a criterion of the filter must be {what}", facts={"pointer": f"/filter/{known}"})

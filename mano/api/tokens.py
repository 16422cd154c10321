"""``POST /oauth2/token``: the client credentials grant (RFC 6749 clause 4.4), as SOL013 clause 8.3 asks for."""

from __future__ import annotations

import dataclasses
import hmac
from urllib.parse import parse_qs

from fastapi import Request
from starlette.responses import JSONResponse, Response

from mano.api.auth import Tokens, basic_credentials
from mano.api.faults import RequestFault, Unauthenticated
from mano.api.media import FORM, config_of, media, read_limited, require_content_type
from mano.api.problem_details import problem_response
from mano.api.resource_routes import add, new_router
from mano.domain.access import AccessRole, Client, Credentials

MAX_FORM = 8192
DASHBOARD_LIFETIME_S = 12 * 3600


@media(consumes=(FORM,), raw=True)
async def issue_token(request: Request) -> Response:
    """Exchange a client's identifier and secret for a short-lived bearer token."""
    config = config_of(request)
    form = await _form(request)
    if config.credentials is None:
        return _refuse(RequestFault("this server runs without authentication"), "unsupported_grant_type")
    if form.get("grant_type") != "client_credentials":
        return _refuse(RequestFault("grant_type must be client_credentials"), "unsupported_grant_type")
    client = _authenticate(request, form, config.credentials)
    if client is None:
        challenge = {"WWW-Authenticate": 'Basic realm="catena"'}
        return _refuse(Unauthenticated("no such client, or another secret", headers=challenge), "invalid_client")
    scope = form.get("scope", "").split()
    if not set(scope) <= {str(role) for role in client.roles}:
        return _refuse(RequestFault("the client does not have that scope"), "invalid_scope")
    if scope:
        client = dataclasses.replace(client, roles=frozenset(AccessRole(role) for role in scope))
    lifetime = config.limits.token_lifetime_s
    token = Tokens(config.credentials).issue(client, lifetime)
    answer = {
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": lifetime,
        "scope": " ".join(sorted(client.roles)),
    }
    return JSONResponse(answer, headers={"Cache-Control": "no-store", "Pragma": "no-cache"})


def dashboard_token(credentials: Credentials) -> str:
    """A token for the dashboard's page: it may look at everything and change nothing, for 12 hours."""
    viewer = Client("dashboard", credentials.admin_token, roles=frozenset({AccessRole.VIEWER}))
    return Tokens(credentials).issue(viewer, DASHBOARD_LIFETIME_S)


async def _form(request: Request) -> dict[str, str]:
    require_content_type(request, (FORM,))
    text = (await read_limited(request, MAX_FORM)).decode("latin-1")
    try:
        fields = parse_qs(text, keep_blank_values=True, max_num_fields=16)
    except ValueError:
        raise RequestFault("the form has too many fields") from None
    if any(len(values) > 1 for values in fields.values()):
        raise RequestFault("a field of the form occurs twice (RFC 6749 clause 3.2)")
    return {name: values[0] for name, values in fields.items()}


def _authenticate(request: Request, form: dict[str, str], credentials: Credentials) -> Client | None:
    """The client by HTTP basic authentication or by the form (RFC 6749 clause 2.3.1)."""
    client_id, secret = basic_credentials(request) or (form.get("client_id", ""), form.get("client_secret", ""))
    client = credentials.client(client_id)
    expected = client.client_secret if client else credentials.signing_key
    return client if hmac.compare_digest(secret.encode(), expected.encode()) and client else None


def _refuse(error: RequestFault, code: str) -> Response:
    """Problem details that also are an OAuth error (RFC 6749 clause 5.2)."""
    return problem_response(error, extra={"error": code, "error_description": error.detail})


router = new_router("", "authentication")
add(router, "POST", "/oauth2/token", issue_token)

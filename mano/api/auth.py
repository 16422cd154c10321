"""Who calls, and what they may do: bearer tokens (RFC 6750), the tenant from the token.

Two kinds of token open the door: the administrator's static one from the credentials file, and short-lived ones that
``POST /oauth2/token`` issues (JWT signed with HS256, RFC 7519). Everything but a few public resources needs one; with
``--auth none``, possible on a loopback listener only, everybody there is the administrator, and requests that a foreign
web page could have caused are refused by their ``Host`` and ``Origin``.
"""

from __future__ import annotations

import base64
import hmac
import ipaddress
import re
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

from fastapi import Depends, Request
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from mano.api.config import ApiConfig
from mano.api.faults import Forbidden, RequestFault, Unauthenticated
from mano.domain.access import AccessRole, Client, Credentials
from mano.domain.ids import DEFAULT_TENANT
from mano.settings import AuthMode

ISSUER = "catena"
ALGORITHM = "HS256"
SCOPE_KEY = "catena.principal"
TENANT_HEADER = "Catena-Tenant"

PUBLIC = frozenset({"/", "/healthz", "/readyz", "/docs", "/openapi.json", "/oauth2/token", "/ui"})
PUBLIC_PREFIXES = ("/ui/", "/mano/v1/vnfm_notifications/")
"""The dashboard's files, and callbacks, which look at credentials of their own."""

SCHEMES = frozenset(
    {"basic", "bearer", "concealed", "digest", "dpop", "gnap", "hoba", "mutual", "negotiate", "oauth", "privatetoken"}
    | {"scram-sha-1", "scram-sha-256", "vapid"}
)
"""The registered authentication schemes (IANA): whoever uses one is told which of them opens (401); another word makes
the request malformed (400, RFC 6750 clause 3.1)."""

_HOST = re.compile(r"(?P<name>[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::(?P<port>[0-9]{1,5}))?")
_READING_POSTS = re.compile(r"/mano/v1/(?:placements|chains/[^/]+/(?:verify|trace|traceroute))")


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller."""

    client_id: str
    tenant_id: str = DEFAULT_TENANT
    roles: frozenset[AccessRole] = frozenset({AccessRole.ADMIN})

    @property
    def is_admin(self) -> bool:
        """True for whoever may see and change everything."""
        return AccessRole.ADMIN in self.roles

    @property
    def sees_infrastructure(self) -> bool:
        """True for whoever may look at hosts."""
        return self.is_admin or (AccessRole.VIEWER in self.roles and self.tenant_id == DEFAULT_TENANT)


LOCAL_ADMIN = Principal("local")


@dataclass(frozen=True, slots=True)
class Tokens:
    """Issues and checks tokens. ``now`` gives seconds since the epoch."""

    credentials: Credentials
    now: Callable[[], float] = time.time

    def issue(self, client: Client, lifetime_s: int) -> str:
        """A signed token for the client."""
        issued = int(self.now())
        claims = {
            "iss": ISSUER,
            "sub": client.client_id,
            "tenant": client.tenant_id,
            "roles": sorted(client.roles),
            "iat": issued,
            "exp": issued + lifetime_s,
            "jti": str(uuid.uuid4()),
        }
        return jwt.encode({"alg": ALGORITHM}, claims, self._key())

    def principal(self, token: str) -> Principal:
        """Whose token it is; raises :class:`~mano.api.faults.Unauthenticated`."""
        if hmac.compare_digest(token.encode(), self.credentials.admin_token.encode()):
            return Principal("admin")
        try:
            claims = jwt.decode(token, self._key(), algorithms=[ALGORITHM]).claims
            jwt.JWTClaimsRegistry(
                now=lambda: int(self.now()), iss={"essential": True, "value": ISSUER}, exp={"essential": True}
            ).validate(claims)
            return _principal_of(claims)
        except (JoseError, ValueError, KeyError, TypeError):
            raise Unauthenticated(
                "the token is not valid, or no longer",
                hint="get a new one from POST /oauth2/token",
                headers={"WWW-Authenticate": 'Bearer realm="catena", error="invalid_token"'},
            ) from None

    def _key(self) -> OctKey:
        return OctKey.import_key(self.credentials.signing_key)


def _principal_of(claims: dict[str, Any]) -> Principal:
    tenant = str(uuid.UUID(claims["tenant"]))
    return Principal(str(claims["sub"]), tenant, frozenset(AccessRole(role) for role in claims["roles"]))


class Authentication:
    """The door: an ASGI layer in front of every resource."""

    def __init__(self, app: ASGIApp, config: ApiConfig) -> None:
        self.app = app
        self.open_to_loopback = config.auth is AuthMode.NONE
        self.tokens = None if config.credentials is None else Tokens(config.credentials)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Put the caller into the scope, or raise."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            _require_host(headers, loopback_only=self.open_to_loopback)
            path = scope["path"]
            if path not in PUBLIC and not path.startswith(PUBLIC_PREFIXES):
                principal = _acting_for(self._principal(headers), headers)
                _require_right(principal, scope["method"], path)
                scope[SCOPE_KEY] = principal
        await self.app(scope, receive, send)

    def _principal(self, headers: Headers) -> Principal:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and token and self.tokens is not None:
            return self.tokens.principal(token.strip())
        if "x-auth-token" in headers and self.tokens is not None:  # OpenStack's clients: --os-auth-type admin_token
            return self.tokens.principal(headers["x-auth-token"].strip())
        if self.open_to_loopback:
            return LOCAL_ADMIN
        if token and scheme.lower() not in SCHEMES:
            raise RequestFault(
                "the Authorization header has a scheme that there is not",
                hint="send Authorization: Bearer TOKEN",
                headers={"WWW-Authenticate": 'Bearer realm="catena", error="invalid_request"'},
            )
        raise Unauthenticated(
            "a bearer token is needed",
            hint="send Authorization: Bearer TOKEN; POST /oauth2/token issues one",
            headers={"WWW-Authenticate": 'Bearer realm="catena"'},
        )


def _acting_for(principal: Principal, headers: Headers) -> Principal:
    """An administrator may act for any tenant: NFVO and VNFM of two processes do, for the tenant of the resource."""
    wanted = headers.get(TENANT_HEADER)
    if wanted is None:
        return principal
    if not principal.is_admin:
        raise Forbidden(f"only an administrator may name a tenant in {TENANT_HEADER}")
    try:
        return replace(principal, tenant_id=str(uuid.UUID(wanted)))
    except ValueError:
        raise RequestFault(f"{TENANT_HEADER} is not a UUID") from None


def _require_right(principal: Principal, method: str, path: str) -> None:
    if principal.roles <= {AccessRole.VIEWER} and method not in ("GET", "HEAD"):
        if method == "POST" and _READING_POSTS.fullmatch(path):
            return
        raise Forbidden("this token may only look", hint="use a token with the role tenant or admin")


def _require_host(headers: Headers, *, loopback_only: bool) -> None:
    host = _HOST.fullmatch(headers.get("host", ""))
    if host is None:
        raise RequestFault("the Host header is not a host", hint="send Host: NAME[:PORT] (RFC 9110 clause 7.2)")
    if not loopback_only:
        return
    if not is_loopback(host["name"]):
        raise Forbidden("without authentication this server answers to loopback names only", hint="call 127.0.0.1")
    origin = headers.get("origin")
    if origin is not None and not _is_loopback_origin(origin):
        raise Forbidden("without authentication this server answers no foreign web page")


def is_loopback(name: str) -> bool:
    """True for localhost and loopback addresses, brackets allowed."""
    if name.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def _is_loopback_origin(origin: str) -> bool:
    try:
        return is_loopback(urlsplit(origin).hostname or "")
    except ValueError:
        return False


def basic_credentials(request: Request) -> tuple[str, str] | None:
    """Name and secret of HTTP basic authentication (RFC 7617), empty ones where these cannot be read.

    Both are form-encoded where they are an OAuth 2 client's (RFC 6749 clause 2.3.1). ``None`` for another scheme.
    """
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        return "", ""
    return (unquote(name), unquote(secret)) if colon else ("", "")


def caller(request: Request) -> Principal:
    """The principal that the door let in."""
    principal: Principal = request.scope[SCOPE_KEY]
    return principal


def administrator(request: Request) -> Principal:
    """The caller, who must have every right."""
    principal = caller(request)
    if not principal.is_admin:
        raise Forbidden("only an administrator may do this")
    return principal


def infrastructure_viewer(request: Request) -> Principal:
    """The caller, who must be allowed to look at the infrastructure."""
    principal = caller(request)
    if not principal.sees_infrastructure:
        raise Forbidden("only an administrator may look at the infrastructure")
    return principal


Caller = Annotated[Principal, Depends(caller)]
Administrator = Annotated[Principal, Depends(administrator)]
InfrastructureViewer = Annotated[Principal, Depends(infrastructure_viewer)]

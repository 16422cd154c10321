"""The ``Version`` header and the ``api_versions`` resources (SOL013 clauses 9.1 to 9.3)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from mano.api.faults import NotAcceptable, RequestFault
from mano.errors import InvalidInput

_SCOPE_KEY = "catena.version"
_VERSION = re.compile(r"(\d{1,4})\.(\d{1,4})\.(\d{1,4})(?:-impl:[\x21-\x7e]{1,200})?")


@dataclass(frozen=True, slots=True)
class ApiRoot:
    """One API in one major version. ``version`` is the newest that is served; older minor ones are, too."""

    name: str
    version: str
    strict: bool = True

    @property
    def prefix(self) -> str:
        """Where it is served."""
        return f"/{self.name}/v{self.version.partition('.')[0]}"

    def negotiate(self, requested: str) -> str:
        """The version to answer with; raises unless it is served."""
        parts = _VERSION.fullmatch(requested.strip())
        if parts is None:
            raise InvalidInput("the Version header is not MAJOR.MINOR.PATCH", hint=f"send Version: {self.version}")
        major, minor, patch = (int(part) for part in parts.groups())
        newest = [int(part) for part in self.version.split(".")]
        if major != newest[0] or (minor, patch) > (newest[1], newest[2]):
            raise NotAcceptable(
                f"this version of {self.name} is not served",
                hint=f"send Version: {self.version}",
                facts={"apiVersions": [self.version]},
                headers={"Version": self.version},
            )
        return f"{major}.{minor}.{patch}"


NSD = ApiRoot("nsd", "2.3.0")
NSLCM = ApiRoot("nslcm", "2.3.0")
VNFPKGM = ApiRoot("vnfpkgm", "2.4.0")
VNFLCM = ApiRoot("vnflcm", "2.3.0")
NSFM = ApiRoot("nsfm", "1.3.0")
NSPM = ApiRoot("nspm", "2.3.0")
NFVICI = ApiRoot("nfvici", "1.1.0")
VNFFM = ApiRoot("vnffm", "1.5.0")
VNFPM = ApiRoot("vnfpm", "2.2.0")
VNFIND = ApiRoot("vnfind", "1.4.0")
VRQAN = ApiRoot("vrqan", "1.3.0")
GRANT = ApiRoot("grant", "1.7.0")
VNFSNAPSHOTPKGM = ApiRoot("vnfsnapshotpkgm", "1.2.0")
VNFPKGM_1 = ApiRoot("vnfpkgm", "1.4.0", strict=False)
VNFLCM_1 = ApiRoot("vnflcm", "1.4.0", strict=False)
"""For clients older than SOL003 v3; these often send no Version."""

ROOTS: Mapping[str, ApiRoot] = {
    root.prefix: root
    for root in (
        NSD,
        NSLCM,
        VNFPKGM,
        VNFLCM,
        NSFM,
        NSPM,
        NFVICI,
        VNFFM,
        VNFPM,
        VNFIND,
        VRQAN,
        GRANT,
        VNFSNAPSHOTPKGM,
        VNFPKGM_1,
        VNFLCM_1,
    )
}
"""SOL003 and SOL005 v3.7.1. The newest major version of an API comes first."""


def roots_of(name: str) -> tuple[ApiRoot, ...]:
    """Every major version of one API that is served, the newest first."""
    return tuple(root for root in ROOTS.values() if root.name == name)


class VersionNegotiation:
    """An ASGI layer that checks the request's ``Version``; :func:`answered_version` is what answers state."""

    def __init__(self, app: ASGIApp, *, lenient: bool = False) -> None:
        self.app = app
        self.lenient = lenient

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on with the negotiated version, or raise."""
        root, resource = _resource_of(scope["path"]) if scope["type"] == "http" else (None, "")
        if root is not None and resource != "api_versions":
            scope[_SCOPE_KEY] = self._negotiate(root, Headers(scope=scope).get("version"))
        await self.app(scope, receive, send)

    def _negotiate(self, root: ApiRoot, requested: str | None) -> str:
        if requested is not None:
            return root.negotiate(requested)
        if root.strict and not self.lenient:
            raise RequestFault(
                "the Version header is missing (SOL013 clause 9.2)",
                hint=f"send Version: {root.version}",
                facts={"apiVersions": [root.version]},
                headers={"Version": root.version},
            )
        return root.version


def answered_version(scope: Scope) -> str:
    """The ``Version`` of an answer, errors among them: the negotiated one, or the newest; empty outside of the APIs."""
    root, _ = _resource_of(scope["path"])
    return str(scope.get(_SCOPE_KEY, root.version if root else ""))


def _resource_of(path: str) -> tuple[ApiRoot | None, str]:
    """The API root that a path lies under, and the first segment below it."""
    name, _, rest = path[1:].partition("/")
    major, slash, below = rest.partition("/")
    if not slash:
        roots = roots_of(name) if major == "api_versions" else ()
        return (roots[0] if roots else None), major
    return ROOTS.get(f"/{name}/{major}"), below.partition("/")[0]

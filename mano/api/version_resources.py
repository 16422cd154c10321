"""The ``api_versions`` resources (SOL013 clause 9.3)."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter
from starlette.responses import Response

from mano.api.api_versions import ApiRoot
from mano.api.resource_routes import add, json_answer, new_router


@dataclass(frozen=True, slots=True)
class VersionResources:
    """``{apiName}/api_versions`` and ``{apiName}/v{major}/api_versions`` of one API in its major versions."""

    roots: tuple[ApiRoot, ...]

    def router(self) -> APIRouter:
        """All of its version resources."""
        name = self.roots[0].name
        router = new_router("", name)
        add(router, "GET", f"/{name}/api_versions", self.all_versions)
        for root in self.roots:
            add(router, "GET", f"{root.prefix}/api_versions", _MajorVersion(root).read)
        return router

    def all_versions(self) -> Response:
        """ApiVersionInformation over all major versions."""
        return _information(f"/{self.roots[0].name}", self.roots)


@dataclass(frozen=True, slots=True)
class _MajorVersion:
    """One major version."""

    root: ApiRoot

    def read(self) -> Response:
        """ApiVersionInformation of this major version."""
        return _information(self.root.prefix, (self.root,))


def _information(uri_prefix: str, roots: tuple[ApiRoot, ...]) -> Response:
    versions = [{"version": root.version, "isDeprecated": not root.strict} for root in roots]
    return json_answer({"uriPrefix": uri_prefix, "apiVersions": versions})

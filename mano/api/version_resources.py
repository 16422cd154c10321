"""The ``api_versions`` resources (SOL013 clause 9.3)."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter
from starlette.responses import Response

from mano.api.api_versions import ApiRoot
from mano.api.resource_routes import add, json_answer, new_router


@dataclass(frozen=True, slots=True)
class VersionResources:
    """``{apiName}/api_versions`` and ``{apiName}/v{major}/api_versions`` of one API."""

    root: ApiRoot

    def router(self) -> APIRouter:
        """Both resources."""
        router = new_router("", self.root.name)
        add(router, "GET", f"/{self.root.name}/api_versions", self.all_versions)
        add(router, "GET", f"{self.root.prefix}/api_versions", self.major_versions)
        return router

    def all_versions(self) -> Response:
        """ApiVersionInformation over all major versions."""
        return self._information(f"/{self.root.name}")

    def major_versions(self) -> Response:
        """ApiVersionInformation of this major version."""
        return self._information(self.root.prefix)

    def _information(self, uri_prefix: str) -> Response:
        versions = [{"version": self.root.version, "isDeprecated": False}]
        return json_answer({"uriPrefix": uri_prefix, "apiVersions": versions})

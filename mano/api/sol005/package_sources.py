"""VNF packages from a URI, and the access to their external artifacts (SOL005 clauses 9.4.6 and 9.4.10)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from mano.api.auth import Caller
from mano.api.bodies import Body
from mano.api.conditional import etag
from mano.api.resource_routes import ResourceId, add, empty_answer, json_answer
from mano.api.services import PackageSources
from mano.api.sol005.packages import PackageResources
from mano.api.subscriptions import BasicParameters, OAuth2Parameters, Secret, Uri
from mano.domain.subscription import Authentication, AuthType
from mano.errors import InvalidInput


class UploadFromUri(Body):
    """UploadVnfPackageFromUriRequest (SOL005 clause 9.5.2.3).

    ``userName`` and ``password`` stand at the top in editions before 3.3, ``paramsBasic`` in none: all are taken.
    """

    address_information: Uri
    auth_type: Literal["BASIC", "OAUTH2_CLIENT_CREDENTIALS"] | None = None
    params_basic: BasicParameters | None = None
    params_oauth2_client_credentials: OAuth2Parameters | None = None
    user_name: Secret | None = None
    password: Secret | None = None

    def authentication(self) -> Authentication:
        """What the source asks for."""
        oauth2 = self.params_oauth2_client_credentials
        if oauth2 is not None:
            return Authentication(
                kinds=(AuthType.OAUTH2_CLIENT_CREDENTIALS,),
                client_id=oauth2.client_id,
                client_password=oauth2.client_password,
                token_endpoint=oauth2.token_endpoint,
            )
        basic = self.params_basic
        user, password = (basic.user_name, basic.password) if basic else (self.user_name, self.password)
        if user is not None and password is not None:
            return Authentication(kinds=(AuthType.BASIC,), user_name=user, password=password)
        if self.auth_type is not None:
            raise InvalidInput(f"the parameters of {self.auth_type} are missing", facts={"pointer": "/authType"})
        return Authentication()


class ExternalArtifact(Body):
    """One entry of ExternalArtifactsAccessConfig (SOL005 clause 9.5.3.5)."""

    artifact_uri: Uri
    override_uri: Uri | None = None
    auth_type: Literal["OAUTH2_CLIENT_CREDENTIALS"] | None = None
    params_oauth2_client_credentials: OAuth2Parameters | None = None


class ExternalArtifacts(Body):
    """ExternalArtifactsAccessConfig; the OpenAPI document has one object where the text has a list."""

    artifact: ExternalArtifact | Annotated[list[ExternalArtifact], Field(max_length=64)]

    def entries(self) -> list[dict[str, Any]]:
        """The artifacts."""
        found = self.artifact if isinstance(self.artifact, list) else [self.artifact]
        return [entry.document() for entry in found]


class PackageSourceResources:
    """What there is beside the content of an individual VNF package."""

    def __init__(self, sources: PackageSources, packages: PackageResources) -> None:
        self._sources = sources
        self._packages = packages

    def add_routes(self, router: APIRouter) -> None:
        """Put the resources under the router's prefix."""
        one = "/vnf_packages/{id}"
        add(router, "POST", f"{one}/package_content/upload_from_uri", self.upload_from_uri, HTTPStatus.ACCEPTED)
        add(router, "GET", f"{one}/ext_artifacts_access", self.read_access)
        add(router, "PUT", f"{one}/ext_artifacts_access", self.write_access)

    def upload_from_uri(self, caller: Caller, id: ResourceId, body: UploadFromUri) -> Response:
        """Fetch the archive from a URI; it is on-boarded when the information says so."""
        self._packages.find(id, caller.tenant_id)
        self._sources.upload_from_uri(id, caller.tenant_id, body.address_information, body.authentication())
        return empty_answer(HTTPStatus.ACCEPTED)

    def read_access(self, caller: Caller, id: ResourceId) -> Response:
        """Read how external artifacts are reached; credentials are not told."""
        package = self._packages.find(id, caller.tenant_id)
        return json_answer(
            access_config(self._sources.external_access(id, caller.tenant_id)), ETag=etag(package.generation)
        )

    def write_access(self, request: Request, caller: Caller, id: ResourceId, body: ExternalArtifacts) -> Response:
        """Say how external artifacts are reached, before the content is sent."""
        self._packages.require_unchanged(request, self._packages.find(id, caller.tenant_id))
        self._sources.set_external_access(id, caller.tenant_id, body.entries())
        return self.read_access(caller, id)


def access_config(access: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One object for one artifact, as the OpenAPI document has it; a list for several, as the text. No credentials."""
    told = ("artifactUri", "overrideUri", "authType")
    entries = [{name: entry[name] for name in told if entry.get(name)} for entry in access]
    if not entries:
        return {}
    return {"artifact": entries[0] if len(entries) == 1 else entries}

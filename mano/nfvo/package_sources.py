"""VNF packages from a URI, and the access to artifacts that lie outside a package (SOL005 clauses 9.4.6 and 9.4.10)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mano.domain.catalogue import OnboardingState, Package
from mano.domain.subscription import Authentication
from mano.errors import CatenaError, InvalidInput, NotFound, WrongState
from mano.nfvo.catalogue import Catalogue
from mano.ports.fetching import Background, Fetcher
from mano.ports.repositories import UnitOfWorkFactory

MAX_EXTERNAL = 64
"""External artifacts of one package."""


class PackageSources:
    """Fetches what a client names instead of sending."""

    def __init__(
        self,
        catalogue: Catalogue,
        open_unit: UnitOfWorkFactory,
        fetcher: Fetcher,
        background: Background,
        max_bytes: int,
    ) -> None:
        self._catalogue = catalogue
        self._open_unit = open_unit
        self._fetcher = fetcher
        self._background = background
        self._max_bytes = max_bytes

    def upload_from_uri(self, id: str, tenant_id: str, uri: str, authentication: Authentication) -> None:
        """Fetch the archive and on-board it, beside the request.

        Raises :class:`~mano.errors.WrongState` unless the package waits for content and
        :class:`~mano.errors.InvalidInput` for a URI that is never called; what goes wrong later is in ``failure``.
        """
        self._fetcher.require_allowed(uri)
        package = self._catalogue.begin(id, tenant_id)
        self._background(lambda: self._receive(package, uri, authentication))

    def _receive(self, package: Package, uri: str, authentication: Authentication) -> None:
        try:
            fetched = self._fetcher.fetch(uri, authentication, self._max_bytes)
            self._catalogue.receive(package, fetched, awaited=False)
        except CatenaError as error:
            self._catalogue.refuse(package.id, InvalidInput(f"the package could not be fetched: {error.detail}"))

    def external_access(self, id: str, tenant_id: str) -> Sequence[Mapping[str, Any]]:
        """How each external artifact is reached: ``artifactUri``, ``overrideUri``; credentials are not told."""
        return [
            {name: entry[name] for name in ("artifactUri", "overrideUri", "authType") if entry.get(name)}
            for entry in self._find(id, tenant_id).external_access
        ]

    def set_external_access(self, id: str, tenant_id: str, entries: Sequence[Mapping[str, Any]]) -> None:
        """Replace the configuration; only before the content arrives (SOL005 clause 9.4.10.3.3, else 409)."""
        if len(entries) > MAX_EXTERNAL:
            raise InvalidInput(f"there are more than {MAX_EXTERNAL} external artifacts")
        for entry in entries:
            self._fetcher.require_allowed(str(entry.get("overrideUri") or entry["artifactUri"]))
        with self._open_unit() as uow:
            package = uow.packages.get(id, tenant_id)
            if package.onboarding_state is not OnboardingState.CREATED:
                raise WrongState(f"the package is {package.onboarding_state.value}, not CREATED")
            uow.packages.save(replace(package, external_access=tuple(dict(entry) for entry in entries)))

    def external_content(self, id: str, tenant_id: str, uri: str) -> str:
        """A local file with an external artifact of the package, fetched once and checked by its checksum."""
        package = self._find(id, tenant_id)
        if package.onboarding_state is not OnboardingState.ONBOARDED:
            raise WrongState(f"package {id} is {package.onboarding_state.value}, not ONBOARDED")
        artifact = next((known for known in package.artifacts if known.get("artifactUri") == uri), None)
        if artifact is None:
            raise NotFound("the package names no such external artifact")
        entry = next((known for known in package.external_access if known["artifactUri"] == uri), {})
        source = str(entry.get("overrideUri") or uri)
        content = self._fetcher.fetch(source, _authentication(entry), self._max_bytes)
        return self._catalogue.keep_external(package, uri, content, artifact.get("checksum"))

    def _find(self, id: str, tenant_id: str) -> Package:
        with self._open_unit(read_only=True) as uow:
            return uow.packages.get(id, tenant_id)


def _authentication(entry: Mapping[str, Any]) -> Authentication:
    from mano.domain.subscription import AuthType

    found = entry.get("paramsOauth2ClientCredentials")
    if not found:
        return Authentication()
    return Authentication(
        kinds=(AuthType.OAUTH2_CLIENT_CREDENTIALS,),
        client_id=found["clientId"],
        client_password=found["clientPassword"],
        token_endpoint=found["tokenEndpoint"],
    )

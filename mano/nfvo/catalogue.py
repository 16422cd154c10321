"""The catalogue: VNF packages and NSDs from upload to deletion (SOL005 clauses 5 and 9)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NoReturn

from mano.domain.catalogue import (
    DescriptorKind,
    OnboardingState,
    OperationalState,
    Package,
    UsageState,
    begin_upload,
    require_deletable,
)
from mano.domain.events import Event
from mano.domain.ids import derive_id
from mano.domain.merge_patch import merged
from mano.errors import AlreadyExists, CatenaError, InvalidInput, NotFound, StaleGeneration, WrongState
from mano.nfvo.nsd_completeness import require_complete
from mano.ports.clock import Clock, IdFactory
from mano.ports.descriptors import DescriptorReader, ReadPackage
from mano.ports.repositories import PackageStore, UnitOfWork, UnitOfWorkFactory
from vnf_descriptors.model import Nsd, Pnfd, Vnfd, to_json

NOUNS = {DescriptorKind.VNF: "vnf-package", DescriptorKind.NS: "ns-descriptor", DescriptorKind.PNF: "pnf-descriptor"}
"""Nouns of the events."""

MAX_ARCHIVE_BYTES = 2 << 30
"""Largest archive that is stored, in octets."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


_TYPE_OF_A_NODE = re.compile(r"\s+type\s*:\s*\S*nodes\.\S+")


class Catalogue:
    """Use cases of package and descriptor management."""

    def __init__(
        self,
        open_unit: UnitOfWorkFactory,
        store: PackageStore,
        reader: DescriptorReader,
        clock: Clock,
        new_id: IdFactory,
        max_archive_bytes: int = MAX_ARCHIVE_BYTES,
    ) -> None:
        self._open_unit = open_unit
        self._store = store
        self._reader = reader
        self._clock = clock
        self._new_id = new_id
        self._max_bytes = max_archive_bytes

    def create(self, kind: DescriptorKind, tenant_id: str, user_defined_data: Mapping[str, Any]) -> Package:
        """A new resource in state CREATED."""
        package = Package(
            id=self._new_id(),
            tenant_id=tenant_id,
            kind=kind,
            created_at=self._clock.now(),
            user_defined_data=dict(user_defined_data),
        )
        with self._open_unit() as uow:
            uow.packages.add(package)
            self._announce(uow, package, "created")
        return package

    def upload(self, id: str, tenant_id: str, chunks: Iterator[bytes]) -> Package:
        """Store the archive, check and load it; the result is ONBOARDED, or ERROR with the findings in ``failure``."""
        return self.receive(self.begin(id, tenant_id), chunks)

    def begin(self, id: str, tenant_id: str) -> Package:
        """The package while its content arrives; :class:`~mano.errors.WrongState` unless it waits for content."""
        with self._open_unit() as uow:
            return uow.packages.save(begin_upload(uow.packages.get(id, tenant_id)))

    def receive(self, package: Package, chunks: Iterator[bytes], *, awaited: bool = True) -> Package:
        """Store, check and load the archive of a package that :meth:`begin` gave.

        When that raises, the package takes content again; unless nobody waits to hear of it: the caller says it by
        :meth:`refuse` then, and the package seems to wait for content at no time between.
        """
        id = package.id
        try:
            size, checksum = self._store.write(id, chunks, self._max_bytes)
        except BaseException as error:
            self._put_back(package, told=awaited or not isinstance(error, CatenaError))
            raise
        package = self._save(replace(package, onboarding_state=OnboardingState.PROCESSING))
        try:
            read = self._reader.read(self._store.path(id))
        except BaseException as error:
            self._put_back(package, told=awaited or not isinstance(error, CatenaError))
            raise
        stored = replace(
            package,
            content_key=id,
            content_size=size,
            checksum=checksum,
            signature=read.signature,
            signer=read.signer,
            security_option=read.security_option,
            signing_certificate=read.signing_certificate,
            findings=(),
        )
        return self._settle(stored, read)

    def refuse(self, id: str, error: CatenaError) -> None:
        """Say why no content came: the package is in ERROR until content is sent again."""
        with self._open_unit() as uow:
            package = uow.packages.find(id)
            if package is not None and package.onboarding_state is not OnboardingState.ONBOARDED:
                failed = replace(package, onboarding_state=OnboardingState.ERROR, failure=error.to_document())
                self._announce(uow, uow.packages.save(failed), "onboarding-failed")

    def patch(
        self,
        id: str,
        tenant_id: str,
        *,
        operational_state: OperationalState | None = None,
        user_defined_data: Mapping[str, Any] | None = None,
        generation: int | None = None,
    ) -> Package:
        """Enable, disable, merge the user's data (SOL005 clauses 5.4.3.3.4 and 9.4.3.3.4, RFC 7396)."""
        with self._open_unit() as uow:
            package = uow.packages.get(id, tenant_id)
            if generation is not None and generation != package.generation:
                raise StaleGeneration("the package changed since it was read", hint="read it again, then repeat")
            changed = package
            if operational_state is not None:
                changed = _with_operational_state(changed, operational_state)
            if user_defined_data is not None:
                changed = replace(changed, user_defined_data=merged(changed.user_defined_data, user_defined_data))
            saved = uow.packages.save(changed)
            self._announce(uow, saved, "changed", operationalStateChanged=operational_state is not None)
        return saved

    def delete(self, id: str, tenant_id: str) -> None:
        """Delete a package that is disabled and unused; its content goes with it."""
        with self._open_unit() as uow:
            package = uow.packages.get(id, tenant_id)
            require_deletable(package)
            uow.packages.remove(id)
            self._announce(uow, package, "deleted")
            uow.after_commit(lambda: self._forget(package))

    def _forget(self, package: Package) -> None:
        self._store.remove(package.id)
        for artifact in package.artifacts:
            if artifact.get("artifactUri"):
                self._store.remove(external_key(package.id, str(artifact["artifactUri"])))

    def content_path(self, id: str, tenant_id: str) -> str:
        """A local file with the archive as uploaded."""
        return self._store.path(self._onboarded(id, tenant_id).content_key)

    def descriptor_files(self, id: str, tenant_id: str) -> Sequence[tuple[str, str]]:
        """(member, local file) of every file that makes the descriptor up, the entry definitions first."""
        package = self._onboarded(id, tenant_id)
        members = self._reader.members(self._store.path(package.content_key)).descriptor
        return [(member, self._store.member_path(package.content_key, member)) for member in members]

    def line_of(self, id: str, tenant_id: str, name: str) -> dict[str, Any]:
        """``{file, line}`` where the descriptor's files define a node of this name; empty when none does.

        Anything else of that name, such as an output, counts only where no node has it.
        """
        head = re.compile(rf"\s+['\"]?{re.escape(name)}['\"]?\s*:\s*(#.*)?")
        others: list[dict[str, Any]] = []
        for member, path in self.descriptor_files(id, tenant_id):
            with open(path, encoding="utf-8", errors="replace") as file:
                lines = file.read().split("\n")
            for number, (line, behind) in enumerate(zip(lines, [*lines[1:], ""], strict=True), 1):
                if head.fullmatch(line):
                    if _TYPE_OF_A_NODE.match(behind):
                        return {"file": member, "line": number}
                    others.append({"file": member, "line": number})
        return others[0] if others else {}

    def manifest(self, id: str, tenant_id: str) -> tuple[str, str]:
        """(member, local file) of the manifest."""
        package = self._onboarded(id, tenant_id)
        member = self._reader.members(self._store.path(package.content_key)).manifest
        if member is None:
            raise NotFound(f"package {id} has no manifest")
        return member, self._store.member_path(package.content_key, member)

    def artifact(self, id: str, tenant_id: str, path: str) -> str:
        """A local file with one member of the archive; NotFound for any other path."""
        package = self._onboarded(id, tenant_id)
        if path not in {str(artifact.get("artifactPath")) for artifact in package.artifacts}:
            raise NotFound(f"package {id} has no such artifact", hint="GET the package: additionalArtifacts lists them")
        return self._store.member_path(package.content_key, path)

    def artifacts(self, id: str, tenant_id: str, *, mano: bool = True, sets: Sequence[str] | None = None) -> str:
        """A local archive of the package's artifacts (SOL005 clause 9.4.9).

        ``mano``: those that the VNF life cycle uses; ``sets``: only these sets of the others, ``None`` all of them.
        """
        package = self._onboarded(id, tenant_id)
        wanted = tuple(
            str(artifact["artifactPath"])
            for artifact in package.artifacts
            if artifact.get("artifactPath") and _is_wanted(str(artifact.get("nonManoArtifactSetId") or ""), mano, sets)
        )
        return self._store.bundle_path(package.content_key, wanted)

    def keep_external(
        self, package: Package, uri: str, chunks: Iterator[bytes], checksum: Mapping[str, str] | None
    ) -> str:
        """A local file with an external artifact, fetched at its first use and checked by the manifest's digest."""
        key = external_key(package.id, uri)
        try:
            return self._store.path(key)
        except NotFound:
            self._store.write(key, chunks, self._max_bytes)
        path = self._store.path(key)
        if not checksum or not self._store.has_digest(key, checksum["algorithm"], checksum["hash"]):
            self._store.remove(key)
            raise InvalidInput("the external artifact is not the one whose digest the manifest has")
        return path

    def recover(self) -> int:
        """Put back what an upload left half-done when the server died; the number of packages put back."""
        with self._open_unit() as uow:
            halves = [
                package
                for state in (OnboardingState.UPLOADING, OnboardingState.PROCESSING)
                for package in uow.packages.list(onboarding_state=state.value)
            ]
            for package in halves:
                uow.packages.save(replace(package, onboarding_state=OnboardingState.CREATED))
        for package in halves:
            self._store.remove(package.id)
        return len(halves)

    def _settle(self, package: Package, read: ReadPackage) -> Package:
        """Decide between ONBOARDED and ERROR in the transaction that stores it."""
        with self._open_unit() as uow:
            try:
                settled = self._onboard(uow, package, read)
                verb = "onboarded"
            except CatenaError as error:
                failure = error.to_document()
                settled = replace(package, onboarding_state=OnboardingState.ERROR, failure=failure, content_key="")
                verb = "onboarding-failed"
                uow.after_commit(lambda: self._store.remove(package.id))
            saved = uow.packages.save(settled)
            self._announce(uow, saved, verb)
        return saved

    def _onboard(self, uow: UnitOfWork, package: Package, read: ReadPackage) -> Package:
        if read.model is None or read.kind is None:
            _refuse(read)
        if read.kind is not package.kind:
            raise InvalidInput(
                f"this is a package for a {read.kind.value.upper()}D, not for a {package.kind.value.upper()}D",
                hint="VNF packages go to /vnfpkgm/v2/vnf_packages, NSDs to /nsd/v2/ns_descriptors",
            )
        _require_new(uow, package, read.model)
        if isinstance(read.model, Nsd):
            require_complete(uow, package.tenant_id, read.model)
        return replace(
            package,
            **_facts(read.model),
            descriptor=to_json(read.model),
            artifacts=read.artifacts,
            findings=read.findings,
            onboarding_state=OnboardingState.ONBOARDED,
            operational_state=OperationalState.ENABLED,
            onboarded_at=self._clock.now(),
            failure=None,
        )

    def _onboarded(self, id: str, tenant_id: str) -> Package:
        with self._open_unit(read_only=True) as uow:
            package = uow.packages.get(id, tenant_id)
        if package.onboarding_state is not OnboardingState.ONBOARDED:
            raise WrongState(f"package {id} is {package.onboarding_state.value}, not ONBOARDED")
        return package

    def _put_back(self, package: Package, *, told: bool = True) -> None:
        self._store.remove(package.id)
        if told:
            self._save(replace(package, onboarding_state=OnboardingState.CREATED))

    def _save(self, package: Package) -> Package:
        with self._open_unit() as uow:
            return uow.packages.save(package)

    def _announce(self, uow: UnitOfWork, package: Package, verb: str, **more: Any) -> None:
        uow.outbox.append(
            Event(
                id=self._new_id(),
                noun=NOUNS[package.kind],
                verb=verb,
                subject=package.id,
                tenant_id=package.tenant_id,
                occurred_at=self._clock.now(),
                data={
                    "descriptorId": package.descriptor_id,
                    "name": package.name,
                    "onboardingState": package.onboarding_state.value,
                    "operationalState": package.operational_state.value,
                    "usageState": package.usage_state.value,
                    "provider": package.provider,
                    "softwareVersion": package.software_version,
                    "descriptorVersion": package.descriptor_version,
                    "invariantId": package.invariant_id,
                    "vnfmInfo": list(package.descriptor.get("vnfm_info") or ()),
                    **more,
                },
            )
        )


def external_key(package_id: str, uri: str) -> str:
    """Where the content of an external artifact is kept."""
    return derive_id("external-artifact", package_id, uri)


def _is_wanted(set_id: str, mano: bool, sets: Sequence[str] | None) -> bool:
    if not set_id:
        return mano
    return sets is None or set_id in sets


def mark_usage(uow: UnitOfWork, package_id: str, in_use: Callable[[], bool]) -> None:
    """Set a package's usage state after an instance of it came or went."""
    package = uow.packages.find(package_id)
    if package is None:
        return
    state = UsageState.IN_USE if in_use() else UsageState.NOT_IN_USE
    if package.usage_state is not state:
        uow.packages.save(replace(package, usage_state=state))


def find_usable(uow: UnitOfWork, kind: DescriptorKind, descriptor_id: str, tenant_id: str) -> Package:
    """The on-boarded package of a descriptor; raises NotFound naming what is missing, WrongState when disabled."""
    found = [
        package
        for package in uow.packages.list(tenant_id, descriptor_id=descriptor_id)
        if package.kind is kind and package.onboarding_state is OnboardingState.ONBOARDED
    ]
    if not found:
        raise NotFound(
            f"no on-boarded {kind.value.upper()} package has the descriptor {descriptor_id}", hint="on-board it first"
        )
    if found[0].operational_state is not OperationalState.ENABLED:
        raise WrongState(f"package {found[0].id} is DISABLED", hint="enable it first")
    return found[0]


def _with_operational_state(package: Package, state: OperationalState) -> Package:
    if package.onboarding_state is not OnboardingState.ONBOARDED:
        raise WrongState(
            f"the package is {package.onboarding_state.value}; only an ONBOARDED one is enabled or disabled"
        )
    if package.operational_state is state:
        raise WrongState(f"the package is {state.value} already")
    return replace(package, operational_state=state)


def _refuse(read: ReadPackage) -> NoReturn:
    errors = [finding for finding in read.findings if finding.get("severity") == "error"]
    first = _CONTROL.sub(" ", str(errors[0].get("message", ""))) if errors else "it cannot be read"
    more = f", and {len(errors) - 1} more" if len(errors) > 1 else ""
    raise InvalidInput(
        f"the package is not valid: {first}{more}",
        hint="`mano package validate FILE` lists every finding",
        facts={"findings": list(read.findings)},
    )


def _require_new(uow: UnitOfWork, package: Package, model: Vnfd | Nsd | Pnfd) -> None:
    for other in uow.packages.list(package.tenant_id, descriptor_id=model.descriptor_id):
        if other.id != package.id and other.onboarding_state is OnboardingState.ONBOARDED:
            raise AlreadyExists(
                f"the descriptor {model.descriptor_id} is on-boarded already, as package {other.id}",
                hint="delete that one, or give the new version a new descriptor_id",
            )


def _facts(model: Vnfd | Nsd | Pnfd) -> dict[str, Any]:
    common = {"descriptor_id": model.descriptor_id, "descriptor_version": model.version}
    if isinstance(model, Vnfd):
        return common | {
            "name": model.product_name,
            "provider": model.provider,
            "software_version": model.software_version,
        }
    if isinstance(model, Nsd):
        return common | {"name": model.name, "provider": model.designer, "invariant_id": model.invariant_id}
    return common | {"name": model.name, "provider": model.provider, "invariant_id": model.invariant_id}

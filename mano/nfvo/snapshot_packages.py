"""VNF snapshot packages (SOL005 clause 11): a VNF snapshot as a file that can be kept elsewhere and brought back.

Building and extracting run beside the request. What they do can be repeated from the beginning, so a server that comes
back begins anew; an upload that broke off has to be sent again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mano.domain.ids import derive_id
from mano.domain.subscription import Authentication
from mano.domain.vnf_instance import VnfInstance
from mano.domain.vnf_snapshot import VnfcSnapshot, VnfSnapshot
from mano.domain.vnf_snapshot_package import (
    BUSY,
    SnapshotPackageState,
    VnfSnapshotPackage,
    failed,
    require,
)
from mano.errors import CatenaError, Conflict, InvalidInput, NotFound, StaleGeneration, WrongState
from mano.ports.clock import Clock, IdFactory
from mano.ports.fetching import Background, Fetcher
from mano.ports.repositories import PackageStore, UnitOfWork, UnitOfWorkFactory
from mano.ports.snapshot_archives import ArchiveContent, SnapshotArchives
from mano.ports.snapshots import SnapshotTransfer
from mano.ports.vim import VimDriver
from vnf_descriptors.model import Vnfd, from_json

S = SnapshotPackageState
Files = Callable[[str, str], Sequence[tuple[str, str]]]
"""(package, tenant) to (member, file) of its descriptor."""

COLLISIONS = 10
EXTERNAL_MAX = 64


class _Cancelled(CatenaError):
    """Whoever asked for it does not want it any more."""

    code = "CANCELLED"


class SnapshotPackages:
    """Use cases of the resources."""

    def __init__(
        self,
        open_unit: UnitOfWorkFactory,
        vims: Mapping[str, VimDriver],
        store: PackageStore,
        archives: SnapshotArchives,
        descriptor_files: Files,
        background: Background,
        fetcher: Fetcher,
        clock: Clock,
        new_id: IdFactory,
        max_bytes: int,
    ) -> None:
        self._open_unit = open_unit
        self._vims = vims
        self._store = store
        self._archives = archives
        self._descriptor_files = descriptor_files
        self._background = background
        self._fetcher = fetcher
        self._clock = clock
        self._new_id = new_id
        self._max_bytes = max_bytes

    # The resource

    def create(self, tenant_id: str, name: str, user_defined_data: Mapping[str, Any]) -> VnfSnapshotPackage:
        """A new one without content."""
        made = VnfSnapshotPackage(
            self._new_id(), tenant_id, self._clock.now(), name, user_defined_data=dict(user_defined_data)
        )
        with self._open_unit() as uow:
            uow.vnf_snapshot_packages.add(made)
        return made

    def modify(self, id: str, tenant_id: str, changes: Mapping[str, Any], generation: int | None) -> VnfSnapshotPackage:
        """Name, the user's data, and ERROR_EXTRACTING to AVAILABLE (SOL005 clause 11.4.3.3.4)."""
        with self._open_unit() as uow:
            package = uow.vnf_snapshot_packages.get(id, tenant_id)
            require(package, "make available" if "state" in changes else "modify")
            current = package if generation is None else replace(package, generation=generation)
            if "state" in changes:
                current = replace(current, state=S.AVAILABLE, error_type=None, failure=None)
            data = changes.get("userDefinedData", package.user_defined_data)
            return uow.vnf_snapshot_packages.save(
                replace(current, name=str(changes.get("name", package.name)), user_defined_data=dict(data or {}))
            )

    def delete(self, id: str, tenant_id: str) -> None:
        """Gone with its content; WrongState while something is done with it."""
        with self._open_unit() as uow:
            require(uow.vnf_snapshot_packages.get(id, tenant_id), "delete")
            uow.vnf_snapshot_packages.remove(id)
            uow.after_commit(lambda: self._store.remove(_key(id)))

    def set_external_access(self, id: str, tenant_id: str, entries: Sequence[Mapping[str, Any]]) -> VnfSnapshotPackage:
        """How artifacts outside a package are reached, before it has content (SOL005 clause 11.4.9.3.3)."""
        if len(entries) > EXTERNAL_MAX:
            raise InvalidInput(f"there are more than {EXTERNAL_MAX} external artifacts")
        for entry in entries:
            self._fetcher.require_allowed(str(entry.get("overrideUri") or entry["artifactUri"]))
        with self._open_unit() as uow:
            package = uow.vnf_snapshot_packages.get(id, tenant_id)
            if package.state is not S.CREATED:
                raise WrongState(f"VNF snapshot package {id} is {package.state.value}, not CREATED")
            kept = tuple(dict(entry) for entry in entries)
            return uow.vnf_snapshot_packages.save(replace(package, external_access=kept))

    def content_path(self, id: str, tenant_id: str) -> str:
        """The file; WrongState before there is one."""
        with self._open_unit(read_only=True) as uow:
            require(uow.vnf_snapshot_packages.get(id, tenant_id), "read")
        return self._store.path(_key(id))

    def artifact_path(self, id: str, tenant_id: str, path: str) -> str:
        """A file with one member of the package; NotFound for what it does not hold."""
        self.content_path(id, tenant_id)
        return self._store.member_path(_key(id), path)

    # What is done with the content

    def upload(self, id: str, tenant_id: str, chunks: Iterator[bytes]) -> None:
        """Store a package from elsewhere and look through it."""
        self._receive(self._begin(id, tenant_id, "upload", S.UPLOADING, {}), chunks)

    def upload_from_uri(self, id: str, tenant_id: str, uri: str, authentication: Authentication) -> None:
        """Fetch it beside the request; raises InvalidInput for a URI that is never called."""
        self._fetcher.require_allowed(uri)
        package = self._begin(id, tenant_id, "upload", S.UPLOADING, {})

        def fetch() -> None:
            self._receive(package, self._fetcher.fetch(uri, authentication, self._max_bytes))

        self._background(fetch)

    def build(self, id: str, tenant_id: str, request: Mapping[str, Any]) -> None:
        """Begin to pack a VNF snapshot (BuildVnfSnapshotPkgRequest)."""
        with self._open_unit(read_only=True) as uow:
            chosen = _chosen(_filled(uow, str(request["vnfSnapshotInfoId"]), tenant_id), request)
        for vnfc in chosen.vnfcs:
            self._transfer(vnfc.vim_id)
        package = self._begin(id, tenant_id, "build", S.BUILDING, request)
        self._background(lambda: self._guarded(package, self._build))

    def extract(self, id: str, tenant_id: str, request: Mapping[str, Any]) -> None:
        """Begin to bring the VNF snapshot inside back (ExtractVnfSnapshotPkgRequest)."""
        with self._open_unit(read_only=True) as uow:
            package = uow.vnf_snapshot_packages.get(id, tenant_id)
            require(package, "extract")
            _require_extractable(uow, package, request)
        wanted = {**request}
        wanted.setdefault("vnfSnapshotInfoId", self._new_id())
        package = self._begin(id, tenant_id, "extract", S.EXTRACTING, wanted)
        self._background(lambda: self._guarded(package, self._extract))

    def cancel(self, id: str, tenant_id: str, cause: str) -> None:
        """Let go of what is being done; it ends at its next piece."""
        with self._open_unit() as uow:
            package = uow.vnf_snapshot_packages.get(id, tenant_id)
            require(package, "cancel")
            uow.vnf_snapshot_packages.save(replace(package, is_cancel_pending=True, cancel_cause=cause))

    def recover(self) -> None:
        """After a start: begin anew what can be, and say of the rest that it broke off."""
        with self._open_unit(read_only=True) as uow:
            busy = [one for state in BUSY for one in uow.vnf_snapshot_packages.list(state=state.value)]
        for package in busy:
            act = {S.BUILDING: self._build, S.EXTRACTING: self._extract}.get(package.state)
            if act is None:
                self._fail(package.id, WrongState("the server ended while the content arrived", hint="send it again"))
            else:
                self._background(lambda package=package, act=act: self._guarded(package, act))  # type: ignore[misc]

    def _begin(
        self, id: str, tenant_id: str, what: str, state: SnapshotPackageState, request: Mapping[str, Any]
    ) -> VnfSnapshotPackage:
        with self._open_unit() as uow:
            package = uow.vnf_snapshot_packages.get(id, tenant_id)
            require(package, what)
            begun = replace(package, state=state, request=dict(request), error_type=None, failure=None, cancel_cause="")
            return uow.vnf_snapshot_packages.save(begun)

    def _guarded(self, package: VnfSnapshotPackage, act: Callable[[VnfSnapshotPackage], None]) -> None:
        try:
            act(package)
        except CatenaError as error:
            self._fail(package.id, error)
        except Exception:
            self._fail(package.id, CatenaError("an unexpected error stopped it", hint="the server's log tells more"))
            raise

    def _receive(self, package: VnfSnapshotPackage, chunks: Iterator[bytes]) -> None:
        def receive(package: VnfSnapshotPackage) -> None:
            _, checksum = self._store.write(_key(package.id), self._watched(package.id, chunks), self._max_bytes)
            self._change(package.id, lambda now: replace(now, state=S.PROCESSING))
            self._settle(package.id, checksum)

        self._guarded(package, receive)

    def _build(self, package: VnfSnapshotPackage) -> None:
        request = package.request
        with self._open_unit(read_only=True) as uow:
            snapshot = _chosen(_filled(uow, str(request["vnfSnapshotInfoId"]), package.tenant_id), request)
        assert snapshot.instance is not None
        files = self._descriptor_files(snapshot.instance.package_id, package.tenant_id)
        images = ((vnfc.id, self._transfer(vnfc.vim_id).read_snapshot(vnfc.id)) for vnfc in snapshot.vnfcs)
        pieces = self._archives.pack(snapshot, derive_id("snapshot-package", package.id), files, images)
        _, checksum = self._store.write(_key(package.id), self._watched(package.id, pieces), self._max_bytes)
        self._settle(package.id, checksum)

    def _settle(self, id: str, checksum: str) -> None:
        """The content is there: AVAILABLE with what is in it."""
        content = self._archives.read(self._store.path(_key(id)))
        self._require_wanted(id)
        self._change(id, lambda now: _told(now, content, checksum))

    def _extract(self, package: VnfSnapshotPackage) -> None:
        path = self._store.path(_key(package.id))
        content = self._archives.read(path)
        with self._open_unit() as uow:
            vnf = _require_extractable(uow, package, package.request)
            _require_fitting(uow, content.snapshot, vnf)
            snapshot = _prepared(uow, package, content, vnf, self._clock)
        for vnfc, image in zip(snapshot.vnfcs, content.snapshot.vnfcs, strict=True):
            pieces = self._watched(package.id, self._archives.open(path, content.images[image.id].path))
            kept = self._transfer(vnfc.vim_id).add_snapshot(vnfc.id, vnfc.compute_id, pieces)
            if kept.checksum != content.images[image.id].checksum:
                raise InvalidInput(f"the VIM keeps another state than the package holds for VNFC {vnfc.vnfc_id}")
        with self._open_unit() as uow:
            uow.vnf_snapshots.save(_filled_with(uow.vnf_snapshots.get(snapshot.id), content, vnf))
        self._change(package.id, lambda now: replace(now, state=S.AVAILABLE, is_cancel_pending=False, request={}))

    def _transfer(self, vim_id: str) -> SnapshotTransfer:
        vim: object = self._vims.get(vim_id)
        if not isinstance(vim, SnapshotTransfer):
            raise Conflict(f"VIM {vim_id} gives no snapshots away and takes none", hint="move the VNF to one that does")
        return vim

    def _watched(self, id: str, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self._require_wanted(id)
            yield piece

    def _require_wanted(self, id: str) -> None:
        with self._open_unit(read_only=True) as uow:
            package = uow.vnf_snapshot_packages.find(id)
        if package is None or package.is_cancel_pending:
            cause = package.cancel_cause if package else ""
            raise _Cancelled(f"cancelled{': ' + cause if cause else ''}")

    def _fail(self, id: str, error: CatenaError) -> None:
        document = error.to_document()
        self._change(id, lambda now: failed(now, document) if now.state in BUSY else now)

    def _change(self, id: str, change: Callable[[VnfSnapshotPackage], VnfSnapshotPackage]) -> None:
        for attempt in range(COLLISIONS):
            try:
                with self._open_unit() as uow:
                    package = uow.vnf_snapshot_packages.find(id)
                    if package is not None:
                        uow.vnf_snapshot_packages.save(change(package))
                return
            except StaleGeneration:
                if attempt == COLLISIONS - 1:
                    raise


def _key(id: str) -> str:
    """In the store of packages."""
    return f"snapshot-{id}"


def _filled(uow: UnitOfWork, id: str, tenant_id: str) -> VnfSnapshot:
    snapshot = uow.vnf_snapshots.find(id, tenant_id)
    if snapshot is None or snapshot.is_going:
        raise NotFound(f"there is no VNF snapshot {id}")
    if not snapshot.is_filled:
        raise WrongState(f"VNF snapshot {id} is empty", hint="fill it first: create_snapshot of a VNF")
    return snapshot


def _chosen(snapshot: VnfSnapshot, request: Mapping[str, Any]) -> VnfSnapshot:
    """The snapshot, or the part of it that is asked for; its images always come with it."""
    if request.get("importSnapshotResource") is False or request.get("overrideImportForVnfcSnapshotIds"):
        raise InvalidInput(
            "a VNF snapshot package of this NFVO holds the images of its VNFCs, and does not refer to them elsewhere",
            hint="leave importSnapshotResource and overrideImportForVnfcSnapshotIds out",
            facts={"pointer": "/importSnapshotResource"},
        )
    wanted = request.get("vnfcSnapshotsInfoIds")
    if not wanted:
        return snapshot
    unknown = set(wanted) - {vnfc.id for vnfc in snapshot.vnfcs}
    if unknown:
        raise InvalidInput(
            f"VNF snapshot {snapshot.id} has {len(unknown)} of the VNFC snapshots not",
            hint="it has: " + ", ".join(vnfc.id for vnfc in snapshot.vnfcs),
            facts={"pointer": "/vnfcSnapshotsInfoIds"},
        )
    return replace(snapshot, vnfcs=tuple(vnfc for vnfc in snapshot.vnfcs if vnfc.id in wanted))


def _told(now: VnfSnapshotPackage, content: ArchiveContent, checksum: str) -> VnfSnapshotPackage:
    snapshot, then = content.snapshot, content.snapshot.instance
    assert then is not None
    return replace(
        now,
        state=S.AVAILABLE,
        is_cancel_pending=False,
        request={},
        checksum=checksum,
        unique_id=content.unique_id,
        built_at=snapshot.finished_at,
        vnf_snapshot_id=snapshot.id,
        vnf_instance_id=then.id,
        vnfd_id=then.vnfd_id,
        is_full=len(content.images) == len(then.vnfcs),
        record=content.record,
        vnfd=content.vnfd,
        images=dict(content.images),
        vnfcs={vnfc.id: vnfc.vnfc_id for vnfc in snapshot.vnfcs if vnfc.id in content.images},
    )


def _require_extractable(uow: UnitOfWork, package: VnfSnapshotPackage, request: Mapping[str, Any]) -> VnfInstance:
    """The VNF that the snapshot inside is of; raises WrongState where it is not known, or there is no room for it."""
    vnf = uow.vnf_instances.find(package.vnf_instance_id, package.tenant_id)
    if vnf is None or request.get("vnfInstanceId") not in (None, package.vnf_instance_id):
        raise WrongState(
            f"the VNF snapshot package is of VNF instance {package.vnf_instance_id}",
            hint="it can be extracted while that instance is there: a VNF goes back to its own snapshots only",
        )
    if not package.is_full:
        raise WrongState("the VNF snapshot package holds some VNFCs only: nothing goes back to a part")
    named = uow.vnf_snapshots.find(str(request.get("vnfSnapshotInfoId") or ""), package.tenant_id)
    if request.get("vnfSnapshotInfoId") and request.get("vnfInstanceId") is None and named is None:
        raise WrongState("there is no such VNF snapshot resource", hint="create one: POST /vnflcm/v2/vnf_snapshots")
    if named is not None and (named.is_filled or named.is_going or named.operation_id):
        raise WrongState(f"VNF snapshot {named.id} is not empty", hint="create a new one")
    return vnf


def _require_fitting(uow: UnitOfWork, snapshot: VnfSnapshot, vnf: VnfInstance) -> None:
    """Raise InvalidInput unless the VNF could have been as the record tells: nobody vouches for what was uploaded."""
    then = snapshot.instance
    descriptor = from_json(uow.packages.get(vnf.package_id, vnf.tenant_id).descriptor)
    if then is None or then.vnfd_id != vnf.vnfd_id or then.flavour_id != vnf.flavour_id:
        raise InvalidInput("the VNF has another VNFD or flavour now", hint="change it back first, then extract again")
    assert isinstance(descriptor, Vnfd)
    flavour = descriptor.flavour(vnf.flavour_id or None)
    most = {vdu.id: max(vdu.max_instances, vdu.initial_instances) for vdu in flavour.vdus}
    aspects = {aspect.id: aspect.max_scale_level for aspect in flavour.scaling_aspects}
    levels = {level.id for level in flavour.instantiation_levels} | {""}
    fits = (
        then.instantiation_level_id in levels
        and all(0 <= level <= aspects.get(aspect, -1) for aspect, level in then.scale_levels.items())
        and all(0 <= vnfc.index < most.get(vnfc.vdu_id, 0) for vnfc in snapshot.vnfcs)
        and len({(vnfc.vdu_id, vnfc.index) for vnfc in snapshot.vnfcs}) == len(snapshot.vnfcs)
    )
    if not fits:
        raise InvalidInput("the VNF snapshot record tells of a VNF that its VNFD does not allow")


def _prepared(
    uow: UnitOfWork, package: VnfSnapshotPackage, content: ArchiveContent, vnf: VnfInstance, clock: Clock
) -> VnfSnapshot:
    """The resource to fill, made if need be; it names what the VIMs are about to keep for it."""
    id = str(package.request["vnfSnapshotInfoId"])
    present = uow.vnf_snapshots.find(id, package.tenant_id)
    if present is None:
        present = VnfSnapshot(id=id, tenant_id=package.tenant_id, created_at=clock.now())
        uow.vnf_snapshots.add(present)
    vims = {str(one["compute_id"]): str(one["vim_id"]) for one in vnf.plan.get("computes", ())}
    fallback = next(iter(vims.values()), "")
    vnfcs = tuple(
        VnfcSnapshot(
            id=derive_id(package.id, id, vnfc.id),
            vnfc_id=vnfc.vnfc_id,
            vdu_id=vnfc.vdu_id,
            index=vnfc.index,
            vim_id=vims.get(vnfc.compute_id, fallback),
            host=vnfc.host,
            compute_id=vnfc.compute_id,
            size_bytes=content.images[vnfc.id].size_bytes,
            checksum=content.images[vnfc.id].checksum,
            started_at=vnfc.started_at,
            finished_at=vnfc.finished_at,
        )
        for vnfc in content.snapshot.vnfcs
    )
    return uow.vnf_snapshots.save(replace(present, vnfcs=vnfcs, package_id=package.id, vnf_instance_id=vnf.id))


def _filled_with(snapshot: VnfSnapshot, content: ArchiveContent, vnf: VnfInstance) -> VnfSnapshot:
    """Of what the record tells only that counts which a VNF goes back to: it may come from elsewhere."""
    then = content.snapshot.instance
    assert then is not None
    instance = replace(
        vnf,
        vnfd_id=then.vnfd_id,
        flavour_id=then.flavour_id,
        instantiation_level_id=then.instantiation_level_id,
        scale_levels=dict(then.scale_levels),
        configuration=dict(then.configuration),
        extensions=dict(then.extensions),
        vnfcs=tuple(replace(vnfc, connection_points=()) for vnfc in then.vnfcs),
        plan={},
        management={},
    )
    return replace(
        snapshot,
        instance=instance,
        started_at=content.snapshot.started_at,
        finished_at=content.snapshot.finished_at,
        user_defined_data=dict(content.snapshot.user_defined_data),
    )

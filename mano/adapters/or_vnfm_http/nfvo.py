"""The NFVO in another process, as a VNFM uses it (SOL003 clauses 9 and 10); implements the port's ``Nfvo``."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from mano.adapters.fetcher import WebFetcher
from mano.adapters.or_vnfm_http.peer import TENANT_HEADER, PeerClient
from mano.domain.grant import Grant, GrantRequest
from mano.domain.grant_documents import grant_from_document, request_document
from mano.errors import DeadlineExceeded, InvalidInput, NotFound, WrongState
from mano.ports.descriptors import DescriptorReader
from mano.ports.or_vnfm import Leftover
from mano.ports.repositories import PackageStore, UnitOfWorkFactory
from vnf_descriptors.model import Vnfd, to_json

GRANT_VERSION, PACKAGE_VERSION = "1.7.0", "2.4.0"
GRANT_DEADLINE_S, GRANT_POLL_S = 300.0, 0.5
"""How long a decision may take, and the pause between two looks at it."""

MAX_ARCHIVE = 2 << 30

Descriptor = tuple[str, Mapping[str, Any]]


class HttpNfvo:
    """Talks SOL003 to the NFVO; packages are kept beside, each fetched once.

    ``address`` is where this VNFM serves its own interfaces. ``open_unit`` reads the instances that are reported.
    """

    def __init__(
        self,
        client: PeerClient,
        open_unit: UnitOfWorkFactory,
        packages: PackageStore,
        reader: DescriptorReader,
        address: str,
    ) -> None:
        self._client = client
        self._fetcher = WebFetcher(client.web)
        self._open_unit = open_unit
        self._packages = packages
        self._reader = reader
        self._vnflcm = f"{address}/vnflcm/v2"
        self._descriptors: dict[tuple[str, str], Descriptor] = {}
        self._one_at_a_time = threading.Lock()

    def grant(self, request: GrantRequest, tenant_id: str) -> Grant:
        """POST grants; a decision that takes longer is waited for. Raises :class:`~mano.errors.Refused`."""
        self._report("created", request.vnf_instance_id, tenant_id)
        grant = self.permit(request, tenant_id)
        _require_places(grant, request)
        return grant

    def permit(self, request: GrantRequest, tenant_id: str) -> Grant:
        """The grant as the standard has it, which need not say where exactly anything goes."""
        deadline = time.monotonic() + GRANT_DEADLINE_S
        document, location = self._ask(request, tenant_id)
        while document is None:
            if time.monotonic() > deadline:
                raise DeadlineExceeded(f"the NFVO has not decided after {GRANT_DEADLINE_S:.0f} s")
            time.sleep(GRANT_POLL_S)
            try:
                document = self._decided(location, tenant_id)
            except NotFound:  # the NFVO was restarted meanwhile
                document, location = self._ask(request, tenant_id)
        try:
            return grant_from_document(document, tenant_id, request)
        except (KeyError, TypeError, AttributeError):
            raise InvalidInput("the NFVO's grant cannot be read") from None

    def release(self, vnf_lcm_op_occ_id: str, tenant_id: str) -> None:
        """What was granted for addition was not used, or what was to be removed is free."""
        self._report("released", self._instance_of(vnf_lcm_op_occ_id), tenant_id, vnfLcmOpOccId=vnf_lcm_op_occ_id)

    def settle(self, vnf_lcm_op_occ_id: str, tenant_id: str, *, done: bool, left: Sequence[Leftover] = ()) -> None:
        """An operation that changed a running VNF ended."""
        vnf_instance_id = self._instance_of(vnf_lcm_op_occ_id)
        facts: dict[str, Any] = {"vnfLcmOpOccId": vnf_lcm_op_occ_id, "done": done}
        if left:
            facts["left"] = msgspec.to_builtins(list(left))
        self._report("settled", vnf_instance_id, tenant_id, **facts)

    def lcm_changed(self, vnf_instance_id: str, tenant_id: str, hosts: Sequence[str]) -> None:
        """The VNF's ports came or went: networks and chains have followed when this returns."""
        self._report("changed", vnf_instance_id, tenant_id, hosts=list(hosts))

    def vnfcs_leave(self, vnf_instance_id: str, tenant_id: str, vnfcs: Sequence[str]) -> None:
        """VNFCs are about to go: no chain points at them when this returns."""
        self._report("leaving", vnf_instance_id, tenant_id, vnfcs=list(vnfcs))

    def vnfd(self, vnfd_id: str, tenant_id: str) -> Descriptor:
        """(package id, JSON of the VNFD's typed model); the archive is fetched and read when it is new."""
        info = self._client.call(
            "GET", f"/vnfpkgm/v2/onboarded_vnf_packages/{vnfd_id}", tenant_id, version=PACKAGE_VERSION
        ).body
        if info.get("operationalState") != "ENABLED":
            raise WrongState(f"package {info.get('id')} is {info.get('operationalState')}", hint="enable it first")
        return self._described(str(info["id"]), str((info.get("checksum") or {}).get("hash", "")), tenant_id)

    def artifact_path(self, package_id: str, artifact: str, tenant_id: str) -> str:
        """A local file with the artifact's content, out of the archive that was fetched."""
        try:
            return self._packages.member_path(package_id, artifact)
        except NotFound:
            self._download(package_id, tenant_id)
            return self._packages.member_path(package_id, artifact)

    def _ask(self, request: GrantRequest, tenant_id: str) -> tuple[Any, str]:
        """The grant, or ``None`` and where it will be."""
        body = request_document(request, self._vnflcm)
        answer = self._client.call("POST", "/grant/v1/grants", tenant_id, body, version=GRANT_VERSION)
        return (answer.body if answer.status == 201 else None), answer.headers.get("Location", "")

    def _decided(self, location: str, tenant_id: str) -> Any:
        answer = self._client.call("GET", location, tenant_id, version=GRANT_VERSION)
        return answer.body if answer.status == 200 else None

    def keep_up(self, vnf_instance_id: str, tenant_id: str) -> None:
        """Tell the NFVO how a VNF instance is now, or that it is gone."""
        with self._open_unit(read_only=True) as uow:
            there = uow.vnf_instances.find(vnf_instance_id, tenant_id) is not None
        self._report("created" if there else "deleted", vnf_instance_id, tenant_id)

    def _report(self, event: str, vnf_instance_id: str, tenant_id: str, **facts: Any) -> None:
        with self._open_unit(read_only=True) as uow:
            instance = uow.vnf_instances.find(vnf_instance_id, tenant_id)
        body = {"event": event, "vnfInstanceId": vnf_instance_id, **facts}
        if instance is not None:
            body["vnfInstance"] = msgspec.to_builtins(instance)
        try:
            self._client.call("POST", "/mano/v1/vnfm_reports", tenant_id, body)
        except NotFound:  # no Catena: the standard's notifications tell it
            return

    def _instance_of(self, op_id: str) -> str:
        with self._open_unit(read_only=True) as uow:
            return uow.operations.get(op_id).instance_id

    def _described(self, package_id: str, checksum: str, tenant_id: str) -> Descriptor:
        with self._one_at_a_time:
            known = self._descriptors.get((package_id, checksum))
            if known is None:
                read = self._reader.read(self._download(package_id, tenant_id))
                if not isinstance(read.model, Vnfd):
                    raise InvalidInput("the NFVO's package holds no VNFD that this VNFM can read")
                known = self._descriptors[package_id, checksum] = (package_id, to_json(read.model))
            return known

    def _download(self, package_id: str, tenant_id: str) -> str:
        location = f"/vnfpkgm/v2/vnf_packages/{package_id}/package_content"
        headers = {"Version": PACKAGE_VERSION, TENANT_HEADER: tenant_id}
        uri, proof = self._client.uri(location), self._client.authentication
        self._packages.write(package_id, self._fetcher.fetch(uri, proof, MAX_ARCHIVE, headers), MAX_ARCHIVE)
        return self._packages.path(package_id)


def _require_places(grant: Grant, request: GrantRequest) -> None:
    """Every resource has an exact place: this VNFM pins CPUs and VFs, it does not choose them."""
    placed = {one.resource_definition_id for one in grant.add_resources if one.resource_provider_id and one.placement}
    missing = [each.id for each in request.add_resources if each.id not in placed]
    if missing:
        raise InvalidInput(
            f"the NFVO granted {len(missing)} of {len(request.add_resources)} resources without an exact place",
            hint="its grants need resourceProviderId and additionalParams.catenaPlacement, catenaHosts, catenaNetworks",
        )

"""A VNFM that is not Catena's, as the NFVO uses it: SOL003 clause 5 and nothing else.

It chooses the identifiers of what it makes, so the NFVO's copy of a VNF instance remembers which are whose. What a
repetition after a crash might have made already is looked for before it is made again. The copy holds no VNFCs: where
they are is between that VNFM and its VIM, so no chain of ours passes them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from mano.adapters.or_vnfm_http.news import News
from mano.adapters.or_vnfm_http.peer import PeerClient
from mano.adapters.or_vnfm_http.vnfm import ROOT, TASKS, VERSION
from mano.domain.ids import DEFAULT_TENANT
from mano.domain.lcm_op_occ import ENDED, CancelMode, OperationState
from mano.domain.vnf_instance import REMOTE, InstantiationState, VnfInstance
from mano.errors import Conflict, InvalidInput, NotFound, StaleGeneration
from mano.ports.or_vnfm import VnfOperation
from mano.ports.repositories import UnitOfWorkFactory

OURS = "catenaVnfInstanceId"
"""Metadata of a VNF instance of theirs: for which of ours it was made."""

Settle = Callable[[str, str, str, bool], None]
"""(their operation occurrence, tenant, operation, whether it was done): what was granted for it is settled."""


class ForeignVnfm:
    """Talks SOL003 to one VNFM; implements :class:`mano.ports.or_vnfm.Vnfm`."""

    def __init__(
        self, client: PeerClient, open_unit: UnitOfWorkFactory, settle: Settle, news: News | None = None
    ) -> None:
        self._client = client
        self._open_unit = open_unit
        self._settle = settle
        self._news = news or News()
        self._settling = threading.Lock()

    def create_vnf(
        self, vnf_instance_id: str, tenant_id: str, vnfd_id: str, name: str, metadata: Mapping[str, str]
    ) -> str:
        """POST vnf_instances, once; the identifier is the NFVO's own."""
        with self._open_unit(read_only=True) as uow:
            if uow.vnf_instances.find(vnf_instance_id) is not None:
                return vnf_instance_id
        theirs = self._made_for(vnf_instance_id, tenant_id)
        if theirs is None:
            body = {"vnfdId": vnfd_id, "vnfInstanceName": name, "metadata": {OURS: vnf_instance_id}}
            theirs = self._call("POST", "/vnf_instances", tenant_id, body).body
        with self._open_unit() as uow:
            package = next(
                (p for p in uow.packages.list(tenant_id, descriptor_id=vnfd_id) if p.descriptor_id == vnfd_id), None
            )
            copy = VnfInstance(
                id=vnf_instance_id,
                tenant_id=tenant_id,
                vnfd_id=vnfd_id,
                package_id=package.id if package else "",
                name=name,
                description=str(metadata.get("description", "")),
                provider=str(theirs.get("vnfProvider", "")),
                product_name=str(theirs.get("vnfProductName", "")),
                software_version=str(theirs.get("vnfSoftwareVersion", "")),
                descriptor_version=str(theirs.get("vnfdVersion", "")),
                created_at=datetime.now(UTC),
                ns_instance_id=str(metadata.get("nsInstanceId", "")),
                vnf_profile_id=str(metadata.get("vnfProfileId", "")),
                metadata={**metadata, REMOTE: {"id": _text(theirs, "id"), "operations": {}}},
            )
            uow.vnf_instances.add(copy)
        return vnf_instance_id

    def instantiate(self, vnf_instance_id: str, tenant_id: str, op_id: str, request: Mapping[str, Any]) -> str:
        """POST instantiate, once per ``op_id``."""
        return self._start(vnf_instance_id, tenant_id, op_id, "INSTANTIATE", "instantiate", request)

    def terminate(self, vnf_instance_id: str, tenant_id: str, op_id: str, request: Mapping[str, Any]) -> str:
        """POST terminate, once per ``op_id``."""
        return self._start(vnf_instance_id, tenant_id, op_id, "TERMINATE", "terminate", request)

    def change(
        self, vnf_instance_id: str, tenant_id: str, op_id: str, operation: str, request: Mapping[str, Any]
    ) -> str:
        """POST the task of any other operation, PATCH for MODIFY_INFO; once per ``op_id``."""
        return self._start(vnf_instance_id, tenant_id, op_id, operation, TASKS.get(operation, ""), request)

    def delete_vnf(self, vnf_instance_id: str, tenant_id: str) -> None:
        """DELETE theirs; nothing to do when it is gone."""
        copy = self._copy(vnf_instance_id, tenant_id)
        try:
            self._call("DELETE", f"/vnf_instances/{_remote(copy)['id']}", tenant_id)
        except NotFound:
            return

    def retry(self, op_id: str, tenant_id: str) -> None:
        """POST retry."""
        self._call("POST", f"/vnf_lcm_op_occs/{self._their_operation(op_id, tenant_id)[1]}/retry", tenant_id)

    def rollback(self, op_id: str, tenant_id: str) -> None:
        """POST rollback."""
        self._call("POST", f"/vnf_lcm_op_occs/{self._their_operation(op_id, tenant_id)[1]}/rollback", tenant_id)

    def cancel(self, op_id: str, tenant_id: str, mode: CancelMode) -> None:
        """POST cancel."""
        theirs = self._their_operation(op_id, tenant_id)[1]
        self._call("POST", f"/vnf_lcm_op_occs/{theirs}/cancel", tenant_id, {"cancelMode": mode.value})

    def operation(self, op_id: str, tenant_id: str) -> VnfOperation:
        """GET theirs, unless what was seen last must still be true; what ended is settled."""
        copy, theirs = self._their_operation(op_id, tenant_id)
        known = self._news.last(theirs)
        if known is not None:
            return known
        since = self._news.look()
        found, state = self._occurrence(theirs, tenant_id)
        if state in ENDED:
            self._ended(copy, theirs, found, state)
        operation = VnfOperation(op_id, state, _error(found))
        self._news.seen(theirs, operation, since)
        return operation

    def follow(self, their_instance_id: str, their_occurrence_id: str) -> None:
        """An occurrence ended, perhaps one that the VNFM began by itself: settle it, if it is of a VNF of ours."""
        instance = self._call("GET", f"/vnf_instances/{quote(their_instance_id, safe='')}", DEFAULT_TENANT).body
        ours = (instance.get("metadata") or {}).get(OURS) if isinstance(instance, dict) else None
        with self._open_unit(read_only=True) as uow:
            copy = uow.vnf_instances.find(str(ours))
        if copy is None or REMOTE not in copy.metadata or _remote(copy)["id"] != their_instance_id:
            return
        found, state = self._occurrence(quote(their_occurrence_id, safe=""), copy.tenant_id)
        if state in ENDED and found.get("vnfInstanceId") == their_instance_id:
            self._ended(copy, their_occurrence_id, found, state)

    def _occurrence(self, theirs: str, tenant_id: str) -> tuple[Any, OperationState]:
        found = self._call("GET", f"/vnf_lcm_op_occs/{theirs}", tenant_id).body
        try:
            return found, OperationState(_text(found, "operationState"))
        except ValueError:
            raise InvalidInput("the VNFM tells of a state that SOL003 does not have") from None

    def _ended(self, copy: VnfInstance, theirs: str, found: Any, state: OperationState) -> None:
        """What was granted for it is settled, and the copy brought up to date.

        Who waits for the occurrence and what the VNFM tells of it may come here at once.
        """
        with self._settling:
            self._settle(theirs, copy.tenant_id, _text(found, "operation"), state is OperationState.COMPLETED)
            self.vnf_instance(copy.id, copy.tenant_id)

    def vnf_instance(self, vnf_instance_id: str, tenant_id: str) -> VnfInstance | None:
        """The copy, as far as the VNFM tells of its VNF."""
        with self._open_unit(read_only=True) as uow:
            copy = uow.vnf_instances.find(vnf_instance_id, tenant_id)
        if copy is None or REMOTE not in copy.metadata:
            return None
        try:
            theirs = self._call("GET", f"/vnf_instances/{_remote(copy)['id']}", tenant_id).body
        except NotFound:
            return None
        info = theirs.get("instantiatedVnfInfo") or {}
        state = InstantiationState(theirs.get("instantiationState", InstantiationState.NOT_INSTANTIATED.value))
        flavour_id = str(info.get("flavourId", ""))
        if (copy.instantiation_state, copy.flavour_id) == (state, flavour_id):
            return copy
        try:
            with self._open_unit() as uow:
                current = uow.vnf_instances.get(copy.id)
                return uow.vnf_instances.save(replace(current, instantiation_state=state, flavour_id=flavour_id))
        except StaleGeneration:  # looked at twice at once, by who waits for it and because the VNFM told
            return self._copy(copy.id, tenant_id)

    def _start(self, id: str, tenant_id: str, op_id: str, operation: str, task: str, request: Mapping[str, Any]) -> str:
        copy = self._copy(id, tenant_id)
        if op_id in _remote(copy)["operations"]:
            return op_id
        path = f"/vnf_instances/{_remote(copy)['id']}"
        body = _for_others(request)
        try:
            answer = self._call("POST" if task else "PATCH", f"{path}/{task}".rstrip("/"), tenant_id, body)
            theirs = answer.headers.get("Location", "").rpartition("/")[2]
        except Conflict:
            theirs = self._under_way(copy, tenant_id, operation)
        if not theirs:
            raise InvalidInput("the VNFM does not say where its operation occurrence is")
        remote = _remote(copy)
        with self._open_unit() as uow:
            current = uow.vnf_instances.get(id)
            known = {**remote, "operations": {**remote["operations"], op_id: theirs}}
            uow.vnf_instances.save(replace(current, metadata={**current.metadata, REMOTE: known}))
        return op_id

    def _under_way(self, copy: VnfInstance, tenant_id: str, operation: str) -> str:
        """An operation that was started before a crash, and whose identifier was lost; raises Conflict for none."""
        known = set(_remote(copy)["operations"].values())
        for each in self._list("/vnf_lcm_op_occs", tenant_id):
            same = (each.get("vnfInstanceId"), each.get("operation")) == (_remote(copy)["id"], operation)
            if same and each.get("id") not in known:
                return _text(each, "id")
        raise Conflict(f"the VNFM refuses {operation} of VNF {copy.name} in its present state")

    def _made_for(self, vnf_instance_id: str, tenant_id: str) -> Any:
        """A VNF instance that was made before a crash, and whose identifier was lost."""
        for each in self._list("/vnf_instances", tenant_id):
            if (each.get("metadata") or {}).get(OURS) == vnf_instance_id:
                return each
        return None

    def _list(self, path: str, tenant_id: str) -> Sequence[Mapping[str, Any]]:
        found = self._call("GET", f"{path}?all_fields", tenant_id).body
        return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else ()

    def _copy(self, id: str, tenant_id: str) -> VnfInstance:
        with self._open_unit(read_only=True) as uow:
            return uow.vnf_instances.get(id, tenant_id)

    def _their_operation(self, op_id: str, tenant_id: str) -> tuple[VnfInstance, str]:
        with self._open_unit(read_only=True) as uow:
            instances = uow.vnf_instances.list(tenant_id)
        for instance in instances:
            if REMOTE in instance.metadata and op_id in _remote(instance)["operations"]:
                return instance, str(_remote(instance)["operations"][op_id])
        raise NotFound(f"there is no VNF life-cycle operation {op_id}")

    def _call(self, method: str, path: str, tenant_id: str, body: Any = None) -> Any:
        return self._client.call(method, ROOT + path, tenant_id, body, version=VERSION)


def _remote(copy: VnfInstance) -> Mapping[str, Any]:
    found: Mapping[str, Any] = copy.metadata[REMOTE]
    return found


def _for_others(request: Mapping[str, Any]) -> dict[str, Any]:
    """The request without what only Catena's VNFM reads."""
    body = {name: value for name, value in request.items() if value is not None}
    extra = {
        name: value for name, value in (body.pop("additionalParams", None) or {}).items() if name != "catenaParent"
    }
    return body | ({"additionalParams": extra} if extra else {})


def _error(occurrence: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """ProblemDetails of theirs as an error of ours."""
    problem = occurrence.get("error")
    if not isinstance(problem, dict):
        return None
    detail = str(problem.get("detail") or problem.get("title") or "the VNFM gives no reason")
    return {"code": str(problem.get("code", "REFUSED")), "detail": detail, "hint": "", "facts": {}}


def _text(document: Any, name: str) -> str:
    value = document.get(name) if isinstance(document, dict) else None
    if not isinstance(value, str):
        raise InvalidInput(f"the VNFM's answer has no {name}")
    return value

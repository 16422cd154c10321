"""A VNFM in another process, as the NFVO uses it (SOL003 clause 5); implements :class:`mano.ports.or_vnfm.Vnfm`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from mano.adapters.or_vnfm_http.peer import PeerClient
from mano.domain.lcm_op_occ import CancelMode, OperationState
from mano.domain.vnf_instance import VnfInstance
from mano.errors import InvalidInput, NotFound
from mano.ports.or_vnfm import VnfOperation

VERSION = "2.3.0"
ROOT = "/vnflcm/v2"

TASKS: Mapping[str, str] = {
    "SCALE": "scale",
    "SCALE_TO_LEVEL": "scale_to_level",
    "CHANGE_FLAVOUR": "change_flavour",
    "OPERATE": "operate",
    "HEAL": "heal",
    "CHANGE_EXT_CONN": "change_ext_conn",
    "CHANGE_VNFPKG": "change_vnfpkg",
}


class HttpVnfm:
    """Talks SOL003 to one VNFM."""

    def __init__(self, client: PeerClient) -> None:
        self._client = client

    def create_vnf(
        self, vnf_instance_id: str, tenant_id: str, vnfd_id: str, name: str, metadata: Mapping[str, str]
    ) -> str:
        """POST vnf_instances; the identifier that the VNFM uses."""
        body = {"vnfdId": vnfd_id, "vnfInstanceName": name, "metadata": dict(metadata)}
        answer = self._call("POST", "/vnf_instances", tenant_id, body, key=vnf_instance_id)
        return _text(answer.body, "id")

    def instantiate(self, vnf_instance_id: str, tenant_id: str, op_id: str, request: Mapping[str, Any]) -> str:
        """POST instantiate."""
        return self._task(vnf_instance_id, "instantiate", tenant_id, op_id, request)

    def terminate(self, vnf_instance_id: str, tenant_id: str, op_id: str, request: Mapping[str, Any]) -> str:
        """POST terminate."""
        return self._task(vnf_instance_id, "terminate", tenant_id, op_id, request)

    def change(
        self, vnf_instance_id: str, tenant_id: str, op_id: str, operation: str, request: Mapping[str, Any]
    ) -> str:
        """POST the task of any other operation; PATCH for MODIFY_INFO."""
        if operation == "MODIFY_INFO":
            path = f"/vnf_instances/{vnf_instance_id}"
            return _occurrence(self._call("PATCH", path, tenant_id, dict(request), key=op_id).headers)
        return self._task(vnf_instance_id, TASKS[operation], tenant_id, op_id, request)

    def delete_vnf(self, vnf_instance_id: str, tenant_id: str) -> None:
        """DELETE the instance; nothing to do when it is gone."""
        try:
            self._call("DELETE", f"/vnf_instances/{vnf_instance_id}", tenant_id)
        except NotFound:
            return

    def retry(self, op_id: str, tenant_id: str) -> None:
        """POST retry."""
        self._call("POST", f"/vnf_lcm_op_occs/{op_id}/retry", tenant_id)

    def rollback(self, op_id: str, tenant_id: str) -> None:
        """POST rollback."""
        self._call("POST", f"/vnf_lcm_op_occs/{op_id}/rollback", tenant_id)

    def cancel(self, op_id: str, tenant_id: str, mode: CancelMode) -> None:
        """POST cancel."""
        self._call("POST", f"/vnf_lcm_op_occs/{op_id}/cancel", tenant_id, {"cancelMode": mode.value})

    def operation(self, op_id: str, tenant_id: str) -> VnfOperation:
        """GET the operation occurrence."""
        found = self._call("GET", f"/vnf_lcm_op_occs/{op_id}", tenant_id).body
        try:
            state = OperationState(_text(found, "operationState"))
        except ValueError:
            raise InvalidInput("the VNFM tells of a state that SOL003 does not have") from None
        return VnfOperation(op_id, state, found.get("error"), _text(found, "vnfInstanceId"))

    def vnf_instance(self, vnf_instance_id: str, tenant_id: str) -> VnfInstance | None:
        """The VNF instance with everything that Catena's VNFM keeps of it."""
        try:
            found = self._client.call("GET", f"/mano/v1/vnf_instances/{vnf_instance_id}", tenant_id).body
        except NotFound:
            return None
        try:
            return msgspec.convert(found, VnfInstance)
        except (msgspec.ValidationError, ValueError):
            raise InvalidInput("the VNFM's VNF instance cannot be read") from None

    def _task(self, id: str, task: str, tenant_id: str, op_id: str, request: Mapping[str, Any]) -> str:
        body = {name: value for name, value in request.items() if value is not None}
        return _occurrence(self._call("POST", f"/vnf_instances/{id}/{task}", tenant_id, body, key=op_id).headers)

    def _call(self, method: str, path: str, tenant_id: str, body: Any = None, *, key: str = "") -> Any:
        return self._client.call(method, ROOT + path, tenant_id, body, version=VERSION, key=key)


def _occurrence(headers: Mapping[str, str]) -> str:
    """The identifier at the end of Location."""
    return headers.get("Location", "").rpartition("/")[2]


def _text(document: Any, name: str) -> str:
    value = document.get(name) if isinstance(document, dict) else None
    if not isinstance(value, str):
        raise InvalidInput(f"the VNFM's answer has no {name}")
    return value

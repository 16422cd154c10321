"""``/mano/v1/chains``: making, changing and deleting chains; ``/mano/v1/chain_lcm_op_occs``: their changes.

A body is a Chain document. What of it is wrong is told by the use case, with a JSON pointer; here it only has to be an
object.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from mano.api.auth import Caller
from mano.api.chain_services import Chains
from mano.api.links import api_root, link, uri
from mano.api.native.hosts import PREFIX
from mano.api.openapi_document import Form
from mano.api.operation_occurrences import progress
from mano.api.problem_details import problem_of_document
from mano.api.resource_routes import ResourceId, add, empty_answer, json_answer, timestamp
from mano.domain.lcm_op_occ import LcmOpOcc, OperationState

OP_OCCS = f"{PREFIX}/chain_lcm_op_occs"
TASKS = ("retry", "rollback", "fail")
PREVIEWED = {"200": "With dryRun: what would happen; nothing was stored."}

DryRun = Annotated[bool, Query(alias="dryRun", description="Tell what would happen, and store nothing.")]


def add_routes(routes: APIRouter, chains: Chains) -> None:
    """The resources."""
    changes, operations = ChainChanges(chains), ChainOperations(chains)
    add(routes, "POST", "/chains", changes.create, HTTPStatus.CREATED, also=PREVIEWED)
    add(routes, "PUT", "/chains/{id}", changes.replace, HTTPStatus.ACCEPTED, also=PREVIEWED)
    add(routes, "PATCH", "/chains/{id}", changes.patch, HTTPStatus.ACCEPTED, also=PREVIEWED)
    add(routes, "DELETE", "/chains/{id}", changes.delete, HTTPStatus.NO_CONTENT)
    add(routes, "GET", "/chain_lcm_op_occs", operations.list_all, form=Form.LIST)
    add(routes, "GET", "/chain_lcm_op_occs/{id}", operations.read)
    add(routes, "POST", "/chain_lcm_op_occs/{id}/retry", operations.retry, HTTPStatus.ACCEPTED)
    add(routes, "POST", "/chain_lcm_op_occs/{id}/rollback", operations.rollback, HTTPStatus.ACCEPTED)
    add(routes, "POST", "/chain_lcm_op_occs/{id}/fail", operations.fail)


class ChainChanges:
    """What changes a chain."""

    def __init__(self, chains: Chains) -> None:
        self._chains = chains

    def create(self, request: Request, caller: Caller, body: dict[str, Any], dry_run: DryRun = False) -> Response:
        """Make a chain of a Chain document: proven, stored and programmed when it is answered."""
        if dry_run:
            return json_answer(self._chains.preview_new(caller.tenant_id, body).to_document())
        made = self._chains.create(caller.tenant_id, body)
        return json_answer(made, HTTPStatus.CREATED, Location=uri(request, f"{PREFIX}/chains/{made['id']}"))

    def replace(
        self, request: Request, caller: Caller, id: ResourceId, body: dict[str, Any], dry_run: DryRun = False
    ) -> Response:
        """Change a chain into what a Chain document says, without losing a packet."""
        return self._change(request, caller.tenant_id, id, body, dry_run)

    def patch(
        self, request: Request, caller: Caller, id: ResourceId, body: dict[str, Any], dry_run: DryRun = False
    ) -> Response:
        """Change parts of a chain (JSON merge patch, RFC 7396), without losing a packet."""
        return self._change(request, caller.tenant_id, id, self._chains.patched(id, caller.tenant_id, body), dry_run)

    def delete(self, caller: Caller, id: ResourceId) -> Response:
        """Take a chain out of service; what is on it comes out first."""
        self._chains.delete(id, caller.tenant_id)
        return empty_answer(HTTPStatus.NO_CONTENT)

    def _change(self, request: Request, tenant_id: str, id: str, document: Any, dry_run: bool) -> Response:
        if dry_run:
            return json_answer(self._chains.preview_change(id, tenant_id, document).to_document())
        op_id = self._chains.replace(id, tenant_id, document)
        return empty_answer(HTTPStatus.ACCEPTED, Location=uri(request, f"{OP_OCCS}/{op_id}"))


class ChainOperations:
    """Changes of chains as operation occurrences."""

    def __init__(self, chains: Chains) -> None:
        self._chains = chains

    def list_all(self, request: Request, caller: Caller) -> Response:
        """List the changes of all chains."""
        root = api_root(request)
        return json_answer([_operation(op, root) for op in self._chains.operations(caller.tenant_id)])

    def read(self, request: Request, caller: Caller, id: ResourceId) -> Response:
        """Read one change: its state and its steps."""
        return json_answer(_operation(self._chains.operation(id, caller.tenant_id), api_root(request)))

    def retry(self, request: Request, caller: Caller, id: ResourceId) -> Response:
        """Go on with a change that failed."""
        return self._task(request, self._chains.retry, id, caller.tenant_id)

    def rollback(self, request: Request, caller: Caller, id: ResourceId) -> Response:
        """Give the packets back to the version from before."""
        return self._task(request, self._chains.rollback, id, caller.tenant_id)

    def fail(self, request: Request, caller: Caller, id: ResourceId) -> Response:
        """Give a failed change up: the version that takes packets now stays."""
        self._chains.fail(id, caller.tenant_id)
        return self.read(request, caller, id)

    def _task(self, request: Request, task: Callable[[str, str], None], id: str, tenant_id: str) -> Response:
        task(id, tenant_id)
        return empty_answer(HTTPStatus.ACCEPTED, Location=uri(request, f"{OP_OCCS}/{id}"))


def _operation(op: LcmOpOcc, root: str) -> dict[str, Any]:
    """Named like NsLcmOpOcc (SOL005 clause 6.5.2.3), which has no word for this."""
    here = f"{root}{OP_OCCS}/{op.id}"
    links = {"self": link(here), "chain": link(f"{root}{PREFIX}/chains/{op.instance_id}")}
    if op.state is OperationState.FAILED_TEMP:
        links |= {task: link(f"{here}/{task}") for task in TASKS}
    return {
        "id": op.id,
        "operationState": op.state.value,
        "stateEnteredTime": timestamp(op.state_entered_at),
        "chainId": op.instance_id,
        "lcmOperationType": op.operation,
        "startTime": timestamp(op.started_at),
        "isAutomaticInvocation": op.is_automatic,
        **({} if op.error is None else {"error": problem_of_document(op.error)}),
        "catena": {"operationParams": dict(op.parameters), **progress(op)},
        "_links": links,
    }

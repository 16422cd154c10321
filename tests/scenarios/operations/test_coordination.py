"""Operations that ask an element manager, the VNF itself or an OSS on their way."""

from __future__ import annotations

import json
import shutil
import threading
import uuid
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mano.adapters.clock import SystemClock
from mano.adapters.lcm_coordination import seconds
from mano.api.operation_occurrences import ns_lcm_op_occ, vnf_lcm_op_occ
from mano.domain.lcm_op_occ import CancelMode, LcmOpOcc, Level, OperationState
from mano.settings import CoordinatorSettings
from tests.scenarios.main_job.conftest import SAMPLES
from tests.scenarios.operations.conftest import Running, job_at
from tests.scenarios.operations.test_package_actions import Site
from vnf_descriptors import build as build_package

TYPES = """data_types:
  catena.datatypes.DrainInputs:
    derived_from: tosca.datatypes.nfv.InputOpCoordParams
    properties: {grace: {type: integer}}
  catena.datatypes.Drain:
    derived_from: tosca.datatypes.nfv.VnfLcmOpCoord
    properties: {input_parameters: {type: catena.datatypes.DrainInputs}}

policy_types:
  catena.policies.Drain:
    derived_from: tosca.policies.nfv.LcmCoordinationAction
    properties: {action: {type: catena.datatypes.Drain}}

topology_template:
"""
POLICIES = """
  - drain_action:
      type: catena.policies.Drain
      properties:
        action_name: drain
        action: {endpoint_type: mgmt, coordination_stage: start, input_parameters: {grace: 30}}
  - settle_action:
      type: tosca.policies.nfv.LcmCoordinationAction
      properties:
        action_name: settle
        action: {coordination_stage: end}
  - asked_at_operate:
      type: tosca.policies.nfv.LcmCoordinationsForLcmOperation
      properties: {vnf_lcm_operation: operate, actions: [drain, settle]}
  - coordination:
      type: tosca.policies.nfv.SupportedVnfInterface
      targets: [mgmt]
      properties:
        interface_name: vnf_lcm_coordination
        details: {uri_components: {scheme: http, authority: {port: 8080}}}
"""
STOP = {"changeStateTo": "STOPPED", "stopType": "FORCEFUL"}
START = {"changeStateTo": "STARTED"}


class Other:
    """An OSS or element manager that answers as a test says."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.calls: list[str] = []
        self.answers: list[tuple[int, dict[str, str], dict[str, Any] | None]] = []
        self.on_look: Any = lambda: None
        other = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                other.calls.append(f"POST {self.path}")
                if body and body != b"null":
                    other.asked.append(json.loads(body))
                self.answer((202, {}, None) if self.path.endswith("/cancel") else other.answers.pop(0))

            def do_GET(self) -> None:
                other.calls.append(f"GET {self.path}")
                other.on_look()
                self.answer(other.answers.pop(0))

            def answer(self, found: tuple[int, dict[str, str], dict[str, Any] | None]) -> None:
                status, headers, document = found
                octets = b"" if document is None else json.dumps(document).encode()
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(octets)))
                self.end_headers()
                self.wfile.write(octets)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def will(self, *answers: tuple[int, dict[str, str], dict[str, Any] | None]) -> None:
        self.asked, self.calls, self.answers = [], [], list(answers)
        self.on_look = lambda: None


def result(word: str, **more: Any) -> dict[str, Any]:
    return {"id": "c1", "coordinationResult": word, **more}


ACCEPTED = (202, {"Location": "/lcmcoord/v1/coordinations/c1", "Retry-After": "0"}, None)
ONGOING = (202, {"Retry-After": "0"}, None)


@pytest.fixture(scope="module")
def other() -> Iterator[Other]:
    made = Other()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, other: Other) -> Iterator[tuple[Site, str]]:
    """A VNFM with one VNF that runs, and its element manager."""
    directory = tmp_path_factory.mktemp("coordinated")
    source = directory / "source"
    shutil.copytree(SAMPLES / "firewall", source)
    descriptor = source / "Definitions" / "firewall.yaml"
    text = descriptor.read_text(encoding="utf-8").replace("topology_template:\n", TYPES, 1)
    descriptor.write_text(text.rstrip("\n") + POLICIES, encoding="utf-8")
    build_package(source, directory / "fw.csar")
    coordinators = CoordinatorSettings.all_from_document({"vnf": [{"url": other.url}]})
    job = job_at(directory / "job", {"scripted": directory / "fw.csar"}, coordinators=coordinators)
    made = Site(job)
    vnf_id = made.create()
    assert made.instantiate(vnf_id).state is OperationState.COMPLETED
    yield made, vnf_id
    job.catena.stop()


def test_the_element_manager_and_the_vnf_itself_are_asked(site: tuple[Site, str], other: Other) -> None:
    place, vnf_id = site
    other.will((201, {"Location": "/lcmcoord/v1/coordinations/c1"}, result("CONTINUE", warnings="slowly")))
    op = place.change(vnf_id, "OPERATE", STOP)
    assert op.state is OperationState.COMPLETED, op.error
    assert (op.step_names or ())[:2] == ("grant", "coordinate:start:drain")
    (asked,) = other.asked
    assert (asked["vnfInstanceId"], asked["vnfLcmOpOccId"]) == (vnf_id, op.id)
    assert (asked["lcmOperationType"], asked["coordinationActionName"]) == ("OPERATE", "drain")
    assert asked["inputParams"] == {"grace": 30}
    assert asked["_links"]["vnfLcmOpOcc"]["href"].endswith(f"/vnflcm/v2/vnf_lcm_op_occs/{op.id}")
    told = vnf_lcm_op_occ(op, "")
    (one,) = told["lcmCoordinations"]
    assert (one["id"], one["coordinationResult"], one["endpointType"]) == ("c1", "CONTINUE", "MGMT")
    assert told["warnings"] == ["slowly"]
    other.will((201, {"Location": "/lcmcoord/v1/coordinations/c2"}, result("CONTINUE")))
    op = place.change(vnf_id, "OPERATE", START)
    assert op.state is OperationState.COMPLETED, op.error
    assert (op.step_names or ())[-2:] == ("coordinate:end:settle", "release")
    assert [one["endpointType"] for one in vnf_lcm_op_occ(op, "")["lcmCoordinations"]] == ["MGMT", "VNF"]


def test_who_is_busy_is_asked_again_and_who_takes_long_is_waited_for(site: tuple[Site, str], other: Other) -> None:
    place, vnf_id = site
    busy = (503, {"Retry-After": "0"}, {"status": 503, "detail": "later"})
    other.will(busy, busy, ACCEPTED, ONGOING, (200, {}, result("CONTINUE")))
    op = place.change(vnf_id, "OPERATE", STOP)
    assert op.state is OperationState.COMPLETED, op.error
    assert other.calls == ["POST /lcmcoord/v1/coordinations"] * 3 + ["GET /lcmcoord/v1/coordinations/c1"] * 2
    told = vnf_lcm_op_occ(op, "")
    assert [one["coordinationActionName"] for one in told["rejectedLcmCoordinations"]] == ["drain", "drain"]
    assert len(told["lcmCoordinations"]) == 1
    other.will((201, {"Location": "/x"}, result("CONTINUE")))
    assert place.change(vnf_id, "OPERATE", START).state is OperationState.COMPLETED


def test_what_the_other_side_stops_can_be_retried_and_rolled_back(site: tuple[Site, str], other: Other) -> None:
    place, vnf_id = site
    other.will(ACCEPTED, (200, {}, result("ABORT")))
    op = place.change(vnf_id, "OPERATE", STOP)
    assert op.state is OperationState.FAILED_TEMP
    assert (op.error or {})["code"] == "COORDINATION_ABORTED"
    assert vnf_lcm_op_occ(op, "")["lcmCoordinations"][0]["coordinationResult"] == "ABORT"
    other.will((409, {}, {"status": 409, "detail": "not now\u0000"}))
    place.lifecycle.retry(op.id, place.job.tenant)
    op = place.job.operation(op.id)
    assert op.state is OperationState.FAILED_TEMP
    assert "not now" in (op.error or {})["detail"]
    place.lifecycle.rollback(op.id, place.job.tenant)
    assert place.job.operation(op.id).state is OperationState.ROLLED_BACK
    assert place.vnf(vnf_id).vnfcs[0].state.value == "STARTED"


def test_a_cancelled_operation_cancels_what_it_asked_for(site: tuple[Site, str], other: Other) -> None:
    place, vnf_id = site

    def cancel(mode: CancelMode) -> None:
        with place.job.catena.store.open_unit() as uow:
            (op,) = [one for one in uow.operations.list(instance_id=vnf_id) if not one.ended]
            uow.operations.save(replace(op, is_cancel_pending=True, cancel_mode=mode))

    for mode, looks in ((CancelMode.GRACEFUL, 2), (CancelMode.FORCEFUL, 1)):
        other.will(ACCEPTED, ONGOING, (200, {}, result("CACELLED")))
        other.on_look = lambda mode=mode: cancel(mode) if len(other.answers) == 2 else None
        op = place.change(vnf_id, "OPERATE", STOP)
        assert op.state is OperationState.FAILED_TEMP
        assert other.calls.count("POST /lcmcoord/v1/coordinations/c1/cancel") == 1
        assert sum(call.startswith("GET") for call in other.calls) == looks
        assert op.coordinations[-1].result == "CANCELLED"
        place.lifecycle.rollback(op.id, place.job.tenant)
        assert place.job.operation(op.id).state is OperationState.ROLLED_BACK


def test_after_a_crash_the_same_action_is_looked_at_again(site: tuple[Site, str], other: Other) -> None:
    place, vnf_id = site

    def die() -> None:
        raise KeyboardInterrupt  # ends the exchange as a killed server would leave it

    other.will(ACCEPTED)
    story_step = _step(place, vnf_id, other)
    with pytest.raises(KeyboardInterrupt):
        story_step(die)
    other.will((200, {}, result("CONTINUE")))
    assert story_step(None) == {"coordinationId": "c1", "result": "CONTINUE"}
    assert other.calls == ["GET /lcmcoord/v1/coordinations/c1"]


def _step(place: Site, vnf_id: str, other: Other) -> Any:
    """The step of an operation that is stored and not run: called with what happens when it looks."""
    op = LcmOpOcc(
        id=str(uuid.uuid4()),
        tenant_id=place.job.tenant,
        level=Level.VNF,
        instance_id=vnf_id,
        operation="OPERATE",
        state=OperationState.PROCESSING,
        state_entered_at=SystemClock().now(),
        started_at=SystemClock().now(),
        parameters=STOP,
    )
    with place.job.catena.store.open_unit() as uow:
        uow.operations.add(op)
    engine: Any = place.job.catena.engine
    story = engine._runner._stories[Level.VNF, "OPERATE"]

    def run(on_wait: Any) -> Any:
        clock = type("Clock", (SystemClock,), {"sleep": lambda _, s: on_wait()} if on_wait else {})()
        story._clock = clock
        return story.step(op, "coordinate:start:drain").do()

    return run


def test_the_oss_is_asked_before_a_service_goes(
    service: Path, archives: dict[str, Path], tmp_path: Path, other: Other
) -> None:
    shutil.copytree(service, tmp_path / "job")
    action = {"name": "announce", "operations": ["TERMINATE"], "stage": "start", "inputParams": {"who": "ops"}}
    coordinators = CoordinatorSettings.all_from_document({"ns": [{"url": other.url, "actions": [action]}]})
    job = job_at(tmp_path / "job", archives, coordinators=coordinators)
    running = Running(job)
    other.will((201, {"Location": "/lcmcoord/v1/coordinations/c9"}, result("ABORT")))
    op = job.terminate(running.ns_id)
    assert op.state is OperationState.FAILED_TEMP
    assert (op.step_names or ())[0] == "coordinate:start:announce"
    assert (other.asked[0]["nsInstanceId"], other.asked[0]["inputParams"]) == (running.ns_id, {"who": "ops"})
    assert ns_lcm_op_occ(op, "", {})["lcmCoordinations"][0]["endpointType"] == "MGMT"
    running.consistent()
    other.will((201, {"Location": "/lcmcoord/v1/coordinations/c9"}, result("CONTINUE")))
    job.services.ns_lifecycle.retry(op.id, job.tenant)
    assert job.operation(op.id).state is OperationState.COMPLETED
    assert job.held() == {}
    job.catena.stop()


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"vim": []},
        {"ns": {}},
        {"ns": [{}]},
        {"ns": [{"url": "ftp://x"}]},
        {"ns": [{"url": "http://oss", "actions": {}}]},
        {"ns": [{"url": "http://oss", "actions": [{"operations": ["SCALE"]}]}]},
        {"ns": [{"url": "http://oss", "actions": [{"name": "a", "stage": "middle"}]}]},
        {"ns": [{"url": "http://oss", "actions": [{"name": "a", "inputParams": 1}]}]},
    ],
)
def test_a_file_of_coordinators_that_says_nothing_is_refused(document: Any) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        CoordinatorSettings.all_from_document(document)


def test_retry_after_has_two_forms_and_a_bound() -> None:
    assert (seconds("7"), seconds("99999999999"), seconds("soon"), seconds("")) == (7.0, 3600.0, None, None)
    assert seconds("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0

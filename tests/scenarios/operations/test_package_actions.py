"""Scripts of a package and the configuration of its VNF, on the simulated tier: scripts run in their real sandbox."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from mano.adapters.vim_simulated.faults import Fault, Kind
from mano.adapters.vim_simulated.management import SimulatedManagement
from mano.domain.catalogue import DescriptorKind
from mano.domain.lcm_op_occ import LcmOpOcc, OperationState, StepState
from mano.domain.vnf_instance import VnfInstance
from mano.errors import InvalidInput, SandboxUnavailable
from mano.ports.management import Answer, Call
from mano.ports.scripts import ScriptOutcome, ScriptRun
from tests.scenarios.main_job.conftest import SAMPLES, Job
from tests.scenarios.operations.conftest import job_at
from vnf_descriptors import build as build_package

INTERFACES = """
      metadata: {"catena:scriptNetwork": mgmt}
      interfaces:
        Vnflcm:
          inputs:
            licence: {get_input: licence}
            address: {get_attribute: [mgmt, ip_address]}
          operations:
            instantiate_start: {implementation: ../Scripts/start.sh}
            instantiate: {implementation: {primary: tell, dependencies: [../Scripts/common.py], timeout: 20}}
            instantiate_end: {implementation: tell}
            operate: {implementation: ../Scripts/refuse.pl}
            modify_information_end: {implementation: ../Scripts/fail.sh}
            terminate_start: {implementation: tell}
            terminate_end: {implementation: tell}
      artifacts:
        tell: {type: tosca.artifacts.Implementation.Python, file: ../Scripts/tell.py}
"""
SCRIPTS = {
    "start.sh": "#!/bin/sh\necho starting $CATENA_VNF_INSTANCE_ID\n",
    "tell.py": "import json, sys\nprint(json.dumps(json.load(sys.stdin)))\n",
    "common.py": "",
    "refuse.pl": "#!/usr/bin/perl\n",
    "fail.sh": "#!/bin/sh\necho no; exit 3\n",
}
ADDRESS = "192.0.2.9"


def scripted_package(directory: Path, scripts: Mapping[str, str] = SCRIPTS) -> Path:
    """The sample firewall with scripts."""
    source = directory / "source"
    shutil.copytree(SAMPLES / "firewall", source)
    descriptor = source / "Definitions" / "firewall.yaml"
    text = descriptor.read_text(encoding="utf-8")
    head, found, tail = text.partition("    vnf:\n      type: catena.nodes.Firewall\n")
    inputs = "  inputs:\n    licence: {type: string, default: none}\n\n"
    text = head.replace("  node_templates:\n", inputs + "  node_templates:\n")
    text += found.rstrip("\n") + INTERFACES.rstrip("\n") + "\n" + tail
    descriptor.write_text(text, encoding="utf-8")
    (source / "Scripts").mkdir()
    for name, content in scripts.items():
        (source / "Scripts" / name).write_text(content, encoding="utf-8")
    archive = directory / "scripted.csar"
    build_package(source, archive)
    return archive


class Site:
    """A VNFM with a management network and one such package."""

    def __init__(self, job: Job) -> None:
        self.job = job
        job.add_hosts()
        self.vnfd_id = job.upload("scripted", DescriptorKind.VNF).descriptor_id
        networks = job.services.logical_networks
        self.network_id, self.wire_id = (
            networks.create_network(
                job.tenant, {"name": name, "description": "", "mtu": None, "vlan_transparent": False}
            )
            for name in ("mgmt", "wire")
        )
        subnet = {
            "cidr": "192.0.2.0/24",
            "ip_version": 4,
            "gateway_ip": None,
            "name": "",
            "network_id": self.network_id,
        }
        networks.create_subnet(job.tenant, subnet)
        self.lifecycle = job.services.vnf_lifecycle

    def create(self) -> str:
        return str(self.lifecycle.create_vnf(str(uuid.uuid4()), self.job.tenant, self.vnfd_id, "fw", {}))

    def instantiate(self, vnf_id: str, address: str = ADDRESS, **request: Any) -> LcmOpOcc:
        kind = {"type": "IPV4", "fixedAddresses": [address]}
        protocol = {"layerProtocol": "IP_OVER_ETHERNET", "ipOverEthernet": {"ipAddresses": [kind]}}
        ext_cps = [{"cpdId": "virtual_link_mgmt", "cpConfig": {"0": {"cpProtocolData": [protocol]}}}]
        legs = [{"cpdId": f"virtual_link_{name}", "cpConfig": {"0": {}}} for name in ("in", "out")]
        links = [
            {"id": "l", "resourceId": self.network_id, "extCps": ext_cps},
            {"id": "w", "resourceId": self.wire_id, "extCps": legs},
        ]
        op_id = str(uuid.uuid4())
        asked = {"flavourId": "simple", "extVirtualLinks": links, **request}
        self.lifecycle.instantiate(vnf_id, self.job.tenant, op_id, asked)
        return self.job.operation(op_id)

    def change(self, vnf_id: str, operation: str, request: Mapping[str, Any]) -> LcmOpOcc:
        op_id = str(uuid.uuid4())
        self.lifecycle.change(vnf_id, self.job.tenant, op_id, operation, dict(request))
        return self.job.operation(op_id)

    def terminate(self, vnf_id: str) -> LcmOpOcc:
        op_id = str(uuid.uuid4())
        self.lifecycle.terminate(vnf_id, self.job.tenant, op_id, {"terminationType": "FORCEFUL"})
        return self.job.operation(op_id)

    def vnf(self, vnf_id: str) -> VnfInstance:
        return self.lifecycle.vnf_instance(vnf_id, self.job.tenant)

    def told(self, vnf_id: str, part: str = "vnfConfigurationData") -> Any:
        """What the VNF itself was told."""
        world = self.job.vim._world
        thing = world.get("computes", self.vnf(vnf_id).vnfcs[0].compute_id) or {}
        return thing.get("configuration", {}).get(part)

    def remains(self) -> tuple[int, int]:
        """Ports of the VNFM that are there, as records and in the VIM's places."""
        with self.job.catena.store.open_unit(read_only=True) as uow:
            return len(uow.logical_ports.list()), len([n for n in self.job.vim.attachments() if n.startswith("port-")])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("scripted")
    job = job_at(directory / "job", {"scripted": scripted_package(directory)})
    yield Site(job)
    job.catena.stop()


class Runner:
    """Scripts that end as a test says, without being run."""

    def __init__(self) -> None:
        self.runs: list[ScriptRun] = []
        self.outcome = ScriptOutcome(0, "", 0.1)

    def run(self, script: ScriptRun) -> ScriptOutcome:
        self.runs.append(script)
        return self.outcome


@pytest.fixture
def runner(site: Site, monkeypatch: pytest.MonkeyPatch) -> Runner:
    """Stands in for the sandbox where the test is about something else."""
    runner = Runner()
    monkeypatch.setattr("mano.adapters.script_sandbox.sandbox.ScriptSandbox.run", lambda _, script: runner.run(script))
    return runner


def _output(op: LcmOpOcc, step: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(next(one for one in op.steps if one.name == step).result["output"])
    return found


def test_scripts_run_where_the_standard_says_with_their_inputs(site: Site) -> None:
    vnf_id = site.create()
    op = site.instantiate(
        vnf_id, additionalParams={"licence": "gold"}, vnfConfigurableProperties={"blockedTcpPorts": [80]}
    )
    if op.error and op.error["code"] == SandboxUnavailable.code:
        pytest.skip(str(op.error["detail"]))
    assert op.state is OperationState.COMPLETED, op.error
    assert op.step_names is not None
    assert (op.step_names[0], op.step_names[1]) == ("grant", "script:instantiate_start")
    assert op.step_names[-3:] == ("configure", "script:instantiate", "script:instantiate_end")
    started = next(one for one in op.steps if one.name == "script:instantiate_start")
    assert started.result["output"] == f"starting {vnf_id}\n"
    told = _output(op, "script:instantiate_end")
    assert told["inputs"] == {"licence": "gold", "address": ADDRESS}
    assert (told["operation"], told["network"]) == ("instantiate_end", "simulated")
    assert told["vnfInstance"]["vnfConfigurableProperties"]["blockedTcpPorts"] == [80]
    assert "token" not in json.dumps(told)
    ended = site.terminate(vnf_id)
    assert ended.state is OperationState.COMPLETED, ended.error
    assert ended.step_names is not None
    assert (ended.step_names[0], ended.step_names[-2]) == ("script:terminate_start", "script:terminate_end")
    assert site.vnf(vnf_id).management == {}
    assert site.remains() == (0, 0)


def test_a_script_that_fails_stops_the_operation_and_a_retry_runs_it_again(site: Site, runner: Runner) -> None:
    vnf_id = site.create()
    runner.outcome = ScriptOutcome(3, "no licence\n", 0.1)
    op = site.instantiate(vnf_id)
    assert op.state is OperationState.FAILED_TEMP
    assert op.error is not None
    assert (op.error["code"], op.error["facts"]["output"]) == ("SCRIPT_FAILED", "no licence\n")
    assert [one.name for one in op.steps if one.state is StepState.FAILED] == ["script:instantiate_start"]
    runner.outcome = ScriptOutcome(-9, "", 60.0, "deadline")
    site.lifecycle.retry(op.id, site.job.tenant)
    failed = site.job.operation(op.id)
    assert (failed.error or {})["code"] == "DEADLINE_EXCEEDED"
    runner.outcome = ScriptOutcome(0, "", 0.1)
    site.lifecycle.retry(op.id, site.job.tenant)
    assert site.job.operation(op.id).state is OperationState.COMPLETED
    names = [run.name for run in runner.runs]
    assert names == ["instantiate_start"] * 3 + ["instantiate", "instantiate_end"]
    assert runner.runs[3].limits.deadline_s == 20
    assert set(runner.runs[3].files) == {"Scripts/tell.py", "Scripts/common.py"}
    assert site.terminate(vnf_id).state is OperationState.COMPLETED


def test_a_rollback_undoes_what_was_made_and_runs_no_script(site: Site, runner: Runner) -> None:
    vnf_id = site.create()

    def fail_late(script: ScriptRun) -> ScriptOutcome:
        runner.runs.append(script)
        return ScriptOutcome(1 if script.name == "instantiate_end" else 0, "", 0.1)

    runner.run = fail_late  # type: ignore[method-assign]
    op = site.instantiate(vnf_id)
    assert op.state is OperationState.FAILED_TEMP
    site.lifecycle.rollback(op.id, site.job.tenant)
    assert site.job.operation(op.id).state is OperationState.ROLLED_BACK
    assert len(runner.runs) == 3
    assert site.job.vim.observe().computes == ()
    assert site.vnf(vnf_id).management == {}


def test_a_script_in_another_language_refuses_its_operation_alone(site: Site, runner: Runner) -> None:
    vnf_id = site.create()
    assert site.instantiate(vnf_id).state is OperationState.COMPLETED
    op = site.change(vnf_id, "OPERATE", {"changeStateTo": "STOPPED"})
    assert op.state is OperationState.ROLLED_BACK
    assert "neither of sh, bash nor Python 3" in str((op.error or {})["detail"])
    assert site.terminate(vnf_id).state is OperationState.COMPLETED


def test_values_reach_the_vnf_at_its_first_day_and_later(site: Site, runner: Runner) -> None:
    vnf_id = site.create()
    op = site.instantiate(
        vnf_id,
        additionalParams={"greeting": "hello", "catenaParent": "x", "userData": {"firewall": {"more": 1}}},
        extensions={"insidePrefixes": ["10.0.0.0/8"]},
        vnfConfigurableProperties={"blockedTcpPorts": [80], "isAutohealEnabled": False, "catenaAutoscale": {}},
    )
    assert op.state is OperationState.COMPLETED, op.error
    told = site.told(vnf_id)
    assert told["vnfSpecificData"] == {
        "greeting": "hello",
        "insidePrefixes": ["10.0.0.0/8"],
        "blockedTcpPorts": [80],
    }
    (point,) = [each for each in told["extCpConfig"] if each["cpdId"] == "mgmt"]
    assert (point["cpdId"], point["addresses"][0]["address"]["ipAddress"]) == ("mgmt", ADDRESS)
    state = site.vnf(vnf_id).management["configuration"]
    assert (state["state"], state["vnfLcmOpOccId"]) == ("CONFIRMED", op.id)
    change = {"vnfConfigurableProperties": {"blockedTcpPorts": [22]}, "extensions": {"insidePrefixes": None}}
    failing = site.change(vnf_id, "MODIFY_INFO", change)
    assert failing.state is OperationState.COMPLETED, failing.error
    assert site.told(vnf_id)["vnfSpecificData"] == {"greeting": "hello", "blockedTcpPorts": [22]}
    vnfc = site.vnf(vnf_id).vnfcs[0].id
    of_vnfc = [{"id": vnfc, "vnfcConfigurableProperties": {"role": "active"}}]
    assert site.change(vnf_id, "MODIFY_INFO", {"vnfcInfoModifications": of_vnfc}).state is OperationState.COMPLETED
    assert site.told(vnf_id, "vnfcConfigurationData") == [
        {"vnfcInstanceId": vnfc, "vnfcSpecificData": {"role": "active"}}
    ]
    of_nobody = [{"id": "nobody", "vnfcConfigurableProperties": {}}]
    with pytest.raises(InvalidInput, match="does not have"):
        site.change(vnf_id, "MODIFY_INFO", {"vnfcInfoModifications": of_nobody})
    assert site.remains() == (0, 0)
    assert site.terminate(vnf_id).state is OperationState.COMPLETED


def test_a_modification_that_comes_to_nothing_is_told_back(site: Site, runner: Runner) -> None:
    vnf_id = site.create()
    assert site.instantiate(vnf_id, vnfConfigurableProperties={"a": 1}).state is OperationState.COMPLETED
    runner.outcome = ScriptOutcome(3, "", 0.1)
    op = site.change(vnf_id, "MODIFY_INFO", {"vnfConfigurableProperties": {"a": 2, "b": 3}})
    assert op.state is OperationState.FAILED_TEMP
    assert site.told(vnf_id)["vnfSpecificData"] == {"a": 2, "b": 3}
    site.lifecycle.rollback(op.id, site.job.tenant)
    assert site.job.operation(op.id).state is OperationState.ROLLED_BACK
    assert site.told(vnf_id)["vnfSpecificData"] == {"a": 1}
    assert site.vnf(vnf_id).configuration["a"] == 1
    runner.outcome = ScriptOutcome(0, "", 0.1)
    assert site.terminate(vnf_id).state is OperationState.COMPLETED


def test_a_vnf_that_refuses_is_heard(site: Site, runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    vnf_id = site.create()

    def refuse(self: SimulatedManagement, place: str, call: Call, deadline_s: float) -> Answer:
        if call.method == "GET":
            return Answer(200, {}, {"vnfConfigurationData": {}})
        return Answer(422, {}, {"detail": "ports are\x07 1..65535"})

    monkeypatch.setattr(SimulatedManagement, "call", refuse)
    op = site.instantiate(vnf_id, vnfConfigurableProperties={"blockedTcpPorts": [0]})
    assert op.state is OperationState.FAILED_TEMP
    assert op.error is not None
    assert op.error["code"] == "VNF_CONFIGURATION"
    assert op.error["detail"].endswith("(HTTP 422): ports are 1..65535")
    assert site.vnf(vnf_id).management["configuration"]["state"] == "FAILED"
    assert site.remains() == (0, 0)
    site.lifecycle.rollback(op.id, site.job.tenant)
    assert site.job.operation(op.id).state is OperationState.ROLLED_BACK


def test_a_way_to_the_vnf_that_breaks_leaves_nothing(site: Site, runner: Runner) -> None:
    faults = site.job.faults
    vnf_id = site.create()
    faults.moments.clear()
    assert site.instantiate(vnf_id).state is OperationState.COMPLETED
    assert site.terminate(vnf_id).state is OperationState.COMPLETED
    moments = [moment for moment in dict.fromkeys(faults.moments) if "attachment" in moment]
    assert len(moments) >= 4
    for moment in moments:
        faults.planned = (Fault(moment, Kind.FAIL, times=1000),)
        op = site.instantiate(vnf_id)
        assert op.state is OperationState.FAILED_TEMP, (moment, op.state)
        faults.planned = ()
        site.lifecycle.rollback(op.id, site.job.tenant)
        assert site.job.operation(op.id).state is OperationState.ROLLED_BACK, (moment, site.job.operation(op.id).error)
        assert (site.remains(), site.job.vim.observe().ports) == ((0, 0), ()), moment

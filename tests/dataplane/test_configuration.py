"""A VNF is told its configuration through its management connection point, and a script reaches that network alone."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mano.adapters.clock import SystemClock
from mano.adapters.vim_local import LocalVim
from mano.adapters.vim_local.cleanup import cleanup
from mano.bootstrap import build
from mano.domain.lcm_op_occ import LcmOpOcc, OperationState
from mano.placement import document_from_text
from mano.settings import AuthMode, Settings, Tier
from tests.scenarios.main_job.conftest import SAMPLES, InlineEngine
from tests.scenarios.operations.test_package_actions import ADDRESS, SCRIPTS, Site, scripted_package

pytestmark = [pytest.mark.dataplane, pytest.mark.deep]

ASKS_THE_VNF = f"""#!/usr/bin/python3
import json, urllib.error, urllib.request
try:
    urllib.request.urlopen("http://{ADDRESS}:8080/vnfconfig/v1/configuration", timeout=5)
except urllib.error.HTTPError as error:
    found = error.code
print(json.dumps({{"status": found, "operation": json.load(open("/input.json"))["operation"]}}))
"""


class Lab:
    """What :class:`Site` needs of a server, on a real host."""

    tenant: str
    job: Any

    def __init__(self, directory: Path, lab: str, archive: Path) -> None:
        from mano.domain.ids import DEFAULT_TENANT

        settings = Settings(
            data_dir=directory / "data", auth=AuthMode.NONE, tier=Tier.ROOT, lab=lab, drain_s=0, watches=False
        )
        self.directory, self.lab, self.archive = directory, lab, archive
        self.vim = LocalVim(settings.data_dir, lab=lab)
        self.catena = build(settings, engine=lambda store: InlineEngine(store, SystemClock()))
        self.catena.start()
        self.services: Any = self.catena.services
        self.tenant = DEFAULT_TENANT

    def add_hosts(self) -> None:
        text = (SAMPLES / "inventory" / "gi-lan.yaml").read_text(encoding="utf-8")
        inventory = document_from_text(text, "Inventory")
        inventory["hosts"] = inventory["hosts"][:1]
        inventory.pop("links", None)
        self.services.nfvi.add_hosts(inventory, "local")

    def upload(self, name: str, kind: Any) -> Any:
        package = self.services.catalogue.create(kind, self.tenant, {})
        return self.services.catalogue.upload(package.id, self.tenant, iter([self.archive.read_bytes()]))

    def operation(self, op_id: str) -> LcmOpOcc:
        with self.catena.store.open_unit(read_only=True) as uow:
            return uow.operations.get(op_id)


@pytest.fixture
def lab(tmp_path: Path, lab_id: str) -> Iterator[Lab]:
    archive = scripted_package(tmp_path, {**SCRIPTS, "tell.py": ASKS_THE_VNF})
    lab = Lab(tmp_path, lab_id, archive)
    yield lab
    lab.catena.stop()
    cleanup(lab_id)


def _rules(lab: Lab, compute_id: str) -> str:
    namespace = lab.vim.namespace_of_compute(compute_id)
    listed = subprocess.run(
        ["ip", "netns", "exec", namespace, "nft", "list", "table", "inet", "catena"],
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    return listed.stdout


def _places(lab: Lab) -> list[str]:
    return [name for name in lab.vim.attachments() if name.startswith("port-")]


def test_rules_follow_the_request_and_a_script_reaches_the_management_network(lab: Lab) -> None:
    site = Site(lab)  # type: ignore[arg-type]
    vnf_id = site.create()
    op = site.instantiate(vnf_id, vnfConfigurableProperties={"blockedTcpPorts": [23, 8081]})
    assert op.state is OperationState.COMPLETED, op.error
    told = next(step for step in op.steps if step.name == "script:instantiate_end").result["output"]
    # The script has the network, and not the token: the VNF hears it and asks who it is.
    assert json.loads(told) == {"status": 401, "operation": "instantiate_end"}
    compute_id = site.vnf(vnf_id).vnfcs[0].compute_id
    assert "tcp dport 8081" in _rules(lab, compute_id)
    assert site.vnf(vnf_id).management["configuration"]["state"] == "CONFIRMED"
    assert _places(lab) == []

    refused = site.change(vnf_id, "MODIFY_INFO", {"vnfConfigurableProperties": {"blockedTcpPorts": [70000]}})
    assert refused.state is OperationState.FAILED_TEMP
    assert refused.error is not None
    assert refused.error["code"] == "VNF_CONFIGURATION"
    assert "ports are 1..65535" in refused.error["detail"]
    assert "tcp dport 8081" in _rules(lab, compute_id)
    site.lifecycle.rollback(refused.id, lab.tenant)
    assert lab.operation(refused.id).state is OperationState.ROLLED_BACK

    changed = site.change(vnf_id, "MODIFY_INFO", {"vnfConfigurableProperties": {"blockedTcpPorts": [9000]}})
    assert changed.state is OperationState.FAILED_TEMP, "the package's script for it fails"
    assert "tcp dport 9000" in _rules(lab, compute_id)
    site.lifecycle.rollback(changed.id, lab.tenant)
    assert lab.operation(changed.id).state is OperationState.ROLLED_BACK, lab.operation(changed.id).error
    assert "tcp dport 8081" in _rules(lab, compute_id)

    healed = site.change(vnf_id, "HEAL", {})
    assert healed.state is OperationState.COMPLETED, healed.error
    assert "tcp dport 8081" in _rules(lab, site.vnf(vnf_id).vnfcs[0].compute_id)
    ended = site.terminate(vnf_id)
    assert ended.state is OperationState.FAILED_TEMP, "terminate_end asks a VNF that is gone"
    assert _places(lab) == []

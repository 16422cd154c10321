"""Start, stop, modify, reconnect VNFs; change their flavour and their package."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from mano.domain.catalogue import DescriptorKind
from mano.domain.lcm_op_occ import OperationState
from mano.errors import InvalidInput
from tests.scenarios.operations.conftest import SOME_AND_ALL, Running, Start, fail_everywhere, variant

STOP = {"changeStateTo": "STOPPED"}
BEGIN = {"changeStateTo": "STARTED"}


def states(running: Running, name: str) -> set[str]:
    return {vnfc.state.value for vnfc in running.vnf(name).vnfcs}


def test_a_stopped_vnf_keeps_its_place_and_starts_again(running: Running) -> None:
    before = running.picture()
    op = running.change("firewall-0", "OPERATE", STOP)
    assert op.state is OperationState.COMPLETED, op.error
    assert (running.vnf("firewall-0").vnf_state, states(running, "firewall-0")) == ("STOPPED", {"STOPPED"})
    running.consistent()
    assert running.picture()["reservations"] == before["reservations"]
    op = running.change("firewall-0", "OPERATE", BEGIN)
    assert op.state is OperationState.COMPLETED, op.error
    assert running.vnf("firewall-0").vnf_state == "STARTED"
    assert running.picture() == before
    running.consistent()


def test_a_function_that_is_stopped_leaves_its_chain_to_the_others(running: Running) -> None:
    running.change("dpi-0", "SCALE", {"type": "SCALE_OUT", "aspectId": "load"})
    first, _ = running.vnf("dpi-0").vnfcs
    op = running.change("dpi-0", "OPERATE", {**STOP, "vnfcInstanceId": [first.id]})
    assert op.state is OperationState.COMPLETED, op.error
    assert running.vnf("dpi-0").vnf_state == "STARTED"
    assert "dpi-0" not in running.picture()["chains"]["web"]
    assert "dpi-0/dpi/1" in running.picture()["chains"]["web"]
    running.consistent()


def test_stopping_what_is_stopped_does_nothing(running: Running) -> None:
    running.change("dpi-0", "OPERATE", STOP)
    op = running.change("dpi-0", "OPERATE", STOP)
    assert op.state is OperationState.COMPLETED, op.error
    assert [step.name for step in op.steps] == ["grant", "release"]


def test_a_timeout_belongs_to_a_graceful_stop(running: Running) -> None:
    with pytest.raises(InvalidInput, match="GRACEFUL"):
        running.change("dpi-0", "OPERATE", {**STOP, "gracefulStopTimeout": 3})


@SOME_AND_ALL
def test_a_start_that_fails_is_rolled_back(start: Start, most: int) -> None:
    fail_everywhere(
        start,
        most,
        lambda there: there.change("dpi-0", "OPERATE", BEGIN),
        lambda there: there.change("dpi-0", "OPERATE", STOP),
    )


def test_information_is_modified_key_by_key(running: Running) -> None:
    running.change("dpi-0", "MODIFY_INFO", {"metadata": {"a": 1, "b": {"c": 2}}, "vnfInstanceDescription": "new"})
    op = running.change("dpi-0", "MODIFY_INFO", {"metadata": {"a": None, "b": {"d": 3}}, "vnfInstanceName": "other"})
    assert op.state is OperationState.COMPLETED, op.error
    vnf = running.vnf("other")
    assert vnf.metadata["b"] == {"c": 2, "d": 3}
    assert "a" not in vnf.metadata
    assert vnf.description == "new"


def network(running: Running, vld_id: str) -> Any:
    with running.job.catena.store.open_unit(read_only=True) as uow:
        return next(network for network in uow.networks.list() if network.vld_id == vld_id)


def connect(network_id: str, cpd_id: str, *fixed: str) -> dict[str, Any]:
    cp: dict[str, Any] = {"cpdId": cpd_id}
    if fixed:
        address = {"type": "IPV4", "fixedAddresses": list(fixed)}
        protocol = {"layerProtocol": "IP_OVER_ETHERNET", "ipOverEthernet": {"ipAddresses": [address]}}
        cp["cpConfig"] = {"0000": {"cpProtocolData": [protocol]}}
    return {"extVirtualLinks": [{"id": "l", "resourceId": network_id, "extCps": [cp]}]}


def test_a_connection_point_goes_to_another_network(running: Running) -> None:
    access = network(running, "access")
    before = next(cp for cp in running.vnf("dpi-0").vnfcs[0].connection_points if cp.cpd_id == "mgmt")
    op = running.change("dpi-0", "CHANGE_EXT_CONN", connect(access.id, "mgmt", "10.10.0.77"))
    assert op.state is OperationState.COMPLETED, op.error
    after = next(cp for cp in running.vnf("dpi-0").vnfcs[0].connection_points if cp.cpd_id == "mgmt")
    assert (after.network_id, after.addresses, after.mac) == (access.id, ("10.10.0.77/24",), before.mac)
    running.consistent()


def test_an_address_that_nobody_asked_for_is_chosen(running: Running) -> None:
    access = network(running, "access")
    op = running.change("dpi-0", "CHANGE_EXT_CONN", connect(access.id, "mgmt"))
    assert op.state is OperationState.COMPLETED, op.error
    after = next(cp for cp in running.vnf("dpi-0").vnfcs[0].connection_points if cp.cpd_id == "mgmt")
    assert after.addresses[0].startswith("10.10.0.")
    running.consistent()


def test_what_cannot_be_connected_is_refused(running: Running) -> None:
    with pytest.raises(InvalidInput, match="no external connection point"):
        running.change("dpi-0", "CHANGE_EXT_CONN", connect(network(running, "access").id, "tail"))
    op = running.change("dpi-0", "CHANGE_EXT_CONN", connect("11111111-1111-4111-8111-111111111111", "mgmt"))
    assert op.state is OperationState.ROLLED_BACK
    op = running.change("nat-0", "CHANGE_EXT_CONN", connect(network(running, "access").id, "outside"))
    assert op.state is OperationState.ROLLED_BACK
    assert "physical network" in op.error["detail"]
    running.consistent()


@SOME_AND_ALL
def test_a_new_connection_that_fails_is_rolled_back(start: Start, most: int) -> None:
    fail_everywhere(
        start,
        most,
        lambda there: there.change(
            "dpi-0", "CHANGE_EXT_CONN", connect(network(there, "access").id, "mgmt", "10.10.0.77")
        ),
    )


NEWER = "5c6f2a4e-7a0b-4b8e-9d51-3f1d9f3b1cff"


def newer(running: Running, directory: Path, *changes: tuple[str, str]) -> str:
    """A second package of the dpi, with another descriptor identifier and version."""

    def change(text: str) -> str:
        found = text.split("descriptor_id: {type: string, default: ")[1].split("}")[0]
        text = text.replace(found, NEWER).replace("default: 1.0.0", "default: 2.0.0")
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        return text

    source = directory / "newer"
    source.mkdir()
    running.job.archives = {**running.job.archives, "dpi": newer_archive(source, change)}
    package = running.job.upload("dpi", DescriptorKind.VNF)
    assert package.failure is None, package.failure
    return str(package.id)


def newer_archive(directory: Path, change: Any) -> Path:
    archive = variant("dpi", directory, change)
    shutil.rmtree(directory / "dpi-source")
    return archive


def test_a_new_package_takes_over_one_vnfc_after_the_other(running: Running, tmp_path: Path) -> None:
    running.change("dpi-0", "OPERATE", BEGIN)
    package_id = newer(running, tmp_path)
    before = running.picture()
    op = running.change("dpi-0", "CHANGE_VNFPKG", {"vnfdId": NEWER})
    assert op.state is OperationState.COMPLETED, op.error
    vnf = running.vnf("dpi-0")
    assert (vnf.vnfd_id, vnf.package_id, vnf.software_version) == (NEWER, package_id, "2.0.0")
    assert running.picture()["reservations"] == before["reservations"]
    running.consistent()


def test_a_new_package_that_needs_more_gets_a_new_place(running: Running, tmp_path: Path) -> None:
    newer(running, tmp_path, ("num_virtual_cpu: 2", "num_virtual_cpu: 4"))
    op = running.change("dpi-0", "CHANGE_VNFPKG", {"vnfdId": NEWER})
    assert op.state is OperationState.COMPLETED, op.error
    (vnfc,) = running.vnf("dpi-0").vnfcs
    assert sum(len(cell["cpus"]) for cell in vnfc.placement["cells"]) == 4
    running.consistent()
    assert running.job.terminate(running.ns_id).state is OperationState.COMPLETED
    assert running.job.held() == {}


@SOME_AND_ALL
def test_a_package_change_that_fails_is_rolled_back(
    start: Start, tmp_path_factory: pytest.TempPathFactory, most: int
) -> None:
    def prepare(there: Running) -> None:
        newer(there, tmp_path_factory.mktemp("package"), ("num_virtual_cpu: 2", "num_virtual_cpu: 4"))

    fail_everywhere(start, most, lambda there: there.change("dpi-0", "CHANGE_VNFPKG", {"vnfdId": NEWER}), prepare)

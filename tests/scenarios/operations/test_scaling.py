"""Scale a VNF of a running service out and in: VNFCs, places, addresses and chains follow."""

from __future__ import annotations

import pytest

from mano.domain.lcm_op_occ import OperationState
from mano.errors import InvalidInput, NotFound
from tests.scenarios.operations.conftest import SOME_AND_ALL, Running, Start, fail_everywhere

OUT = {"type": "SCALE_OUT", "aspectId": "load"}
IN = {"type": "SCALE_IN", "aspectId": "load"}


def test_a_step_out_makes_a_vnfc_with_its_place_and_addresses(running: Running) -> None:
    op = running.change("dpi-0", "SCALE", OUT)
    assert op.state is OperationState.COMPLETED, op.error
    vnf = running.vnf("dpi-0")
    assert [(vnfc.vdu_id, vnfc.index) for vnfc in vnf.vnfcs] == [("dpi", 0), ("dpi", 1)]
    assert vnf.scale_levels == {"load": 1}
    new = {cp.cpd_id: cp for cp in vnf.vnfcs[1].connection_points}
    assert len(new["mgmt"].addresses) == 2
    running.consistent()


def test_a_vnfc_that_comes_gets_no_address_of_a_port_made_by_hand(running: Running) -> None:
    services, tenant = running.job.services, running.job.tenant
    networks = {each["name"]: each["id"] for each in services.logical_networks.networks(tenant)}
    (mgmt,) = (id for name, id in networks.items() if name.endswith("/mgmt"))
    free = "192.0.2.4"
    taken = {ip["ip_address"] for port in services.logical_networks.ports(tenant) for ip in port["fixed_ips"]}
    assert free not in taken
    wish = {"name": "probe", "description": "", "network_id": mgmt, "mac_address": None, "binding:host_id": "h1"}
    fixed = {"fixed_ips": [{"ip_address": free}], "device_id": "", "device_owner": ""}
    services.logical_networks.create_port(tenant, wish | fixed)
    op = running.change("dpi-0", "SCALE", OUT)
    assert op.state is OperationState.COMPLETED, op.error
    addresses = [ip["ip_address"] for port in services.logical_networks.ports(tenant) for ip in port["fixed_ips"]]
    assert len(addresses) == len(set(addresses)) > len(taken) + 1


def test_a_step_in_takes_the_last_one_away(running: Running) -> None:
    before = running.picture()
    running.change("dpi-0", "SCALE", OUT)
    op = running.change("dpi-0", "SCALE", IN)
    assert op.state is OperationState.COMPLETED, op.error
    assert running.picture() == before
    running.consistent()
    assert running.job.terminate(running.ns_id).state is OperationState.COMPLETED
    assert running.job.held() == {}


def test_a_service_that_grew_leaves_nothing(running: Running) -> None:
    running.change("dpi-0", "SCALE", {**OUT, "numberOfSteps": 2})
    running.change("firewall-0", "SCALE", OUT)
    running.consistent()
    assert running.job.terminate(running.ns_id).state is OperationState.COMPLETED
    assert running.job.held() == {}


def test_levels_are_reached_by_name_and_by_aspect(running: Running) -> None:
    op = running.change("dpi-0", "SCALE_TO_LEVEL", {"instantiationLevelId": "large"})
    assert op.state is OperationState.COMPLETED, op.error
    assert len(running.vnf("dpi-0").vnfcs) == 3
    assert running.vnf("dpi-0").scale_levels == {"load": 2}
    op = running.change("dpi-0", "SCALE_TO_LEVEL", {"scaleInfo": [{"aspectId": "load", "scaleToLevel": "1"}]})
    assert op.state is OperationState.COMPLETED, op.error
    assert len(running.vnf("dpi-0").vnfcs) == 2
    running.consistent()


@pytest.mark.parametrize(
    ("operation", "request_", "error", "words"),
    [
        ("SCALE", {**IN}, InvalidInput, "levels 0 to 3"),
        ("SCALE", {**OUT, "numberOfSteps": 4}, InvalidInput, "levels 0 to 3"),
        ("SCALE", {**OUT, "aspectId": "width"}, InvalidInput, "no scaling aspect 'width'"),
        ("SCALE_TO_LEVEL", {}, InvalidInput, "either instantiationLevelId or scaleInfo"),
        ("SCALE_TO_LEVEL", {"instantiationLevelId": "huge"}, InvalidInput, "no instantiation level 'huge'"),
        ("SCALE_TO_LEVEL", {"scaleInfo": [{"aspectId": "load"}]}, InvalidInput, "whole number"),
    ],
)
def test_what_the_vnfd_forbids_is_refused_at_once(running: Running, operation, request_, error, words) -> None:
    with pytest.raises(error, match=words):
        running.change("dpi-0", operation, request_)


def test_a_vnf_without_aspects_has_no_such_task(running: Running) -> None:
    with pytest.raises(NotFound, match="no scaling aspect"):
        running.change("nat-0", "SCALE", OUT)


@SOME_AND_ALL
def test_a_step_that_fails_is_rolled_back_to_what_was(start: Start, most: int) -> None:
    fail_everywhere(start, most, lambda there: there.change("dpi-0", "SCALE", OUT))


@SOME_AND_ALL
def test_a_step_in_that_fails_is_rolled_back_to_what_was(start: Start, most: int) -> None:
    fail_everywhere(
        start, most, lambda there: there.change("dpi-0", "SCALE", IN), lambda there: there.change("dpi-0", "SCALE", OUT)
    )


def functions_of(running: Running, chain: str) -> set[str]:
    found = {c["name"]: c for c in running.job.services.forwarding_graphs.list(running.job.tenant)}[chain]
    return {hop["sfName"] for path in found["paths"] for hop in path["hops"]}


def test_a_new_function_joins_its_chain_and_leaves_it_before_it_goes(running: Running) -> None:
    assert functions_of(running, "web") == {"firewall-0", "dpi-0"}
    running.change("dpi-0", "SCALE", OUT)
    assert functions_of(running, "web") == {"firewall-0", "dpi-0", "dpi-0/dpi/1"}
    assert functions_of(running, "other") == {"firewall-0"}
    running.change("firewall-0", "SCALE", OUT)
    assert functions_of(running, "other") == {"firewall-0", "firewall-0/firewall/1"}
    running.consistent()
    op = running.change("dpi-0", "SCALE", IN)
    assert op.state is OperationState.COMPLETED, op.error
    assert functions_of(running, "web") == {"firewall-0", "firewall-0/firewall/1", "dpi-0"}
    running.consistent()

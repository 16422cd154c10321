"""Virtual links inside a VNF: networks of its own that nobody else is on, with addresses that stay."""

from __future__ import annotations

from pathlib import Path

import pytest

from mano.api.sol003.vnf_instance import vnf_instance
from mano.domain.lcm_op_occ import OperationState
from mano.errors import InvalidInput
from mano.vnfm.resource_changes import resource_changes
from tests.scenarios.operations.conftest import Running, job_at, scalable, variant

INNER = """
    sync:
      type: tosca.nodes.nfv.VduCp
      properties: {layer_protocols: [ipv4], order: 2}
      requirements:
      - virtual_binding: dpi
      - virtual_link: inner

    inner:
      type: tosca.nodes.nfv.VnfVirtualLink
      properties:
        connectivity_type: {layer_protocols: [ipv4], flow_pattern: mesh}
        vl_profile:
          max_bitrate_requirements: {root: 1000000}
          min_bitrate_requirements: {root: 1000}
          virtual_link_protocol_data:
          - associated_layer_protocol: ipv4
            l3_protocol_data: {ip_version: ipv4, cidr: "192.168.7.0/24", gateway_ip: 192.168.7.1}

  policies:
"""

RATES = """
  - inner_rates:
      type: tosca.policies.nfv.VirtualLinkInstantiationLevels
      targets: [inner]
      properties:
        levels:
          default: {bitrate_requirements: {root: 400000, leaf: 200000}}
          large: {bitrate_requirements: {root: 1000000, leaf: 500000}}
  - inner_deltas:
      type: tosca.policies.nfv.VirtualLinkBitrateScalingAspectDeltas
      targets: [inner]
      properties:
        aspect: load
        deltas:
          one: {bitrate_requirements: {root: 300000, leaf: 100000}}
"""
"""400 kbit/s at the start, 300 more for each step; the third step would be beyond the link's profile."""


def with_link(text: str) -> str:
    """The dpi, scalable, with a link of its own and bit rates for it."""
    return scalable(text, "dpi").replace("\n  policies:\n", INNER, 1).rstrip("\n") + RATES


@pytest.fixture
def inner(archives: dict[str, Path], tmp_path: Path) -> Running:
    """The service whose dpi has a link of its own."""
    changed = variant("dpi", tmp_path, with_link)
    job = job_at(tmp_path / "server", {**archives, "dpi": changed})
    op = job.instantiate(job.ready())
    assert op.state is OperationState.COMPLETED, op.error
    return Running(job)


def inner_points(running: Running) -> dict[int, tuple[str, tuple[str, ...]]]:
    return {
        vnfc.index: (cp.network_id, cp.addresses)
        for vnfc in running.vnf("dpi-0").vnfcs
        for cp in vnfc.connection_points
        if cp.cpd_id == "sync"
    }


def test_vnfcs_of_a_vnf_share_a_network_that_is_theirs_alone(inner: Running) -> None:
    first = inner_points(inner)[0]
    assert first[1] == ("192.168.7.2/24",)
    op = inner.change("dpi-0", "SCALE", {"type": "SCALE_OUT", "aspectId": "load"})
    assert op.state is OperationState.COMPLETED, op.error
    points = inner_points(inner)
    assert points == {0: first, 1: (first[0], ("192.168.7.3/24",))}
    with inner.job.catena.store.open_unit(read_only=True) as uow:
        network = uow.networks.get(first[0])
    assert (network.vld_id, network.ns_instance_id) == ("inner", inner.vnf("dpi-0").id)
    assert network.vni
    inner.consistent()
    op = inner.change("dpi-0", "HEAL", {"additionalParams": {"catena": {"action": "recreate"}}})
    assert op.state is OperationState.COMPLETED, op.error
    assert inner_points(inner) == points
    inner.consistent()
    assert inner.job.terminate(inner.ns_id).state is OperationState.COMPLETED
    assert inner.job.held() == {}


def rates(running: Running) -> dict[int, tuple[int, int]]:
    """VNFC to what its port on the link may carry, as it is told and as the VIM has it."""
    return {
        vnfc.index: (cp.bit_rate_bps, running.job.vim.bit_rate_bps(cp.port_id))
        for vnfc in running.vnf("dpi-0").vnfcs
        for cp in vnfc.connection_points
        if cp.cpd_id == "sync"
    }


def both(*bit_rates_bps: int) -> dict[int, tuple[int, int]]:
    return {index: (rate, rate) for index, rate in enumerate(bit_rates_bps)}


def test_the_links_bit_rate_follows_the_size_while_vnfcs_go_on(inner: Running) -> None:
    assert rates(inner) == both(200_000)
    op = inner.change("dpi-0", "SCALE", {"type": "SCALE_OUT", "aspectId": "load"})
    assert op.state is OperationState.COMPLETED, op.error
    assert "rate:dpi/0" in [step.name for step in op.steps]
    assert "stop:dpi/0" not in [step.name for step in op.steps]
    assert rates(inner) == both(300_000, 300_000)
    changes = {one["changeType"]: one for one in resource_changes(op)["affectedVirtualLinks"]}
    assert changes.keys() == {"MODIFIED", "LINK_PORT_ADDED"}
    assert changes["MODIFIED"]["vnfVirtualLinkDescId"] == "inner"
    assert changes["MODIFIED"]["metadata"] == {"catena": {"bitRateBps": 300_000}}
    op = inner.change("dpi-0", "HEAL", {"additionalParams": {"catena": {"action": "recreate"}}})
    assert op.state is OperationState.COMPLETED, op.error
    assert rates(inner) == both(300_000, 300_000)
    op = inner.change("dpi-0", "SCALE_TO_LEVEL", {"instantiationLevelId": "large"})
    assert op.state is OperationState.COMPLETED, op.error
    assert rates(inner) == both(500_000, 500_000, 500_000)
    (shown,) = vnf_instance(inner.vnf("dpi-0"), "")["instantiatedVnfInfo"]["vnfVirtualLinkResourceInfo"]
    assert (shown["vnfVirtualLinkDescId"], len(shown["vnfLinkPorts"])) == ("inner", 3)
    assert shown["metadata"] == {"catena": {"bitRateBps": 500_000}}


def test_a_step_beyond_what_the_links_profile_allows_is_refused_at_once(inner: Running) -> None:
    with pytest.raises(InvalidInput, match=r"inner would have 1300000 bit/s; its vl_profile allows 1000 to 1000000"):
        inner.change("dpi-0", "SCALE", {"type": "SCALE_OUT", "aspectId": "load", "numberOfSteps": 3})


def test_a_rollback_brings_the_former_bit_rate_back(inner: Running) -> None:
    inner.fail_at("after compute.process")
    op = inner.change("dpi-0", "SCALE", {"type": "SCALE_OUT", "aspectId": "load"})
    assert op.state is OperationState.FAILED_TEMP
    assert rates(inner) == both(300_000)
    inner.fail_at()
    inner.job.services.vnf_lifecycle.rollback(op.id, inner.job.tenant)
    assert inner.job.operation(op.id).state is OperationState.ROLLED_BACK
    assert rates(inner) == both(200_000)
    inner.consistent()

"""Virtual links inside a VNF: networks of its own that nobody else is on, with addresses that stay."""

from __future__ import annotations

from pathlib import Path

import pytest

from mano.domain.lcm_op_occ import OperationState
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


@pytest.fixture
def inner(archives: dict[str, Path], tmp_path: Path) -> Running:
    """The service whose dpi has a link of its own."""
    changed = variant("dpi", tmp_path, lambda text: scalable(text, "dpi").replace("\n  policies:\n", INNER, 1))
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

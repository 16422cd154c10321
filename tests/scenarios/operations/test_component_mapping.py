"""A new package calls its components otherwise, and says which of the old ones they are (SOL001 clause 6.10)."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mano.domain.catalogue import DescriptorKind
from mano.domain.lcm_op_occ import OperationState
from mano.errors import Refused
from tests.scenarios.operations.conftest import Running, scalable, variant

OLDER = "5c6f2a4e-7a0b-4b8e-9d51-3f1d9f3b1c02"
NEWER = "5c6f2a4e-7a0b-4b8e-9d51-3f1d9f3b1cfd"

CHANGE = """  - from_first:
      type: tosca.policies.nfv.VnfPackageChange
      targets: [vnf]
      properties:
        selector: [{{source_descriptor_id: {source}, destination_descriptor_id: {newer}, source_flavour_id: simple}}]
        modification_qualifier: up
        destination_flavour_id: simple
        component_mappings:
        - {{component_type: vdu, source_id: dpi, destination_id: engine}}
        - {{component_type: scaling_aspect, source_id: load, destination_id: power}}
"""


def renamed(text: str, source: str) -> str:
    """The dpi's descriptor with its VDU called engine and its aspect power, and where they come from."""
    text = scalable(text, "dpi").replace("virtual_binding: dpi", "virtual_binding: engine")
    text = text.replace("    dpi:\n      type: tosca.nodes.nfv.Vdu", "    engine:\n      type: tosca.nodes.nfv.Vdu")
    text = text.replace("targets: [dpi]", "targets: [engine]").replace(OLDER, NEWER)
    text = text.replace("aspect: load", "aspect: power").replace("load: {name: load", "power: {name: power")
    text = text.replace("{load: {scale_level", "{power: {scale_level").replace("default: 1.0.0", "default: 2.0.0")
    return text + CHANGE.format(source=source, newer=NEWER)


def upload(running: Running, directory: Path, source: str = OLDER) -> None:
    archive = variant("dpi", directory, lambda text: renamed(text, source))
    shutil.rmtree(directory / "dpi-source")
    running.job.archives = {**running.job.archives, "dpi": archive}
    package = running.job.upload("dpi", DescriptorKind.VNF)
    assert package.failure is None, package.failure


def test_each_vnfc_becomes_the_one_that_stands_for_it(running: Running, tmp_path: Path) -> None:
    running.change("dpi-0", "SCALE", {"type": "SCALE_OUT", "aspectId": "load"})
    former = running.vnf("dpi-0").vnfcs
    upload(running, tmp_path)
    op = running.change("dpi-0", "CHANGE_VNFPKG", {"vnfdId": NEWER})
    assert op.state is OperationState.COMPLETED, op.error
    vnf = running.vnf("dpi-0")
    assert (vnf.vnfd_id, dict(vnf.scale_levels)) == (NEWER, {"power": 1})
    assert [(vnfc.id, vnfc.vdu_id, vnfc.index) for vnfc in vnf.vnfcs] == [
        (old.id, "engine", old.index) for old in former
    ]
    assert [[cp.addresses for cp in vnfc.connection_points] for vnfc in vnf.vnfcs] == [
        [cp.addresses for cp in old.connection_points] for old in former
    ]
    running.consistent()
    op = running.change("dpi-0", "SCALE", {"type": "SCALE_IN", "aspectId": "power"})
    assert op.state is OperationState.COMPLETED, op.error
    running.consistent()
    assert running.job.terminate(running.ns_id).state is OperationState.COMPLETED
    assert running.job.held() == {}


def test_a_change_that_is_declared_for_others_alone_is_refused(running: Running, tmp_path: Path) -> None:
    before = running.picture()
    upload(running, tmp_path, source=NEWER)
    with pytest.raises(Refused, match="no VnfPackageChange leads"):
        running.change("dpi-0", "CHANGE_VNFPKG", {"vnfdId": NEWER})
    assert running.picture() == before
    running.consistent()

"""A VNF changes to another deployment flavour of its descriptor, and back."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mano.domain.catalogue import DescriptorKind
from mano.domain.lcm_op_occ import OperationState
from mano.errors import InvalidInput
from tests.scenarios.main_job.conftest import SAMPLES
from tests.scenarios.operations.conftest import SOME_AND_ALL, Running, Start, fail_everywhere, scalable
from vnf_descriptors import build as build_package

NEWER = "5c6f2a4e-7a0b-4b8e-9d51-3f1d9f3b1cfe"
IMPORT = "imports:\n- https://forge.etsi.org/rep/nfv/SOL001/raw/v4.4.1/etsi_nfv_sol001_vnfd_types.yaml\n"
FLAVOURS = ("simple", "fast", "pair")

TOP = """tosca_definitions_version: tosca_simple_yaml_1_3
description: Recognises the names of web servers, in one of three flavours.
{imports}- types.yaml
{flavours}
topology_template:
  inputs:
    selected_flavour: {{type: string, default: simple}}
  node_templates:
    vnf:
      type: catena.nodes.Dpi
      properties:
        flavour_id: {{get_input: selected_flavour}}
"""


def flavours_archive(directory: Path) -> Path:
    """The dpi with three flavours: as it was, with more CPUs, and with two VNFCs. Each is a file of its own."""
    source, archive = directory / "source", directory / "flavours.csar"
    shutil.copytree(SAMPLES / "dpi", source)
    definitions = source / "Definitions"
    text = scalable((definitions / "dpi.yaml").read_text(encoding="utf-8"), "dpi")
    old_id = text.split("descriptor_id: {type: string, default: ")[1].split("}")[0]
    text = text.replace(old_id, NEWER)
    head, rest = text.split("node_types:\n")
    types, topology = rest.split("topology_template:\n")
    version, _, _ = head.partition("metadata:")
    version = version.partition("description:")[0]
    (definitions / "types.yaml").write_text(f"{version}{IMPORT}\nnode_types:\n{types}", encoding="utf-8")
    changes = {
        "simple": ("", ""),
        "fast": ("num_virtual_cpu: 2", "num_virtual_cpu: 4"),
        "pair": (
            "          default: {number_of_instances: 1}\n          large",
            "          default: {number_of_instances: 2}\n          large",
        ),
    }
    for name in FLAVOURS:
        old, new = changes[name]
        assert old in topology
        body = topology.replace(old, new) if old else topology
        body = body.replace("flavour_id: simple", f"flavour_id: {name}")
        template = f"{version}{IMPORT}- types.yaml\n\ntopology_template:\n{body}"
        (definitions / f"df_{name}.yaml").write_text(template, encoding="utf-8")
    top = TOP.format(imports=IMPORT, flavours="".join(f"- df_{name}.yaml\n" for name in FLAVOURS))
    (definitions / "dpi.yaml").write_text(top, encoding="utf-8")
    manifest = source / "dpi.mf"
    manifest.write_text(manifest.read_text(encoding="utf-8").replace(old_id, NEWER), encoding="utf-8")
    build_package(source, archive)
    return archive


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return flavours_archive(tmp_path_factory.mktemp("flavours"))


def take_flavours(running: Running, archive: Path) -> None:
    """The dpi runs from the package that has several flavours, in the one that it had."""
    running.job.archives = {**running.job.archives, "dpi": archive}
    package = running.job.upload("dpi", DescriptorKind.VNF)
    assert package.failure is None, package.failure
    op = running.change("dpi-0", "CHANGE_VNFPKG", {"vnfdId": NEWER})
    assert op.state is OperationState.COMPLETED, op.error
    assert running.vnf("dpi-0").flavour_id == "simple"


def cpus(running: Running) -> list[int]:
    return [sum(len(cell["cpus"]) for cell in vnfc.placement["cells"]) for vnfc in running.vnf("dpi-0").vnfcs]


def test_a_flavour_with_more_cpus_gets_a_place_that_has_them(running: Running, archive: Path) -> None:
    take_flavours(running, archive)
    before, former = running.picture(), running.vnf("dpi-0").vnfcs[0]
    assert cpus(running) == [2]
    op = running.change("dpi-0", "CHANGE_FLAVOUR", {"newFlavourId": "fast"})
    assert op.state is OperationState.COMPLETED, op.error
    (vnfc,) = running.vnf("dpi-0").vnfcs
    assert (running.vnf("dpi-0").flavour_id, cpus(running)) == ("fast", [4])
    assert vnfc.compute_id != former.compute_id
    assert [(cp.mac, cp.addresses) for cp in vnfc.connection_points] == [
        (cp.mac, cp.addresses) for cp in former.connection_points
    ]
    assert running.picture()["chains"] == before["chains"]
    running.consistent()
    op = running.change("dpi-0", "SCALE", {"type": "SCALE_OUT", "aspectId": "load"})
    assert op.state is OperationState.COMPLETED, op.error
    assert cpus(running) == [4, 4]
    op = running.change("dpi-0", "CHANGE_FLAVOUR", {"newFlavourId": "simple"})
    assert op.state is OperationState.COMPLETED, op.error
    assert cpus(running) == [2]
    running.consistent()
    assert running.job.terminate(running.ns_id).state is OperationState.COMPLETED
    assert running.job.held() == {}


def test_a_flavour_with_another_number_of_vnfcs_keeps_those_that_fit(running: Running, archive: Path) -> None:
    take_flavours(running, archive)
    first = running.vnf("dpi-0").vnfcs[0]
    op = running.change("dpi-0", "CHANGE_FLAVOUR", {"newFlavourId": "pair"})
    assert op.state is OperationState.COMPLETED, op.error
    assert next(vnfc.compute_id for vnfc in running.vnf("dpi-0").vnfcs) == first.compute_id
    assert cpus(running) == [2, 2]
    assert "dpi-0/dpi/1" in running.picture()["chains"]["web"]
    running.consistent()
    op = running.change("dpi-0", "CHANGE_FLAVOUR", {"newFlavourId": "fast", "instantiationLevelId": "large"})
    assert op.state is OperationState.COMPLETED, op.error
    assert cpus(running) == [4, 4, 4]
    running.consistent()


def test_its_own_and_unknown_flavours_are_refused(running: Running, archive: Path) -> None:
    take_flavours(running, archive)
    with pytest.raises(InvalidInput, match="already"):
        running.change("dpi-0", "CHANGE_FLAVOUR", {"newFlavourId": "simple"})
    with pytest.raises(InvalidInput, match="no flavour 'best'"):
        running.change("dpi-0", "CHANGE_FLAVOUR", {"newFlavourId": "best"})
    with pytest.raises(InvalidInput, match="no instantiation level"):
        running.change("dpi-0", "CHANGE_FLAVOUR", {"newFlavourId": "fast", "instantiationLevelId": "huge"})


@SOME_AND_ALL
def test_a_flavour_change_that_fails_is_rolled_back(start: Start, archive: Path, most: int) -> None:
    fail_everywhere(
        start,
        most,
        lambda there: there.change("dpi-0", "CHANGE_FLAVOUR", {"newFlavourId": "fast"}),
        lambda there: take_flavours(there, archive),
    )

"""Packages of containers: validated and read; what no machine hosts is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.vnf_descriptors.descriptor_support import (
    changed,
    check_files,
    check_text,
    codes,
    found,
    manifest_of,
    package_files,
)
from vnf_descriptors import Severity, Vnfd, load
from vnf_descriptors.model import VduKind

CNF = """\
tosca_definitions_version: tosca_simple_yaml_1_3
imports: [https://forge.etsi.org/rep/nfv/SOL001/raw/v4.4.1/etsi_nfv_sol001_vnfd_types.yaml]
topology_template:
  node_templates:
    vnf:
      type: tosca.nodes.nfv.VNF
      properties: {descriptor_id: b1bb0ce7-ebca-4fa7-95ed-4840d70a1177, descriptor_version: '1', provider: P,
        product_name: N, software_version: '1', vnfm_info: ['0:any'], flavour_id: cnf, flavour_description: ''}
    pod:
      type: tosca.nodes.nfv.Vdu.OsContainerDeployableUnit
      properties: {name: pod, description: '', vdu_profile: {min_number_of_instances: 1, max_number_of_instances: 3},
        mcio_identification_data: {name: pod, type: Deployment}}
      requirements:
      - container: app
    app:
      type: tosca.nodes.nfv.Vdu.OsContainer
      properties: {name: app, description: '', requested_cpu_resources: 1500, requested_memory_resources: 1 GiB}
      artifacts:
        image: {type: tosca.artifacts.nfv.SwImage, file: example/app, properties: {name: app, version: '1',
          container_format: docker}}
    helm:
      type: tosca.nodes.nfv.Mciop
      requirements:
      - associatedVdu: pod
      artifacts:
        chart: {type: tosca.artifacts.nfv.HelmChart, file: ../Files/chart-0.1.0.tgz}
"""
CHART = b"\x1f\x8b the chart is not looked into"


def container_package(text: str = CNF) -> dict[str, bytes]:
    """The files of a package with a Helm chart."""
    files = {name: data for name, data in package_files(text).items() if name not in ("vnf.mf", "install.sh")}
    files["Files/chart-0.1.0.tgz"] = CHART
    return {**files, "vnf.mf": manifest_of(files)}


def test_a_package_with_a_helm_chart_loads(tmp_path: Path) -> None:
    report = check_files(tmp_path, container_package())
    assert report.ok, report.to_text()
    model = load(tmp_path / "package.csar")
    assert isinstance(model, Vnfd)
    vdu = model.flavour("cnf").vdu("pod")
    assert (vdu.kind, vdu.cpu.vcpus, vdu.memory_mib) == (VduKind.OS_CONTAINER, 2, 1024)


def test_a_chart_that_is_not_there_is_missed(tmp_path: Path) -> None:
    files = container_package()
    del files["Files/chart-0.1.0.tgz"]
    assert {"TOSCA020", "MF005"} <= codes(check_files(tmp_path, files), errors_only=True)


@pytest.mark.parametrize(
    ("piece", "says"),
    [
        ("      requirements:\n      - container: app\n", "has no container"),
        ("      requirements:\n      - associatedVdu: pod\n", "is associated with no VDU"),
    ],
)
def test_a_part_that_stands_alone(tmp_path: Path, piece: str, says: str) -> None:
    (entry,) = found(check_text(tmp_path, changed(piece, "", CNF)), "VNFD018")
    assert says in entry.message and entry.severity is Severity.ERROR


# Descriptors that describe nothing much ---------------------------------------------------------------------


def test_a_flavour_without_a_vdu(tmp_path: Path) -> None:
    assert "VNFD003" in codes(check_text(tmp_path, CNF[: CNF.index("    pod:")]))


def test_a_vdu_that_says_nothing_of_itself(tmp_path: Path) -> None:
    silent = (
        "    quiet:\n      type: tosca.nodes.nfv.Vdu.Compute\n      properties: {name: q, description: q, "
        "vdu_profile: {min_number_of_instances: 1, max_number_of_instances: 1}}\n"
    )
    report = check_text(tmp_path, changed("    helm:\n", f"{silent}    helm:\n", CNF))
    assert report.ok and "VNFD021" in codes(report)


def test_an_entry_without_a_topology(tmp_path: Path) -> None:
    text = "tosca_definitions_version: tosca_simple_yaml_1_3\n"
    assert codes(check_text(tmp_path, text), errors_only=True) == {"TOSCA027"}


def test_types_that_are_imported_by_name_are_brought_along(tmp_path: Path) -> None:
    text = changed("https://forge.etsi.org/rep/nfv/SOL001/raw/v4.4.1/", "", CNF)
    report = check_text(tmp_path, text)
    assert report.ok and codes(report) == {"TOSCA026"}


def test_an_image_larger_than_it_says(tmp_path: Path) -> None:
    before = 'name: worker, version: "2.1", container_format: bare, '
    files = {
        **package_files(changed(before, f"{before}size: 1 B, ")),
        "Files/worker.qcow2": b"more than one octet",
    }
    del files["vnf.mf"]
    (entry,) = found(check_files(tmp_path, {**files, "vnf.mf": manifest_of(files)}), "VNFD012")
    assert "size says 1" in entry.message


def test_two_flavours_of_one_name(tmp_path: Path) -> None:
    files = container_package(changed("imports: [", "imports: [other.yaml, ", CNF))
    files["Definitions/other.yaml"] = CNF.encode()
    del files["vnf.mf"]
    report = check_files(tmp_path, {**files, "vnf.mf": manifest_of(files)})
    assert "VNFD013" in codes(report, errors_only=True)

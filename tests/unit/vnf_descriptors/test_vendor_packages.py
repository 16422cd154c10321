"""Packages in the shapes that vendors give them load, with every fact in the model."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.vnf_descriptors.descriptor_support import archive, codes, write
from tests.unit.vnf_descriptors.vendor_packages import (
    CONTAINERS,
    EDITIONS,
    EVERYTHING,
    TEXTS,
    csar_of,
    flavoured,
    package_of,
    vnfd_of,
)
from vnf_descriptors import Nsd, Pnfd, Severity, Vnfd, load, load_with_report, open_package, validate
from vnf_descriptors.model import CpuPolicy, VnicType


def vnfd_in(tmp_path: Path, data: bytes) -> Vnfd:
    """The model of a package of which nothing is worth a warning."""
    loaded = load_with_report(write(tmp_path / "p.csar", data))
    assert {entry.severity for entry in loaded.report} <= {Severity.INFO}, loaded.report.to_text()
    assert isinstance(loaded.descriptor, Vnfd)
    return loaded.descriptor


@pytest.mark.parametrize("in_artifact", [False, True])
@pytest.mark.parametrize("edition", EDITIONS)
def test_every_edition_says_the_same(tmp_path: Path, edition: str, in_artifact: bool) -> None:
    numbers = tuple(int(part) for part in edition.split("."))
    if (in_artifact and numbers < (2, 7)) or (not in_artifact and numbers >= (3, 6)):
        return  # the edition has no such way to describe an image
    model = vnfd_in(tmp_path, csar_of(vnfd_of(edition, in_artifact)))
    assert (model.product_name, model.sol001_edition, model.vnfm_info) == ("vRouter", edition, ("etsivnfm:v2.3.1",))
    flavour = model.flavour("small")
    vdu = flavour.vdu("VDU1")
    assert (vdu.cpu.vcpus, vdu.cpu.policy, vdu.memory_mib, vdu.numa_enabled) == (4, CpuPolicy.DEDICATED, 7813, True)
    assert vdu.storage_gib == 10 + 28 and [each.id for each in vdu.storages] == ["data"]
    assert vdu.sw_image is not None and vdu.sw_image.path == "Files/images/vrouter.qcow2"
    assert (vdu.sw_image.name, vdu.sw_image.size_bytes, vdu.sw_image.disk_format) == ("vrouter", 10**9, "qcow2")
    assert vdu.sw_image.checksum is not None and vdu.sw_image.checksum.algorithm == "sha-256"
    assert [each.name for each in vdu.monitoring_parameters] == ["load"]
    assert [(cp.id, cp.order, cp.vnic_type) for cp in flavour.cps_of("VDU1")] == [
        ("eth0", 0, VnicType.NORMAL),
        ("eth1", 1, VnicType.DIRECT_PHYSICAL),
    ]
    assert flavour.ext_cp("ingress").vdu_cp_id == "eth0" and flavour.vdu_cp("eth1").virtual_link_id == "inner"
    (link,) = flavour.virtual_links
    assert link.qos is not None and link.qos.latency_us == 5000 and link.max_bitrate is not None
    assert flavour.instances() == {"VDU1": 1} and flavour.instances("l2") == {"VDU1": 4}
    assert flavour.instances_at({"routers": 2}) == {"VDU1": 3}
    assert [(script.operation, script.path) for script in flavour.lcm_scripts] == [("terminate_end", "Scripts/end.sh")]
    assert [(rule.scope, rule.members) for rule in flavour.affinity_rules] == [("nfvi_node", ("VDU1",))]


def test_a_selector_with_a_file_for_each_flavour(tmp_path: Path) -> None:
    top, files = flavoured("2.6.1")
    model = vnfd_in(tmp_path, csar_of(top, files))
    assert [flavour.id for flavour in model.flavours] == ["small", "large"]
    assert [flavour.vdu("VDU1").cpu.vcpus for flavour in model.flavours] == [4, 8]
    assert [flavour.description for flavour in model.flavours] == ["A small one", "A large one"]


@pytest.mark.parametrize("layout", ["root", "directory", "outer names"])
def test_where_files_may_lie(tmp_path: Path, layout: str) -> None:
    files = package_of(vnfd_of("3.7.1", True))
    if layout == "root":
        text = (
            files.pop("Definitions/MainServiceTemplate.yaml").replace(b"../Files", b"Files").replace(b"../Scr", b"Scr")
        )
        files = {"vrouter.yaml": text, "ChangeLog.txt": b"", **{n: d for n, d in files.items() if n[0] in "FS"}}
    elif layout == "outer names":
        meta = files["TOSCA-Metadata/TOSCA.meta"].replace(b"ETSI-Entry-Licenses", b"Other-Definitions")
        files["TOSCA-Metadata/TOSCA.meta"] = meta
        del files["MainServiceTemplate.mf"]
    path = write(tmp_path / "p.csar", archive(files))
    if layout == "directory":
        path = tmp_path / "tree"
        for name, data in files.items():
            write(path / name, data)
    assert isinstance(load(path), Vnfd) if layout != "outer names" else "CSAR004" in codes(validate(path))


def test_everything_a_virtual_machine_vnf_may_have(tmp_path: Path) -> None:
    flavour = vnfd_in(tmp_path, csar_of(EVERYTHING)).flavour()
    vdu = flavour.vdu("engine")
    assert (vdu.cpu.vcpus, vdu.cpu.policy, vdu.cpu.clock_mhz) == (8, CpuPolicy.DEDICATED, 2600)
    assert (vdu.memory_mib, vdu.page_size_kib) == (16384, 1048576)
    assert [(each.id, each.kind, each.size_gib) for each in vdu.storages] == [
        ("disk", "block", 40),
        ("bucket", "object", 100),
        ("share", "file", 10),
    ]
    (capability,) = vdu.requested_capabilities
    assert (capability.name, capability.mandatory) == ("crypto", True)
    assert capability.parameters == {"throughput": "10"}
    assert dict(vdu.nfvi_constraints) == {"rack": "r1"}
    trunk, sub = flavour.vdu_cp("trunk"), flavour.vdu_cp("sub")
    assert trunk.trunk and sub.vdu_id == "engine" and trunk.bitrate_bps == 10**10
    assert flavour.ext_cp("outside").virtual_link_id == "inner"
    (vip,) = flavour.vip_cps
    assert set(vip.vdu_cp_ids) == {"trunk"}
    link = flavour.virtual_links[0]
    assert link.l2 is not None and link.l2.mtu == 9000 and [each.cidr for each in link.l3] == ["10.1.0.0/24"]
    assert flavour.initial_link_bitrates["inner"].root_bps == 10**6
    (aspect,) = flavour.scaling_aspects
    assert aspect.link_deltas["inner"]["one"].root_bps == 5 * 10**5
    assert flavour.instantiation_levels[0].link_bitrates["inner"].root_bps == 10**6
    (rule,) = flavour.security_group_rules
    assert (rule.direction, rule.first_port, rule.last_port) == ("ingress", 80, 443)
    assert [(each.id, each.source) for each in flavour.indicators] == [("load", "em")]
    (change,) = flavour.package_changes
    assert change.modification == "up" and change.mappings[0].kind == "vdu"
    assert [each.name for each in flavour.supported_interfaces] == ["vnf_indicator"]
    assert {rule.scope for rule in flavour.affinity_rules} == {"nfvi_node", "zone"}


def test_everything_a_vnf_of_containers_may_have(tmp_path: Path) -> None:
    model = vnfd_in(tmp_path, csar_of(CONTAINERS, {"Files/chart-1.0.tgz": b"chart"}))
    pod = model.flavour().vdu("pod")
    assert [container.id for container in pod.containers] == ["app", "sidecar"]
    app = pod.containers[0]
    assert (app.cpu_milli, app.cpu_limit_milli, app.memory_mib, app.pinned) == (1500, 2000, 1024, True)
    assert app.huge_pages_mib == {"2048": 512} and app.extended_resources == {"vendor.com/gpu": 1}
    assert app.ephemeral_storage_gib == 2 and [image.name for image in app.sw_images] == ["app"]
    assert (pod.cpu.vcpus, pod.memory_mib, pod.max_instances) == (2, 1280, 5)
    (mciop,) = model.flavour().mciops
    assert mciop.vdu_ids == ("pod",) and mciop.charts == ("Files/chart-1.0.tgz",)
    assert {image.name for image in model.sw_images} == {"app", "sidecar"}


def test_a_network_service_of_many_parts() -> None:
    loaded = load_with_report(TEXTS / "service.yaml")
    assert loaded.report.to_text() == ""
    model = loaded.descriptor
    assert isinstance(model, Nsd)
    flavour = model.flavours[0]
    assert [profile.id for profile in flavour.vnf_profiles] == ["fw", "nat"]
    assert [profile.id for profile in flavour.nested_ns_profiles] == ["core"]
    assert [profile.id for profile in flavour.pnf_profiles] == ["olt"]
    assert {sap.id for sap in flavour.saps} == {"north", "south"}
    (graph,) = flavour.vnffgs
    (path,) = graph.nfps
    assert len(path.positions) == 2 and path.rules[0].protocol == "tcp"


def test_a_pnf() -> None:
    loaded = load_with_report(TEXTS / "pnf.yaml")
    assert codes(loaded.report) == {"TOSCA024"}
    model = loaded.descriptor
    assert isinstance(model, Pnfd) and model.name == "OLT" and [cp.id for cp in model.ext_cps] == ["uplink"]


def test_the_parts_can_be_read(tmp_path: Path) -> None:
    with open_package(write(tmp_path / "p.csar", csar_of(vnfd_of("3.7.1", True)))) as package:
        assert package.security_option == 1 and package.signing_certificate == ""

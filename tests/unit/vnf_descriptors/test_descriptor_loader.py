from __future__ import annotations

import json
from pathlib import Path

import pytest

import vnf_descriptors
from tests.unit.vnf_descriptors.descriptor_support import (
    SAMPLES,
    VNFD,
    archive,
    changed,
    check_text,
    codes,
    package_files,
    write,
)
from vnf_descriptors import Nsd, Vnfd, from_json, to_json
from vnf_descriptors.model import (
    AffinityKind,
    CpuPolicy,
    NumaAffinity,
    PageSizeClass,
    SfEncapsulation,
    SfLayer,
    ThreadPolicy,
    VduKind,
    VnicType,
)


def vnfd(tmp_path: Path, text: str = VNFD) -> Vnfd:
    loaded = vnf_descriptors.load(write(tmp_path / "vnfd.yaml", text.encode()))
    assert isinstance(loaded, Vnfd)
    return loaded


def test_a_rich_vnfd_has_no_findings_and_every_fact(tmp_path: Path) -> None:
    assert check_text(tmp_path, VNFD).to_text() == ""
    model = vnfd(tmp_path)
    assert (model.provider, model.product_name, model.version, model.software_version) == (
        "Example",
        "Balancer",
        "1.0",
        "2.1",
    )
    flavour = model.flavour("simple")
    balancer = flavour.vdu("lb")
    assert balancer.cpu.vcpus == 4
    assert balancer.cpu.policy is CpuPolicy.DEDICATED
    assert balancer.cpu.thread_policy is ThreadPolicy.ISOLATE
    assert balancer.cpu.clock_mhz == 2400
    assert (balancer.memory_mib, balancer.page_size_kib, balancer.numa_nodes) == (4096, 1048576, 2)
    assert balancer.requires == {"disk": "ssd", "gpu": "none"}
    assert balancer.storage_gib == 10 + 19  # 20 GB are 18.6 GiB
    assert balancer.storages[0].size_gib == 19
    assert balancer.nfvi_constraints == {"site": "north"}
    assert balancer.sw_image is not None
    assert balancer.sw_image.uri == "Files/lb.qcow2"
    assert (balancer.sw_image.size_bytes, balancer.sw_image.min_ram_bytes) == (2_000_000_000, 1024**3)
    worker = flavour.vdu("worker")
    assert (worker.cpu.policy, worker.page_size_kib, worker.initial_instances) == (CpuPolicy.SHARED, None, 2)
    assert worker.boot_data is not None and worker.boot_data.kvp == {"mode": "worker"}


def test_interfaces_links_levels_and_rules(tmp_path: Path) -> None:
    flavour = vnfd(tmp_path).flavour()
    front = flavour.vdu_cp("front")
    assert (front.vnic_type, front.physnet, front.vfs) == (VnicType.DIRECT, "dc1", 2)
    assert (front.numa_affinity, front.traits) == (NumaAffinity.SOCKET, ("trusted", "fast"))
    assert (front.bitrate_bps, front.bandwidth_mbps) == (1500000001, 1501)
    assert flavour.ext_cp("virtual_link").vdu_cp_id == "front"
    assert [cp.id for cp in flavour.ext_cps] == ["front"]
    assert flavour.vdu_cp("back").virtual_link_id == "inner"
    (link,) = flavour.virtual_links
    assert link.l3[0].cidr == "192.168.7.0/24" and link.l3[0].gateway_ip == "192.168.7.1"
    assert (link.l3[0].pools[0].first, link.l3[0].pools[0].last) == ("192.168.7.10", "192.168.7.99")
    assert link.qos is not None and (link.qos.latency_us, link.qos.jitter_us, link.qos.loss_ratio) == (2000, 500, 0.01)
    assert link.max_bitrate is not None and link.max_bitrate.leaf_bps == 500000
    assert flavour.instances() == {"lb": 1, "worker": 2}
    assert flavour.instances("big") == {"lb": 1, "worker": 5}
    assert flavour.instances_at({"out": 3}) == {"lb": 1, "worker": 7}  # 2 + first + more + more
    (rule,) = flavour.affinity_rules
    assert (rule.kind, rule.scope, rule.members) == (AffinityKind.ANTI_AFFINITY, "nfvi_node", ("lb", "worker"))


def test_a_level_without_numbers_takes_those_of_its_scale_levels(tmp_path: Path) -> None:
    begin = VNFD.index("  - worker_levels:")
    text = VNFD[:begin] + VNFD[VNFD.index("  - apart:") :]
    assert vnfd(tmp_path, text).flavour().instances("big") == {"lb": 1, "worker": 5}  # 2 + first + more


def test_numa_enabled_and_huge_pages_mean_what_they_say(tmp_path: Path) -> None:
    old = "virtual_memory: {virtual_mem_size: 2048 MiB}"
    pages = "huge_pages_requirements: [{hugepage_size: 2 MiB, requested_size: 2 GiB}]"
    new = f"virtual_memory: {{virtual_mem_size: 2048 MiB, numa_enabled: true, {pages}}}"
    worker = vnfd(tmp_path, changed(old, new)).flavour().vdu("worker")
    assert (worker.numa_enabled, worker.page_size_kib, worker.memory_mib) == (True, 2048, 2048)


@pytest.mark.parametrize(
    ("size", "page", "mib"),
    [("2048 MiB", "small", 2048), ("2 GB", "small", 1908), ("2 GB", "1048576", 2048), ("512 MB", "2048", 490)],
)
def test_memory_in_powers_of_1000_is_rounded_up_to_pages(tmp_path: Path, size: str, page: str, mib: int) -> None:
    old = "virtual_memory: {virtual_mem_size: 2048 MiB}"
    new = f'virtual_memory: {{virtual_mem_size: {size}, vdu_mem_requirements: {{"hw:mem_page_size": {page!r}}}}}'
    assert vnfd(tmp_path, changed(old, new)).flavour().vdu("worker").memory_mib == mib


def test_static_pinning_dedicates_cpus(tmp_path: Path) -> None:
    old = "virtual_cpu: {num_virtual_cpu: 2}"
    new = "virtual_cpu: {num_virtual_cpu: 2, virtual_cpu_pinning: {virtual_cpu_pinning_policy: static}}"
    assert vnfd(tmp_path, changed(old, new)).flavour().vdu("worker").cpu.policy is CpuPolicy.DEDICATED


def test_cells_and_mixed_cpus_in_our_own_keys(tmp_path: Path) -> None:
    cells = '[{"vcpus": [0], "memoryMib": 1024}, {"vcpus": [1], "memoryMib": 1024}]'
    keys = {
        "catena:cpuPolicy": "mixed",
        "catena:dedicatedVcpus": "1",
        "catena:pageSizeKib": "large",
        "catena:numaNodes": cells,
        "catena:storageGib": "7",
        "catena:emulatorThreads": "share",
    }
    new = f"virtual_cpu: {{num_virtual_cpu: 2, vdu_cpu_requirements: {json.dumps(keys)}}}"
    worker = vnfd(tmp_path, changed("virtual_cpu: {num_virtual_cpu: 2}", new)).flavour().vdu("worker")
    assert (worker.cpu.policy, worker.cpu.dedicated_vcpus) == (CpuPolicy.MIXED, (1,))
    assert worker.page_size_kib is PageSizeClass.LARGE
    assert [(cell.vcpus, cell.memory_mib) for cell in worker.numa_cells] == [((0,), 1024), ((1,), 1024)]
    assert worker.storage_gib == 7


def test_nova_describes_cells_and_excludes_vcpus(tmp_path: Path) -> None:
    keys = {
        "hw:cpu_policy": "mixed",
        "hw:cpu_dedicated_mask": "^0",
        "hw:numa_nodes": "2",
        "hw:numa_cpus.0": "0",
        "hw:numa_mem.0": "512",
        "hw:numa_cpus.1": "1",
        "hw:numa_mem.1": "1536",
    }
    new = f"virtual_cpu: {{num_virtual_cpu: 2, vdu_cpu_requirements: {json.dumps(keys)}}}"
    worker = vnfd(tmp_path, changed("virtual_cpu: {num_virtual_cpu: 2}", new)).flavour().vdu("worker")
    assert worker.cpu.dedicated_vcpus == (1,)
    assert [cell.memory_mib for cell in worker.numa_cells] == [512, 1536]


@pytest.mark.parametrize("name", ["firewall", "dpi", "nat", "gi-lan"])
def test_the_samples_are_without_findings_and_survive_json(name: str) -> None:
    assert vnf_descriptors.validate(SAMPLES / name).to_text() == ""
    model = vnf_descriptors.load(SAMPLES / name)
    assert from_json(json.loads(json.dumps(to_json(model)))) == model


def test_the_samples_say_what_their_functions_are() -> None:
    nat = vnf_descriptors.load(SAMPLES / "nat")
    dpi = vnf_descriptors.load(SAMPLES / "dpi")
    assert isinstance(nat, Vnfd) and isinstance(dpi, Vnfd)
    inside, outside = nat.flavour().vdu_cp("inside"), nat.flavour().vdu_cp("outside")
    assert inside.sf is not None and inside.sf.rewrites_5tuple and inside.sf.layer is SfLayer.L3
    assert inside.fixed_addresses == ("10.10.0.1",)
    assert (outside.vnic_type, outside.physnet, outside.sf) == (VnicType.DIRECT, "dc1", None)
    sfc = dpi.flavour().vdu_cp("sfc").sf
    assert sfc is not None and sfc.encapsulation is SfEncapsulation.NSH
    vdu = nat.flavour().vdu("nat")
    assert (vdu.cpu.vcpus, vdu.cpu.policy, vdu.page_size_kib) == (2, CpuPolicy.DEDICATED, 2048)


def test_the_sample_service_chains_its_functions() -> None:
    nsd = vnf_descriptors.load(SAMPLES / "gi-lan")
    assert isinstance(nsd, Nsd)
    flavour = nsd.flavour("simple")
    (graph,) = flavour.vnffgs
    web, other = graph.nfps
    assert web.symmetric and other.symmetric
    path = [(p.elements[0].ingress.constituent_id, p.elements[0].egress.cp) for p in web.positions]
    assert path == [
        ("subscribers", "subscribers"),
        ("firewall", "virtual_link_out"),
        ("dpi", "virtual_link_sfc"),
        ("nat", "virtual_link_inside"),
    ]
    assert [(rule.destination_ports.first if rule.destination_ports else None) for rule in web.rules] == [80, 443]
    assert web.rules[0].priority == 200 and other.rules[0].priority == 100
    assert flavour.virtual_link("public").physical_network == "dc1"
    assert flavour.virtual_link("access").l3[0].gateway_ip == "10.10.0.1"
    assert flavour.virtual_link("access").physical_network is None
    assert {sap.id: sap.virtual_link_id for sap in flavour.saps} == {"subscribers": "access", "internet": "public"}
    assert flavour.affinity_rules[0].members == ("firewall", "dpi", "nat")
    for profile in flavour.vnf_profiles:
        vnf = vnf_descriptors.load(SAMPLES / profile.id)
        assert isinstance(vnf, Vnfd) and vnf.descriptor_id == profile.vnfd_id
        for connection in profile.connections:
            assert vnf.flavour(profile.flavour_id).ext_cp(connection.requirement).vdu_cp_id is not None


def test_a_package_of_several_flavours(tmp_path: Path) -> None:
    top = """\
tosca_definitions_version: tosca_simple_yaml_1_2
imports: [etsi_nfv_sol001_vnfd_types.yaml, types.yaml, df_small.yaml, df_big.yaml]
topology_template:
  inputs:
    selected_flavour: {type: string}
  node_templates:
    VNF:
      type: company.VNF
      properties: {flavour_id: {get_input: selected_flavour}, provider: Company}
"""
    types = """\
tosca_definitions_version: tosca_simple_yaml_1_2
imports: [etsi_nfv_sol001_vnfd_types.yaml]
node_types:
  company.VNF:
    derived_from: tosca.nodes.nfv.VNF
    properties:
      descriptor_id: {type: string, default: b1bb0ce7-ebca-4fa7-95ed-4840d70a1177}
      descriptor_version: {type: string, default: '1.0'}
      provider: {type: string}
      product_name: {type: string, default: Sample}
      software_version: {type: string, default: '1.0'}
      vnfm_info: {type: list, entry_schema: {type: string}, default: ["etsivnfm:v2.3.1"]}
      flavour_id: {type: string, constraints: [valid_values: [small, big]], default: small}
      flavour_description: {type: string, default: ""}
"""

    def flavour(name: str, cpus: int) -> str:
        return f"""\
tosca_definitions_version: tosca_simple_yaml_1_2
imports: [etsi_nfv_sol001_vnfd_types.yaml, types.yaml]
topology_template:
  substitution_mappings:
    node_type: company.VNF
    properties: {{flavour_id: {name}}}
    requirements: {{virtual_link: []}}
  node_templates:
    VNF:
      type: company.VNF
      properties: {{flavour_description: A {name} one}}
      interfaces: {{Vnflcm: {{instantiate: [], terminate: []}}}}
    VDU1:
      type: tosca.nodes.nfv.Vdu.Compute
      properties:
        name: VDU1
        description: compute
        nfvi_constraints: [zone1]
        boot_order: [disk]
        vdu_profile: {{min_number_of_instances: 1, max_number_of_instances: 1}}
        sw_image_data:
          name: image
          version: '1'
          checksum: {{algorithm: sha-256, hash: {"0" * 64}}}
          container_format: bare
          disk_format: qcow2
          min_disk: 1 GB
          size: 1 GB
      capabilities:
        virtual_compute:
          properties:
            virtual_memory: {{virtual_mem_size: 512 MiB}}
            virtual_cpu: {{num_virtual_cpu: {cpus}}}
"""

    write(tmp_path / "types.yaml", types.encode())
    write(tmp_path / "df_small.yaml", flavour("small", 1).encode())
    write(tmp_path / "df_big.yaml", flavour("big", 8).encode())
    model = vnf_descriptors.load(write(tmp_path / "top.yaml", top.encode()))
    assert isinstance(model, Vnfd)
    assert [each.id for each in model.flavours] == ["small", "big"]
    assert model.flavour("big").vdu("VDU1").cpu.vcpus == 8
    assert model.flavour("big").description == "A big one"
    assert (model.provider, model.sol001_edition) == ("Company", "2.6.1")


def test_what_else_a_vnfd_says(tmp_path: Path) -> None:
    old = "        vdu_profile: {min_number_of_instances: 2, max_number_of_instances: 9}\n"
    text = changed(
        old,
        old + "        monitoring_parameters: {cpu: {name: cpu, performance_metric: v_cpu_usage_mean, "
        "collection_period: 5 s}}\n",
    )
    text = changed(
        "virtual_memory: {virtual_mem_size: 2048 MiB}",
        """virtual_memory: {virtual_mem_size: 2048 MiB}
            requested_additional_capabilities:
              fast: {requested_additional_capability_name: dpdk, support_mandatory: true,
                     target_performance_parameters: {pps: "1000"}}""",
        text,
    )
    text = changed(
        "    vnf:\n      type: example.Balancer\n",
        """    vip:
      type: tosca.nodes.nfv.VipCp
      properties: {layer_protocols: [ipv4], vip_function: load_balance}
      requirements: [target: back, target: work, virtual_link: inner]
    vnf:
      type: example.Balancer
      properties:
        configurable_properties: {is_autoscale_enabled: true}
        lcm_operations_configuration:
          scale: {scaling_by_more_than_one_step_supported: true}
          terminate: {min_graceful_termination_timeout: 3 s}
""",
        text,
    )
    text += """\
  - allow:
      type: tosca.policies.nfv.SecurityGroupRule
      targets: [front]
      properties: {port_range_min: 80, port_range_max: 81}
  - api:
      type: tosca.policies.nfv.SupportedVnfInterface
      targets: [front]
      properties: {interface_name: vnf_indicator}
  - load:
      type: tosca.policies.nfv.VnfIndicator
      targets: [vnf]
      properties: {source: vnf}
  - rates:
      type: tosca.policies.nfv.VirtualLinkInstantiationLevels
      targets: [inner]
      properties: {levels: {small: {bitrate_requirements: {root: 5}}, big: {bitrate_requirements: {root: 9, leaf: 8}}}}
  - upgrade:
      type: tosca.policies.nfv.VnfPackageChange
      targets: [vnf]
      properties:
        selector: [{source_descriptor_id: a, destination_descriptor_id: b, source_flavour_id: simple}]
        modification_qualifier: up
        destination_flavour_id: simple
        component_mappings: [{component_type: vdu, source_id: old, destination_id: worker}]
"""
    report = check_text(tmp_path, text)
    assert report.to_text() == ""
    model = vnfd(tmp_path, text)
    assert from_json(json.loads(json.dumps(to_json(model)))) == model
    flavour = model.flavour()
    (metric,) = flavour.vdu("worker").monitoring_parameters
    assert (metric.metric, metric.period_ms) == ("v_cpu_usage_mean", 5000)
    (capability,) = flavour.vdu("worker").requested_capabilities
    assert (capability.name, capability.mandatory) == ("dpdk", True) and capability.parameters == {"pps": "1000"}
    assert flavour.vip_cps[0].vdu_cp_ids == ("back", "work") and flavour.vip_cps[0].virtual_link_id == "inner"
    rule = flavour.security_group_rules[0]
    assert (rule.direction, rule.protocol, rule.first_port, rule.last_port) == ("ingress", "tcp", 80, 81)
    assert (flavour.supported_interfaces[0].name, flavour.indicators[0].source) == ("vnf_indicator", "vnf")
    assert flavour.package_changes[0].mappings[0].destination_id == "worker"
    level = flavour.level("big")
    assert level is not None and level.link_bitrates["inner"].leaf_bps == 8
    assert model.lcm_configuration is not None and model.lcm_configuration.min_graceful_termination_ms == 3000
    assert model.configurable is not None and model.configurable.autoscale is True


def test_a_container_workload_is_modelled_as_such(tmp_path: Path) -> None:
    text = """\
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
"""
    vdu = vnfd(tmp_path, text).flavour("cnf").vdu("pod")
    assert (vdu.kind, vdu.cpu.vcpus, vdu.memory_mib, vdu.max_instances) == (VduKind.OS_CONTAINER, 2, 1024, 3)


def test_a_pnfd_loads(tmp_path: Path) -> None:
    text = """\
tosca_definitions_version: tosca_simple_yaml_1_3
imports: [etsi_nfv_sol001_pnfd_types.yaml]
topology_template:
  substitution_mappings:
    node_type: tosca.nodes.nfv.PNF
    requirements: {virtual_link: [wan, external_virtual_link]}
  node_templates:
    pnf:
      type: tosca.nodes.nfv.PNF
      properties: {descriptor_id: b1bb0ce7-ebca-4fa7-95ed-4840d70a1177, function_description: Routes., provider: P,
        version: '1', descriptor_invariant_id: b1bb0ce7-ebca-4fa7-95ed-4840d70a1178, name: Router}
    wan:
      type: tosca.nodes.nfv.PnfExtCp
      properties: {layer_protocols: [ipv4]}
"""
    model = vnf_descriptors.load(write(tmp_path / "pnfd.yaml", text.encode()))
    assert isinstance(model, vnf_descriptors.Pnfd)
    assert (model.name, model.ext_cps[0].id, model.ext_cps[0].requirement) == ("Router", "wan", "virtual_link")


def test_what_tosca_parser_chokes_on_loads(tmp_path: Path) -> None:
    """Bounded qos, notifications, null sections, open external connection points, port ranges, text without quotes."""
    text = changed("          instantiate: {implementation: install.sh}\n", "          instantiate:\n")
    text = changed("      requirements:\n      - virtual_storage: disk\n", "      requirements:\n", text)
    text = changed(
        'software_version: {type: string, default: "2.1"}', "software_version: {type: string, default: 2.10}", text
    )
    report = check_text(tmp_path, text)
    assert report.ok and not codes(report) & {"TOSCA022", "TOSCA023"}
    assert vnfd(tmp_path, text).software_version == "2.10"


def test_load_raises_with_the_report(tmp_path: Path) -> None:
    path = write(tmp_path / "bad.yaml", changed("num_virtual_cpu: 4", "num_virtual_cpu: many").encode())
    with pytest.raises(vnf_descriptors.DescriptorError) as caught:
        vnf_descriptors.load(path)
    assert codes(caught.value.report, errors_only=True) == {"TOSCA011"}
    assert "expected an integer" in str(caught.value)


def test_an_archive_a_directory_and_a_file_give_the_same_model(tmp_path: Path) -> None:
    files = package_files()
    for name in ("Files/lb.qcow2", "Files/worker.qcow2"):
        write(tmp_path / name, files[name])
    bare = vnfd(tmp_path)
    packed = write(tmp_path / "p.csar", archive(files))
    for name, data in files.items():
        write(tmp_path / "tree" / name, data)
    assert vnf_descriptors.load(packed).flavours[0].vdus == bare.flavours[0].vdus
    assert vnf_descriptors.load(tmp_path / "tree") == vnf_descriptors.load(packed)


def test_a_missing_path_is_a_finding(tmp_path: Path) -> None:
    report = vnf_descriptors.validate(tmp_path / "nothing.csar")
    assert codes(report) == {"ZIP001"} and not report.ok

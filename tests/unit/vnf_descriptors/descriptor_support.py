"""What the tests of descriptors share: one rich VNFD, packages in memory, and ways to break them."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

import vnf_descriptors
from vnf_descriptors import Finding, Report

SAMPLES = Path(vnf_descriptors.__file__).parent / "samples"

#: A VNFD with most of what SOL001 offers: two VDUs, storage, an internal link, scaling, levels, rules, a script.
VNFD = """\
tosca_definitions_version: tosca_simple_yaml_1_3
description: A load balancer with workers.
imports:
- https://forge.etsi.org/rep/nfv/SOL001/raw/v4.4.1/etsi_nfv_sol001_vnfd_types.yaml
node_types:
  example.Balancer:
    derived_from: tosca.nodes.nfv.VNF
    properties:
      descriptor_id: {type: string, default: 7f2b0c1e-3d4a-4c5b-8e6f-0a1b2c3d4e5f}
      descriptor_version: {type: string, default: "1.0"}
      provider: {type: string, default: Example}
      product_name: {type: string, default: Balancer}
      software_version: {type: string, default: "2.1"}
      vnfm_info: {type: list, entry_schema: {type: string}, default: ["etsivnfm:v3.7.1"]}
      flavour_id: {type: string, default: simple}
      flavour_description: {type: string, default: One size}
topology_template:
  inputs:
    site: {type: string, default: north}
  substitution_mappings:
    node_type: example.Balancer
    properties: {flavour_id: simple}
    requirements:
      virtual_link: [front, virtual_link]
  node_templates:
    vnf:
      type: example.Balancer
      interfaces:
        Vnflcm:
          instantiate: {implementation: install.sh}
    lb:
      type: tosca.nodes.nfv.Vdu.Compute
      properties:
        name: lb
        description: Spreads the load.
        vdu_profile: {min_number_of_instances: 1, max_number_of_instances: 2}
        nfvi_constraints: {site: {get_input: site}}
      capabilities:
        virtual_compute:
          properties:
            virtual_cpu:
              num_virtual_cpu: 4
              virtual_cpu_clock: 2.4 GHz
              vdu_cpu_requirements: {"hw:cpu_policy": dedicated, "hw:cpu_thread_policy": isolate}
            virtual_memory:
              virtual_mem_size: 4 GiB
              vdu_mem_requirements: {"hw:numa_nodes": "2", "hw:mem_page_size": "1048576"}
            compute_requirements: {"catena:requires": "disk=ssd,gpu=none"}
            virtual_local_storage:
            - size_of_storage: 10 GiB
      requirements:
      - virtual_storage: disk
      artifacts:
        image: {type: tosca.artifacts.nfv.SwImage, file: "Files/lb.qcow2", properties: {
          name: lb, version: "2.1", container_format: bare, disk_format: qcow2,
          checksum: {algorithm: sha-256, hash: 6439fa1fc5ec98551799c8ff5472d289fa86bcf36fc7d55e751c34ba298ed0df},
          min_ram: 1 GiB, size: 2 GB}}
    worker:
      type: tosca.nodes.nfv.Vdu.Compute
      properties:
        name: worker
        description: Does the work.
        vdu_profile: {min_number_of_instances: 2, max_number_of_instances: 9}
        boot_data: {kvp_data: {data: {mode: worker}}}
      capabilities:
        virtual_compute:
          properties:
            virtual_cpu: {num_virtual_cpu: 2}
            virtual_memory: {virtual_mem_size: 2048 MiB}
      artifacts:
        image: {type: tosca.artifacts.nfv.SwImage, file: "Files/worker.qcow2", properties: {
          name: worker, version: "2.1", container_format: bare, disk_format: qcow2,
          checksum: {algorithm: sha-256, hash: 959fdf256c0e312379bf14d4ad4153d1fc4d822e459b81caf723290161a59d23}}}
    disk:
      type: tosca.nodes.nfv.Vdu.VirtualBlockStorage
      properties:
        virtual_block_storage_data: {size_of_storage: 20 GB}
    front:
      type: tosca.nodes.nfv.VduCp
      properties:
        layer_protocols: [ipv4]
        order: 0
        vnic_type: direct
        bitrate_requirement: 1500000001
        virtual_network_interface_requirements:
        - network_interface_requirements: {"catena:physnet": dc1, "catena:vfs": "2"}
        - network_interface_requirements: {"hw:pci_numa_affinity_policy": socket, "catena:traits": "trusted,fast"}
      requirements:
      - virtual_binding: lb
    back:
      type: tosca.nodes.nfv.VduCp
      properties: {layer_protocols: [ipv4], order: 1}
      requirements:
      - virtual_binding: lb
      - virtual_link: inner
    work:
      type: tosca.nodes.nfv.VduCp
      properties: {layer_protocols: [ipv4]}
      requirements:
      - virtual_binding: worker
      - virtual_link: inner
    inner:
      type: tosca.nodes.nfv.VnfVirtualLink
      properties:
        connectivity_type: {layer_protocols: [ipv4], flow_pattern: mesh}
        vl_profile:
          max_bitrate_requirements: {root: 1000000, leaf: 500000}
          min_bitrate_requirements: {root: 1000, leaf: 1000}
          qos: {latency: 2 ms, packet_delay_variation: 500 us, packet_loss_ratio: 0.01}
          virtual_link_protocol_data:
          - associated_layer_protocol: ipv4
            l3_protocol_data:
              ip_version: ipv4
              cidr: 192.168.7.0/24
              gateway_ip: 192.168.7.1
              ip_allocation_pools:
              - {start_ip_address: 192.168.7.10, end_ip_address: 192.168.7.99}
  groups:
    all:
      type: tosca.groups.nfv.PlacementGroup
      properties: {description: Everything.}
      members: [lb, worker]
  policies:
  - aspects:
      type: tosca.policies.nfv.ScalingAspects
      properties:
        aspects:
          out: {name: out, description: More workers, max_scale_level: 3, step_deltas: [first, more, more]}
  - worker_deltas:
      type: tosca.policies.nfv.VduScalingAspectDeltas
      targets: [worker]
      properties:
        aspect: out
        deltas: {first: {number_of_instances: 1}, more: {number_of_instances: 2}}
  - worker_initial:
      type: tosca.policies.nfv.VduInitialDelta
      targets: [worker]
      properties: {initial_delta: {number_of_instances: 2}}
  - levels:
      type: tosca.policies.nfv.InstantiationLevels
      properties:
        levels:
          small: {description: Small, scale_info: {out: {scale_level: 0}}}
          big: {description: Big, scale_info: {out: {scale_level: 2}}}
        default_level: small
  - worker_levels:
      type: tosca.policies.nfv.VduInstantiationLevels
      targets: [worker]
      properties:
        levels: {small: {number_of_instances: 2}, big: {number_of_instances: 5}}
  - apart:
      type: tosca.policies.nfv.AntiAffinityRule
      targets: [all]
      properties: {scope: nfvi_node}
"""

META = """\
TOSCA-Meta-File-Version: 1.0
CSAR-Version: 1.1
Created-By: Example
Entry-Definitions: Definitions/vnfd.yaml
ETSI-Entry-Manifest: vnf.mf
ETSI-Entry-Change-Log: ChangeLog.txt
"""

METADATA = """\
metadata:
  vnf_product_name: Balancer
  vnf_provider_id: Example
  vnf_package_version: 1.0
  vnf_release_date_time: 2026-01-01T00:00:00Z
"""


def manifest_of(files: dict[str, bytes], metadata: str = METADATA) -> bytes:
    """A manifest with the SHA-256 digest of each file."""
    groups = [
        f"\nSource: {name}\nAlgorithm: SHA-256\nHash: {hashlib.sha256(data).hexdigest()}\n"
        for name, data in sorted(files.items())
    ]
    return (metadata + "".join(groups)).encode()


def package_files(vnfd: str = VNFD) -> dict[str, bytes]:
    """The files of a package around a VNFD, its manifest included."""
    files = {
        "TOSCA-Metadata/TOSCA.meta": META.encode(),
        "Definitions/vnfd.yaml": vnfd.encode(),
        "ChangeLog.txt": b"1.0: first\n",
        "install.sh": b"#!/bin/sh\n",
        "Files/lb.qcow2": b"image of lb\n",
        "Files/worker.qcow2": b"image of worker\n",
    }
    return {**files, "vnf.mf": manifest_of(files)}


def archive(files: dict[str, bytes]) -> bytes:
    """A ZIP archive of the files."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as out:
        for name, data in files.items():
            out.writestr(name, data)
    return stream.getvalue()


def write(path: Path, data: bytes) -> Path:
    """Write a file and give its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def check_text(tmp_path: Path, text: str) -> Report:
    """The report on a bare YAML file."""
    return vnf_descriptors.validate(write(tmp_path / "vnfd.yaml", text.encode()))


def check_files(tmp_path: Path, files: dict[str, bytes]) -> Report:
    """The report on a package."""
    return vnf_descriptors.validate(write(tmp_path / "package.csar", archive(files)))


def changed(old: str, new: str, text: str = VNFD) -> str:
    """The text with one piece replaced, which must occur exactly once."""
    assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times"
    return text.replace(old, new)


def line_of(piece: str, text: str) -> int:
    """The line on which a piece of text stands."""
    assert piece in text
    return text[: text.index(piece)].count("\n") + 1


def found(report: Report, code: str) -> list[Finding]:
    """The findings with a code."""
    return [entry for entry in report if entry.code == code]


def codes(report: Report, errors_only: bool = False) -> set[str]:
    """The codes in a report."""
    return {entry.code for entry in (report.errors if errors_only else report)}

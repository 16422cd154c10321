"""Descriptors in the shapes that vendors give them: every edition, several flavours, containers, services, PNFs."""

from __future__ import annotations

from pathlib import Path

from tests.unit.vnf_descriptors.descriptor_support import METADATA, archive, manifest_of

#: The longer texts.
TEXTS = Path(__file__).parent / "vendor"
FORGE = "https://forge.etsi.org/rep/nfv/SOL001/raw"

#: The image of a VDU as the editions have it.
_SW_IMAGE_DATA = """\
        sw_image_data:
          name: vrouter
          version: '7.2'
          checksum: @checksum@
          container_format: bare
          disk_format: qcow2
          min_disk: 2 GB
          size: 1 GB
"""
_BARE_IMAGE = "{type: tosca.artifacts.nfv.SwImage, file: ../Files/images/vrouter.qcow2}"
_IMAGE = """\
{type: tosca.artifacts.nfv.SwImage, file: ../Files/images/vrouter.qcow2, properties: {
          name: vrouter, version: '7.2', checksum: @checksum@, container_format: bare, disk_format: qcow2,
          min_disk: 2 GB, size: 1 GB}}"""

#: Edition -> how it writes what changed from one to the next.
EDITIONS = ("2.5.1", "2.6.1", "2.7.1", "2.8.1", "3.3.1", "3.5.1", "3.6.1", "3.7.1", "4.2.1", "4.3.1", "4.4.1", "5.1.1")
_IMAGE_OCTETS = b"image"
_IMAGE_DIGEST = "6105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d"
CHECKSUM = f"{{algorithm: sha-256, hash: {_IMAGE_DIGEST}}}"


def vnfd_of(edition: str, in_artifact: bool, imports: str = "") -> str:
    """A VNFD as this edition writes it; `in_artifact` puts what describes the image into the artifact."""
    numbers = tuple(int(part) for part in edition.split("."))
    old = numbers < (2, 7)
    version = "tosca_simple_yaml_1_2" if numbers < (3,) else "tosca_simple_yaml_1_3"
    checksum = _IMAGE_DIGEST if numbers < (2, 6) else CHECKSUM
    pieces = {
        "boot_order": "[data]" if old else "true",
        "nfvi_constraints": "[rack-1]" if old else "{rack: rack-1}",
        "monitoring": (
            "[{name: load, performance_metric: v_cpu_usage_mean_vnf}]"
            if numbers < (3, 6)
            else "{load: {name: load, performance_metric: v_cpu_usage_mean_vnf}}"
        ),
        "sw_image_data": "" if in_artifact else _SW_IMAGE_DATA,
        "image": _IMAGE if in_artifact else _BARE_IMAGE,
    }
    text = f"tosca_definitions_version: {version}\n"
    source = imports or f"{FORGE}/v{edition}/etsi_nfv_sol001_vnfd_types.yaml"
    text += f"imports:\n- {source}\n" + (TEXTS / "vrouter.yaml").read_text()
    for name, piece in pieces.items():
        text = text.replace(f"@{name}@", piece)
    return text.replace("@checksum@", checksum)


def package_of(vnfd: str, more: dict[str, bytes] | None = None) -> dict[str, bytes]:
    """The files of a package as onboarding tools write them: CRLF in the manifest, digests in capitals."""
    files = {
        "TOSCA-Metadata/TOSCA.meta": (
            b"TOSCA-Meta-File-Version: 1.0\r\nCSAR-Version: 1.1\r\nCreated-By: Vendor\r\n"
            b"Entry-Definitions: Definitions/MainServiceTemplate.yaml\r\n"
            b"ETSI-Entry-Manifest: MainServiceTemplate.mf\r\n"
            b"Entry-Change-Log: Artifacts/ChangeLog.txt\r\nEntry-Tests: Artifacts/Tests\r\n"
            b"ETSI-Entry-Licenses: Artifacts/Licenses\r\n"
        ),
        "Definitions/MainServiceTemplate.yaml": vnfd.encode(),
        "Artifacts/ChangeLog.txt": b"1.0",
        "Artifacts/Tests/readme": b"none",
        "Artifacts/Licenses/license": b"none",
        "Files/images/vrouter.qcow2": _IMAGE_OCTETS,
        "Scripts/end.sh": b"#!/bin/sh\n",
        **(more or {}),
    }
    metadata = METADATA.replace("Balancer", "vRouter").replace("Example", "Vendor")
    listing = manifest_of(files, metadata).decode().replace("\n", "\r\n")
    words = [
        line if not line.startswith("Hash:") else line.upper().replace("HASH", "Hash") for line in listing.split("\r\n")
    ]
    return {**files, "MainServiceTemplate.mf": "\r\n".join(words).encode()}


def csar_of(vnfd: str, more: dict[str, bytes] | None = None) -> bytes:
    """That package as an archive."""
    return archive(package_of(vnfd, more))


def flavoured(edition: str) -> tuple[str, dict[str, bytes]]:
    """A top file that selects among flavours, each with a file of its own, as the standard's examples have it."""
    small = vnfd_of(edition, False)
    kinds, topology = small[small.index("node_types:") : small.index("topology_template:")], small
    large = topology.replace("flavour_id: small}\n    req", "flavour_id: large}\n    req")
    large = large.replace("A small one", "A large one").replace("default: 4}", "default: 8}")
    head = small[: small.index("imports:")]
    top = (
        f"{head}imports: [vrouter_types.yaml, df_small.yaml, df_large.yaml]\n"
        "topology_template:\n"
        "  inputs:\n    selected_flavour: {type: string, description: Which of them}\n"
        "  node_templates:\n"
        "    VNF:\n      type: vendor.vRouter\n      properties:\n"
        "        flavour_id: {get_input: selected_flavour}\n        provider: Vendor\n"
    )
    types = f"{head}imports: [etsi_nfv_sol001_vnfd_types.yaml]\n{kinds}"

    def of(text: str) -> bytes:
        body = text[: text.index("imports:")] + "imports: [etsi_nfv_sol001_vnfd_types.yaml, vrouter_types.yaml]\n"
        return (body + text[text.index("topology_template:") :]).encode()

    files = {"vrouter_types": types.encode(), "df_small": of(small), "df_large": of(large)}
    return top, {f"Definitions/{name}.yaml": data for name, data in files.items()}


#: Every kind of node and policy of a VNF of virtual machines.
EVERYTHING = (TEXTS / "everything.yaml").read_text().replace("@checksum@", CHECKSUM)
#: A VNF of containers with its chart.
CONTAINERS = (TEXTS / "containers.yaml").read_text()

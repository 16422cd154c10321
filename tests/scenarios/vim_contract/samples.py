"""Software images, hosts and specifications that the contract's scenarios are played with."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mano.domain.nfvi import Host, Nic, NumaNode
from mano.domain.ns_instance import NetworkKind
from mano.ports.vim import Attachment, ComputeInterface, ComputeSpec, NetworkSpec, PortSpec

PCI = "0000:3b:00.0"
PHYSNET = "dc1"

SERVES = b"""#!/bin/sh
trap 'exit 0' TERM
touch /vnf/ready
while :; do sleep 5 & wait $!; done
"""
DIES = b"""#!/bin/sh
echo the licence has run out
exit 3
"""
NEVER_READY = b"""#!/bin/sh
echo waiting for godot
sleep 600
"""


@dataclass(frozen=True, slots=True)
class Image:
    """A software image as the package store keeps it."""

    path: Path
    checksum: str


def member(name: str, content: bytes = b"", mode: int = 0o755, kind: bytes = tarfile.REGTYPE, link: str = "") -> tuple:
    """One member of an archive, whatever it is."""
    info = tarfile.TarInfo(name)
    info.mode, info.size, info.type, info.linkname = mode, len(content), kind, link
    return info, content


def build_image(directory: Path, members: Sequence[tuple], name: str = "image.tar") -> Image:
    """Write an archive of exactly these members."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz" if name.endswith("gz") else "w") as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    path = directory / name
    path.write_bytes(buffer.getvalue())
    return Image(path, hashlib.sha256(buffer.getvalue()).hexdigest())


def host(name: str) -> Host:
    """Two cores with two threads each, of which this machine may have fewer, and one NIC with four VFs."""
    node = NumaNode(id=0, cores=((0, 2), (1, 3)), memory_mib=4096, hugepages={2048: 256})
    nic = Nic(name="ens1f0", pci=PCI, numa_node=0, physnet=PHYSNET, link_mbps=10_000, total_vfs=4)
    return Host(name=name, numa_nodes=(node,), shared_cpus=frozenset({2}), nics=(nic,))


OVERLAY = NetworkSpec("net-overlay", NetworkKind.OVERLAY, 1500)
PROVIDER = NetworkSpec("net-provider", NetworkKind.PROVIDER, 1500, PHYSNET)
NETWORKS = (OVERLAY, PROVIDER)

SUBSCRIBER = Attachment("sub", host="h1")
INTERNET = Attachment("inet", physical_network=PHYSNET)


def inside(host: str = "h1", **changes: Any) -> PortSpec:
    """A vNIC on the host's integration bridge."""
    facts = {"id": "port-inside", "mac": "02:10:00:00:00:01", "addresses": ("10.10.0.1/24", "fd00::1/64")}
    return PortSpec(**{**facts, "host": host, "network": OVERLAY, "mtu": 1500, **changes})


def outside(host: str = "h1", **changes: Any) -> PortSpec:
    """A VF."""
    facts = {"id": "port-outside", "mac": "02:10:00:00:00:02", "addresses": ("198.51.100.2/24",), "pci": PCI, "vf": 1}
    return PortSpec(**{**facts, "host": host, "network": PROVIDER, "mtu": 1500, "vnic_type": "direct", **changes})


def subscriber_port(**changes: Any) -> PortSpec:
    """A SAP beside host h1."""
    facts = {"id": "port-sub", "mac": "02:10:00:00:00:03", "addresses": ("10.10.0.2/24",), "gateway": "10.10.0.1"}
    return PortSpec(**{**facts, "host": "h1", "network": OVERLAY, "mtu": 1500, "attachment": "sub", **changes})


def internet_port(**changes: Any) -> PortSpec:
    """A SAP on the physical network, outside all hosts."""
    facts = {"id": "port-inet", "mac": "02:10:00:00:00:04", "addresses": ("198.51.100.1/24",)}
    return PortSpec(**{**facts, "host": "", "network": PROVIDER, "mtu": 1500, "attachment": "inet", **changes})


PLACEMENT = {
    "host": "h1",
    "cells": [{"node": 0, "cpus": [1, 3], "memoryMib": 128, "pageSizeKib": 2048}],
    "vcpuPins": {"0": 1, "1": 3},
    "emulatorCpus": [],
}


def compute(image: Image, ports: Sequence[PortSpec] = (), **changes: Any) -> ComputeSpec:
    """A VNFC with these ports, in their order."""
    names = ("inside", "outside", "third")
    facts = {
        "id": "compute-nat",
        "name": "nat/0",
        "host": "h1",
        "image_path": str(image.path),
        "image_checksum": image.checksum,
        "placement": PLACEMENT,
        "memory_mib": 128,
        "interfaces": tuple(ComputeInterface(name, port) for name, port in zip(names, ports, strict=False)),
        "user_data": {"prefixes": ["10.10.0.0/24"]},
    }
    return ComputeSpec(**{**facts, **changes})

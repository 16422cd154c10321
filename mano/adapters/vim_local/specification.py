"""What the local VIM can do at all, decided from specifications alone. Pure: the simulated VIM uses it too."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from ipaddress import ip_address, ip_interface
from typing import Any

from mano.adapters.vim_local.lab import UNDERLAY_MTU, check_identifier, check_name, oam_ip, underlay_ip
from mano.domain.nfvi import Host
from mano.domain.ns_instance import NetworkKind
from mano.errors import InvalidInput, NotFound
from mano.ports.vim import Attachment, ComputeSpec, NetworkSpec, PortSpec

ON_BRIDGE = frozenset({"normal", "virtio-forwarder"})
EMULATED_VF = frozenset({"direct", "macvtap", "direct-physical"})

TUNNEL_OVERHEAD = 50
"""Octets of outer IPv4, UDP, VXLAN-GPE and the inner Ethernet header (RFC 7348 section 4.3)."""

MEMORY_MIN_MIB = 32
BIT_RATE_MAX_BPS = 10**12


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What the VIM keeps of a host; ``vfs`` maps a NIC's PCI address to (physical network, number of VFs)."""

    name: str
    number: int
    vfs: Mapping[str, tuple[str, int]]
    cpus: tuple[int, ...]
    shared_cpus: tuple[int, ...]
    page_sizes_kib: tuple[int, ...]

    @classmethod
    def of(cls, host: Host, number: int) -> HostFacts:
        """``number``, from 1, gives the host its addresses."""
        return cls(
            name=check_name("host", host.name),
            number=number,
            vfs={nic.pci: (nic.physnet or "", nic.total_vfs) for nic in host.nics},
            cpus=tuple(sorted(cpu for node in host.numa_nodes for cpu in node.cpus())),
            shared_cpus=tuple(sorted(host.shared_cpus)),
            page_sizes_kib=tuple(sorted({size for node in host.numa_nodes for size in node.hugepages})),
        )

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> HostFacts:
        return cls(
            name=str(record["name"]),
            number=int(record["number"]),
            vfs={pci: (str(physnet), int(count)) for pci, (physnet, count) in record["vfs"].items()},
            cpus=tuple(record["cpus"]),
            shared_cpus=tuple(record["shared_cpus"]),
            page_sizes_kib=tuple(record["page_sizes_kib"]),
        )

    def to_record(self) -> dict[str, Any]:
        """JSON values."""
        record: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return record

    @property
    def underlay_ip(self) -> str:
        return underlay_ip(self.number)

    @property
    def oam_ip(self) -> str:
        return oam_ip(self.number)


def check_network(network: NetworkSpec) -> None:
    """Raises :class:`~mano.errors.InvalidInput` for a network that cannot exist here."""
    check_identifier("network", network.id)
    provider = network.kind is NetworkKind.PROVIDER
    limit = UNDERLAY_MTU if provider else UNDERLAY_MTU - TUNNEL_OVERHEAD
    if not 68 <= network.mtu <= limit:
        raise InvalidInput(f"network {network.id}: MTU {network.mtu} is not in 68..{limit}, what the underlay carries")
    if provider is not bool(network.physical_network):
        raise InvalidInput(f"network {network.id}: provider networks, and only they, name a physical network")
    if provider:
        check_identifier("physical network", network.physical_network)


def check_port(port: PortSpec) -> None:
    """Raises :class:`~mano.errors.InvalidInput` for a port that cannot exist on any host."""
    for kind, text in (("port", port.id), ("network", port.network.id)):
        check_identifier(kind, text)
    if port.host or not port.attachment:
        check_name("host", port.host)
    if port.vnic_type not in ON_BRIDGE | EMULATED_VF:
        raise InvalidInput(
            f"port {port.id}: the local VIM has no vNIC type {port.vnic_type!r:.40}",
            hint=f"one of {', '.join(sorted(ON_BRIDGE | EMULATED_VF))}",
        )
    if not 68 <= port.mtu <= UNDERLAY_MTU:
        raise InvalidInput(f"port {port.id}: MTU {port.mtu} is not in 68..{UNDERLAY_MTU}, what the underlay carries")
    if not 0 <= port.bit_rate_bps <= BIT_RATE_MAX_BPS:
        raise InvalidInput(f"port {port.id}: a bit rate of {port.bit_rate_bps} bit/s is not in 0..{BIT_RATE_MAX_BPS}")
    provider = port.network.kind is NetworkKind.PROVIDER
    if (port.vnic_type in EMULATED_VF) is not provider and not (provider and port.attachment):
        raise InvalidInput(
            f"port {port.id}: vNIC type {port.vnic_type} cannot join network {port.network.id}, "
            f"which is of kind {port.network.kind.value}",
            hint="VFs join provider networks, and vNICs of type normal join overlay networks",
        )
    _check_addresses(port)


def _check_addresses(port: PortSpec) -> None:
    octets = port.mac.split(":")
    if len(octets) != 6 or not all(len(octet) == 2 and _is_hexadecimal(octet) for octet in octets):
        raise InvalidInput(f"port {port.id}: {port.mac!r:.40} is no MAC address", hint="such as 02:10:00:00:00:01")
    try:
        for address in port.addresses:
            ip_interface(address)
        if port.gateway:
            ip_address(port.gateway)
    except ValueError as error:
        raise InvalidInput(f"port {port.id}: {str(error)[:100]}", hint="addresses are such as 10.10.0.2/24") from None


def _is_hexadecimal(text: str) -> bool:
    return all(character in "0123456789abcdefABCDEF" for character in text)


def check_vf(port: PortSpec, host: HostFacts) -> None:
    """Raises where the host has no such NIC, VF or physical network behind it."""
    if port.pci not in host.vfs:
        known = ", ".join(sorted(host.vfs)) or "none"
        raise NotFound(f"host {host.name} has no NIC {port.pci!r:.40}", hint=f"it has {known}")
    physical_network, count = host.vfs[port.pci]
    if physical_network != port.network.physical_network:
        raise InvalidInput(
            f"NIC {port.pci} of {host.name} is on physical network {physical_network or 'none'}, "
            f"network {port.network.id} on {port.network.physical_network}"
        )
    if port.vf is not None and not 0 <= port.vf < count:
        raise InvalidInput(f"NIC {port.pci} of {host.name} has {count} VFs, counted from 0: there is no VF {port.vf}")


def check_place(port: PortSpec, attachment: Attachment) -> None:
    """Raises :class:`~mano.errors.InvalidInput` where the port cannot reach its attachment."""
    provider = port.network.kind is NetworkKind.PROVIDER
    place = attachment.physical_network if provider else attachment.host
    wanted = port.network.physical_network if provider else port.host
    if place != wanted:
        where = attachment.host or attachment.physical_network
        raise InvalidInput(f"attachment {attachment.name} is at {where}, port {port.id} has to end at {wanted}")


def check_compute(compute: ComputeSpec) -> None:
    """Raises :class:`~mano.errors.InvalidInput` for a VNFC that cannot run on any host."""
    check_identifier("VNFC", compute.id)
    if not 0 < len(compute.name) <= 255 or not compute.name.isprintable():
        raise InvalidInput(f"the VNFC name {compute.name!r:.80} must be 1 to 255 printable characters")
    if compute.memory_mib < MEMORY_MIN_MIB:
        raise InvalidInput(
            f"VNFC {compute.name} asks for {compute.memory_mib} MiB of memory",
            hint=f"the local VIM gives {MEMORY_MIN_MIB} MiB at least",
        )
    for interface in compute.interfaces:
        if interface.port.host != compute.host:
            raise InvalidInput(f"port {interface.port.id} is on {interface.port.host}, its VNFC on {compute.host}")
        if interface.port.attachment:
            raise InvalidInput(f"port {interface.port.id} ends at an attachment: no VNFC can take it")


def digest(compute: ComputeSpec) -> str:
    """Of everything whose change makes it another VNFC; the place where its image lies makes none."""
    document = asdict(compute)
    del document["image_path"]
    for interface in document["interfaces"]:
        del interface["port"]["bit_rate_bps"]  # changes while it runs
    return hashlib.sha256(json.dumps(document, sort_keys=True, default=str).encode()).hexdigest()

"""Vi-Vnfm and Or-Vi: what a VIM driver does.

Every ``ensure_*`` and ``remove_*`` observes first, acts only where the world differs, and is keyed by our own
identifier: calling it twice, or again after a crash in its middle, ends in the same state. A driver raises
:class:`~mano.errors.Unreachable` for a host that does not answer, :class:`~mano.errors.DeadlineExceeded` for one that
is too slow and :class:`~mano.errors.InvalidInput` for a specification that it can never satisfy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from mano.domain.nfvi import Host
from mano.domain.ns_instance import NetworkKind
from mano.domain.vnf_instance import Realisation

MEND_HINT = "add the host again, which mends it: mano host add INVENTORY"
"""What a driver says of a host that only :meth:`VimDriver.ensure_host` makes whole again."""


@dataclass(frozen=True, slots=True)
class HostStatus:
    """What the VIM sees of a host.

    ``dataplane`` is ``None`` until the integration bridge answers. ``realisations`` maps a resource (``cpus``,
    ``hugepages``, ``sriov``, ``memory``) to how true it is here, ``notes`` to a sentence on why.
    """

    name: str
    reachable: bool
    detail: str = ""
    dataplane: Dataplane | None = None
    realisations: Mapping[str, Realisation] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Dataplane:
    """The host as a service function forwarder: its bridge's fixed ports and underlay address."""

    bridge: str
    underlay_ip: str
    underlay_mtu: int
    tunnel_ofport: int
    oam_ofport: int
    oam_mac: str
    oam_ip: str
    datapath: str
    lacks: tuple[str, ...] = ()
    """What its datapath cannot do (:class:`sfc.limits.Feature`)."""


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """One L2 network. Overlay networks need nothing but their ports; provider networks need their switch."""

    id: str
    kind: NetworkKind
    mtu: int
    physical_network: str = ""
    segment: int = 0


@dataclass(frozen=True, slots=True)
class Attachment:
    """A place outside the NS where a SAP can end: beside one host's integration bridge, or on a physical network."""

    name: str
    host: str = ""
    physical_network: str = ""

    def __post_init__(self) -> None:
        if bool(self.host) == bool(self.physical_network):
            raise ValueError(f"attachment {self.name} needs a host or a physical network, and not both")


@dataclass(frozen=True, slots=True)
class PortSpec:
    """One port of a network on a host.

    ``vnic_type`` is SOL001's value; a ``direct`` port names the PF's ``pci`` address and the ``vf`` (from 0).
    ``addresses`` are interface addresses (``10.10.0.2/24``). ``attachment`` names the place outside where a SAP's
    other end goes; without it a compute takes the port. ``mtu`` in octets of the L3 packet. ``bit_rate_bps`` is what
    may pass it in each direction, in bit/s; 0 sets no limit.
    """

    id: str
    host: str
    network: NetworkSpec
    mac: str
    addresses: tuple[str, ...]
    mtu: int
    vnic_type: str = "normal"
    pci: str = ""
    vf: int | None = None
    attachment: str = ""
    gateway: str = ""
    bit_rate_bps: int = 0


@dataclass(frozen=True, slots=True)
class PortStatus:
    """A port as it is: ``ofport`` is ``None`` where it bypasses the integration bridge."""

    id: str
    host: str
    interface: str
    ofport: int | None
    realisation: Realisation
    note: str = ""


@dataclass(frozen=True, slots=True)
class ComputeInterface:
    """How a port appears inside the compute; ``name`` is the VduCp's name from the descriptor."""

    name: str
    port: PortSpec
    gateway: str = ""


@dataclass(frozen=True, slots=True)
class ComputeSpec:
    """One VNFC: what runs, where, on which CPUs and ports.

    ``placement`` has the shape that ``mano place plan`` prints for one VDU. ``image_path`` is a file of the package
    store, ``image_checksum`` its SHA-256 (lower hexadecimal). ``user_data`` is JSON that the VNFC finds in its
    configuration file.
    """

    id: str
    name: str
    host: str
    image_path: str
    image_checksum: str
    placement: Mapping[str, Any]
    memory_mib: int
    interfaces: tuple[ComputeInterface, ...]
    user_data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ComputeStatus:
    """A VNFC as it is; ``state`` is ``running``, ``starting``, ``failed`` or ``gone``."""

    id: str
    host: str
    state: str
    detail: str = ""
    realisations: Mapping[str, Realisation] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything of ours that the VIM holds, by identifier: the independent side of leak detection."""

    networks: tuple[str, ...]
    ports: tuple[str, ...]
    computes: tuple[str, ...]


class VimDriver(Protocol):
    """One VIM."""

    def ensure_host(self, host: Host) -> HostStatus:
        """Bring the host under management; prepares what the VIM needs on it."""

    def remove_host(self, name: str) -> None:
        """Leave the host as it was found."""

    def host_status(self, name: str) -> HostStatus:
        """Observe one host; unreachable is a status here, not an error."""

    def ensure_network(self, network: NetworkSpec) -> None:
        """Make the network exist."""

    def remove_network(self, network: NetworkSpec) -> None:
        """Make it gone; its ports must be gone before."""

    def ensure_port(self, port: PortSpec) -> PortStatus:
        """Make the port exist on its host.

        Raises :class:`~mano.errors.InUse` when another port holds its VF and :class:`~mano.errors.NotFound` for a
        host, NIC or attachment that does not exist.
        """

    def remove_port(self, port: PortSpec) -> None:
        """Make it gone."""

    def ensure_compute(self, compute: ComputeSpec) -> ComputeStatus:
        """Make the VNFC run with its ports; returns when it is ready to take packets or raises.

        One that runs from another specification is replaced. Raises :class:`~mano.errors.Unreachable` when it ended
        before it was ready (``facts["log"]`` holds its last lines) and :class:`~mano.errors.InUse` when another
        VNFC holds one of its ports.
        """

    def remove_compute(self, compute_id: str, host: str) -> None:
        """Stop it and leave nothing of it; its ports remain."""

    def compute_status(self, compute_id: str, host: str) -> ComputeStatus:
        """Observe one VNFC."""

    def attachments(self) -> Mapping[str, Attachment]:
        """The places where SAPs can end, by name."""

    def add_attachment(self, attachment: Attachment) -> None:
        """Make such a place; adding the same again changes nothing.

        Raises :class:`~mano.errors.AlreadyExists` when the name means another place and
        :class:`~mano.errors.NotFound` for a host that the VIM does not have.
        """

    def remove_attachment(self, name: str) -> None:
        """Make it gone; raises :class:`~mano.errors.InUse` while a port ends there."""

    def observe(self) -> Observed:
        """List everything of ours that exists now, from the world and not from a record."""

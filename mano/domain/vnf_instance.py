"""VNF instances as the VNFM keeps them (VnfInstance, SOL003 clause 5.5.2.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

REMOTE = "catenaRemote"
"""Metadata of a copy of a VNF that a foreign VNFM manages: its identifier there, and those of its operations."""


class InstantiationState(StrEnum):
    """Of a VNF and, with the same values, of an NS (SOL005 clause 6.5.2.8)."""

    NOT_INSTANTIATED = "NOT_INSTANTIATED"
    INSTANTIATED = "INSTANTIATED"


class VnfOperationalState(StrEnum):
    """SOL003 clause 5.5.4.3."""

    STARTED = "STARTED"
    STOPPED = "STOPPED"


class Realisation(StrEnum):
    """How true a resource is on this NFVI: really limited, imitated, or only counted."""

    ENFORCED = "enforced"
    EMULATED = "emulated"
    ACCOUNTED = "accounted"


@dataclass(frozen=True, slots=True)
class ConnectionPoint:
    """One VduCp of a VNFC, or a SAP: its port in the VIM.

    ``addresses`` are interface addresses such as ``10.10.0.1/24``; ``ofport`` is the port number on the host's
    integration bridge, ``None`` for a VF that bypasses it. ``cpd_id`` is the descriptor's name of the CP.
    """

    id: str
    cpd_id: str
    port_id: str
    network_id: str
    mac: str
    addresses: tuple[str, ...]
    host: str
    ofport: int | None = None
    interface: str = ""
    ext_cpd_id: str = ""
    pci: str = ""
    vf: int | None = None
    realisation: Realisation = Realisation.ENFORCED
    trunk: bool = False
    """It may send frames with a VLAN tag (``trunk_mode``, SOL001 clause 6.8.1)."""
    link_id: str = ""
    """The VNFD's name of the virtual link inside the VNF that it is on; empty for an external one."""
    bit_rate_bps: int = 0
    """What may pass it in each direction, in bit/s; 0: no limit."""


@dataclass(frozen=True, slots=True)
class VnfcResource:
    """One VNFC instance of a VDU (VnfcResourceInfo, SOL003 clause 5.5.3.5).

    ``placement`` is the placement in the shape that ``mano place plan`` prints for one VDU; ``realisations`` says
    per resource how true it is.
    """

    id: str
    vdu_id: str
    index: int
    compute_id: str
    host: str
    placement: Mapping[str, Any]
    connection_points: tuple[ConnectionPoint, ...] = ()
    realisations: Mapping[str, Realisation] = field(default_factory=dict)
    state: VnfOperationalState = VnfOperationalState.STARTED


@dataclass(frozen=True, slots=True)
class VnfInstance:
    """A VNF instance. ``ns_instance_id`` is empty when it belongs to no NS of this NFVO.

    ``configuration`` holds the configurable properties, ``extensions`` what the VNFD declares as such.
    """

    id: str
    tenant_id: str
    vnfd_id: str
    package_id: str
    name: str
    description: str
    provider: str
    product_name: str
    software_version: str
    descriptor_version: str
    created_at: datetime
    instantiation_state: InstantiationState = InstantiationState.NOT_INSTANTIATED
    flavour_id: str = ""
    instantiation_level_id: str = ""
    vnf_state: VnfOperationalState | None = None
    vnfcs: tuple[VnfcResource, ...] = ()
    ext_virtual_links: tuple[Mapping[str, Any], ...] = ()
    ns_instance_id: str = ""
    vnf_profile_id: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    configuration: Mapping[str, Any] = field(default_factory=dict)
    extensions: Mapping[str, Any] = field(default_factory=dict)
    plan: Mapping[str, Any] = field(default_factory=dict)
    """Everything that may exist of it in the VIM, as the last operation planned it (JSON of the VNFM)."""
    scale_levels: Mapping[str, int] = field(default_factory=dict)
    """Scaling aspect to scale level (ScaleInfo, SOL003 clause 5.5.3.1)."""
    max_scale_levels: Mapping[str, int] = field(default_factory=dict)
    vnfc_configuration: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """VNFC to its configurable properties (VnfcInfo, SOL002 clause 5.5.3.21)."""
    management: Mapping[str, Any] = field(default_factory=dict)
    """What the VNFM needs to configure it, with a secret in it, and how that went (JSON of the VNFM)."""
    generation: int = 0

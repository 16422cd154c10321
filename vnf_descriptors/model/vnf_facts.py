"""Further facts of a VNF descriptor: what is monitored, secured, configured, changed (SOL001 clauses 6.2, 6.10)."""

from __future__ import annotations

from dataclasses import dataclass

from vnf_descriptors.model.frozen import EMPTY, FrozenMap
from vnf_descriptors.model.triggers import Trigger


@dataclass(frozen=True, slots=True)
class RequestedCapability:
    """An additional capability that a VDU asks of its host."""

    name: str
    #: True when the VDU cannot do without.
    mandatory: bool
    min_version: str | None = None
    preferred_version: str | None = None
    parameters: FrozenMap[str, str] = EMPTY


@dataclass(frozen=True, slots=True)
class MonitoringParameter:
    """A measurement that the VNF supports."""

    id: str
    name: str
    metric: str
    #: Milliseconds between two values; None for whatever the VIM offers.
    period_ms: int | None = None


@dataclass(frozen=True, slots=True)
class VipCp:
    """A connection point with a virtual address that several interfaces share."""

    id: str
    #: `high_availability` or `load_balance`; None in editions that do not say.
    function: str | None
    #: The VduCps behind it.
    vdu_cp_ids: tuple[str, ...]
    virtual_link_id: str | None = None
    dedicated_address: bool = True


@dataclass(frozen=True, slots=True)
class SecurityGroupRule:
    """Traffic that may pass connection points. Ports, both ends included, 0 to 65535."""

    id: str
    targets: tuple[str, ...]
    direction: str = "ingress"
    ether_type: str = "ipv4"
    protocol: str = "tcp"
    first_port: int = 0
    last_port: int = 65535


@dataclass(frozen=True, slots=True)
class SupportedInterface:
    """An interface that the VNF produces, and the connection points to reach it by."""

    id: str
    #: `vnf_indicator`, `vnf_configuration` or `vnf_lcm_coordination`.
    name: str
    cp_ids: tuple[str, ...] = ()
    #: How its address is made: `http` or `https`, a port (None for the scheme's own), what goes before the API's name.
    scheme: str = "http"
    port: int | None = None
    path: str = ""


@dataclass(frozen=True, slots=True)
class CoordinationAction:
    """What others are asked for around operations of the VNF (SOL001 clauses 6.10.25 and 6.10.26)."""

    name: str
    #: `instantiate`, `scale`, …, in the words of the policy's `vnf_lcm_operation`.
    operations: tuple[str, ...]
    #: `mgmt`, `vnf`, or empty where the deployment decides.
    endpoint_type: str = ""
    #: `start`, `end`, or empty for a moment that a script chooses.
    stage: str = ""
    #: The input parameters as a JSON object.
    inputs: str = "{}"


@dataclass(frozen=True, slots=True)
class VnfIndicator:
    """An indicator that the VNF or its EM gives; `source` is `vnf`, `em` or `both_vnf_and_em`."""

    id: str
    source: str
    #: What is done when it has certain values.
    triggers: tuple[Trigger, ...] = ()


@dataclass(frozen=True, slots=True)
class ComponentMapping:
    """What a component of one VNFD is called in another."""

    #: `vdu`, `cp`, `virtual_link`, `virtual_storage`, `instantiation_level`, `scaling_aspect`, …
    kind: str
    source_id: str
    destination_id: str


@dataclass(frozen=True, slots=True)
class ChangeSelector:
    """From which descriptor and flavour, to which descriptor."""

    source_descriptor_id: str
    destination_descriptor_id: str
    source_flavour_id: str


@dataclass(frozen=True, slots=True)
class PackageChange:
    """A change between this VNFD and another that the VNF supports."""

    id: str
    selectors: tuple[ChangeSelector, ...]
    #: `up` when the destination is newer, `down` when it is older.
    modification: str
    destination_flavour_id: str
    mappings: tuple[ComponentMapping, ...] = ()


@dataclass(frozen=True, slots=True)
class LcmConfiguration:
    """How the VNF's life-cycle operations may be used."""

    scale_by_several_steps: bool = False
    scale_to_any_level: bool = False
    target_scale_levels_at_instantiation: bool = False
    #: Least time that a graceful termination or stop takes, in milliseconds.
    min_graceful_termination_ms: int | None = None
    min_graceful_stop_ms: int | None = None
    heal_causes: tuple[str, ...] = ()
    #: Operations that the descriptor configures, by its own names.
    operations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ConfigurableProperties:
    """What of a VNF instance can be set: None where the descriptor does not offer it."""

    autoscale: bool | None = None
    autoheal: bool | None = None
    #: Name -> TOSCA type of the properties that the vendor adds, and of the extensions and metadata.
    additional: FrozenMap[str, str] = EMPTY
    extensions: FrozenMap[str, str] = EMPTY
    metadata: FrozenMap[str, str] = EMPTY

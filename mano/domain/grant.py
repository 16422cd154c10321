"""Grants: the NFVO's permission for one operation of a VNFM (SOL003 clause 9)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class ResourceDefinition:
    """One resource that the VNFM wants to add or remove (SOL003 clause 9.5.3.2).

    ``id`` is the VNFM's name for it in this request (of one that goes: its name in the VIM), ``vdu_id`` the VDU,
    ``index`` which instance of it (from 0).
    """

    id: str
    vdu_id: str
    index: int
    type: str = "COMPUTE"
    reservation_id: str = ""
    """Of a resource that is there: under which reservation it was granted."""
    former: str = ""
    """Of a resource to be added: ``<vdu>/<index>`` of the one whose place it takes under another name; else empty."""
    is_numbered: bool = True
    """False when the VNFM does not number instances: ``index`` is a guess by the order then."""


@dataclass(frozen=True, slots=True)
class GrantRequest:
    """SOL003 clause 9.5.2.2, the attributes that Catena decides on."""

    vnf_instance_id: str
    vnf_lcm_op_occ_id: str
    vnfd_id: str
    operation: str
    flavour_id: str = ""
    instantiation_level_id: str = ""
    add_resources: tuple[ResourceDefinition, ...] = ()
    remove_resources: tuple[ResourceDefinition, ...] = ()
    is_automatic: bool = False
    ext_virtual_links: tuple[Mapping[str, Any], ...] = ()
    """The external virtual links that the VNF has or shall have (ExtVirtualLinkData)."""


@dataclass(frozen=True, slots=True)
class GrantedResource:
    """GrantInfo (SOL003 clause 9.5.3.3) with the exact pins for our own VNFM."""

    resource_definition_id: str
    reservation_id: str
    zone_id: str
    resource_provider_id: str
    placement: Mapping[str, Any]
    vdu_id: str = ""
    index: int = 0


@dataclass(frozen=True, slots=True)
class Grant:
    """SOL003 clause 9.5.2.3. ``ext_virtual_links`` and ``additional_parameters`` are JSON in the standard's shape."""

    id: str
    tenant_id: str
    vnf_instance_id: str
    vnf_lcm_op_occ_id: str
    add_resources: tuple[GrantedResource, ...] = ()
    remove_resources: tuple[GrantedResource, ...] = ()
    ext_virtual_links: tuple[Mapping[str, Any], ...] = ()
    additional_parameters: Mapping[str, Any] = field(default_factory=dict)
    generation: int = 0

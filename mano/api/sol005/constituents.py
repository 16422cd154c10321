"""Request bodies about what a network service is made of besides VNFs: PNFs, nested NSs, virtual links."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from mano.api.bodies import Body, CpProtocolData, Identifier, KeyValuePairs, Name, SapAttachment, SapData


class PnfExtCpData(Body):
    """SOL005 clause 6.5.3.16."""

    cp_instance_id: Identifier | None = None
    cpd_id: Identifier | None = None
    cp_protocol_data: Annotated[list[CpProtocolData], Field(max_length=16)]


class AddPnfData(Body):
    """SOL005 clause 6.5.3.14."""

    pnf_id: Identifier
    pnf_name: Annotated[Name, Field(min_length=1)]
    pnfd_id: Identifier
    pnf_profile_id: Identifier
    cp_data: Annotated[list[PnfExtCpData], Field(max_length=1000)] | None = None


class ModifyPnfData(Body):
    """SOL005 clause 6.5.3.15."""

    pnf_id: Identifier
    pnf_name: Annotated[Name, Field(min_length=1)] | None = None
    cp_data: Annotated[list[PnfExtCpData], Field(max_length=1000)] | None = None


class NestedNsInstanceData(Body):
    """SOL005 clause 6.5.3.20."""

    nested_ns_instance_id: Identifier
    ns_profile_id: Identifier | None = None


class PnfAttachment(Body):
    """Where a connection point of a PNF ends, and its address; or a PNF's points, by CPD."""

    attachment: Identifier | None = None
    address: Annotated[str, StringConstraints(max_length=64)] | None = None


class CatenaNsParameters(Body):
    """``additionalParamsForNs.catena``."""

    saps: dict[str, SapAttachment] | None = None
    pnfs: dict[str, dict[str, PnfAttachment]] | None = None


class NsParameters(Body):
    """``additionalParamsForNs``."""

    catena: CatenaNsParameters | None = None


class ParamsForNestedNs(Body):
    """SOL005 clause 6.5.3.21a: what additionalParamsForNs is to the nested NS."""

    ns_profile_id: Identifier
    additional_param: Annotated[list[NsParameters], Field(max_length=100)] | None = None


class InstantiateNs(Body):
    """InstantiateNsRequest, SOL005 clause 6.5.2.11. PNFs are ``addpnfData`` in its OpenAPI document alone."""

    ns_flavour_id: Identifier
    ns_instantiation_level_id: Identifier | None = None
    sap_data: list[SapData] | None = None
    add_pnf_data: Annotated[list[AddPnfData], Field(max_length=1000)] | None = None
    addpnf_data: Annotated[list[AddPnfData], Field(max_length=1000)] | None = None
    vnf_instance_data: list[KeyValuePairs] | None = None
    nested_ns_instance_data: Annotated[list[NestedNsInstanceData], Field(max_length=1000)] | None = None
    additional_params_for_ns: NsParameters | None = None
    additional_params_for_nested_ns: Annotated[list[ParamsForNestedNs], Field(max_length=1000)] | None = None
    additional_params_for_vnf: list[KeyValuePairs] | None = None


class NewVirtualLink(Body):
    """AddNsVirtualLinkData, SOL005 clause 6.5.3.97."""

    ns_virtual_link_profile_id: Identifier


class NewNsdVersion(Body):
    """AssocNewNsdVersionData, SOL005 clause 6.5.3.34."""

    new_nsd_id: Identifier
    sync: bool | None = None


class NewNsFlavour(Body):
    """ChangeNsFlavourData, SOL005 clause 6.5.3.39."""

    new_ns_flavour_id: Identifier
    instantiation_level_id: Identifier | None = None

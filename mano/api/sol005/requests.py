"""Request bodies of the operations on an NS instance (SOL005 clause 6.5.2)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from mano.api.bodies import Body, CpProtocolData, ExtVirtualLink, Identifier, KeyValuePairs, Name, Text
from mano.api.sol003.requests import Identifiers, Seconds, Steps
from mano.api.sol005.constituents import (
    AddPnfData,
    ModifyPnfData,
    NestedNsInstanceData,
    NewNsdVersion,
    NewNsFlavour,
    NewVirtualLink,
)


class VnfScaleInfo(Body):
    """SOL005 clause 6.5.3.56."""

    aspect_id: Identifier
    scale_level: Annotated[int, Field(ge=0, le=999_999)]


class ScaleByStepData(Body):
    """SOL005 clause 6.5.3.54."""

    aspect_id: Identifier
    number_of_steps: Steps | None = None
    additional_params: KeyValuePairs | None = None


class ScaleToLevelData(Body):
    """SOL005 clause 6.5.3.53."""

    vnf_instantiation_level_id: Identifier | None = None
    vnf_scale_info: Annotated[list[VnfScaleInfo], Field(max_length=100)] | None = None
    additional_params: KeyValuePairs | None = None


class ScaleVnfData(Body):
    """SOL005 clause 6.5.3.52."""

    vnf_instance_id: Identifier
    scale_vnf_type: Literal["SCALE_OUT", "SCALE_IN", "SCALE_TO_INSTANTIATION_LEVEL", "SCALE_TO_SCALE_LEVEL(S)"]
    scale_to_level_data: ScaleToLevelData | None = None
    scale_by_step_data: ScaleByStepData | None = None


class ScaleNsBySteps(Body):
    """SOL005 clause 6.5.3.41."""

    scaling_direction: Literal["SCALE_IN", "SCALE_OUT"]
    aspect_id: Identifier
    number_of_steps: Steps | None = None


class NsScaleInfo(Body):
    """SOL005 clause 6.5.3.43."""

    ns_scaling_aspect_id: Identifier
    ns_scale_level_id: Identifier


class ScaleNsToLevel(Body):
    """SOL005 clause 6.5.3.42."""

    ns_instantiation_level: Identifier | None = None
    ns_scale_info: Annotated[list[NsScaleInfo], Field(max_length=100)] | None = None


class VnfInstanceData(Body):
    """SOL005 clause 6.5.3.19."""

    vnf_instance_id: Identifier
    vnf_profile_id: Identifier


class ScaleNsData(Body):
    """SOL005 clause 6.5.3.40."""

    vnf_instance_to_be_added: list[VnfInstanceData] | None = None
    vnf_instance_to_be_removed: Identifiers | None = None
    scale_ns_by_steps_data: ScaleNsBySteps | None = None
    scale_ns_to_level_data: ScaleNsToLevel | None = None


class ScaleNs(Body):
    """ScaleNsRequest, SOL005 clause 6.5.2.14."""

    scale_type: Literal["SCALE_NS", "SCALE_VNF"]
    scale_ns_data: ScaleNsData | None = None
    scale_vnf_data: Annotated[list[ScaleVnfData], Field(max_length=1000)] | None = None


class HealNsData(Body):
    """SOL005 clause 6.5.3.44."""

    degree_healing: Literal["HEAL_RESTORE", "HEAL_QOS", "HEAL_RESET", "PARTIAL_HEALING"]
    actions_healing: list[Text] | None = None


class HealVnfData(Body):
    """SOL005 clause 6.5.3.45."""

    vnf_instance_id: Identifier
    cause: Text | None = None
    additional_params: KeyValuePairs | None = None


class HealNs(Body):
    """HealNsRequest, SOL005 clause 6.5.2.13."""

    heal_ns_data: HealNsData | None = None
    heal_vnf_data: Annotated[list[HealVnfData], Field(max_length=1000)] | None = None


class InstantiateVnfData(Body):
    """SOL005 clause 6.5.3.24."""

    vnfd_id: Identifier | None = None
    vnf_profile_id: Identifier | None = None


class OperateVnfData(Body):
    """SOL005 clause 6.5.3.31."""

    vnf_instance_id: Identifier
    change_state_to: Literal["STARTED", "STOPPED"]
    stop_type: Literal["FORCEFUL", "GRACEFUL"] | None = None
    graceful_stop_timeout: Seconds | None = None
    additional_param: KeyValuePairs | None = None


class ModifyVnfInfoData(Body):
    """SOL005 clause 6.5.3.32."""

    vnf_instance_id: Identifier
    vnf_instance_name: Name | None = None
    vnf_instance_description: Text | None = None
    vnf_configurable_properties: KeyValuePairs | None = None
    metadata: KeyValuePairs | None = None
    extensions: KeyValuePairs | None = None


class ChangeVnfFlavourData(Body):
    """SOL005 clause 6.5.3.25."""

    vnf_instance_id: Identifier
    new_flavour_id: Identifier
    instantiation_level_id: Identifier | None = None
    ext_virtual_links: list[ExtVirtualLink] | None = None
    additional_params: KeyValuePairs | None = None


class ChangeConnectivityData(Body):
    """SOL005 clause 6.5.3.33."""

    vnf_instance_id: Identifier
    ext_virtual_links: Annotated[list[ExtVirtualLink], Field(min_length=1)]
    additional_params: KeyValuePairs | None = None


class ChangeVnfPackageData(Body):
    """SOL005 clause 6.5.3.81."""

    vnf_instance_id: Identifier
    vnfd_id: Identifier
    ext_virtual_links: list[ExtVirtualLink] | None = None
    additional_params: KeyValuePairs | None = None


class NewSap(Body):
    """SapData, SOL005 clause 6.5.3.10."""

    sapd_id: Identifier
    sap_name: Name
    description: Text
    sap_protocol_data: list[CpProtocolData] | None = None


class NewVnffg(Body):
    """AddVnffgData, SOL005 clause 6.5.3.36."""

    vnffgd_id: Identifier | None = None
    vnffg_name: Name
    description: Text


class MoveVnfInstanceData(Body):
    """SOL005 clause 6.5.3.35."""

    target_ns_instance_id: Identifier
    vnf_instance_id: Identifiers | None = None


class UpdateNs(Body):
    """UpdateNsRequest, SOL005 clause 6.5.2.12; which types there are is the use case's to say."""

    update_type: Annotated[str, Field(max_length=64, pattern=r"^[A-Z_ ]+$")]
    instantiate_vnf_data: Annotated[list[InstantiateVnfData], Field(max_length=1000)] | None = None
    remove_vnf_instance_id: Identifiers | None = None
    add_vnf_istance: Annotated[list[VnfInstanceData], Field(max_length=1000)] | None = None
    add_vnf_instance: Annotated[list[VnfInstanceData], Field(max_length=1000)] | None = None
    """As SOL005's text would have it; its OpenAPI document spells it the other way."""
    move_vnf_instance_data: Annotated[list[MoveVnfInstanceData], Field(max_length=1000)] | None = None
    operate_vnf_data: list[OperateVnfData] | None = None
    modify_vnf_info_data: list[ModifyVnfInfoData] | None = None
    change_vnf_flavour_data: list[ChangeVnfFlavourData] | None = None
    change_ext_vnf_connectivity_data: list[ChangeConnectivityData] | None = None
    change_vnf_package_data: list[ChangeVnfPackageData] | None = None
    add_sap: list[NewSap] | None = None
    remove_sap_id: Identifiers | None = None
    add_vnffg: list[NewVnffg] | None = None
    remove_vnffg_id: Identifiers | None = None
    add_nested_ns_data: Annotated[list[NestedNsInstanceData], Field(max_length=1000)] | None = None
    remove_nested_ns_id: Identifiers | None = None
    add_pnf_data: Annotated[list[AddPnfData], Field(max_length=1000)] | None = None
    modify_pnf_data: Annotated[list[ModifyPnfData], Field(max_length=1000)] | None = None
    remove_pnf_id: Identifiers | None = None
    add_ns_virtual_link_data: Annotated[list[NewVirtualLink], Field(max_length=1000)] | None = None
    delete_ns_virtual_link_id: Identifiers | None = None
    assoc_new_nsd_version_data: NewNsdVersion | None = None
    change_ns_flavour_data: NewNsFlavour | None = None

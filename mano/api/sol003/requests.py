"""Request bodies of the operations on a VNF instance (SOL003 clause 5.5.2)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from mano.api.bodies import Body, ExtVirtualLink, Identifier, KeyValuePairs, Name, Text

Seconds = Annotated[int, Field(ge=0, le=86_400)]
Steps = Annotated[int, Field(ge=1, le=10_000)]
Identifiers = Annotated[list[Identifier], Field(max_length=1000)]


class ScaleInfo(Body):
    """SOL003 clause 5.5.3.1; the OpenAPI document has the level as a string named scaleToLevel."""

    aspect_id: Identifier
    vnfd_id: Identifier | None = None
    scale_to_level: Annotated[str, Field(pattern=r"^\d{1,6}$")] | Annotated[int, Field(ge=0, le=999_999)] | None = None
    scale_level: Annotated[int, Field(ge=0, le=999_999)] | None = None


class ScaleVnf(Body):
    """ScaleVnfRequest, SOL003 clause 5.5.2.5."""

    type: Literal["SCALE_OUT", "SCALE_IN"]
    aspect_id: Identifier
    number_of_steps: Steps | None = None
    additional_params: KeyValuePairs | None = None


class ScaleVnfToLevel(Body):
    """ScaleVnfToLevelRequest, SOL003 clause 5.5.2.6."""

    instantiation_level_id: Identifier | None = None
    scale_info: Annotated[list[ScaleInfo], Field(max_length=100)] | None = None
    additional_params: KeyValuePairs | None = None


class ChangeVnfFlavour(Body):
    """ChangeVnfFlavourRequest, SOL003 clause 5.5.2.7."""

    new_flavour_id: Identifier
    instantiation_level_id: Identifier | None = None
    ext_virtual_links: list[ExtVirtualLink] | None = None
    vnf_configurable_properties: KeyValuePairs | None = None
    extensions: KeyValuePairs | None = None
    additional_params: KeyValuePairs | None = None


class HealVnf(Body):
    """HealVnfRequest, SOL003 clause 5.5.2.9; ``vnfcInstanceId`` is SOL002's."""

    cause: Text | None = None
    vnfc_instance_id: Identifiers | None = None
    additional_params: KeyValuePairs | None = None


class OperateVnf(Body):
    """OperateVnfRequest, SOL003 clause 5.5.2.10; ``vnfcInstanceId`` is SOL002's."""

    change_state_to: Literal["STARTED", "STOPPED"]
    stop_type: Literal["FORCEFUL", "GRACEFUL"] | None = None
    graceful_stop_timeout: Seconds | None = None
    vnfc_instance_id: Identifiers | None = None
    additional_params: KeyValuePairs | None = None


class ChangeExtConnectivity(Body):
    """ChangeExtVnfConnectivityRequest, SOL003 clause 5.5.2.11."""

    ext_virtual_links: Annotated[list[ExtVirtualLink], Field(min_length=1)]
    additional_params: KeyValuePairs | None = None


class ChangeVnfPackage(Body):
    """ChangeCurrentVnfPkgRequest, SOL003 clause 5.5.2.11a."""

    vnfd_id: Identifier
    ext_virtual_links: list[ExtVirtualLink] | None = None
    vnf_configurable_properties: KeyValuePairs | None = None
    extensions: KeyValuePairs | None = None
    additional_params: KeyValuePairs | None = None


class VnfcInfoModifications(Body):
    """SOL002 clause 5.5.3.24: configurable properties of one VNFC."""

    id: Identifier
    vnfc_configurable_properties: KeyValuePairs


class ModifyVnf(Body):
    """VnfInfoModificationRequest, SOL003 clause 5.5.2.12: a JSON merge patch, in which null removes.

    ``vnfcInfoModifications`` is SOL002's.
    """

    vnf_instance_name: Name | None = None
    vnf_instance_description: Text | None = None
    vnf_configurable_properties: KeyValuePairs | None = None
    metadata: KeyValuePairs | None = None
    extensions: KeyValuePairs | None = None
    vnfc_info_modifications: Annotated[list[VnfcInfoModifications], Field(max_length=1000)] | None = None

    def document(self) -> dict[str, Any]:
        """What was sent, with its nulls: here they mean something."""
        return self.model_dump(by_alias=True, exclude_unset=True, mode="json")


class CancelOperation(Body):
    """CancelMode, SOL003 clause 5.5.2.14, SOL005 clause 6.5.2.16."""

    cancel_mode: Literal["GRACEFUL", "FORCEFUL"]

"""Request bodies: what of them is checked before a use case sees them.

Names and types are the standard's. Attributes that the standard has and Catena does not use pass through unread, as
SOL013 clause 5.6 asks of a receiver.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

MAX_NAME = 255

Name = Annotated[str, StringConstraints(max_length=MAX_NAME, pattern=r"^[^\x00-\x1f\x7f]*$")]
Text = Annotated[str, StringConstraints(max_length=4096)]
Identifier = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME, pattern=r"^[^\x00-\x1f\x7f]+$")]
KeyValuePairs = dict[str, Any]


def _address(text: str) -> str:
    ip_address(text)
    return text


IpAddress = Annotated[str, StringConstraints(max_length=64), AfterValidator(_address)]
MacAddress = Annotated[str, StringConstraints(pattern=r"^([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}$")]


class Body(BaseModel):
    """A JSON object with the standard's camelCase names."""

    model_config = ConfigDict(
        extra="allow", strict=True, alias_generator=to_camel, validate_by_alias=True, validate_by_name=False
    )

    def document(self) -> dict[str, Any]:
        """What was sent, without the nulls."""
        return self.model_dump(by_alias=True, exclude_unset=True, exclude_none=True, mode="json")


class CreatePackageInfo(Body):
    """CreateVnfPkgInfoRequest, CreateNsdInfoRequest, CreatePnfdInfoRequest."""

    user_defined_data: KeyValuePairs | None = None


class VnfPkgInfoModifications(Body):
    """SOL005 clause 9.5.2.2."""

    operational_state: Literal["ENABLED", "DISABLED"] | None = None
    user_defined_data: KeyValuePairs | None = None


class NsdInfoModifications(Body):
    """SOL005 clause 5.5.2.1; the OpenAPI document has ``userDefinedData`` as an array of objects."""

    nsd_operational_state: Literal["ENABLED", "DISABLED"] | None = None
    user_defined_data: KeyValuePairs | list[KeyValuePairs] | None = None


class PnfdInfoModifications(Body):
    """SOL005 clause 5.5.2.6."""

    user_defined_data: KeyValuePairs


class IpAddresses(Body):
    """Addresses of one IP version."""

    type: Literal["IPV4", "IPV6"]
    fixed_addresses: list[IpAddress] | None = None
    num_dynamic_addresses: Annotated[int, Field(ge=0, le=1024)] | None = None


class IpOverEthernet(Body):
    """IpOverEthernetAddressData."""

    mac_address: MacAddress | None = None
    ip_addresses: list[IpAddresses] | None = None


class CpProtocolData(Body):
    """Addresses that a connection point gets."""

    layer_protocol: Literal["IP_OVER_ETHERNET"]
    ip_over_ethernet: IpOverEthernet | None = None


class SapData(Body):
    """SOL005 clause 6.5.3.10."""

    sapd_id: Identifier
    sap_name: Name | None = None
    description: Text | None = None
    sap_protocol_data: list[CpProtocolData] | None = None


class SapAttachment(Body):
    """Where a SAP ends, outside: Catena's part of ``additionalParamsForNs``."""

    attachment: Identifier | None = None
    address: Annotated[str, StringConstraints(max_length=64)] | None = None


class CreateNs(Body):
    """CreateNsRequest, SOL005 clause 6.5.2.7."""

    nsd_id: Identifier
    ns_name: Name
    ns_description: Text


class TerminateNs(Body):
    """TerminateNsRequest, SOL005 clause 6.5.2.15."""

    termination_time: Text | None = None


class CreateVnf(Body):
    """CreateVnfRequest, SOL003 clause 5.5.2.3."""

    vnfd_id: Identifier
    vnf_instance_name: Name | None = None
    vnf_instance_description: Text | None = None
    metadata: KeyValuePairs | None = None


class ExtCpConfig(Body):
    """VnfExtCpConfig."""

    cp_protocol_data: list[CpProtocolData] | None = None


class ExtCpData(Body):
    """VnfExtCpData."""

    cpd_id: Identifier
    cp_config: dict[str, ExtCpConfig | None] | None = None


class ExtVirtualLink(Body):
    """ExtVirtualLinkData."""

    id: Identifier
    resource_id: Identifier
    ext_cps: list[ExtCpData]


class VnfParameters(Body):
    """``additionalParams`` of a VNF: what Catena reads of them."""

    user_data: dict[str, KeyValuePairs] | None = None


class InstantiateVnf(Body):
    """InstantiateVnfRequest, SOL003 clause 5.5.2.4."""

    flavour_id: Identifier
    instantiation_level_id: Identifier | None = None
    ext_virtual_links: list[ExtVirtualLink] | None = None
    additional_params: VnfParameters | None = None


class TerminateVnf(Body):
    """TerminateVnfRequest, SOL003 clause 5.5.2.8."""

    termination_type: Literal["FORCEFUL", "GRACEFUL"]
    graceful_termination_timeout: Annotated[int, Field(ge=0, le=86_400)] | None = None
    additional_params: KeyValuePairs | None = None

"""VnfInstance (SOL003 clause 5.5.2.2; with small differences SOL005 clause 6.5.3.57). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_interface
from typing import Any

from mano.api.collections import ListShape, names
from mano.api.links import link
from mano.domain.vnf_instance import ConnectionPoint, InstantiationState, VnfcResource, VnfInstance, VnfOperationalState

VNF_INSTANCES = "/vnflcm/v2/vnf_instances"

_TASKS = {
    "terminate": "terminate",
    "scale": "scale",
    "scaleToLevel": "scale_to_level",
    "changeFlavour": "change_flavour",
    "heal": "heal",
    "operate": "operate",
    "changeExtConn": "change_ext_conn",
    "changeCurrentVnfPkg": "change_vnfpkg",
    "createSnapshot": "create_snapshot",
    "revertToSnapshot": "revert_to_snapshot",
}
"""Links to the tasks of an instantiated VNF."""

SHAPE = ListShape(
    attributes=names(
        "id vnfInstanceName vnfInstanceDescription vnfdId vnfProvider vnfProductName vnfSoftwareVersion vnfdVersion "
        "vnfConfigurableProperties vimConnectionInfo instantiationState instantiatedVnfInfo metadata extensions _links"
    ),
    mandatory=names("id vnfdId vnfProvider vnfProductName vnfSoftwareVersion vnfdVersion instantiationState _links"),
    left_out=("vnfConfigurableProperties", "vimConnectionInfo", "instantiatedVnfInfo", "metadata", "extensions"),
    columns={"vnfInstanceName": "name", "vnfdId": "vnfd_id", "instantiationState": "instantiation_state", "id": "id"},
)


def vnf_instance(instance: VnfInstance, root: str) -> dict[str, Any]:
    """As the VNFM tells it."""
    document = _described(instance)
    if instance.instantiation_state is InstantiationState.INSTANTIATED:
        document["instantiatedVnfInfo"] = _instantiated(instance, sol003=True)
    document["_links"] = _links(instance, f"{root}{VNF_INSTANCES}/{instance.id}")
    return document


def vnf_instance_in_ns(instance: VnfInstance) -> dict[str, Any]:
    """As the NFVO tells it inside an NsInstance."""
    document = _described(instance) | {"vnfPkgId": instance.package_id}
    if instance.instantiation_state is InstantiationState.INSTANTIATED:
        document["instantiatedVnfInfo"] = _instantiated(instance, sol003=False)
    return document


def protocol_info(point: ConnectionPoint, *, sol003: bool) -> dict[str, Any]:
    """CpProtocolInfo: the addresses of a connection point."""
    addresses = [ip_interface(address) for address in point.addresses]
    ethernet: dict[str, Any] = {"macAddress": point.mac.upper()} if point.mac else {}
    by_version = {
        f"IPV{version}": [str(address.ip) for address in addresses if address.version == version]
        for version in sorted({address.version for address in addresses})
    }
    if by_version:
        ethernet["ipAddresses"] = [
            {"type": kind, "addresses": found, "isDynamic": False} for kind, found in by_version.items()
        ]
    if sol003:
        # The OpenAPI document of SOL003 v3.7.1 requires "addresses" here too, where the standard's text has none.
        ethernet["addresses"] = [str(address.ip) for address in addresses]
    return {"layerProtocol": "IP_OVER_ETHERNET", "ipOverEthernet": ethernet}


def _described(instance: VnfInstance) -> dict[str, Any]:
    document: dict[str, Any] = {"id": instance.id}
    if instance.name:
        document["vnfInstanceName"] = instance.name
    if instance.description:
        document["vnfInstanceDescription"] = instance.description
    document |= {
        "vnfdId": instance.vnfd_id,
        "vnfProvider": instance.provider,
        "vnfProductName": instance.product_name,
        "vnfSoftwareVersion": instance.software_version,
        "vnfdVersion": instance.descriptor_version,
        "instantiationState": instance.instantiation_state.value,
    }
    if instance.configuration:
        document["vnfConfigurableProperties"] = dict(instance.configuration)
    if instance.metadata:
        document["metadata"] = dict(instance.metadata)
    if instance.extensions:
        document["extensions"] = dict(instance.extensions)
    return document


def _instantiated(instance: VnfInstance, *, sol003: bool) -> dict[str, Any]:
    points = [point for vnfc in instance.vnfcs for point in vnfc.connection_points]
    return {
        "flavourId": instance.flavour_id,
        "vnfState": (instance.vnf_state or VnfOperationalState.STARTED).value,
        **_scale(instance, sol003=sol003),
        "extCpInfo": [_ext_cp(point, sol003=sol003) for point in points if point.ext_cpd_id],
        "extVirtualLinkInfo": [ext_link(item, points, sol003=sol003) for item in instance.ext_virtual_links],
        "vnfcResourceInfo": [_vnfc(instance, vnfc, sol003=sol003) for vnfc in instance.vnfcs],
        **_inner_links(instance, points),
        **({"vnfcInfo": [_vnfc_info(instance, vnfc) for vnfc in instance.vnfcs]} if sol003 else {}),
    }


def _inner_links(instance: VnfInstance, points: Iterable[ConnectionPoint]) -> dict[str, Any]:
    """``vnfVirtualLinkResourceInfo`` (SOL003 clause 5.5.3.6): networks that the VNF has for itself."""
    links: dict[str, list[ConnectionPoint]] = {}
    for point in points:
        if point.link_id:
            links.setdefault(point.network_id, []).append(point)
    found = [_inner_link(instance, network_id, on_it) for network_id, on_it in links.items()]
    return {"vnfVirtualLinkResourceInfo": found} if found else {}


def _inner_link(instance: VnfInstance, network_id: str, points: Sequence[ConnectionPoint]) -> dict[str, Any]:
    document: dict[str, Any] = {
        "id": network_id,
        "vnfVirtualLinkDescId": points[0].link_id,
        "vnfdId": instance.vnfd_id,
        "networkResource": {"resourceId": network_id, "vimLevelResourceType": "network"},
        "vnfLinkPorts": [
            {
                "id": point.port_id,
                "resourceHandle": {"resourceId": point.port_id, "vimLevelResourceType": "port"},
                "cpInstanceId": point.id,
                "cpInstanceType": "VNFC_CP",
            }
            for point in points
        ],
    }
    if rate := max(point.bit_rate_bps for point in points):
        document["metadata"] = {"catena": {"bitRateBps": rate}}
    return document


def _vnfc_info(instance: VnfInstance, vnfc: VnfcResource) -> dict[str, Any]:
    """VnfcInfo (SOL002 clause 5.5.3.21)."""
    document: dict[str, Any] = {
        "id": vnfc.id,
        "vduId": vnfc.vdu_id,
        "vnfcResourceInfoId": vnfc.id,
        "vnfcState": vnfc.state.value,
    }
    if values := instance.vnfc_configuration.get(vnfc.id):
        document["vnfcConfigurableProperties"] = dict(values)
    return document


def _scale(instance: VnfInstance, *, sol003: bool) -> dict[str, Any]:
    """How big it is, and how big it can be."""
    if not instance.scale_levels:
        return {}
    return {
        "scaleStatus": _levels(instance, instance.scale_levels, sol003=sol003),
        "maxScaleLevels": _levels(instance, instance.max_scale_levels, sol003=sol003),
    }


def _levels(instance: VnfInstance, levels: Mapping[str, int], *, sol003: bool) -> list[dict[str, Any]]:
    """ScaleInfo (SOL003 clause 5.5.3.1): its text has scaleLevel, its OpenAPI document scaleToLevel, a string."""
    return [
        {"aspectId": aspect, "vnfdId": instance.vnfd_id, "scaleLevel": level}
        | ({"scaleToLevel": str(level)} if sol003 else {})
        for aspect, level in levels.items()
    ]


def _ext_cp(point: ConnectionPoint, *, sol003: bool) -> dict[str, Any]:
    return {
        "id": f"ext-{point.id}",
        "cpdId": point.ext_cpd_id,
        "cpConfigId": point.id,
        "cpProtocolInfo": [protocol_info(point, sol003=sol003)],
        "extLinkPortId": point.port_id,
        "associatedVnfcCpId": point.id,
    }


def _vnfc(instance: VnfInstance, vnfc: VnfcResource, *, sol003: bool) -> dict[str, Any]:
    """VnfcResourceInfo; what the standard has no attribute for goes into its metadata."""
    return {
        "id": vnfc.id,
        "vduId": vnfc.vdu_id,
        "computeResource": {
            "resourceProviderId": vnfc.host,
            "resourceId": vnfc.compute_id,
            "vimLevelResourceType": "compute",
        },
        "vnfcCpInfo": [_vnfc_cp(point, sol003=sol003) for point in vnfc.connection_points],
        "metadata": {
            "catenaState": vnfc.state.value,
            "catenaPlacement": dict(vnfc.placement),
            "catenaRealisations": {name: value.value for name, value in vnfc.realisations.items()},
            **_configuration(instance),
        },
    }


def _configuration(instance: VnfInstance) -> dict[str, Any]:
    """How the VNF was last told its configuration; nothing for one that is told none."""
    report: Mapping[str, Any] = instance.management.get("configuration") or {}
    shown = {name: report[name] for name in ("state", "at", "vnfLcmOpOccId", "detail") if name in report}
    return {"catenaConfiguration": shown} if shown else {}


def _vnfc_cp(point: ConnectionPoint, *, sol003: bool) -> dict[str, Any]:
    document: dict[str, Any] = {"id": point.id, "cpdId": point.cpd_id}
    if point.ext_cpd_id:
        document["vnfExtCpId"] = f"ext-{point.id}"
    document["cpProtocolInfo"] = [protocol_info(point, sol003=sol003)]
    document["metadata"] = {
        "catena": {
            "interface": point.interface,
            "host": point.host,
            "ofport": point.ofport,
            "pci": point.pci,
            "vf": point.vf,
            "realisation": point.realisation.value,
        }
    }
    return document


def ext_link(item: Mapping[str, Any], points: Iterable[ConnectionPoint], *, sol003: bool) -> dict[str, Any]:
    """ExtVirtualLinkInfo of the link as the instantiation request gave it."""
    resource = str(item.get("resourceId", ""))
    document: dict[str, Any] = {
        "id": str(item.get("id", resource)),
        "resourceHandle": {"resourceId": resource},
        "extLinkPorts": [
            {"id": point.port_id, "resourceHandle": {"resourceId": point.port_id}, "cpInstanceId": f"ext-{point.id}"}
            for point in points
            if point.network_id == resource and point.ext_cpd_id
        ],
    }
    if sol003:
        document["currentVnfExtCpData"] = [_ext_cp_data(cp) for cp in item.get("extCps") or ()]
    return document


def _ext_cp_data(cp: Mapping[str, Any]) -> dict[str, Any]:
    """VnfExtCpData as it was requested."""
    configs = {key: _ext_cp_config(config) for key, config in (cp.get("cpConfig") or {}).items() if config}
    return {**cp, "cpConfig": configs} if configs else {"cpdId": cp["cpdId"]}


def _ext_cp_config(config: Mapping[str, Any]) -> dict[str, Any]:
    protocols = [_requested_protocol(protocol) for protocol in config.get("cpProtocolData") or ()]
    return {**config, "cpProtocolData": protocols}


def _requested_protocol(protocol: Mapping[str, Any]) -> dict[str, Any]:
    ethernet = protocol.get("ipOverEthernet")
    if ethernet is None:
        return dict(protocol)
    # As in protocol_info: the OpenAPI document requires the addresses at this level, too.
    fixed = [address for kind in ethernet.get("ipAddresses") or () for address in kind.get("fixedAddresses") or ()]
    return {**protocol, "ipOverEthernet": {**ethernet, "fixedAddresses": fixed}}


def _links(instance: VnfInstance, here: str) -> dict[str, Any]:
    links = {"self": link(here)}
    if instance.instantiation_state is InstantiationState.INSTANTIATED:
        links |= {name: link(f"{here}/{task}") for name, task in _TASKS.items()}
        if not instance.scale_levels:
            del links["scale"], links["scaleToLevel"]
    else:
        links["instantiate"] = link(f"{here}/instantiate")
    return links

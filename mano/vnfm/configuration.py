"""What a VNF shall be configured to, as documents of its configuration interface (SOL002 clause 9). Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from mano.domain.lcm_op_occ import LcmOpOcc
from mano.domain.merge_patch import merged
from mano.domain.vnf_instance import ConnectionPoint, VnfcResource, VnfInstance, VnfOperationalState
from mano.errors import InvalidInput
from mano.vnfm.modify_story import modified

Document = dict[str, Any]

INTERFACE = "vnf_configuration"
"""Value of ``interface_name`` in the policy SupportedVnfInterface (SOL001 clause 6.10)."""

RESOURCE = "/vnfconfig/v1/configuration"
PORT = 80
VNFM_ALONE = ("isAutohealEnabled", "isAutoscaleEnabled")
"""Configurable properties that speak to the VNFM, not to the VNF (SOL001 clause 6.2)."""

LIMITED = frozenset({"SCALE", "SCALE_TO_LEVEL", "HEAL", "OPERATE", "CHANGE_EXT_CONN", "REVERT_TO_SNAPSHOT"})
"""Operations that change no value: only VNFCs that begin anew, or have other addresses, are told theirs."""

INTERNAL = ("catena", "userData")
"""Beginnings of the names of additional parameters that speak to Catena."""


@dataclass(frozen=True, slots=True)
class Interface:
    """Where VNFCs serve their configuration: by these connection points, at this port, below this path."""

    cp_ids: tuple[str, ...]
    port: int
    path: str


@dataclass(frozen=True, slots=True)
class Target:
    """One VNFC to configure: its connection point for management, and the address there."""

    vnfc: VnfcResource
    point: ConnectionPoint
    address: str


def interface_of(flavour: Mapping[str, Any]) -> Interface | None:
    """The configuration interface that a flavour (JSON) declares; raises InvalidInput for one that nobody can use."""
    for item in flavour.get("supported_interfaces", ()):
        if item["name"] == INTERFACE:
            if item.get("scheme", "http") != "http":
                raise InvalidInput(
                    "the VNFD's configuration interface is not reached by http",
                    hint="the VNFM speaks http on the management network, with a token of the instance",
                )
            return Interface(tuple(item["cp_ids"]), int(item.get("port") or PORT), f"{item.get('path', '')}{RESOURCE}")
    return None


def targets(op: LcmOpOcc, instance: VnfInstance, interface: Interface) -> Iterator[Target]:
    """The VNFCs that run, are the operation's business, and have an address on a connection point of the interface."""
    changed = _changed(op)
    for vnfc in instance.vnfcs:
        if changed is not None and vnfc.compute_id not in changed:
            continue
        points = (
            point
            for point in vnfc.connection_points
            if point.addresses and {point.cpd_id, point.ext_cpd_id} & set(interface.cp_ids)
        )
        point = next(points, None)
        if point is not None and vnfc.state is VnfOperationalState.STARTED:
            yield Target(vnfc, point, point.addresses[0].split("/")[0])


def _changed(op: LcmOpOcc) -> frozenset[str] | None:
    """Processes that an operation began or changed; ``None`` where it may have something to say to all."""
    if op.operation not in LIMITED:
        return None
    sides = [each["after"] for wave in op.plan.get("waves", ()) for each in wave]
    return frozenset(str(side["compute_id"]) for side in sides if side)


def settled(op: LcmOpOcc, instance: VnfInstance) -> VnfInstance:
    """The instance's properties as they will be when the operation has completed."""
    if op.operation == "MODIFY_INFO":
        return modified(instance, op.parameters)
    facts: Mapping[str, Any] = (op.plan or {}).get("facts") or {}
    given = op.parameters
    return replace(
        instance,
        configuration=facts.get("configuration")
        or merged(instance.configuration, given.get("vnfConfigurableProperties") or {}),
        extensions=facts.get("extensions") or merged(instance.extensions, given.get("extensions") or {}),
    )


def own_parameters(parameters: Mapping[str, Any]) -> Document:
    """Additional parameters of an instantiation that are the VNF's own."""
    given = parameters.get("additionalParams") or {}
    return {name: value for name, value in given.items() if not name.startswith(INTERNAL)}


def specific_data(instance: VnfInstance) -> Document:
    """The VNF's own values: parameters of its instantiation, then extensions, then configurable properties."""
    properties = {
        name: value
        for name, value in instance.configuration.items()
        if name not in VNFM_ALONE and not name.startswith(INTERNAL)
    }
    extensions = {name: value for name, value in instance.extensions.items() if not name.startswith(INTERNAL)}
    return {**instance.management.get("parameters", {}), **extensions, **properties}


def desired(instance: VnfInstance) -> Document:
    """VnfConfiguration (SOL002 clause 9.5.2.2) of a VNF."""
    vnfcs = [
        {"vnfcInstanceId": vnfc.id, "vnfcSpecificData": dict(values)}
        for vnfc in instance.vnfcs
        if (values := instance.vnfc_configuration.get(vnfc.id))
    ]
    document: Document = {
        "vnfConfigurationData": {
            "extCpConfig": _connection_points(instance),
            "vnfSpecificData": specific_data(instance),
        }
    }
    return document | ({"vnfcConfigurationData": vnfcs} if vnfcs else {})


def _connection_points(instance: VnfInstance) -> list[Document]:
    """CpConfiguration of the external connection points (SOL002 clause 9.5.3.3)."""
    found = []
    for vnfc in instance.vnfcs:
        for point in vnfc.connection_points:
            if point.ext_cpd_id:
                texts = [text.split("/")[0] for text in point.addresses] or [""]
                addresses = [
                    {"address": {"macAddress": point.mac} | ({"ipAddress": text} if text else {})} for text in texts
                ]
                found.append({"cpId": point.id, "cpdId": point.ext_cpd_id, "addresses": addresses})
    return found


def changes(present: Mapping[str, Any], wanted: Document, former: Mapping[str, Any]) -> Document | None:
    """VnfConfigModifications from what the VNF shows to what it shall be; ``None`` where there is nothing to say.

    What was told ``former``ly and is wanted no more is removed; what the VNF has besides is its own business.
    """
    found = dict(wanted)
    data = dict(found["vnfConfigurationData"])
    shown = present.get("vnfConfigurationData") or {}
    gone = [name for name in former if name not in data["vnfSpecificData"] and name in _data(shown)]
    if not gone and follows(present, wanted) and shown.get("extCpConfig") == data["extCpConfig"]:
        return None
    data["vnfSpecificData"] = {**data["vnfSpecificData"], **dict.fromkeys(gone)}
    return {**found, "vnfConfigurationData": data}


def follows(present: Mapping[str, Any], wanted: Document) -> bool:
    """Whether the VNF shows every value that it was told."""
    told, shown = wanted["vnfConfigurationData"]["vnfSpecificData"], _data(present.get("vnfConfigurationData"))
    if any(shown.get(name) != value for name, value in told.items()):
        return False
    by_vnfc = {
        str(each.get("vnfcInstanceId")): each.get("vnfcSpecificData") or {}
        for each in present.get("vnfcConfigurationData") or ()
        if isinstance(each, Mapping)
    }
    return all(
        by_vnfc.get(each["vnfcInstanceId"], {}).get(name) == value
        for each in wanted.get("vnfcConfigurationData", ())
        for name, value in each["vnfcSpecificData"].items()
    )


def _data(part: Any) -> Mapping[str, Any]:
    data = part.get("vnfSpecificData") if isinstance(part, Mapping) else None
    return data if isinstance(data, Mapping) else {}

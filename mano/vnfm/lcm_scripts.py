"""Which scripts of a package an operation runs, when, and with which input (SOL001 clause 6.7). Pure.

``<operation>_start`` runs before the VNFM touches anything, ``<operation>_end`` when it has done everything. What
bears the operation's own name runs when the resources are as they shall be and the VNF is configured; of a termination
it runs while the VNF is still there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from mano.domain.lcm_op_occ import LcmOpOcc
from mano.domain.vnf_instance import VnfcResource, VnfInstance
from mano.errors import InvalidInput
from vnf_descriptors.model import LcmScript

OPERATIONS: Mapping[str, str] = MappingProxyType(
    {
        "INSTANTIATE": "instantiate",
        "TERMINATE": "terminate",
        "SCALE": "scale",
        "SCALE_TO_LEVEL": "scale_to_level",
        "CHANGE_FLAVOUR": "change_flavour",
        "CHANGE_EXT_CONN": "change_external_connectivity",
        "CHANGE_VNFPKG": "change_current_package",
        "HEAL": "heal",
        "OPERATE": "operate",
        "MODIFY_INFO": "modify_information",
        "CREATE_SNAPSHOT": "create_snapshot",
        "REVERT_TO_SNAPSHOT": "revert_to_snapshot",
    }
)
"""LcmOperationType (SOL003 clause 5.5.4.5) to the operation of tosca.interfaces.nfv.Vnflcm, in every edition."""

SCRIPT = "script:"
"""Beginning of the names of the steps that run scripts."""

DEPTH_MAX = 40

Descriptor = Mapping[str, Any]
"""The JSON of a VNFD's typed model."""


def flavour_of_document(document: Descriptor, flavour_id: str) -> Mapping[str, Any]:
    """The JSON of a deployment flavour; the default one where there is none of this name."""
    flavours: Sequence[Mapping[str, Any]] = document["flavours"]
    wanted = flavour_id or document.get("default_flavour_id")
    return next((each for each in flavours if each["id"] == wanted), flavours[0])


def scripts_of(flavour: Mapping[str, Any]) -> dict[str, LcmScript]:
    """The flavour's scripts by operation."""
    found = {}
    for item in flavour.get("lcm_scripts", ()):
        script = LcmScript(**{**item, "dependencies": tuple(item.get("dependencies", ()))})
        found[script.operation] = script
    return found


def runnable(script: LcmScript) -> LcmScript:
    """The script; raises InvalidInput for one in a language that nobody runs here."""
    if not script.language:
        raise InvalidInput(
            f"the package's script for {script.operation} is neither of sh, bash nor Python 3",
            hint="begin it with #!/bin/sh or #!/usr/bin/python3 and on-board the package anew",
            facts={"operation": script.operation},
        )
    return script


def woven(
    operation: str, names: Sequence[str], before: Sequence[str], middle: Sequence[str], after: Sequence[str]
) -> tuple[str, ...]:
    """The steps of an operation with those of scripts among them: behind the grant, and before what was held goes."""
    steps = list(names)
    head = [steps.pop(0)] if steps[:1] == ["grant"] else []
    tail = [steps.pop()] if steps[-1:] == ["release"] else []
    if operation == "TERMINATE":
        return (*head, *before, *middle, *steps, *after, *tail)
    return (*head, *before, *steps, *middle, *after, *tail)


def script_input(op: LcmOpOcc, instance: VnfInstance, script: LcmScript, network: str) -> dict[str, Any]:
    """What the script reads. ``network`` says in a word what network it has."""
    return {
        "operation": script.operation,
        "lcmOperationType": op.operation,
        "vnfLcmOpOccId": op.id,
        "attempt": op.attempt,
        "request": dict(op.parameters),
        "inputs": evaluated(json.loads(script.inputs), op, instance),
        "network": network,
        "vnfInstance": {
            "id": instance.id,
            "vnfInstanceName": instance.name,
            "vnfdId": instance.vnfd_id,
            "vnfProvider": instance.provider,
            "vnfProductName": instance.product_name,
            "vnfSoftwareVersion": instance.software_version,
            "vnfdVersion": instance.descriptor_version,
            "instantiationState": instance.instantiation_state.value,
            "flavourId": instance.flavour_id,
            "scaleStatus": dict(instance.scale_levels),
            "metadata": dict(instance.metadata),
            "extensions": dict(instance.extensions),
            "vnfConfigurableProperties": dict(instance.configuration),
            "vnfcs": [_vnfc(vnfc) for vnfc in instance.vnfcs],
        },
    }


def _vnfc(vnfc: VnfcResource) -> dict[str, Any]:
    return {
        "id": vnfc.id,
        "vduId": vnfc.vdu_id,
        "index": vnfc.index,
        "state": vnfc.state.value,
        "connectionPoints": [
            {
                "cpdId": point.cpd_id,
                "extCpdId": point.ext_cpd_id,
                "macAddress": point.mac,
                "addresses": list(point.addresses),
            }
            for point in vnfc.connection_points
        ],
    }


def evaluated(value: Any, op: LcmOpOcc, instance: VnfInstance, depth: int = 0) -> Any:
    """Inputs with the functions that are known at run time worked out; what does not exist is ``None``."""
    if depth > DEPTH_MAX:
        return None
    if isinstance(value, Mapping):
        if len(value) == 1:
            (name, argument), *_ = value.items()
            if name in _FUNCTIONS and isinstance(argument, list):
                words = [evaluated(word, op, instance, depth + 1) for word in argument]
                return _FUNCTIONS[name](words, op, instance)
        return {key: evaluated(item, op, instance, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [evaluated(item, op, instance, depth + 1) for item in value]
    return value


def _input(words: list[Any], op: LcmOpOcc, instance: VnfInstance) -> Any:
    """An additional parameter of the request, else the default of the descriptor's input."""
    given = op.parameters.get("additionalParams") or {}
    name, *default = words or [""]
    return given[name] if isinstance(name, str) and name in given else (default[0] if default else None)


def _concatenated(words: list[Any], op: LcmOpOcc, instance: VnfInstance) -> str:
    return "".join("" if word is None else str(word) for word in words)


def _attribute(words: list[Any], op: LcmOpOcc, instance: VnfInstance) -> Any:
    """``[SELF, scale_status]``, or ``[<connection point>, ip_address | mac_address]`` of the first VNFC that has it."""
    if len(words) < 2:
        return None
    owner, name = str(words[0]), str(words[1])
    if owner == "SELF":
        return dict(instance.scale_levels) if name == "scale_status" else None
    points = (point for vnfc in instance.vnfcs for point in vnfc.connection_points)
    point = next((point for point in points if owner in (point.cpd_id, point.ext_cpd_id)), None)
    if point is None:
        return None
    if name == "mac_address":
        return point.mac
    return point.addresses[0].split("/")[0] if name == "ip_address" and point.addresses else None


_FUNCTIONS = MappingProxyType({"get_input": _input, "get_attribute": _attribute, "concat": _concatenated})

"""JSON Schemas (draft 2020-12) of the two files, for editors and for those who generate them.

What a schema cannot say (a CPU in two cores, cells that do not add up) the readers check all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

from mano.domain.nfvi import HostState
from mano.placement import documents as inv
from mano.placement import request_documents as req
from mano.placement.request import (
    MAX_CELLS,
    MAX_INTERFACES,
    MAX_VCPUS,
    CpuPolicy,
    EmulatorThreads,
    GroupKind,
    NumaAffinity,
    PageClass,
    Scope,
    ThreadPolicy,
    VnicType,
)

Schema = dict[str, Any]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TEXT: Schema = {"type": "string", "minLength": 1, "maxLength": 255}
_TEXT_OR_NULL: Schema = {**_TEXT, "type": ["string", "null"]}
_FLAG: Schema = {"type": "boolean"}
_PCI: Schema = {"type": "string", "pattern": "^[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\\.[0-7]$"}
_TEXT_MAP: Schema = {"type": "object", "additionalProperties": _TEXT, "maxProperties": 1000}


def _whole(low: int, high: int, **more: Any) -> Schema:
    return {"type": "integer", "minimum": low, "maximum": high, **more}


def _whole_or_null(low: int, high: int, **more: Any) -> Schema:
    return {**_whole(low, high, **more), "type": ["integer", "null"]}


def _list(items: Schema, limit: int, **more: Any) -> Schema:
    return {"type": "array", "items": items, "maxItems": limit, **more}


def _choice(kind: type[StrEnum], default: StrEnum | None = None) -> Schema:
    schema: Schema = {"enum": [str(one) for one in kind]}
    return schema if default is None else {**schema, "default": str(default)}


def _map(properties: Mapping[str, Schema], required: Iterable[str] = (), **more: Any) -> Schema:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
        "additionalProperties": False,
        **more,
    }


def _number_map(high: int) -> Schema:
    return {"type": "object", "patternProperties": {"^[0-9]{1,12}$": _whole(0, high)}, "additionalProperties": False}


_CPUS = _list(_whole(0, inv.MAX_CPUS - 1), inv.MAX_CPUS)
_QUANTITY = _whole(0, inv.QUANTITY, default=0)


def _node() -> Schema:
    return _map(
        {
            "id": _whole(0, 4095),
            "socket": _whole_or_null(0, inv.QUANTITY),
            "cores": _list(
                _list(_whole(0, inv.MAX_CPUS - 1), 64, minItems=1),
                inv.MAX_CORES,
                description="the online logical CPUs of each physical core",
            ),
            "memoryMib": _whole(0, inv.QUANTITY, description="of the node, its huge pages included"),
            "hugepages": {**_number_map(inv.QUANTITY), "description": "pages by size in KiB"},
            "reservedMemoryMib": _QUANTITY,
            "reservedHugepages": _number_map(inv.QUANTITY),
            "distances": _number_map(2**16),
        },
        ["id", "cores", "memoryMib"],
    )


def _nic() -> Schema:
    return _map(
        {
            "name": _TEXT,
            "pci": _PCI,
            "numaNode": _whole_or_null(0, 4095, description="null: unknown"),
            "physnet": _TEXT_OR_NULL,
            "linkMbps": _whole_or_null(0, inv.QUANTITY, description="null: unknown, no bandwidth is promised on it"),
            "totalVfs": _whole(0, 65_535, default=0),
            "traits": _list(_TEXT, 100),
        },
        ["pci"],
    )


def _allocation() -> Schema:
    cell = _map(
        {
            "node": _whole(0, 4095),
            "cpus": {**_CPUS, "description": "dedicated CPUs, in vCPU order"},
            "memoryMib": _QUANTITY,
            "pageSizeKib": _whole(4, 2**34, default=4),
            "sharedVcpus": _QUANTITY,
            "vcpus": _list(_whole(0, inv.MAX_CPUS), inv.MAX_CPUS),
        },
        ["node"],
    )
    interface = _map(
        {
            "pci": {**_PCI, "type": ["string", "null"]},
            "vfs": _list(_whole(0, 65_535), 65_536, description="counted from 0; none with a pci: the whole NIC"),
            "node": _whole_or_null(0, 4095),
            "bandwidthMbps": _QUANTITY,
        }
    )
    return _map(
        {
            "id": _TEXT,
            "host": _TEXT,
            "groups": _list(_TEXT, 1000),
            "cells": _list(cell, inv.MAX_NODES),
            "vcpuPins": _number_map(inv.MAX_CPUS - 1),
            "emulatorCpus": _CPUS,
            "blockedCpus": _CPUS,
            "interfaces": {"type": "object", "additionalProperties": interface, "maxProperties": 1000},
            "storageGib": _QUANTITY,
        },
        ["id"],
    )


def _host() -> Schema:
    vswitch = _map(
        {
            "datapath": {"enum": ["system", "netdev"], "default": "system"},
            "nodes": _list(_whole(0, 4095), inv.MAX_NODES),
        }
    )
    return _map(
        {
            "name": _TEXT,
            "zone": {**_TEXT, "default": "default"},
            "state": _choice(HostState, HostState.ENABLED),
            "labels": _TEXT_MAP,
            "numaNodes": _list(_node(), inv.MAX_NODES),
            "reservedCpus": _CPUS,
            "sharedCpus": _CPUS,
            "cpuOvercommit": {"type": "number", "exclusiveMinimum": 0, "maximum": 1000, "default": 1.0},
            "storageGib": _QUANTITY,
            "vswitch": {**vswitch, "type": ["object", "null"]},
            "nics": _list(_nic(), inv.MAX_NICS),
            "allocations": _list(_allocation(), inv.MAX_ALLOCATIONS),
            "generation": _whole(0, 2**63 - 1),
        },
        ["name", "numaNodes"],
    )


def inventory_schema() -> Schema:
    link = _map(
        {"a": _TEXT, "b": _TEXT, "mbps": _QUANTITY, "latencyUs": _QUANTITY, "reservedMbps": _QUANTITY},
        ["a", "b", "mbps"],
    )
    return _map(
        {
            "apiVersion": {"const": inv.API_VERSION},
            "kind": {"const": "Inventory"},
            "hosts": _list(_host(), inv.MAX_HOSTS),
            "links": _list(link, inv.MAX_LINKS),
        },
        ["hosts"],
        title="Catena inventory",
        **{"$schema": _DIALECT},
    )


def _vdu() -> Schema:
    interface = _map(
        {
            "id": _TEXT,
            "vnicType": _choice(VnicType, VnicType.NORMAL),
            "physnet": _TEXT_OR_NULL,
            "vfs": _whole(1, 65_535, default=1),
            "numaAffinity": _choice(NumaAffinity, NumaAffinity.REQUIRED),
            "bandwidthMbps": _QUANTITY,
            "traits": _list(_TEXT, 100),
        },
        ["id"],
    )
    cell = _map(
        {
            "vcpus": _list(_whole(0, MAX_VCPUS - 1), MAX_VCPUS, minItems=1),
            "memoryMib": _whole(1, inv.QUANTITY),
        },
        ["vcpus", "memoryMib"],
    )
    return _map(
        {
            "id": _TEXT,
            "vcpus": _whole(1, MAX_VCPUS),
            "memoryMib": _whole(1, inv.QUANTITY),
            "cpuPolicy": _choice(CpuPolicy, CpuPolicy.DEDICATED),
            "threadPolicy": _choice(ThreadPolicy, ThreadPolicy.PREFER),
            "emulatorThreads": _choice(EmulatorThreads, EmulatorThreads.NONE),
            "pageSizeKib": {"anyOf": [_choice(PageClass), _whole(4, 2**34)], "default": "small"},
            "numaNodes": {
                "anyOf": [_whole(1, MAX_CELLS), _list(cell, MAX_CELLS, minItems=1), {"type": "null"}],
                "description": "null: as few as possible; a count: equal cells; or the cells",
            },
            "dedicatedVcpus": _list(_whole(0, MAX_VCPUS), MAX_VCPUS),
            "storageGib": _QUANTITY,
            "requires": _TEXT_MAP,
            "zone": _TEXT_OR_NULL,
            "zones": _list(_TEXT, 10_000),
            "interfaces": _list(interface, MAX_INTERFACES),
        },
        ["id", "vcpus", "memoryMib"],
    )


def request_schema() -> Schema:
    group = _map(
        {
            "id": _TEXT_OR_NULL,
            "kind": _choice(GroupKind),
            "scope": _choice(Scope, Scope.HOST),
            "members": _list(_TEXT, req.MAX_MEMBERS),
            "strict": {**_FLAG, "default": True},
        },
        ["kind", "members"],
    )
    chain = _map(
        {
            "id": _TEXT,
            "path": _list(_TEXT, req.MAX_PATH, minItems=1),
            "bandwidthMbps": _QUANTITY,
            "maxLatencyUs": _whole_or_null(0, inv.QUANTITY),
            "ingress": _TEXT_OR_NULL,
            "egress": _TEXT_OR_NULL,
        },
        ["id", "path"],
    )
    return _map(
        {
            "apiVersion": {"const": inv.API_VERSION},
            "kind": {"const": "PlacementRequest"},
            "options": _map({"allOrNothing": {**_FLAG, "default": True}}),
            "vdus": _list(_vdu(), req.MAX_VDUS),
            "groups": _list(group, req.MAX_GROUPS),
            "chains": _list(chain, req.MAX_CHAINS),
        },
        ["vdus"],
        title="Catena placement request",
        **{"$schema": _DIALECT},
    )


def placement_schemas() -> dict[str, Schema]:
    """Both schemas by kind."""
    return {"Inventory": inventory_schema(), "PlacementRequest": request_schema()}

"""Where the VDUs of a network service go: a pure engine over an inventory and a request.

inventory = inventory_from_document(document_from_text(text, "Inventory"))
request = request_from_document(document_from_text(text, "PlacementRequest"))
result = plan(inventory, request)
for placement in result.reservable():
    inventory = inventory.with_allocation(placement.host, placement.allocation)
"""

from __future__ import annotations

from mano.placement.documents import (
    allocation_from_document,
    host_from_document,
    host_to_document,
    inventory_from_document,
    inventory_to_document,
)
from mano.placement.link_loads import LinkLoad, loads_of, with_loads, without_loads
from mano.placement.planner import Planner, plan
from mano.placement.reading import DocumentError, Fault
from mano.placement.rebalance import Move, Rebalance, rebalance
from mano.placement.request import (
    CellRequest,
    ChainRequest,
    CpuPolicy,
    EmulatorThreads,
    Group,
    GroupKind,
    InterfaceRequest,
    NumaAffinity,
    PageClass,
    PlacementRequest,
    RequestError,
    Scope,
    ThreadPolicy,
    VduRequest,
    VnicType,
)
from mano.placement.request_documents import request_from_document, request_to_document, vdu_from_document
from mano.placement.result import ChainRoute, Code, Decision, NearMiss, Objective, Placement, PlacementResult, Unplaced
from mano.placement.room import has_room
from mano.placement.schemas import placement_schemas
from mano.placement.what_if import what_if
from mano.placement.yaml_core import document_from_text, documents_from_text

__all__ = [
    "CellRequest",
    "ChainRequest",
    "ChainRoute",
    "Code",
    "CpuPolicy",
    "Decision",
    "DocumentError",
    "EmulatorThreads",
    "Fault",
    "Group",
    "GroupKind",
    "InterfaceRequest",
    "LinkLoad",
    "Move",
    "NearMiss",
    "NumaAffinity",
    "Objective",
    "PageClass",
    "Placement",
    "PlacementRequest",
    "PlacementResult",
    "Planner",
    "Rebalance",
    "RequestError",
    "Scope",
    "ThreadPolicy",
    "Unplaced",
    "VduRequest",
    "VnicType",
    "allocation_from_document",
    "document_from_text",
    "documents_from_text",
    "has_room",
    "host_from_document",
    "host_to_document",
    "inventory_from_document",
    "inventory_to_document",
    "loads_of",
    "placement_schemas",
    "plan",
    "rebalance",
    "request_from_document",
    "request_to_document",
    "vdu_from_document",
    "what_if",
    "with_loads",
    "without_loads",
]

"""``/mano/v1/chains``: service function chains and what the switches do with them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, Field
from starlette.responses import Response

from mano.api.auth import Caller
from mano.api.bodies import Body, IpAddress
from mano.api.chain_services import Chains as ChainsByHand
from mano.api.native import chain_changes
from mano.api.native.hosts import PREFIX
from mano.api.openapi_document import Form
from mano.api.resource_routes import ResourceId, add, json_answer, new_router
from mano.api.services import ForwardingGraphs

Port = Annotated[int, Field(ge=0, le=65_535)]

Since = Annotated[AwareDatetime | None, Query(description="Only what was counted after this moment (RFC 3339).")]


class TracedPacket(Body):
    """The 5-tuple of a packet; a protocol by name or number (IANA); its VLAN tag when it has one."""

    source: IpAddress
    destination: IpAddress
    protocol: Literal["tcp", "udp", "icmp", "icmpv6", "ipv6-icmp", "sctp"] | Annotated[int, Field(ge=0, le=255)]
    source_port: Port | None = None
    destination_port: Port | None = None
    vlan: Annotated[int, Field(ge=0, le=4095)] | None = None


class EchoRequests(Body):
    """How a path is to be asked: which one, how often at each hop, and how long for each answer."""

    direction: Literal["forward", "reverse"] | None = None
    count: Annotated[int, Field(ge=1, le=20)] | None = None
    wait_ms: Annotated[int, Field(ge=10, le=5000)] | None = None


def router(graphs: ForwardingGraphs, changes: ChainsByHand | None = None) -> APIRouter:
    """The resources; without ``changes`` chains can only be looked at."""
    routes = new_router(PREFIX, "native")
    chains = Chains(graphs)
    add(routes, "GET", "/chains", chains.list_all, form=Form.LIST)
    add(routes, "GET", "/chains/{id}", chains.read)
    add(routes, "GET", "/chains/{id}/statistics", chains.statistics)
    add(routes, "POST", "/chains/{id}/verify", chains.verify)
    add(routes, "POST", "/chains/{id}/trace", chains.trace)
    add(routes, "POST", "/chains/{id}/follow", chains.follow)
    add(routes, "POST", "/chains/{id}/traceroute", chains.traceroute)
    add(routes, "GET", "/chains/{id}/statistics/history", chains.history)
    add(routes, "GET", "/chains/{id}/drift", chains.drift)
    add(routes, "POST", "/chains/{id}/repair", chains.repair)
    if changes is not None:
        chain_changes.add_routes(routes, changes)
    return routes


class Chains:
    """Chains of the caller's tenant."""

    def __init__(self, graphs: ForwardingGraphs) -> None:
        self._graphs = graphs

    def list_all(self, caller: Caller) -> Response:
        """List the chains with their classifiers and paths."""
        return json_answer(list(self._graphs.list(caller.tenant_id)))

    def read(self, caller: Caller, id: ResourceId) -> Response:
        """Read one chain."""
        return json_answer(self._graphs.get(id, caller.tenant_id))

    def statistics(self, caller: Caller, id: ResourceId) -> Response:
        """Read the counters of every hop, and the drops."""
        return json_answer(self._graphs.statistics(id, caller.tenant_id))

    def verify(self, caller: Caller, id: ResourceId) -> Response:
        """Prove the chain on the simulator, and compare the switches with it."""
        return json_answer(self._graphs.verify(id, caller.tenant_id))

    def trace(self, caller: Caller, id: ResourceId, body: TracedPacket) -> Response:
        """Follow one packet hop by hop."""
        return json_answer(self._graphs.trace(id, caller.tenant_id, body.document()))

    def follow(self, caller: Caller, id: ResourceId, body: TracedPacket) -> Response:
        """Send one real packet into the chain, and tell its octets at every hop."""
        return json_answer(self._graphs.follow(id, caller.tenant_id, body.document()))

    def traceroute(self, caller: Caller, id: ResourceId, body: EchoRequests | None = None) -> Response:
        """Let every bridge on the chain's paths answer echo requests (RFC 9516)."""
        request = body.document() if body is not None else {}
        return json_answer(self._graphs.traceroute(id, caller.tenant_id, request))

    def history(self, caller: Caller, id: ResourceId, since: Since = None) -> Response:
        """Read what was counted of the chain during the last half an hour."""
        found = dict(self._graphs.history(id, caller.tenant_id))
        if since is not None:
            found["samples"] = [sample for sample in found["samples"] if datetime.fromisoformat(sample["time"]) > since]
        return json_answer(found)

    def drift(self, caller: Caller, id: ResourceId) -> Response:
        """Compare the bridges on the chain's way with what they are to hold."""
        return json_answer(self._graphs.drift(id, caller.tenant_id))

    def repair(self, caller: Caller, id: ResourceId) -> Response:
        """Make the bridges on the chain's way what they are to be."""
        return json_answer(self._graphs.repair(id, caller.tenant_id))

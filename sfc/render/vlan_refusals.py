"""Chains by VLAN that Open vSwitch could not keep apart, or that no packet could enter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations

from sfc.classifier import intersect
from sfc.errors import RenderError
from sfc.model.chains import Chain, PlannedChain
from sfc.model.topology import Awareness, Layer, Topology


def refuse_vlans(topology: Topology, chains: Sequence[PlannedChain]) -> None:
    """Raises :class:`RenderError` naming the chains, their VLANs and the place."""
    tagged = [planned for planned in chains if planned.chain.vlan is not None]
    if not tagged:
        return
    for planned in tagged:
        _refuse_plain_ingress(topology, planned.chain)
    _refuse_followed(chains)
    beside: dict[str, list[PlannedChain]] = {}
    for planned in chains:
        if planned.classified:
            beside.setdefault(planned.forward.start, []).append(planned)
    for together in beside.values():
        _refuse_confusable(topology, list({planned.chain.id: planned for planned in together}.values()))


def _refuse_plain_ingress(topology: Topology, chain: Chain) -> None:
    if not topology.port(chain.ingress).trunk:
        raise RenderError(
            "VLAN_MATCH",
            f"chain {chain.id} takes packets of VLAN {chain.vlan}, but its ingress {chain.ingress} may send no tagged "
            "frame: the guard drops them as forged",
            "declare the port a trunk, or give the VLAN a network and a port of its own",
        )


def _refuse_followed(chains: Sequence[PlannedChain]) -> None:
    vlans = {planned.chain.id: planned.chain.vlan for planned in chains}
    for planned in chains:
        for name in planned.chain.after:
            if vlans.get(name) is not None:
                raise RenderError(
                    "VLAN_GRAPH",
                    f"chain {planned.chain.id} follows {name}, which takes packets of VLAN {vlans[name]}",
                    "a graph's last chain would not know which tag to put back: leave vlan out of the first",
                )


def _refuse_confusable(topology: Topology, chains: Sequence[PlannedChain]) -> None:
    """Where packets have no tag and only connections tell chains apart, two VLANs' must not look the same."""
    for one, other in combinations(chains, 2):
        if one.chain.vlan == other.chain.vlan:
            continue
        place = next(iter(_told_by_connection(topology, one) & _told_by_connection(topology, other)), None)
        if place is not None and _look_alike(one.chain, other.chain):
            named = [
                f"chain {each.chain.id} ({'no VLAN' if each.chain.vlan is None else f'VLAN {each.chain.vlan}'})"
                for each in (one, other)
            ]
            raise RenderError(
                "VLAN_ALIKE",
                f"{named[0]} and {named[1]} may carry connections with the same addresses and ports through {place}, "
                "where packets have no tag",
                "name the source addresses of each VLAN in the classifiers, or end them at a trunk",
            )


def _told_by_connection(topology: Topology, planned: PlannedChain) -> frozenset[str]:
    return frozenset(_places(topology, planned))


def _places(topology: Topology, planned: PlannedChain) -> Iterator[str]:
    for hop in planned.forward.hops:
        function = topology.function(hop.function)
        if function.is_proxied and function.awareness is Awareness.NONE and function.layer is Layer.L3:
            yield f"routing function {function.id}"
    if planned.reverse is not None and not topology.port(planned.forward.end).trunk:
        yield f"port {planned.forward.end}"


def _look_alike(one: Chain, other: Chain) -> bool:
    return any(
        intersect(
            replace(mine.match, vlan=None, vlan_priority=None), replace(others.match, vlan=None, vlan_priority=None)
        )
        for mine in one.classifiers
        for others in other.classifiers
    )

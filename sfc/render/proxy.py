"""Functions and ends: hand-off, what may come back, re-imposition (tables 0, 20, 25 and 30).

A bridging function's packets are told apart by a MAC tag, a routing one's by their connection's mark, those of either
by a VLAN tag where the function keeps one (see ``docs/table-plan.md`` for why).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sfc.classifier import precedence
from sfc.errors import RenderError
from sfc.model.actions import Action, Ct, Decap, Output, PopVlan, PushVlan, SetField
from sfc.model.addresses import IpNetwork, covers
from sfc.model.chains import SI_FIRST, Chain, Direction, Hop, PathGroup
from sfc.model.cookies import Kind
from sfc.model.fields import Field, FieldMatch
from sfc.model.topology import Awareness, Layer, OnFailure, Port, ServiceFunction
from sfc.render.bridge import ENTER, Bridge, Route
from sfc.render.forward import render_living
from sfc.render.guard import FORGET_IN_PORT, proxy_arp
from sfc.render.matches import (
    ETHERNET_NSH,
    FAMILY,
    IPV4,
    TAG_PRESENT,
    Matches,
    ct_mark,
    destination,
    eth_dst,
    eth_src,
    icmp_errors,
    in_port,
    reg0,
)
from sfc.render.networks import answer_proxy_arp
from sfc.render.tables import NEIGHBOUR_EGRESS, NEIGHBOUR_INGRESS, SFF_MAC, Table, mac_tag, vlan_tag
from sfc.stand_in import stand_in


def render_function_misses(bridge: Bridge) -> None:
    """What no function and no end takes."""
    bridge.add(Table.HAND_OFF, 0, (), (), Kind.DROP_HAND_OFF_MISS)
    bridge.add(Table.STAND_IN, 0, (), (), Kind.DROP_HAND_OFF_MISS, 1)
    bridge.add(Table.MARK_RETURN, 0, (), (), Kind.DROP_MARK_MISS)
    bridge.add(Table.END, 0, (), (), Kind.DROP_END_MISS)


def render_functions_of(bridge: Bridge, route: Route) -> None:
    """Every function that a route meets on the bridge, and its end."""
    for hop in route.hops_at.get(bridge.sff.name, ()):
        _hop(bridge, route, hop)
        other = stand_in(bridge.world.topology, route.chain, route.rsp, hop)
        if other is not None:
            _hop_instead(bridge, route, other)
    if route.rsp.end_sff == bridge.sff.name and bridge.world.before(route) is None:
        _end(bridge, route)


def render_function(bridge: Bridge, function: ServiceFunction, through: Sequence[Route]) -> None:
    """What a function needs for all routes together."""
    if function.is_proxied and function.awareness is Awareness.NONE and function.layer is Layer.L3:
        _track_legs(bridge, function, through)
    if _by_carrier(bridge, function, through):
        render_living(bridge, function)
    if function.own_address is not None and function.layer is Layer.L2:
        _own_errors(bridge, function, through)


def _by_carrier(bridge: Bridge, function: ServiceFunction, through: Sequence[Route]) -> bool:
    """True when the bridge itself decides by its legs' carrier what becomes of its packets."""
    if function.on_failure is OnFailure.OPEN:
        return not function.is_tap
    return any(
        stand_in(bridge.world.topology, route.chain, route.rsp, _meeting(route, function)) is not None
        for route in through
    )


def functions_here(bridge: Bridge) -> list[tuple[ServiceFunction, tuple[Route, ...]]]:
    """Functions on the bridge that some chain passes, with the routes; the most general that takes packets last."""
    passing: dict[str, dict[Route, None]] = {}
    for route in bridge.routes:
        for hop in route.hops_at.get(bridge.sff.name, ()):
            passing.setdefault(hop.function, {})[route] = None
    topology = bridge.world.topology
    return [(topology.function(name), tuple(sorted(passing[name], key=_generality))) for name in sorted(passing)]


def _hop(bridge: Bridge, route: Route, hop: Hop) -> None:
    function = bridge.world.topology.function(hop.function)
    if function.is_tap:
        _copied(bridge, route, hop, function)
    elif not function.is_proxied:
        _nsh_return(bridge, route, hop)
    elif function.awareness is Awareness.VLAN:
        _in_vlan(bridge, route, hop, function)
    elif function.layer is Layer.L2:
        _tagged(bridge, route, hop)
    else:
        _marked(bridge, route, hop, function)


def _hop_instead(bridge: Bridge, route: Route, hop: Hop) -> None:
    """The same for the instance that stands in."""
    if bridge.world.topology.function(hop.function).is_proxied:
        _tagged(bridge, route, hop, Table.STAND_IN, Kind.STAND_IN, Kind.STAND_IN_BACK)
    else:
        _nsh_return(bridge, route, hop, Kind.STAND_IN_BACK)


def _copied(bridge: Bridge, route: Route, hop: Hop, function: ServiceFunction) -> None:
    """What was inside NSH goes to the tap and, in NSH again, past it; nothing comes back."""
    if not function.is_proxied:
        return
    for version in route.versions:
        handed = (reg0(route.rsp.position(hop.si).word), FAMILY[version])
        actions = (Output(bridge.ofport(hop.port_in)), *route.impose(hop.si - 1))
        bridge.add_for(route, hop.si, Table.HAND_OFF, 100, handed, actions, Kind.TAP_COPY)


def _in_vlan(bridge: Bridge, route: Route, hop: Hop, function: ServiceFunction) -> None:
    """Hand-off by VLAN: stateless, and right for functions that rewrite what they please but the tag."""
    leg_in, leg_out = bridge.world.topology.port(hop.port_in), bridge.world.topology.port(hop.port_out)
    tag = TAG_PRESENT | vlan_tag(route.rsp.spi)
    routed = (SetField(Field.ETH_DST, int(leg_in.mac)), SetField(Field.ETH_SRC, int(SFF_MAC)))
    macs = routed if function.layer is Layer.L3 else ()
    in_vlan = FieldMatch(Field.VLAN_TCI, tag, TAG_PRESENT | 0xFFF)
    other = bridge.world.other(route)
    for version in route.versions:
        handed = (reg0(route.rsp.position(hop.si).word), FAMILY[version])
        into = (*macs, PushVlan(), SetField(Field.VLAN_TCI, tag), Output(leg_in.ofport))
        bridge.add_for(route, hop.si, Table.HAND_OFF, 100, handed, into, Kind.HAND_OFF)
        back = (in_port(leg_out.ofport), in_vlan, FAMILY[version])
        behind = (PopVlan(), *route.impose(hop.si - 1))
        bridge.add_for(route, hop.si, Table.GUARD, 320, back, behind, Kind.PROXY_RETURN)
        if other is not None and function.layer is Layer.L2:
            answer = (in_port(leg_in.ofport), in_vlan, FAMILY[version])
            turned = (PopVlan(), *other.impose(_behind(other, hop)))
            bridge.add_for(route, hop.si, Table.GUARD, 320, answer, turned, Kind.SF_ANSWER)


def _nsh_return(bridge: Bridge, route: Route, hop: Hop, kind: Kind = Kind.SF_RETURN) -> None:
    port = bridge.world.topology.port(hop.port_out)
    match = (
        in_port(port.ofport),
        eth_src(port.mac),
        ETHERNET_NSH,
        FieldMatch(Field.NSH_SPI, route.rsp.spi),
        FieldMatch(Field.NSH_SI, hop.si - 1),
    )
    actions = (FORGET_IN_PORT, Decap(), ENTER)
    bridge.add_for(route, hop.si, Table.GUARD, 200, match, actions, kind)


def _tagged(
    bridge: Bridge,
    route: Route,
    hop: Hop,
    table: Table = Table.HAND_OFF,
    there: Kind = Kind.HAND_OFF,
    back_again: Kind = Kind.PROXY_RETURN,
) -> None:
    """Hand-off by MAC tag: stateless and exact per packet, also in the middle of a change."""
    tag = mac_tag(route.rsp.position(hop.si))
    leg_in, leg_out = bridge.ofport(hop.port_in), bridge.ofport(hop.port_out)
    other = bridge.world.other(route)
    for version in route.versions:
        handed = (reg0(route.rsp.position(hop.si).word), FAMILY[version])
        actions = (SetField(Field.ETH_SRC, int(tag)), Output(leg_in))
        bridge.add_for(route, hop.si, table, 100, handed, actions, there)
        back = (in_port(leg_out), FAMILY[version], eth_src(tag))
        bridge.add_for(route, hop.si, Table.GUARD, 200, back, route.impose(hop.si - 1), back_again)
        if other is not None:
            # A reset made by the bridge itself comes back where the packet went in, its MACs swapped.
            answer = (in_port(leg_in), FAMILY[version], eth_dst(tag))
            behind = other.impose(_behind(other, hop))
            bridge.add_for(route, hop.si, Table.GUARD, 190, answer, behind, Kind.SF_ANSWER)


def _behind(other: Route, hop: Hop) -> int:
    """The service index on the path back, right behind the function that is met by ``hop``."""
    path = other.chain.path
    if all(group.only is None for group in path):
        return SI_FIRST - (len(other.rsp.hops) - (SI_FIRST - hop.si))
    here = _place(path, hop)
    back = other.rsp.direction is Direction.REVERSE
    passed = [each for each in other.rsp.hops if (_place(path, each) >= here if back else _place(path, each) <= here)]
    return SI_FIRST - len(passed)


def _place(path: Sequence[PathGroup], hop: Hop) -> int:
    """Number of the group whose function a hop meets."""
    return next(
        (number for number, group in enumerate(path) if any(each.function == hop.function for each in group.instances)),
        len(path),
    )


def _marked(bridge: Bridge, route: Route, hop: Hop, function: ServiceFunction) -> None:
    """Hand-off by connection mark: every packet commits, so a restart heals itself."""
    if sum(each.function == hop.function for each in route.rsp.hops) > 1:
        raise RenderError("MARK_TWICE", f"chain {route.chain.id} meets routing {function.id} twice: marks cannot tell")
    leg_in, leg_out = bridge.world.topology.port(hop.port_in), bridge.world.topology.port(hop.port_out)
    zone = bridge.ofport(function.ingress)
    to_leg = (SetField(Field.ETH_DST, int(leg_in.mac)), SetField(Field.ETH_SRC, int(SFF_MAC)))
    uncommitted = (*to_leg, Output(leg_in.ofport))
    word = reg0(route.rsp.position(hop.si).word)
    for version in route.versions:
        for error in icmp_errors(version):
            bridge.add_for(route, hop.si, Table.HAND_OFF, 110, (word, *error), uncommitted, Kind.HAND_OFF_ERROR)
        handed = (*to_leg, Ct(zone, commit=True, mark=route.mark), Output(leg_in.ofport))
        bridge.add_for(route, hop.si, Table.HAND_OFF, 100, (word, FAMILY[version]), handed, Kind.HAND_OFF)
        back = (in_port(leg_out.ofport), FAMILY[version], ct_mark(route.mark))
        bridge.add_for(route, hop.si, Table.MARK_RETURN, 100, back, route.impose(hop.si - 1), Kind.MARK_RETURN)


def _track_legs(bridge: Bridge, function: ServiceFunction, through: Sequence[Route]) -> None:
    zone = bridge.ofport(function.ingress)
    versions = sorted({version for route in through for version in route.versions})
    for port_id in sorted(set(function.legs(True))):
        port = bridge.world.topology.port(port_id)
        for version in versions:
            match = (in_port(port.ofport), eth_src(port.mac), FAMILY[version])
            actions = (Ct(zone, table=Table.MARK_RETURN),)
            bridge.add(Table.GUARD, 200, match, actions, Kind.PROXY_TRACK, port.ofport)
        proxy_arp(bridge, port)
        answer_proxy_arp(bridge, port)


def _generality(route: Route) -> tuple[bool, tuple[int, int, str], int]:
    last = max(precedence(route.chain, classifier) for classifier in route.chain.classifiers)
    return (route.planned.classified, last, route.rsp.spi)


def _own_errors(bridge: Bridge, function: ServiceFunction, through: Sequence[Route]) -> None:
    """ICMP errors from the stack of a bridging function: behind itself, on the most general chain of each ingress."""
    general: dict[str, Route] = {}
    for route in through:
        if route.rsp.direction is Direction.FORWARD:
            general[route.rsp.start] = route
    for route in general.values():
        back = bridge.world.other(route)
        if back is not None:
            targets = [destination(prefix) for prefix in _only_there(bridge, route.rsp.start, general)]
            behind = _behind(back, _meeting(route, function))
            _own_error(bridge, back, behind, function, function.ingress, NEIGHBOUR_INGRESS, targets)
    if general:
        last = list(general.values())[-1]
        behind = _meeting(last, function).si - 1
        _own_error(bridge, last, behind, function, function.legs(True)[1], NEIGHBOUR_EGRESS, [(IPV4,)])


def _meeting(route: Route, function: ServiceFunction) -> Hop:
    """Where a route meets a function first."""
    return next(hop for hop in route.rsp.hops if hop.function == function.id)


def _only_there(bridge: Bridge, ingress: str, others: Iterable[str]) -> list[IpNetwork]:
    """IPv4 prefixes of an ingress that no other has: an error to an address of two might reach the wrong one."""
    topology = bridge.world.topology
    elsewhere = [prefix for port in others if port != ingress for prefix in topology.port(port).sources]
    return [
        prefix
        for prefix in topology.port(ingress).sources
        if prefix.version == 4 and not any(covers(prefix, other) or covers(other, prefix) for other in elsewhere)
    ]


def _own_error(
    bridge: Bridge,
    route: Route,
    behind: int,
    function: ServiceFunction,
    leg: str,
    neighbour: int,
    targets: list[Matches],
) -> None:
    """``behind``: the service index on the route right behind the function."""
    head = (in_port(bridge.ofport(leg)), FieldMatch(Field.ETH_DST, int(neighbour)))
    sender = FieldMatch(Field.IPV4_SRC, int(function.own_address or 0))
    for target in targets:
        match = (*head, sender, *target)
        bridge.add_for(route, behind + 1, Table.GUARD, 195, match, route.impose(behind), Kind.SF_ERROR)


def _end(bridge: Bridge, route: Route) -> None:
    """Out of the chain with real MAC addresses; the end of a symmetric chain marks the connection for its way back."""
    topology = bridge.world.topology
    start, end = topology.port(route.rsp.start), topology.port(route.rsp.end)
    word = reg0(route.rsp.position(route.rsp.end_si).word)
    macs = (SetField(Field.ETH_DST, int(end.mac)), SetField(Field.ETH_SRC, int(start.mac)))
    marks = route.rsp.direction is Direction.FORWARD and route.planned.reverse is not None
    tag = _tag(route.chain, end)
    uncommitted = (*macs, *tag, Output(end.ofport))
    for version in route.versions:
        if marks:
            for error in icmp_errors(version):
                _leave(bridge, route, 110, (word, *error), uncommitted, Kind.END_ERROR)
        commit = (Ct(end.ofport, commit=True, mark=route.mark),) if marks else ()
        actions = (*macs, *commit, *tag, Output(end.ofport))
        _leave(bridge, route, 100, (word, FAMILY[version]), actions, Kind.END)


def _tag(chain: Chain, end: Port) -> tuple[Action, ...]:
    """Put the tag of the chain's VLAN back where packets leave by a port that has tags."""
    if chain.vlan is None or not end.trunk:
        return ()
    priority = (SetField(Field.VLAN_PCP, chain.vlan_priority),) if chain.vlan_priority else ()
    return (PushVlan(), SetField(Field.VLAN_TCI, TAG_PRESENT | chain.vlan), *priority)


def _leave(
    bridge: Bridge, route: Route, priority: int, match: Matches, actions: tuple[Action, ...], kind: Kind
) -> None:
    bridge.add_for(route, route.rsp.end_si, Table.END, priority, match, actions, kind)

"""Tables 1 and 31: which chain a packet enters, on its way out and on its way back."""

from __future__ import annotations

from dataclasses import replace

from sfc.model.actions import Action, Ct, PopVlan, Resubmit
from sfc.model.bits import MacBits
from sfc.model.chains import SI_FIRST, OnMiss
from sfc.model.cookies import Kind
from sfc.model.topology import Port, Unclassified
from sfc.render.bridge import Bridge, Route, ranked
from sfc.render.matches import (
    FAMILY,
    FRAGMENTS,
    ICMP_ERRORS,
    ICMPV6_ERRORS,
    TRACKED,
    TRACKED_INVALID,
    TRACKED_VALID,
    UNTRACKED,
    Matches,
    ct_mark,
    eth_dst,
    in_port,
    tag_match,
    traffic,
)
from sfc.render.spread import enter, turn_back, way_back
from sfc.render.tables import Table

FRAGMENT_TRACK, FRAGMENT_MARK = 65000, 64000


def render_classifier_misses(bridge: Bridge) -> None:
    """What no port's rules take."""
    bridge.add(Table.CLASSIFY, 0, (), (), Kind.DROP_CLASSIFIER_MISS)
    bridge.add(Table.REVERSE, 0, (), (), Kind.DROP_CLASSIFIER_MISS, 1)


def render_classifiers(bridge: Bridge, port: Port) -> None:
    """Both classifier tables for one port."""
    starts = bridge.world.starts.get(port.id, [])
    ends = bridge.world.ends.get(port.id, [])
    if starts:
        _fragments(bridge, port, starts)
        _forward(bridge, port, starts)
    if ends:
        _reverse(bridge, port, ends, starts)


def classifiers_rest_on(bridge: Bridge, port: Port) -> tuple[Route, ...]:
    """The routes by which the port's classifiers are drawn."""
    world = bridge.world
    ends = world.ends.get(port.id, [])
    heirs = [world.way_back(route) for route in ends]
    spreads = [spread for spread in map(world.spread_of, heirs) if spread is not None]
    branches = (branch for spread in spreads for branch in spread.branches)
    return (*world.starts.get(port.id, ()), *ends, *heirs, *branches)


def _remembers(route: Route) -> bool:
    """A chain chosen by ports marks its connections, so that their later fragments find it again."""
    return any(classifier.match.needs_whole for classifier in route.chain.classifiers)


def _fragments(bridge: Bridge, port: Port, starts: list[Route]) -> None:
    """Later fragments have no ports: the mark that whole packets of the connection left selects the chain.

    All fragments of a datagram pass the same ``ct``, which holds them until the datagram is complete. A connection
    of which only fragments were seen yet falls to the classifiers without ports.
    """
    remembering = [route for route in starts if _remembers(route)]
    for version in sorted({version for route in remembering for version in route.versions}):
        for fragment in FRAGMENTS:
            head = (in_port(port.ofport), FAMILY[version], fragment)
            track = (Ct(port.ofport, table=Table.CLASSIFY),)
            bridge.add(Table.CLASSIFY, FRAGMENT_TRACK, (*head, UNTRACKED), track, Kind.CLASSIFY_TRACK, port.ofport)
            for route in (route for route in remembering if version in route.versions):
                match = (*head, *_tag(port, route), TRACKED, ct_mark(route.mark))
                actions = (*_untag(port, route), *route.impose(SI_FIRST))
                bridge.add_for(route, 0, Table.CLASSIFY, FRAGMENT_MARK, match, actions, Kind.CLASSIFY_FRAGMENT)


def _forward(bridge: Bridge, port: Port, starts: list[Route]) -> None:
    for priority, route, index in ranked(starts, port.id):
        match = route.chain.classifiers[index].match
        spread = bridge.world.spread_of(route)
        # An ICMP error must not be committed: its mark would go to the connection that it is about.
        commits = match.needs_whole and match.icmp_type not in (ICMP_ERRORS if 4 in match.versions else ICMPV6_ERRORS)
        remember = (Ct(port.ofport, commit=True, mark=route.mark),) if commits else ()
        onward = enter(spread, port.ofport) if spread else (*remember, *route.impose(SI_FIRST))
        actions = (*_untag(port, route), *onward)
        head = (in_port(port.ofport), *_tag(port, route, match.vlan_priority))
        for version in _versions(route, index):
            for parts in traffic(match, version):
                whole = (*head, *parts)
                bridge.add_for(route, index, Table.CLASSIFY, priority, whole, actions, Kind.CLASSIFY)
    kind, actions = _unclassified(port)
    bridge.add(Table.CLASSIFY, 1, (in_port(port.ofport),), actions, kind, port.ofport)


def _reverse(bridge: Bridge, port: Port, ends: list[Route], starts: list[Route]) -> None:
    """The connection mark names the chain; without one the reversed classifiers do, for packets to its ingress."""
    here = in_port(port.ofport)
    for route in ends:
        for version in route.versions:
            match = (here, *_tag(port, route), FAMILY[version], ct_mark(route.mark))
            actions = (*_untag(port, route), *way_back(bridge.world, route))
            bridge.add_for(route, SI_FIRST, Table.REVERSE, 64000, match, actions, Kind.REVERSE_MARK)
    bridge.add(Table.REVERSE, 63000, (here, TRACKED_INVALID), (), Kind.DROP_INVALID, port.ofport)
    for route in starts:
        if _remembers(route):
            own = (here, ct_mark(route.mark))
            bridge.add(Table.REVERSE, 62000, own, (Resubmit(Table.CLASSIFY),), Kind.REVERSE_OWN, port.ofport)
    for priority, route, index in ranked(ends, port.id):
        _miss(bridge, port, route, index, priority)
    if starts:
        bridge.add(Table.REVERSE, 1, (here,), (Resubmit(Table.CLASSIFY),), Kind.REVERSE_NONE, port.ofport)
    else:
        kind, onward = _unclassified(port)
        kind = Kind.REVERSE_NONE if kind is Kind.CLASSIFY_NONE else kind
        bridge.add(Table.REVERSE, 1, (here,), onward, kind, port.ofport)


def _miss(bridge: Bridge, port: Port, route: Route, index: int, priority: int) -> None:
    """No mark or one that nobody knows any more: begun outside, before a restart, on a version that is gone."""
    match = route.chain.classifiers[index].match.reversed()
    ingress = bridge.world.topology.port(route.rsp.end)
    wanted = match.destination_mac
    own = wanted.takes(ingress.mac) if isinstance(wanted, MacBits) else wanted in (None, ingress.mac)
    if not own or match.context is not None:
        return
    match = replace(match, destination_mac=None)
    head = (in_port(port.ofport), *_tag(port, route))
    drops = route.chain.on_miss is OnMiss.DROP
    kind = Kind.DROP_REVERSE_MISS if drops else Kind.REVERSE_MISS
    spread = bridge.world.spread_of(route)
    onward = turn_back(spread) if spread else route.impose(SI_FIRST)
    actions = () if drops else (*_untag(port, route), *onward)
    for version in _versions(route, index):
        for parts in traffic(match, version):
            whole = (*head, eth_dst(ingress.mac), TRACKED_VALID, *parts)
            bridge.add_for(route, index, Table.REVERSE, priority, whole, actions, kind)


def _tag(port: Port, route: Route, priority: int | None = None) -> Matches:
    """Of a port that may send tagged frames, those of the chain's VLAN; of any other they end in table 0."""
    return tag_match(route.chain.vlan, priority) if port.trunk else ()


def _untag(port: Port, route: Route) -> tuple[Action, ...]:
    """Inside a chain no packet has a tag: functions would pass what they cannot read."""
    return (PopVlan(),) if port.trunk and route.chain.vlan is not None else ()


def _versions(route: Route, index: int) -> tuple[int, ...]:
    match = route.chain.classifiers[index].match
    return tuple(version for version in match.versions if version in route.versions)


def _unclassified(port: Port) -> tuple[Kind, tuple[Action, ...]]:
    if port.unclassified is Unclassified.DROP:
        return Kind.DROP_UNCLASSIFIED, ()
    return Kind.CLASSIFY_NONE, (Resubmit(Table.LOCAL),)

"""Tables 2 and 3: which branch of a chain that spreads a packet takes.

A connection stays where its mark says. One without a mark goes by a hash that is the same for both of its ways, so an
answer finds the branch of its question even when every mark is lost.
"""

from __future__ import annotations

from sfc.model.actions import Action, Ct, HashFields, Multipath, Resubmit, SetField
from sfc.model.chains import SI_FIRST, Direction
from sfc.model.classifiers import PortRange
from sfc.model.cookies import Kind
from sfc.model.fields import Field, FieldMatch
from sfc.render.bridge import Bridge, Route, Spread, World
from sfc.render.matches import FAMILY, FRAGMENTS, Matches, ct_mark, icmp_errors, port_masks, reg0
from sfc.render.tables import Table

ON_THE_WAY, ERROR, BACK = 0, 1, 2
"""What register 0 says in tables 2 and 3: a packet of the chain, an ICMP error (not to be committed), an answer."""


def enter(spread: Spread, zone: int) -> tuple[Action, ...]:
    """A classified packet on to its branch, its connection looked up."""
    return (SetField(Field.REG2, spread.number), Ct(zone, table=Table.SPREAD))


def turn_back(spread: Spread) -> tuple[Action, ...]:
    """An answer without a branch on to the one of its question."""
    return (SetField(Field.REG2, spread.number), SetField(Field.REG0, BACK), Resubmit(Table.SPREAD))


def way_back(world: World, route: Route) -> tuple[Action, ...]:
    """Where connections go back that carry a reverse route's mark."""
    heir = world.way_back(route)
    spread = world.spread_of(heir)
    moved = heir is not route or (spread is not None and _forward(world, heir) not in spread.living)
    return turn_back(spread) if spread is not None and moved else heir.impose(SI_FIRST)


def _forward(world: World, route: Route) -> Route:
    return world.route_of[route.mark, Direction.FORWARD]


def render_spread_misses(bridge: Bridge) -> None:
    """What no branch takes."""
    bridge.add(Table.SPREAD, 0, (), (), Kind.DROP_CLASSIFIER_MISS, 2)
    bridge.add(Table.SHARE, 0, (), (), Kind.DROP_CLASSIFIER_MISS, 3)


def spreads_here(bridge: Bridge) -> list[Spread]:
    """Chains whose connections are spread on the bridge: those that begin here, and symmetric ones that end here."""
    here = bridge.sff.name
    return [
        spread
        for spread in bridge.world.spreads.values()
        if here == spread.branches[0].rsp.start_sff
        or (spread.branches[0].chain.symmetric and here == spread.branches[0].rsp.end_sff)
    ]


def render_spread(bridge: Bridge, spread: Spread) -> None:
    """Both tables for one chain."""
    head = spread.branches[0]
    number = FieldMatch(Field.REG2, spread.number)
    _choose(bridge, head, number, spread.links)
    if bridge.sff.name == head.rsp.start_sff:
        zone = bridge.ofport(head.rsp.start)
        for route in spread.living:
            match = (number, reg0(ON_THE_WAY), ct_mark(route.mark))
            bridge.add_for(route, 0, Table.SPREAD, 300, match, route.impose(SI_FIRST), Kind.SPREAD_MARK)
        _share(bridge, spread, zone)
    if head.chain.symmetric and bridge.sff.name == head.rsp.end_sff:
        for route, shares in spread.shares:
            back = bridge.world.other(route)
            if back is not None:
                for remainder in _remainders(shares):
                    answer = (number, reg0(BACK), *remainder)
                    bridge.add_for(back, 0, Table.SHARE, 100, answer, back.impose(SI_FIRST), Kind.REVERSE_SHARE)


def _choose(bridge: Bridge, head: Route, number: FieldMatch, links: int) -> None:
    """By hash: of addresses alone where a packet, or the datagram that it is a part of, has no ports of its own.

    And of addresses alone where one of the chain's groups asks for it: that keeps together what any other would, too.
    """
    by_addresses = Multipath(HashFields.L3, links, Field.REG3)
    share = Resubmit(Table.SHARE)
    for version in head.versions:
        for fragment in FRAGMENTS:
            match: Matches = (number, FAMILY[version], fragment)
            bridge.add_for(head, 0, Table.SPREAD, 250, match, (by_addresses, share), Kind.SPREAD_CHOICE)
        for error in icmp_errors(version):
            uncommitted = (by_addresses, SetField(Field.REG0, ERROR), share)
            match = (number, reg0(ON_THE_WAY), *error)
            bridge.add_for(head, 1, Table.SPREAD, 240, match, uncommitted, Kind.SPREAD_CHOICE)
    together = any(group.spread and group.by_addresses for group in head.chain.path)
    others = by_addresses if together else Multipath(HashFields.L3L4, links, Field.REG3)
    bridge.add_for(head, 2, Table.SPREAD, 200, (number,), (others, share), Kind.SPREAD_CHOICE)


def _share(bridge: Bridge, spread: Spread, zone: int) -> None:
    number = FieldMatch(Field.REG2, spread.number)
    for route, shares in spread.shares:
        impose = route.impose(SI_FIRST)
        remember = Ct(zone, commit=True, mark=route.mark)
        for remainder in _remainders(shares):
            for version in route.versions:  # what is committed must be matched as IP
                packet = (number, reg0(ON_THE_WAY), FAMILY[version], *remainder)
                bridge.add_for(route, 0, Table.SHARE, 100, packet, (remember, *impose), Kind.SPREAD_SHARE)
            error = (number, reg0(ERROR), *remainder)
            bridge.add_for(route, 0, Table.SHARE, 100, error, impose, Kind.SPREAD_SHARE_ERROR)


def _remainders(shares: PortRange) -> list[tuple[FieldMatch, ...]]:
    """A range of remainders in masks."""
    return [(FieldMatch(Field.REG3, value, 0xFFFF0000 | mask),) for value, mask in port_masks(shares)]

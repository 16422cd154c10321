"""Graphs of chains: at the end of one, classifiers of others choose, by what the header says or by the packet (10, 30).

What none of them takes leaves there. The answers of a chain that follows another come back to where they branched, and
go on by that one's way back.
"""

from __future__ import annotations

from sfc.errors import RenderError
from sfc.model.actions import Action, SetField
from sfc.model.chains import SI_FIRST, Direction
from sfc.model.classifiers import ContextMatch
from sfc.model.cookies import Kind
from sfc.model.fields import Field, FieldMatch
from sfc.render.bridge import ENTER, Bridge, Route
from sfc.render.matches import reg0, traffic
from sfc.render.tables import BRANCH_TOP, BRANCHES_MAX, CLASSIFIER_TOP, Table
from sfc.walk import TTL_IMPOSED, imposed_context

_WORDS = (Field.NSH_C1, Field.NSH_C2, Field.NSH_C3, Field.NSH_C4)


def render_branches(bridge: Bridge, route: Route) -> None:
    """What chooses at the end of a route, or leads its answers on."""
    if route.rsp.end_sff != bridge.sff.name:
        return
    if route.rsp.direction is Direction.REVERSE:
        _go_on(bridge, route)
        return
    rules = bridge.world.following.get(route.chain.id, [])
    if len(rules) >= BRANCHES_MAX:
        raise RenderError("BRANCHES", f"{len(rules)} classifiers choose at the end of chain {route.chain.id}")
    for rank, (following, index) in enumerate(rules):
        match = following.chain.classifiers[index].match
        if match.context is not None:
            _by_context(bridge, route, following, match.context, rank)
        else:
            _by_packet(bridge, route, following, index, rank)


def _by_context(bridge: Bridge, route: Route, following: Route, match: ContextMatch, rank: int) -> None:
    mask = None if match.mask == 0xFFFFFFFF else match.mask
    word = FieldMatch(_WORDS[match.word - 1], match.value, mask)
    at_end = (*route.at(route.rsp.end_si), word)
    priority = BRANCH_TOP - rank
    bridge.add_for(route, rank, Table.SFF, priority, at_end, _onto(following, keep_context=True), Kind.BRANCH)


def _by_packet(bridge: Bridge, route: Route, following: Route, index: int, rank: int) -> None:
    here = reg0(route.rsp.position(route.rsp.end_si).word)
    match = following.chain.classifiers[index].match
    for version in match.versions:
        if version in route.versions:
            for parts in traffic(match, version):
                whole = (here, *parts)
                onward = following.impose(SI_FIRST)
                bridge.add_for(route, rank, Table.END, CLASSIFIER_TOP - rank, whole, onward, Kind.BRANCH)


def _go_on(bridge: Bridge, route: Route) -> None:
    before = bridge.world.before(route)
    if before is not None:
        at_end = route.at(route.rsp.end_si)
        bridge.add_for(route, route.rsp.end_si, Table.SFF, 100, at_end, _onto(before, keep_context=False), Kind.BRANCH)


def _onto(route: Route, keep_context: bool) -> tuple[Action, ...]:
    """From one path to the beginning of another, as if a classifier had put the packet there; a graph has no circle."""
    words = imposed_context(route.chain, route.rsp, SI_FIRST)
    written = (0, 3) if keep_context else range(4)
    context = tuple(SetField(_WORDS[word], words[word]) for word in written)
    path = (SetField(Field.NSH_SPI, route.rsp.spi), SetField(Field.NSH_SI, SI_FIRST))
    return (*path, SetField(Field.NSH_TTL, TTL_IMPOSED), *context, ENTER)

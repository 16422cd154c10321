"""Tables 5 and 10: the SFF itself."""

from __future__ import annotations

from sfc.model.actions import (
    Action,
    Clone,
    Decap,
    DecNshTtl,
    EncapEthernet,
    MeterBy,
    Output,
    Resubmit,
    SetField,
    ToGroup,
)
from sfc.model.addresses import Mac
from sfc.model.chains import Hop
from sfc.model.cookies import Kind
from sfc.model.fields import Field, FieldMatch
from sfc.model.flows import Bucket, Group, GroupType, Meter
from sfc.model.topology import VNI_NSH, OnFailure, ServiceFunction
from sfc.render.bridge import ENTER, Bridge, Route
from sfc.render.guard import to_peer
from sfc.render.matches import NSH, OAM_BIT
from sfc.render.tables import (
    METER_OAM,
    OAM_BURST,
    OAM_RATE_PPS,
    OAM_SOURCE_END,
    OAM_SOURCE_TTL,
    SFF_MAC,
    Table,
)
from sfc.stand_in import stand_in
from sfc.walk import TTL_IMPOSED, Stop, imposed_context


def render_entry(bridge: Bridge) -> None:
    """RFC 8300 section 2.2: TTL is decremented before the lookup; an incoming 0 counts as 64."""
    bridge.add(Table.ENTRY, 300, (NSH, FieldMatch(Field.NSH_SI, 0)), (), Kind.DROP_SI_ZERO)
    last = (NSH, FieldMatch(Field.NSH_TTL, 1))
    if bridge.sff.oam_ofport is None:
        bridge.add(Table.ENTRY, 205, last, (), Kind.DROP_TTL)
    else:
        bridge.meters.append(Meter(METER_OAM, OAM_RATE_PPS, OAM_BURST))
        actions = (MeterBy(METER_OAM), SetField(Field.NSH_TTL, 0), *to_responder(bridge, OAM_SOURCE_TTL))
        bridge.add(Table.ENTRY, 210, (*last, OAM_BIT), actions, Kind.TTL_OUT_OAM)
        bridge.add(Table.ENTRY, 205, last, actions, Kind.TTL_OUT)
    wrapped = (SetField(Field.NSH_TTL, TTL_IMPOSED), Resubmit(Table.SFF))
    bridge.add(Table.ENTRY, 200, (NSH, FieldMatch(Field.NSH_TTL, 0)), wrapped, Kind.ENTRY_TTL_ZERO)
    bridge.add(Table.ENTRY, 100, (NSH,), (DecNshTtl(), Resubmit(Table.SFF)), Kind.ENTRY)
    bridge.add(Table.ENTRY, 0, (), (), Kind.DROP_NO_PATH, 1)


def to_responder(bridge: Bridge, source: Mac) -> tuple[Action, ...]:
    """Hand an NSH packet to the local OAM responder; nothing when there is none."""
    sff = bridge.sff
    if sff.oam_ofport is None or sff.oam_mac is None:
        return ()
    return (
        EncapEthernet(),
        SetField(Field.ETH_DST, int(sff.oam_mac)),
        SetField(Field.ETH_SRC, int(source)),
        Output(sff.oam_ofport),
    )


def render_path_misses(bridge: Bridge) -> None:
    """Table 10 for positions that nobody planned."""
    bridge.add(Table.SFF, 0, (), (), Kind.DROP_NO_PATH)
    bridge.add(Table.SERVE, 0, (), (), Kind.DROP_NO_PATH, 2)
    bridge.add(Table.PASS_BY, 0, (), (), Kind.DROP_NO_PATH, 3)


def render_path(bridge: Bridge, route: Route) -> None:
    """Table 10: each planned (SPI, SI) of this bridge goes on, to its function or out of the chain."""
    for stop, onward in route.stops_at.get(bridge.sff.name, ()):
        if onward is None:
            _serve(bridge, route, stop)
        else:
            peer = bridge.world.topology.sff(onward)
            _at(bridge, route, stop, to_peer(bridge, peer, VNI_NSH), Kind.TO_PEER)


def _serve(bridge: Bridge, route: Route, stop: Stop) -> None:
    si = stop.position.si
    hop = route.rsp.hop(si)
    if hop is None:
        _oam(bridge, route, stop, to_responder(bridge, OAM_SOURCE_END), Kind.OAM_END)
        if bridge.world.before(route) is None:  # else sfc.render.graph leads it on
            _at(bridge, route, stop, _off(stop, Table.END), Kind.TO_END)
        return
    function = bridge.world.topology.function(hop.function)
    if function.is_proxied:
        # RFC 9451 section 3: an NSH-unaware function never sees an OAM packet; the SFF decrements for it.
        _oam(bridge, route, stop, (SetField(Field.NSH_SI, si - 1), ENTER), Kind.OAM_PASS)
    if hop.function in route.planned.cut_off:
        _stand_in(bridge, route, stop, function)
    elif function.is_tap:
        _tapped(bridge, route, stop, hop, function)
    elif function.on_failure is OnFailure.OPEN:
        # The switch itself sees a leg lose its carrier, and needs nobody to tell it what then is to be done.
        failed = hop.function in route.failed
        onward = Resubmit(Table.PASS_BY) if failed else ToGroup(living_group(bridge, hop))
        _at(bridge, route, stop, (onward,), Kind.TO_LIVING)
        _into(bridge, route, stop, hop, function, Table.SERVE)
        _at(bridge, route, stop, _past(route, stop, function), Kind.FAIL_OPEN, Table.PASS_BY)
    elif hop.function in route.failed:
        _at(bridge, route, stop, (), Kind.DROP_FAILED)
    elif (other := stand_in(bridge.world.topology, route.chain, route.rsp, hop)) is not None:
        _at(bridge, route, stop, (ToGroup(living_group(bridge, hop)),), Kind.TO_LIVING)
        _into(bridge, route, stop, hop, function, Table.SERVE)
        _instead(bridge, route, stop, other)
    else:
        _into(bridge, route, stop, hop, function, Table.SFF)


def _stand_in(bridge: Bridge, route: Route, stop: Stop, function: ServiceFunction) -> None:
    """The function is out of reach: here it is passed by, or the chain ends."""
    if function.policy is OnFailure.OPEN:
        _at(bridge, route, stop, _past(route, stop, function), Kind.FAIL_OPEN)
    else:
        _at(bridge, route, stop, (), Kind.DROP_FAILED)


def _tapped(bridge: Bridge, route: Route, stop: Stop, hop: Hop, function: ServiceFunction) -> None:
    """A copy to the tap, the packet past it; a tap that is down gets none, whatever its policy."""
    if hop.function in route.failed:
        _at(bridge, route, stop, _past(route, stop, function), Kind.FAIL_OPEN)
    elif function.is_proxied:
        # Not as a clone: behind a decap, Open vSwitch forgets what was to be done beside it.
        _at(bridge, route, stop, _off(stop, Table.HAND_OFF), Kind.TO_TAP)
    else:
        onward = (SetField(Field.NSH_SI, stop.position.si - 1), ENTER)
        _at(bridge, route, stop, (Clone(_to_function(bridge, hop)), *onward), Kind.TO_TAP)


def _into(bridge: Bridge, route: Route, stop: Stop, hop: Hop, function: ServiceFunction, table: Table) -> None:
    if function.is_proxied:
        _at(bridge, route, stop, _off(stop, Table.HAND_OFF), Kind.TO_PROXY, table)
    else:
        _at(bridge, route, stop, _to_function(bridge, hop), Kind.TO_SF, table)


def _instead(bridge: Bridge, route: Route, stop: Stop, other: Hop) -> None:
    if bridge.world.topology.function(other.function).is_proxied:
        _at(bridge, route, stop, _off(stop, Table.STAND_IN), Kind.TO_STAND_IN, Table.PASS_BY)
    else:
        _at(bridge, route, stop, _to_function(bridge, other), Kind.STAND_IN, Table.PASS_BY)


def living_group(bridge: Bridge, hop: Hop) -> int:
    """Number of the group that decides whether a function's legs have carrier, by the leg that packets go in by."""
    return bridge.ofport(hop.port_in) << 1


def render_living(bridge: Bridge, function: ServiceFunction) -> None:
    """Groups of a function that is served while both legs have carrier, in each direction; else by table 12."""
    tunnel = bridge.sff.tunnel_ofport  # always up
    past = Bucket((Resubmit(Table.PASS_BY),), watch_port=tunnel)
    for leg_in, leg_out in {function.legs(True), function.legs(False)}:
        first, second = bridge.ofport(leg_in) << 1, bridge.ofport(leg_in) << 1 | 1
        through = Bucket((ToGroup(second),), watch_port=bridge.ofport(leg_in))
        serve = Bucket((Resubmit(Table.SERVE),), watch_port=bridge.ofport(leg_out))
        bridge.groups.append(Group(second, GroupType.FAST_FAILOVER, (serve, past)))
        bridge.groups.append(Group(first, GroupType.FAST_FAILOVER, (through, past)))


def _past(route: Route, stop: Stop, function: ServiceFunction) -> tuple[Action, ...]:
    """The function is down: its packets pass it by, as if it had let them through."""
    si = stop.position.si - 1
    words = imposed_context(route.chain, route.rsp, si) if function.is_proxied else ()
    names = (Field.NSH_C1, Field.NSH_C2, Field.NSH_C3, Field.NSH_C4)
    context = tuple(SetField(name, word) for name, word in zip(names, words, strict=False))
    return (SetField(Field.NSH_SI, si), *context, ENTER)


def _at(
    bridge: Bridge, route: Route, stop: Stop, actions: tuple[Action, ...], kind: Kind, table: Table = Table.SFF
) -> None:
    bridge.add_for(route, stop.position.si, table, 100, route.at(stop.position.si), actions, kind)


def _oam(bridge: Bridge, route: Route, stop: Stop, actions: tuple[Action, ...], kind: Kind) -> None:
    match = (*route.at(stop.position.si), OAM_BIT)
    bridge.add_for(route, stop.position.si, Table.SFF, 200, match, actions, kind)


def _off(stop: Stop, table: Table) -> tuple[Action, ...]:
    """NSH off; the position stays in a register. OVS allows no other action right behind a decap."""
    return (SetField(Field.REG0, stop.position.word), Decap(), Resubmit(table))


def _to_function(bridge: Bridge, hop: Hop) -> tuple[Action, ...]:
    port = bridge.world.topology.port(hop.port_in)
    return (
        EncapEthernet(),
        SetField(Field.ETH_DST, int(port.mac)),
        SetField(Field.ETH_SRC, int(SFF_MAC)),
        Output(port.ofport),
    )

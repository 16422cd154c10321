"""Table 0: liveness probes between the responder and the functions of its bridge; see :mod:`sfc.liveness`."""

from __future__ import annotations

from functools import partial

from sfc.liveness import ETHERTYPE_PROBE, PROBE_POSITION, ProbeKind, Watch, watch_of
from sfc.model.actions import Action, MeterBy, Output, SetField
from sfc.model.classifiers import PROTOCOL_UDP
from sfc.model.cookies import Kind
from sfc.model.fields import Field, FieldMatch
from sfc.model.flows import Meter
from sfc.model.topology import Layer, Port, ServiceFunction
from sfc.render.bridge import Bridge
from sfc.render.matches import (
    ARP,
    ETHERNET_NSH,
    IPV4,
    UNTAGGED,
    Matches,
    eth_dst,
    eth_src,
    in_port,
)
from sfc.render.tables import LIVENESS_BURST, LIVENESS_RATE_PPS, METER_LIVENESS, SFF_MAC, Table

_PRIORITY = 250


def render_liveness(bridge: Bridge) -> None:
    """A pair of rules for each function of the bridge that can be probed."""
    if bridge.sff.oam_ofport is None:
        return
    bridge.draw("liveness", partial(_meter, bridge))
    for function in bridge.functions:
        watch = watch_of(bridge.world.topology, function)
        if watch is not None:
            bridge.draw(("liveness", function.id), partial(_probe, bridge, function, watch))


def _meter(bridge: Bridge) -> None:
    bridge.meters.append(Meter(METER_LIVENESS, LIVENESS_RATE_PPS, LIVENESS_BURST))


def _probe(bridge: Bridge, function: ServiceFunction, watch: Watch) -> None:
    topology, sff = bridge.world.topology, bridge.sff
    if sff.oam_ofport is None or sff.oam_mac is None:
        return
    leg_in = topology.port(function.ingress)
    leg_out = leg_in if function.rewrites_5tuple else topology.port(function.legs(True)[1])
    sent = (in_port(sff.oam_ofport), eth_src(sff.oam_mac), eth_dst(watch.to_mac))
    to_leg = (*_addressed(function, watch, leg_in), Output(leg_in.ofport))
    bridge.add(Table.GUARD, _PRIORITY, sent, to_leg, Kind.PROBE_FUNCTION, leg_in.ofport)
    back = (in_port(leg_out.ofport), *_expected(function, watch, leg_out))
    to_responder = (MeterBy(METER_LIVENESS), Output(sff.oam_ofport))
    bridge.add(Table.GUARD, _PRIORITY, back, to_responder, Kind.PROBE_BACK, leg_in.ofport)


def _is_bridging(function: ServiceFunction) -> bool:
    return function.is_proxied and function.layer is Layer.L2


def _addressed(function: ServiceFunction, watch: Watch, leg: Port) -> tuple[Action, ...]:
    """MAC addresses as the function wants them; a bridging one keeps the tag."""
    if _is_bridging(function):
        return (SetField(Field.ETH_SRC, int(watch.tag)),)
    return (SetField(Field.ETH_DST, int(leg.mac)), SetField(Field.ETH_SRC, int(SFF_MAC)))


def _expected(function: ServiceFunction, watch: Watch, leg: Port) -> Matches:
    sender = eth_src(watch.tag if _is_bridging(function) else leg.mac)
    match watch.kind:
        case ProbeKind.FRAME:
            return (sender, UNTAGGED, FieldMatch(Field.ETH_TYPE, ETHERTYPE_PROBE))
        case ProbeKind.NSH:
            back = (FieldMatch(Field.NSH_SPI, PROBE_POSITION.spi), FieldMatch(Field.NSH_SI, PROBE_POSITION.si - 1))
            return (sender, ETHERNET_NSH, *back)
        case ProbeKind.ARP:
            own = FieldMatch(Field.ARP_SPA, int(watch.destination or 0))
            return (sender, ARP, FieldMatch(Field.ARP_OP, 2), own, FieldMatch(Field.ARP_TPA, 0))
        case ProbeKind.DATAGRAM:
            return (sender, *_datagram(watch))


def _datagram(watch: Watch) -> Matches:
    ends = (
        FieldMatch(Field.IPV4_SRC, int(watch.source or 0)),
        FieldMatch(Field.IPV4_DST, int(watch.destination or 0)),
    )
    return (IPV4, *ends, FieldMatch(Field.IP_PROTO, PROTOCOL_UDP), FieldMatch(Field.L4_DST, watch.port))

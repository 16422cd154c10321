"""Which rules of a bridge took an OAM packet, and by which others the users' packets go on from its position."""

from __future__ import annotations

from dataclasses import dataclass, field

from sfc.model.addresses import Mac
from sfc.model.chains import PathPosition
from sfc.model.cookies import Cookie, Kind
from sfc.model.fields import PACKET_TYPE_NSH, Field, FieldMatch
from sfc.oam.tlvs import SffRecord, SfInformation
from sfc.ovs.errors import SwitchError
from sfc.ovs.location import SwitchLocation
from sfc.ovs.openflow import OpenFlow
from sfc.ovs.replies import InstalledFlow

# Numbers of sfc.render.tables: the responder is started often, and needs nothing of the renderer.
_ENTRY, _SFF = 5, 10
_ASKED_S = 0.25
_NSH = FieldMatch(Field.PACKET_TYPE, PACKET_TYPE_NSH)
_OAM_KINDS = frozenset({Kind.OAM_PASS, Kind.OAM_END})
_TO_FUNCTIONS = frozenset({Kind.TO_SF, Kind.TO_PROXY})


@dataclass(frozen=True, slots=True)
class TakenBy:
    """Cookies; 0 where there is no rule, or the switch did not answer in time."""

    rule: int = 0
    next_rule: int = 0


@dataclass(frozen=True, slots=True)
class BridgeRules:
    """Asks a bridge about its rules. A switch that is slow or gone costs the answer, never the responder."""

    location: SwitchLocation
    bridge: str
    timeout: float = field(default=_ASKED_S)
    """Seconds."""

    def taken_by(self, position: PathPosition, end: bool) -> TakenBy:
        """Who handed a packet at this position to the responder: the path's end, else the entry, its TTL out."""
        try:
            with OpenFlow(self.location, self.bridge, timeout=self.timeout) as switch:
                at = switch.flows(table=_SFF, match=_at(position))
                entry = [] if end else switch.flows(table=_ENTRY)
        except SwitchError:
            return TakenBy()
        onward = [each.cookie for each in at if _kind(each) not in _OAM_KINDS]
        taken = [each.cookie for each in at if _kind(each) is Kind.OAM_END]
        if not end:
            taken = [each.cookie for each in entry if _kind(each) is Kind.TTL_OUT_OAM]
        return TakenBy(taken[0] if taken else 0, onward[0] if onward else 0)

    def record(self, spi: int) -> SffRecord:
        """What the bridge serves on a path, RFC 9516 section 6.6; a function behind a proxy is told by its MAC tag."""
        try:
            with OpenFlow(self.location, self.bridge, timeout=self.timeout) as switch:
                served = switch.flows(table=_SFF, match=(_NSH, FieldMatch(Field.NSH_SPI, spi)))
        except SwitchError:
            return SffRecord(spi)
        hops = sorted({Cookie.decode(each.cookie).hop for each in served if _kind(each) in _TO_FUNCTIONS}, reverse=True)
        return SffRecord(spi, tuple(SfInformation(si, 0, _tag(PathPosition(spi, si))) for si in hops))


def _at(position: PathPosition) -> tuple[FieldMatch, ...]:
    return (_NSH, FieldMatch(Field.NSH_SPI, position.spi), FieldMatch(Field.NSH_SI, position.si))


def _kind(flow: InstalledFlow) -> Kind | None:
    try:
        return Cookie.decode(flow.cookie).kind
    except ValueError:
        return None


def _tag(position: PathPosition) -> Mac:
    return Mac(0x02CA << 32 | position.word)

"""The O bit, RFC 8300 section 2.2 as RFC 9451 section 3 updates it.

An OAM packet carries OAM data and nothing of a user: it, and only it, has the O bit. OAM data that rides along with a
user's packet, in context headers or in front of it (IOAM), makes no OAM packet. Nobody on the path changes the bit.
"""

from __future__ import annotations

from enum import Enum, StrEnum

from sfc.kpi import MD_CLASS_FIRST, read_kpi
from sfc.nsh import NextProtocol, NshError, NshHeader


class OBitFault(StrEnum):
    """What is wrong with a header's O bit."""

    MISSING = "an active OAM message without the O bit (RFC 9516 section 4)"
    IOAM = "in situ OAM data rides along with a user's packet: no O bit (RFC 9451 section 3)"
    KPI = "KPI stamps ride along with a user's packet: no O bit (RFC 8592 section 4)"


class Disposition(Enum):
    """What an element of the path does with a packet."""

    PROCESS = "process"
    """As its kind is: a user's packet by the function, an OAM packet by the OAM procedures."""
    PASS_BY = "pass by"
    """The proxy goes on in the function's stead: a function that speaks no NSH never sees OAM."""
    FORWARD = "forward"
    """On to the next element, unmodified."""
    DISCARD = "discard"


def o_bit_fault(header: NshHeader, kpi_class: int = MD_CLASS_FIRST) -> OBitFault | None:
    """What is wrong with the O bit, as far as the header alone shows it."""
    if header.next_protocol == NextProtocol.ACTIVE_OAM:
        return None if header.oam else OBitFault.MISSING
    if header.oam and header.next_protocol == NextProtocol.IOAM:
        return OBitFault.IOAM
    if header.oam and _has_stamps(header, kpi_class):
        return OBitFault.KPI
    return None


def unaltered(received: NshHeader, sent: NshHeader) -> bool:
    """True when an element left the O bit as it was."""
    return received.oam == sent.oam


def dispose(
    header: NshHeader, *, function_is_aware: bool = True, supports_oam: bool = True, forward_unsupported: bool = False
) -> Disposition:
    """What to do with a packet at a function, or at the proxy before one.

    An element without OAM procedures discards OAM packets unless it is configured to forward them (RFC 8300
    section 2.2).
    """
    if not header.oam:
        return Disposition.PROCESS
    if not function_is_aware:
        return Disposition.PASS_BY
    if supports_oam:
        return Disposition.PROCESS
    return Disposition.FORWARD if forward_unsupported else Disposition.DISCARD


def _has_stamps(header: NshHeader, kpi_class: int) -> bool:
    tlvs = header.context if isinstance(header.context, tuple) else ()
    for tlv in tlvs:
        try:
            if read_kpi(tlv, kpi_class) is not None:
                return True
        except NshError:
            return True
    return False

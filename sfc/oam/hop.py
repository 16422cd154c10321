"""What our responders say about themselves in an echo reply: a TLV of private use.

RFC 9516 tells a sender that a request's TTL ran out, or that it reached the path's end, but neither at which forwarder
nor by which of its rules. This TLV does. Another implementation's sender passes over it, as over every unknown type of
a reply; another's responder leaves it out.

::

    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |                        "CATN"                                 |
    |              SPI, SI with which the request was taken         |
    |              microseconds between its receipt and the reply   |
    |              cookie of the rule that took it (64 bits)        |
    |              cookie of the rule by which packets go on (64)   |
    ~              name of the forwarder                            ~
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from sfc.model.chains import PathPosition
from sfc.nsh import OutOfRange
from sfc.oam.tlvs import BadOamTlv, OamTlv

HOP_RECORD = 252  # RFC 9516, IANA's registry of SFC active OAM TLV types: 252 to 254 are for private use
_MAGIC = b"CATN"
_FIXED = struct.Struct("!4sIIQQ")
_NAME = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}")
_U32, _U64 = (1 << 32) - 1, (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class HopRecord:
    """Where and by which rule a request was taken."""

    host: str
    """Name of the forwarder."""
    position: PathPosition
    rule: int = 0
    """Cookie of the rule that handed the request to the responder; 0 when it is not known."""
    next_rule: int = 0
    """Cookie of the rule by which users' packets go on from this position; 0 when there is none."""
    residence_us: int = 0
    """Microseconds that the responder had the request for."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.host.encode(errors="replace")):
            raise OutOfRange("RANGE", f"{self.host!r} is no forwarder's name")
        for what, value, most in (
            ("cookie", self.rule, _U64),
            ("cookie", self.next_rule, _U64),
            ("residence", self.residence_us, _U32),
        ):
            if not 0 <= value <= most:
                raise OutOfRange("RANGE", f"{what} {value} is not in 0..{most}")

    def to_tlv(self) -> OamTlv:
        fixed = _FIXED.pack(_MAGIC, self.position.word, self.residence_us, self.rule, self.next_rule)
        return OamTlv(HOP_RECORD, fixed + self.host.encode())

    @classmethod
    def read(cls, tlv: OamTlv) -> HopRecord:
        """Raises :class:`BadOamTlv`, also for a TLV of this type that somebody else uses otherwise."""
        name = tlv.value[_FIXED.size :]
        if tlv.type != HOP_RECORD or tlv.value[:4] != _MAGIC or not _NAME.fullmatch(name):
            raise BadOamTlv("TLV_VALUE", f"a TLV of type {tlv.type} with {len(tlv.value)} octets is no hop record")
        _, word, residence_us, rule, next_rule = _FIXED.unpack_from(tlv.value)
        return cls(name.decode(), PathPosition(word >> 8, word & 0xFF), rule, next_rule, residence_us)

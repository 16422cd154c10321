"""TLVs of active OAM messages, RFC 9516 sections 6.2 to 6.6.

::

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |     Type      |    Reserved   |           Length              |
    ~                            Value                              ~

Length counts the value's octets. Reserved fields are sent as zeros and ignored when read.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address

from sfc.model.addresses import IpAddress, Mac
from sfc.model.chains import PathPosition
from sfc.nsh import NshError, OutOfRange

_HEAD = struct.Struct("!BBH")
_SOURCE = struct.Struct("!HH")
_PATH = struct.Struct("!I")
_SF = struct.Struct("!BHB")
_VALUE_MAX = 0xFFFF


class OamError(NshError):
    """Octets that are no active OAM message."""


class BadOamTlv(OamError):
    """A TLV whose value is not what its type says."""


class OamTlvType(IntEnum):
    """IANA's registry of types of TLVs."""

    SOURCE_ID = 1
    ERRORED_TLVS = 2
    REPLY_PATH = 3
    SFF_RECORD = 4
    SF_INFORMATION = 5
    """Inside an SFF record."""


class SfIdType(IntEnum):
    """What a function is identified by."""

    IPV4 = 1
    IPV6 = 2
    MAC = 3


_SF_ID_OCTETS = {SfIdType.IPV4: 4, SfIdType.IPV6: 16, SfIdType.MAC: 6}


@dataclass(frozen=True, slots=True)
class OamTlv:
    """Any TLV."""

    type: int
    value: bytes = b""

    def __post_init__(self) -> None:
        if not 0 <= self.type <= 0xFF:
            raise OutOfRange("RANGE", f"TLV type {self.type} is not in 0..255")
        if len(self.value) > _VALUE_MAX:
            raise OutOfRange("RANGE", f"a TLV of {len(self.value)} octets, {_VALUE_MAX} fit")

    def encode(self) -> bytes:
        """Its octets."""
        return _HEAD.pack(self.type, 0, len(self.value)) + self.value


def read_oam_tlvs(octets: bytes) -> tuple[OamTlv, ...]:
    """TLVs one behind the other. Raises :class:`BadOamTlv` when one is cut off."""
    tlvs = []
    place = 0
    while place < len(octets):
        if len(octets) - place < _HEAD.size:
            raise BadOamTlv("TLV", f"{len(octets) - place} octets are no TLV")
        kind, _, length = _HEAD.unpack_from(octets, place)
        place += _HEAD.size
        value = octets[place : place + length]
        if len(value) < length:
            raise BadOamTlv("TLV", f"a TLV of {length} octets runs {length - len(value)} over the end")
        tlvs.append(OamTlv(kind, value))
        place += length
    return tuple(tlvs)


@dataclass(frozen=True, slots=True)
class SourceId:
    """Where an echo request came from, and where a reply by UDP goes."""

    address: IpAddress
    port: int

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 0xFFFF:
            raise OutOfRange("RANGE", f"UDP port {self.port} is not in 0..65535")

    def to_tlv(self) -> OamTlv:
        return OamTlv(OamTlvType.SOURCE_ID, _SOURCE.pack(self.port, 0) + self.address.packed)

    @classmethod
    def read(cls, tlv: OamTlv) -> SourceId:
        """Raises :class:`BadOamTlv`."""
        _require(tlv, OamTlvType.SOURCE_ID, (8, 20))
        port, _ = _SOURCE.unpack_from(tlv.value)
        packed = tlv.value[_SOURCE.size :]
        return cls(IPv4Address(packed) if len(packed) == 4 else IPv6Address(packed), port)


@dataclass(frozen=True, slots=True)
class ReplyPath:
    """The service path that the reply takes back."""

    position: PathPosition

    def to_tlv(self) -> OamTlv:
        return OamTlv(OamTlvType.REPLY_PATH, _PATH.pack(self.position.word))

    @classmethod
    def read(cls, tlv: OamTlv) -> ReplyPath:
        """Raises :class:`BadOamTlv`."""
        _require(tlv, OamTlvType.REPLY_PATH, (4,))
        (word,) = _PATH.unpack(tlv.value)
        return cls(PathPosition(word >> 8, word & 0xFF))


@dataclass(frozen=True, slots=True)
class SfInformation:
    """A function that an SFF serves at one index of a path."""

    si: int
    sf_type: int
    """16 bits: RFC 9015's registry of service function types."""
    identifier: IpAddress | Mac

    def __post_init__(self) -> None:
        if not (0 <= self.si <= 0xFF and 0 <= self.sf_type <= 0xFFFF):
            raise OutOfRange("RANGE", f"service index {self.si} or function type {self.sf_type} does not fit")

    def to_tlv(self) -> OamTlv:
        if isinstance(self.identifier, Mac):
            kind, octets = SfIdType.MAC, int(self.identifier).to_bytes(6, "big")
        else:
            kind = SfIdType.IPV4 if self.identifier.version == 4 else SfIdType.IPV6
            octets = self.identifier.packed
        return OamTlv(OamTlvType.SF_INFORMATION, _SF.pack(self.si, self.sf_type, kind) + octets)

    @classmethod
    def read(cls, tlv: OamTlv) -> SfInformation:
        """Raises :class:`BadOamTlv`."""
        if tlv.type != OamTlvType.SF_INFORMATION or len(tlv.value) < _SF.size:
            raise _bad(tlv, OamTlvType.SF_INFORMATION)
        si, sf_type, kind = _SF.unpack_from(tlv.value)
        octets = tlv.value[_SF.size :]
        if _SF_ID_OCTETS.get(kind) != len(octets):
            raise _bad(tlv, OamTlvType.SF_INFORMATION)
        match kind:
            case SfIdType.IPV4:
                return cls(si, sf_type, IPv4Address(octets))
            case SfIdType.IPV6:
                return cls(si, sf_type, IPv6Address(octets))
            case _:
                return cls(si, sf_type, Mac(int.from_bytes(octets, "big")))


@dataclass(frozen=True, slots=True)
class SffRecord:
    """What an SFF says about itself when the consistency of a path is verified."""

    spi: int
    functions: tuple[SfInformation, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.spi <= 0xFFFFFF:
            raise OutOfRange("RANGE", f"service path identifier {self.spi} is not in 0..16777215")

    def to_tlv(self) -> OamTlv:
        functions = b"".join(function.to_tlv().encode() for function in self.functions)
        return OamTlv(OamTlvType.SFF_RECORD, _PATH.pack(self.spi << 8) + functions)

    @classmethod
    def read(cls, tlv: OamTlv) -> SffRecord:
        """Raises :class:`BadOamTlv`."""
        if tlv.type != OamTlvType.SFF_RECORD or len(tlv.value) < _PATH.size:
            raise _bad(tlv, OamTlvType.SFF_RECORD)
        (word,) = _PATH.unpack_from(tlv.value)
        functions = (SfInformation.read(each) for each in read_oam_tlvs(tlv.value[_PATH.size :]))
        return cls(word >> 8, tuple(functions))


def errored_tlvs(tlvs: Iterable[OamTlv]) -> OamTlv:
    """The TLV by which a replier sends those back that it did not understand."""
    return OamTlv(OamTlvType.ERRORED_TLVS, b"".join(tlv.encode() for tlv in tlvs))


def read_errored_tlvs(tlv: OamTlv) -> tuple[OamTlv, ...]:
    """The TLVs that came back. Raises :class:`BadOamTlv`."""
    if tlv.type != OamTlvType.ERRORED_TLVS:
        raise _bad(tlv, OamTlvType.ERRORED_TLVS)
    return read_oam_tlvs(tlv.value)


def _require(tlv: OamTlv, kind: OamTlvType, lengths: tuple[int, ...]) -> None:
    if tlv.type != kind or len(tlv.value) not in lengths:
        raise _bad(tlv, kind)


def _bad(tlv: OamTlv, kind: OamTlvType) -> BadOamTlv:
    return BadOamTlv("TLV_VALUE", f"a TLV of type {tlv.type} with {len(tlv.value)} octets is no {kind.name}")

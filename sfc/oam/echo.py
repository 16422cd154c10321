"""Echo requests and replies, RFC 9516 sections 5 and 6.

::

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    | V | Msg Type  |   Reserved    |           Length              |  active OAM header
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |      Echo Request Flags       |           Reserved            |
    | Message Type  |  Reply Mode   |  Return Code  |Return Subcode |
    |                        Sender's Handle                        |
    |                        Sequence Number                        |
    ~                             TLVs                              ~

Length counts the octets behind the active OAM header.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from sfc.model.chains import PathPosition
from sfc.nsh import Buffer, NextProtocol, NshHeader, OutOfRange
from sfc.oam.tlvs import OamError, OamTlv, OamTlvType, errored_tlvs, read_oam_tlvs

MESSAGE_ECHO = 1  # section 5: SFC Active OAM Message Types
VERSION = 0
_OAM = struct.Struct("!BBH")
_ECHO = struct.Struct("!HHBBBBII")
_LENGTH_MAX = 0xFFFF


class EchoType(IntEnum):
    """Section 6.1: what the message is."""

    REQUEST = 1
    REPLY = 2
    CONSISTENCY_REQUEST = 3
    """Section 6.6: the reply of each SFF has an SFF record."""
    CONSISTENCY_REPLY = 4

    @property
    def answer(self) -> EchoType | None:
        """Type of the reply; None of a reply."""
        return {EchoType.REQUEST: EchoType.REPLY, EchoType.CONSISTENCY_REQUEST: EchoType.CONSISTENCY_REPLY}.get(self)


class ReplyMode(IntEnum):
    """Section 6.1: how the reply travels."""

    DO_NOT_REPLY = 1
    UDP = 2
    SPECIFIED_PATH = 4
    UDP_PROTECTED = 5
    """With integrity protection of its data."""
    SPECIFIED_PATH_PROTECTED = 7


class ReturnCode(IntEnum):
    """Section 6.1."""

    NO_ERROR = 0
    MALFORMED_REQUEST = 1
    TLV_NOT_UNDERSTOOD = 2
    AUTHENTICATION_FAILED = 3
    TTL_EXCEEDED = 4
    END_OF_PATH = 5
    REPLY_PATH_MISSING = 6
    REPLY_PATH_NOT_FOUND = 7
    REPLY_PATH_UNVERIFIABLE = 8


@dataclass(frozen=True, slots=True)
class EchoMessage:
    """A request or a reply. Numbers that this library has no name for are kept as they are."""

    type: EchoType | int
    reply_mode: ReplyMode | int
    handle: int
    """32 bits that the sender chose; they come back."""
    sequence: int
    return_code: ReturnCode | int = ReturnCode.NO_ERROR
    return_subcode: int = 0
    flags: int = 0
    tlvs: tuple[OamTlv, ...] = ()

    def __post_init__(self) -> None:
        octets = {"message type": self.type, "reply mode": self.reply_mode, "return code": self.return_code}
        for what, value in (*octets.items(), ("return subcode", self.return_subcode)):
            _check(what, value, 8)
        _check("flags", self.flags, 16)
        _check("sender's handle", self.handle, 32)
        _check("sequence number", self.sequence, 32)

    def encode(self) -> bytes:
        """The octets behind NSH. Raises :class:`~sfc.nsh.OutOfRange` when the TLVs are too long."""
        tlvs = b"".join(tlv.encode() for tlv in self.tlvs)
        length = _ECHO.size + len(tlvs)
        if length > _LENGTH_MAX:
            raise OutOfRange("LENGTH", f"an echo message of {length} octets, {_LENGTH_MAX} fit")
        codes = (self.type, self.reply_mode, self.return_code, self.return_subcode)
        echo = _ECHO.pack(self.flags, 0, *codes, self.handle, self.sequence)
        return _OAM.pack(VERSION << 6 | MESSAGE_ECHO, 0, length) + echo + tlvs

    @classmethod
    def decode(cls, octets: Buffer) -> EchoMessage:
        """Read a message; octets behind its length are padding. Raises :class:`OamError`."""
        data = bytes(octets)
        body = _body(data)
        flags, _, kind, mode, code, subcode, handle, sequence = _ECHO.unpack_from(body)
        return cls(
            type=_named(EchoType, kind),
            reply_mode=_named(ReplyMode, mode),
            handle=handle,
            sequence=sequence,
            return_code=_named(ReturnCode, code),
            return_subcode=subcode,
            flags=flags,
            tlvs=read_oam_tlvs(body[_ECHO.size :]),
        )

    def tlv(self, kind: OamTlvType) -> OamTlv | None:
        """The first TLV of a type."""
        return next((tlv for tlv in self.tlvs if tlv.type == kind), None)


def probe_header(position: PathPosition, ttl: int = 63) -> NshHeader:
    """The NSH header of an active OAM message at some position of a path, RFC 9516 section 4."""
    return NshHeader(position.spi, position.si, ttl=ttl, next_protocol=NextProtocol.ACTIVE_OAM, oam=True)


def reply_to(request: EchoMessage, code: ReturnCode, tlvs: Iterable[OamTlv] = ()) -> EchoMessage | None:
    """The answer to a request, or None when it wants none or is itself a reply.

    A request with a TLV of an unknown type is answered with "not understood" and those TLVs, whatever ``code`` says.
    """
    kind = request.type.answer if isinstance(request.type, EchoType) else None
    if kind is None or request.reply_mode == ReplyMode.DO_NOT_REPLY:
        return None
    strange = [tlv for tlv in request.tlvs if tlv.type not in OamTlvType.__members__.values()]
    if strange:
        code, tlvs = ReturnCode.TLV_NOT_UNDERSTOOD, (errored_tlvs(strange),)
    return EchoMessage(kind, request.reply_mode, request.handle, request.sequence, code, tlvs=tuple(tlvs))


def malformed_reply(octets: Buffer) -> EchoMessage | None:
    """The answer to a request that :meth:`EchoMessage.decode` refused, as far as its fixed part can be read.

    None when it cannot, or when no answer is wanted.
    """
    try:
        fixed = bytes(octets)[: _OAM.size + _ECHO.size]
        message = EchoMessage.decode(_OAM.pack(fixed[0], 0, _ECHO.size) + fixed[_OAM.size :])
    except (OamError, IndexError):
        return None
    return reply_to(message, ReturnCode.MALFORMED_REQUEST)


def _body(data: bytes) -> bytes:
    if len(data) < _OAM.size:
        raise OamError("TRUNCATED", f"{len(data)} octets of an active OAM header of {_OAM.size}")
    first, _, length = _OAM.unpack_from(data)
    if first >> 6 != VERSION:
        raise OamError("VERSION", f"active OAM version {first >> 6} (RFC 9516 section 5)")
    if first & 0x3F != MESSAGE_ECHO:
        raise OamError("MESSAGE_TYPE", f"active OAM message type {first & 0x3F} is no echo (RFC 9516 section 5)")
    body = data[_OAM.size : _OAM.size + length]
    if len(body) < length:
        raise OamError("TRUNCATED", f"{len(body)} octets of an active OAM message of {length}")
    if length < _ECHO.size:
        raise OamError("LENGTH", f"an echo message of {length} octets, {_ECHO.size} at least (RFC 9516 section 6.1)")
    return body


def _named(kind: type[IntEnum], value: int) -> int:
    try:
        return kind(value)
    except ValueError:
        return value


def _check(what: str, value: int, bits: int) -> None:
    if not 0 <= value < 1 << bits:
        raise OutOfRange("RANGE", f"{what} is {value}, not a number of {bits} bits")

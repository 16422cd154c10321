"""Active OAM in service function chains: what is an OAM packet (RFC 9451), and echo messages (RFC 9516).

An echo request travels along a service path under an NSH header with the O bit and next protocol 7. Whoever its TTL
runs out at, or stands at the path's end, answers with a reply that says so: that is a ping, or with growing TTLs a
traceroute. All pure: octets in, values out::

    request = EchoMessage(EchoType.REQUEST, ReplyMode.UDP, handle=0xCAFE, sequence=1,
                          tlvs=(SourceId(IPv4Address("192.0.2.1"), 7655).to_tlv(),))
    packet = probe_header(PathPosition(100, 255), ttl=1).encode() + request.encode()
    reply = reply_to(EchoMessage.decode(request.encode()), ReturnCode.TTL_EXCEEDED)
"""

from __future__ import annotations

from sfc.oam.echo import (
    EchoMessage,
    EchoType,
    ReplyMode,
    ReturnCode,
    malformed_reply,
    probe_header,
    reply_to,
)
from sfc.oam.hop import HOP_RECORD, HopRecord
from sfc.oam.o_bit import Disposition, OBitFault, dispose, o_bit_fault, unaltered
from sfc.oam.tlvs import (
    BadOamTlv,
    OamError,
    OamTlv,
    OamTlvType,
    ReplyPath,
    SffRecord,
    SfIdType,
    SfInformation,
    SourceId,
    errored_tlvs,
    read_errored_tlvs,
)

__all__ = [
    "HOP_RECORD",
    "BadOamTlv",
    "Disposition",
    "EchoMessage",
    "EchoType",
    "HopRecord",
    "OBitFault",
    "OamError",
    "OamTlv",
    "OamTlvType",
    "ReplyMode",
    "ReplyPath",
    "ReturnCode",
    "SfIdType",
    "SfInformation",
    "SffRecord",
    "SourceId",
    "dispose",
    "errored_tlvs",
    "malformed_reply",
    "o_bit_fault",
    "probe_header",
    "read_errored_tlvs",
    "reply_to",
    "unaltered",
]

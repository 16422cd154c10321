"""Octets laid out by hand after the RFCs' figures, and what the RFCs say of them: nothing here was made by the codec.

Hostile ones are refused each with its own error; odd but allowed ones are read, and written back bit by bit.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sfc.integrity import (
    Key,
    KeyRing,
    MalformedMac,
    MissingMac,
    StaleTimestamp,
    UnknownKey,
    Validity,
    WrongMac,
    decrypt,
    refresh,
    verify,
)
from sfc.kpi import BadKpi, TimestampRecord, latencies, ntp_timestamp, read_kpi
from sfc.metadata import BadMetadata, IngressNode, QinqContext, SubscriberId, TenantId, VniContext, read_all
from sfc.nsh import (
    BadLength,
    ContextTlv,
    NshError,
    NshHeader,
    TruncatedHeader,
    TruncatedTlv,
    UnsupportedMdType,
    UnsupportedVersion,
)
from sfc.oam import EchoMessage, OamError, ReturnCode, o_bit_fault, reply_to

NO_CONTEXT = "00000000 00000000 00000000 00000000"


def octets(text: str) -> bytes:
    return bytes.fromhex(text.replace(" ", ""))


REFUSED: dict[str, tuple[str, type[NshError]]] = {
    "no octet": ("", TruncatedHeader),
    "a base header alone": ("0fc60103", TruncatedHeader),
    "version 01, which ECMP behind MPLS reserves": (f"4fc60103 000064ff {NO_CONTEXT}", UnsupportedVersion),
    "version 10": (f"8fc60103 000064ff {NO_CONTEXT}", UnsupportedVersion),
    "version 11, whatever else is wrong": ("ffffffff ffffffff", UnsupportedVersion),
    "MD type 0, reserved": (f"0fc60003 000064ff {NO_CONTEXT}", UnsupportedMdType),
    "MD type 3, unassigned": (f"0fc60303 000064ff {NO_CONTEXT}", UnsupportedMdType),
    "MD type 15 outside an experiment": (f"0fc60f03 000064ff {NO_CONTEXT}", UnsupportedMdType),
    "MD type 1 of 5 words": (f"0fc50103 000064ff {NO_CONTEXT}", BadLength),
    "MD type 1 of 7 words": (f"0fc70103 000064ff {NO_CONTEXT} 00000000", BadLength),
    "MD type 1 of no words": (f"0fc00103 000064ff {NO_CONTEXT}", BadLength),
    "MD type 1 cut within its context": ("0fc60103 000064ff 00000000 00000000", TruncatedHeader),
    "MD type 2 of no words": ("0fc00203 000064ff", BadLength),
    "MD type 2 of 1 word": ("0fc10203 000064ff", BadLength),
    "63 words, of which 3 are there": ("0fff0203 000064ff 00000000", TruncatedHeader),
    "a context header that is longer than the rest": ("0fc30203 000064ff 00000005", TruncatedTlv),
    "a context header whose padding is outside": ("0fc40203 000064ff 00000005 01020304", TruncatedTlv),
    "a context header of 127 octets in 4": ("0fc40203 000064ff 0000007f 01020304", TruncatedTlv),
    "the second of two is too long": ("0fc40203 000064ff 00000000 00000001", TruncatedTlv),
}


@pytest.mark.parametrize("name", REFUSED)
def test_hostile_headers_are_refused_each_for_its_reason(name: str) -> None:
    text, error = REFUSED[name]
    with pytest.raises(NshError) as told:
        NshHeader.decode(octets(text))
    assert type(told.value) is error and told.value.code


@dataclass(frozen=True)
class Allowed:
    text: str
    said: dict[str, object]
    rest: bytes = b""


ALLOWED: dict[str, Allowed] = {
    "all five unassigned bits, which nobody changes": Allowed(
        f"1fc6f103 000064ff {NO_CONTEXT}", {"unassigned": 31, "oam": False, "ttl": 63}
    ),
    "the O bit beside them": Allowed(f"3fc6f103 000064ff {NO_CONTEXT}", {"unassigned": 31, "oam": True}),
    "TTL 0, of which the forwarder makes 63": Allowed(f"00060103 000064ff {NO_CONTEXT}", {"ttl": 0}),
    "TTL bits over both octets": Allowed(f"08460103 000064ff {NO_CONTEXT}", {"ttl": 33}),
    "index 0, which the forwarder discards": Allowed(f"0fc60103 00006400 {NO_CONTEXT}", {"si": 0, "spi": 100}),
    "the highest path": Allowed(f"0fc60103 ffffffff {NO_CONTEXT}", {"spi": 0xFFFFFF, "si": 255}),
    "next protocol 0, unassigned": Allowed(f"0fc60100 000064ff {NO_CONTEXT}", {"next_protocol": 0}),
    "next protocol 0xfd, unassigned": Allowed(f"0fc601fd 000064ff {NO_CONTEXT}", {"next_protocol": 0xFD}),
    "next protocol 7, active OAM": Allowed(f"2fc60107 000064ff {NO_CONTEXT}", {"next_protocol": 7, "oam": True}),
    "MD type 2 without context, a payload behind": Allowed("0fc20203 000064ff", {"context": ()}, b"\x00\x00\x00\xff"),
    "a context header without a value": Allowed(
        "0fc30201 000064ff 01020300", {"context": (ContextTlv(0x102, 3, b""),)}
    ),
    "its unassigned bit, and three octets of padding": Allowed(
        "0fc40201 000064ff 0102ff81 aabbccdd",
        {"context": (ContextTlv(0x102, 0xFF, b"\xaa", unassigned=1, padding=b"\xbb\xcc\xdd"),)},
    ),
    "the same type twice": Allowed(
        "0fc60202 000064ff 00000501 07000000 00000501 08000000",
        {"context": (ContextTlv(0, 5, b"\x07"), ContextTlv(0, 5, b"\x08"))},
    ),
    "127 octets, padded by one": Allowed(
        "0fe30203 000064ff fff6017f" + "5a" * 127 + "00", {"context": (ContextTlv(0xFFF6, 1, b"Z" * 127),)}
    ),
}


@pytest.mark.parametrize("name", ALLOWED)
def test_odd_headers_are_read_and_written_back_bit_by_bit(name: str) -> None:
    case = ALLOWED[name]
    data = octets(case.text)
    header, length = NshHeader.decode(data + case.rest)
    assert length == len(data) and header.encode() == data
    assert {what: getattr(header, what) for what in case.said} == case.said


def test_a_sender_that_says_nothing_sends_63_hops_and_zeros() -> None:
    assert NshHeader(1, 255).encode() == octets(f"0fc60103 000001ff {NO_CONTEXT}")


def test_headers_within_headers_are_peeled_one_by_one() -> None:
    outer, inner = octets("0fc30204 000001ff 00000700"), octets(f"00060101 000002fe {NO_CONTEXT}")
    first, length = NshHeader.decode(outer + inner + b"ip")
    second, more = NshHeader.decode((outer + inner + b"ip")[length:])
    assert (first.next_protocol, second.next_protocol, length + more) == (4, 1, len(outer + inner))


# RFC 9263, RFC 8979


def test_context_headers_of_the_ietf_side_by_side() -> None:
    text = (
        "0fce0201 000064ff"
        " 00000403 aabbcc00"  # nothing of section 4.1 has 3 octets: refused below, left out here
        " 00000404 1f001003"  # QinQ: S-VLAN 1, C-VLAN 3, reserved bits set
        " 00000404 3f0a0b0c"  # VNI
        " 00000502 abcd0000"  # tenant
        " 00000604 0a000001"  # ingress node
        " 00000001 ff000000"  # subscriber
    )
    header, _ = NshHeader.decode(octets(text))
    assert isinstance(header.context, tuple)
    with pytest.raises(BadMetadata):
        read_all(header.context)
    assert read_all(header.context[1:]) == (
        QinqContext(0x001, 0x003),
        VniContext(0x0A0B0C),
        TenantId(b"\xab\xcd"),
        IngressNode(octets("0a000001")),
        SubscriberId(b"\xff"),
    )


@pytest.mark.parametrize("text", ["00000400", "00000405 00000000 00000000", "00000404 50000000", "00000904 00000001"])
def test_context_headers_that_no_figure_has_are_refused(text: str) -> None:
    header, _ = NshHeader.decode(octets(f"0f{0xC2 + len(octets(text)) // 4:02x}0201 000064ff {text}"))
    assert isinstance(header.context, tuple)
    with pytest.raises(BadMetadata):
        read_all(header.context)


# RFC 9145

KEY = Key(b"\x2a", bytes(range(32)), bytes(range(16)))
NOW_NS = 1_000_000_000 * 1_700_000_000 + 500_000_000
STAMP = (1_700_000_000 << 32 | 1 << 31).to_bytes(8, "big")
INNER = b"what the header is imposed on"


def protected(kind: int, *, hidden: bytes = b"", nonce: bytes = b"", key: Key = KEY) -> bytes:
    """A header of 11 words or more with a tenant and the protection behind it, MACed by hand."""
    parts = bytes([len(key.id)]) + key.id + STAMP + bytes([len(nonce)]) + nonce + hidden
    value_octets = len(parts) + 16
    tlv = bytes([0, 0, kind, value_octets]) + parts
    padding = bytes(-value_octets % 4)
    path = octets("000064ff 00000501 07000000")
    words = (4 + len(path) + len(tlv) + 16 + len(padding)) // 4
    first = (0x0FC00201 | words << 16).to_bytes(4, "big")
    covered = (first if kind == 3 else b"") + path + tlv + bytes(16) + padding + INNER
    mac = hmac.new(key.mac_key, covered, hashlib.sha256).digest()[:16]
    return first + path + tlv + mac + padding


RING = KeyRing((Validity(KEY),))


@pytest.mark.parametrize("kind", [2, 3])
def test_a_mac_covers_what_its_type_says_and_the_inner_packet(kind: int) -> None:
    data = protected(kind)
    header, _ = NshHeader.decode(data)
    key, _ = verify(header, INNER, RING, NOW_NS)
    assert key is KEY
    for place, under in ((0, kind == 3), (7, True), (15, True), (len(data) - 1, True)):
        changed = bytearray(data)
        changed[place] ^= 0x08 if place == 0 else 0x01
        tried, _ = NshHeader.decode(bytes(changed))
        if under:
            with pytest.raises(WrongMac):
                verify(tried, INNER, RING, NOW_NS)
        else:
            verify(tried, INNER, RING, NOW_NS)
    with pytest.raises(WrongMac):
        verify(header, INNER + b"\0", RING, NOW_NS)


def test_context_headers_are_encrypted_without_associated_data() -> None:
    """Section 7.3: whole context headers, and a zero-length string as associated data."""
    nonce, secret = bytes(12), octets("00000003 757365 00")
    assert KEY.enc_key is not None
    data = protected(2, hidden=AESGCM(KEY.enc_key).encrypt(nonce, secret, None), nonce=nonce)
    header, _ = NshHeader.decode(data)
    _, protection = verify(header, INNER, RING, NOW_NS)
    assert read_all(decrypt(protection, KEY)) == (SubscriberId(b"use"),)


def test_the_new_and_the_old_key_are_taken_during_a_rotation_only() -> None:
    newer = Key(b"\x2b", bytes(32), None)
    ring = RING.rotate(newer, since_ns=NOW_NS, grace_ns=10)
    old, new = (NshHeader.decode(protected(2, key=key))[0] for key in (KEY, newer))
    verify(old, INNER, ring, NOW_NS)
    verify(new, INNER, ring, NOW_NS)
    for header, when in ((old, NOW_NS + 10), (new, NOW_NS - 1)):
        with pytest.raises(UnknownKey):
            verify(header, INNER, ring, when)


def test_an_index_that_falls_needs_a_mac_anew_and_timestamps_age() -> None:
    header, _ = NshHeader.decode(protected(2))
    lower = NshHeader(header.spi, header.si - 1, next_protocol=1, context=header.context)
    with pytest.raises(WrongMac):
        verify(lower, INNER, RING, NOW_NS)
    verify(refresh(lower, INNER, KEY), INNER, RING, NOW_NS)
    with pytest.raises(StaleTimestamp):
        verify(header, INNER, RING, NOW_NS + 2_000_000_000)


def test_the_level_that_is_protected_is_the_outer_one() -> None:
    """An inner header's MAC says nothing of an outer header without one."""
    plain = NshHeader(7, 255, next_protocol=4, context=())
    with pytest.raises(MissingMac):
        verify(plain, protected(2) + INNER, RING, NOW_NS)


def test_nothing_may_follow_the_mac() -> None:
    header, _ = NshHeader.decode(protected(2))
    assert isinstance(header.context, tuple)
    moved = NshHeader(header.spi, header.si, next_protocol=1, context=header.context[::-1])
    with pytest.raises(MalformedMac):
        verify(moved, INNER, RING, NOW_NS)


# RFC 8592


def test_a_time_record_of_two_nodes_tells_how_long_each_took() -> None:
    begin = ntp_timestamp(NOW_NS)
    half = 1 << 31
    stamps = [begin, begin + half, begin + half * 2, begin + half * 3]
    first = octets("c0fe0000") + b"".join(stamp.to_bytes(8, "big") for stamp in stamps[:2])
    second = octets("c0fd0000") + b"".join(stamp.to_bytes(8, "big") for stamp in stamps[2:])
    record = read_kpi(ContextTlv(0xFFF6, 2, octets("c0000001") + second + first))
    assert isinstance(record, TimestampRecord)
    assert [(each.stamping_si, each.inside_ns, each.before_ns) for each in latencies(record)] == [
        (0xFE, 500_000_000, None),
        (0xFD, 500_000_000, 500_000_000),
    ]
    with pytest.raises(BadKpi):
        read_kpi(ContextTlv(0xFFF6, 2, octets("c0000001") + second[:-1]))


# RFC 9451, RFC 9516


def test_an_echo_request_with_a_strange_tlv_gets_it_back() -> None:
    request = octets("01aa0018 0000bbbb 01020000 0000cafe 00000001 c8ff0004 01020304")
    answer = reply_to(EchoMessage.decode(request + b"padding"), ReturnCode.END_OF_PATH)
    assert answer is not None
    assert answer.encode() == octets("0100001c 00000000 02020200 0000cafe 00000001 02000008 c8000004 01020304")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "41000010 00000000 01020000 0000cafe 00000001",
        "02000010 00000000 01020000 0000cafe 00000001",
        "0100000c 00000000 01020000 0000cafe",
        "01000014 00000000 01020000 0000cafe 00000001",
        "01000014 00000000 01020000 0000cafe 00000001 01000004",
    ],
)
def test_what_is_no_echo_is_refused(text: str) -> None:
    with pytest.raises(OamError):
        EchoMessage.decode(octets(text))


@pytest.mark.parametrize(
    ("first", "fault"),
    [("2fc60107", False), ("0fc60107", True), ("2fc60106", True), ("0fc60106", False), ("2fc60103", False)],
)
def test_the_o_bit_stands_where_rfc_9451_wants_it(first: str, fault: bool) -> None:
    header, _ = NshHeader.decode(octets(f"{first} 000064ff {NO_CONTEXT}"))
    assert (o_bit_fault(header) is not None) is fault

from __future__ import annotations

import array
import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfc.nsh import (
    BadLength,
    ContextTlv,
    NextProtocol,
    NshError,
    NshHeader,
    OutOfRange,
    TruncatedHeader,
    TruncatedTlv,
    UnsupportedMdType,
    UnsupportedVersion,
)

# RFC 8300 figure 2, 3 and 4 filled in by hand: version 0, TTL 63, length 6, MD type 1, Ethernet; SPI 100, SI 255.
PLAIN = bytes.fromhex("0fc60103 000064ff 11111111 22222222 33333333 44444444")
# The same with the O bit and the unassigned bit beside it.
WITH_O_AND_U = bytes.fromhex("3fc60103 000064ff 11111111 22222222 33333333 44444444")
# MD type 2, length 5: two TLVs of 4 and 1 octets (padded), classes 0x0000 and 0xfff6, next protocol IPv4, TTL 5.
WITH_TLVS = bytes.fromhex("01460201 00000aff 00000104 deadbeef fff68281 aa000000".replace(" ", ""))


def test_a_plain_header_is_what_the_figures_say() -> None:
    header, octets = NshHeader.decode(PLAIN + b"payload")
    assert octets == 24
    assert (header.spi, header.si, header.ttl, header.oam, header.unassigned) == (100, 255, 63, False, 0)
    assert header.next_protocol is NextProtocol.ETHERNET
    assert header.md_type == 1
    assert header.context == PLAIN[8:]
    assert header == NshHeader(100, 255, context=PLAIN[8:])
    assert header.encode() == PLAIN


def test_the_defaults_make_63_hops_ethernet_and_16_zeros() -> None:
    assert NshHeader(100, 255).encode() == PLAIN[:8] + bytes(16)


def test_o_and_unassigned_bits_stand_where_the_figure_has_them() -> None:
    header, _ = NshHeader.decode(WITH_O_AND_U)
    assert (header.oam, header.unassigned) == (True, 0b10000)
    assert header.encode() == WITH_O_AND_U
    low = NshHeader(1, 1, unassigned=0b01111).encode()
    assert low[:4] == bytes.fromhex("0fc6f103")


def test_tlvs_keep_class_type_bit_value_and_padding() -> None:
    header, octets = NshHeader.decode(WITH_TLVS[:24])
    assert octets == 24
    assert header.md_type == 2
    assert header.context == (
        ContextTlv(0, 1, bytes.fromhex("deadbeef")),
        ContextTlv(0xFFF6, 0x82, b"\xaa", unassigned=1),
    )
    assert (header.ttl, header.next_protocol, header.spi) == (5, NextProtocol.IPV4, 10)
    assert header.encode() == WITH_TLVS


def test_padding_that_is_not_zero_survives() -> None:
    odd = WITH_TLVS[:-3] + b"\x01\x02\x03"
    header, _ = NshHeader.decode(odd)
    assert isinstance(header.context, tuple) and header.context[1].padding == b"\x01\x02\x03"
    assert header.encode() == odd


def test_md_type_2_may_be_empty() -> None:
    header = NshHeader(1, 2, context=())
    assert header.encode() == bytes.fromhex("0fc20203 00000102")
    assert NshHeader.decode(header.encode()) == (header, 8)


def test_headers_nest() -> None:
    outer = NshHeader(1, 255, next_protocol=NextProtocol.NSH)
    inner = NshHeader(2, 254, next_protocol=NextProtocol.IPV6)
    first, octets = NshHeader.decode(outer.encode() + inner.encode())
    assert first.next_protocol is NextProtocol.NSH
    assert NshHeader.decode((outer.encode() + inner.encode())[octets:])[0] == inner


@pytest.mark.parametrize(
    ("number", "protocol"),
    [
        (1, "IPV4"),
        (2, "IPV6"),
        (3, "ETHERNET"),
        (4, "NSH"),
        (5, "MPLS"),
        (6, "IOAM"),
        (7, "ACTIVE_OAM"),
        (0xFE, "EXPERIMENT_1"),
    ],
)
def test_next_protocols_are_ianas(number: int, protocol: str) -> None:
    assert NextProtocol[protocol] == number
    decoded, _ = NshHeader.decode(NshHeader(1, 1, next_protocol=number).encode())
    assert decoded.next_protocol is NextProtocol[protocol]


def test_an_unknown_next_protocol_is_kept() -> None:
    header, _ = NshHeader.decode(NshHeader(1, 1, next_protocol=200).encode())
    assert header.next_protocol == 200


tlvs = st.builds(
    lambda md_class, kind, value, bit, filler: ContextTlv(
        md_class, kind, value, unassigned=bit, padding=filler[: -len(value) % 4]
    ),
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFF),
    st.binary(max_size=127),
    st.integers(0, 1),
    st.binary(min_size=3, max_size=3),
)


def fits(context: tuple[ContextTlv, ...]) -> bool:
    return sum(len(tlv.encode()) for tlv in context) <= 244


contexts = st.binary(min_size=16, max_size=16) | st.lists(tlvs, max_size=4).map(tuple).filter(fits)

headers = st.builds(
    NshHeader,
    st.integers(0, 0xFFFFFF),
    st.integers(0, 0xFF),
    ttl=st.integers(0, 63),
    next_protocol=st.integers(0, 0xFF),
    oam=st.booleans(),
    context=contexts,
    unassigned=st.integers(0, 31),
)


@given(headers, st.binary(max_size=40))
def test_what_was_encoded_is_decoded_whatever_follows(header: NshHeader, payload: bytes) -> None:
    octets = header.encode()
    assert NshHeader.decode(octets + payload) == (header, len(octets))
    assert header.md_type in (1, 2)


@given(st.binary(max_size=300))
def test_octets_are_decoded_exactly_or_refused(data: bytes) -> None:
    try:
        header, octets = NshHeader.decode(data)
    except NshError:
        return
    assert header.encode() == data[:octets]


@given(st.integers(0, 0xFFFFFFFF), st.binary(min_size=4, max_size=256))
def test_any_first_word_is_decoded_exactly_or_refused(word: int, rest: bytes) -> None:
    data = (word & 0x3FFF0FFF).to_bytes(4, "big") + rest
    try:
        header, octets = NshHeader.decode(data)
    except NshError:
        return
    assert header.encode() == data[:octets]


@given(headers)
def test_every_cut_header_is_refused(header: NshHeader) -> None:
    octets = header.encode()
    for length in range(len(octets)):
        with pytest.raises(TruncatedHeader):
            NshHeader.decode(octets[:length])


@pytest.mark.parametrize("version", [1, 2, 3])
def test_other_versions_are_refused(version: int) -> None:
    with pytest.raises(UnsupportedVersion):
        NshHeader.decode(bytes([PLAIN[0] | version << 6]) + PLAIN[1:])


@pytest.mark.parametrize("md_type", [0, 3, 0xF])
def test_other_metadata_types_are_refused(md_type: int) -> None:
    with pytest.raises(UnsupportedMdType):
        NshHeader.decode(PLAIN[:2] + bytes([md_type]) + PLAIN[3:])


@pytest.mark.parametrize("words", [0, 1, 2, 5, 7, 63])
def test_md_type_1_is_six_words_long(words: int) -> None:
    with pytest.raises(BadLength):
        NshHeader.decode(bytes([0x0F, 0xC0 | words]) + PLAIN[2:] + bytes(256))


@pytest.mark.parametrize("words", [0, 1])
def test_md_type_2_is_two_words_long_at_least(words: int) -> None:
    with pytest.raises(BadLength):
        NshHeader.decode(bytes([0x0F, 0xC0 | words, 2, 3]) + bytes(252))


@pytest.mark.parametrize("length", [1, 4, 5, 127])
def test_a_tlv_may_not_run_over_the_end(length: int) -> None:
    data = bytes.fromhex("0fc30203 000064ff 000001") + bytes([length]) + bytes(256)
    with pytest.raises(TruncatedTlv):
        NshHeader.decode(data)


def test_the_longest_header_has_252_octets() -> None:
    context = (ContextTlv(1, 1, bytes(120)), ContextTlv(1, 2, bytes(116)))
    header = NshHeader(1, 1, context=context)
    assert len(header.encode()) == 252
    assert NshHeader.decode(header.encode()) == (header, 252)
    with pytest.raises(OutOfRange):
        NshHeader(1, 1, context=(*context, ContextTlv(1, 3, b"")))


def test_values_that_do_not_fit_are_refused() -> None:
    for arguments in (
        {"spi": 1 << 24},
        {"spi": -1},
        {"si": 256},
        {"ttl": 64},
        {"next_protocol": 256},
        {"unassigned": 32},
        {"context": bytes(15)},
        {"context": bytes(17)},
    ):
        values: dict[str, object] = {"spi": 1, "si": 1, **arguments}
        with pytest.raises(OutOfRange):
            NshHeader(values.pop("spi"), values.pop("si"), **values)  # type: ignore[arg-type]
    for wrong in ((1 << 16, 1, b""), (1, 256, b""), (1, 1, bytes(128))):
        with pytest.raises(OutOfRange):
            ContextTlv(*wrong)
    with pytest.raises(OutOfRange):
        ContextTlv(1, 1, b"", unassigned=2)
    with pytest.raises(OutOfRange):
        ContextTlv(1, 1, b"abc", padding=b"12")


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda data: array.array("I", data)])
def test_any_buffer_will_do(kind: type) -> None:
    for octets in (PLAIN, WITH_TLVS):
        assert NshHeader.decode(kind(octets))[0].encode() == octets


def test_headers_are_values() -> None:
    header, _ = NshHeader.decode(WITH_TLVS)
    with pytest.raises(AttributeError):
        header.spi = 5  # type: ignore[misc]
    assert header != tuple(header)
    assert len({header, copy.deepcopy(header), pickle.loads(pickle.dumps(header))}) == 1
    assert repr(NshHeader(1, 2)).startswith("NshHeader(1, 2, ttl=63")
    assert NshHeader(1, 2) != NshHeader(1, 3)


def test_scapy_encodes_the_same() -> None:
    scapy = pytest.importorskip("scapy.contrib.nsh")
    theirs = bytes(scapy.NSH(spi=100, si=255, ttl=63, mdtype=1, nextproto=3, context_header=PLAIN[8:]))
    assert theirs == PLAIN

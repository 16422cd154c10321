"""Integrity and encryption of NSH: octets put together by hand from RFC 9145, every refusal, and key rotation."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfc.integrity import (
    Cipher,
    Key,
    KeyRing,
    Mac,
    MalformedMac,
    MissingMac,
    NotDecryptable,
    Protection,
    ReplayWindow,
    StaleTimestamp,
    UnknownKey,
    Validity,
    WrongMac,
    decrypt,
    protect,
    refresh,
    timestamp_of,
    verify,
)
from sfc.metadata import MetadataType, TenantId
from sfc.nsh import ContextTlv, NextProtocol, NshHeader, OutOfRange, TruncatedTlv

NOW = 1_700_000_000_500_000_000  # half a second past 0x6553f100
SECOND = 1_000_000_000
INNER = b"the inner packet"
KEY = Key.from_secret(b"k1", bytes(range(32)) + bytes(16))
RING = KeyRing((Validity(KEY),))
NONCE = bytes(12)
TENANT = TenantId(b"\x11\x22\x33\x44").to_tlv()
PLAIN = NshHeader(100, 255, next_protocol=NextProtocol.ETHERNET, context=(TENANT,))

# After the base header: path, tenant; then class, type and length; then key id, time, no nonce.
PATH, TENANT_OCTETS = "000064ff", "00000504 11223344"
HEAD = "02 6b31 6553f10080000000 00"
# NIST's first test case of AES-GCM with a plaintext: key, nonce and 16 octets of it all zeros.
CIPHERTEXT = "0388dace60b6a392f328c2b971b2fe78 ab6e47d42cec13bdf53a67b21257bddf"
HIDDEN = (ContextTlv(0, 0, b""),) * 4


def mac_of(octets: str) -> str:
    return hmac.new(bytes(range(32)), bytes.fromhex(octets) + INNER, hashlib.sha256).hexdigest()[:32]


def test_the_first_level_covers_all_but_the_base_header() -> None:
    words = 2 + 2 + 1 + 7  # base and path, tenant, head of the context header, 28 octets of value
    base = f"0f{0xC0 | words:02x}0203"
    covered = f"{PATH} {TENANT_OCTETS} 0000021c {HEAD}"
    expected = f"{base} {covered} {mac_of(covered + '00' * 16)}"
    assert protect(PLAIN, INNER, KEY, NOW).encode().hex() == bytes.fromhex(expected).hex()


def test_the_second_level_covers_the_base_header_too() -> None:
    covered = f"0fcc0203 {PATH} {TENANT_OCTETS} 0000031c {HEAD}"
    expected = f"{covered} {mac_of(covered + '00' * 16)}"
    assert protect(PLAIN, INNER, KEY, NOW, whole=True).encode().hex() == bytes.fromhex(expected).hex()


def test_encrypted_context_headers_stand_between_nonce_and_mac() -> None:
    header = protect(PLAIN, INNER, KEY, NOW, encrypted=HIDDEN, nonce=NONCE)
    covered = f"{PATH} {TENANT_OCTETS} 00000248 02 6b31 6553f10080000000 0c {NONCE.hex()} {CIPHERTEXT}"
    expected = f"0fd70203 {covered} {mac_of(covered + '00' * 16)}"
    assert header.encode().hex() == bytes.fromhex(expected).hex()
    key, protection = verify(header, INNER, RING, NOW)
    assert key == KEY and protection.ciphertext.hex() == bytes.fromhex(CIPHERTEXT).hex()
    assert decrypt(protection, key) == HIDDEN


def test_a_mac_has_the_length_of_its_algorithm() -> None:
    for mac in Mac:
        key = Key(b"k", bytes(mac.key_octets), mac=mac)
        header = protect(PLAIN, INNER, key, NOW)
        _, protection = verify(header, INNER, KeyRing((Validity(key),)), NOW)
        assert len(protection.mac) == mac.octets == mac.key_octets // 2
    # RFC 4868 section 2.7.2.1, test case AUTH256-2.
    assert Mac.HMAC_SHA_256_128.compute(b"JefeJefeJefeJefeJefeJefeJefeJefe", b"what do ya want for nothing?").hex() == (
        "167f928588c5cc2eef8e3093caa0e87c"
    )


@pytest.mark.parametrize("whole", [False, True])
def test_every_changed_bit_under_the_mac_is_found(whole: bool) -> None:
    octets = protect(PLAIN, INNER, KEY, NOW, whole=whole).encode()
    for place in range(0 if whole else 4, len(octets)):
        for bit in range(8):
            changed = bytearray(octets)
            changed[place] ^= 1 << bit
            try:
                header, _ = NshHeader.decode(changed)
            except ValueError:
                continue
            with pytest.raises((WrongMac, MissingMac, MalformedMac, UnknownKey, StaleTimestamp)):
                verify(header, INNER, RING, NOW)
    header, _ = NshHeader.decode(octets)
    for inner in (INNER[:-1], INNER + b"!", b""):
        with pytest.raises(WrongMac):
            verify(header, inner, RING, NOW)


def test_a_forwarder_decrements_the_ttl_without_a_key_on_the_first_level_only() -> None:
    for whole in (False, True):
        header = protect(PLAIN, INNER, KEY, NOW, whole=whole)
        hop = NshHeader(header.spi, header.si, ttl=header.ttl - 1, context=header.context)
        if whole:
            with pytest.raises(WrongMac):
                verify(hop, INNER, RING, NOW)
            hop = refresh(hop, INNER, KEY.for_forwarders())
        verify(hop, INNER, RING, NOW)


def test_a_function_decrements_the_index_and_keeps_the_ciphertext() -> None:
    header = protect(PLAIN, INNER, KEY, NOW, encrypted=HIDDEN, nonce=NONCE)
    passed = NshHeader(header.spi, header.si - 1, context=header.context)
    with pytest.raises(WrongMac):
        verify(passed, INNER, RING, NOW)
    passed = refresh(passed, INNER, KEY.for_forwarders())
    key, protection = verify(passed, INNER, RING, NOW)
    assert decrypt(protection, key) == HIDDEN
    assert protection.timestamp == timestamp_of(NOW)


def test_unassigned_bits_and_padding_are_covered_as_they_came() -> None:
    key = Key(b"odd", bytes(32))
    header = protect(PLAIN, INNER, key, NOW)
    assert isinstance(header.context, tuple)
    *before, tlv = header.context
    strange = ContextTlv(0, tlv.type, tlv.value, unassigned=1, padding=b"\x07" * (-len(tlv.value) % 4))
    header = NshHeader(header.spi, header.si, context=(*before, strange))
    assert strange.padding
    with pytest.raises(WrongMac):
        verify(header, INNER, KeyRing((Validity(key),)), NOW)
    again, _ = NshHeader.decode(refresh(header, INNER, key).encode())
    verify(again, INNER, KeyRing((Validity(key),)), NOW)


# Refusals


def test_a_header_without_mac_is_refused() -> None:
    for header in (PLAIN, NshHeader(1, 2)):
        with pytest.raises(MissingMac):
            verify(header, INNER, RING, NOW)
        with pytest.raises(MissingMac):
            refresh(header, INNER, KEY)


def test_a_mac_that_is_not_the_last_context_header_is_refused_and_a_second_one_ignored() -> None:
    header = protect(NshHeader(1, 2, context=()), INNER, KEY, NOW)
    assert isinstance(header.context, tuple)
    with pytest.raises(MalformedMac, match="section 5"):
        verify(NshHeader(1, 2, context=(*header.context, TENANT)), INNER, RING, NOW)
    twice = NshHeader(1, 2, context=(*header.context, ContextTlv(0, MetadataType.MAC_2, b"?")))
    verify(refresh(twice, INNER, KEY), INNER, RING, NOW)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "00",
        "026b",
        "026b31",
        "21" + "00" * 60,
        "026b31 6553f10080000000",
        "026b31 6553f10080000000 00" + "00" * 15,
        "026b31 6553f10080000000 0c" + "00" * 16,
        "026b31 6553f10080000000 0c" + "00" * 28,
        "026b31 6553f10080000000 00" + "00" * 20,
        "026b31 6553f10080000000 ff" + "00" * 28,
    ],
)
def test_parts_that_do_not_fit_are_refused(value: str) -> None:
    header = NshHeader(1, 2, context=(ContextTlv(0, MetadataType.MAC_1, bytes.fromhex(value)),))
    with pytest.raises(MalformedMac):
        verify(header, INNER, RING, NOW)


@pytest.mark.parametrize(
    ("off_ns", "fresh"), [(0, True), (1_999_999_999, True), (2 * SECOND, False), (-3 * SECOND, False)]
)
def test_a_timestamp_may_be_two_seconds_off(off_ns: int, fresh: bool) -> None:
    header = protect(PLAIN, INNER, KEY, NOW)
    if fresh:
        verify(header, INNER, RING, NOW + off_ns)
        verify(header, INNER, RING, NOW - off_ns)
    else:
        with pytest.raises(StaleTimestamp):
            verify(header, INNER, RING, NOW + off_ns)
        verify(header, INNER, RING, NOW + off_ns, delta_s=3.5)


def test_timestamps_wrap_in_2106() -> None:
    wrap = (1 << 32) * SECOND
    assert timestamp_of(SECOND // 4) == 0x40000000
    assert timestamp_of(wrap + SECOND) == 1 << 32
    header = protect(PLAIN, INNER, KEY, wrap - SECOND)
    verify(header, INNER, RING, wrap + SECOND // 2)


def test_what_does_not_fit_is_refused() -> None:
    protected = protect(PLAIN, INNER, KEY, NOW)
    many = (ContextTlv(0, 9, bytes(70)),)
    for header, options in (
        (NshHeader(1, 2), {}),
        (protected, {}),
        (PLAIN, {"encrypted": HIDDEN}),
        (PLAIN, {"encrypted": HIDDEN, "nonce": bytes(11)}),
        (PLAIN, {"nonce": NONCE}),
        (PLAIN, {"encrypted": many, "nonce": NONCE}),
    ):
        with pytest.raises(OutOfRange):
            protect(header, INNER, KEY, NOW, **options)
    with pytest.raises(NotDecryptable):
        protect(PLAIN, INNER, KEY.for_forwarders(), NOW, encrypted=HIDDEN, nonce=NONCE)


def test_keys_have_the_lengths_of_their_algorithms_and_do_not_show() -> None:
    with pytest.raises(OutOfRange):
        Key(b"", bytes(32))
    with pytest.raises(OutOfRange):
        Key(bytes(33), bytes(32))
    with pytest.raises(OutOfRange):
        Key(b"k", bytes(31))
    with pytest.raises(OutOfRange):
        Key(b"k", bytes(32), bytes(24))
    with pytest.raises(OutOfRange):
        Key.from_secret(b"k", bytes(47))
    strong = Key.from_secret(b"k", b"m" * 64 + b"e" * 32, Mac.HMAC_SHA_512_256, Cipher.AES_256_GCM)
    assert (strong.mac_key, strong.enc_key) == (b"m" * 64, b"e" * 32)
    assert "mmm" not in repr(strong) and "eee" not in repr(strong)


def test_only_the_right_encryption_key_opens_the_hidden_headers() -> None:
    _, protection = verify(protect(PLAIN, INNER, KEY, NOW, encrypted=HIDDEN, nonce=NONCE), INNER, RING, NOW)
    with pytest.raises(NotDecryptable):
        decrypt(protection, KEY.for_forwarders())
    with pytest.raises(NotDecryptable):
        decrypt(protection, replace(KEY, enc_key=bytes(15) + b"\x01"))
    with pytest.raises(NotDecryptable):
        decrypt(replace(protection, ciphertext=protection.ciphertext[:8]), KEY)
    assert decrypt(replace(protection, nonce=b"", ciphertext=b""), KEY) == ()


def test_hidden_octets_that_are_no_context_headers_are_refused() -> None:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    for plain in (b"\0\0", b"\0\0\0\x08\0\0\0\0"):
        ciphertext = AESGCM(bytes(16)).encrypt(NONCE, plain, None)
        with pytest.raises(TruncatedTlv):
            decrypt(Protection(MetadataType.MAC_1, b"k1", 0, NONCE, ciphertext, bytes(16)), KEY)


# Rotation


def test_both_keys_are_taken_while_a_rotation_goes_on() -> None:
    new = Key(b"k2", bytes(32))
    ring = RING.rotate(new, since_ns=NOW + 10 * SECOND, grace_ns=5 * SECOND)
    seen = []
    for seconds in (0, 9, 10, 14, 15, 100):
        now = NOW + seconds * SECOND
        key = ring.newest(now)
        verify(protect(PLAIN, INNER, key, now), INNER, ring, now)
        try:
            verify(protect(PLAIN, INNER, KEY, now), INNER, ring, now)
            old = True
        except UnknownKey:
            old = False
        seen.append((key.id, old))
    assert seen == [(b"k1", True), (b"k1", True), (b"k2", True), (b"k2", True), (b"k2", False), (b"k2", False)]
    with pytest.raises(UnknownKey):
        verify(protect(PLAIN, INNER, new, NOW), INNER, ring, NOW)
    assert [each.key.id for each in ring.without_expired(NOW + 15 * SECOND).keys] == [b"k2"]


def test_a_second_rotation_does_not_lengthen_the_life_of_the_oldest_key() -> None:
    ring = RING.rotate(Key(b"k2", bytes(32)), NOW, SECOND).rotate(Key(b"k3", bytes(32)), NOW + 10 * SECOND, SECOND)
    assert [each.until_ns for each in ring.keys] == [NOW + SECOND, NOW + 11 * SECOND, None]


def test_an_empty_ring_and_a_stranger_are_refused() -> None:
    with pytest.raises(UnknownKey):
        KeyRing().newest(NOW)
    with pytest.raises(UnknownKey):
        verify(protect(PLAIN, INNER, KEY, NOW), INNER, KeyRing(), NOW)
    with pytest.raises(OutOfRange):
        KeyRing((Validity(KEY), Validity(KEY)))


def test_a_packet_is_taken_once_and_memory_has_an_end() -> None:
    window = ReplayWindow(delta_s=2.0, capacity=3)
    first, *others = (Protection(MetadataType.MAC_1, b"k", 0, b"", b"", bytes([n]) * 16) for n in range(4))
    assert window.accept(first, NOW)
    assert not window.accept(first, NOW + SECOND)
    assert window.accept(first, NOW + 5 * SECOND)
    assert all(window.accept(other, NOW + 5 * SECOND) for other in others)
    assert window.accept(first, NOW + 5 * SECOND)


@given(
    spi=st.integers(0, 0xFFFFFF),
    si=st.integers(0, 255),
    inner=st.binary(max_size=64),
    hidden=st.lists(st.binary(max_size=8), max_size=2),
    mac=st.sampled_from(Mac),
    cipher=st.sampled_from(Cipher),
    whole=st.booleans(),
)
def test_what_was_protected_is_verified_and_read(
    spi: int, si: int, inner: bytes, hidden: list[bytes], mac: Mac, cipher: Cipher, whole: bool
) -> None:
    key = Key.from_secret(b"id", bytes(mac.key_octets + cipher.value), mac, cipher)
    tlvs = tuple(ContextTlv(7, 8, value) for value in hidden)
    header = protect(
        NshHeader(spi, si, context=(TENANT,)),
        inner,
        key,
        NOW,
        encrypted=tlvs,
        nonce=NONCE if tlvs else b"",
        whole=whole,
    )
    received, _ = NshHeader.decode(header.encode())
    found, protection = verify(received, inner, KeyRing((Validity(key),)), NOW)
    assert found == key and decrypt(protection, key) == tlvs


@given(value=st.binary(max_size=127))
def test_any_octets_in_place_of_a_protection_are_refused(value: bytes) -> None:
    header = NshHeader(1, 2, context=(ContextTlv(0, MetadataType.MAC_1, value),))
    with pytest.raises((MalformedMac, UnknownKey, StaleTimestamp, WrongMac)):
        verify(header, INNER, RING, NOW)

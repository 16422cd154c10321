"""Integrity of NSH and encrypted context headers, RFC 9145: the "MAC and Encrypted Metadata" context header.

A sender appends the header with :func:`protect`; a receiver checks it with :func:`verify` against a :class:`KeyRing`
and the time; one that decremented the service index or the TTL computes the MAC anew with :func:`refresh`; one that has
the encryption key reads the hidden context headers with :func:`decrypt`. All are pure: keys, nonces and the time are
arguments. Open vSwitch does none of this: classifiers and functions that speak NSH do.

The context header's value (RFC 9145 figure 4)::

    key id length (1) | key id | timestamp (8) | nonce length (1) | nonce | encrypted context headers | MAC

``MAC_1`` covers everything but the base header, so that a forwarder may decrement the TTL without any key; ``MAC_2``
covers the base header too. Both cover the inner packet.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final

from sfc.metadata import MD_CLASS_IETF, MetadataType
from sfc.nsh import TLV_VALUE_MAX, ContextTlv, NshError, NshHeader, OutOfRange, read_tlvs

DELTA_S_DEFAULT = 2.0  # RFC 9145 section 7.4: how far a timestamp may be off
NONCE_OCTETS = 12  # RFC 5116 section 5: what AES-GCM takes
TIMESTAMP_OCTETS = 8
KEY_ID_MAX = 32  # ours: RFC 9145 leaves it open, and longer ones leave no room for metadata
_BASE_HEADER_OCTETS = 4
_TAG_OCTETS = 16  # RFC 5116 section 5: behind the ciphertext
_SECOND = 1 << 32
_WRAP = 1 << 64
_KINDS = (MetadataType.MAC_1, MetadataType.MAC_2)


class IntegrityError(NshError):
    """A header that is to be discarded, RFC 9145 section 7.5."""


class MissingMac(IntegrityError):
    """No "MAC and Encrypted Metadata" context header."""


class MalformedMac(IntegrityError):
    """One whose parts do not fit its length, or that is not the last context header."""


class UnknownKey(IntegrityError):
    """A key identifier that is not on the ring, or whose time is not now."""


class StaleTimestamp(IntegrityError):
    """A timestamp further from now than allowed."""


class WrongMac(IntegrityError):
    """A header or inner packet that was changed, or made without the key."""


class NotDecryptable(IntegrityError):
    """Encrypted context headers that the key does not open, or a key without its encryption part."""


class Mac(Enum):
    """HMAC algorithms of RFC 4868: (hash, octets of the key, octets of the MAC)."""

    HMAC_SHA_256_128 = ("sha256", 32, 16)
    HMAC_SHA_384_192 = ("sha384", 48, 24)
    HMAC_SHA_512_256 = ("sha512", 64, 32)

    def __init__(self, digest: str, key_octets: int, octets: int) -> None:
        self.digest = digest
        self.key_octets = key_octets
        self.octets = octets

    def compute(self, key: bytes, data: bytes) -> bytes:
        """The truncated HMAC."""
        return hmac.new(key, data, getattr(hashlib, self.digest)).digest()[: self.octets]


class Cipher(Enum):
    """Authenticated encryption of RFC 5116 and RFC 5282: octets of the key."""

    AES_128_GCM = 16
    AES_192_GCM = 24
    AES_256_GCM = 32


@dataclass(frozen=True, slots=True)
class Key:
    """What one key identifier stands for. Without ``enc_key`` (a forwarder's copy) nothing can be decrypted."""

    id: bytes
    mac_key: bytes = field(repr=False)
    enc_key: bytes | None = field(default=None, repr=False)
    mac: Mac = Mac.HMAC_SHA_256_128
    cipher: Cipher = Cipher.AES_128_GCM

    def __post_init__(self) -> None:
        if not 1 <= len(self.id) <= KEY_ID_MAX:
            raise OutOfRange("KEY_ID", f"a key identifier of {len(self.id)} octets, not 1 to {KEY_ID_MAX}")
        if len(self.mac_key) != self.mac.key_octets:
            raise OutOfRange("MAC_KEY", f"{self.mac.name} takes a key of {self.mac.key_octets} octets")
        if self.enc_key is not None and len(self.enc_key) != self.cipher.value:
            raise OutOfRange("ENC_KEY", f"{self.cipher.name} takes a key of {self.cipher.value} octets")

    @classmethod
    def from_secret(
        cls, id: bytes, secret: bytes, mac: Mac = Mac.HMAC_SHA_256_128, cipher: Cipher = Cipher.AES_128_GCM
    ) -> Key:
        """Both keys out of one secret K, RFC 9145 section 4.2: MAC_KEY is its beginning, ENC_KEY its end."""
        if len(secret) != mac.key_octets + cipher.value:
            raise OutOfRange("SECRET", f"{mac.name} and {cipher.name} take {mac.key_octets + cipher.value} octets")
        return cls(id, secret[: mac.key_octets], secret[mac.key_octets :], mac, cipher)

    def for_forwarders(self) -> Key:
        """The key as one may have it who checks but does not read, RFC 9145 section 7.1."""
        return replace(self, enc_key=None)


@dataclass(frozen=True, slots=True)
class Validity:
    """A key and when it may be used, in nanoseconds since 1970: from ``since_ns`` on, up to ``until_ns``."""

    key: Key
    since_ns: int = 0
    until_ns: int | None = None

    def covers(self, now_ns: int) -> bool:
        """True while the key may be used."""
        return self.since_ns <= now_ns and (self.until_ns is None or now_ns < self.until_ns)


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Keys by their identifiers, old and new side by side while a rotation goes on; a value.

    To rotate: everybody gets the new key, valid from some moment on, and the old one an end a little later. Senders
    take the newest valid key, receivers any valid one.
    """

    keys: tuple[Validity, ...] = ()

    def __post_init__(self) -> None:
        if len({each.key.id for each in self.keys}) != len(self.keys):
            raise OutOfRange("KEY_TWICE", "two keys of a ring have the same identifier")

    def find(self, key_id: bytes, now_ns: int) -> Key:
        """The key of that identifier; :class:`UnknownKey` when there is none or its time is not now."""
        for each in self.keys:
            if each.key.id == key_id:
                if each.covers(now_ns):
                    return each.key
                raise UnknownKey("KEY_TIME", f"the key {key_id.hex()} is not valid at this time")
        raise UnknownKey("KEY", f"no key {key_id.hex()} on the ring")

    def newest(self, now_ns: int) -> Key:
        """What a sender uses; :class:`UnknownKey` when no key is valid."""
        valid = [each for each in self.keys if each.covers(now_ns)]
        if not valid:
            raise UnknownKey("KEY", "no key of the ring is valid at this time")
        return max(valid, key=lambda each: each.since_ns).key

    def rotate(self, key: Key, since_ns: int, grace_ns: int) -> KeyRing:
        """The ring with a key that takes over at ``since_ns``; the others end ``grace_ns`` later."""
        end = since_ns + grace_ns
        older = (
            each if each.until_ns is not None and each.until_ns <= end else replace(each, until_ns=end)
            for each in self.keys
        )
        return KeyRing((*older, Validity(key, since_ns)))

    def without_expired(self, now_ns: int) -> KeyRing:
        """The ring without keys that will never be valid again."""
        return KeyRing(tuple(each for each in self.keys if each.until_ns is None or now_ns < each.until_ns))


@dataclass(frozen=True, slots=True)
class Protection:
    """The parts of a "MAC and Encrypted Metadata" context header."""

    kind: MetadataType
    """``MAC_1`` or ``MAC_2``."""
    key_id: bytes
    timestamp: int
    """64 bits: units of 2^-32 seconds since 1970, RFC 9145 section 6."""
    nonce: bytes
    """Empty when nothing is encrypted."""
    ciphertext: bytes
    """With the tag of the authenticated encryption; empty when nothing is encrypted."""
    mac: bytes

    def to_tlv(self) -> ContextTlv:
        """The context header."""
        head = bytes([len(self.key_id)]) + self.key_id + self.timestamp.to_bytes(TIMESTAMP_OCTETS, "big")
        value = head + bytes([len(self.nonce)]) + self.nonce + self.ciphertext + self.mac
        if len(value) > TLV_VALUE_MAX:
            raise OutOfRange("METADATA", f"{len(value)} octets of MAC and encrypted metadata, {TLV_VALUE_MAX} fit")
        return ContextTlv(MD_CLASS_IETF, self.kind, value)


def timestamp_of(time_ns: int) -> int:
    """Nanoseconds since 1970 as RFC 9145 section 6 writes them; it wraps in 2106."""
    seconds, rest = divmod(time_ns, 1_000_000_000)
    return (seconds % _SECOND) << 32 | (rest << 32) // 1_000_000_000


def protect(
    header: NshHeader,
    inner: bytes,
    key: Key,
    now_ns: int,
    *,
    encrypted: Sequence[ContextTlv] = (),
    nonce: bytes = b"",
    whole: bool = False,
) -> NshHeader:
    """The header with its protection appended, over itself and the inner packet.

    ``encrypted`` context headers travel inside it, under a ``nonce`` of 12 octets that the key never sees again;
    ``whole`` covers the base header too (``MAC_2``). The header is of MD type 2 and not protected yet. Raises
    :class:`~sfc.nsh.OutOfRange` for what does not fit.
    """
    if not isinstance(header.context, tuple):
        raise OutOfRange("MD_TYPE", "only headers of MD type 2 can be protected (RFC 9145 section 1)")
    if any(_is_protection(tlv) for tlv in header.context):
        raise OutOfRange("PROTECTED", "the header is protected already", "use refresh() after a change of it")
    ciphertext = _encrypt(key, nonce, encrypted)
    kind = MetadataType.MAC_2 if whole else MetadataType.MAC_1
    blank = Protection(kind, key.id, timestamp_of(now_ns), nonce, ciphertext, bytes(key.mac.octets))
    return refresh(_with_context(header, (*header.context, blank.to_tlv())), inner, key)


def refresh(header: NshHeader, inner: bytes, key: Key) -> NshHeader:
    """The header with its MAC computed anew, after the service index, the TTL or context headers were changed.

    Timestamp and ciphertext stay as they are. Only who has verified the header may do so.
    """
    _parts(_protection_tlv(header), key.mac)
    blank = _with_mac(header, bytes(key.mac.octets))
    return _with_mac(header, key.mac.compute(key.mac_key, _covered(blank) + inner))


def verify(
    header: NshHeader, inner: bytes, ring: KeyRing, now_ns: int, *, delta_s: float = DELTA_S_DEFAULT
) -> tuple[Key, Protection]:
    """Check a received header: the key that made it and its parts.

    Raises :class:`MissingMac`, :class:`MalformedMac`, :class:`UnknownKey`, :class:`StaleTimestamp` or
    :class:`WrongMac`; the packet is then discarded (RFC 9145 section 7.5).
    """
    tlv = _protection_tlv(header)
    key = ring.find(_key_id(tlv), now_ns)
    protection = _parts(tlv, key.mac)
    age = (timestamp_of(now_ns) - protection.timestamp + _WRAP // 2) % _WRAP - _WRAP // 2
    if abs(age) >= delta_s * _SECOND:
        raise StaleTimestamp("TIMESTAMP", f"a timestamp {age / _SECOND:.3f} s old, {delta_s} s are allowed")
    blank = _with_mac(header, bytes(key.mac.octets))
    expected = key.mac.compute(key.mac_key, _covered(blank) + inner)
    if not hmac.compare_digest(expected, protection.mac):
        raise WrongMac("MAC", "the MAC is not that of this header and packet")
    return key, protection


def decrypt(protection: Protection, key: Key) -> tuple[ContextTlv, ...]:
    """The hidden context headers of a verified header. Raises :class:`NotDecryptable` or what a bad TLV raises."""
    if not protection.ciphertext:
        return ()
    if key.enc_key is None:
        raise NotDecryptable("ENC_KEY", "this copy of the key does not decrypt")
    # Costs a tenth of a second to import, and most headers hide nothing.
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        plain = AESGCM(key.enc_key).decrypt(protection.nonce, protection.ciphertext, None)
    except (InvalidTag, ValueError):
        raise NotDecryptable("CIPHERTEXT", "the encrypted context headers are not of this key") from None
    return read_tlvs(plain)


class ReplayWindow:
    """Remembers the MACs of a while, so that no packet is taken twice (RFC 9145 section 7.4). Not for several threads.

    Holds at most ``capacity`` of them: when they come faster, the oldest is forgotten before its time.
    """

    def __init__(self, delta_s: float = DELTA_S_DEFAULT, capacity: int = 1 << 20) -> None:
        self._keep_ns: Final = int(2 * delta_s * 1e9)
        self._capacity: Final = capacity
        self._seen: dict[bytes, int] = {}

    def accept(self, protection: Protection, now_ns: int) -> bool:
        """True the first time; the protection was verified before."""
        self._forget(now_ns)
        if protection.mac in self._seen:
            return False
        if len(self._seen) >= self._capacity:
            del self._seen[next(iter(self._seen))]
        self._seen[protection.mac] = now_ns
        return True

    def _forget(self, now_ns: int) -> None:
        old = []
        for mac, seen_ns in self._seen.items():
            if now_ns - seen_ns <= self._keep_ns:
                break
            old.append(mac)
        for mac in old:
            del self._seen[mac]


def _is_protection(tlv: ContextTlv) -> bool:
    return tlv.md_class == MD_CLASS_IETF and tlv.type in _KINDS


def _protection_tlv(header: NshHeader) -> ContextTlv:
    """The first one counts, and nothing but further ones, which are ignored, may follow it (sections 5 and 7.1)."""
    tlvs = header.context if isinstance(header.context, tuple) else ()
    for index, tlv in enumerate(tlvs):
        if _is_protection(tlv):
            if not all(map(_is_protection, tlvs[index:])):
                raise MalformedMac("MAC_LAST", "a context header follows the MAC (RFC 9145 section 5)")
            return tlv
    raise MissingMac("MAC_MISSING", "the header has no MAC (RFC 9145 section 7.5)")


def _key_id(tlv: ContextTlv) -> bytes:
    length = tlv.value[0] if tlv.value else 0
    if not 1 <= length <= KEY_ID_MAX or len(tlv.value) < 1 + length:
        raise MalformedMac("KEY_ID", "a key identifier that does not fit its context header")
    return tlv.value[1 : 1 + length]


def _parts(tlv: ContextTlv, mac: Mac) -> Protection:
    """What the protection says, when its MAC is of this length."""
    key_id = _key_id(tlv)
    rest = tlv.value[1 + len(key_id) :]
    if len(rest) < TIMESTAMP_OCTETS + 1 + mac.octets:
        raise MalformedMac("MAC_LENGTH", f"{len(tlv.value)} octets are too few for timestamp, nonce and {mac.name}")
    timestamp, nonce_octets = int.from_bytes(rest[:TIMESTAMP_OCTETS], "big"), rest[TIMESTAMP_OCTETS]
    body = rest[TIMESTAMP_OCTETS + 1 :]
    end = len(body) - mac.octets
    if nonce_octets > end:
        raise MalformedMac("NONCE", f"a nonce of {nonce_octets} octets does not fit its context header")
    nonce, ciphertext = body[:nonce_octets], body[nonce_octets:end]
    if bool(nonce) != bool(ciphertext):
        raise MalformedMac("NONCE", "a nonce without ciphertext, or ciphertext without a nonce")
    return Protection(MetadataType(tlv.type), key_id, timestamp, nonce, ciphertext, body[end:])


def _with_mac(header: NshHeader, mac: bytes) -> NshHeader:
    """The header with this MAC; every other bit, padding too, stays as it was received."""
    tlv = _protection_tlv(header)
    value = tlv.value[: len(tlv.value) - len(mac)] + mac
    new = ContextTlv(tlv.md_class, tlv.type, value, unassigned=tlv.unassigned, padding=tlv.padding)
    context = header.context if isinstance(header.context, tuple) else ()
    place = next(index for index, each in enumerate(context) if each is tlv)
    return _with_context(header, (*context[:place], new, *context[place + 1 :]))


def _covered(blank: NshHeader) -> bytes:
    """What of a header with zeros for its MAC goes into the MAC: its base header only with ``MAC_2``."""
    whole = _protection_tlv(blank).type == MetadataType.MAC_2
    return blank.encode()[0 if whole else _BASE_HEADER_OCTETS :]


def _with_context(header: NshHeader, context: tuple[ContextTlv, ...]) -> NshHeader:
    return NshHeader(
        header.spi,
        header.si,
        ttl=header.ttl,
        next_protocol=header.next_protocol,
        oam=header.oam,
        context=context,
        unassigned=header.unassigned,
    )


def _encrypt(key: Key, nonce: bytes, hidden: Sequence[ContextTlv]) -> bytes:
    if not hidden:
        if nonce:
            raise OutOfRange("NONCE", "a nonce, but nothing to encrypt")
        return b""
    if len(nonce) != NONCE_OCTETS:
        raise OutOfRange("NONCE", f"a nonce of {len(nonce)} octets, {key.cipher.name} takes {NONCE_OCTETS}")
    if key.enc_key is None:
        raise NotDecryptable("ENC_KEY", "this copy of the key does not encrypt")
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key.enc_key).encrypt(nonce, b"".join(tlv.encode() for tlv in hidden), None)

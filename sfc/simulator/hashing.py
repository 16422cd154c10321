"""Open vSwitch's hash of a packet for ``multipath``, bit by bit, so that the simulator takes the way that it takes.

Ports are hashed by the murmur hash of ``lib/hash.h``, addresses alone by the Jenkins hash of ``lib/jhash.c``. A build
for processors with SSE 4.2 (Debian's and Ubuntu's are none) has another one in the first's place: of such a switch the
simulator would foretell another branch. Nothing that is proven depends on it.
"""

from __future__ import annotations

import struct

from sfc.model.actions import HashFields
from sfc.model.classifiers import PROTOCOLS_WITH_PORTS
from sfc.model.fields import Field
from sfc.simulator.keys import Key

_MASK = 0xFFFFFFFF


def multipath_hash(fields: HashFields, key: Key) -> int:
    """The 32 bits that a packet hashes to; the same for both ways of a connection."""
    return _addresses_alone(key) if fields is HashFields.L3 else _addresses_and_ports(key)


def _addresses_and_ports(key: Key) -> int:
    value = 0
    for word in _addresses(key):
        value = _add(value, word)
    protocol = key.get(Field.IP_PROTO, 0)
    value = _add(value, protocol)
    if protocol in PROTOCOLS_WITH_PORTS:
        value = _add(value, _swapped(key.get(Field.L4_SRC, 0) ^ key.get(Field.L4_DST, 0), 2))
    return _finish(value)


def _addresses_alone(key: Key) -> int:
    """``flow_hash_symmetric_l3``: addresses in 16 octets, the ethertype in two, two of padding."""
    addresses = struct.pack("<4I", *(*_addresses(key), 0, 0, 0)[:4])
    octets = addresses + struct.pack("!HH", key.get(Field.ETH_TYPE, 0), 0)
    first, rest = struct.unpack("<3I", octets[:12]), struct.unpack("<2I", octets[12:])
    start = 0xDEADBEEF + len(octets) & _MASK
    a, b, c = _jenkins_mix(*(start + word & _MASK for word in first))
    return _jenkins_final(a + rest[0] & _MASK, b + rest[1] & _MASK, c)


def _addresses(key: Key) -> list[int]:
    """Both addresses in one, in words as a little-endian machine reads them."""
    if Field.IPV4_SRC in key:
        return [_swapped(key[Field.IPV4_SRC] ^ key[Field.IPV4_DST], 4)]
    both = (key.get(Field.IPV6_SRC, 0) ^ key.get(Field.IPV6_DST, 0)).to_bytes(16, "big")
    return [int.from_bytes(both[place : place + 4], "little") for place in range(0, 16, 4)]


def _swapped(value: int, octets: int) -> int:
    return int.from_bytes(value.to_bytes(octets, "big"), "little")


def _add(value: int, word: int) -> int:
    word = _rotated(word * 0xCC9E2D51 & _MASK, 15) * 0x1B873593 & _MASK
    return _rotated(value ^ word, 13) * 5 + 0xE6546B64 & _MASK


def _finish(value: int) -> int:
    value = (value ^ value >> 16) * 0x85EBCA6B & _MASK
    value = (value ^ value >> 13) * 0xC2B2AE35 & _MASK
    return value ^ value >> 16


def _jenkins_mix(a: int, b: int, c: int) -> tuple[int, int, int]:
    for bits in (4, 6, 8, 16, 19, 4):
        a = (a - c & _MASK) ^ _rotated(c, bits)
        c = c + b & _MASK
        a, b, c = b, c, a
    return a, b, c


def _jenkins_final(a: int, b: int, c: int) -> int:
    for bits in (14, 11, 25, 16, 4, 14, 24):
        c = (c ^ b) - _rotated(b, bits) & _MASK
        a, b, c = b, c, a
    return b


def _rotated(word: int, bits: int) -> int:
    return (word << bits | word >> 32 - bits) & _MASK

"""Scalars with units (TOSCA Simple Profile 1.3 clause 3.3.6), as integers in one unit each."""

from __future__ import annotations

import re
from fractions import Fraction

_SCALAR = re.compile(r"\s*([0-9]{1,18}(?:\.[0-9]{1,9})?)\s*([A-Za-z]+)\s*$")

#: Octets per unit.
SIZES = {
    "b": 1,
    "kb": 1000,
    "kib": 1024,
    "mb": 1000**2,
    "mib": 1024**2,
    "gb": 1000**3,
    "gib": 1024**3,
    "tb": 1000**4,
    "tib": 1024**4,
}
#: Nanoseconds per unit.
TIMES = {
    "d": 86400 * 10**9,
    "h": 3600 * 10**9,
    "m": 60 * 10**9,
    "s": 10**9,
    "ms": 10**6,
    "us": 1000,
    "ns": 1,
}
#: Hertz per unit.
FREQUENCIES = {"hz": 1, "khz": 1000, "mhz": 10**6, "ghz": 10**9}
#: Bits per second per unit.
BITRATES = {
    "bps": 1,
    "kbps": 1000,
    "kibps": 1024,
    "mbps": 10**6,
    "mibps": 1024**2,
    "gbps": 10**9,
    "gibps": 1024**3,
    "tbps": 10**12,
    "tibps": 1024**4,
}
TABLES = {
    "scalar-unit.size": SIZES,
    "scalar-unit.time": TIMES,
    "scalar-unit.frequency": FREQUENCIES,
    "scalar-unit.bitrate": BITRATES,
}
#: How the units are written, for messages.
SPELLINGS = {
    "scalar-unit.size": "B, kB, KiB, MB, MiB, GB, GiB, TB, TiB",
    "scalar-unit.time": "d, h, m, s, ms, us, ns",
    "scalar-unit.frequency": "Hz, kHz, MHz, GHz",
    "scalar-unit.bitrate": "bps, Kbps, Mbps, Gbps, Tbps",
}
_MIB = 1024**2
_GIB = 1024**3


def parse(text: str, kind: str) -> Fraction:
    """The amount in the base unit of `kind` (octets, nanoseconds, Hz, bit/s); ValueError says what is wrong."""
    found = _SCALAR.match(text)
    if found is None:
        raise ValueError(f"expected a number and one of the units {SPELLINGS[kind]}")
    factor = TABLES[kind].get(found[2].lower())
    if factor is None:
        raise ValueError(f"the unit must be one of {SPELLINGS[kind]}")
    return Fraction(found[1]) * factor


def size_bytes(text: str) -> int:
    """A size in octets, rounded up."""
    return _up(parse(text, "scalar-unit.size"))


def size_mib(text: str) -> int:
    """A size in MiB, rounded up."""
    return _up(parse(text, "scalar-unit.size") / _MIB)


def size_kib(text: str) -> int:
    """A size in KiB, rounded up."""
    return _up(parse(text, "scalar-unit.size") / 1024)


def size_gib(text: str) -> int:
    """A size in GiB, rounded up."""
    return _up(parse(text, "scalar-unit.size") / _GIB)


def is_decimal(text: str) -> bool:
    """True for a size in kB, MB, GB or TB: powers of 1000."""
    found = _SCALAR.match(text)
    return found is not None and found[2].lower() in ("kb", "mb", "gb", "tb")


def time_us(text: str) -> int:
    """A time in microseconds, rounded up."""
    return _up(parse(text, "scalar-unit.time") / 1000)


def frequency_mhz(text: str) -> int:
    """A frequency in MHz, rounded up."""
    return _up(parse(text, "scalar-unit.frequency") / 10**6)


def _up(amount: Fraction) -> int:
    return -(-amount.numerator // amount.denominator)

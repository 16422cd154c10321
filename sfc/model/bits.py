"""Some bits of a header field: what neither one value, nor a prefix, nor a range can say."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from sfc.errors import ModelError
from sfc.model.addresses import IpAddress, IpNetwork, Mac

_NUMBER = re.compile(r"0[xX][0-9a-fA-F]{1,12}|[0-9]{1,15}")


@dataclass(frozen=True, slots=True, order=True)
class Bits:
    """The value of a number, such as a transport port, where ``mask`` has ones."""

    value: int
    mask: int

    def __post_init__(self) -> None:
        if self.mask <= 0 or self.value < 0 or self.value & ~self.mask:
            raise ModelError(
                "MATCH_BITS",
                f"value {self.value:#x} under mask {self.mask:#x}",
                "a mask has a bit at least, and the value only bits that its mask has",
            )

    def takes(self, value: int) -> bool:
        """True when ``value`` has these bits."""
        return value & self.mask == self.value

    def __str__(self) -> str:
        return f"{self.value:#x}/{self.mask:#x}"


@dataclass(frozen=True, slots=True, order=True)
class MacBits(Bits):
    """The bits of a MAC address where ``mask`` has ones."""

    def __str__(self) -> str:
        return f"{Mac(self.value)}/{Mac(self.mask)}"


@dataclass(frozen=True, slots=True, order=True)
class AddressBits(Bits):
    """The bits of an IP address where ``mask`` has ones: what no prefix can say, such as its last octet."""

    version: int
    """4 or 6."""

    def __post_init__(self) -> None:
        super(AddressBits, self).__post_init__()
        if self.version not in (4, 6) or self.mask >> (32 if self.version == 4 else 128):
            raise ModelError("MATCH_BITS", f"mask {self.mask:#x} is none of an IPv{self.version} address")

    def __str__(self) -> str:
        return f"{_address(self.value, self.version)}/{_address(self.mask, self.version)}"


def number_bits(text: str) -> Bits:
    """Read ``VALUE/MASK``, each decimal or hexadecimal: ``0x10/0x30``."""
    value, _, mask = text.partition("/")
    if not (_NUMBER.fullmatch(value) and _NUMBER.fullmatch(mask)):
        raise ModelError("MATCH_BITS", f"{text[:60]!r} is no value with a mask", "write it as 0x10/0x30")
    return Bits(_number(value), _number(mask))


def mac_bits(text: str) -> MacBits:
    """Read ``02:00:00:00:00:00/ff:00:00:00:00:00``."""
    value, _, mask = text.partition("/")
    return MacBits(int(Mac.parse(value)), int(Mac.parse(mask)))


Addresses = IpNetwork | AddressBits
"""A set of IP addresses that a match can name."""


def addresses(text: str) -> Addresses:
    """Read an address, a prefix, or an address with a mask such as ``10.0.0.1/255.0.0.255``; :class:`ModelError` else.

    Where a mask has ones, the address counts: ``10.0.0.5/0.0.0.255`` is every address that ends in 5. A mask whose
    ones come first is a prefix.
    """
    head, slash, mask = text.partition("/")
    try:
        if len(text) > 96 or "%" in text:
            raise ValueError
        if not slash or mask.isdigit():
            return ip_network(text, strict=False)
        address, ones = ip_address(head), ip_address(mask)
        if address.version != ones.version:
            raise ValueError
    except ValueError:
        raise ModelError(
            "MATCH_ADDRESS",
            f"{text[:96]!r} is no address, prefix, or address with a mask",
            "write it as 10.0.0.0/24, 2001:db8::/64 or 10.0.0.1/255.0.0.255",
        ) from None
    return masked_addresses(address.version, int(address), int(ones))


def masked_addresses(version: int, value: int, mask: int) -> Addresses:
    """Addresses by their bits where ``mask`` has ones; a prefix where these come first, none included."""
    width = 32 if version == 4 else 128
    length = mask.bit_count()
    if mask == (1 << width) - (1 << width - length):
        return ip_network((value & mask, length)) if version == 4 else _prefix6(value & mask, length)
    return AddressBits(value & mask, mask, version)


def _prefix6(value: int, length: int) -> IpNetwork:
    return ip_network((IPv6Address(value), length))


def _address(value: int, version: int) -> IpAddress:
    return IPv4Address(value) if version == 4 else IPv6Address(value)


def _number(text: str) -> int:
    return int(text, 16 if text[:2].lower() == "0x" else 10)

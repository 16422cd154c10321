"""MAC addresses and the address types that the whole model shares."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Self

from sfc.errors import ModelError

IpAddress = IPv4Address | IPv6Address
IpNetwork = IPv4Network | IPv6Network

_MAC_TEXT = re.compile(r"[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5}")


class Mac(int):
    """A 48-bit MAC address; prints as ``02:ca:00:00:64:ff``."""

    def __new__(cls, value: int) -> Self:
        if not 0 <= value < 1 << 48:
            raise ModelError("MAC_RANGE", f"{value} is no 48-bit MAC address")
        return super().__new__(cls, value)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read six colon-separated octets; anything else is a :class:`ModelError`."""
        if not _MAC_TEXT.fullmatch(text):
            raise ModelError("MAC_TEXT", f"{text!r} is no MAC address", "write it as 02:00:00:00:00:01")
        return cls(int(text.replace(":", ""), 16))

    @property
    def is_multicast(self) -> bool:
        """Group bit of the first octet, IEEE 802 section 8.2.2; broadcast included."""
        return bool(self >> 40 & 1)

    def __str__(self) -> str:
        return ":".join(f"{self >> shift & 0xFF:02x}" for shift in range(40, -8, -8))

    def __repr__(self) -> str:
        return f"Mac({str(self)!r})"


def only(address: IpAddress) -> IpNetwork:
    """The prefix of this address alone."""
    if isinstance(address, IPv4Address):
        return IPv4Network((int(address), 32))
    return IPv6Network((int(address), 128))


def covers(outer: IpNetwork, inner: IpNetwork) -> bool:
    """True when every address of ``inner`` is one of ``outer``."""
    if isinstance(outer, IPv4Network) and isinstance(inner, IPv4Network):
        return inner.subnet_of(outer)
    return isinstance(outer, IPv6Network) and isinstance(inner, IPv6Network) and inner.subnet_of(outer)

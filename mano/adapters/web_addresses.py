"""Which addresses the server may call on behalf of a client: what keeps a callback from becoming a tool of an attacker.

A URI is judged when it is given; the address that its name means is judged again for each connection, on the very
address that is connected to, so that a name that changes its meaning in between gains nothing.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from mano.errors import InvalidInput
from mano.settings import Outbound

MAX_URI = 2048

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """What :class:`mano.settings.Outbound` allows."""

    outbound: Outbound

    def require_uri(self, uri: str) -> None:
        """Raise :class:`~mano.errors.InvalidInput` for a URI that is never called."""
        if (
            len(uri) > MAX_URI
            or not uri.isascii()
            or any(ord(character) <= 0x20 or character == "\x7f" for character in uri)
        ):
            raise InvalidInput("the URI is too long, or has a character that no URI has")
        try:
            parts = urlsplit(uri)
            host, _ = parts.hostname, parts.port
        except ValueError:
            raise InvalidInput("the URI cannot be read") from None
        if parts.scheme not in ("http", "https") or not host:
            raise InvalidInput("the URI is not of the form http(s)://host[:port]/path")
        if parts.username is not None or parts.fragment:
            raise InvalidInput("the URI has a user name or a fragment", hint="credentials go into 'authentication'")
        address = _literal(host)
        if address is not None and not self.allows(address):
            raise InvalidInput("the URI's address is one that this server does not call", hint=HINT)

    def allows(self, address: Address) -> bool:
        """May this address be called?"""
        plain = _unwrapped(address)
        if self.outbound.networks:
            return any(_within(plain, network) for network in self.outbound.networks)
        if plain.is_loopback:
            return self.outbound.loopback
        return not (
            plain.is_unspecified
            or plain.is_multicast
            or plain.is_link_local
            or plain.is_reserved
            or _is_broadcast(plain)
        )


HINT = "the server's administrator permits networks with --callback-network"


def _within(address: Address, network: str) -> bool:
    found = ipaddress.ip_network(network)
    return found.version == address.version and address in found


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None


def _unwrapped(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one that only carries it."""
    if isinstance(address, ipaddress.IPv6Address):
        return address.ipv4_mapped or address.sixtofour or address
    return address


def _is_broadcast(address: Address) -> bool:
    return address == ipaddress.IPv4Address("255.255.255.255") or address in ipaddress.ip_network("0.0.0.0/8")

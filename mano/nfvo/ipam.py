"""Addresses of a virtual link: fixed ones first, then the lowest free one of each subnet. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from mano.errors import InvalidInput, Refused
from vnf_descriptors.model import L3Protocol

Address = IPv4Address | IPv6Address
Prefix = IPv4Network | IPv6Network

SEARCH_LIMIT = 1 << 16
"""Addresses tried in one subnet before it counts as full: an IPv6 /64 is never walked to its end."""


@dataclass(slots=True)
class Subnet:
    """One subnet while addresses are being given out; ``pools`` are (first, last) pairs, empty for all of it.

    ``held`` addresses wait for the one that fixes them: nobody gets them for free.
    """

    prefix: Prefix
    gateway: Address | None = None
    pools: tuple[tuple[Address, Address], ...] = ()
    taken: set[Address] = field(default_factory=set)
    held: set[Address] = field(default_factory=set)

    def claim(self, address: Address, owner: str) -> str:
        """Take a fixed address; returns it with its prefix length. Raises InvalidInput when it cannot be had."""
        if address not in self.prefix:
            raise InvalidInput(
                f"{owner}: {address} is not in {self.prefix}", hint="use an address of the virtual link's subnet"
            )
        if address in self.taken:
            raise InvalidInput(
                f"{owner}: {address} is taken already", hint="give every connection point its own address"
            )
        self.taken.add(address)
        return f"{address}/{self.prefix.prefixlen}"

    def next_free(self, owner: str) -> str:
        """Take the lowest free address that is not the gateway; raises Refused when there is none."""
        for candidate in self._candidates():
            if candidate not in self.taken and candidate not in self.held and candidate != self.gateway:
                self.taken.add(candidate)
                return f"{candidate}/{self.prefix.prefixlen}"
        raise Refused(f"{owner}: no address is free in {self.prefix}", hint="enlarge the subnet or its pools")

    def _candidates(self) -> Iterable[Address]:
        left = SEARCH_LIMIT
        for first, last in self.pools or (self._whole(),):
            for offset in range(min(left, int(last) - int(first) + 1)):
                yield first + offset
                left -= 1

    def _whole(self) -> tuple[Address, Address]:
        reserved = 0 if self.prefix.num_addresses <= 2 else 1
        return self.prefix[reserved], self.prefix[-1 - reserved]


def subnet_of(protocol: L3Protocol) -> Subnet:
    """The subnet that a descriptor's L3 protocol data describes."""
    return Subnet(
        prefix=ip_network(protocol.cidr),
        gateway=ip_address(protocol.gateway_ip) if protocol.gateway_ip else None,
        pools=tuple((ip_address(pool.first), ip_address(pool.last)) for pool in protocol.pools),
    )


def assign(subnets: Sequence[Subnet], versions: Iterable[int], fixed: Sequence[str], owner: str) -> tuple[str, ...]:
    """One interface address for each IP version asked for, or the fixed ones; as ``address/prefix length``.

    A version that has no subnet on the link gets none.
    """
    if fixed:
        return tuple(_claim_fixed(subnets, text, owner) for text in fixed)
    return tuple(
        subnet.next_free(owner) for version in versions for subnet in subnets if subnet.prefix.version == version
    )


def parse_address(text: str, owner: str) -> Address:
    """An address with or without a prefix length; raises InvalidInput naming the owner."""
    try:
        return ip_address(text.split("/")[0])
    except ValueError:
        raise InvalidInput(f"{owner}: {text!r} is no IP address") from None


def _claim_fixed(subnets: Sequence[Subnet], text: str, owner: str) -> str:
    address = parse_address(text, owner)
    for subnet in subnets:
        if address in subnet.prefix:
            return subnet.claim(address, owner)
    known = ", ".join(str(subnet.prefix) for subnet in subnets) or "no subnet"
    raise InvalidInput(f"{owner}: {address} is in no subnet of its virtual link, which has {known}")


def gateway_for(subnets: Sequence[Subnet], addresses: Sequence[str]) -> str:
    """The default gateway of a connection point: the first gateway of its link that is not the point itself."""
    own = {text.split("/")[0] for text in addresses}
    for subnet in subnets:
        if subnet.gateway is not None and str(subnet.gateway) not in own and addresses:
            return str(subnet.gateway)
    return ""

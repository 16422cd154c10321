"""The NAT's rules, from its configuration to nftables' text. Every value is parsed before it becomes text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, ip_interface
from typing import Any

from vnf import BadConfiguration, Interface

TABLE = "catena"
ESTABLISHED_S = 7440  # RFC 5382 section 5, REQ-5: not less than 2 hours 4 minutes
UDP_S = 300  # RFC 4787 section 4.3, REQ-5: five minutes recommended


@dataclass(frozen=True)
class Policy:
    """Packets from ``prefixes`` that go from device ``inside`` to ``outside`` get the source ``address``."""

    inside: str
    outside: str
    prefixes: tuple[IPv4Network, ...]
    address: IPv4Address


def read_policy(inside: Interface, outside: Interface, user_data: dict[str, Any]) -> Policy:
    """Prefixes are those of the inside interface and of ``insidePrefixes``.

    The address is ``publicAddress``, which must lie in a network of the outside interface, else the outside's first.
    """
    try:
        own = [each for each in map(ip_interface, inside.addresses) if isinstance(each, IPv4Interface)]
        extra = [IPv4Network(str(prefix)) for prefix in user_data.get("insidePrefixes") or ()]
        public = [each for each in map(ip_interface, outside.addresses) if isinstance(each, IPv4Interface)]
        wanted = IPv4Address(str(user_data["publicAddress"])) if user_data.get("publicAddress") else None
    except ValueError as error:
        raise BadConfiguration(str(error)) from None
    if not own or not public:
        raise BadConfiguration("the interfaces inside and outside need an IPv4 address each")
    if wanted is not None and not any(wanted in each.network for each in public):
        raise BadConfiguration(f"publicAddress {wanted} is in no network of the outside interface")
    prefixes = tuple(dict.fromkeys([*(each.network for each in own), *extra]))
    return Policy(inside.device, outside.device, prefixes, wanted or public[0].ip)


def ruleset(policy: Policy) -> str:
    """The whole table; loading it replaces an older one in one transaction."""
    lines = [f"table inet {TABLE}", f"delete table inet {TABLE}", f"table inet {TABLE} {{"]
    lines += [f"  counter {name} {{ }}" for name in ("translated", "unsolicited", "forwarded")]
    lines += [
        "  chain postrouting {",
        "    type nat hook postrouting priority srcnat; policy accept;",
        *(f"    {rule}" for rule in _translations(policy)),
        "  }",
        "  chain forward {",
        "    type filter hook forward priority filter; policy drop;",
        '    ct state established,related counter name "forwarded" accept',
        f'    iifname "{policy.inside}" oifname "{policy.outside}" counter name "forwarded" accept',
        f'    iifname "{policy.outside}" counter name "unsolicited" drop',
        "  }",
        "}",
        "",
    ]
    return "\n".join(lines)


def _translations(policy: Policy) -> Iterable[str]:
    for prefix in policy.prefixes:
        yield f'oifname "{policy.outside}" ip saddr {prefix} counter name "translated" snat ip to {policy.address}'


def kernel_settings(policy: Policy) -> Iterable[tuple[str, object]]:
    """Routing between the two interfaces, and connection times by the RFCs."""
    yield "net/ipv4/ip_forward", 1
    for device in (policy.inside, policy.outside):
        yield f"net/ipv4/conf/{device}/send_redirects", 0
        yield f"net/ipv4/conf/{device}/accept_redirects", 0
    yield "net/ipv4/conf/all/send_redirects", 0
    yield "net/netfilter/nf_conntrack_tcp_timeout_established", ESTABLISHED_S
    yield "net/netfilter/nf_conntrack_udp_timeout", UDP_S
    yield "net/netfilter/nf_conntrack_udp_timeout_stream", UDP_S
    # A packet that took another path for a moment comes late and outside the window: it is no attack.
    yield "net/netfilter/nf_conntrack_tcp_be_liberal", 1

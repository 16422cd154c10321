"""The firewall's rules, from its configuration to nftables' text. Every value is parsed before it becomes text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_network
from typing import Any

from vnf import BadConfiguration

TABLE = "catena"
BLOCKED_BY_DEFAULT = (23,)  # telnet
PORTS_MAX = 1024


@dataclass(frozen=True)
class Policy:
    """What the firewall shall do.

    ``blocked`` TCP ports are dropped silently, ``rejected`` ones answered with a reset, ``rejected_udp`` ports with an
    ICMP error, for which it needs ``own_address``. New connections are taken only from ``inside``; from everywhere when
    that is empty.
    """

    blocked: tuple[int, ...] = BLOCKED_BY_DEFAULT
    rejected: tuple[int, ...] = ()
    rejected_udp: tuple[int, ...] = ()
    inside: tuple[IPv4Network | IPv6Network, ...] = ()
    own_address: IPv4Address | None = None


def read_policy(user_data: dict[str, Any]) -> Policy:
    """The keys ``blockedTcpPorts``, ``rejectedTcpPorts``, ``rejectedUdpPorts``, ``insidePrefixes``, ``ownAddress``."""
    own = user_data.get("ownAddress")
    try:
        return Policy(
            blocked=_ports(user_data, "blockedTcpPorts", BLOCKED_BY_DEFAULT),
            rejected=_ports(user_data, "rejectedTcpPorts", ()),
            rejected_udp=_ports(user_data, "rejectedUdpPorts", ()),
            inside=tuple(ip_network(str(prefix)) for prefix in user_data.get("insidePrefixes") or ()),
            own_address=IPv4Address(str(own).partition("/")[0]) if own else None,
        )
    except ValueError as error:
        raise BadConfiguration(f"userData: {error}") from None


def _ports(user_data: dict[str, Any], key: str, default: tuple[int, ...]) -> tuple[int, ...]:
    values = user_data.get(key, default)
    if isinstance(values, (str, int)):
        values = [values]
    ports = sorted({int(value) for value in values})
    if len(ports) > PORTS_MAX or any(not 1 <= port <= 65535 for port in ports):
        raise ValueError(f"{key}: ports are 1..65535, at most {PORTS_MAX} of them")
    return tuple(ports)


def ruleset(policy: Policy) -> str:
    """The whole table; loading it replaces an older one in one transaction.

    Bridged packets come to it through br_netfilter, which the family ``bridge`` would not need but which knows
    connections on every kernel.
    """
    counters = [
        *(f"blocked_tcp_{port}" for port in policy.blocked),
        *(f"rejected_tcp_{port}" for port in policy.rejected),
        *(f"rejected_udp_{port}" for port in policy.rejected_udp),
    ]
    lines = [f"table inet {TABLE}", f"delete table inet {TABLE}", f"table inet {TABLE} {{"]
    lines += [f"  counter {name} {{ }}" for name in (*counters, "unsolicited", "invalid", "accepted_new")]
    lines += ["  chain forward {", "    type filter hook forward priority filter; policy accept;"]
    lines += [f"    {rule}" for rule in _rules(policy)]
    return "\n".join([*lines, "  }", "}", ""])


def _rules(policy: Policy) -> Iterable[str]:
    yield 'ct state invalid counter name "invalid" drop'
    for port in policy.blocked:
        yield f'tcp dport {port} counter name "blocked_tcp_{port}" drop'
    for port in policy.rejected:
        yield f'tcp dport {port} counter name "rejected_tcp_{port}" reject with tcp reset'
    for port in policy.rejected_udp:
        yield f'udp dport {port} counter name "rejected_udp_{port}" reject'
    yield "ct state established,related accept"
    for family, version in (("ip", 4), ("ip6", 6)):
        prefixes = [str(prefix) for prefix in policy.inside if prefix.version == version]
        if prefixes:
            yield f'ct state new {family} saddr {{ {", ".join(prefixes)} }} counter name "accepted_new" accept'
    if policy.inside:
        yield 'ct state new counter name "unsolicited" drop'
    else:
        yield 'ct state new counter name "accepted_new" accept'

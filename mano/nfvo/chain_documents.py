"""Chains as documents: the Chain file that users write, which is also what is stored. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mano.errors import InvalidInput
from sfc.errors import SfcError
from sfc.model import (
    Chain,
    Classifier,
    Direction,
    Mac,
    Match,
    OnMiss,
    PathGroup,
    PortRange,
    Rsp,
    WeightedInstance,
)
from sfc.model.bits import Addresses, Bits, MacBits, addresses, mac_bits, number_bits
from sfc.walk import Leg

PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17, "ipv6-icmp": 58, "icmpv6": 58, "sctp": 132}
"""Protocol names of SOL001's NfpRule and of users, with IANA's numbers."""

ETHERTYPES = {"ipv4": 0x0800, "ipv6": 0x86DD}
"""Values of SOL001's ``ether_type``."""


def chain_from_document(document: Mapping[str, Any]) -> Chain:
    """The chain that a document describes; raises InvalidInput with a JSON pointer where it is wrong."""
    try:
        return Chain(
            id=str(document["id"]),
            name=str(document.get("name", "")),
            ingress=str(document["ingress"]),
            egress=None if document.get("egress") is None else str(document["egress"]),
            symmetric=bool(document.get("symmetric", True)),
            order=int(document.get("order", 0)),
            on_miss=OnMiss(document.get("onMiss") or OnMiss.CLASSIFY),
            context=_context((document.get("metadata") or {}).get("context") or ()),
            classifiers=tuple(
                classifier_from_document(item, f"/classifiers/{index}")
                for index, item in enumerate(document.get("classifiers") or [{}])
            ),
            path=tuple(_group(item, f"/path/{index}") for index, item in enumerate(document["path"])),
        )
    except KeyError as missing:
        raise InvalidInput(f"the chain lacks {missing}", facts={"pointer": f"/{missing.args[0]}"}) from None
    except SfcError as error:
        raise InvalidInput(f"the chain is not valid: {error}", facts={"reason": error.code}) from None


def classifier_from_document(item: Mapping[str, Any], pointer: str) -> Classifier:
    """One classifier; raises InvalidInput naming the member under ``pointer``."""
    match = item.get("match") or {}
    try:
        return Classifier(
            priority=int(item.get("priority") or 0),
            match=Match(
                ethertype=_number(match.get("ethertype"), ETHERTYPES),
                protocol=_number(match.get("protocol"), PROTOCOLS),
                source=_addresses(match.get("source")),
                destination=_addresses(match.get("destination")),
                source_port=_ports(match.get("sourcePort")),
                destination_port=_ports(match.get("destinationPort")),
                vlan=_number(match.get("vlan"), {}),
                vlan_priority=_number(match.get("vlanPriority"), {}),
                dscp=_bits(match.get("dscp")),
                icmp_type=_number(match.get("icmpType"), {}),
                icmp_code=_number(match.get("icmpCode"), {}),
                source_mac=_mac(match.get("sourceMac")),
                destination_mac=_mac(match.get("destinationMac")),
            ),
        )
    except (SfcError, ValueError, TypeError) as error:
        raise InvalidInput(f"classifier {pointer}: {error}", facts={"pointer": pointer}) from None


def _group(item: Mapping[str, Any], pointer: str) -> PathGroup:
    instances = tuple(
        WeightedInstance(str(one["sf"]), int(one.get("weight", 1))) for one in item.get("instances") or ()
    )
    if not instances:
        raise InvalidInput(f"path group {pointer} has no instance", facts={"pointer": pointer + "/instances"})
    return PathGroup(
        str(item["group"]),
        instances,
        spread=bool(item.get("spread", False)),
        by_addresses=item.get("spreadBy") == "addresses",
    )


def _context(words: Sequence[Any]) -> tuple[int, int, int]:
    """Words 1 to 3 of the context header; those that are not given are 0."""
    first, second, third = (*(int(word) for word in words), 0, 0, 0)[:3]
    return first, second, third


def _mac(value: Any) -> Mac | MacBits | None:
    if value is None:
        return None
    return mac_bits(str(value)) if "/" in str(value) else Mac.parse(str(value))


def _bits(value: Any) -> int | Bits | None:
    return number_bits(value) if isinstance(value, str) and "/" in value else _number(value, {})


def _number(value: Any, names: Mapping[str, int]) -> int | None:
    if value is None:
        return None
    if isinstance(value, str) and value.lower() in names:
        return names[value.lower()]
    if isinstance(value, bool):
        raise ValueError(f"{value} is no number")
    return int(value, 0) if isinstance(value, str) else int(value)


def _addresses(value: Any) -> Addresses | None:
    return None if value is None else addresses(str(value))


def _ports(value: Any) -> PortRange | Bits | None:
    if value is None:
        return None
    return number_bits(str(value)) if "/" in str(value) else PortRange.parse(str(value))


def match_to_document(match: Match) -> dict[str, Any]:
    """The members of a match that are set."""
    members = {
        "ethertype": None if match.ethertype is None else f"{match.ethertype:#06x}",
        "protocol": match.protocol,
        "source": None if match.source is None else str(match.source),
        "destination": None if match.destination is None else str(match.destination),
        "sourcePort": None if match.source_port is None else str(match.source_port),
        "destinationPort": None if match.destination_port is None else str(match.destination_port),
        "vlan": match.vlan,
        "vlanPriority": match.vlan_priority,
        "dscp": str(match.dscp) if isinstance(match.dscp, Bits) else match.dscp,
        "icmpType": match.icmp_type,
        "icmpCode": match.icmp_code,
        "sourceMac": None if match.source_mac is None else str(match.source_mac),
        "destinationMac": None if match.destination_mac is None else str(match.destination_mac),
    }
    return {name: value for name, value in members.items() if value is not None}


def match_text(match: Match) -> str:
    """The match for people: ``tcp destination port 80``."""
    names = {number: name for name, number in reversed(list(PROTOCOLS.items()))}
    members = match_to_document(match)
    words = [names.get(match.protocol, f"protocol {match.protocol}")] if match.protocol is not None else []
    labels = {
        "source": "from",
        "destination": "to",
        "sourcePort": "source port",
        "destinationPort": "destination port",
        "vlan": "VLAN",
        "vlanPriority": "priority",
        "dscp": "DSCP",
        "icmpType": "type",
        "icmpCode": "code",
        "sourceMac": "from",
        "destinationMac": "to",
    }
    words += [f"{label} {members[name]}" for name, label in labels.items() if name in members]
    return " ".join(words) or "any IP packet"


def path_to_document(rsp: Rsp, legs: Sequence[Leg], names: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """One rendered path with its ways over the underlay; ``names`` maps a function's id to its name, awareness, layer.

    A context word of a leg is null where a function may have written its own.
    """
    hops = [
        {"si": hop.si, "host": hop.sff, "sfId": hop.function, "portIn": hop.port_in, "portOut": hop.port_out}
        | _function_facts(names, hop.function)
        for hop in rsp.hops
    ]
    document: dict[str, Any] = {
        "direction": "forward" if rsp.direction is Direction.FORWARD else "reverse",
        "spi": rsp.spi,
        "hops": hops,
        "endSi": rsp.end_si,
        "ingress": {"host": rsp.start_sff, "port": rsp.start},
        "egress": {"host": rsp.end_sff, "port": rsp.end},
        "legs": [_leg(leg) for leg in legs if leg.position.spi == rsp.spi],
    }
    if rsp.terminator is not None:
        document["terminator"] = {"sfId": rsp.terminator} | _function_facts(names, rsp.terminator)
    return document


def _leg(leg: Leg) -> dict[str, Any]:
    return {
        "from": leg.from_sff,
        "to": leg.to_sff,
        "spi": leg.position.spi,
        "si": leg.position.si,
        "ttl": leg.ttl,
        "context": list(leg.context),
    }


def _function_facts(names: Mapping[str, Mapping[str, Any]], function: str) -> dict[str, Any]:
    facts = names.get(function, {})
    return {
        "sfName": facts.get("name", function),
        "awareness": facts.get("awareness", "none"),
        "layer": facts.get("layer", "l2"),
    }

"""Faults of VNF forwarding graphs. Each function finds one fault."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from vnf_descriptors.context import Context
from vnf_descriptors.forwarding import connections, resolve_element
from vnf_descriptors.model import ConstituentKind, NfpConnectionPoint, NfpRule, PortRange
from vnf_descriptors.read_nsd import PRIORITY, SYMMETRIC, dscp_value, nfp_rule, port_range
from vnf_descriptors.report import Finding, finding, quote
from vnf_descriptors.suggest import closest, did_you_mean
from vnf_descriptors.topology import Group, NodeTemplate, RequirementUse, Topology
from vnf_descriptors.vnf_nodes import child, integer_of, text_of
from vnf_descriptors.yamltree import Node, Scalar, Sequence

_NODE = "tosca.nodes.nfv."
_RULE = "tosca.policies.nfv.NfpRule"
_VNFFG = "tosca.groups.nfv.VNFFG"
#: Most misspelt members of graphs whose meaning is guessed.
MAX_GUESSES = 20
_MAC = re.compile(r"[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}$")
_PROTOCOL = re.compile(r"[A-Za-z0-9_.+/-]{1,32}$")
#: Protocols that have ports, by the names and numbers that may be written.
_WITH_PORTS = {"tcp", "udp", "sctp", "dccp", "udp_lite", "6", "17", "132", "33", "136"}


def _elements(context: Context) -> Iterator[tuple[Topology, NodeTemplate]]:
    for topology in context.flavours:
        for node in topology.of_type(f"{_NODE}NfpPositionElement"):
            yield topology, node


def incomplete_path(context: Context) -> Iterator[Finding]:
    """A path has no position, a position no element, an element no connection point."""
    wanted = ((f"{_NODE}NFP", "nfp_position"), (f"{_NODE}NfpPosition", "element"))
    for topology in context.flavours:
        for kind, requirement in (*wanted, (f"{_NODE}NfpPositionElement", "profile_element")):
            for node in topology.of_type(kind):
                if not node.uses(requirement):
                    yield finding("NSD003", node.key, f"{quote(node.name)} has no requirement {requirement}")


def unknown_connection_point(context: Context) -> Iterator[Finding]:
    """An element of a path leads to no connection point."""
    for topology, element in _elements(context):
        for use, end in resolve_element(context, topology, element):
            if end is None and use.target is not None and use.target.text in topology.nodes:
                message = f"{quote(use.target.text)} is no connection point of a constituent or SAP"
                hint = "Name a SAP, a constituent's forwarding capability, or a Forwarding node that one is attached to"
                yield finding("NSD004", use.place, message, hint)


def unwired_connection_point(context: Context) -> Iterator[Finding]:
    """A path's connection point is attached to no virtual link, so that the chain cannot be wired."""
    for topology, element in _elements(context):
        for use, end in resolve_element(context, topology, element):
            if end is not None and end.virtual_link_id is None and not _is_told(context, topology, use, end):
                message = f"{quote(end.cp)} of {quote(end.constituent_id)} is attached to no virtual link"
                yield finding("NSD005", use.place, message, _hint_at_names(context, topology, end))


def _is_told(context: Context, topology: Topology, use: RequirementUse, end: NfpConnectionPoint) -> bool:
    """True when the capability, or the node that the requirement leads to, does not exist: faults of their own."""
    node = topology.nodes[end.constituent_id]
    if use.capability is not None and use.capability.text not in context.types.capabilities(node.type):
        return True
    return any(each.target is not None and each.target.text not in topology.nodes for each in node.uses(end.cp))


def _hint_at_names(context: Context, topology: Topology, end: NfpConnectionPoint) -> str:
    node = topology.nodes[end.constituent_id]
    if end.kind is ConstituentKind.SAP:
        return "Give it the requirement internal_virtual_link"
    if end.cp in context.types.requirements(node.type):
        return f"Lead the requirement {quote(end.cp)} of {quote(node.name)} to an NsVirtualLink"
    attached = ", ".join(quote(each.requirement) for each in connections(topology, node)) or "none is attached"
    return f"Name the capability like its requirement ({attached}), such as forwarding_x for virtual_link_x"


def mixed_element(context: Context) -> Iterator[Finding]:
    """The two connection points of an element belong to different constituents."""
    for topology, element in _elements(context):
        ends = [(use, end) for use, end in resolve_element(context, topology, element) if end is not None]
        if len(ends) == 2 and ends[0][1].constituent_id != ends[1][1].constituent_id:
            message = (
                f"{quote(element.name)} goes in at {quote(ends[0][1].constituent_id)} and out at another constituent"
            )
            yield finding("NSD003", ends[1][0].place, message)


def sap_between(context: Context) -> Iterator[Finding]:
    """A SAP stands between two functions of a path: packets would leave the NS there."""
    for topology in context.flavours:
        for path in topology.of_type(f"{_NODE}NFP"):
            positions = path.uses("nfp_position")
            for use in positions[1:-1]:
                for end in _ends(context, topology, use.target.text if use.target else ""):
                    if end.kind is ConstituentKind.SAP:
                        yield finding("NSD005", use.place, f"the SAP {quote(end.constituent_id)} is amid a path")


def _ends(context: Context, topology: Topology, position: str) -> Iterator[NfpConnectionPoint]:
    node = topology.nodes.get(position)
    for use in node.uses("element") if node else ():
        element = topology.nodes.get(use.target.text) if use.target else None
        for _, end in resolve_element(context, topology, element) if element else ():
            if end is not None:
                yield end


def path_outside_graphs(context: Context) -> Iterator[Finding]:
    """A path belongs to no graph."""
    for topology in context.flavours:
        members = {
            member.text
            for group in topology.groups.values()
            if context.types.is_a("group_types", group.type, _VNFFG)
            for member in group.members
        }
        unknown = [name for name in members if name not in topology.nodes][:MAX_GUESSES]
        # A misspelt member is told where it is named.
        members.update([closest(name, topology.nodes) or name for name in unknown])
        for node in topology.of_type(f"{_NODE}NFP"):
            if node.name not in members:
                yield finding("NSD010", node.key, f"the path {quote(node.name)} is a member of no VNFFG")


def path_without_rules(context: Context) -> Iterator[Finding]:
    """No rule selects a path."""
    for topology in context.flavours:
        targets = {member.text for policy in topology.policies_of(_RULE) for member in policy.members}
        for node in topology.of_type(f"{_NODE}NFP"):
            if node.name not in targets:
                yield finding("NSD007", node.key, f"no NfpRule targets the path {quote(node.name)}")


def wrong_metadata(context: Context) -> Iterator[Finding]:
    """A path's symmetry or a rule's priority is not well-formed."""
    for topology in context.flavours:
        for node in topology.of_type(f"{_NODE}NFP"):
            value = child(node.node, "metadata", SYMMETRIC)
            if value is not None and (text_of(value) or "").lower() not in ("true", "false"):
                yield finding("REQ002", value, f"{SYMMETRIC} must be true or false")
        for policy in topology.policies_of(_RULE):
            value = child(policy.node, "metadata", PRIORITY)
            number = integer_of(value)
            if value is not None and (number is None or not 0 <= number <= 65535):
                yield finding("REQ002", value, f"{PRIORITY} must be an integer from 0 to 65535")


# Classifier rules -------------------------------------------------------------------------------------------


def _rules(context: Context) -> Iterator[tuple[Topology, Group]]:
    for topology in context.flavours:
        for policy in topology.policies_of(_RULE):
            yield topology, policy


def _value(topology: Topology, policy: Group, name: str) -> tuple[Node | None, str]:
    node = topology.follow(policy.properties.get(name))
    return node, text_of(node) or ""


def wrong_ports(context: Context) -> Iterator[Finding]:
    """A rule's ports do not ascend within 0 to 65535, or its protocol has no ports."""
    for topology, policy in _rules(context):
        _, protocol = _value(topology, policy, "protocol")
        for name in ("source_port_range", "destination_port_range"):
            node, _ = _value(topology, policy, name)
            if node is None:
                continue
            try:
                port_range(node)
            except ValueError as error:
                yield finding("NSD006", node, f"{name}: {error}")
            if protocol and protocol.lower() not in _WITH_PORTS:
                hint = did_you_mean(protocol, _WITH_PORTS)
                yield finding("NSD006", node, f"the protocol {quote(protocol)} has no ports", hint)


def wrong_prefix(context: Context) -> Iterator[Finding]:
    """A rule's address prefix is not well-formed, or of another IP version than its ether_type."""
    for topology, policy in _rules(context):
        _, ether_type = _value(topology, policy, "ether_type")
        for name in ("source_ip_address_prefix", "destination_ip_address_prefix"):
            node, text = _value(topology, policy, name)
            if node is None:
                continue
            network = _prefix(text)
            if network is None:
                yield finding("NSD006", node, f"{quote(text)} is no prefix", "Write it like 10.0.0.0/24 or fd00::/64")
            elif ether_type in ("ipv4", "ipv6") and f"ipv{network.version}" != ether_type:
                yield finding("NSD006", node, f"{quote(text)} is IPv{network.version}, but ether_type is {ether_type}")


def _prefix(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def wrong_header_field(context: Context) -> Iterator[Finding]:
    """A rule's protocol, MAC address, VLAN tag or DSCP is not well-formed."""
    for topology, policy in _rules(context):
        node, text = _value(topology, policy, "protocol")
        if node is not None and not _is_protocol(text):
            yield finding("NSD006", node, f"{quote(text)} is no protocol name or number")
        for name in ("ether_source_address", "ether_destination_address"):
            node, text = _value(topology, policy, name)
            if node is not None and not _MAC.match(text):
                yield finding("NSD006", node, f"{quote(text)} is no MAC address")
        node, text = _value(topology, policy, "dscp")
        if node is not None and not _is_dscp(text):
            yield finding("NSD006", node, f"{quote(text)} is no DSCP of 0 to 63")
        tags = topology.follow(policy.properties.get("vlan_tag"))
        for tag in tags.items if isinstance(tags, Sequence) else ():
            number = integer_of(tag)
            if isinstance(tag, Scalar) and (number is None or not 0 <= number <= 4095):
                yield finding("NSD006", tag, f"{quote(tag.text)} is no VLAN tag of 0 to 4095")


def _is_protocol(text: str) -> bool:
    return bool(_PROTOCOL.match(text)) and (not text.isdigit() or int(text) <= 255)


def _is_dscp(text: str) -> bool:
    try:
        dscp_value(text)
    except ValueError:
        return False
    return True


def overlapping_rules(context: Context) -> Iterator[Finding]:
    """Rules of two paths match the same packets, and no priority says which one wins."""
    for topology in context.flavours:
        known: list[tuple[NfpRule, str, Group]] = []
        for policy in topology.policies_of(_RULE)[:200]:
            try:
                rule = nfp_rule(topology, policy)
            except ValueError:
                continue
            for member in policy.members[:1]:
                for other, path, _ in known:
                    if path != member.text and rule.priority == other.priority and _overlap(rule, other):
                        message = f"{quote(policy.name)} matches packets of {quote(other.id)} of the path {quote(path)}"
                        hint = f"The path that stands first in its VNFFG wins; set the metadata {PRIORITY} to say which"
                        yield finding("NSD008", policy.key, message, hint)
                        break
                known.append((rule, member.text, policy))


def _overlap(one: NfpRule, other: NfpRule) -> bool:
    """Whether one packet could match both rules; criteria that are hard to compare count as equal."""
    same = ((one.ether_type, other.ether_type), (one.protocol, other.protocol), (one.dscp, other.dscp))
    if any(a is not None and b is not None and a != b for a, b in same):
        return False
    macs = ((one.source_mac, other.source_mac), (one.destination_mac, other.destination_mac))
    if any(a and b and a.lower() != b.lower() for a, b in macs):
        return False
    ports = ((one.source_ports, other.source_ports), (one.destination_ports, other.destination_ports))
    if any(a is not None and b is not None and not _ports_meet(a, b) for a, b in ports):
        return False
    prefixes = ((one.source_prefix, other.source_prefix), (one.destination_prefix, other.destination_prefix))
    return all(_prefixes_meet(a, b) for a, b in prefixes)


def _ports_meet(one: PortRange, other: PortRange) -> bool:
    return one.first <= other.last and other.first <= one.last


def _prefixes_meet(one: str | None, other: str | None) -> bool:
    first, second = _prefix(one or ""), _prefix(other or "")
    if first is None or second is None:
        return True
    return first.version == second.version and first.overlaps(second)


FORWARDING_RULES = (
    incomplete_path,
    unknown_connection_point,
    unwired_connection_point,
    mixed_element,
    sap_between,
    path_outside_graphs,
    path_without_rules,
    wrong_metadata,
    wrong_ports,
    wrong_prefix,
    wrong_header_field,
    overlapping_rules,
)

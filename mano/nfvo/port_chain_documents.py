"""From networking-sfc's words to Chain documents: groups of port pairs to path groups, classifiers to matches. Pure.

A port chain becomes one chain for each pair of ends that its classifiers name. A service graph makes longer chains of
several: what both a chain's and a dependent chain's classifiers take passes the functions of the one and then of the
other, and everything else of the first chain goes its own way. That is the same as classifying anew at the branching
point, for functions in the middle of a chain keep the fields that classifiers look at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_address, ip_network
from typing import Any

from mano.domain.ids import derive_id
from mano.domain.port_chains import FlowClassifier, PortChain, PortPair, PortPairGroup, ServiceGraph
from mano.errors import InvalidInput
from mano.nfvo.chain_documents import ETHERTYPES, PROTOCOLS
from mano.nfvo.graph_translation import LiveVnf, function_between, function_id
from mano.nfvo.neutron_documents import SeenPort

GRAPH_DEPTH = 8
"""Most chains in a row of a service graph."""

DOCUMENTS_MAX = 256
"""Most chains that one port chain becomes."""

NAME_MAX = 127

FIRST_PRIORITY = 1000
"""Of a classifier that says nothing: before those of descriptors that give none of their own."""

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class PortChains:
    """Everything of one tenant that chains are made of, by identifier. ``vnfs`` by VNF instance."""

    ports: Mapping[str, SeenPort]
    vnfs: Mapping[str, LiveVnf]
    pairs: Mapping[str, PortPair]
    groups: Mapping[str, PortPairGroup]
    classifiers: Mapping[str, FlowClassifier]
    chains: Mapping[str, PortChain]
    graphs: Mapping[str, ServiceGraph] = field(default_factory=dict)
    functions: Sequence[Mapping[str, Any]] = ()
    """Functions of chains that were made otherwise: a function is the same whoever made the chain through it."""

    @property
    def successors(self) -> Mapping[str, tuple[str, ...]]:
        """Chains to those that go on behind them, over all graphs."""
        return {source: ends for graph in self.graphs.values() for source, ends in graph.port_chains.items()}

    @property
    def legs(self) -> frozenset[str]:
        """Ports of functions: a classifier that begins at one is entered by way of a service graph alone."""
        return frozenset(leg for pair in self.pairs.values() for leg in (pair.ingress, pair.egress))

    @property
    def dependent(self) -> frozenset[str]:
        """Chains that begin where others end."""
        return frozenset(end for ends in self.successors.values() for end in ends)


def chain_documents(world: PortChains) -> dict[str, dict[str, Any]]:
    """Every Chain document that the tenant's port chains mean, by identifier."""
    found: dict[str, dict[str, Any]] = {}
    for chain in sorted(world.chains.values(), key=lambda one: (one.order, one.id)):
        if chain.id not in world.dependent:
            own = list(_documents_of(world, chain))
            if len(own) > DOCUMENTS_MAX:
                raise InvalidInput(
                    f"port chain {chain.name or chain.id} would become {len(own)} chains, {DOCUMENTS_MAX} are the most"
                )
            found |= {document["id"]: document for document in own}
    return found


def function_of(world: PortChains, pair: PortPair, group: PortPairGroup) -> dict[str, Any]:
    """The service function that a port pair is, with what its descriptor says of it where it has one.

    Raises InvalidInput where the client and the descriptor contradict each other.
    """
    ingress, egress = _port(world, pair.ingress), _port(world, pair.egress)
    if ingress.point.host != egress.point.host:
        raise InvalidInput(
            f"the ports of port pair {pair.name or pair.id} are on hosts {ingress.point.host} and {egress.point.host}",
            hint="a service function's ports are on one host",
        )
    known = _described(world, ingress, egress)
    if known is None:
        return _undescribed(pair, group, ingress, egress)
    asked = {"awareness": _awareness(pair) if pair.declares else "", "layer": group.layer or _TAP[group.tap_enabled]}
    for name, wish in asked.items():
        if wish and wish != known[name]:
            raise InvalidInput(
                f"port pair {pair.name or pair.id} asks for {name} {wish}; the function's VNFD says {known[name]}",
                hint="leave it out, or change the VNFD (catena:sfc, catena:layer)",
            )
    return known


def _described(world: PortChains, ingress: SeenPort, egress: SeenPort) -> dict[str, Any] | None:
    """A VNFC as its VNFD tells it; ``None`` for ports that no VNFD calls a service function's."""
    live = world.vnfs.get(ingress.vnf_instance_id)
    if live is None or ingress.vnfc_id != egress.vnfc_id or live.facts(ingress.point.cpd_id) is None:
        return None
    for known in world.functions:
        if known["ingress"] == ingress.point.port_id and (
            known["rewrites5tuple"] or known["egress"] == egress.point.port_id
        ):
            return {**known, "onFailure": known.get("onFailure", "closed")}
    vnfc = next(each for each in live.instance.vnfcs if each.id == ingress.vnfc_id)
    return function_between(live, vnfc, ingress.point.cpd_id, egress.point.cpd_id)


def _undescribed(pair: PortPair, group: PortPairGroup, ingress: SeenPort, egress: SeenPort) -> dict[str, Any]:
    """A function of which only its ports are known: one whose ports have addresses routes, else it bridges."""
    routes = bool(ingress.point.addresses and egress.point.addresses)
    same = ingress.vnfc_id and ingress.vnfc_id == egress.vnfc_id
    return {
        "id": function_id(ingress.vnfc_id, ingress.point.cpd_id, egress.point.cpd_id)
        if same
        else derive_id("sf", pair.ingress, pair.egress),
        "name": plain_name(pair.name) or pair.id,
        "ingress": pair.ingress,
        "egress": pair.egress,
        "awareness": _awareness(pair),
        "layer": group.layer or _TAP[group.tap_enabled] or ("l3" if routes else "l2"),
        "rewrites5tuple": False,
        "onFailure": "closed",
    }


def plain_name(text: str) -> str:
    """The name as the data plane's model allows it: other characters become hyphens."""
    allowed = "".join(c if c.isascii() and (c.isalnum() or c in "._:-") else "-" for c in text)
    return allowed.lstrip("._:-")[:60]


def in_conflict(one: FlowClassifier, other: FlowClassifier) -> bool:
    """Whether two classifiers of the same ends want the same packets."""
    ends = ("logical_source_port", "logical_destination_port")
    same = all(getattr(one, name) == getattr(other, name) for name in ends)
    return same and _both(one, other) is not None


def _documents_of(world: PortChains, root: PortChain) -> Iterator[dict[str, Any]]:
    """The chain itself, and before it whatever goes on in others."""
    for way in _ways(world, root):
        names = [chain.name or chain.id for chain in way]
        if len({chain.symmetric for chain in way}) > 1:
            raise InvalidInput(
                f"chains {' and '.join(names)} of a service graph are not all symmetric",
                hint="make all of them symmetric, or none",
            )
        groups = [_group(world, group_id, root) for chain in way for group_id in chain.port_pair_groups]
        selected = [each for each in _selected(world, way) if each.logical_source_port not in world.legs]
        ends: dict[tuple[str, str | None], list[FlowClassifier]] = {}
        for classifier in selected:
            ends.setdefault(_ends(world, classifier, groups), []).append(classifier)
        for (ingress, egress), classifiers in ends.items():
            last = None if egress is None else _terminator(world, egress)
            if last is None:
                yield _document(world, way, groups, (ingress, egress), classifiers)
            else:
                yield _document(world, way, [*groups, last], (ingress, None), classifiers)


def _terminator(world: PortChains, port_id: str) -> dict[str, Any] | None:
    """The function that a chain ends at when its end is the inside of one that rewrites 5-tuples (a NAT)."""
    function = next((f for f in world.functions if f["rewrites5tuple"] and f["ingress"] == port_id), None)
    if function is None:
        port = _port(world, port_id)
        live = world.vnfs.get(port.vnf_instance_id)
        facts = live.facts(port.point.cpd_id) if live is not None else None
        if live is None or facts is None or not facts.rewrites_5tuple:
            return None
        vnfc = next(each for each in live.instance.vnfcs if each.id == port.vnfc_id)
        function = function_between(live, vnfc, port.point.cpd_id, port.point.cpd_id)
    instances = [{"sf": function["id"], "weight": 1}]
    described = {**function, "onFailure": function.get("onFailure", "closed")}
    return {"name": "end", "functions": [described], "instances": instances, "byAddresses": False}


def _ways(world: PortChains, root: PortChain) -> Iterator[tuple[PortChain, ...]]:
    """Every sequence of chains that begins at the root."""
    open_ways: list[tuple[PortChain, ...]] = [(root,)]
    while open_ways:
        way = open_ways.pop()
        if len(way) > GRAPH_DEPTH:
            raise InvalidInput(f"a service graph leads over more than {GRAPH_DEPTH} chains in a row")
        yield way
        for successor in world.successors.get(way[-1].id, ()):
            open_ways.append((*way, world.chains[successor]))


def _selected(world: PortChains, way: Sequence[PortChain]) -> list[FlowClassifier]:
    """What the classifiers of all chains take together; the ends are the first one's source and the last one's end."""
    found = [world.classifiers[each] for each in way[0].flow_classifiers]
    for chain in way[1:]:
        own = [world.classifiers[each] for each in chain.flow_classifiers]
        found = [both for one in found for other in own if (both := _both(one, other)) is not None]
    return found


def _document(
    world: PortChains,
    way: Sequence[PortChain],
    groups: Sequence[dict[str, Any]],
    ends: tuple[str, str | None],
    classifiers: Sequence[FlowClassifier],
) -> dict[str, Any]:
    root = way[0]
    functions = {function["id"]: function for group in groups for function in group["functions"]}
    return {
        "apiVersion": "catena/v1",
        "kind": "Chain",
        "id": derive_id("port-chain", *(chain.id for chain in way), ends[0], ends[1] or ""),
        "name": "/".join(plain_name(chain.name) or chain.id for chain in way)[:NAME_MAX],
        "portChainId": root.id,
        # The longer way wins where it wants the same packets; among equals the older chain.
        "order": root.order * GRAPH_DEPTH + GRAPH_DEPTH - len(way),
        "symmetric": root.symmetric,
        "classifiers": [_classifier(each) for each in classifiers],
        "ingress": ends[0],
        "egress": ends[1],
        "path": [
            {"group": group["name"], "instances": group["instances"], "spread": len(group["instances"]) > 1}
            | ({"spreadBy": "addresses"} if group["byAddresses"] else {})
            for group in groups
        ],
        "functions": list(functions.values()),
    }


def _group(world: PortChains, group_id: str, chain: PortChain) -> dict[str, Any]:
    group = world.groups[group_id]
    pairs = [world.pairs[each] for each in group.port_pairs]
    if not pairs:
        raise InvalidInput(
            f"port pair group {group.name or group.id} of chain {chain.name or chain.id} has no port pair",
            hint="its packets would end there: add a port pair to the group, or take it out of the chain",
        )
    functions = [function_of(world, pair, group) for pair in pairs]
    if len({function["awareness"] for function in functions}) > 1:
        raise InvalidInput(
            f"port pair group {group.name or group.id} mixes functions that speak NSH with others",
            hint="all port pairs of a group have the same correlation",
        )
    instances = [{"sf": f["id"], "weight": pair.weight} for f, pair in zip(functions, pairs, strict=True)]
    ports = {field for field in group.lb_fields if field.startswith(("tcp", "udp"))}
    return {
        "name": group.id,
        "functions": functions,
        "instances": instances,
        "byAddresses": bool(group.lb_fields) and not ports,
    }


def _port(world: PortChains, port_id: str) -> SeenPort:
    if port_id not in world.ports:
        raise InvalidInput(f"port {port_id} is not there any more", hint="delete what refers to it")
    return world.ports[port_id]


def _awareness(pair: PortPair) -> str:
    return "nsh" if pair.correlation == "nsh" else "none"


_TAP = {True: "tap", False: ""}


def _ends(world: PortChains, classifier: FlowClassifier, groups: Sequence[dict[str, Any]]) -> tuple[str, str | None]:
    """Where its packets come from and go to: as said, or the only port that has the address."""
    named = classifier.name or classifier.id
    legs = {leg for group in groups for f in group["functions"] for leg in (f["ingress"], f["egress"])}
    ingress = classifier.logical_source_port or _owner_of(world, classifier.source_ip_prefix, legs)
    if ingress is None:
        raise InvalidInput(
            f"flow classifier {named} does not say at which port its packets come in",
            hint="give it a logical source port",
        )
    ends_at_function = any(function["rewrites5tuple"] for function in groups[-1]["functions"])
    if ends_at_function:
        return ingress, None
    egress = (
        classifier.logical_destination_port
        or _owner_of(world, classifier.destination_ip_prefix, legs)
        or _only_other(world, ingress, legs)
    )
    if egress is None:
        raise InvalidInput(
            f"flow classifier {named} does not say where its packets go behind the chain",
            hint="give it a logical destination port, or the address of one as its destination prefix",
        )
    return ingress, egress


def _owner_of(world: PortChains, prefix: str | None, legs: set[str]) -> str | None:
    """The one port whose address lies in the prefix, functions' legs left out."""
    if prefix is None:
        return None
    wanted = ip_network(prefix)
    owners = [
        port.point.port_id
        for port in world.ports.values()
        if port.point.port_id not in legs
        and any(ip_address(text.split("/")[0]) in wanted for text in port.point.addresses)
    ]
    return owners[0] if len(owners) == 1 else None


def _only_other(world: PortChains, ingress: str, legs: set[str]) -> str | None:
    """The one other station of the port's network: wherever a packet goes, it goes there."""
    network = _port(world, ingress).point.network_id
    others = [
        port.point.port_id
        for port in world.ports.values()
        if port.point.network_id == network and port.point.ofport is not None and not _is_leg(world, port)
    ]
    stations = [port_id for port_id in others if port_id != ingress and port_id not in legs | world.legs]
    return stations[0] if len(stations) == 1 else None


def _is_leg(world: PortChains, port: SeenPort) -> bool:
    """A function's port is no member of its network; only one that rewrites addresses is a station."""
    live = world.vnfs.get(port.vnf_instance_id)
    facts = live.facts(port.point.cpd_id) if live is not None else None
    if facts is not None:
        return not facts.rewrites_5tuple
    known = (f for f in world.functions if not f["rewrites5tuple"])
    return any(port.point.port_id in (f["ingress"], f["egress"]) for f in known)


def _classifier(one: FlowClassifier) -> dict[str, Any]:
    match = {
        "ethertype": ETHERTYPES[one.ethertype.lower()],
        "protocol": None if one.protocol is None else PROTOCOLS[_protocol(one)],
        "source": one.source_ip_prefix,
        "destination": one.destination_ip_prefix,
        "sourcePort": _text(_ports(one, "source")),
        "destinationPort": _text(_ports(one, "destination")),
    }
    return {"priority": _priority(one), "match": {name: value for name, value in match.items() if value is not None}}


def _priority(one: FlowClassifier) -> int:
    """The more a classifier says, the earlier it is asked: networking-sfc has no priorities of its own."""
    prefixes = (one.source_ip_prefix, one.destination_ip_prefix)
    said = sum(ip_network(prefix).prefixlen for prefix in prefixes if prefix is not None)
    said += 8 if one.protocol is not None else 0
    for side in ("source", "destination"):
        ports = _ports(one, side)
        said += 0 if ports is None else 17 - (ports[1] - ports[0] + 1).bit_length()
    return FIRST_PRIORITY + said


def _protocol(one: FlowClassifier) -> str:
    """ICMP of IPv6 has a protocol number of its own."""
    return "icmpv6" if one.protocol == "icmp" and one.ethertype == "IPv6" else str(one.protocol)


def _ports(one: FlowClassifier, side: str) -> Range | None:
    low, high = getattr(one, f"{side}_port_range_min"), getattr(one, f"{side}_port_range_max")
    if low is None and high is None:
        return None
    return (low if low is not None else 0, high if high is not None else 65535)


def _text(ports: Range | None) -> str | None:
    if ports is None:
        return None
    return str(ports[0]) if ports[0] == ports[1] else f"{ports[0]}-{ports[1]}"


def _both(one: FlowClassifier, other: FlowClassifier) -> FlowClassifier | None:
    """The classifier of what both take, from the first one's source to the second one's end; ``None`` for nothing."""
    if one.ethertype != other.ethertype:
        return None
    if None not in (one.protocol, other.protocol) and one.protocol != other.protocol:
        return None
    limits: dict[str, Any] = {"protocol": one.protocol or other.protocol}
    for side in ("source", "destination"):
        prefixes = [p for p in (getattr(one, f"{side}_ip_prefix"), getattr(other, f"{side}_ip_prefix")) if p]
        narrow = _narrower(prefixes)
        ranges = [r for r in (_ports(one, side), _ports(other, side)) if r is not None]
        low = max((r[0] for r in ranges), default=None)
        high = min((r[1] for r in ranges), default=None)
        if (prefixes and narrow is None) or (low is not None and high is not None and low > high):
            return None
        limits |= {
            f"{side}_ip_prefix": narrow,
            f"{side}_port_range_min": low,
            f"{side}_port_range_max": high,
        }
    end = other.logical_destination_port or one.logical_destination_port
    return replace(one, logical_destination_port=end, **limits)


def _narrower(prefixes: Sequence[str]) -> str | None:
    """The prefix that lies in all others."""
    networks = sorted((ip_network(text) for text in prefixes), key=lambda network: -network.prefixlen)
    if not networks or any(networks[0].version != n.version or not networks[0].subnet_of(n) for n in networks):  # type: ignore[arg-type]
        return None
    return str(networks[0])

"""From ETSI's words to the IETF's: VNFFG and NFP to chains, VNFCs and SAPs to ports and service functions. Pure.

An ETSI NFP is an IETF SFP (RFC 7665 section 1.4): the intended path. Its positions become path groups, its rules
classifiers. A leading position on a SAP names the ingress, a trailing one the egress.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address, ip_network
from typing import Any

from mano.domain.ids import derive_id
from mano.domain.ns_instance import Network, NetworkKind, NsInstance, ServiceChain
from mano.domain.service_chain import ChainPhase
from mano.domain.vnf_instance import ConnectionPoint, VnfcResource, VnfInstance
from mano.errors import InvalidInput
from mano.nfvo.chain_documents import ETHERTYPES, PROTOCOLS
from mano.nfvo.rule_masks import match_of_masks
from mano.ports.repositories import StoredHost
from sfc.errors import SfcError
from sfc.model import Awareness, IpNetwork, Layer, Mac, OnFailure, Port, PortRole, ServiceFunction, Sff, Topology
from sfc.model import Network as SfcNetwork
from vnf_descriptors.model import (
    ConstituentKind,
    Nfp,
    NfpConnectionPoint,
    NfpElement,
    NfpRule,
    NsFlavour,
    SfEncapsulation,
    SfFacts,
    Vnfd,
)

ANY_IPV4 = ip_network("0.0.0.0/0")
ANY_IPV6 = ip_network("::/0")


@dataclass(frozen=True, slots=True)
class LiveVnf:
    """A VNF instance with its descriptor."""

    instance: VnfInstance
    vnfd: Vnfd

    def facts(self, cpd_id: str) -> SfFacts | None:
        """What the VNFD says of a connection point as a service function."""
        return self.vnfd.flavour(self.instance.flavour_id or None).vdu_cp(cpd_id).sf

    def vdu_cp_of(self, name: str) -> str:
        """The VduCp behind an external connection point's name or requirement."""
        flavour = self.vnfd.flavour(self.instance.flavour_id or None)
        try:
            return flavour.ext_cp(name).vdu_cp_id or name
        except KeyError:
            return name


def function_id(vnfc_id: str, ingress: str, egress: str) -> str:
    """The identifier of a VNFC as a service function between two of its connection points."""
    return derive_id("sf", vnfc_id, ingress, egress)


def chain_documents(
    ns: NsInstance, flavour: NsFlavour, vnfs: Mapping[str, Sequence[LiveVnf]], plan_op: str
) -> Iterator[dict[str, Any]]:
    """One Chain document for each NFP of the NSD; ``vnfs`` maps a VNF profile to its live instances."""
    order = 0
    for vnffg in flavour.vnffgs:
        for nfp in vnffg.nfps:
            ingress, inner, egress = _split(nfp, ns)
            groups = [_group(position_elements, vnfs, f"NFP {nfp.id}") for position_elements in inner]
            functions = {function["id"]: function for group in groups for function in group["functions"]}
            yield {
                "apiVersion": "catena/v1",
                "kind": "Chain",
                "id": derive_id(plan_op, "chain", vnffg.id, nfp.id),
                "name": nfp.id,
                "vnffgdId": vnffg.id,
                "nfpdId": nfp.id,
                "order": order,
                "symmetric": nfp.symmetric,
                "classifiers": [_classifier(rule) for rule in nfp.rules],
                "ingress": ingress,
                "egress": egress,
                "path": [
                    {"group": group["name"], "instances": [{"sf": f["id"], "weight": 1} for f in group["functions"]]}
                    for group in groups
                ],
                "functions": list(functions.values()),
            }
            order += 1


def _split(nfp: Nfp, ns: NsInstance) -> tuple[str, list[tuple[NfpElement, ...]], str | None]:
    """(ingress port, inner positions, egress port) of an NFP."""
    positions = [position.elements for position in nfp.positions]
    ingress = egress = None
    if positions and _is_sap(positions[0]):
        ingress = _sap_port(ns, positions.pop(0)[0].ingress)
    if positions and _is_sap(positions[-1]):
        egress = _sap_port(ns, positions.pop()[0].egress)
    if ingress is None:
        ingress = _sole_sap(nfp, ns)
    if not positions:
        raise InvalidInput(f"NFP {nfp.id} passes no function", hint="give it at least one position on a VNF")
    return ingress, positions, egress


def _is_sap(elements: Sequence[NfpElement]) -> bool:
    return len(elements) == 1 and elements[0].ingress.kind is ConstituentKind.SAP


def _sap_port(ns: NsInstance, point: NfpConnectionPoint) -> str | None:
    """The SAP's port; ``None`` for one outside the bridges, where a terminating function is the end anyway."""
    for sap in ns.saps:
        if sap.sapd_id == point.constituent_id:
            return sap.connection_point.port_id if sap.connection_point.ofport is not None else None
    raise InvalidInput(f"SAP {point.constituent_id} of the forwarding path is not attached")


def _sole_sap(nfp: Nfp, ns: NsInstance) -> str:
    candidates = [sap for sap in ns.saps if sap.connection_point.ofport is not None]
    if len(candidates) != 1:
        raise InvalidInput(
            f"NFP {nfp.id} does not say where it begins and {len(candidates)} SAPs could be meant",
            hint="make the SAP the first position of the path",
        )
    return candidates[0].connection_point.port_id


def _group(elements: Sequence[NfpElement], vnfs: Mapping[str, Sequence[LiveVnf]], owner: str) -> dict[str, Any]:
    functions = [
        _function(live, vnfc, element)
        for element in elements
        for live in _instances(vnfs, element, owner)
        for vnfc in _vnfcs_with(live, element.ingress)
    ]
    if not functions:
        raise InvalidInput(f"{owner}: no VNFC serves position element {elements[0].id}")
    return {"name": elements[0].ingress.constituent_id, "functions": functions}


def _instances(vnfs: Mapping[str, Sequence[LiveVnf]], element: NfpElement, owner: str) -> Sequence[LiveVnf]:
    point = element.ingress
    if point.kind is not ConstituentKind.VNF or point.constituent_id not in vnfs:
        raise InvalidInput(
            f"{owner}: element {element.id} names {point.kind.value} {point.constituent_id}, which has no instance",
            hint="forwarding paths pass through the VNFs of the NS",
        )
    return vnfs[point.constituent_id]


def _vnfcs_with(live: LiveVnf, point: NfpConnectionPoint) -> Iterator[VnfcResource]:
    cpd_id = live.vdu_cp_of(point.cp)
    for vnfc in live.instance.vnfcs:
        if any(cp.cpd_id == cpd_id for cp in vnfc.connection_points):
            yield vnfc


def _function(live: LiveVnf, vnfc: VnfcResource, element: NfpElement) -> dict[str, Any]:
    return function_between(live, vnfc, live.vdu_cp_of(element.ingress.cp), live.vdu_cp_of(element.egress.cp))


def function_between(live: LiveVnf, vnfc: VnfcResource, ingress: str, egress: str) -> dict[str, Any]:
    """A VNFC as a service function between two of its connection points, as its VNFD tells it."""
    facts = live.facts(ingress) or SfFacts()
    return {
        "id": function_id(vnfc.id, ingress, egress),
        "name": live.instance.name
        if len(live.instance.vnfcs) == 1
        else f"{live.instance.name}/{vnfc.vdu_id}/{vnfc.index}",
        "vnfInstanceId": live.instance.id,
        "vnfcId": vnfc.id,
        "ingress": _port_of(vnfc, ingress),
        "egress": _port_of(vnfc, egress),
        "ingressCp": ingress,
        "egressCp": egress,
        "awareness": facts.encapsulation.value,
        "layer": facts.layer.value,
        "rewrites5tuple": facts.rewrites_5tuple,
        "onFailure": facts.on_failure.value,
    }


def _port_of(vnfc: VnfcResource, cpd_id: str) -> str:
    for cp in vnfc.connection_points:
        if cp.cpd_id == cpd_id:
            return cp.port_id
    raise InvalidInput(f"VNFC {vnfc.vdu_id}/{vnfc.index} has no connection point {cpd_id}")


def _classifier(rule: NfpRule) -> dict[str, Any]:
    """An NfpRule (SOL001 clause 7.10.3) as a classifier; what cannot be matched is refused, never left out."""
    if rule.vlan_tags:
        raise InvalidInput(
            f"NfpRule {rule.id} selects by vlan_tag, but bridges take no tagged frame from a tenant's port",
            hint="give each VLAN a network of its own, whose port the path begins at",
        )
    match: dict[str, Any] = {
        "ethertype": None if rule.ether_type is None else ETHERTYPES.get(rule.ether_type, rule.ether_type),
        "protocol": None if rule.protocol is None else PROTOCOLS.get(rule.protocol.lower(), rule.protocol),
        "source": rule.source_prefix,
        "destination": rule.destination_prefix,
        "sourcePort": _range(rule.source_ports),
        "destinationPort": _range(rule.destination_ports),
        "dscp": rule.dscp,
        "sourceMac": rule.source_mac,
        "destinationMac": rule.destination_mac,
    }
    for name, value in match_of_masks(rule.id, rule.ether_type, rule.masks).items():
        if match[name] is not None and not _same(name, match[name], value):
            raise InvalidInput(f"NfpRule {rule.id}: its extended_criteria contradict its other criterion on {name}")
        match[name] = value
    return {
        "id": rule.id,
        "priority": rule.priority or 0,
        "match": {name: value for name, value in match.items() if value is not None},
    }


def _same(name: str, one: Any, other: Any) -> bool:
    """Whether a criterion and a mask say the same; a prefix may be written with host bits."""
    if name in ("source", "destination"):
        return ip_network(str(one), strict=False) == ip_network(str(other))
    return str(one) == str(other)


def _range(ports: Any) -> str | None:
    if ports is None:
        return None
    return str(ports.first) if ports.first == ports.last else f"{ports.first}-{ports.last}"


def topology(
    hosts: Iterable[StoredHost],
    networks: Sequence[Network],
    vnfs: Iterable[LiveVnf],
    saps: Iterable[ConnectionPoint],
    chains: Iterable[ServiceChain],
) -> Topology:
    """The data plane as :mod:`sfc` sees it: every port that passes an integration bridge, and what it may send."""
    vnfs = list(vnfs)
    places = {v.id: {cp.cpd_id: cp.port_id for cp in v.connection_points} for one in vnfs for v in one.instance.vnfcs}
    functions = {id: located(function, places) for id, function in functions_of(chains).items()}
    forwarders = {host.host.name: _sff(host) for host in hosts if host.dataplane}
    overlay = {network.id: network for network in networks if network.kind is NetworkKind.OVERLAY}
    legs = {port for f in functions.values() if not f["rewrites5tuple"] for port in (f["ingress"], f["egress"])}
    routers = {f["ingress"] for f in functions.values() if f["rewrites5tuple"]}
    points = [(cp, live.facts(cp.cpd_id)) for live in vnfs for v in live.instance.vnfcs for cp in v.connection_points]
    points += [(cp, None) for cp in saps]
    ports = {
        cp.port_id: _port(cp, overlay[cp.network_id], facts, cp.port_id in legs, cp.port_id in routers)
        for cp, facts in points
        if cp.ofport is not None and cp.network_id in overlay and cp.host in forwarders
    }
    try:
        return Topology(
            sffs=tuple(forwarders.values()),
            networks=tuple(SfcNetwork(network.id, network.vni, network.mtu) for network in overlay.values()),
            ports=tuple(ports.values()),
            functions=tuple(_service_function(f) for f in functions.values() if _legs(f) <= ports.keys()),
        )
    except SfcError as error:
        raise InvalidInput(
            f"ports and functions contradict each other: {error.message}",
            hint=error.hint or "a port is one function's leg, or a chain's end",
            facts={"reason": error.code},
        ) from None


def functions_of(chains: Iterable[ServiceChain]) -> dict[str, Mapping[str, Any]]:
    """The functions of all versions of the chains, by identifier.

    Where chains want different things of a function that fails, the strictest counts: it closes rather than leaving its
    packets to another one, and does that rather than letting them pass by.
    """
    found: dict[str, Mapping[str, Any]] = {}
    for function in (function for chain in chains for spec in _specs(chain) for function in spec.get("functions", ())):
        known = found.get(function["id"])
        if known is not None and _strictness(known) > _strictness(function):
            found[function["id"]] = {**function, "onFailure": known.get("onFailure")}
        else:
            found[function["id"]] = function
    return found


def _specs(chain: ServiceChain) -> tuple[Mapping[str, Any], ...]:
    """The specifications of the versions that the bridges hold."""
    if chain.change is None or chain.change.phase is ChainPhase.STORED:
        return (chain.spec,)
    return (chain.change.spec,) if chain.change.phase is ChainPhase.REMOVED else (chain.spec, chain.change.spec)


def _strictness(function: Mapping[str, Any]) -> int:
    order = (OnFailure.OPEN, OnFailure.NEXT, OnFailure.CLOSED)
    return order.index(OnFailure(function.get("onFailure") or OnFailure.CLOSED))


def located(function: Mapping[str, Any], places: Mapping[str, Mapping[str, str]]) -> Mapping[str, Any]:
    """The function at the ports that its VNFC has now: a VNFC that moved has others than when the chain was made.

    ``places`` maps a VNFC to its connection points' ports.
    """
    ports = places.get(str(function.get("vnfcId")))
    if ports is None or "ingressCp" not in function:
        return function
    return {
        **function,
        "ingress": ports.get(function["ingressCp"], function["ingress"]),
        "egress": ports.get(function["egressCp"], function["egress"]),
    }


def _legs(function: Mapping[str, Any]) -> set[str]:
    """The ports of a function that a bridge must have: a function without them is none at the moment."""
    return {function["ingress"]} if function["rewrites5tuple"] else {function["ingress"], function["egress"]}


def _sff(host: StoredHost) -> Sff:
    facts = host.dataplane
    return Sff(
        name=host.host.name,
        underlay_ip=IPv4Address(facts["underlay_ip"]),
        tunnel_ofport=int(facts["tunnel_ofport"]),
        oam_ofport=int(facts["oam_ofport"]) or None,
        oam_mac=Mac.parse(facts["oam_mac"]),
        oam_ip=IPv4Address(facts["oam_ip"]),
    )


def _port(cp: ConnectionPoint, network: Network, facts: SfFacts | None, is_leg: bool, is_router: bool) -> Port:
    """A leg of a function is no member of its network even while no chain uses it: a bump in the wire would loop."""
    leg = is_leg or (facts is not None and not facts.rewrites_5tuple)
    addresses = tuple(ip_address(text.split("/")[0]) for text in cp.addresses)
    assert cp.ofport is not None
    return Port(
        id=cp.port_id,
        sff=cp.host,
        ofport=cp.ofport,
        mac=Mac.parse(cp.mac),
        addresses=() if leg else addresses,
        network=network.id,
        role=PortRole.SF if leg else PortRole.TENANT,
        mtu=network.mtu,
        allowed=_allowed(addresses) if is_router or (facts is not None and facts.rewrites_5tuple) else (),
    )


def _allowed(addresses: Sequence[Any]) -> tuple[IpNetwork, ...]:
    """A translating function's inside sends with the outside world's addresses."""
    return tuple(ANY_IPV4 if version == 4 else ANY_IPV6 for version in sorted({a.version for a in addresses}))


def _service_function(document: Mapping[str, Any]) -> ServiceFunction:
    awareness = Awareness(SfEncapsulation(document["awareness"]).value)
    rewrites = bool(document["rewrites5tuple"])
    same = document["egress"] == document["ingress"]
    return ServiceFunction(
        id=document["id"],
        name=document["name"],
        ingress=document["ingress"],
        egress=None if same or rewrites else document["egress"],
        awareness=awareness,
        layer=Layer(document["layer"]),
        rewrites_5tuple=rewrites,
        writes_context=awareness is Awareness.NSH,
        on_failure=OnFailure(document.get("onFailure") or OnFailure.CLOSED),
    )

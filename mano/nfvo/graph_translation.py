"""From ETSI's words to the IETF's: VNFFG and NFP to chains, VNFCs and SAPs to ports and service functions. Pure.

An ETSI NFP is an IETF SFP (RFC 7665 section 1.4): the intended path. Its positions become path groups, its rules
classifiers. A leading position on a SAP names the ingress, a trailing one the egress.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, ip_address, ip_network
from typing import Any

from mano.domain.ids import derive_id
from mano.domain.ns_instance import Network, NetworkKind, NsInstance, PnfCp, PnfInstance, ServiceChain
from mano.domain.service_chain import ChainPhase
from mano.domain.vnf_instance import ConnectionPoint, VnfcResource, VnfInstance
from mano.errors import InvalidInput
from mano.nfvo.chain_documents import ETHERTYPES, PROTOCOLS
from mano.nfvo.nested_planning import groups_of_networks
from mano.nfvo.rule_masks import both, match_of_masks
from mano.ports.repositories import StoredHost
from sfc.errors import SfcError
from sfc.model import Awareness, IpNetwork, Layer, Mac, OnFailure, Port, PortRole, ServiceFunction, Sff, Topology
from sfc.model import Network as SfcNetwork
from sfc.mtu import ETHERNET_OCTETS, NSH_OCTETS
from vnf_descriptors.model import (
    ConstituentKind,
    Nfp,
    NfpConnectionPoint,
    NfpElement,
    NfpRule,
    NsFlavour,
    Pnfd,
    SfEncapsulation,
    SfFacts,
    Vnfd,
)

NSH_OVERHEAD = ETHERNET_OCTETS + NSH_OCTETS
"""The port of a VNFC that speaks NSH is made so much larger than its network."""
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

    def declared(self, cp: ConnectionPoint) -> ConnectionPoint:
        """A connection point of a VNFC with what its VNFD lets it send."""
        vdu_cp = self.vnfd.flavour(self.instance.flavour_id or None).vdu_cp(cp.cpd_id)
        return replace(cp, trunk=True) if vdu_cp.trunk else cp

    def vdu_cp_of(self, name: str) -> str:
        """The VduCp behind an external connection point's name or requirement."""
        flavour = self.vnfd.flavour(self.instance.flavour_id or None)
        try:
            return flavour.ext_cp(name).vdu_cp_id or name
        except KeyError:
            return name


@dataclass(frozen=True, slots=True)
class LivePnf:
    """A PNF that is part of an NS, with its descriptor."""

    instance: PnfInstance
    pnfd: Pnfd

    def points(self) -> Iterator[tuple[ConnectionPoint, SfFacts | None]]:
        """Its connection points, each with what it is to a chain."""
        for cp in self.instance.cps:
            yield cp.connection_point, self.pnfd.ext_cp(cp.cpd_id).sf

    def point_of(self, name: str) -> PnfCp:
        """The connection point of that name or requirement; raises InvalidInput where it has no port on a bridge."""
        cpd_id = self.pnfd.ext_cp_behind(name).id
        point = next((cp for cp in self.instance.cps if cp.cpd_id == cpd_id), None)
        if point is None or point.connection_point.ofport is None:
            raise InvalidInput(
                f"PNF {self.instance.pnf_id} has no port on a bridge at its connection point {cpd_id}",
                hint="connect it to an overlay virtual link, and attach it to a host",
            )
        return point


@dataclass(frozen=True, slots=True)
class Parts:
    """What the forwarding paths of an NS lead through.

    ``vnfs`` maps a VNF profile, ``pnfs`` a PNF profile to what there is of it; ``entries`` maps a SAP that an NS around
    this one connects to the port where the outside comes in, or to the empty text.
    """

    vnfs: Mapping[str, Sequence[LiveVnf]]
    pnfs: Mapping[str, Sequence[LivePnf]] = field(default_factory=dict)
    entries: Mapping[str, str] = field(default_factory=dict)


def function_id(vnfc_id: str, ingress: str, egress: str) -> str:
    """The identifier of a VNFC as a service function between two of its connection points."""
    return derive_id("sf", vnfc_id, ingress, egress)


def chain_documents(ns: NsInstance, flavour: NsFlavour, parts: Parts, plan_op: str) -> Iterator[dict[str, Any]]:
    """One Chain document for each NFP of the NSD, over what there is of its constituents."""
    order = 0
    for vnffg in flavour.vnffgs:
        for nfp in vnffg.nfps:
            ingress, inner, egress = _split(nfp, ns, parts)
            groups = [_group(position_elements, parts, f"NFP {nfp.id}") for position_elements in inner]
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


def _split(nfp: Nfp, ns: NsInstance, parts: Parts) -> tuple[str, list[tuple[NfpElement, ...]], str | None]:
    """(ingress port, inner positions, egress port) of an NFP. A SAP or a PNF at either end is where packets come from
    or go to."""
    positions = [position.elements for position in nfp.positions]
    ingress = egress = None
    if positions and _is_end(positions[0]):
        ingress = _end_port(ns, parts, positions.pop(0)[0].ingress)
    if positions and _is_end(positions[-1]):
        egress = _end_port(ns, parts, positions.pop()[0].egress)
    if ingress is None:
        ingress = _sole_sap(nfp, ns)
    if not positions:
        raise InvalidInput(f"NFP {nfp.id} passes no function", hint="give it at least one position on a VNF")
    return ingress, positions, egress


def _is_end(elements: Sequence[NfpElement]) -> bool:
    ends = (ConstituentKind.SAP, ConstituentKind.PNF)
    return len(elements) == 1 and elements[0].ingress.kind in ends


def _end_port(ns: NsInstance, parts: Parts, point: NfpConnectionPoint) -> str | None:
    """The end's port; ``None`` for a SAP outside the bridges, where a terminating function is the end anyway."""
    if point.kind is ConstituentKind.PNF:
        return _pnfs_of(parts, point, "the forwarding path")[0].point_of(point.cp).connection_point.port_id
    for sap in ns.saps:
        if sap.sapd_id == point.constituent_id:
            return sap.connection_point.port_id if sap.connection_point.ofport is not None else None
    if point.constituent_id in parts.entries:
        return _entry(parts, point.constituent_id)
    raise InvalidInput(f"SAP {point.constituent_id} of the forwarding path is not attached")


def _entry(parts: Parts, sapd_id: str) -> str:
    port = parts.entries[sapd_id]
    if not port:
        raise InvalidInput(
            f"SAP {sapd_id} is connected to a virtual link of the NS around, to which not exactly one SAP or PNF comes "
            "from outside: a path of the nested NS cannot begin or end there",
            hint="let that virtual link have one SAP or PNF on a host's bridge",
        )
    return port


def _pnfs_of(parts: Parts, point: NfpConnectionPoint, owner: str) -> Sequence[LivePnf]:
    found = parts.pnfs.get(point.constituent_id, ())
    if not found:
        raise InvalidInput(
            f"{owner} passes PNF profile {point.constituent_id}, of which the NS has no PNF", hint="add one: ADD_PNF"
        )
    return found


def _sole_sap(nfp: Nfp, ns: NsInstance) -> str:
    candidates = [sap for sap in ns.saps if sap.connection_point.ofport is not None]
    if len(candidates) != 1:
        raise InvalidInput(
            f"NFP {nfp.id} does not say where it begins and {len(candidates)} SAPs could be meant",
            hint="make the SAP the first position of the path",
        )
    return candidates[0].connection_point.port_id


def _group(elements: Sequence[NfpElement], parts: Parts, owner: str) -> dict[str, Any]:
    functions = [function for element in elements for function in _functions(parts, element, owner)]
    if not functions:
        raise InvalidInput(f"{owner}: no VNFC serves position element {elements[0].id}")
    return {"name": elements[0].ingress.constituent_id, "functions": functions}


def _functions(parts: Parts, element: NfpElement, owner: str) -> Iterator[dict[str, Any]]:
    if element.ingress.kind is ConstituentKind.PNF:
        for pnf in _pnfs_of(parts, element.ingress, owner):
            yield _pnf_function(pnf, pnf.point_of(element.ingress.cp), pnf.point_of(element.egress.cp))
        return
    for live in _instances(parts.vnfs, element, owner):
        for vnfc in _vnfcs_with(live, element.ingress):
            yield _function(live, vnfc, element)


def _pnf_function(pnf: LivePnf, ingress: PnfCp, egress: PnfCp) -> dict[str, Any]:
    """A PNF as a service function between two of its connection points, as the metadata of its PNFD tell it."""
    facts = pnf.pnfd.ext_cp(ingress.cpd_id).sf or SfFacts()
    return {
        "id": derive_id("sf", ingress.connection_point.id, egress.connection_point.id),
        "name": pnf.instance.name,
        "pnfId": pnf.instance.pnf_id,
        "ingress": ingress.connection_point.port_id,
        "egress": egress.connection_point.port_id,
        "awareness": facts.encapsulation.value,
        "layer": facts.layer.value,
        "rewrites5tuple": facts.rewrites_5tuple,
        "onFailure": facts.on_failure.value,
    }


def _instances(vnfs: Mapping[str, Sequence[LiveVnf]], element: NfpElement, owner: str) -> Sequence[LiveVnf]:
    point = element.ingress
    if point.kind is not ConstituentKind.VNF or point.constituent_id not in vnfs:
        raise InvalidInput(
            f"{owner}: element {element.id} names {point.kind.value} {point.constituent_id}, which has no instance",
            hint="forwarding paths pass through the VNFs and PNFs of the NS",
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
    match: dict[str, Any] = {
        "ethertype": None if rule.ether_type is None else ETHERTYPES.get(rule.ether_type, rule.ether_type),
        "protocol": None if rule.protocol is None else PROTOCOLS.get(rule.protocol.lower(), rule.protocol),
        "source": rule.source_prefix,
        "destination": rule.destination_prefix,
        "sourcePort": _range(rule.source_ports),
        "destinationPort": _range(rule.destination_ports),
        "vlan": _vlan(rule),
        "dscp": rule.dscp,
        "sourceMac": rule.source_mac,
        "destinationMac": rule.destination_mac,
    }
    for name, value in match_of_masks(rule.id, rule.ether_type, rule.masks).items():
        known = match.get(name)
        match[name] = value if known is None else both(name, known, value)
        if match[name] is None:
            raise InvalidInput(f"NfpRule {rule.id}: its extended_criteria contradict its other criterion on {name}")
    return {
        "id": rule.id,
        "priority": rule.priority or 0,
        "match": {name: value for name, value in match.items() if value is not None},
    }


def _vlan(rule: NfpRule) -> int | None:
    """The one tag that a rule names; several are a stack of them."""
    if len(rule.vlan_tags) > 1:
        raise InvalidInput(
            f"NfpRule {rule.id} selects by {len(rule.vlan_tags)} VLAN tags, one inside the other (QinQ)",
            hint="Open vSwitch looks behind one tag: take the outer one off before the port",
        )
    return int(rule.vlan_tags[0], 0) if rule.vlan_tags else None


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
    pnfs: Iterable[LivePnf] = (),
    joins: Iterable[tuple[str, str]] = (),
) -> Topology:
    """The data plane as :mod:`sfc` sees it: every port that passes an integration bridge, and what it may send.

    Networks that ``joins`` make one are one there: that of the least identifier, with the least MTU of them.
    """
    vnfs = list(vnfs)
    places = {v.id: {cp.cpd_id: cp.port_id for cp in v.connection_points} for one in vnfs for v in one.instance.vnfcs}
    functions = {id: located(function, places) for id, function in functions_of(chains).items()}
    forwarders = {host.host.name: _sff(host) for host in hosts if host.dataplane}
    overlay = _united(networks, joins)
    legs = {port for f in functions.values() if not f["rewrites5tuple"] for port in (f["ingress"], f["egress"])}
    routers = {f["ingress"] for f in functions.values() if f["rewrites5tuple"]}
    points = [
        (live.declared(cp), live.facts(cp.cpd_id))
        for live in vnfs
        for v in live.instance.vnfcs
        for cp in v.connection_points
    ]
    points += [(cp, None) for cp in saps]
    points += [point for pnf in pnfs for point in pnf.points()]
    ports = {
        cp.port_id: _port(cp, overlay[cp.network_id], facts, cp.port_id in legs, cp.port_id in routers)
        for cp, facts in points
        if cp.ofport is not None and cp.network_id in overlay and cp.host in forwarders
    }
    try:
        return Topology(
            sffs=tuple(forwarders.values()),
            networks=tuple(
                SfcNetwork(network.id, network.vni, network.mtu) for id, network in overlay.items() if id == network.id
            ),
            ports=tuple(ports.values()),
            functions=tuple(_service_function(f) for f in functions.values() if _legs(f) <= ports.keys()),
        )
    except SfcError as error:
        raise InvalidInput(
            f"ports and functions contradict each other: {error.message}",
            hint=error.hint or "a port is one function's leg, or a chain's end",
            facts={"reason": error.code},
        ) from None


def _united(networks: Sequence[Network], joins: Iterable[tuple[str, str]]) -> dict[str, Network]:
    """Each overlay network's identifier to the one that stands for it."""
    overlay = {network.id: network for network in networks if network.kind is NetworkKind.OVERLAY}
    stands = groups_of_networks((one, other) for one, other in joins if {one, other} <= overlay.keys())
    mtus: dict[str, int] = {}
    for id, name in stands.items():
        mtus[name] = min(mtus.get(name, overlay[id].mtu), overlay[id].mtu)
    whole = {name: replace(overlay[name], mtu=mtu) for name, mtu in mtus.items()}
    return {id: whole[stands[id]] if id in stands else network for id, network in overlay.items()}


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
        lacks=frozenset(facts.get("lacks", ())),
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
        mtu=network.mtu + (NSH_OVERHEAD if facts is not None and facts.encapsulation is SfEncapsulation.NSH else 0),
        trunk=cp.trunk and not leg,
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

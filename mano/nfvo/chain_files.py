"""Chain documents as users write them, turned into what is stored: names become functions and ports.

A user says ``sf: firewall-0`` and ``ingress: subscribers``. Functions are VNFs of the tenant (by instance name or
identifier), functions of chains that are there, or described in the document by their ports. Ports are SAPs (by name
or identifier) and connection points (``firewall-0:in`` or their identifier).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mano.domain.ids import derive_id
from mano.domain.service_chain import ServiceChain
from mano.domain.vnf_instance import ConnectionPoint, VnfcResource, VnfInstance
from mano.errors import InvalidInput
from mano.nfvo import chain_reading as read
from mano.nfvo.chain_documents import chain_from_document
from mano.nfvo.graph_translation import LiveVnf, function_between, function_id, functions_of

MENTIONED = 8
"""Names that a hint lists at most."""


@dataclass(frozen=True, slots=True)
class KnownPort:
    """A port that a chain may begin or end at, or that a function has. ``names`` are what people may call it."""

    point: ConnectionPoint
    names: tuple[str, ...]
    vnfc_id: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """What the chains of one tenant may use."""

    ports: Sequence[KnownPort]
    vnfs: Sequence[LiveVnf]
    chains: Sequence[ServiceChain]
    namespaces: Mapping[str, str] = field(default_factory=dict)
    """Names of network services by identifier."""

    def functions(self, besides: str) -> dict[str, Mapping[str, Any]]:
        """The functions of all chains but one, by identifier."""
        return functions_of(chain for chain in self.chains if chain.id != besides)

    def port(self, called: str, pointer: str) -> KnownPort:
        """The port of this identifier or name."""
        found = [port for port in self.ports if called in (port.point.port_id, port.point.id)]
        found = found or [port for port in self.ports if called in port.names]
        if len(found) == 1:
            return found[0]
        if found:
            raise read.wrong(pointer, "names several ports", f"say which: {_mention(p.names[-1] for p in found)}")
        raise read.wrong(pointer, "names no port of yours", f"there are: {_mention(p.names[0] for p in self.ports)}")


def vnf_ports(vnfs: Iterable[LiveVnf], namespaces: Mapping[str, str]) -> Iterator[KnownPort]:
    """The connection points of VNFCs, called ``VNF:CP`` or ``NS/VNF:CP``."""
    for live in vnfs:
        for vnfc in live.instance.vnfcs:
            for point in vnfc.connection_points:
                called = _called(live, vnfc, namespaces)
                yield KnownPort(point, tuple(f"{one}:{point.cpd_id}" for one in called), vnfc.id)


def chain_id_of(document: Any, tenant_id: str) -> str:
    """The identifier of the chain that a document makes: its own ``id`` where that is a UUID, else made from it.

    Raises InvalidInput when it has neither ``id`` nor ``name``.
    """
    given = read.members(document, "", read.MEMBERS)
    called = given.get("id", given.get("name"))
    if called is None:
        raise read.wrong("/id", "is required", "name the chain")
    text = read.name(called, "/id" if "id" in given else "/name")
    return text.lower() if _is_uuid(text) else derive_id("chain", tenant_id, text)


def stored_form(document: Any, known: Known, chain_id: str, before: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The chain's specification; ``before`` is that of the chain which it is to replace.

    Raises InvalidInput with a JSON pointer for everything that is wrong with the document.
    """
    given = read.head(document)
    called = str(given.get("name") or given.get("id") or (before or {}).get("name") or chain_id)
    spec = read.plain_members(dict(_inherited(before)) | dict(given))
    spec |= {"id": chain_id, "name": read.name(called, "/name")}
    own = _own_functions(given, known)
    groups = [
        _group(read.group(item, f"/path/{index}"), f"/path/{index}", known, own, chain_id)
        for index, item in enumerate(read.items(given["path"], "/path", read.GROUPS_MAX))
    ]
    functions = {function["id"]: function for _, found in groups for function in found}
    spec["path"] = [group for group, _ in groups]
    spec["functions"] = list(functions.values())
    spec["ingress"] = known.port(read.text(given["ingress"], "/ingress"), "/ingress").point.port_id
    spec["egress"] = None
    if "egress" in given:
        spec["egress"] = known.port(read.text(given["egress"], "/egress"), "/egress").point.port_id
    _refuse_other_descriptions(functions, known, chain_id)
    chain_from_document(spec)
    return spec


def document_of(chain: ServiceChain) -> dict[str, Any]:
    """The Chain document that would make a stored chain."""
    hidden = ("vnfInstanceId", "vnfcId", "ingressCp", "egressCp")
    spec = dict(chain.spec)
    functions = [{key: value for key, value in f.items() if key not in hidden} for f in spec.get("functions", ())]
    return spec | {"functions": functions}


def as_it_is(spec: Mapping[str, Any], vnfs: Iterable[VnfInstance]) -> dict[str, Any]:
    """A chain's specification with the ports that its functions have now: those of a VNFC that moved are others."""
    ports = {
        (vnfc.id, point.cpd_id): point.port_id for vnf in vnfs for vnfc in vnf.vnfcs for point in vnfc.connection_points
    }
    functions = []
    for function in spec.get("functions", ()):
        owner = function.get("vnfcId")
        places = {way: (owner, function.get(f"{way}Cp")) for way in ("ingress", "egress")}
        functions.append({**function, **{way: ports[place] for way, place in places.items() if place in ports}})
    return {**spec, "functions": functions}


def _inherited(before: Mapping[str, Any] | None) -> Iterator[tuple[str, Any]]:
    """Where an NSD's chain comes from stays, whoever changes it."""
    for member in ("vnffgdId", "nfpdId", "portChainId", "order"):
        if before and member in before:
            yield member, before[member]


def _own_functions(given: Mapping[str, Any], known: Known) -> dict[str, dict[str, Any]]:
    """The functions that the document describes, by the names that it gives them."""
    found = {}
    described = read.items(given.get("functions", ()), "/functions", read.FUNCTIONS_MAX, 0)
    for index, item in enumerate(described):
        pointer = f"/functions/{index}"
        one = read.function(item, pointer)
        into = known.port(one["ingress"], f"{pointer}/ingress")
        out = known.port(one["egress"], f"{pointer}/egress")
        owner = into.vnfc_id if into.vnfc_id and into.vnfc_id == out.vnfc_id else ""
        function = {
            "id": function_id(owner, into.point.cpd_id, out.point.cpd_id)
            if owner
            else derive_id("sf", into.point.port_id, out.point.port_id),
            "name": one["name"],
            "ingress": into.point.port_id,
            "egress": out.point.port_id,
            **{key: one[key] for key in ("awareness", "layer", "rewrites5tuple", "onFailure")},
        }
        vnf = next((v for v in known.vnfs for c in v.instance.vnfcs if owner and c.id == owner), None)
        if vnf is not None:
            points = {"ingressCp": into.point.cpd_id, "egressCp": out.point.cpd_id}
            function |= {"vnfInstanceId": vnf.instance.id, "vnfcId": owner} | points
        found[one["id"]] = function
    return found


Functions = list[dict[str, Any]]


def _group(
    given: Mapping[str, Any], pointer: str, known: Known, own: Mapping[str, dict[str, Any]], chain_id: str
) -> tuple[dict[str, Any], Functions]:
    instances: list[dict[str, Any]] = []
    functions: Functions = []
    for index, item in enumerate(given["instances"]):
        here = f"{pointer}/instances/{index}"
        one = read.instance(item, here)
        for function in _functions(one, here, known, own, chain_id):
            if any(function["id"] == other["sf"] for other in instances):
                raise read.wrong(f"{here}/sf", "is in the group already")
            policy = given.get("onFailure", function["onFailure"])
            functions.append({**function, "onFailure": policy})
            instances.append({"sf": function["id"], "weight": one["weight"]})
    group = {"group": given["group"], "instances": instances, "spread": given["spread"]}
    if given["spreadBy"] == "addresses":
        group["spreadBy"] = "addresses"
    return group | ({"onFailure": given["onFailure"]} if "onFailure" in given else {}), functions


def _functions(
    one: Mapping[str, Any], pointer: str, known: Known, own: Mapping[str, dict[str, Any]], chain_id: str
) -> Functions:
    """The functions that an instance of a group means: one, or each VNFC of the VNF that it names."""
    called = one["sf"]
    if called in own:
        return [own[called]]
    there = functions_of(known.chains)
    if called in there and "ingress" not in one:
        return [dict(there[called])]
    found = [
        (live, vnfc)
        for live in known.vnfs
        for vnfc in live.instance.vnfcs
        if called in (live.instance.id, vnfc.id, *_called(live, vnfc, known.namespaces), *_names(live, known))
    ]
    if not found:
        named = _mention(name for live in known.vnfs for name in _names(live, known)[:1])
        raise read.wrong(f"{pointer}/sf", "names no function of yours", f"VNFs there are: {named}")
    if len({live.instance.id for live, _ in found}) > 1:
        names = _mention(_names(live, known)[-1] for live, _ in found)
        raise read.wrong(f"{pointer}/sf", "names several VNFs", f"say which: {names}")
    return [_function(live, vnfc, one, pointer, there) for live, vnfc in found]


def _function(
    live: LiveVnf, vnfc: VnfcResource, one: Mapping[str, Any], pointer: str, there: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    used = [function for function in there.values() if function.get("vnfcId") == vnfc.id]
    if "ingress" not in one and len(used) == 1:
        return dict(used[0])
    legs = [cp.cpd_id for cp in vnfc.connection_points if live.facts(cp.cpd_id) is not None]
    points = [one["ingress"], one.get("egress", one["ingress"])] if "ingress" in one else legs
    if not points:
        raise read.wrong(
            f"{pointer}/sf",
            "is no service function by its VNFD",
            "name its connection points by ingress and egress, or describe it under functions",
        )
    try:
        return function_between(live, vnfc, points[0], points[-1])
    except (InvalidInput, KeyError):
        names = _mention(cp.cpd_id for cp in vnfc.connection_points)
        raise read.wrong(f"{pointer}/ingress", "is no connection point of the VNF", f"it has: {names}") from None


def _refuse_other_descriptions(functions: Mapping[str, Mapping[str, Any]], known: Known, chain_id: str) -> None:
    """Chains that share a function must mean the same by it."""
    for other in known.chains:
        if other.id == chain_id:
            continue
        for id, described in functions_of([other]).items():
            mine = functions.get(id)
            differing = [key for key in _DESCRIBING if mine and mine.get(key) != described.get(key)]
            if differing:
                raise InvalidInput(
                    f"chain {other.name} passes {described['name']} too, with another {' and '.join(differing)}",
                    hint="one instance of a function has one description; give the chain an instance of its own",
                    facts={"pointer": "/path", "members": differing},
                )


_DESCRIBING = ("ingress", "egress", "awareness", "layer", "rewrites5tuple")


def _names(live: LiveVnf, known: Known) -> tuple[str, ...]:
    """What a VNF is called: its name, and its name within its network service."""
    service = known.namespaces.get(live.instance.ns_instance_id)
    return (live.instance.name, *([f"{service}/{live.instance.name}"] if service else []))


def _called(live: LiveVnf, vnfc: VnfcResource, namespaces: Mapping[str, str]) -> tuple[str, ...]:
    """What a VNFC is called; as its VNF where it is the only one."""
    own = live.instance.name if len(live.instance.vnfcs) == 1 else f"{live.instance.name}/{vnfc.vdu_id}/{vnfc.index}"
    service = namespaces.get(live.instance.ns_instance_id)
    return (own, *([f"{service}/{own}"] if service else []))


def _mention(names: Iterable[str]) -> str:
    known = sorted(dict.fromkeys(name for name in names if name))
    more = f" and {len(known) - MENTIONED} more" if len(known) > MENTIONED else ""
    return ", ".join(known[:MENTIONED]) + more if known else "none"


def _is_uuid(text: str) -> bool:
    parts = text.split("-")
    lengths = [len(part) for part in parts]
    return lengths == [8, 4, 4, 4, 12] and all(c in "0123456789abcdefABCDEF" for part in parts for c in part)

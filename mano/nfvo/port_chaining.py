"""The resources of networking-sfc: kept as the client wrote them, and made into chains.

Each change is stored first, then the tenant's chains are brought to what the resources mean now; when that is refused,
the resources are put back as they were and the client gets the reason.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import structlog

from mano.domain.lcm_op_occ import ENDED, LcmOpOcc, OperationState
from mano.domain.port_chains import (
    Document,
    FlowClassifier,
    PortChain,
    PortPair,
    PortPairGroup,
    Resource,
    ServiceGraph,
)
from mano.domain.service_chain import ServiceChain
from mano.errors import CatenaError, DeadlineExceeded, InUse, InvalidInput, NotFound, error_from_document
from mano.nfvo.chains import Chains
from mano.nfvo.forwarding_graphs import ForwardingGraphs
from mano.nfvo.graph_translation import functions_of
from mano.nfvo.neutron_documents import seen_ports
from mano.nfvo.port_chain_documents import PortChains, chain_documents, function_of, in_conflict
from mano.ports.clock import Clock, IdFactory
from mano.ports.repositories import Repository, UnitOfWork, UnitOfWorkFactory

KINDS = ("port_pairs", "port_pair_groups", "flow_classifiers", "port_chains", "service_graphs")
"""Names of the collections, in the order in which one refers to the other; also those of their repositories."""


_SETTLED = ENDED | {OperationState.FAILED_TEMP}

CHANGE_DEADLINE_S, CHANGE_POLL_S = 60.0, 0.05
"""How long a change of a running chain may take, and the pause between two looks at it."""


class PortChaining:
    """Use cases of ``/v2.0/sfc``."""

    def __init__(
        self,
        open_unit: UnitOfWorkFactory,
        graphs: ForwardingGraphs,
        chains: Chains,
        clock: Clock,
        new_id: IdFactory,
    ) -> None:
        self._open_unit = open_unit
        self._graphs = graphs
        self._chains = chains
        self._clock = clock
        self._new_id = new_id
        self._one_at_a_time = threading.Lock()

    def list(self, kind: str, tenant_id: str) -> Sequence[Document]:
        """Every resource of a kind."""
        with self._open_unit(read_only=True) as uow:
            spis = _spis(uow, tenant_id) if kind == "port_chains" else {}
            return [_document(each, spis) for each in _repository(uow, kind).list(tenant_id)]

    def get(self, kind: str, id: str, tenant_id: str) -> Document:
        """One resource."""
        with self._open_unit(read_only=True) as uow:
            spis = _spis(uow, tenant_id) if kind == "port_chains" else {}
            return _document(_repository(uow, kind).get(id, tenant_id), spis)

    def create(self, kind: str, tenant_id: str, values: Document) -> str:
        """Store a resource and make of it what it means; its identifier."""
        resource_id = self._new_id()
        with self._one_at_a_time:
            with self._open_unit() as uow:
                world = self._world(uow, tenant_id)
                made = _MAKERS[kind](resource_id, tenant_id, values)
                if isinstance(made, PortChain):
                    made = replace(made, order=1 + max((chain.order for chain in world.chains.values()), default=0))
                _check(world, made)
                _repository(uow, kind).add(made)
            self._make_true(tenant_id, lambda uow: _repository(uow, kind).remove(resource_id))
        return resource_id

    def update(self, kind: str, id: str, tenant_id: str, values: Document) -> None:
        """Change what of a resource may change."""
        with self._one_at_a_time:
            with self._open_unit() as uow:
                world = self._world(uow, tenant_id)
                before = _repository(uow, kind).get(id, tenant_id)
                after = replace(before, **values)
                _check(world, after)
                _repository(uow, kind).save(after)

            def undo(uow: UnitOfWork) -> None:
                now = _repository(uow, kind).get(id, tenant_id)
                _repository(uow, kind).save(replace(before, generation=now.generation))

            self._make_true(tenant_id, undo)

    def delete(self, kind: str, id: str, tenant_id: str) -> None:
        """Remove a resource that no other refers to."""
        with self._one_at_a_time:
            with self._open_unit() as uow:
                world = self._world(uow, tenant_id)
                before = _repository(uow, kind).get(id, tenant_id)
                users = list(_users(world, before))
                if users:
                    raise InUse(f"{_noun(before)} {_called(before)} is in use by {', '.join(users[:5])}")
                _repository(uow, kind).remove(id)
            self._make_true(tenant_id, lambda uow: _repository(uow, kind).add(before))

    def recover(self) -> None:
        """Finish what a server that died left half-done: every tenant's chains become what the resources mean."""
        with self._open_unit(read_only=True) as uow:
            tenants = {chain.tenant_id for chain in uow.port_chains.list()}
            tenants |= {chain.tenant_id for chain in uow.chains.list() if _is_ours(chain)}
        for tenant_id in sorted(tenants):
            try:
                self._apply(tenant_id)
            except CatenaError as error:
                _log("port chains could not be brought up to date", tenant_id, error)

    def _make_true(self, tenant_id: str, undo: Callable[[UnitOfWork], None]) -> None:
        try:
            self._apply(tenant_id)
        except CatenaError:
            with self._open_unit() as uow:
                undo(uow)
            try:
                self._apply(tenant_id)
            except CatenaError as error:
                _log("port chains could not be put back", tenant_id, error)
            raise

    def _apply(self, tenant_id: str) -> None:
        """Bring the tenant's chains to what the resources mean: new ones first, then changed ones, then gone ones."""
        with self._open_unit(read_only=True) as uow:
            wanted = chain_documents(self._world(uow, tenant_id))
            stored = {chain.id: chain.spec for chain in uow.chains.list(tenant_id) if _is_ours(chain)}
        for chain_id, document in wanted.items():
            if chain_id not in stored:
                self._chains.create(tenant_id, document)
            elif _differs(stored[chain_id], document):
                self._change(chain_id, tenant_id, document)
        for chain_id in stored.keys() - wanted.keys():
            self._chains.delete(chain_id, tenant_id)

    def _change(self, chain_id: str, tenant_id: str, document: Document) -> None:
        """Change a running chain and wait until that is done; one that fails goes back to the version before."""
        op_id = self._chains.replace(chain_id, tenant_id, document)
        op = self._settled(op_id, tenant_id)
        if op.state is OperationState.FAILED_TEMP:
            self._chains.rollback(op_id, tenant_id)
            op = self._settled(op_id, tenant_id)
        if op.state is not OperationState.COMPLETED:
            raise error_from_document(op.error or {"detail": f"the change of the chain ended as {op.state.value}"})

    def _settled(self, op_id: str, tenant_id: str) -> LcmOpOcc:
        deadline = self._clock.monotonic() + CHANGE_DEADLINE_S
        while (op := self._chains.operation(op_id, tenant_id)).state not in _SETTLED:
            if self._clock.monotonic() > deadline:
                raise DeadlineExceeded(f"the change of the chain is {op.state.value} after {CHANGE_DEADLINE_S:.0f} s")
            self._clock.sleep(CHANGE_POLL_S)
        return op

    def _world(self, uow: UnitOfWork, tenant_id: str) -> PortChains:
        return PortChains(
            ports={port.point.port_id: port for port in seen_ports(uow, tenant_id)},
            vnfs={live.instance.id: live for live in self._graphs.live_vnfs(uow, tenant_id)},
            pairs={each.id: each for each in uow.port_pairs.list(tenant_id)},
            groups={each.id: each for each in uow.port_pair_groups.list(tenant_id)},
            classifiers={each.id: each for each in uow.flow_classifiers.list(tenant_id)},
            chains={each.id: each for each in uow.port_chains.list(tenant_id)},
            graphs={each.id: each for each in uow.service_graphs.list(tenant_id)},
            functions=tuple(functions_of(c for c in uow.chains.list(tenant_id) if not _is_ours(c)).values()),
        )


def _differs(spec: Document, document: Document) -> bool:
    """Whether a stored chain is not what the resources mean; what only the store knows does not count."""
    plain = ("name", "order", "symmetric", "classifiers", "path", "ingress", "egress")
    if any(spec.get(name) != document[name] for name in plain):
        return True
    described = ("id", "awareness", "layer", "ingress", "egress", "rewrites5tuple")
    ours, theirs = ([[f.get(n) for n in described] for f in one["functions"]] for one in (spec, document))
    return ours != theirs


def _is_ours(chain: ServiceChain) -> bool:
    return "portChainId" in chain.spec


def _repository(uow: UnitOfWork, kind: str) -> Repository[Any]:
    return cast("Repository[Any]", getattr(uow, kind))


def _spis(uow: UnitOfWork, tenant_id: str) -> dict[str, int]:
    """The service path identifier of the first chain that each port chain became."""
    found: dict[str, int] = {}
    for chain in uow.chains.list(tenant_id):
        owner = chain.spec.get("portChainId")
        if owner is not None:
            found[owner] = min(chain.forward_spi, found.get(owner, chain.forward_spi))
    return found


# Making them


def _port_pair(id: str, tenant_id: str, values: Document) -> PortPair:
    parameters = values["service_function_parameters"]
    return PortPair(
        id=id,
        tenant_id=tenant_id,
        name=values["name"],
        description=values["description"],
        ingress=values["ingress"],
        egress=values["egress"],
        correlation=parameters.get("correlation"),
        weight=parameters.get("weight", 1),
        declares="correlation" in parameters,
    )


def _port_pair_group(id: str, tenant_id: str, values: Document) -> PortPairGroup:
    parameters = values["port_pair_group_parameters"]
    return PortPairGroup(
        id=id,
        tenant_id=tenant_id,
        name=values["name"],
        description=values["description"],
        port_pairs=values["port_pairs"],
        lb_fields=parameters.get("lb_fields", ()),
        layer=parameters.get("layer", ""),
        tap_enabled=values["tap_enabled"],
    )


def _port_chain(id: str, tenant_id: str, values: Document) -> PortChain:
    return PortChain(
        id=id,
        tenant_id=tenant_id,
        name=values["name"],
        description=values["description"],
        port_pair_groups=values["port_pair_groups"],
        flow_classifiers=values["flow_classifiers"],
        symmetric=values["chain_parameters"].get("symmetric", False),
    )


_MAKERS: Mapping[str, Callable[[str, str, Document], Resource]] = {
    "port_pairs": _port_pair,
    "port_pair_groups": _port_pair_group,
    "flow_classifiers": lambda id, tenant_id, values: FlowClassifier(id, tenant_id, **values),
    "port_chains": _port_chain,
    "service_graphs": lambda id, tenant_id, values: ServiceGraph(id, tenant_id, **values),
}


# Showing them


def _document(value: Resource, spis: Mapping[str, int]) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": value.id,
        "name": value.name,
        "description": value.description,
        "tenant_id": value.tenant_id,
        "project_id": value.tenant_id,
    }
    match value:
        case PortPair():
            parameters = {"correlation": value.correlation, "weight": value.weight}
            return shown | {
                "ingress": value.ingress,
                "egress": value.egress,
                "service_function_parameters": parameters,
            }
        case PortPairGroup():
            own = {"layer": value.layer} if value.layer else {}
            return shown | {
                "port_pairs": list(value.port_pairs),
                "port_pair_group_parameters": {
                    "lb_fields": list(value.lb_fields),
                    "ppg_n_tuple_mapping": {"ingress_n_tuple": {}, "egress_n_tuple": {}},
                    **own,
                },
                "tap_enabled": value.tap_enabled,
            }
        case FlowClassifier():
            return shown | {name: getattr(value, name) for name in _CLASSIFIER_ATTRIBUTES} | {"l7_parameters": {}}
        case PortChain():
            return shown | {
                "chain_id": spis.get(value.id, 0),
                "port_pair_groups": list(value.port_pair_groups),
                "flow_classifiers": list(value.flow_classifiers),
                "chain_parameters": {"correlation": "nsh", "symmetric": value.symmetric},
            }
        case ServiceGraph():
            return shown | {"port_chains": {source: list(ends) for source, ends in value.port_chains.items()}}


_CLASSIFIER_ATTRIBUTES = (
    "ethertype",
    "protocol",
    "source_ip_prefix",
    "destination_ip_prefix",
    "source_port_range_min",
    "source_port_range_max",
    "destination_port_range_min",
    "destination_port_range_max",
    "logical_source_port",
    "logical_destination_port",
)


# What must hold of them


def _check(world: PortChains, value: Resource) -> None:
    """Raises NotFound, InUse or InvalidInput for a resource that contradicts the others."""
    match value:
        case PortPair():
            _check_pair(world, value)
        case PortPairGroup():
            _check_group(world, value)
        case FlowClassifier():
            _check_classifier(world, value)
        case PortChain():
            _check_chain(world, value)
        case ServiceGraph():
            _check_graph(world, value)


def _check_pair(world: PortChains, pair: PortPair) -> None:
    _require(world.ports, (pair.ingress, pair.egress), "port")
    for other in world.pairs.values():
        if other.id != pair.id and {pair.ingress, pair.egress} & {other.ingress, other.egress}:
            raise InvalidInput(
                f"port pair {_called(other)} has one of these ports already",
                hint="a port belongs to one function; a group of several chains may hold its pair",
            )
    function_of(world, pair, PortPairGroup("", pair.tenant_id, ""))


def _check_group(world: PortChains, group: PortPairGroup) -> None:
    _require(world.pairs, group.port_pairs, "port pair")
    for other in world.groups.values():
        shared = set(group.port_pairs) & set(other.port_pairs)
        if other.id != group.id and shared:
            pair = world.pairs[min(shared)]
            raise InUse(f"port pair {_called(pair)} is in use by port pair group {_called(other)}")
    functions = [function_of(world, world.pairs[each], group) for each in group.port_pairs]
    if len({function["awareness"] for function in functions}) > 1:
        raise InvalidInput("the port pairs of a group have different correlations", hint="give all the same one")
    if group.lb_fields and len(functions) > 1 and not {"ip_src", "ip_dst"} <= set(group.lb_fields):
        raise InvalidInput(
            f"load balancing over {', '.join(group.lb_fields)} alone is not possible: both ways of a connection must "
            "meet the same function",
            hint="balance over ip_src and ip_dst, with or without ports",
        )


def _check_classifier(world: PortChains, classifier: FlowClassifier) -> None:
    ends = (classifier.logical_source_port, classifier.logical_destination_port)
    _require(world.ports, (port for port in ends if port is not None), "port")
    for other in world.classifiers.values():
        if other.id != classifier.id and in_conflict(classifier, other):
            raise InvalidInput(
                f"the flow classifier conflicts with flow classifier {_called(other)}: both want the same packets",
                hint="let them differ in addresses, ports, protocol or logical ports",
            )


def _check_chain(world: PortChains, chain: PortChain) -> None:
    if not chain.port_pair_groups:
        raise InvalidInput("a port chain needs at least one port pair group")
    _require(world.groups, chain.port_pair_groups, "port pair group")
    _require(world.classifiers, chain.flow_classifiers, "flow classifier")
    for what, listed in (("port pair group", chain.port_pair_groups), ("flow classifier", chain.flow_classifiers)):
        if len(set(listed)) != len(listed):
            raise InvalidInput(f"the chain names a {what} twice")
    for other in world.chains.values():
        shared = set(chain.flow_classifiers) & set(other.flow_classifiers)
        if other.id != chain.id and shared:
            classifier = world.classifiers[min(shared)]
            raise InUse(f"flow classifier {_called(classifier)} is in use by port chain {_called(other)}")


def _check_graph(world: PortChains, graph: ServiceGraph) -> None:
    named = {chain for source, ends in graph.port_chains.items() for chain in (source, *ends)}
    _require(world.chains, sorted(named), "port chain")
    for other in world.graphs.values():
        theirs = {chain for source, ends in other.port_chains.items() for chain in (source, *ends)}
        if other.id != graph.id and named & theirs:
            chain = world.chains[min(named & theirs)]
            raise InUse(f"port chain {_called(chain)} is in use by service graph {_called(other)}")
    for source, ends in graph.port_chains.items():
        if not ends or len(set(ends)) != len(ends):
            raise InvalidInput(f"port chain {source} needs other chains behind it, each once")
    _refuse_cycle(graph.port_chains)


def _refuse_cycle(edges: Mapping[str, Sequence[str]]) -> None:
    """Take away chains that lead nowhere until none is left, or only those of a cycle."""
    left = {source: set(ends) for source, ends in edges.items()}
    while left:
        done = [source for source, ends in left.items() if not ends & left.keys()]
        if not done:
            raise InvalidInput("the service graph has a cycle: its packets would never leave")
        for source in done:
            del left[source]


def _require(known: Mapping[str, Any], wanted: Iterable[str], noun: str) -> None:
    for each in wanted:
        if each not in known:
            raise NotFound(f"there is no {noun} {each}")


def _users(world: PortChains, value: Resource) -> Iterable[str]:
    """Who refers to a resource, in words."""
    match value:
        case PortPair():
            return (f"port pair group {_called(g)}" for g in world.groups.values() if value.id in g.port_pairs)
        case PortPairGroup():
            return (f"port chain {_called(c)}" for c in world.chains.values() if value.id in c.port_pair_groups)
        case FlowClassifier():
            return (f"port chain {_called(c)}" for c in world.chains.values() if value.id in c.flow_classifiers)
        case PortChain():
            return (
                f"service graph {_called(graph)}"
                for graph in world.graphs.values()
                for source, ends in graph.port_chains.items()
                if value.id in (source, *ends)
            )
        case ServiceGraph():
            return ()


def _noun(value: Resource) -> str:
    nouns = {
        PortPair: "port pair",
        PortPairGroup: "port pair group",
        FlowClassifier: "flow classifier",
        PortChain: "port chain",
        ServiceGraph: "service graph",
    }
    return nouns[type(value)]


def _called(value: Resource) -> str:
    return value.name or value.id


def _log(what: str, tenant_id: str, error: CatenaError) -> None:
    structlog.get_logger(__name__).error(what, tenant=tenant_id, code=error.code, detail=error.detail)

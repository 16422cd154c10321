"""Which NS instances are part of which, which networks are one for it, and who has which address there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from mano.domain.ns_instance import NestedNs, NetworkJoin, NsInstance
from mano.errors import InUse, InvalidInput
from mano.nfvo.growth import addresses_taken
from mano.nfvo.nested_planning import MAX_DEPTH, groups_of_networks
from mano.ports.repositories import UnitOfWork


def parents_of(uow: UnitOfWork, ns: NsInstance) -> list[NsInstance]:
    """The NS instances that nest this one."""
    return [parent for id in ns.parents if (parent := uow.ns_instances.find(id)) is not None]


def family_of(uow: UnitOfWork, ns: NsInstance) -> dict[str, NsInstance]:
    """Every NS instance that is tied to this one by nesting, however far, and itself."""
    found = {ns.id: ns}
    waiting = [ns]
    while waiting:
        one = waiting.pop()
        for id in (*one.parents, *(nested.ns_instance_id for nested in one.nested)):
            if id not in found and (other := uow.ns_instances.find(id)) is not None:
                found[id] = other
                waiting.append(other)
    return found


def joins_of(services: Iterable[NsInstance]) -> Iterator[tuple[str, str]]:
    """The pairs of networks that are one."""
    for ns in services:
        for nested in ns.nested:
            yield from ((join.outer, join.inner) for join in nested.joins)


def outer_joins(uow: UnitOfWork, ns: NsInstance) -> list[NetworkJoin]:
    """How the NSs around this one connect its SAPs."""
    return [
        join
        for parent in parents_of(uow, ns)
        for nested in parent.nested
        if nested.ns_instance_id == ns.id
        for join in nested.joins
    ]


def addresses_on(uow: UnitOfWork, ns: NsInstance, network_ids: Iterable[str]) -> dict[str, list[str]]:
    """Who has which address on these networks, those that are joined to them counted in.

    A network need not be there yet: one that an operation is about to make already is joined.
    """
    family = family_of(uow, ns)
    stands = groups_of_networks(joins_of(family.values()))
    networks = {
        network.id: network for one in family for network in uow.networks.list(ns.tenant_id, ns_instance_id=one)
    }
    taken = addresses_taken(uow, networks, ns.tenant_id)
    together: dict[str, list[str]] = {}
    for network_id, addresses in taken.items():
        together.setdefault(stands.get(network_id, network_id), []).extend(addresses)
    return {id: together.get(stands.get(id, id), []) for id in network_ids}


def require_takeable(uow: UnitOfWork, parent: NsInstance, child: NsInstance, pointer: str) -> None:
    """Raises InvalidInput where nesting the child would make a circle, or go too deep."""
    if parent.id == child.id or parent.id in _below(uow, child):
        raise InvalidInput(
            f"NS instance {child.name} nests {parent.name} already: they would nest each other",
            hint="an NS is nested in others, never in itself",
            facts={"pointer": pointer},
        )
    if any(nested.ns_instance_id == child.id for nested in parent.nested):
        raise InvalidInput(f"NS instance {child.name} is nested here already", facts={"pointer": pointer})
    depth = _height(uow, child) + 1 + height_above(uow, parent)
    if depth > MAX_DEPTH:
        raise InvalidInput(
            f"NSs would be nested {depth} deep; {MAX_DEPTH} is the most",
            hint="nest the inner ones directly",
            facts={"pointer": pointer},
        )


def _below(uow: UnitOfWork, ns: NsInstance) -> dict[str, NsInstance]:
    found: dict[str, NsInstance] = {}
    waiting = [ns]
    while waiting:
        for nested in waiting.pop().nested:
            child = uow.ns_instances.find(nested.ns_instance_id)
            if child is not None and child.id not in found:
                found[child.id] = child
                waiting.append(child)
    return found


def _height(uow: UnitOfWork, ns: NsInstance) -> int:
    below = [uow.ns_instances.find(nested.ns_instance_id) for nested in ns.nested]
    return max((1 + _height(uow, child) for child in below if child is not None), default=0)


def height_above(uow: UnitOfWork, ns: NsInstance) -> int:
    """How deep the NS is nested itself: 0 for one that nobody nests."""
    return max((1 + height_above(uow, parent) for parent in parents_of(uow, ns)), default=0)


def require_free(uow: UnitOfWork, ns: NsInstance, what: str) -> None:
    """Raises InUse naming the NS instances that nest this one (SOL005 clause 6.4.8: they would lose a part)."""
    names = ", ".join(f"{parent.name} ({parent.id})" for parent in parents_of(uow, ns))
    if names:
        raise InUse(
            f"NS instance {ns.name} is nested in {names} and cannot be {what}",
            hint="take it out there first: UpdateNs with REMOVE_NESTED_NS, or terminate what nests it",
            facts={"parents": list(ns.parents)},
        )


def take_in(uow: UnitOfWork, parent_id: str, nested: NestedNs) -> None:
    """Both instances know of each other; nothing changes where they do."""
    parent = uow.ns_instances.get(parent_id)
    others = tuple(one for one in parent.nested if one.key != nested.key)
    if (*others, nested) != parent.nested:
        uow.ns_instances.save(replace(parent, nested=(*others, nested)))
    child = uow.ns_instances.get(nested.ns_instance_id)
    if parent_id not in child.parents:
        uow.ns_instances.save(replace(child, parents=(*child.parents, parent_id)))


def let_go(uow: UnitOfWork, parent_id: str, ns_instance_id: str) -> None:
    """Neither knows of the other any more."""
    parent = uow.ns_instances.find(parent_id)
    if parent is not None and any(one.ns_instance_id == ns_instance_id for one in parent.nested):
        kept = tuple(one for one in parent.nested if one.ns_instance_id != ns_instance_id)
        uow.ns_instances.save(replace(parent, nested=kept))
    child = uow.ns_instances.find(ns_instance_id)
    if child is not None and parent_id in child.parents:
        uow.ns_instances.save(replace(child, parents=tuple(id for id in child.parents if id != parent_id)))

"""What (anti-)affinity groups leave open for one VDU, given where the other members are.

A member is a VDU of the request, an allocation of the inventory, or with scope nic an interface `id/interface` of
either. Members that have no place yet bind nobody.

Scopes: `host` and `zone` as they say. `numa-node`: anti-affine members have no NUMA node of a host in common, all
nodes of all their cells counted; affine ones lie on the same nodes of the same host. `nic`: anti-affine interfaces
are on different NICs, affine ones on the same; ports of a virtual switch are on none and satisfy both.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mano.domain.nfvi import Allocation
from mano.placement.nics import NicRules
from mano.placement.numa import NO_FIT_RULES, Fit, FitRules
from mano.placement.request import Group, GroupKind, Scope, VduRequest


@dataclass(frozen=True, slots=True)
class Seat:
    """Where a member is: the position of its host in the inventory, the host's zone, and what it holds there."""

    host: int
    zone: str
    allocation: Allocation


@dataclass(slots=True)
class Bounds:
    """What groups allow one VDU. None in `only_hosts` or `only_zones` is no bound."""

    forbidden_hosts: set[int] = field(default_factory=set)
    only_hosts: set[int] | None = None
    forbidden_zones: set[str] = field(default_factory=set)
    only_zones: set[str] | None = None
    rules: dict[int, FitRules] = field(default_factory=dict)
    everywhere: FitRules = NO_FIT_RULES

    def allows(self, host: int, zone: str) -> bool:
        if host in self.forbidden_hosts or zone in self.forbidden_zones:
            return False
        return (self.only_hosts is None or host in self.only_hosts) and (
            self.only_zones is None or zone in self.only_zones
        )

    def rules_at(self, host: int) -> FitRules:
        """The rules for the fit on one host."""
        return self.rules.get(host, self.everywhere)

    def _keep_hosts(self, hosts: set[int]) -> None:
        self.only_hosts = hosts if self.only_hosts is None else self.only_hosts & hosts

    def _keep_zones(self, zones: set[str]) -> None:
        self.only_zones = zones if self.only_zones is None else self.only_zones & zones


class Members:
    """The members of a group, and those of them that have a seat."""

    __slots__ = ("_set", "names")

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self._set = frozenset(names)

    def seated(self, seats: Mapping[str, Seat], but: str) -> Iterator[Seat]:
        """The seats of the members but one, found from the shorter side where seats come in layers."""
        layers = seats.maps if isinstance(seats, ChainMap) else [seats]
        for layer in layers:
            if len(layer) < len(self.names):
                yield from (seat for member, seat in layer.items() if member != but and member in self._set)
            else:
                yield from (layer[member] for member in self.names if member != but and member in layer)


def _all_members(group: Group, tagged: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Allocations that carry the group's id are members too."""
    known = set(group.members)
    return (*group.members, *(one for one in tagged.get(group.id or "", ()) if one not in known))


class GroupBook:
    """All groups of a request, and the soft ones among them."""

    def __init__(self, groups: Sequence[Group], tagged: Mapping[str, Sequence[str]]) -> None:
        """`tagged` lists allocations of the inventory by the group ids that they carry."""
        self._of: dict[str, list[tuple[Group, Members]]] = {}
        for group in groups:
            members = Members(_all_members(group, tagged))
            for holder in dict.fromkeys(_holder(group, member) for member in members.names):
                self._of.setdefault(holder, []).append((group, members))

    def groups_of(self, vdu: str) -> tuple[Group, ...]:
        return tuple(group for group, _ in self._of.get(vdu, ()))

    def bounds(self, vdu: str, seats: Mapping[str, Seat], *, soft: bool = False) -> Bounds:
        """What the strict groups (with `soft` the others) leave open for `vdu`."""
        bounds = Bounds()
        for group, members in self._of.get(vdu, ()):
            if group.strict is soft:
                continue
            if group.scope is Scope.NIC:
                _bind_nics(bounds, group, members.names, vdu, seats)
            else:
                _bind(bounds, group, members.seated(seats, vdu))
        return bounds

    def violations(self, vdu: VduRequest, host: int, zone: str, fit: Fit, seats: Mapping[str, Seat]) -> int:
        """How many soft groups the fit would break."""
        return sum(
            not _keeps(group, members, vdu.id, Seat(host, zone, fit.allocation), seats)
            for group, members in self._of.get(vdu.id, ())
            if not group.strict
        )


def _holder(group: Group, member: str) -> str:
    return member.rpartition("/")[0] if group.scope is Scope.NIC else member


def _bind(bounds: Bounds, group: Group, others: Iterable[Seat]) -> None:
    apart = group.kind is GroupKind.ANTI_AFFINITY
    for seat in others:
        if group.scope is Scope.HOST:
            bounds.forbidden_hosts.add(seat.host) if apart else bounds._keep_hosts({seat.host})
        elif group.scope is Scope.ZONE:
            bounds.forbidden_zones.add(seat.zone) if apart else bounds._keep_zones({seat.zone})
        elif apart:
            _forbid_nodes(bounds, seat)
        else:
            bounds._keep_hosts({seat.host})
            _ask_for_nodes(bounds, seat)


def _forbid_nodes(bounds: Bounds, seat: Seat) -> None:
    known = bounds.rules_at(seat.host)
    forbidden = known.forbidden_nodes | frozenset(seat.allocation.nodes)
    bounds.rules[seat.host] = FitRules(forbidden, known.exact_nodes, known.nics)


def _ask_for_nodes(bounds: Bounds, seat: Seat) -> None:
    known = bounds.rules_at(seat.host)
    nodes = frozenset(seat.allocation.nodes)
    if known.exact_nodes is not None and known.exact_nodes != nodes:
        nodes = frozenset()
    bounds.rules[seat.host] = FitRules(known.forbidden_nodes, nodes, known.nics)


def _bind_nics(
    bounds: Bounds, group: Group, members: Sequence[str], vdu: str, seats: Mapping[str, Seat]
) -> None:  # fmt: skip
    own = [member.rpartition("/")[2] for member in members if member.rpartition("/")[0] == vdu]
    apart = group.kind is GroupKind.ANTI_AFFINITY
    pairs = frozenset((a, b) for place, a in enumerate(own) for b in own[place + 1 :])
    if pairs:
        nics = bounds.everywhere.nics
        merged = NicRules(
            same=nics.same if apart else nics.same | pairs,
            different=nics.different | pairs if apart else nics.different,
        )
        bounds.everywhere = FitRules(nics=merged)
        for host, rules in bounds.rules.items():
            bounds.rules[host] = FitRules(
                rules.forbidden_nodes,
                rules.exact_nodes,
                NicRules(rules.nics.forbidden, rules.nics.only, merged.same, merged.different),
            )
    for member in members:
        holder, _, interface = member.rpartition("/")
        if holder == vdu or holder not in seats:
            continue
        seat = seats[holder]
        attached = seat.allocation.interfaces.get(interface)
        if attached is None or attached.pci is None:
            continue
        if not apart:
            bounds._keep_hosts({seat.host})
        _bind_to_nic(bounds, seat.host, own, attached.pci, apart)


def _bind_to_nic(bounds: Bounds, host: int, interfaces: Sequence[str], pci: str, apart: bool) -> None:
    known = bounds.rules_at(host)
    forbidden, only = dict(known.nics.forbidden), dict(known.nics.only)
    for interface in interfaces:
        if apart:
            forbidden[interface] = forbidden.get(interface, frozenset()) | {pci}
        else:
            only[interface] = only.get(interface, frozenset((pci,))) & {pci}
    nics = NicRules(forbidden, only, known.nics.same, known.nics.different)
    bounds.rules[host] = FitRules(known.forbidden_nodes, known.exact_nodes, nics)


def _keeps(group: Group, members: Members, vdu: str, seat: Seat, seats: Mapping[str, Seat]) -> bool:
    """Whether a member at `seat` keeps the group, given the others."""
    apart = group.kind is GroupKind.ANTI_AFFINITY
    if group.scope is Scope.NIC:
        return _keeps_nics(members.names, vdu, seat, seats, apart)
    for other in members.seated(seats, vdu):
        if group.scope is Scope.HOST:
            together = other.host == seat.host
        elif group.scope is Scope.ZONE:
            together = other.zone == seat.zone
        else:
            mine, theirs = set(seat.allocation.nodes), set(other.allocation.nodes)
            overlap = bool(mine & theirs) if apart else mine == theirs
            together = other.host == seat.host and overlap
        if together is apart:
            return False
    return True


def _keeps_nics(members: Sequence[str], vdu: str, seat: Seat, seats: Mapping[str, Seat], apart: bool) -> bool:
    places: list[tuple[int, str]] = []
    for member in members:
        holder, _, interface = member.rpartition("/")
        at = seat if holder == vdu else seats.get(holder)
        attached = at.allocation.interfaces.get(interface) if at is not None else None
        if at is not None and attached is not None and attached.pci is not None:
            places.append((at.host, attached.pci))
    distinct = len(set(places))
    return distinct == len(places) if apart else distinct <= 1

"""Which NIC and which VFs each interface of a VDU gets, once it is known on which NUMA nodes its cells lie.

The search is exact: interfaces compete for VFs and bandwidth of the same NICs, so it goes through all combinations,
skipping NICs that are alike. More nodes never make an attachment impossible; `numa` builds on that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from dpdk_helpers.cpuset import cpus_of
from mano.domain.nfvi import InterfacePlacement
from mano.placement.effort import Effort
from mano.placement.free import FreeHost, FreeNic
from mano.placement.request import InterfaceRequest, NumaAffinity, VnicType


@dataclass(frozen=True, slots=True)
class NicRules:
    """What groups of scope nic say about one VDU on one host.

    By interface: NICs that are forbidden, NICs that alone are allowed; and pairs of its own interfaces that must lie on
    the same NIC or on different ones.
    """

    forbidden: Mapping[str, frozenset[str]] = field(default_factory=dict)
    only: Mapping[str, frozenset[str]] = field(default_factory=dict)
    same: frozenset[tuple[str, str]] = frozenset()
    different: frozenset[tuple[str, str]] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.forbidden or self.only or self.same or self.different)

    def allow(self, interface: str, pci: str, chosen: Mapping[str, str]) -> bool:
        if pci in self.forbidden.get(interface, ()) or pci not in self.only.get(interface, (pci,)):
            return False
        return all(
            other not in chosen or (chosen[other] == pci) is together
            for pairs, together in ((self.same, True), (self.different, False))
            for other in _partners(interface, pairs)
        )


def _partners(interface: str, pairs: Iterable[tuple[str, str]]) -> Iterable[str]:
    for a, b in pairs:
        if interface in (a, b):
            yield b if interface == a else a


NO_RULES = NicRules()


@dataclass(frozen=True, slots=True)
class NicDemand:
    """How strictly interfaces are taken: without `numa` any node will do, without `bandwidth` any load; `inside` asks
    that every VF lies on a node of the cells even where its affinity is softer."""

    numa: bool = True
    bandwidth: bool = True
    inside: bool = False


ALL_DEMANDS = NicDemand()


def on_physnet(nic: FreeNic, interface: InterfaceRequest) -> bool:
    return interface.physnet is None or nic.nic.physnet == interface.physnet


def eligible(nic: FreeNic, interface: InterfaceRequest) -> bool:
    """Physical network, traits and VFs (or a NIC that nobody uses); not yet place or bandwidth."""
    if nic.gone or not on_physnet(nic, interface) or not interface.traits <= nic.nic.traits:
        return False
    if interface.vnic_type is VnicType.DIRECT_PHYSICAL:
        return nic.untouched
    return nic.vf_count >= interface.vfs


def near(nic_node: int | None, interface: InterfaceRequest, host: FreeHost, nodes: frozenset[int]) -> bool:
    """Whether a NIC on `nic_node` satisfies the interface's affinity to cells on `nodes`. Unknown is never near."""
    affinity = interface.numa_affinity
    if affinity in (NumaAffinity.PREFERRED, NumaAffinity.NONE) or nic_node in nodes:
        return True
    if affinity is NumaAffinity.REQUIRED or nic_node is None:
        return False
    sockets = {node.shape.socket for node in host.nodes if node.id in nodes}
    return any(node.shape.socket in sockets for node in host.nodes if node.id == nic_node)


def near_switch(interface: InterfaceRequest, host: FreeHost, nodes: frozenset[int]) -> bool:
    """Whether a port of the virtual switch is near enough to cells on `nodes`."""
    affine = host.host.vswitch.affine_nodes if host.host.vswitch else frozenset()
    return not affine or any(near(node, interface, host, nodes) for node in affine)


@dataclass(slots=True)
class _Load:
    """What the search has put on one NIC so far."""

    vfs: int
    mbps: int | None
    untouched: bool


class _Search:
    """Interfaces to NICs. States that were found hopeless are remembered, and NICs that are alike tried once."""

    def __init__(
        self, host: FreeHost, interfaces: Iterable[InterfaceRequest], nodes: frozenset[int], rules: NicRules,
        demand: NicDemand, effort: Effort,
    ) -> None:  # fmt: skip
        self.host, self.nodes, self.rules, self.demand, self.effort = host, nodes, rules, demand, effort
        self.loads = {nic.nic.pci: _Load(nic.vf_count, nic.mbps, nic.untouched) for nic in host.nics}
        self.candidates = {one.id: self._candidates(one) for one in interfaces}
        self.order = sorted(interfaces, key=lambda one: (len(self.candidates[one.id]), -one.vfs, one.bandwidth_mbps))
        self.kinds = self._kinds()
        self.chosen: dict[str, str] = {}
        self._hopeless: set[tuple[object, ...]] = set()

    def _kinds(self) -> dict[str, int]:
        """For each NIC the interfaces that it could serve, as a mask: NICs of one mask differ in their load only."""
        kinds = dict.fromkeys(self.loads, 0)
        for place, interface in enumerate(self.order):
            for nic in self.candidates[interface.id]:
                kinds[nic.nic.pci] |= 1 << place
        return kinds

    def _state(self, index: int) -> tuple[object, ...]:
        """What the rest of the search depends on: the kinds and loads of NICs, whichever they are."""
        loads = self.loads
        alike = sorted(
            (kind >> index, loads[pci].vfs, loads[pci].mbps or -1, loads[pci].untouched)
            for pci, kind in self.kinds.items()
            if kind >> index
        )
        return (index, *alike)

    def _candidates(self, interface: InterfaceRequest) -> list[FreeNic]:
        """The NICs that could serve it, best first: on a node of the cells, no trait wasted, fewest VFs left over."""
        found = [nic for nic in self.host.nics if eligible(nic, interface) and self._placed_well(nic, interface)]
        return sorted(
            found,
            key=lambda nic: (
                nic.nic.numa_node not in self.nodes,
                len(nic.nic.traits - interface.traits),
                nic.vf_count if interface.takes_vfs else nic.nic.total_vfs,
            ),
        )

    def _placed_well(self, nic: FreeNic, interface: InterfaceRequest) -> bool:
        if not self.demand.numa:
            return True
        if self.demand.inside and interface.takes_vfs and nic.nic.numa_node not in self.nodes:
            return False
        return near(nic.nic.numa_node, interface, self.host, self.nodes)

    def run(self, index: int = 0) -> bool:
        if index == len(self.order):
            return True
        state = self._state(index) if index and not self.rules else None
        if state is not None and state in self._hopeless:
            return False
        interface = self.order[index]
        tried: set[tuple[object, ...]] = set()
        for nic in self.candidates[interface.id]:
            load, pci = self.loads[nic.nic.pci], nic.nic.pci
            key = (pci,) if self.rules else (self.kinds[pci] >> index, load.vfs, load.mbps, load.untouched)
            if key in tried or not self._holds(interface, load) or not self.rules.allow(interface.id, pci, self.chosen):
                continue
            tried.add(key)
            if not self.effort.spend():
                return False
            before = (load.vfs, load.mbps, load.untouched)
            self._put(interface, load)
            self.chosen[interface.id] = pci
            if self.run(index + 1):
                return True
            load.vfs, load.mbps, load.untouched = before
            del self.chosen[interface.id]
        if state is not None:
            self._hopeless.add(state)
        return False

    def _holds(self, interface: InterfaceRequest, load: _Load) -> bool:
        if interface.takes_vfs and load.vfs < interface.vfs:
            return False
        if not interface.takes_vfs and not load.untouched:
            return False
        if not self.demand.bandwidth or not interface.bandwidth_mbps:
            return True
        return load.mbps is not None and load.mbps >= interface.bandwidth_mbps

    def _put(self, interface: InterfaceRequest, load: _Load) -> None:
        load.vfs = load.vfs - interface.vfs if interface.takes_vfs else 0
        load.untouched = False
        if load.mbps is not None:
            load.mbps -= interface.bandwidth_mbps


def attach(
    host: FreeHost,
    interfaces: Iterable[InterfaceRequest],
    nodes: frozenset[int],
    rules: NicRules = NO_RULES,
    demand: NicDemand = ALL_DEMANDS,
    effort: Effort | None = None,
) -> dict[str, InterfacePlacement] | None:
    """Where each interface goes when the cells lie on `nodes`, None when it is impossible."""
    every = tuple(interfaces)
    ports = [one for one in every if not one.takes_nic]
    if demand.numa and not all(near_switch(one, host, nodes) for one in ports):
        return None
    search = _Search(host, [one for one in every if one.takes_nic], nodes, rules, demand, effort or Effort())
    if not search.run():
        return None
    placed = {one.id: _port(one, host, nodes) for one in ports}
    left = {nic.nic.pci: nic.vfs for nic in host.nics}
    for interface in every:
        if interface.takes_nic:
            pci = search.chosen[interface.id]
            count = interface.vfs if interface.takes_vfs else 0
            vfs = cpus_of(left[pci])[:count]
            for vf in vfs:
                left[pci] &= ~(1 << vf)
            placed[interface.id] = InterfacePlacement(pci, vfs, host.host.nic(pci).numa_node, interface.bandwidth_mbps)
    return placed


def _port(interface: InterfaceRequest, host: FreeHost, nodes: frozenset[int]) -> InterfacePlacement:
    """A port of the virtual switch, at its PMD thread on a node of the cells if there is one."""
    affine = host.host.vswitch.affine_nodes if host.host.vswitch else frozenset()
    node = min(affine, key=lambda one: (one not in nodes, one), default=None)
    return InterfacePlacement(None, (), node, interface.bandwidth_mbps)


def crosses_numa(interfaces: Mapping[str, InterfacePlacement], nodes: frozenset[int]) -> bool:
    """Whether a VF lies outside all cells; a VF of unknown place counts as outside."""
    return any(one.vfs and one.node not in nodes for one in interfaces.values())

"""What a chain is: classifiers, the intended path, and the rendered paths that packets take.

A :class:`Chain` is the operator's wish: its ``path`` is the service function path (SFP, RFC 7665
section 1.4; ETSI's NFP) with alternatives. An :class:`Rsp` is one direction's concrete sequence of
instances with its service path identifier. :mod:`sfc.path` makes the second out of the first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, StrEnum

from sfc.errors import ModelError, PathError
from sfc.model.classifiers import Classifier
from sfc.model.topology import check_name, check_range

SI_FIRST = 255  # RFC 8300 section 2.3: the classifier's initial service index
SPI_MIN, SPI_MAX = 1, 0xFFFFFE  # 24 bits; 0 and 0xffffff mark the library's own MAC addresses
WEIGHT_MAX = 1000
SHARE_MAX = WEIGHT_MAX**6  # a branch's weight is the product of its instances'
CLASSIFIERS_MAX = 256  # a cookie counts them in 8 bits


class Direction(Enum):
    """Along the chain as its author wrote it, or back."""

    FORWARD = 0
    REVERSE = 1


@dataclass(frozen=True, slots=True, order=True)
class PathPosition:
    """Service path identifier (24 bits) and service index (8 bits): where on which path a packet is."""

    spi: int
    si: int

    def __post_init__(self) -> None:
        check_range("spi", self.spi, 0, (1 << 24) - 1)
        check_range("si", self.si, 0, 255)

    @property
    def word(self) -> int:
        """Both as the 32 bits of the service path header, RFC 8300 section 2.3."""
        return self.spi << 8 | self.si

    def __str__(self) -> str:
        return f"{self.spi}/{self.si}"


@dataclass(frozen=True, slots=True)
class WeightedInstance:
    """A candidate of a group; a weight of 0 keeps it out while another is there."""

    function: str
    weight: int = 1

    def __post_init__(self) -> None:
        check_range(f"weight of {self.function}", self.weight, 0, WEIGHT_MAX)


@dataclass(frozen=True, slots=True)
class PathGroup:
    """One hop of the intended path: any of these instances will do."""

    name: str
    instances: tuple[WeightedInstance, ...]
    spread: bool = False
    """True: connections are spread over all instances by weight, and each stays on its own. False: one serves all."""
    only: Direction | None = None
    """Of a partly symmetric chain: the one direction whose packets meet it; None: both."""
    by_addresses: bool = False
    """Of a group that spreads: all connections between two addresses meet the same instance."""

    def __post_init__(self) -> None:
        check_name("path group", self.name)
        if not self.instances:
            raise ModelError("GROUP_EMPTY", f"path group {self.name} has no instance")
        if len({instance.function for instance in self.instances}) != len(self.instances):
            raise ModelError("TWICE", f"path group {self.name} names an instance twice")

    @classmethod
    def of(cls, name: str, *functions: str, spread: bool = False) -> PathGroup:
        """A group of equally weighted instances; of ``name`` alone when none is given."""
        return cls(name, tuple(WeightedInstance(function) for function in functions or (name,)), spread)


class OnMiss(StrEnum):
    """A reverse packet whose connection has no mark (first packet from outside, or marks lost by a restart)."""

    CLASSIFY = "classify"
    """Classified anew by the reversed classifiers, and counted."""
    DROP = "drop"
    """Dropped and counted when it would belong to this chain."""


@dataclass(frozen=True, slots=True)
class Chain:
    """A service function chain as its author wants it.

    ``path`` lists every function in order. When the last one rewrites 5-tuples (a NAT) the chain ends at its
    inside port and ``egress`` stays None; else ``egress`` names the port where packets leave. The end is the
    reverse classifier of a symmetric chain.
    """

    id: str
    ingress: str
    """Port whose packets are classified."""
    path: tuple[PathGroup, ...]
    classifiers: tuple[Classifier, ...] = (Classifier(),)
    egress: str | None = None
    symmetric: bool = True
    name: str = ""
    order: int = 0
    """Place of its NFP in the VNFFG: the lower wins between equal priorities."""
    on_miss: OnMiss = OnMiss.CLASSIFY
    after: tuple[str, ...] = ()
    """Of a graph: chains at whose end this one's classifiers choose, instead of at the ingress. What none of them takes
    leaves there. All of these chains have one ingress; a symmetric chain follows one symmetric chain."""
    context: tuple[int, int, int] = (0, 0, 0)
    """MD type 1 context words 1 to 3 as imposed; 0 in the first means the library's marker with the SPI.
    The fourth always carries the position of the imposition."""

    def __post_init__(self) -> None:
        check_name("chain", self.id)
        check_range(f"chain {self.id}: hops", len(self.path), 1, SI_FIRST - 1)
        check_range(f"chain {self.id}: order", self.order, 0, 1 << 31)
        check_range(f"chain {self.id}: classifiers", len(self.classifiers), 1, CLASSIFIERS_MAX)
        self._check_vlan()
        if self.id in self.after or len(set(self.after)) != len(self.after):
            raise ModelError("GRAPH", f"chain {self.id} follows itself, or one chain twice")
        for classifier in self.classifiers if not self.after else ():
            if classifier.match.context is not None:
                raise ModelError(
                    "GRAPH", f"chain {self.id} follows no chain: its packets have no context yet", "name it in after"
                )
        for word in self.context:
            check_range(f"chain {self.id}: context word", word, 0, (1 << 32) - 1)

    def _check_vlan(self) -> None:
        vlans = {classifier.match.vlan for classifier in self.classifiers}
        if len(vlans) > 1:
            named = ", ".join("none" if vlan is None else str(vlan) for vlan in sorted(vlans, key=_vlan_first))
            raise ModelError(
                "VLAN_MIXED",
                f"the classifiers of chain {self.id} take packets of several VLANs: {named}",
                "make a chain for each: inside it packets have no tag, and its end must know which one to put back",
            )
        if vlans != {None} and self.after:
            raise ModelError(
                "VLAN_GRAPH", f"chain {self.id} follows another, inside which packets have no tag", "leave vlan out"
            )

    @property
    def vlan(self) -> int | None:
        """The VLAN whose packets it takes; None: those without a tag."""
        return self.classifiers[0].match.vlan

    @property
    def vlan_priority(self) -> int:
        """Priority of the tag that is put back at an end: the one that all its classifiers ask for, else 0."""
        priorities = {classifier.match.vlan_priority for classifier in self.classifiers}
        return (priorities.pop() or 0) if len(priorities) == 1 else 0


def _vlan_first(vlan: int | None) -> int:
    return -1 if vlan is None else vlan


@dataclass(frozen=True, slots=True)
class Hop:
    """One function of an RSP with where and how it is met."""

    si: int
    """Service index with which the packet is handed to it; it comes back with one less."""
    sff: str
    function: str
    port_in: str
    """Port that the packet is handed to."""
    port_out: str
    """Port that it comes back from."""


@dataclass(frozen=True, slots=True)
class Rsp:
    """Rendered service path: the concrete hops of one direction of a chain.

    ``hops`` are the functions that packets pass; a function at the end (NAT) is ``terminator`` of the forward
    direction and origin of the reverse one, and holds no service index of its own.
    """

    chain: str
    direction: Direction
    spi: int
    start: str
    """Port of its classifier."""
    end: str
    """Port where packets leave."""
    start_sff: str
    end_sff: str
    hops: tuple[Hop, ...]
    terminator: str | None = None
    detours: tuple[tuple[str, ...], ...] = ()
    """Ways (from, over, …, to) between forwarders whose own tunnel is down; all others are straight."""

    def __post_init__(self) -> None:
        check_range(f"chain {self.chain}: spi", self.spi, SPI_MIN, SPI_MAX)
        for index, hop in enumerate(self.hops):
            if hop.si != SI_FIRST - index:
                raise ModelError("HOP_SI", f"chain {self.chain}: hop {index} has service index {hop.si}")

    @property
    def end_si(self) -> int:
        """Service index behind the last hop."""
        return SI_FIRST - len(self.hops)

    def hop(self, si: int) -> Hop | None:
        """The function met at this service index; None at the end of the path."""
        return self.hops[SI_FIRST - si] if si > self.end_si else None

    def position(self, si: int) -> PathPosition:
        """Position on this path."""
        return PathPosition(self.spi, si)

    @property
    def functions(self) -> tuple[str, ...]:
        """Ids of the functions that a packet meets, in order, a terminator included."""
        passed = tuple(hop.function for hop in self.hops)
        if self.terminator is None:
            return passed
        return (*passed, self.terminator) if self.direction is Direction.FORWARD else (self.terminator, *passed)


@dataclass(frozen=True, slots=True)
class PlannedChain:
    """A chain with its rendered paths: what :func:`sfc.render.render` turns into flows.

    While a chain changes, two versions of it with different SPIs live side by side; one of them is ``classified``.
    A chain that spreads its connections has one of these, a branch, for each combination of instances.
    """

    chain: Chain
    forward: Rsp
    reverse: Rsp | None = None
    classified: bool = True
    """False: the paths carry what is on them, but no new packet enters."""
    heir: int | None = None
    """Forward SPI of the version whose reverse path takes the connections marked with this one."""
    share: int | None = None
    """Of a branch: its weight among the chain's branches; with 0 it only keeps the connections that it has."""
    cut_off: frozenset[str] = frozenset()
    """Functions that the chain cannot reach: the forwarder before each does for it what its policy says."""

    def __post_init__(self) -> None:
        if self.chain.symmetric != (self.reverse is not None):
            raise ModelError("SYMMETRY", f"chain {self.chain.id}: a reverse path exactly when it is symmetric")
        if self.reverse is not None and self.reverse.spi == self.forward.spi:
            raise ModelError("SPI_TWICE", f"chain {self.chain.id}: both directions have SPI {self.forward.spi}")
        if self.reverse is not None and not _mirrors(self.chain, self.forward, self.reverse):
            raise ModelError("MIRROR", f"chain {self.chain.id}: the directions meet different functions")
        if self.share is not None:
            check_range(f"chain {self.chain.id}: share of a branch", self.share, 0, SHARE_MAX)

    @property
    def rsps(self) -> tuple[Rsp, ...]:
        """Its directions, forward first."""
        return (self.forward,) if self.reverse is None else (self.forward, self.reverse)

    def other(self, direction: Direction) -> Rsp | None:
        """The path against ``direction``."""
        return self.reverse if direction is Direction.FORWARD else self.forward


def _mirrors(chain: Chain, forward: Rsp, reverse: Rsp) -> bool:
    """True when both directions meet the same functions, but those of groups that only one of them meets."""
    if forward.functions == reverse.functions[::-1]:
        return True
    single = {each.function for group in chain.path if group.only is not None for each in group.instances}
    there = [name for name in forward.functions if name not in single]
    return bool(single) and there == [name for name in reverse.functions[::-1] if name not in single]


@dataclass(frozen=True, slots=True)
class SpiPool:
    """Service path identifiers of one configured range; a value: allocation returns the next pool.

    A released SPI is not given out before every other free one was: the pool walks round its range, so that
    no packet under way meets a new path with an old number.
    """

    first: int = 100
    last: int = SPI_MAX
    used: frozenset[int] = frozenset()
    next: int = 0
    """Where the walk goes on; 0 means at ``first``."""
    resting: frozenset[tuple[int, float]] = frozenset()
    """Released ones that packets under way may still carry, each with the moment from which it is free."""

    def __post_init__(self) -> None:
        check_range("first SPI", self.first, SPI_MIN, SPI_MAX)
        check_range("last SPI", self.last, self.first, SPI_MAX)
        if self.next:
            check_range("next SPI", self.next, self.first, self.last + 1)

    def allocate(self, count: int, now: float = 0.0) -> tuple[tuple[int, ...], SpiPool]:
        """``count`` free SPIs and the pool without them; :class:`PathError` when there are too few.

        ``now`` on the clock of :meth:`release`: those whose rest is over are free again.
        """
        size = self.last - self.first + 1
        resting = frozenset(each for each in self.resting if each[1] > now)
        taken = self.used | {spi for spi, _ in resting}
        start = (self.next or self.first) - self.first
        found: list[int] = []
        for step in range(size):
            spi = self.first + (start + step) % size
            if len(found) == count:
                break
            if spi not in taken:
                found.append(spi)
        if len(found) < count:
            rest = f", {len(resting)} more are resting" if resting else ""
            raise PathError(
                "SPI_EXHAUSTED", f"{count} SPIs wanted, {len(found)} free in {self.first}..{self.last}{rest}"
            )
        after = found[-1] + 1 if found else self.next
        return tuple(found), SpiPool(self.first, self.last, self.used | frozenset(found), after, resting)

    def release(self, spis: Iterable[int], until: float = 0.0) -> SpiPool:
        """The pool with these free again, from the moment ``until`` on (seconds, on whatever clock the caller has).

        A rest longer than any packet stays under way, in queues and inside functions, keeps an old packet from a new
        path.
        """
        gone = frozenset(spis) & self.used
        rest = frozenset((spi, until) for spi in gone) if until > 0.0 else frozenset()
        return SpiPool(self.first, self.last, self.used - gone, self.next, self.resting | rest)

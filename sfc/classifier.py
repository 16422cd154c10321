"""Which classifier wins, and which of them get in each other's way.

The order is one for the whole library: the higher priority, then the chain's place in its VNFFG, then its id. The
renderer turns it into flow priorities, the verifier into its expectation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations

from sfc import matchspace
from sfc.headerspace import meet
from sfc.model.bits import Bits
from sfc.model.chains import Chain
from sfc.model.classifiers import Classifier, ContextMatch, Match
from sfc.model.topology import Topology


def precedence(chain: Chain, classifier: Classifier) -> tuple[int, int, str]:
    """Sort key: the smaller wins."""
    return (-classifier.priority, chain.order, chain.id)


def ranking(chains: Iterable[Chain]) -> tuple[tuple[Chain, int], ...]:
    """(chain, number of its classifier) of all classifiers, the winner first."""
    rules = [(chain, index) for chain in chains for index in range(len(chain.classifiers))]
    return tuple(sorted(rules, key=lambda rule: (precedence(rule[0], rule[0].classifiers[rule[1]]), rule[1])))


class DecidedBy(StrEnum):
    """What makes one of two overlapping classifiers win."""

    PRIORITY = "priority"
    ORDER = "order"
    ID = "id"


@dataclass(frozen=True, slots=True)
class Overlap:
    """Two classifiers of one port that some packet satisfies both."""

    ingress: str
    winner: str
    winner_classifier: int
    loser: str
    loser_classifier: int
    decided_by: DecidedBy
    shadows: bool
    """The loser never takes a packet: the winner takes all of its traffic."""

    def __str__(self) -> str:
        share = "all" if self.shadows else "a part"
        return (
            f"classifier {self.winner_classifier} of chain {self.winner} takes {share} of the traffic of classifier "
            f"{self.loser_classifier} of chain {self.loser} at port {self.ingress}, by {self.decided_by.value}"
        )


def overlaps(chains: Iterable[Chain]) -> tuple[Overlap, ...]:
    """Overlapping classifiers of different chains, by port and in the order of precedence.

    Of a graph, those that choose at the end of the same chain are in each other's way.
    """
    together: dict[tuple[str, str], list[Chain]] = {}
    for chain in chains:
        for before in chain.after or ("",):
            together.setdefault((chain.ingress, before), []).append(chain)
    found = (overlap for place in sorted(together) for overlap in _overlaps_at(place[0], ranking(together[place])))
    return tuple(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class NeverMatches:
    """A classifier for traffic that its port may not send at all."""

    chain: str
    classifier: int
    ingress: str

    def __str__(self) -> str:
        return f"classifier {self.classifier} of chain {self.chain} wants what port {self.ingress} may not send"


def idle_classifiers(topology: Topology, chains: Iterable[Chain]) -> tuple[NeverMatches, ...]:
    """Classifiers whose IP version, source, source MAC or VLAN no allowed packet of their port has."""
    return tuple(
        NeverMatches(chain.id, index, chain.ingress)
        for chain in chains
        for index, classifier in enumerate(chain.classifiers)
        if not _possible(topology, chain, classifier.match)
    )


def warnings(topology: Topology, chains: Iterable[Chain]) -> tuple[str, ...]:
    """What an author of chains should be told: classifiers in each other's way, and such that match nothing."""
    known = tuple(chains)
    return (*map(str, overlaps(known)), *map(str, idle_classifiers(topology, known)))


def intersect(one: Match, other: Match) -> bool:
    """True when some packet satisfies both."""
    return _contexts_meet(one.context, other.context) and matchspace.intersect(one, other)


def contains(outer: Match, inner: Match) -> bool:
    """True when every packet of ``inner`` satisfies ``outer``."""
    return _context_contains(outer.context, inner.context) and matchspace.within(inner, outer)


def _overlaps_at(port: str, ranked: Sequence[tuple[Chain, int]]) -> Iterable[Overlap]:
    for (winner, first), (loser, second) in combinations(ranked, 2):
        one, other = winner.classifiers[first], loser.classifiers[second]
        if winner.id != loser.id and intersect(one.match, other.match):
            shadows = contains(one.match, other.match)
            yield Overlap(port, winner.id, first, loser.id, second, _decision(winner, one, loser, other), shadows)


def _decision(winner: Chain, one: Classifier, loser: Chain, other: Classifier) -> DecidedBy:
    if one.priority != other.priority:
        return DecidedBy.PRIORITY
    return DecidedBy.ORDER if winner.order != loser.order else DecidedBy.ID


def _possible(topology: Topology, chain: Chain, match: Match) -> bool:
    port = topology.port(chain.ingress)
    if not _is_own(match.source_mac, port.mac) or (match.vlan is not None and not port.trunk):
        return False
    for prefix in port.sources:
        width, own = prefix.max_prefixlen, ((int(prefix.network_address), int(prefix.netmask)),)
        if prefix.version in match.versions and meet(own, matchspace.addresses_space(match.source, width)):
            return True
    return False


def _is_own(wanted: int | Bits | None, mac: int) -> bool:
    return wanted is None or (wanted.takes(mac) if isinstance(wanted, Bits) else wanted == mac)


def _contexts_meet(one: ContextMatch | None, other: ContextMatch | None) -> bool:
    if one is None or other is None or one.word != other.word:
        return True
    return (one.value ^ other.value) & one.mask & other.mask == 0


def _context_contains(outer: ContextMatch | None, inner: ContextMatch | None) -> bool:
    """True when the outer one takes what the inner one takes; a match on context is made before all others."""
    if outer is None:
        return inner is None
    if inner is None or outer.word != inner.word:
        return False
    return not outer.mask & ~inner.mask and inner.value & outer.mask == outer.value

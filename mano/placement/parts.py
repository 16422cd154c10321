"""The parts of a decision: filters, scores and fits, put in order from whatever is registered.

Nothing here knows what there is. Ours and those of other packages are entry points of the same groups; the order alone
tells ours apart, so that it is the same whatever else is installed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from mano.placement import filters, scores
from mano.placement.effort import Effort
from mano.placement.filters import Filter, Refusal
from mano.placement.free import FreeHost
from mano.placement.nics import crosses_numa
from mano.placement.numa import NO_FIT_RULES, Fit, FitRules
from mano.placement.plugins import Plugin, registered
from mano.placement.request import VduRequest
from mano.placement.result import CODE_ORDER, Code
from mano.placement.room import has_room_on
from mano.placement.scores import Proposal, Score, ScoreFunction

FITS = "catena.placement.fits"

FitFunction = Callable[..., Fit | None]
"""`(host: FreeHost, vdu: VduRequest, rules: FitRules, *, effort: Effort | None) -> Fit | None`, None leaving it to the
next one. What it finds must be free on the host, keep the rules, and hold all that the VDU asks for."""

_CODES = {code.lower(): number for number, code in enumerate(CODE_ORDER)}
_GROUPS_COME_AT = _CODES[Code.AFFINITY.lower()]
_SCORES = {name: number for number, name in enumerate((*scores.FIRST, "", *scores.LAST))}
_OTHERS = _SCORES[""]

_ANSWERS: Mapping[str, tuple[type, ...]] = {
    filters.GROUP: (Refusal, type(None)),
    scores.GROUP: (int,),
    FITS: (Fit, type(None)),
}


@dataclass(frozen=True)
class Parts:
    """Filters in the order of the codes, those of third parties last; scores in the order in which they are compared;
    fits in the order in which they are asked, ours last."""

    filters: tuple[Plugin, ...]
    scores: tuple[Plugin, ...]
    fits: tuple[Plugin, ...]

    @classmethod
    def installed(cls) -> Parts:
        """What is registered now. Raises PluginError where a part cannot be loaded."""
        return _sorted(*(registered(group, answers) for group, answers in _ANSWERS.items()))

    def ours(self) -> Parts:
        """The same without third parties."""
        return Parts(*(tuple(one for one in parts if one.is_ours) for parts in (self.filters, self.scores, self.fits)))

    def and_also(
        self,
        filters_too: Iterable[Filter] = (),
        scores_too: Iterable[ScoreFunction] = (),
        fits_too: Iterable[FitFunction] = (),
    ) -> Parts:
        """The same with functions that nobody registered, under their own names."""
        return _sorted(
            self.filters + _given(filters.GROUP, filters_too),
            self.scores + _given(scores.GROUP, scores_too),
            self.fits + _given(FITS, fits_too),
        )

    @cached_property
    def before_groups(self) -> tuple[Plugin, ...]:
        """Filters that are asked before groups are examined."""
        return tuple(one for one in self.filters if one.is_ours and _place_of_filter(one) < _GROUPS_COME_AT)

    @cached_property
    def resources(self) -> tuple[Plugin, ...]:
        """Filters of ours that are asked after that."""
        return tuple(one for one in self.filters if one.is_ours and _place_of_filter(one) > _GROUPS_COME_AT)

    @cached_property
    def foreign_filters(self) -> tuple[Plugin, ...]:
        """Filters of third parties, asked about hosts that pass all of ours."""
        return tuple(one for one in self.filters if not one.is_ours)

    def score(self, proposal: Proposal) -> Score:
        return Score(tuple((one.name, int(one(proposal))) for one in self.scores), proposal.host.host.name)

    def fit(
        self, host: FreeHost, vdu: VduRequest, rules: FitRules = NO_FIT_RULES, *, effort: Effort | None = None
    ) -> Fit | None:  # fmt: skip
        """The place that the first fit finds that finds any. Raises PluginError where a third party's is impossible."""
        for one in self.fits:
            found: Fit | None = one(host, vdu, rules, effort=effort)
            if found is not None:
                return found if one.is_ours else _examined(one, found, host, vdu, rules)
        return None


def _given(group: str, functions: Iterable[Callable[..., Any]]) -> tuple[Plugin, ...]:
    return tuple(Plugin(group, one.__name__, "the caller", one, _ANSWERS[group]) for one in functions)


@lru_cache(maxsize=16)
def _sorted(
    some_filters: tuple[Plugin, ...], some_scores: tuple[Plugin, ...], some_fits: tuple[Plugin, ...]
) -> Parts:  # fmt: skip
    return Parts(
        tuple(sorted(some_filters, key=_by(_place_of_filter))),
        tuple(sorted(some_scores, key=_by(lambda one: _SCORES.get(one.name, _OTHERS) if one.is_ours else _OTHERS))),
        tuple(sorted(some_fits, key=_by(lambda one: int(one.is_ours)))),
    )


def _place_of_filter(one: Plugin) -> int:
    return _CODES.get(one.name, len(_CODES)) if one.is_ours else len(_CODES) + 1


def _by(place: Callable[[Plugin], int]) -> Callable[[Plugin], Any]:
    return lambda one: (place(one), one.name, one.distribution)


def _examined(part: Plugin, found: Fit, host: FreeHost, vdu: VduRequest, rules: FitRules) -> Fit:
    """What a third party's fit found, if it can be."""
    for wrong, what in (
        (not _holds(found, vdu), "that does not hold what the VDU asks for"),
        (not has_room_on(host, found.allocation), "that is not free on the host"),
        (not _keeps(found, rules), "that breaks a group's rule"),
    ):
        if wrong:
            raise part.fault(f"found a place for {vdu.id!r:.60} on {host.host.name!r:.60} {what}")
    return Fit(found.allocation, crosses_numa(found.allocation.interfaces, frozenset(found.allocation.nodes)))


def _holds(found: Fit, vdu: VduRequest) -> bool:
    allocation = found.allocation
    vcpus = sum(len(cell.cpus) + cell.shared_vcpus for cell in allocation.cells)
    memory = sum(cell.memory_mib for cell in allocation.cells)
    interfaces = set(allocation.interfaces) == {one.id for one in vdu.interfaces}
    asked = (vdu.id, vdu.vcpus, vdu.memory_mib, vdu.storage_gib)
    return interfaces and (allocation.id, vcpus, memory, allocation.storage_gib) == asked


def _keeps(found: Fit, rules: FitRules) -> bool:
    nodes = frozenset(found.allocation.nodes)
    if len(nodes) < len(found.allocation.nodes) or nodes & rules.forbidden_nodes:
        return False
    chosen: dict[str, str] = {}
    for key, interface in found.allocation.interfaces.items():
        if interface.pci is not None:
            if not rules.nics.allow(key, interface.pci, chosen):
                return False
            chosen[key] = interface.pci
    return rules.exact_nodes is None or nodes == rules.exact_nodes

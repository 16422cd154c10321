"""Rules of one table and priority that some packet satisfies both: which of them it meets is undefined.

OpenFlow 1.5.1 section 6.4 leaves it open, and Open vSwitch decides as it likes, so such rules must do the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import combinations

from sfc.model.fields import Field
from sfc.model.flows import Flow

_Shape = tuple[tuple[Field, int], ...]
"""Fields with their masks."""


def ambiguous(flows: Iterable[Flow], fresh: Iterable[Flow] | None = None) -> Iterator[tuple[Flow, Flow]]:
    """Pairs of rules that overlap at one priority and differ in their actions.

    With ``fresh``, only tables and priorities of these are looked at: the others are known to be without.
    """
    places = None if fresh is None else {(flow.table, flow.priority) for flow in fresh}
    together: dict[tuple[int, int], dict[_Shape, list[Flow]]] = defaultdict(lambda: defaultdict(list))
    for flow in flows:
        if places is None or (flow.table, flow.priority) in places:
            shape = tuple([(part.field, part.mask or part.field.full_mask) for part in flow.match])
            together[flow.table, flow.priority][shape].append(flow)
    for shapes in together.values():
        for (one, some), (other, others) in combinations(shapes.items(), 2):
            yield from _between(dict(one), some, dict(other), others)


def _between(
    one: dict[Field, int], some: list[Flow], other: dict[Field, int], others: list[Flow]
) -> Iterator[tuple[Flow, Flow]]:
    """Rules of two shapes meet where the bits that both look at are the same."""
    both = {field: mask & other[field] for field, mask in one.items() if field in other}
    known: dict[tuple[int, ...], list[Flow]] = defaultdict(list)
    for flow in some:
        known[_seen(flow, both)].append(flow)
    for flow in others:
        for rival in known.get(_seen(flow, both), ()):
            if rival.actions != flow.actions:
                yield rival, flow


def _seen(flow: Flow, both: dict[Field, int]) -> tuple[int, ...]:
    """In the order of the fields, which is that of every match."""
    return tuple([part.value & both[part.field] for part in flow.match if part.field in both])

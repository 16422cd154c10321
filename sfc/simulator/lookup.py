"""Finding the rule of a packet: tuple space search, as a switch does it.

Flows of one table that look at the same bits of the same fields form a group, a dictionary from the bits' values to
the flow. Groups are asked in the order of their best priority.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from operator import and_, itemgetter
from typing import Any

from sfc.model.fields import Field
from sfc.model.flows import Flow, FlowTables
from sfc.simulator.keys import Key

_Shape = tuple[tuple[Field, int | None], ...]
"""Fields with their masks; None: all bits."""


class FlowIndex:
    """The flows of one bridge, ready for lookup."""

    def __init__(self, tables: FlowTables, before: FlowIndex | None = None) -> None:
        """``before`` is the index of earlier tables of the bridge: what did not change is taken from it."""
        self._flows = tables.by_table
        self._tables: dict[int, tuple[_Group, ...]] = {}
        for table, flows in self._flows.items():
            known = before is not None and before._flows.get(table) == flows
            self._tables[table] = before._tables[table] if before is not None and known else _grouped(flows)

    def find(self, table: int, key: Key) -> Flow | None:
        """The flow of highest priority that matches; None at a table miss."""
        found: Flow | None = None
        for group in self._tables.get(table, ()):
            if found is not None and found.priority >= group.best:
                break
            try:
                values = group.pick(key)
            except KeyError:  # the packet lacks a field of this group
                continue
            if group.masks is not None:
                values = tuple(map(and_, values, group.masks))
            candidate = group.flows.get(values)
            if candidate is not None and (found is None or candidate.priority > found.priority):
                found = candidate
        return found


@dataclass(slots=True)
class _Group:
    """Flows of one shape. ``pick`` takes a key's values of the shape's fields, ``masks`` are then applied to them."""

    pick: Callable[[Key], Any]
    masks: tuple[int, ...] | None
    best: int
    flows: dict[Any, Flow] = field(default_factory=dict)


def _grouped(flows: tuple[Flow, ...]) -> tuple[_Group, ...]:
    groups: dict[_Shape, _Group] = {}
    for flow in flows:
        shape = tuple([(part.field, part.mask) for part in flow.match])
        group = groups.get(shape)
        if group is None:
            group = groups[shape] = _Group(*_reader(shape), flow.priority)
        # Flows come highest priority first: of two with one match, the first wins.
        group.flows.setdefault(group.pick({part.field: part.value for part in flow.match}), flow)
    return tuple(sorted(groups.values(), key=lambda group: -group.best))


def _reader(shape: _Shape) -> tuple[Callable[[Key], Any], tuple[int, ...] | None]:
    """How a key's values of this shape are read: one value bare, several as a tuple."""
    if not shape:
        return lambda key: (), None
    fields = [name for name, _ in shape]
    if all(mask is None for _, mask in shape):
        return itemgetter(*fields), None
    if len(fields) == 1:
        return lambda key: (key[fields[0]],), (shape[0][1] or 0,)
    return itemgetter(*fields), tuple(name.full_mask if mask is None else mask for name, mask in shape)

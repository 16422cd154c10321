"""Finding the rule of a packet: tuple space search, as a switch does it.

Flows of one table that look at the same bits of the same fields form a group, a dictionary from the bits' values to
the flow. Groups are asked in the order of their best priority.
"""

from __future__ import annotations

from dataclasses import dataclass

from sfc.model.fields import Field
from sfc.model.flows import Flow, FlowTables
from sfc.simulator.keys import Key

_Shape = tuple[tuple[Field, int], ...]


@dataclass(slots=True)
class _Group:
    shape: _Shape
    best: int
    flows: dict[tuple[int, ...], Flow]


class FlowIndex:
    """The flows of one bridge, ready for lookup."""

    def __init__(self, tables: FlowTables) -> None:
        self._tables = {table: _grouped(flows) for table, flows in tables.by_table.items()}

    def find(self, table: int, key: Key) -> Flow | None:
        """The flow of highest priority that matches; None at a table miss."""
        found: Flow | None = None
        for group in self._tables.get(table, ()):
            if found is not None and found.priority >= group.best:
                break
            values = _values(group.shape, key)
            candidate = None if values is None else group.flows.get(values)
            if candidate is not None and (found is None or candidate.priority > found.priority):
                found = candidate
        return found


def _values(shape: _Shape, key: Key) -> tuple[int, ...] | None:
    values = []
    for field, mask in shape:
        value = key.get(field)
        if value is None:
            return None
        values.append(value & mask)
    return tuple(values)


def _grouped(flows: tuple[Flow, ...]) -> tuple[_Group, ...]:
    groups: dict[_Shape, _Group] = {}
    for flow in flows:
        shape = tuple((part.field, part.field.full_mask if part.mask is None else part.mask) for part in flow.match)
        group = groups.setdefault(shape, _Group(shape, flow.priority, {}))
        # Flows come highest priority first: of two with one match, the first wins.
        group.flows.setdefault(tuple(part.value for part in flow.match), flow)
    return tuple(sorted(groups.values(), key=lambda group: -group.best))

"""The cheapest assignment of cells to distinct NUMA nodes (the Hungarian method), with nodes that must be used."""

from __future__ import annotations

from collections.abc import Sequence

_FORBIDDEN = 1 << 60
_MUST = 1 << 40
"""Worth of using a node that must be used: above any sum of costs (each at most 2^30), below what is forbidden."""


def assign(costs: Sequence[Sequence[int | None]], must: frozenset[int] = frozenset()) -> tuple[int, ...] | None:
    """For each row the column it gets, each column once, at the least total cost; None when it is impossible.

    `costs[row][column]` is from 0 to 2^30, or None where the row cannot have the column. Every column in `must` has to
    be used: if one matching serves all rows and another all of these columns, then one does both (Mendelsohn and
    Dulmage), and paying for them finds it. Takes rows² · columns steps.
    """
    rows = len(costs)
    columns = len(costs[0]) if rows else 0
    if rows > columns or len(must) > rows:
        return None
    worth = [_MUST if column in must else 0 for column in range(columns)]
    matrix = [
        [_FORBIDDEN if cost is None else cost + _MUST - worth[column] for column, cost in enumerate(row)]
        for row in costs
    ]
    chosen = _hungarian(matrix, columns)
    if any(costs[row][column] is None for row, column in enumerate(chosen)) or not must <= set(chosen):
        return None
    return chosen


def _hungarian(matrix: Sequence[Sequence[int]], columns: int) -> tuple[int, ...]:
    """Shortest augmenting paths with potentials; column 0 of the working arrays is the row that looks for a place."""
    row_potential = [0] * (len(matrix) + 1)
    column_potential = [0] * (columns + 1)
    owner = [0] * (columns + 1)
    for row in range(1, len(matrix) + 1):
        owner[0] = row
        reached = 0
        slack = [1 << 62] * (columns + 1)
        came_from = [0] * (columns + 1)
        done = [False] * (columns + 1)
        while owner[reached]:
            done[reached] = True
            current, delta, following = owner[reached], 1 << 62, 0
            costs, potential = matrix[current - 1], row_potential[current]
            for column in range(1, columns + 1):
                if done[column]:
                    continue
                reduced = costs[column - 1] - potential - column_potential[column]
                if reduced < slack[column]:
                    slack[column], came_from[column] = reduced, reached
                if slack[column] < delta:
                    delta, following = slack[column], column
            for column in range(columns + 1):
                if done[column]:
                    row_potential[owner[column]] += delta
                    column_potential[column] -= delta
                else:
                    slack[column] -= delta
            reached = following
        while reached:
            owner[reached] = owner[came_from[reached]]
            reached = came_from[reached]
    chosen = [0] * len(matrix)
    for column in range(1, columns + 1):
        if owner[column]:
            chosen[owner[column] - 1] = column - 1
    return tuple(chosen)

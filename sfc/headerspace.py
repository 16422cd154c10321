"""Sets of header values as (value, mask) pairs, exactly: common values, what one set has beyond another.

A pair takes the values that equal ``value`` where ``mask`` has ones: a point of header space algebra (Kazemian,
Varghese, McKeown: Header Space Analysis, NSDI 2012). A set is any of its pairs. Fields that stand side by side make one
wider pair, so a whole packet is one number.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

Cube = tuple[int, int]
"""Value and mask."""

EVERYTHING: Cube = (0, 0)


def common(one: Cube, other: Cube) -> Cube | None:
    """What both take; None when they have nothing in common."""
    if (one[0] ^ other[0]) & one[1] & other[1]:
        return None
    return one[0] | other[0], one[1] | other[1]


def meet(some: Iterable[Cube], others: Iterable[Cube]) -> bool:
    """True when two sets have a value in common."""
    known = tuple(others)
    return any(not (a ^ b) & m & n for a, m in some for b, n in known)


def minus(one: Cube, other: Cube) -> Iterator[Cube]:
    """What the first takes and the second does not, in pairs that have nothing in common."""
    if (one[0] ^ other[0]) & one[1] & other[1]:
        yield one
        return
    value, mask = one
    free = other[1] & ~mask
    while free:
        bit = free & -free
        free ^= bit
        yield value | (~other[0] & bit), mask | bit
        value, mask = value | (other[0] & bit), mask | bit


def beyond(some: Iterable[Cube], others: Iterable[Cube]) -> tuple[Cube, ...]:
    """What a set has that none of the others has."""
    left = tuple(some)
    for other in others:
        if not left:
            break
        left = tuple(piece for cube in left for piece in minus(cube, other))
    return left


def contains(outer: Iterable[Cube], inner: Iterable[Cube]) -> bool:
    """True when every value of ``inner`` is one of ``outer``."""
    return not beyond(inner, outer)


def of_range(first: int, last: int, width: int) -> tuple[Cube, ...]:
    """A range of numbers as the fewest pairs, ascending."""
    pairs = []
    full = (1 << width) - 1
    while first <= last:
        size = (first & -first) or 1 << width
        while first + size - 1 > last:
            size >>= 1
        pairs.append((first, full & ~(size - 1)))
        first += size
    return tuple(pairs)


def member(cube: Cube, otherwise: int = 0) -> int:
    """One value of a pair, with the bits of ``otherwise`` where any will do."""
    return cube[0] | otherwise & ~cube[1]

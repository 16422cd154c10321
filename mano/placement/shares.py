"""Amounts dealt out to places: evenly within limits, and memory in pages of a size that each place may choose.

Sizes of pages are powers of two, which is what makes filling exact: of pages that add up to a larger one some add up to
it exactly, so taking the largest ones first misses nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from mano.placement.effort import Effort

Way = tuple[int, int]
"""A size, and how many of it there are."""


def level(total: int, limits: Sequence[int]) -> list[int] | None:
    """`total` dealt out as evenly as the limits allow; None when they add up to less."""
    if sum(limits) < total:
        return None
    shares = [0] * len(limits)
    left = total
    while left:
        open_places = [place for place, limit in enumerate(limits) if shares[place] < limit]
        step = max(1, min(left // len(open_places), min(limits[place] - shares[place] for place in open_places)))
        for place in open_places[:left]:
            shares[place] += step
            left -= step
            if left < step:
                break
    return shares


def fill(total: int, ways: Sequence[Way]) -> list[int] | None:
    """Multiples of each place's size, at least one of each, that add up to `total`."""
    if min(limit for _, limit in ways) < 1:
        return None
    sizes = [size for size, _ in ways]
    if len(set(sizes)) == 1:
        return _fill_evenly(total, sizes[0], [limit for _, limit in ways])
    left = total - sum(sizes)
    shares = list(sizes)
    for place in sorted(range(len(ways)), key=lambda one: -sizes[one]):
        more = max(0, min(left // sizes[place], ways[place][1] - 1))
        shares[place] += more * sizes[place]
        left -= more * sizes[place]
    return None if left else shares


def _fill_evenly(total: int, size: int, limits: Sequence[int]) -> list[int] | None:
    count, rest = divmod(total, size)
    if rest or count < len(limits):
        return None
    shares = level(count - len(limits), [limit - 1 for limit in limits])
    return None if shares is None else [(share + 1) * size for share in shares]


class PageChoice:
    """Which of its sizes each place takes, so that all of them together can hold a total.

    Goes through the choices in order, place after place, and leaves those that cannot come to anything: too little or
    too much for the total, or a rest that no page of a larger size can hold and the smaller ones together neither.
    """

    def __init__(self, total: int, places: Sequence[Sequence[Way]]) -> None:
        """Each place lists its sizes in the order in which they are preferred."""
        self._total = total
        self._places = places
        sizes = sorted({size for ways in places for size, _ in ways})
        self._rests = [(size, total % size) for size in sizes if total % size]
        self._least = _behind([min((size for size, _ in ways), default=0) for ways in places])
        self._most = _behind([max((size * limit for size, limit in ways), default=0) for ways in places])
        self._finer = [_behind([_most_below(size, ways) for ways in places]) for size, _ in self._rests]

    def run(self, effort: Effort) -> list[int] | None:
        """What each place holds; None when no choice works, or when the effort is used up."""
        return self._choose([], effort)

    def _choose(self, chosen: list[Way], effort: Effort) -> list[int] | None:
        if not self._may_work(chosen):
            return None
        if len(chosen) == len(self._places):
            return fill(self._total, chosen) if effort.spend(len(chosen)) else None
        for way in self._places[len(chosen)]:
            if not effort.spend():
                return None
            shares = self._choose([*chosen, way], effort)
            if shares is not None:
                return shares
        return None

    def _may_work(self, chosen: Sequence[Way]) -> bool:
        count = len(chosen)
        if sum(size for size, _ in chosen) + self._least[count] > self._total:
            return False
        if sum(size * limit for size, limit in chosen) + self._most[count] < self._total:
            return False
        return all(
            _most_of(size, chosen) + finer[count] >= rest
            for (size, rest), finer in zip(self._rests, self._finer, strict=True)
        )


def _most_of(below: int, chosen: Sequence[Way]) -> int:
    return sum(size * limit for size, limit in chosen if size < below)


def _most_below(below: int, ways: Sequence[Way]) -> int:
    """The most that one place can hold in pages smaller than `below`."""
    return max((size * limit for size, limit in ways if size < below), default=0)


def _behind(amounts: Sequence[int]) -> list[int]:
    """For each place the sum of the amounts from it on; 0 behind the last one."""
    sums = [0]
    for amount in reversed(amounts):
        sums.append(sums[-1] + amount)
    return sums[::-1]

"""Changes of a running chain on real Open vSwitch, there and back, under 2 000 numbered datagrams a second each way.

At seven repetitions each kind of change is made 100 times or more; a kind is chosen by a part of its name, so that what
was broken off can be gone on with. A benchmark fails when a datagram is lost, unless a
flow of the same length that nobody disturbs loses as many; and when one was given to a function twice, or to none.

What lies in the lab's namespaces (switches, functions, both ends of the flow) runs before everything else on the
machine where that is allowed: what is lost is then lost by the change, not by other work. The server does not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from benchmarks.gi_lan import Bench, Patch, bench
from benchmarks.harness import benchmark
from mano.cli.demo.flow import Flow, Way
from mano.cli.demo.full import BEFORE, SECOND, WITH_DPI, path
from mano.cli.demo.passages import Passages

BOTH_COUNT, ONE_COUNTS = 7, 15
"""Calls in a repetition, where there and back are both changes of the kind, and where they are two kinds."""

CONTROL_MAX_S = 120.0
FIREWALL = "firewall-0"


def spread(*firewalls: str) -> list[dict[str, Any]]:
    """A group of firewalls that connections are spread over."""
    group = {"group": "firewall", "spread": True, "instances": [{"sf": name, "weight": 1} for name in firewalls]}
    return [group, *path("nat-0")]


FIRST: Patch = {"path": BEFORE}
LONGER: Patch = {"path": WITH_DPI}
TURNED: Patch = {"path": path("dpi-0", FIREWALL, "nat-0")}
MOVED: Patch = {"path": path(SECOND, "nat-0")}
ONE: Patch = {"path": spread(FIREWALL)}
TWO: Patch = {"path": spread(FIREWALL, SECOND)}
ANY: Patch = {"classifiers": [{"priority": 0, "match": {}}]}
NARROW: Patch = {"classifiers": [{"priority": 0, "match": {"protocol": name}} for name in ("udp", "tcp")]}


def there_and_back(
    kind: str,
    changes: Sequence[Patch],
    *,
    change: Callable[[Bench, Patch], None] = Bench.change,
    both_count: bool = True,
    once: Sequence[str] = (FIREWALL,),
    moved: Sequence[str] = (FIREWALL,),
) -> Iterator[Callable[[], object]]:
    """Changes to each in turn as one call, while datagrams pass.

    Each datagram is given to one of the functions ``once``, and some are given to each of ``moved``.
    """
    with bench() as made:
        made.change(changes[-1])
        passages, made_changes, before = Passages(made.world), 0, made.losses()
        flow, started = made.flow(), time.monotonic()

        def call() -> None:
            nonlocal made_changes
            for to in changes:
                change(made, to)
            made_changes += 1

        yield call
        lasted = time.monotonic() - started
        ways = ended(flow)
        told = f"{made_changes * (len(changes) if both_count else 1)} x {kind}: {', '.join(map(str, ways))}"
        if lost(ways):
            told += f" (in the switches: {dict(made.losses() - before)})"
            control = made.flow()
            time.sleep(min(lasted, CONTROL_MAX_S))
            undisturbed = ended(control)
            told += f"; undisturbed {', '.join(map(str, undisturbed))}"
            if lost(ways) * min(lasted, CONTROL_MAX_S) > lost(undisturbed) * lasted:
                raise AssertionError(told)
        given = passages.read()
        told += f"; given to {', '.join(f'{name} {count}' for name, count in sorted(given.items()))}"
        if not lost(ways) and sum(given[name] for name in once) != sum(way.received for way in ways):
            raise AssertionError(f"a datagram went past a function or met it twice: {told}")
        if not all(given[name] for name in moved):
            raise AssertionError(f"a function got nothing: {told}")
        print(told, flush=True)


def ended(flow: Flow) -> tuple[Way, Way]:
    """What became of the datagrams, each way."""
    try:
        return flow.end()
    finally:
        flow.kill()


def lost(ways: Sequence[Way]) -> int:
    """Datagrams that never came, both ways together."""
    return sum(way.lost for way in ways)


@benchmark("a function into a running chain and out", number=ONE_COUNTS)
def insert_and_remove() -> Iterator[Callable[[], object]]:
    kind = "a function in and as often out"
    yield from there_and_back(kind, (LONGER, FIRST), both_count=False, moved=(FIREWALL, "dpi-0"))


@benchmark("two functions of a running chain in another order and back", number=BOTH_COUNT)
def reorder() -> Iterator[Callable[[], object]]:
    yield from there_and_back("another order", (TURNED, LONGER), moved=(FIREWALL, "dpi-0"))


@benchmark("a running chain to another instance and back", number=BOTH_COUNT)
def move() -> Iterator[Callable[[], object]]:
    both = (FIREWALL, SECOND)
    yield from there_and_back("another instance", (MOVED, FIRST), once=both, moved=both)


@benchmark("a group of a running chain scaled out and in", number=BOTH_COUNT)
def scale() -> Iterator[Callable[[], object]]:
    # The flow is one connection: it stays on the instance that it began on.
    yield from there_and_back("a group scaled", (TWO, ONE))


@benchmark("classifiers of a running chain changed and back", number=BOTH_COUNT)
def classify() -> Iterator[Callable[[], object]]:
    yield from there_and_back("other classifiers", (NARROW, ANY))


@benchmark("the server killed while a running chain changes to and fro", number=BOTH_COUNT)
def restart() -> Iterator[Callable[[], object]]:
    moments = (n % 17 / 10 for n in range(1, 1 << 20))

    def change(made: Bench, to: Patch) -> None:
        made.change_over_a_death(to, next(moments))

    yield from there_and_back("the server killed", (LONGER, FIRST), change=change, moved=(FIREWALL, "dpi-0"))

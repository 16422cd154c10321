"""The library alone changes a running chain on one real switch, there and back, under 2 000 datagrams/s each way.

``python -m benchmarks.bench_one_switch_changes [TIMES [KIND]]`` makes 100 changes of each kind, or TIMES of those whose
names contain KIND, and tells what was lost, which numbers and where in the switch, what of a flow of the same
length that nobody disturbed, and how many datagrams each function was given.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import secrets
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from benchmarks.priority import prefer
from benchmarks.switch_losses import ended
from sfc.change import ChangePlan, make_before_break, respread
from sfc.model import Chain, Classifier, Match, PathGroup, PlannedChain, SpiPool, WeightedInstance
from sfc.ovs.lab import BRIDGE, HOST, Lab
from sfc.ovs.openflow import replace_tables
from sfc.ovs.stats import forget
from sfc.path import branches, plan_branches, plan_chain, spreads
from sfc.render import render

RATE, PORT = 2000, 9
DRAIN_S, CONTROL_MAX_S = 0.1, 30.0
FUNCTIONS = ("first", "second", "spare")


class BothWays:
    """Numbered datagrams between two stations of a lab, on one connection, 2 000 a second each way."""

    def __init__(self, lab: Lab) -> None:
        self.ends = [lab.socket(name, socket.AF_INET, socket.SOCK_DGRAM) for name in ("a", "b")]
        for number, end in enumerate(self.ends, 1):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
            end.bind((f"10.0.0.{number}", 9))
            end.settimeout(0.2)
        self.ends[0].connect(("10.0.0.2", 9))
        self.ends[1].connect(("10.0.0.1", 9))
        self.sent, self.seen = [0, 0], [set[int](), set[int]()]
        prefer(str(lab.location.namespace))
        self._sending, self._receiving = threading.Event(), threading.Event()
        self._threads = [
            threading.Thread(target=part, args=(n,)) for n in (0, 1) for part in (self._send, self._receive)
        ]
        for thread in self._threads:
            thread.start()

    def _send(self, which: int) -> None:
        begin = time.monotonic()
        while not self._sending.wait(0.001):
            due = int((time.monotonic() - begin) * RATE)
            # A late start of the loop is made up for in small bursts, not in one that fills the queues.
            for _ in range(min(due - self.sent[which], 8)):
                self.ends[which].send(self.sent[which].to_bytes(8, "big"))
                self.sent[which] += 1

    def _receive(self, which: int) -> None:
        while not self._receiving.is_set():
            with contextlib.suppress(TimeoutError):
                self.seen[1 - which].add(int.from_bytes(self.ends[which].recv(100), "big"))

    def missing(self, which: int) -> str:
        """The numbers that never came, as runs."""
        numbers = sorted(set(range(self.sent[which])) - self.seen[which])
        runs: list[list[int]] = []
        for number in numbers:
            if runs and number == runs[-1][1] + 1:
                runs[-1][1] = number
            else:
                runs.append([number, number])
        return ", ".join(f"{first} - {last}" for first, last in runs)

    def lost(self) -> tuple[int, int]:
        """Ends the streams; how many of each direction never arrived."""
        self._sending.set()
        time.sleep(0.5)
        self._receiving.set()
        for thread in self._threads:
            thread.join()
        for end in self.ends:
            end.close()
        return self.sent[0] - len(self.seen[0]), self.sent[1] - len(self.seen[1])


def group(*functions: str) -> PathGroup:
    """One function, or several that spread connections."""
    return PathGroup.of(*functions, spread=len(functions) > 1)


ANY, NARROW = (Classifier(Match()),), tuple(Classifier(Match(protocol=number)) for number in (17, 6, 1))
ONE = PathGroup("group", (WeightedInstance("first"),), spread=True)
BOTH = PathGroup("group", (WeightedInstance("first"), WeightedInstance("spare")), spread=True)


@dataclass(frozen=True)
class Kind:
    """Two versions of a chain, of which either is made of the other; each datagram is given to one of ``once``."""

    name: str
    versions: tuple[Chain, Chain]
    once: Sequence[str] = ("first",)


def kinds(chain: Chain) -> Iterator[Kind]:
    """Every kind of change."""

    def path(*functions: str) -> Chain:
        return replace(chain, path=tuple(map(group, functions)))

    yield Kind("a function added, removed", (path("first"), path("first", "second")))
    yield Kind("another order", (path("first", "second"), path("second", "first")))
    yield Kind("another instance", (path("first"), path("spare")), once=("first", "spare"))
    yield Kind("a group scaled", (replace(chain, path=(ONE,)), replace(chain, path=(BOTH,))))
    yield Kind(
        "other classifiers", (replace(path("first"), classifiers=ANY), replace(path("first"), classifiers=NARROW))
    )


class Switch:
    """What one switch holds, and how it is led to something else."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.chains: tuple[PlannedChain, ...] = ()
        self.pool = SpiPool(100, 99_999)

    def program(self, chain: Chain) -> None:
        """At once."""
        self.chains = self._planned(chain)
        self._send(self.chains)

    def change(self, chain: Chain) -> None:
        """Without losing a packet."""
        plan = self._plan(chain)
        for step in plan.steps:
            self._send(step.chains)
            if step.wait_s:
                forget(self.lab.location)
                time.sleep(step.wait_s)
        self.chains = plan.steps[-1].chains

    def _plan(self, chain: Chain) -> ChangePlan:
        if spreads(chain):
            return respread(self.lab.topology, self.chains, self._planned(chain), drain_s=DRAIN_S)
        (new,) = self._planned(chain)
        return make_before_break(self.lab.topology, self.chains, new, drain_s=DRAIN_S)

    def _planned(self, chain: Chain) -> tuple[PlannedChain, ...]:
        if not spreads(chain):
            return (plan_chain(self.lab.topology, chain, *self._spis()),)
        known = {one.forward.functions: one for one in self.chains if one.share is not None}
        made = plan_branches(self.lab.topology, chain, [self._spis() for _ in branches(chain)])
        # A branch that stays keeps its identifiers.
        kept = [
            [(known[one.forward.functions].forward.spi, known[one.forward.functions].rsps[-1].spi)]
            if one.forward.functions in known
            else [(one.forward.spi, one.rsps[-1].spi)]
            for one in made
        ]
        return plan_branches(self.lab.topology, chain, list(itertools.chain.from_iterable(kept)))

    def _spis(self) -> tuple[int, int]:
        (forward, back), self.pool = self.pool.allocate(2)
        return forward, back

    def _send(self, chains: Sequence[PlannedChain]) -> None:
        replace_tables(self.lab.location, BRIDGE, render(self.lab.topology, chains)[HOST])


def count_in(lab: Lab, function: str) -> None:
    """Let the kernel count the datagrams that a function is given, from now on."""
    lab.run(function, "nft", "add table bridge passed; delete table bridge passed; add table bridge passed")
    lab.run(function, "nft", "add chain bridge passed every { type filter hook forward priority 0; }")
    lab.run(function, "nft", f"add rule bridge passed every udp dport {PORT} counter")


def counted(lab: Lab, function: str) -> int:
    """Datagrams so far, both ways."""
    said: Mapping[str, list[Mapping[str, Mapping[str, list[Mapping[str, Mapping[str, int]]]]]]]
    said = json.loads(lab.run(function, "nft", "-j", "list", "table", "bridge", "passed"))
    parts = [part for entry in said["nftables"] if "rule" in entry for part in entry["rule"]["expr"]]
    return sum(part["counter"]["packets"] for part in parts if "counter" in part)


def play(switch: Switch, kind: Kind, times: int) -> str:
    """So many changes of a kind under traffic, then as long none; what became of the datagrams."""
    lab, given, told = switch.lab, dict[str, int](), f"{times} x {kind.name}"
    switch.program(kind.versions[0])
    forget(lab.location)
    for function in FUNCTIONS:
        count_in(lab, function)
    took = 0.0
    for what in ("lost", "undisturbed"):
        before = ended(lab.location, BRIDGE)
        streams, begin = BothWays(lab), time.monotonic()
        if what == "lost":
            for number in range(times):
                switch.change(kind.versions[1 - number % 2])
            took = time.monotonic() - begin
        else:
            time.sleep(min(took, CONTROL_MAX_S))
        lost = streams.lost()
        told += f"; {what} {lost[0]} and {lost[1]} of {streams.sent[0]} and {streams.sent[1]}"
        if any(lost):
            where = ended(lab.location, BRIDGE) - before
            told += f" ({streams.missing(0)}; {streams.missing(1)}; {dict(where)})"
        if what == "lost":
            given = {function: counted(lab, function) for function in FUNCTIONS}
            if not any(lost) and sum(given[name] for name in kind.once) != sum(streams.sent):
                raise AssertionError(f"a datagram went past a function or met it twice: {told}; {given}")
    return f"{told}; given to {given}; {took / times:.2f} s each"


def main(times: int = 100, only: str = "") -> None:
    """All kinds, or those whose name contains ``only``."""
    with Lab(f"b{secrets.token_hex(3)}") as lab:
        ends = lab.station("a", "10.0.0.1/24"), lab.station("b", "10.0.0.2/24")
        for function in FUNCTIONS:
            lab.bridging_function(function)
        switch = Switch(lab)
        for kind in kinds(Chain("all", ends[0], (group("first"),), egress=ends[1])):
            if only not in kind.name:
                continue
            print(play(switch, kind, times), flush=True)
            switch.chains = ()


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 100, *sys.argv[2:3])

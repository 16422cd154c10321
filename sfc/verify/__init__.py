"""Proof before programming: rendered tables are run on packets that stand for all traffic, and must do as planned.

For every chain and both directions: each sample of each classifier meets exactly the chain's functions in order, is
carried over the underlay with the planned SPI, SI, TTL and context, and leaves at its destination; its answer comes
back by the connection's mark, and without one as the reversed classifiers say. Of a chain that spreads, every packet of
a connection takes one branch, in both directions and also when all marks are lost. What a port may not send dies in
table 0. What no classifier takes meets no function. OAM packets reach no NSH-unaware function.

A :class:`Prover` remembers which rules each of these checks looked at, and after a change makes only those again
that the changed rules, or a changed plan, could have touched.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sfc.model.chains import PlannedChain
from sfc.model.flows import FlowTables
from sfc.model.topology import Topology
from sfc.verify.prover import Prover
from sfc.verify.results import Proof, Rule, Violation

__all__ = ["Proof", "Prover", "Rule", "Violation", "prove", "verify"]


def prove(
    topology: Topology,
    chains: Sequence[PlannedChain],
    tables: Mapping[str, FlowTables],
    *,
    down: Collection[str] = (),
) -> Proof:
    """As :func:`verify`, with the number of packets that were tried."""
    return Prover().prove(topology, chains, tables, down=down)


def verify(
    topology: Topology,
    chains: Sequence[PlannedChain],
    tables: Mapping[str, FlowTables],
    *,
    down: Collection[str] = (),
) -> tuple[Violation, ...]:
    """Every violation found, () when the tables do as planned. Nothing is sent anywhere.

    Functions that are ``down``, by id, are held against their policies: passed by, closed, or left for the next one.
    """
    return prove(topology, chains, tables, down=down).violations

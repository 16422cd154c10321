"""The change of a running chain as a durable operation: make before break (RFC 7665 leaves the how to us).

Each step stores the next phase and lets the bridges follow; between two steps both versions of the chain are what the
phase says, whoever else programs the bridges meanwhile. A server that dies anywhere in it goes on from there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from mano.domain.events import Event
from mano.domain.lcm_op_occ import LcmOpOcc, Level
from mano.domain.service_chain import ChainChange, ChainPhase, ChainState, ServiceChain
from mano.errors import InvalidInput
from mano.nfvo.chain_versions import leaves_a_path, phases
from mano.nfvo.chains import CHANGE, DRAIN_S, next_version, settled
from mano.nfvo.forwarding_graphs import ForwardingGraphs, spis, with_paths
from mano.ports.clock import Clock, IdFactory
from mano.ports.repositories import UnitOfWork, UnitOfWorkFactory
from mano.ports.workflows import Step

DRAIN = "drain"

_WORDS: Mapping[ChainPhase, str] = {
    ChainPhase.ADDED: "add the new paths",
    ChainPhase.FLIPPED: "let the new version classify",
    ChainPhase.INHERITED: "lead marked connections back on the new path",
    ChainPhase.REMOVED: "remove the old paths",
}
"""Names of the steps."""

_PHASES = {words: phase for phase, words in _WORDS.items()}


@dataclass(frozen=True, slots=True)
class ChangeChain:
    """CHANGE of a chain: its next version beside the present one, packets over to it, the present one away."""

    open_unit: UnitOfWorkFactory
    graphs: ForwardingGraphs
    clock: Clock
    new_id: IdFactory
    drain_s: float = DRAIN_S
    level: Level = Level.CHAIN
    operation: str = CHANGE

    def prepare(self, op: LcmOpOcc) -> tuple[str, ...]:
        """Choose the instances, allocate numbers and store the next version beside the chain."""
        with self.open_unit() as uow:
            chain = uow.chains.get(op.instance_id, op.tenant_id)
            if chain.change is None or chain.change.operation_id != op.id:
                spec = op.parameters["chain"]
                ways = next_version(self.graphs, uow, chain, spec, spis(uow))
                change = ChainChange(op.id, spec, ways)
                chain = uow.chains.save(replace(chain, change=change, state=ChainState.CHANGING.value))
            assert chain.change is not None
            return step_names(chain, chain.change)

    def step(self, op: LcmOpOcc, name: str) -> Step:
        """One phase; undone by the one before it."""
        if name == DRAIN:
            return Step(name, lambda: self.graphs.drain(op.instance_id, self.drain_s))
        phase = _PHASES[name]
        order = [ChainPhase.STORED, *(_PHASES[step] for step in op.step_names or () if step in _PHASES)]
        before = order[order.index(phase) - 1]
        return Step(name, lambda: self._enter(op, phase), lambda: self._leave(op, before))

    def complete(self, uow: UnitOfWork, op: LcmOpOcc) -> None:
        """The chain is its new version, and nothing else."""
        chain = uow.chains.get(op.instance_id)
        self._settle(uow, replace(chain, change=chain.change and replace(chain.change, phase=ChainPhase.REMOVED)))

    def rolled_back(self, uow: UnitOfWork, op: LcmOpOcc) -> None:
        """The chain is what it was."""
        chain = uow.chains.find(op.instance_id)
        if chain is not None and chain.change is not None and chain.change.operation_id == op.id:
            self._settle(uow, replace(chain, change=replace(chain.change, phase=ChainPhase.STORED)))

    def _enter(self, op: LcmOpOcc, phase: ChainPhase) -> Mapping[str, Any]:
        """Store the phase, then let the bridges follow; those that the chain passes must answer."""
        with self.open_unit() as uow:
            chain = uow.chains.get(op.instance_id)
            if chain.change is not None and chain.change.phase is not phase:
                uow.chains.save(replace(chain, change=replace(chain.change, phase=phase)))
        plane = self.graphs.refresh(lambda plane: plane.hosts_of(op.instance_id))
        if op.instance_id in plane.broken:
            raise plane.broken[op.instance_id]
        return {"spis": [one.forward.spi for one in plane.ways[op.instance_id] if one.classified]}

    def _leave(self, op: LcmOpOcc, phase: ChainPhase) -> None:
        """Back to the phase before; a bridge that is dead follows when it comes back."""
        with self.open_unit() as uow:
            chain = uow.chains.find(op.instance_id)
            if chain is None or chain.change is None:
                return
            uow.chains.save(replace(chain, change=replace(chain.change, phase=phase)))
        self.graphs.refresh(())

    def _settle(self, uow: UnitOfWork, chain: ServiceChain) -> None:
        stays = settled(uow, chain)
        world = self.graphs.world(uow, [*(c for c in uow.chains.list() if c.id != chain.id), stays])
        try:
            told = with_paths(stays, self.graphs.ways(uow, world, stays), world)
        except InvalidInput:  # what it passes is gone meanwhile: its row must not be lost over that
            told = stays
        uow.chains.save(told)
        uow.outbox.append(
            Event(
                id=self.new_id(),
                noun="chain",
                verb="changed",
                subject=chain.id,
                tenant_id=chain.tenant_id,
                occurred_at=self.clock.now(),
                data={"name": stays.name, "version": stays.version, "forwardSpi": stays.forward_spi},
            )
        )


def step_names(chain: ServiceChain, change: ChainChange) -> tuple[str, ...]:
    """The steps of a change, with the wait before what is old goes."""
    names: list[str] = []
    for phase in phases(chain, change):
        if phase is ChainPhase.REMOVED and leaves_a_path(chain, change):
            names.append(DRAIN)
        names.append(_WORDS[phase])
    return tuple(names)

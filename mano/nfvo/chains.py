"""Chains made and changed by hand: the use cases behind ``/mano/v1/chains`` and behind every other way to ask for one.

How another interface uses them (all take and give JSON objects, errors are those of :mod:`mano.errors`):

* :meth:`Chains.create` makes a chain of a Chain document at once and returns it as ``GET /mano/v1/chains/{id}`` does::

    {"id": NAME or UUID, "name": NAME, "symmetric": true, "ingress": PORT, "egress": PORT or null,
     "classifiers": [{"priority": 7, "match": {"protocol": "tcp", "destinationPort": "80-88"}}],
     "path": [{"group": "ppg1", "spread": true, "instances": [{"sf": "pp1", "weight": 1}]}],
     "functions": [{"id": "pp1", "ingress": PORT, "egress": PORT, "awareness": "none", "layer": "l2",
                    "rewrites5tuple": false, "onFailure": "closed"}]}

  A function is described by its ports, or is the name of a VNF. A PORT is any port that the VIM has: of a VNFC, of a
  SAP, or made by hand, by identifier or name.
* :meth:`Chains.replace` starts a change of a running chain that loses no packet and returns the operation's identifier;
  :meth:`Chains.patched` makes its document of a merge patch; :meth:`Chains.operation` tells how far it is.
* :meth:`Chains.delete` lets nothing enter any more, waits until what is on the chain came out, and removes it.
* :meth:`Chains.preview_new` and :meth:`Chains.preview_change` say what would happen; nothing is stored.

Every chain is proven on the simulator, together with all others, before anything is stored or sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mano.domain.events import Event
from mano.domain.lcm_op_occ import (
    INITIAL,
    LcmOpOcc,
    Level,
    OperationEvent,
    advance,
    require_idle,
)
from mano.domain.service_chain import ChainBranch, ChainChange, ChainPhase, ChainState, ServiceChain
from mano.errors import AlreadyExists, CatenaError, NotFound, WrongState
from mano.nfvo.chain_files import Known, KnownPort, as_it_is, chain_id_of, stored_form, vnf_ports
from mano.nfvo.chain_limits import effective_mtu, require_room, require_tunnels
from mano.nfvo.chain_reading import wrong
from mano.nfvo.chain_versions import choose, next_branches, number, phases
from mano.nfvo.chain_views import view
from mano.nfvo.data_plane import DataPlane, warnings_of
from mano.nfvo.forwarding_graphs import ForwardingGraphs, numbered, release_numbers, with_paths
from mano.ports.clock import Clock, IdFactory
from mano.ports.repositories import UnitOfWork, UnitOfWorkFactory
from mano.ports.workflows import Workflows
from sfc.change import differences
from sfc.model.chains import SPI_MAX

DRAIN_S = 1.0
"""How long what entered a path may take to come out of it: longer than the slowest function holds a packet."""

CHANGE = "CHANGE"
"""The operation of :class:`~mano.domain.lcm_op_occ.Level` CHAIN."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a chain would become: the paths, what each bridge gains and loses, and what the author should know."""

    chain: Mapping[str, Any]
    flows: Mapping[str, Mapping[str, int]]
    warnings: tuple[str, ...]
    mtu: int
    phases: tuple[str, ...]
    packets_tried: int

    @property
    def differs(self) -> bool:
        """True when anything would change."""
        return bool(self.flows)

    def to_document(self) -> dict[str, Any]:
        """JSON."""
        return {
            "chain": dict(self.chain),
            "differs": self.differs,
            "flows": {host: dict(counts) for host, counts in self.flows.items()},
            "warnings": list(self.warnings),
            "mtu": self.mtu,
            "phases": list(self.phases),
            "packetsTried": self.packets_tried,
        }


class Chains:
    """Use cases of making, changing and deleting chains."""

    def __init__(
        self,
        open_unit: UnitOfWorkFactory,
        graphs: ForwardingGraphs,
        workflows: Workflows,
        clock: Clock,
        new_id: IdFactory,
        drain_s: float = DRAIN_S,
    ) -> None:
        self._open_unit = open_unit
        self._graphs = graphs
        self._workflows = workflows
        self._clock = clock
        self._new_id = new_id
        self._drain_s = drain_s

    def create(self, tenant_id: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
        """Make a chain of a Chain document: proven, stored, programmed; as :func:`~.forwarding_graphs.view` shows it.

        Raises InvalidInput with a pointer, AlreadyExists, ChainUnproven, ChainTooLarge, NoTunnel before anything is
        stored, and Unreachable when a bridge on its way does not answer: nothing of it is left then.
        """
        spec = self._spec_of_new(tenant_id, document)
        self._trial_of_new(tenant_id, spec)
        with self._open_unit() as uow:
            chain = self._graphs.new_chain(uow, spec, tenant_id)
            uow.chains.add(chain)
        try:
            plane = self._graphs.refresh(lambda plane: plane.hosts_of(chain.id))
        except CatenaError:
            self._forget(chain.id)
            raise
        return self._activated(chain.id, plane)

    def preview_new(self, tenant_id: str, document: Mapping[str, Any]) -> Preview:
        """What :meth:`create` would make; raises what it would."""
        return self._trial_of_new(tenant_id, self._spec_of_new(tenant_id, document))

    def replace(self, id: str, tenant_id: str, document: Mapping[str, Any]) -> str:
        """Start the change of a chain into what a Chain document says, while packets go on; the operation's identifier.

        The change is proven phase by phase before it is stored. Raises WrongState while the chain is not active,
        OperationInProgress while another change of it runs.
        """
        spec, _ = self._trial_of_change(id, tenant_id, document)
        now = self._clock.now()
        with self._open_unit() as uow:
            chain = uow.chains.get(id, tenant_id)
            require_idle(uow.operations.active(chain.id))
            _require_active(chain)
            op = LcmOpOcc(
                id=self._new_id(),
                tenant_id=tenant_id,
                level=Level.CHAIN,
                instance_id=chain.id,
                operation=CHANGE,
                state=INITIAL[Level.CHAIN],
                state_entered_at=now,
                started_at=now,
                parameters={"chain": spec},
            )
            self._workflows.start(uow, op)
        return op.id

    def preview_change(self, id: str, tenant_id: str, document: Mapping[str, Any]) -> Preview:
        """What :meth:`replace` would do; raises what it would."""
        return self._trial_of_change(id, tenant_id, document)[1]

    def patched(self, id: str, tenant_id: str, patch: Mapping[str, Any]) -> Mapping[str, Any]:
        """The Chain document of a chain with a merge patch (RFC 7396) applied: to be given to :meth:`replace`."""
        if not isinstance(patch, Mapping):
            raise wrong("", "must be an object")
        with self._open_unit(read_only=True) as uow:
            spec = as_it_is(uow.chains.get(id, tenant_id).spec, uow.vnf_instances.list())
        merged: Mapping[str, Any] = _merged(spec, patch)
        return merged

    def delete(self, id: str, tenant_id: str) -> None:
        """Take a chain out of service without losing what is on it. Repeatable.

        Raises WrongState for a chain of a network service, which goes with it, and OperationInProgress while a change
        runs.
        """
        with self._open_unit() as uow:
            chain = uow.chains.get(id, tenant_id)
            require_idle(uow.operations.active(chain.id))
            if chain.ns_instance_id:
                raise WrongState(
                    f"chain {chain.name} belongs to a network service and goes with it",
                    hint="change it, or terminate its network service",
                )
            carried = chain.state == ChainState.ACTIVE
            uow.chains.save(replace(chain, state=ChainState.DRAINING.value))
        if carried:
            self._graphs.refresh(())
            self._graphs.drain(id, self._drain_s)
        self._forget(id)

    def operation(self, op_id: str, tenant_id: str) -> LcmOpOcc:
        """A change of a chain; NotFound for any other operation."""
        with self._open_unit(read_only=True) as uow:
            return _chain_operation(uow, op_id, tenant_id)

    def operations(self, tenant_id: str, chain_id: str | None = None) -> Sequence[LcmOpOcc]:
        """The changes of all chains, or of one, in order of their identifiers."""
        equals: dict[str, Any] = {} if chain_id is None else {"instance_id": chain_id}
        with self._open_unit(read_only=True) as uow:
            return uow.operations.list(tenant_id, level=Level.CHAIN.value, **equals)

    def retry(self, op_id: str, tenant_id: str) -> None:
        """FAILED_TEMP to PROCESSING: go on with the phase that failed."""
        self._again(op_id, tenant_id, OperationEvent.RETRY)

    def rollback(self, op_id: str, tenant_id: str) -> None:
        """FAILED_TEMP to ROLLING_BACK: the version from before takes the packets again."""
        self._again(op_id, tenant_id, OperationEvent.ROLLBACK)

    def fail(self, op_id: str, tenant_id: str) -> None:
        """FAILED_TEMP to FAILED: the chain stays in the phase that it reached, and may be changed again.

        What then carries packets becomes the version that is there; the other one's paths are removed.
        """
        with self._open_unit() as uow:
            op = _chain_operation(uow, op_id, tenant_id)
            failed = advance(op, OperationEvent.GIVE_UP, now=self._clock.now())
            uow.operations.save(failed)
            chain = uow.chains.find(op.instance_id)
            if chain is not None and chain.change is not None:
                uow.chains.save(settled(uow, chain))
        self._graphs.refresh(())

    def recover(self) -> None:
        """After a restart: let go what was being deleted, and say of what was being made that it is there."""
        with self._open_unit(read_only=True) as uow:
            chains = uow.chains.list()
        plane = self._graphs.data_plane()
        for chain in chains:
            if chain.state == ChainState.DRAINING:
                self._forget(chain.id)
            elif chain.state == ChainState.PLANNED and not chain.ns_instance_id and chain.id in plane.ways:
                self._activated(chain.id, plane)

    def known(self, tenant_id: str) -> Known:
        """The functions and ports that a tenant's chains may use."""
        with self._open_unit(read_only=True) as uow:
            services = uow.ns_instances.list(tenant_id)
            names = {service.id: service.name for service in services}
            vnfs = self._graphs.live_vnfs(uow, tenant_id)
            saps = [
                KnownPort(sap.connection_point, (sap.sapd_id, f"{service.name}/{sap.sapd_id}"))
                for service in services
                for sap in service.saps
            ]
            others = [
                KnownPort(port.point, (port.name or port.id,))
                for port in uow.logical_ports.list(tenant_id)
                if port.point is not None
            ]
            return Known((*saps, *others, *vnf_ports(vnfs, names)), vnfs, uow.chains.list(tenant_id), names)

    # Trials

    def _spec_of_new(self, tenant_id: str, document: Mapping[str, Any]) -> dict[str, Any]:
        chain_id = chain_id_of(document, tenant_id)
        with self._open_unit(read_only=True) as uow:
            if uow.chains.find(chain_id) is not None:
                raise AlreadyExists("there is a chain of this identifier already", hint="change it, or choose another")
        return stored_form(document, self.known(tenant_id), chain_id)

    def _trial_of_new(self, tenant_id: str, spec: Mapping[str, Any]) -> Preview:
        before = self._graphs.data_plane()
        blank = ServiceChain(str(spec["id"]), tenant_id, "", str(spec["name"]), 0, None, spec)
        self._require_hosts(spec, tenant_id)
        with self._open_unit(read_only=True) as uow:
            world = self._graphs.world(uow, [*uow.chains.list(), blank])
            choices = choose(world, spec, self._graphs.cost(uow))
        spi_of = _free_spis(before)
        chain = numbered(blank, number(blank.id, choices, bool(spec["symmetric"]), 1, spi_of))
        plane = self._graphs.proven([chain])
        return self._preview(before, plane, chain, ())

    def _trial_of_change(
        self, id: str, tenant_id: str, document: Mapping[str, Any]
    ) -> tuple[Mapping[str, Any], Preview]:
        with self._open_unit(read_only=True) as uow:
            chain = uow.chains.get(id, tenant_id)
            require_idle(uow.operations.active(chain.id))
        _require_active(chain)
        _refuse_another_id(document, chain, tenant_id)
        spec = stored_form(document, self.known(tenant_id), chain.id, chain.spec)
        self._require_hosts(spec, tenant_id)
        before = self._graphs.data_plane()
        with self._open_unit(read_only=True) as uow:
            ways = self._next(uow, chain, spec, _free_spis(before))
        steps = phases(chain, ChainChange("", spec, ways))
        plane = before
        for phase in steps:
            plane = self._graphs.proven([replace(chain, change=ChainChange("", spec, ways, phase))])
        after = replace(numbered(replace(chain, spec=spec), ways), name=str(spec["name"]))
        return spec, self._preview(before, plane, after, tuple(phase.value for phase in steps))

    def _next(self, uow: UnitOfWork, chain: ServiceChain, spec: Mapping[str, Any], spi_of: Any) -> Any:
        return next_version(self._graphs, uow, chain, spec, spi_of)

    def _preview(self, before: DataPlane, plane: DataPlane, chain: ServiceChain, steps: tuple[str, ...]) -> Preview:
        if chain.id in plane.broken:
            raise plane.broken[chain.id]
        with self._open_unit(read_only=True) as uow:
            hosts = {host.host.name: host for host in uow.hosts.list()}
            names = {other.id: other.name for other in uow.chains.list()} | {chain.id: chain.name}
        ways = plane.ways[chain.id]
        require_room(plane.topology, ways, hosts, chain.name)
        changes = differences(before.tables, plane.tables)
        return Preview(
            chain=view(with_paths(chain, ways, plane.topology)),
            flows={host: {"added": len(change.add), "removed": len(change.delete)} for host, change in changes.items()},
            warnings=warnings_of(plane, chain.id, names),
            mtu=effective_mtu(plane.topology, ways, hosts),
            phases=steps,
            packets_tried=self._graphs.proof(plane).packets,
        )

    def _require_hosts(self, spec: Mapping[str, Any], tenant_id: str) -> None:
        points = {port.point.port_id: port.point for port in self.known(tenant_id).ports}
        with self._open_unit(read_only=True) as uow:
            hosts = {host.host.name: host for host in uow.hosts.list()}
        legs = [f[leg] for f in spec["functions"] for leg in _legs(f)]
        wanted = [spec["ingress"], *legs, *([spec["egress"]] if spec["egress"] else [])]
        require_tunnels([points[port] for port in wanted if port in points], hosts)

    # Rows

    def _activated(self, chain_id: str, plane: DataPlane) -> Mapping[str, Any]:
        with self._open_unit() as uow:
            chain = uow.chains.get(chain_id)
            if chain.id in plane.broken:
                raise plane.broken[chain.id]
            active = uow.chains.save(with_paths(chain, plane.ways[chain.id], plane.topology))
            self._announce(uow, active, "programmed")
        return view(active)

    def _forget(self, chain_id: str) -> None:
        """Remove the row, then the tables follow."""
        with self._open_unit() as uow:
            chain = uow.chains.find(chain_id)
            if chain is not None:
                uow.chains.remove(chain_id)
                release_numbers(uow, chain)
                self._announce(uow, chain, "removed")
        self._graphs.refresh(())

    def _again(self, op_id: str, tenant_id: str, event: OperationEvent) -> None:
        with self._open_unit() as uow:
            op = _chain_operation(uow, op_id, tenant_id)
            self._workflows.resume(uow, advance(op, event, now=self._clock.now()))

    def _announce(self, uow: UnitOfWork, chain: ServiceChain, verb: str) -> None:
        uow.outbox.append(
            Event(
                id=self._new_id(),
                noun="chain",
                verb=verb,
                subject=chain.id,
                tenant_id=chain.tenant_id,
                occurred_at=self._clock.now(),
                data={"name": chain.name, "version": chain.version},
            )
        )


def next_version(
    graphs: ForwardingGraphs, uow: UnitOfWork, chain: ServiceChain, spec: Mapping[str, Any], spi_of: Any
) -> tuple[ChainBranch, ...]:
    """The branches of a chain's next version, with numbers from ``spi_of``."""
    others = [other for other in uow.chains.list() if other.id != chain.id]
    arriving = replace(chain, change=ChainChange("", spec, (), ChainPhase.ADDED))
    choices = choose(graphs.world(uow, [*others, arriving]), spec, graphs.cost(uow))
    return next_branches(chain, spec, choices, spi_of)


def settled(uow: UnitOfWork, chain: ServiceChain) -> ServiceChain:
    """The chain without its change: on the version that takes packets, the other one's numbers let go."""
    change = chain.change
    if change is None:
        return chain
    went_over = change.phase in (ChainPhase.FLIPPED, ChainPhase.INHERITED, ChainPhase.REMOVED)
    kept, gone = (change.branches, chain.branches) if went_over else (chain.branches, change.branches)
    keys = {branch.key for branch in kept}
    release_numbers(uow, chain, [branch for branch in gone if branch.key not in keys])
    stays = replace(chain, change=None, state=ChainState.ACTIVE.value)
    if not went_over:
        return stays
    version = replace(stays, spec=change.spec, name=str(change.spec["name"]), version=chain.version + 1)
    return numbered(version, kept)


def _require_active(chain: ServiceChain) -> None:
    if chain.state != ChainState.ACTIVE:
        raise WrongState(f"chain {chain.name} is {chain.state}, not active", hint="wait until it is")


def _refuse_another_id(document: Any, chain: ServiceChain, tenant_id: str) -> None:
    if not isinstance(document, Mapping) or document.get("id") is None:
        return
    if chain_id_of(document, tenant_id) not in (chain.id, chain_id_of({"id": chain.name}, tenant_id)):
        raise wrong("/id", "names another chain", "leave it out: a chain keeps its identifier")


def _legs(function: Mapping[str, Any]) -> tuple[str, ...]:
    return ("ingress",) if function["rewrites5tuple"] else ("ingress", "egress")


def _free_spis(plane: DataPlane) -> Any:
    """Numbers for a trial that nothing on the bridges has, from the far end of their range."""
    used = {rsp.spi for one in plane.chains for rsp in one.rsps}
    free = (spi for spi in range(SPI_MAX, 0, -1) if spi not in used)
    given: dict[str, int] = {}

    def spi_of(key: str) -> int:
        if key not in given:
            given[key] = next(free)
        return given[key]

    return spi_of


def _merged(target: Any, patch: Any) -> Any:
    """RFC 7396 section 2."""
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merged(merged.get(name), value)
    return merged


def _chain_operation(uow: UnitOfWork, op_id: str, tenant_id: str) -> LcmOpOcc:
    op = uow.operations.get(op_id, tenant_id)
    if op.level is not Level.CHAIN:
        raise NotFound(f"there is no change of a chain {op_id}")
    return op

"""Runs rendered flow tables on concrete packets, over all bridges and through models of the functions.

It executes exactly the flow objects that the renderer made, so what holds here holds for the lines sent to Open
vSwitch; a test compares it with ``ofproto/trace`` on generated packets. What it does not model: rates (meters count
only), time-outs of connections, rewriting of transport headers by flows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from sfc.errors import SimulationError
from sfc.model.fields import Field
from sfc.model.flows import FlowTables
from sfc.model.topology import Topology
from sfc.simulator.footprint import Spot
from sfc.simulator.functions import FunctionModel, default_models
from sfc.simulator.machine import BridgeMachine
from sfc.simulator.packets import Packet
from sfc.simulator.trace import Crossed, Delivered, Dropped, Event, Loss, Received, Trace, Visited

HISTORY_MAX = 4096
PASSES_MAX = 512
"""Packets received by bridges for one that was injected; above it is a loop."""

__all__ = ["PASSES_MAX", "Injected", "Simulator", "Trace"]


@dataclass(frozen=True, slots=True)
class Injected:
    """A packet that came in by a port of a bridge; with tunnel fields when that was the tunnel's."""

    sff: str
    ofport: int
    packet: Packet
    tun_src: int = 0
    tun_id: int = 0


class Simulator:
    """All bridges of a topology with their tables, connections and functions; keeps state between packets."""

    def __init__(
        self,
        topology: Topology,
        tables: Mapping[str, FlowTables],
        functions: Mapping[str, FunctionModel] | None = None,
        down_ports: Mapping[str, frozenset[int]] | None = None,
    ) -> None:
        """``functions`` replaces or adds to the models of :func:`default_models`, by function id.

        ``down_ports`` lists OpenFlow ports without carrier, by SFF.
        """
        _require_all(topology, tables)
        self.topology = topology
        down = down_ports or {}
        self.bridges = {
            sff.name: BridgeMachine(sff, tables[sff.name], down.get(sff.name, frozenset())) for sff in topology.sffs
        }
        self.functions: dict[str, FunctionModel] = {**default_models(topology), **(functions or {})}
        self._sff_of_address = {int(sff.underlay_ip): sff for sff in topology.sffs}
        self._port_at = {(port.sff, port.ofport): port for port in topology.ports}
        self._behind = _owners(topology)
        self.taps = frozenset(function.id for function in topology.functions if function.is_tap)
        """Functions that swallow what they get."""
        self.injected = 0
        """Packets that came in so far."""
        self.history: deque[Injected] = deque(maxlen=HISTORY_MAX)
        """The last ones since all connections were forgotten: walked again, in order, they do the same again."""

    def inject(self, port_id: str, packet: Packet) -> Trace:
        """The station at a port sends a packet."""
        port = self.topology.port(port_id)
        return self.inject_at(port.sff, port.ofport, packet)

    def inject_at(self, sff: str, ofport: int, packet: Packet, tun_src: int = 0, tun_id: int = 0) -> Trace:
        """A packet comes in by any port of a bridge, with tunnel fields when it is the tunnel's."""
        self.injected += 1
        self.history.append(Injected(sff, ofport, packet, tun_src, tun_id))
        walk = _Walk(self)
        walk.queue.append((sff, ofport, packet, tun_src, tun_id))
        return walk.run()

    def restart(self, sff: str) -> None:
        """A bridge forgets its connections, as a killed ovs-vswitchd does."""
        self.bridges[sff].connections.forget()

    def forget_connections(self) -> None:
        """Every bridge forgets its connections."""
        self.history.clear()
        for bridge in self.bridges.values():
            bridge.connections.forget()

    def reprogram(self, tables: Mapping[str, FlowTables]) -> None:
        """Give the bridges other tables; connections and counters stay, as in a switch."""
        _require_all(self.topology, tables)
        for sff, bridge in self.bridges.items():
            bridge.reprogram(tables[sff])

    @property
    def tables(self) -> dict[str, FlowTables]:
        """What the bridges hold."""
        return {sff: bridge.tables for sff, bridge in self.bridges.items()}

    @contextmanager
    def watched(self) -> Iterator[set[Spot]]:
        """Collects the spots of the tables that walks look at meanwhile (:mod:`sfc.simulator.footprint`)."""
        spots: set[Spot] = set()
        for bridge in self.bridges.values():
            bridge.spots = spots
        try:
            yield spots
        finally:
            for bridge in self.bridges.values():
                bridge.spots = None

    def packets(self, sff: str, cookie: int) -> int:
        """How many packets met the rule with this encoded cookie."""
        return self.bridges[sff].packets[cookie]

    def owner(self, port_id: str) -> str | None:
        """Id of the function behind a port."""
        return self._behind.get(port_id)


class _Walk:
    """One injected packet and everything that comes of it."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.events: list[Event] = []
        self.queue: deque[tuple[str, int, Packet, int, int]] = deque()

    def run(self) -> Trace:
        passes = 0
        while self.queue:
            sff, ofport, packet, tun_src, tun_id = self.queue.popleft()
            passes += 1
            if passes > PASSES_MAX:
                self.events.append(Dropped(sff, Loss.LOOP, packet))
                break
            self.events.append(Received(sff, ofport, packet))
            pipeline = {Field.IN_PORT: ofport, Field.TUN_SRC: tun_src, Field.TUN_ID: tun_id}
            bridge = self.simulator.bridges[sff]

            def emit(out: int, sent: Packet, vni: int, peer: int, here: str = sff) -> None:
                self.leave(here, out, sent, vni, peer)

            bridge.process(packet, pipeline, self.events, emit)
        return Trace(tuple(self.events))

    def leave(self, sff: str, ofport: int, packet: Packet, vni: int, peer: int) -> None:
        """A packet left a bridge by a port: tunnel, OAM responder, function or station."""
        here = self.simulator.topology.sff(sff)
        if ofport == here.tunnel_ofport:
            self.cross(sff, packet, vni, peer)
        elif ofport == here.oam_ofport:
            self.events.append(Delivered(sff, "oam", packet))
        else:
            self.out(sff, ofport, packet)

    def cross(self, sff: str, packet: Packet, vni: int, peer: int) -> None:
        there = self.simulator._sff_of_address.get(peer)
        if there is None or there.name == sff:
            self.events.append(Dropped(sff, Loss.NO_PEER, packet))
            return
        self.events.append(Crossed(sff, there.name, vni, packet))
        source = int(self.simulator.topology.sff(sff).underlay_ip)
        self.queue.append((there.name, there.tunnel_ofport, packet, source, vni))

    def out(self, sff: str, ofport: int, packet: Packet) -> None:
        port = self.simulator._port_at.get((sff, ofport))
        if port is None:
            self.events.append(Dropped(sff, Loss.NO_PORT, packet))
            return
        function = self.simulator.owner(port.id)
        if function is None:
            self.events.append(Delivered(sff, port.id, packet))
            return
        self.events.append(Visited(function, port.id, packet))
        if function in self.simulator.taps:
            return
        model = self.simulator.functions.get(function)
        if model is None:
            self.events.append(Delivered(sff, port.id, packet))
            return
        sent = list(model.receive(port.id, packet))
        if not sent:
            self.events.append(Dropped(sff, Loss.FUNCTION, packet))
        for back, answer in sent:
            origin = self.simulator.topology.port(back)
            self.queue.append((origin.sff, origin.ofport, answer, 0, 0))


def _require_all(topology: Topology, tables: Mapping[str, FlowTables]) -> None:
    missing = {sff.name for sff in topology.sffs} - set(tables)
    if missing:
        raise SimulationError("TABLES", f"no tables for {', '.join(sorted(missing))}")


def _owners(topology: Topology) -> dict[str, str]:
    owners = {}
    for function in topology.functions:
        for port_id in {function.ingress} if function.rewrites_5tuple else set(function.legs(True)):
            owners[port_id] = function.id
    return owners

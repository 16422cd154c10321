"""Service function paths on real Open vSwitch: the port of :mod:`mano.ports.service_paths` over :mod:`sfc.ovs`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from mano.errors import CatenaError, DeadlineExceeded, InvalidInput, Unreachable
from mano.ports.service_paths import (
    Drift,
    FlowStatistics,
    FunctionWatch,
    NetworkSight,
    NetworkWatch,
    PathHop,
    PathProbe,
    SeenFrame,
    TraceStep,
)
from sfc.errors import SfcError
from sfc.liveness import Life
from sfc.model import Topology
from sfc.model.flows import FlowTables
from sfc.ovs import network_watch as sfc_network_watch
from sfc.ovs.errors import SwitchError, SwitchTimeout, SwitchUnreachable
from sfc.ovs.liveness import LivenessMonitor
from sfc.ovs.location import SwitchLocation
from sfc.ovs.oam import ProbedHop, probe
from sfc.ovs.openflow import compare_tables, replace_tables
from sfc.ovs.packet import parse_packet
from sfc.ovs.stats import connection_marks, flow_counters, forget
from sfc.ovs.trace import Trace, Verdict, trace

BRIDGE = "br-int"
_AT_ONCE = 8
"""Switches that are asked at the same time."""


class OvsServicePaths:
    """The integration bridges of hosts whose switches ``switch_of`` finds.

    ``switch_of`` maps a host's name to its switch and raises :class:`~mano.errors.CatenaError` for a host that it does
    not know.
    """

    def __init__(
        self,
        switch_of: Callable[[str], SwitchLocation],
        bridge: str = BRIDGE,
        *,
        revive: Callable[[str], None] | None = None,
    ) -> None:
        """``revive`` gives a host's switch what it forgets beside its tables when it starts anew."""
        self._switch_of = switch_of
        self._bridge = bridge
        self._revive = revive

    def program(self, host: str, tables: FlowTables, *, generation: int | None = None) -> None:
        """Make the host's tables equal to the given ones: only the differences are sent, in one bundle."""
        with switch_errors():
            replace_tables(self._switch_of(host), self._bridge, tables, generation=generation)

    def settle(self, host: str) -> None:
        """Wait until the host's datapath has forgotten what its tables said before."""
        with switch_errors():
            forget(self._switch_of(host))

    def statistics(self, host: str) -> tuple[FlowStatistics, ...]:
        """Counters of every flow on the host's bridge, settled."""
        with switch_errors():
            counters = flow_counters(self._switch_of(host), self._bridge)
        return tuple(FlowStatistics(each.cookie, each.packets, each.octets) for each in counters)

    def connections(self, host: str) -> Mapping[int, Mapping[int, int]]:
        """From one dump of the host's connection tracker."""
        with switch_errors():
            return connection_marks(self._switch_of(host))

    def drift(self, tables: Mapping[str, FlowTables]) -> tuple[Drift, ...]:
        """Compare the bridges with the intended tables, in the order of their names."""
        hosts = sorted(tables)
        with ThreadPoolExecutor(_AT_ONCE, "drift") as pool:
            return tuple(pool.map(lambda host: self._drift_of(host, tables[host]), hosts))

    def trace(self, host: str, packet: Mapping[str, object]) -> TraceStep:
        """Ask the host's switch what it would do with a packet.

        ``packet`` may hold, under ``inner``, the fields of what an NSH packet carries: the trace then goes on behind
        the decapsulation. Raises :class:`~mano.errors.InvalidInput` for fields that no packet has.
        """
        inner = packet.get("inner")
        with switch_errors():
            found = trace(
                self._switch_of(host),
                self._bridge,
                parse_packet({name: value for name, value in packet.items() if name != "inner"}),
                inner=parse_packet(inner) if isinstance(inner, Mapping) else None,
            )
        return TraceStep(host, found.cookies, verdict_text(found), found.text)

    def probe(self, topology: Topology, host: str, spi: int, *, count: int = 1, wait_s: float = 1.0) -> PathProbe:
        """Let the host's responder send echo requests along a path that begins there."""
        with switch_errors():
            found = probe(self._switch_of(host), spi, count=count, wait_s=wait_s)
        return PathProbe(tuple(map(_hop, found.hops)), found.why)

    def watch(self, topology: Topology, lives: Mapping[str, bool]) -> FunctionWatch:
        """Let the responders of all bridges probe their functions."""
        return LivenessWatch(topology, {sff.name: self._switch_of(sff.name) for sff in topology.sffs}, lives)

    def watch_network(self, topology: Topology, known: NetworkSight) -> NetworkWatch:
        """Let the databases of all switches tell what happens."""
        locations = {sff.name: self._switch_of(sff.name) for sff in topology.sffs}
        return SwitchesWatch(sfc_network_watch.NetworkWatch(topology.sffs, locations, known=_library_sight(known)))

    def revive(self, host: str) -> None:
        """As whoever made the switch has it."""
        if self._revive is not None:
            self._revive(host)

    def follow(
        self, topology: Topology, port_id: str, frame: bytes, token: bytes, wait_s: float
    ) -> tuple[SeenFrame, ...]:
        """Send a real frame, and capture it on every host."""
        from mano.adapters.frames import follow

        locations = {sff.name: self._switch_of(sff.name) for sff in topology.sffs}
        with switch_errors():
            return follow(locations, topology, self._bridge, port_id, frame, token, wait_s)

    def _drift_of(self, host: str, tables: FlowTables) -> Drift:
        with switch_errors():
            difference = compare_tables(self._switch_of(host), self._bridge, tables)
        return Drift(host, difference.missing, difference.foreign)


class LivenessWatch:
    """Implements :class:`mano.ports.service_paths.FunctionWatch` by the library's probes."""

    def __init__(self, topology: Topology, locations: Mapping[str, SwitchLocation], lives: Mapping[str, bool]) -> None:
        self._monitor = LivenessMonitor(topology, locations)
        for function in self._monitor.lives.keys() & lives.keys():
            self._monitor.lives[function] = Life.ALIVE if lives[function] else Life.DEAD

    def changes(self, timeout_s: float) -> Mapping[str, bool]:
        """Functions found dead or alive again; a responder that is lost changes nothing of what is known."""
        with switch_errors():
            found = self._monitor.events(timeout_s)
        return {event.function: event.life is Life.ALIVE for event in found if event.function is not None}

    def lives(self) -> Mapping[str, bool]:
        """What is known."""
        known = self._monitor.lives.items()
        return {function: life is Life.ALIVE for function, life in known if life is not Life.UNKNOWN}

    def close(self) -> None:
        """The responders stop probing."""
        self._monitor.close()


class SwitchesWatch:
    """Implements :class:`mano.ports.service_paths.NetworkWatch` by the library's."""

    def __init__(self, watch: sfc_network_watch.NetworkWatch) -> None:
        self._watch = watch

    def changes(self, timeout_s: float) -> NetworkSight | None:
        """What is new of any switch; one that cannot be reached tells nothing."""
        with switch_errors():
            seen = self._watch.changes(timeout_s)
        return None if seen is None else NetworkSight(seen.cuts, seen.dark, seen.anew)

    def close(self) -> None:
        """Let go of the switches."""
        self._watch.close()


def _library_sight(known: NetworkSight) -> sfc_network_watch.Sight:
    return sfc_network_watch.Sight(known.cuts, known.dark, known.anew)


def _hop(hop: ProbedHop) -> PathHop:
    return PathHop(
        ttl=hop.ttl,
        host=hop.host,
        spi=hop.spi,
        si=hop.si,
        end=hop.end,
        rule=hop.rule,
        next_rule=hop.next_rule,
        sent=hop.sent,
        received=hop.received,
        least_ms=hop.least_ms,
        median_ms=hop.median_ms,
        hop_ms=hop.hop_ms,
    )


def verdict_text(found: Trace) -> str:
    """What became of the packet: ``drop``, ``output 11``, ``tunnel 10.99.0.2 nsh 100/254 ttl 61``, ``decapsulated``."""
    words = [found.verdict.value]
    if found.verdict is Verdict.TUNNEL:
        words.append(str(found.peer))
    elif found.verdict is Verdict.OUTPUT:
        words.append(",".join(map(str, found.outputs)))
    if found.nsh:
        words.append(
            f"nsh {found.nsh.get('nsh_spi', 0)}/{found.nsh.get('nsh_si', 0)} ttl {found.nsh.get('nsh_ttl', 0)}"
        )
    return " ".join(words)


@contextmanager
def switch_errors() -> Iterator[None]:
    """Errors of the library leave as errors of :mod:`mano.errors`, the host among their facts."""
    try:
        yield
    except SwitchUnreachable as error:
        raise Unreachable(error.message, hint=error.hint, facts={"host": error.host}) from error
    except SwitchTimeout as error:
        raise DeadlineExceeded(error.message, hint=error.hint, facts={"host": error.host}) from error
    except SwitchError as error:
        raise CatenaError(error.message, hint=error.hint, facts={"host": error.host}) from error
    except SfcError as error:
        raise InvalidInput(error.message, hint=error.hint) from error

"""One bridge at work: looks packets up and executes the actions of the rules, exactly those that are rendered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from sfc.errors import SimulationError
from sfc.model.actions import (
    Action,
    CheckLarger,
    Clone,
    Ct,
    Decap,
    DecNshTtl,
    EncapEthernet,
    EncapNsh,
    MeterBy,
    Move,
    Multipath,
    Output,
    OutputInPort,
    PopVlan,
    PushVlan,
    Resubmit,
    SetField,
    ToGroup,
)
from sfc.model.addresses import Mac
from sfc.model.chains import PathPosition
from sfc.model.fields import Field
from sfc.model.flows import Flow, FlowTables, Group, GroupType
from sfc.model.topology import Sff
from sfc.simulator.conntrack import ConnectionTracker
from sfc.simulator.footprint import Spot, spot_of_group, spots_of_lookup
from sfc.simulator.hashing import multipath_hash
from sfc.simulator.keys import Key, extract, rewrite
from sfc.simulator.lookup import FlowIndex
from sfc.simulator.packets import Ethernet, Ip, Nsh, Packet, Raw, Vlan, ip_of
from sfc.simulator.trace import Dropped, Event, Loss, Matched
from sfc.simulator.wire import encode

RESUBMIT_MAX = 64  # OVS: MAX_RESUBMIT_DEPTH
LOOKUPS_MAX = 4096  # OVS: MAX_RESUBMITS, of one packet on one bridge
RECIRCULATIONS_MAX = 6  # OVS, userspace datapath: MAX_RECIRC_DEPTH

REGISTERS = (Field.REG0, Field.REG1, Field.REG2, Field.REG3)
PIPELINE = (Field.IN_PORT, Field.TUN_ID, Field.TUN_SRC, Field.TUN_DST, Field.CT_STATE, Field.CT_MARK, *REGISTERS)


@dataclass
class State:
    """A packet inside a bridge: its fields, what was written to them, and where it came from."""

    packet: Packet
    pipeline: Key
    key: Key = field(default_factory=dict)
    changes: Key = field(default_factory=dict)
    outputs: int = 0
    last: Flow | None = None
    decapsulated: bool = False

    def __post_init__(self) -> None:
        self.key = {**extract(self.packet), **self.pipeline}

    def settled(self) -> Packet:
        """The packet with everything written to it."""
        if self.changes:
            self.packet, self.changes = rewrite(self.packet, self.changes), {}
        return self.packet

    def write(self, name: Field, value: int) -> None:
        """Write a field of the pipeline or of the packet."""
        if name in PIPELINE:
            self.pipeline[name] = value
        elif name not in self.key:
            raise SimulationError("PREREQUISITE", f"{name.text} is written to a packet that has none")
        else:
            self.changes[name] = value
        self.key[name] = value

    def become(self, packet: Packet) -> None:
        """Go on as another packet, pipeline fields kept."""
        self.packet = packet
        self.changes = {}
        self.key = {**extract(packet), **self.pipeline}

    def copy(self) -> State:
        """A second packet in the same state, as a recirculation makes it."""
        return State(self.settled(), dict(self.pipeline))


Emit = Callable[[int, Packet, int, int], None]
"""Sends a packet out: (OpenFlow port, packet, tunnel key, tunnel destination)."""


class BridgeMachine:
    """The simulated switch of one SFF."""

    def __init__(self, sff: Sff, tables: FlowTables, down_ports: frozenset[int] = frozenset()) -> None:
        self.sff = sff
        self.connections = ConnectionTracker()
        self.packets: Counter[int] = Counter()
        """Packets by encoded cookie."""
        self.metered: Counter[int] = Counter()
        """Packets by meter; nothing is dropped by rate."""
        self.tables = tables
        self._index = FlowIndex(tables)
        self._groups = {group.id: group for group in tables.groups}
        self.down = down_ports
        self.spots: set[Spot] | None = None
        """Where to note what is looked at, when somebody wants to know."""

    def reprogram(self, tables: FlowTables) -> None:
        """Hold other tables from now on."""
        if tables is not self.tables:
            self.tables = tables
            self._index = FlowIndex(tables, self._index)
            self._groups = {group.id: group for group in tables.groups}

    def process(self, packet: Packet, pipeline: Key, events: list[Event], emit: Emit) -> None:
        """Run one packet from table 0; events are appended, outputs go to ``emit``."""
        base = {name: 0 for name in (*REGISTERS, Field.CT_STATE, Field.CT_MARK, Field.TUN_DST)}
        run = _Run(self, events, emit)
        run.start(State(packet, {**base, **pipeline}), 0)

    def find(self, table: int, key: Key) -> Flow | None:
        """The rule of a packet in a table."""
        if self.spots is not None:
            self.spots.update(spots_of_lookup(self.sff.name, table, key))
        return self._index.find(table, key)

    def bucket(self, number: int, key: Key) -> tuple[Action, ...] | None:
        """Actions of the bucket that a group chooses; None when none is alive."""
        if self.spots is not None:
            self.spots.add(spot_of_group(self.sff.name, number))
        group = self._groups.get(number)
        if group is None:
            raise SimulationError("GROUP", f"{self.sff.name} has no group {number}")
        return self._choose(group, key)

    def _choose(self, group: Group, key: Key) -> tuple[Action, ...] | None:
        alive = [bucket for bucket in group.buckets if bucket.watch_port not in self.down]
        if not alive:
            return None
        if group.type is GroupType.FAST_FAILOVER:
            return alive[0].actions
        slots = [bucket for bucket in alive for _ in range(bucket.weight)]
        number = 0
        for name in group.fields:
            number = (number * 0x01000193 ^ key.get(name, 0)) & 0xFFFFFFFF
        return slots[number % len(slots)].actions if slots else None


class _Run:
    """One packet's way through one bridge, its copies included."""

    def __init__(self, machine: BridgeMachine, events: list[Event], emit: Emit) -> None:
        self.machine = machine
        self.events = events
        self.emit = emit
        self.looked_up = 0
        self.recirculated = 0

    def start(self, state: State, table: int) -> None:
        """Run from a table; a packet that nothing sent is reported with the reason."""
        reported = len(self.events)
        self.look_up(state, table, 0)
        ended = any(isinstance(event, Dropped) for event in self.events[reported:])
        if not state.outputs and not ended:
            self.drop(state, Loss.NO_OUTPUT)

    def look_up(self, state: State, table: int, depth: int) -> None:
        self.looked_up += 1
        if depth > RESUBMIT_MAX or self.looked_up > LOOKUPS_MAX:
            self.drop(state, Loss.LOOP)
            return
        flow = self.machine.find(table, state.key)
        if flow is None:
            self.drop(state, Loss.NO_RULE)
            return
        state.last = flow
        state.decapsulated = False
        self.machine.packets[flow.cookie.encode()] += 1
        self.events.append(Matched(self.machine.sff.name, flow, state.settled()))
        if not flow.actions:
            self.events.append(Dropped(self.machine.sff.name, flow.cookie.kind, state.settled(), flow))
        self.execute(state, flow.actions, depth)

    def execute(self, state: State, actions: tuple[Action, ...], depth: int) -> None:
        for action in actions:
            if state.decapsulated and not isinstance(action, Resubmit | Output | ToGroup | Decap):
                raise SimulationError("AFTER_DECAP", f"OVS refuses {action} right behind decap()")
            if not self.perform(state, action, depth):
                return

    def perform(self, state: State, action: Action, depth: int) -> bool:
        """Execute one action; False ends the list."""
        match action:
            case SetField(field=name, value=value):
                state.write(name, value)
            case Move(source=source, target=target):
                state.write(target, state.key[source])
            case Resubmit(table=table):
                self.look_up(state, table, depth + 1)
            case Output(ofport=ofport):
                self.output(state, ofport)
            case OutputInPort():
                self.send(state, state.pipeline[Field.IN_PORT])
            case EncapNsh():
                state.become(Nsh(PathPosition(0, 255), state.settled()))
            case EncapEthernet():
                self.encap_ethernet(state)
            case Decap():
                return self.decap(state)
            case DecNshTtl():
                return self.decrement(state)
            case Ct():
                self.track(state, action)
            case Multipath(fields=fields, links=links, target=target):
                state.write(target, multipath_hash(fields, state.key) % links)
            case CheckLarger(octets=most, target=target):
                larger = len(encode(state.settled())) > most
                state.write(target, state.key.get(target, 0) & ~1 | larger)
            case PushVlan():
                self.push_vlan(state)
            case PopVlan():
                self.pop_vlan(state)
            case Clone(actions=actions):
                if Decap() in actions:
                    raise SimulationError("CLONE_DECAP", "OVS ends a rule at a decap inside a clone")
                self.execute(state.copy(), actions, depth)
            case MeterBy(meter=meter):
                self.machine.metered[meter] += 1
            case ToGroup(group=group):
                return self.to_group(state, group, depth)
        return True

    def encap_ethernet(self, state: State) -> None:
        packet = state.settled()
        if not isinstance(packet, Nsh):
            raise SimulationError("ENCAP", "encap(ethernet) is not supported for packet type ethernet")
        state.become(Ethernet(Mac(0), Mac(0), packet))

    def push_vlan(self, state: State) -> None:
        packet = state.settled()
        if not isinstance(packet, Ethernet):
            raise SimulationError("VLAN", "push_vlan on a packet without Ethernet header")
        state.become(replace(packet, vlans=(Vlan(0), *packet.vlans)))

    def pop_vlan(self, state: State) -> None:
        packet = state.settled()
        if isinstance(packet, Ethernet) and packet.vlans:
            state.become(replace(packet, vlans=packet.vlans[1:]))

    def decap(self, state: State) -> bool:
        packet = state.settled()
        inner: Packet | Raw
        if isinstance(packet, Nsh):
            inner = packet.inner
        elif isinstance(packet.payload, Nsh) and not packet.vlans:
            inner = packet.payload
        else:
            raise SimulationError("DECAP", "decap() of a frame that carries no NSH")
        if isinstance(inner, Raw):
            self.drop(state, Loss.NEXT_PROTOCOL)
            return False
        state.become(inner)
        state.decapsulated = True
        return True

    def decrement(self, state: State) -> bool:
        ttl = state.key.get(Field.NSH_TTL)
        if ttl is None:
            raise SimulationError("TTL", "dec_nsh_ttl of a packet without NSH")
        if ttl <= 1:
            self.drop(state, Loss.TTL)
            return False
        state.write(Field.NSH_TTL, ttl - 1)
        return True

    def track(self, state: State, action: Ct) -> None:
        ip = ip_of(state.settled())
        if not isinstance(ip, Ip) or isinstance(state.packet, Nsh):
            raise SimulationError("CT", "connection tracking of a packet without IP")
        tracked = self.machine.connections.look_up(action.zone, ip)
        mark = tracked.mark
        if action.commit:
            self.machine.connections.commit(action.zone, ip, action.mark)
            mark = mark if action.mark is None else action.mark
        if action.table is not None:
            copy = state.copy()
            copy.write(Field.CT_STATE, tracked.state)
            copy.write(Field.CT_MARK, mark)
            self.recirculate(copy, action.table)
            state.outputs += 1

    def recirculate(self, state: State, table: int) -> None:
        if self.recirculated >= RECIRCULATIONS_MAX:
            self.drop(state, Loss.LOOP)
            return
        self.recirculated += 1
        self.start(state, table)
        self.recirculated -= 1

    def to_group(self, state: State, group: int, depth: int) -> bool:
        actions = self.machine.bucket(group, state.key)
        if actions is None:
            self.drop(state, Loss.GROUP)
            return False
        self.execute(state, actions, depth)
        return True

    def output(self, state: State, ofport: int) -> None:
        if ofport == state.pipeline[Field.IN_PORT]:
            self.drop(state, Loss.SAME_PORT)
        else:
            self.send(state, ofport)

    def send(self, state: State, ofport: int) -> None:
        packet = state.settled()
        if isinstance(packet, Nsh) and ofport != self.machine.sff.tunnel_ofport:
            self.drop(state, Loss.PACKET_TYPE)
            return
        if ofport in self.machine.down:
            self.drop(state, Loss.PORT_DOWN)
            return
        state.outputs += 1
        self.emit(ofport, packet, state.pipeline.get(Field.TUN_ID, 0), state.pipeline.get(Field.TUN_DST, 0))

    def drop(self, state: State, reason: Loss) -> None:
        self.events.append(Dropped(self.machine.sff.name, reason, state.settled(), state.last))

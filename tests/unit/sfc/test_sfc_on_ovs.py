"""The simulator against Open vSwitch itself: same tables, same packets, same rules, same octets out."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import TypeVar

import pytest

from sfc.model import Chain, Classifier, Cookie, Decap, FlowTables, Kind, Layer, Mac, Match, PathPosition, Topology
from sfc.path import plan_chain
from sfc.render import NEIGHBOUR_INGRESS, mac_tag, render
from sfc.simulator import Simulator, Trace
from sfc.simulator.packets import (
    O_BIT,
    Arp,
    Ethernet,
    Fragment,
    Icmp,
    Ip,
    Neighbour,
    Nsh,
    Packet,
    Raw,
    Tcp,
    Udp,
    Vlan,
    answer_to,
)
from sfc.simulator.trace import Crossed, Delivered, Matched, Received, Visited
from sfc.simulator.wire import encode
from tests.unit.sfc.gilan import DPI, GATEWAY, GATEWAY_IP, SUB, SUB_IP, WEB_IP, GiLan, gilan
from tests.unit.sfc.spreading import planned, spread_chain, three_firewalls
from tests.unit.sfc.switches import Switch

pytestmark = pytest.mark.dataplane

BROADCAST = Mac((1 << 48) - 1)


@contextmanager
def switches(
    directory: Path, lan: GiLan, tables: Mapping[str, FlowTables] | None = None
) -> Iterator[dict[str, Switch]]:
    with ExitStack() as stack:
        started = {}
        for sff in lan.topology.sffs:
            switch = started[sff.name] = Switch(directory / sff.name, lan.topology, sff)
            stack.callback(switch.stop)
            switch.start()
            switch.load((tables or lan.tables)[sff.name])
        yield started


def sub(payload: Ip | Arp | Raw | Nsh, source: Mac = SUB, vlans: tuple[Vlan, ...] = ()) -> Ethernet:
    return Ethernet(source, GATEWAY, payload, vlans)


def tcp(port: int = 80, flags: str = "S", own: int = 40000) -> Ethernet:
    return sub(Ip(SUB_IP, WEB_IP, Tcp(own, port, flags)))


def mgmt(topology: Topology, here: str, there: str, index: int) -> Ethernet:
    a, b = topology.port(here), topology.port(there)
    return Ethernet(a.mac, b.mac, Ip(a.addresses[index], b.addresses[index], Udp(7, 8, b"x" * 20)))


def solicitation(topology: Topology, here: str, there: str) -> Ethernet:
    a, b = topology.port(here), topology.port(there)
    target = b.addresses[1]
    assert isinstance(target, IPv6Address)
    asked = Neighbour(target, option_type=1, link_address=a.mac)
    return Ethernet(a.mac, Mac(0x3333FF000013), Ip(a.addresses[1], IPv6Address("ff02::1:ff00:13"), asked))


def story(lan: GiLan) -> list[tuple[str, Packet]]:
    """Packets by the port that sends them, in order: connections, errors, forgeries, networks, OAM."""
    web_answer = answer_to(tcp()).payload
    assert isinstance(web_answer, Ip)
    ping = sub(Ip(SUB_IP, WEB_IP, Icmp(8, 0, 77)))
    dns = sub(Ip(SUB_IP, WEB_IP, Udp(40001, 53, b"question")))
    forged = Nsh(PathPosition(100, 253), tcp())
    probe = Nsh(PathPosition(100, 255), Raw(7, b"probe000"), ttl=9, flags=O_BIT)
    arp = Arp(1, SUB, int(SUB_IP), Mac(0), int(GATEWAY_IP))
    return [
        ("sub", Ethernet(SUB, BROADCAST, arp)),
        ("sub", Ethernet(SUB, BROADCAST, Arp(1, SUB, int(GATEWAY_IP), Mac(0), int(SUB_IP)))),
        ("sub", Ethernet(SUB, BROADCAST, Arp(1, SUB, int(SUB_IP), Mac(0), int(SUB_IP)))),
        ("sub", tcp()),
        ("nat-in", answer_to(tcp())),
        ("sub", tcp(flags="A")),
        ("nat-in", answer_to(tcp(), "A")),
        ("sub", dns),
        ("nat-in", answer_to(dns)),
        ("sub", ping),
        ("nat-in", answer_to(ping)),
        ("sub", tcp(23)),
        ("sub", sub(Ip(SUB_IP, WEB_IP, Icmp(3, 3, about=web_answer)))),
        ("nat-in", answer_to(tcp(), "A")),
        ("nat-in", answer_to(tcp(443, own=50001), "SA")),
        ("nat-in", answer_to(tcp(443, own=50001), "A")),
        ("nat-in", Ethernet(GATEWAY, SUB, Ip(WEB_IP, SUB_IP, Udp(5, 6)))),
        ("fw-in", answer_to(Ethernet(mac_tag(PathPosition(100, 255)), GATEWAY, tcp().payload), "RA")),
        (
            "fw-in",
            Ethernet(Mac(0x020000000099), NEIGHBOUR_INGRESS, Ip(IPv4Address("10.10.0.254"), SUB_IP, Icmp(3, 13))),
        ),
        ("fw-out", tcp()),
        ("fw-out", Ethernet(SUB, DPI, forged)),
        ("dpi-sfc", Ethernet(DPI, SUB, Nsh(PathPosition(200, 253), tcp(), ttl=9))),
        ("dpi-sfc", Ethernet(DPI, SUB, Nsh(PathPosition(101, 254), answer_to(tcp(), "A"), ttl=9, flags=O_BIT))),
        ("sub", sub(forged)),
        ("sub", sub(forged, vlans=(Vlan(5),))),
        ("sub", sub(forged, vlans=(Vlan(0),))),
        ("sub", sub(forged, vlans=(Vlan(5, tpid=0x88A8), Vlan(6)))),
        ("sub", sub(Ip(SUB_IP, WEB_IP, Udp(1, 4790, b"12345678")))),
        ("sub", sub(Ip(IPv4Address("10.10.0.9"), WEB_IP, Udp(1, 53)))),
        ("sub", sub(Ip(SUB_IP, WEB_IP, Udp(1, 53)), source=GATEWAY)),
        ("sub", sub(Ip(IPv6Address("fd00::1"), IPv6Address("fd00::2"), Udp(1, 53)))),
        ("sub", sub(Raw(0x88CC, b"lldp"))),
        ("fw-mgmt", mgmt(lan.topology, "fw-mgmt", "nat-mgmt", 0)),
        ("fw-mgmt", mgmt(lan.topology, "fw-mgmt", "nat-mgmt", 1)),
        ("dpi-mgmt", mgmt(lan.topology, "dpi-mgmt", "fw-mgmt", 1)),
        ("fw-mgmt", solicitation(lan.topology, "fw-mgmt", "nat-mgmt")),
        ("fw-mgmt", Ethernet(lan.topology.port("fw-mgmt").mac, BROADCAST, Raw(0x1234, b"?"))),
        *fragments(Udp(40002, 53, b"f" * 2000)),
        *fragments(Tcp(40000, 80, "A", b"f" * 2000)),
        ("oam", Ethernet(Mac(0x020A00000001), Mac(0x020A00000001), probe)),
        ("oam", Ethernet(Mac(0x020A00000001), Mac(0x020A00000001), forged)),
    ]


def fragments(payload: Udp | Tcp) -> list[tuple[str, Packet]]:
    """Both halves of a datagram of the subscriber."""
    return [("sub", sub(Ip(SUB_IP, WEB_IP, payload, fragment=part))) for part in (Fragment.FIRST, Fragment.LATER)]


def play(network: Simulator, port: str, packet: Packet) -> Trace:
    return network.inject_at("h1", 200, packet) if port == "oam" else network.inject(port, packet)


def expected_outputs(topology: Topology, traces: list[Trace]) -> dict[tuple[str, int], list[bytes]]:
    outputs: dict[tuple[str, int], list[bytes]] = {}
    terminating = {function.ingress for function in topology.functions if function.rewrites_5tuple}
    for trace in traces:
        for event in trace.events:
            if isinstance(event, Visited) or (isinstance(event, Delivered) and event.port not in terminating):
                sff, ofport = _place(topology, event)
            elif isinstance(event, Crossed):
                sff, ofport = event.from_sff, 100
            else:
                continue
            head = b""
            if isinstance(event, Crossed):
                head = bytes([0x0C, 0, 0, 4 if isinstance(event.packet, Nsh) else 3]) + (event.vni << 8).to_bytes(
                    4, "big"
                )
            outputs.setdefault((sff, ofport), []).append(head + encode(event.packet))
    return outputs


def _place(topology: Topology, event: Delivered | Visited) -> tuple[str, int]:
    if event.port == "oam":
        assert isinstance(event, Delivered)
        return event.sff, 200
    port = topology.port(event.port)
    return port.sff, port.ofport


@pytest.mark.parametrize("layer", [Layer.L2, Layer.L3])
@pytest.mark.parametrize("places", [("h1", "h2", "h3"), ("h2", "h2", "h1")])
def test_ovs_and_the_simulator_agree_on_every_rule_and_every_octet(
    tmp_path: Path, layer: Layer, places: tuple[str, str, str]
) -> None:
    lan = gilan(layer, *places)
    network = Simulator(lan.topology, lan.tables)
    with switches(tmp_path, lan) as real:
        for name, switch in real.items():
            assert switch.diff() == "", f"{name} gives other flows back than it got"
        traces = []
        for port, packet in story(lan):
            trace = play(network, port, packet)
            traces.append(trace)
            for event in trace.events:
                if isinstance(event, Received):
                    arrive(real[event.sff], lan.topology, trace, event)
        outputs = expected_outputs(lan.topology, traces)
        for name, switch in real.items():
            simulated = {cookie: count for cookie, count in network.bridges[name].packets.items() if count}
            assert named(switch.counters()) == named(simulated), name
            for port_here in [port for port in lan.topology.ports if port.sff == name]:
                assert switch.sent(port_here.ofport) == outputs.get((name, port_here.ofport), []), port_here.id
            assert switch.sent(200) == outputs.get((name, 200), [])
            assert switch.sent_to_underlay() == outputs.get((name, 100), [])


def named(counters: dict[int, int]) -> dict[str, int]:
    return {f"{cookie:#x} {Cookie.decode(cookie)}": count for cookie, count in sorted(counters.items())}


def arrive(switch: Switch, topology: Topology, trace: Trace, event: Received) -> None:
    """The same packet, as the simulator had it, at the same port of the real switch."""
    tun_src = tun_id = 0
    if event.ofport == 100:
        crossing = next(each for each in trace.crossings if each.packet is event.packet)
        tun_src, tun_id = int(topology.sff(crossing.from_sff).underlay_ip), crossing.vni
    switch.receive(event.ofport, event.packet, tun_src, tun_id)


T = TypeVar("T")


def random_packet(generator: random.Random, lan: GiLan) -> tuple[str, Packet]:
    """A frame that is almost right."""

    def pick(choices: Sequence[T]) -> T:
        return generator.choice(choices)

    addresses = [SUB_IP, GATEWAY_IP, WEB_IP, IPv4Address("192.0.2.11"), IPv4Address("10.10.0.254")]
    macs = [
        SUB,
        GATEWAY,
        DPI,
        BROADCAST,
        NEIGHBOUR_INGRESS,
        mac_tag(PathPosition(100, 255)),
        mac_tag(PathPosition(201, 255)),
    ]
    macs += [port.mac for port in lan.topology.ports]
    ports = [22, 53, 80, 443, 4790, generator.randrange(65536)]
    transports: list[Tcp | Udp | Icmp] = [
        Tcp(pick(ports), pick(ports), "A"),
        Udp(pick(ports), pick(ports)),
        Icmp(pick([0, 3, 8, 11]), 0, 5),
    ]
    ip = Ip(pick(addresses), pick(addresses), pick(transports), dscp=pick([0, 10]))
    inner = Ethernet(pick(macs[:3]), pick(macs[:3]), ip)
    nsh = Nsh(
        PathPosition(pick([100, 101, 200, 201, 9]), pick([255, 254, 253, 0])),
        inner,
        pick([0, 1, 2, 63]),
        pick([0, O_BIT]),
    )
    arp = Arp(pick([1, 2]), pick(macs), int(pick(addresses)), Mac(0), int(pick(addresses)))
    tags: list[tuple[Vlan, ...]] = [(), (), (), (Vlan(3),), (Vlan(3), Vlan(4))]
    payloads: list[Ip | Nsh | Arp | Raw] = [ip, ip, ip, nsh, arp, Raw(0x88CC, b"?")]
    frame = Ethernet(pick(macs), pick(macs), pick(payloads), pick(tags))
    return pick([port.id for port in lan.topology.ports]), frame


def walk_of(text: str) -> list[tuple[int, int]]:
    """(table, cookie) of each rule in an ``ofproto/trace``, up to the first recirculation."""
    first = text.split("Final flow:")[0]
    return [
        (int(table), int(cookie, 16))
        for table, cookie in re.findall(r"^ *(\d+)\. .*?priority \d+, cookie (0x[0-9a-f]+)", first, re.MULTILINE)
    ]


def simulated_walk(trace: Trace) -> list[tuple[int, int]]:
    """The same of a simulated walk: its first bridge, up to a decap or a jump by ct."""
    walk = []
    for event in trace.events[1:]:
        if not isinstance(event, Matched):
            break
        walk.append((event.flow.table, event.flow.cookie.encode()))
        if any(isinstance(action, Decap) for action in event.flow.actions) or jumps(event):
            break
    return walk


def jumps(event: Matched) -> bool:
    return event.flow.cookie.kind in (Kind.PROXY_TRACK, Kind.CLASSIFY_TRACK) or "ct(table" in event.flow.text()


def test_ofproto_trace_walks_the_same_rules_for_generated_packets(tmp_path: Path) -> None:
    lan = gilan()
    generator = random.Random(20240607)
    with switches(tmp_path, lan) as real:
        met = set()
        for _ in range(250):
            port_id, packet = random_packet(generator, lan)
            port = lan.topology.port(port_id)
            expected = simulated_walk(Simulator(lan.topology, lan.tables).inject(port_id, packet))
            text = real[port.sff].trace(port.ofport, packet)
            assert walk_of(text) == expected, f"{port_id}: {packet}\n{text}"
            met.update(expected)
        assert len(met) > 40


def test_icmp_types_and_macs_classify_on_open_vswitch_as_in_the_simulator(tmp_path: Path) -> None:
    lan = gilan()
    path = lan.web.chain.path
    matches = (Match(protocol=1, icmp_type=8, icmp_code=0), Match(protocol=1, icmp_type=3), Match(destination_mac=DPI))
    chain = Chain("chosen", "sub", path, tuple(Classifier(match, 9) for match in matches))
    lan = GiLan(lan.topology, (plan_chain(lan.topology, chain, 300, 301), *lan.chains))
    frames = [
        *(Ethernet(SUB, GATEWAY, Ip(SUB_IP, WEB_IP, Icmp(kind, code, 7))) for kind in (8, 3, 13) for code in (0, 1)),
        Ethernet(SUB, DPI, Ip(SUB_IP, WEB_IP, Udp(1, 2))),
        tcp(),
    ]
    with switches(tmp_path, lan) as real:
        for name, switch in real.items():
            assert switch.diff() == "", f"{name} gives other flows back than it got"
        for frame in frames:
            expected = simulated_walk(Simulator(lan.topology, lan.tables).inject("sub", frame))
            assert walk_of(real["h1"].trace(1, frame)) == expected, frame


def spread_story(lan: GiLan) -> list[tuple[str, Packet]]:
    """Connections there, on, and back; fragments; errors; answers that nobody remembers."""
    packets: list[tuple[str, Packet]] = []
    for own in range(40000, 40012):
        packets += [("sub", tcp(own=own)), ("nat-in", answer_to(tcp(own=own))), ("sub", tcp(flags="A", own=own))]
    for own in range(41000, 41006):
        question = sub(Ip(SUB_IP, WEB_IP, Udp(own, 53, b"question")))
        answer = answer_to(question).payload
        assert isinstance(answer, Ip)
        packets += [("sub", question), ("nat-in", answer_to(question))]
        packets.append(("sub", sub(Ip(SUB_IP, WEB_IP, Icmp(3, 3, about=answer)))))
        packets.append(("nat-in", answer_to(sub(Ip(SUB_IP, WEB_IP + 9, Udp(own, 53, b"unasked"))))))
    for host in range(1, 5):
        ping = sub(Ip(SUB_IP, WEB_IP + host, Icmp(8, 0, 77)))
        packets += [("sub", ping), ("nat-in", answer_to(ping))]
        packets.append(("sub", sub(Ip(SUB_IP, WEB_IP + host, Udp(42000, 53, b"whole")))))
        for part in (Fragment.FIRST, Fragment.LATER):
            packets.append(("sub", sub(Ip(SUB_IP, WEB_IP + host, Udp(42000, 53, b"f" * 2000), fragment=part))))
    return packets


@pytest.mark.parametrize("layer", [Layer.L2, Layer.L3])
@pytest.mark.parametrize("down", [(), ("fw2",), ("fw3", "dpi")])
def test_a_chain_that_spreads_takes_the_same_branches_on_open_vswitch(
    tmp_path: Path, layer: Layer, down: tuple[str, ...]
) -> None:
    topology = three_firewalls(layer)
    chains = planned(topology, spread_chain((2, 1, 1)))
    tables = render(topology, chains, down=down)
    lan = GiLan(topology, chains)
    network = Simulator(topology, tables)
    with switches(tmp_path, lan, tables) as real:
        for name, switch in real.items():
            assert switch.diff() == "", f"{name} gives other flows back than it got"
        for port, packet in spread_story(lan):
            trace = play(network, port, packet)
            for event in trace.events:
                if isinstance(event, Received):
                    arrive(real[event.sff], topology, trace, event)
        for name, switch in real.items():
            simulated = {cookie: count for cookie, count in network.bridges[name].packets.items() if count}
            assert named(switch.counters()) == named(simulated), name
    kinds = {Cookie.decode(cookie).kind for bridge in network.bridges.values() for cookie in bridge.packets}
    assert {Kind.SPREAD_MARK, Kind.SPREAD_CHOICE, Kind.SPREAD_SHARE, Kind.REVERSE_SHARE} <= kinds
    assert (Kind.DROP_FAILED in kinds) == ("dpi" in down)


def test_both_halves_of_a_connections_first_datagram_take_one_branch_on_open_vswitch(tmp_path: Path) -> None:
    topology = three_firewalls()
    chains = planned(topology, spread_chain())
    lan = GiLan(topology, chains)
    taken = set()
    with switches(tmp_path, lan) as real:
        before = real["h1"].counters()
        for host in range(1, 9):
            ip = Ip(SUB_IP, WEB_IP + host, Udp(42000, 53, b"f" * 2000))
            for part in (Fragment.FIRST, Fragment.LATER):
                real["h1"].receive(1, sub(replace(ip, fragment=part)))
            after = real["h1"].counters()
            shares = {
                cookie: count - before.get(cookie, 0)
                for cookie, count in after.items()
                if Cookie.decode(cookie).kind is Kind.SPREAD_SHARE and count != before.get(cookie, 0)
            }
            assert list(shares.values()) == [2], "both halves by one rule"
            taken |= set(shares)
            before = after
    assert len(taken) == 3

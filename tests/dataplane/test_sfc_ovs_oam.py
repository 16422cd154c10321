"""The OAM responders of three bridges: traceroute, probes, what breaks, what is too big."""

from __future__ import annotations

import errno
import secrets
import socket
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from sfc.model.cookies import Cookie, Kind
from sfc.model.flows import FlowTables
from sfc.ovs.errors import SwitchRefused, SwitchUnreachable
from sfc.ovs.oam import ensure_responder, probe, stop_responder, traceroute
from sfc.ovs.openflow import compare_tables, replace_tables
from sfc.render import render
from tests.dataplane.sfc_ovs_lab import hand_lab, inside, ip, neighbours_of, run, wait_for
from tests.dataplane.test_sfc_ovs_gilan import HOSTS, World, build
from tests.plugins.labs import remains_of
from tests.unit.sfc.gilan import WEB_IP

pytestmark = pytest.mark.dataplane

IP_MTU_DISCOVER, IP_PMTUDISC_DO = 10, 2  # linux/in.h


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    lab_id = f"t{secrets.token_hex(3)}"
    with hand_lab(lab_id, tmp_path_factory.mktemp("oam")) as lab:
        yield build(lab)
    assert remains_of(lab_id) == []


@pytest.fixture
def responders(world) -> Iterator[None]:
    for number, host in enumerate(HOSTS, 1):
        address = IPv4Address(f"192.168.200.{number}")
        for _ in range(2):
            ensure_responder(world.location(host), "oam0", f"02:0a:00:00:00:{number:02x}", address)
    yield
    for host in HOSTS:
        stop_responder(world.location(host))


def walked(world: World, host: str, spi: int) -> list[tuple[str | None, int, bool]]:
    return [(hop.host, hop.si, hop.end) for hop in traceroute(world.location(host), spi)]


def test_a_traceroute_shows_every_hop_and_no_probe_enters_the_unaware_function(world, responders):
    tagged = inside(world.lab.namespace("fw"), lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0x4F89))
    assert walked(world, "h1", world.plan.web.forward.spi) == [
        ("h1", 255, False),
        ("h1", 254, False),
        ("h2", 254, False),
        ("h2", 253, False),
        ("h3", 253, False),
        ("h3", 253, True),
    ]
    assert walked(world, "h3", world.plan.other.reverse.spi) == [
        ("h3", 255, False),
        ("h1", 255, False),
        ("h1", 254, False),
        ("h1", 254, True),
    ]
    with tagged:
        tagged.setblocking(False)
        with pytest.raises(BlockingIOError):
            tagged.recv(2000)


def test_each_hop_of_a_traceroute_names_the_rules_that_took_the_probe_and_would_let_users_go_on(world, responders):
    hops = traceroute(world.location("h1"), world.plan.web.forward.spi)
    assert [(Cookie.decode(hop.rule).kind, Cookie.decode(hop.next_rule).kind) for hop in hops] == [
        (Kind.TTL_OUT_OAM, Kind.TO_PROXY),
        (Kind.TTL_OUT_OAM, Kind.TO_PEER),
        (Kind.TTL_OUT_OAM, Kind.TO_SF),
        (Kind.TTL_OUT_OAM, Kind.TO_PEER),
        (Kind.TTL_OUT_OAM, Kind.TO_END),
        (Kind.OAM_END, Kind.TO_END),
    ]
    assert {Cookie.decode(hop.next_rule).chain for hop in hops} == {world.plan.web.forward.spi}
    assert all(0 < hop.network_ms <= hop.milliseconds for hop in hops)


def test_probes_measure_every_hop_and_tell_where_a_path_breaks(world, responders):
    spi = world.plan.web.forward.spi
    found = probe(world.location("h1"), spi, count=3)
    assert found.whole and not found.why
    assert [hop.received for hop in found.hops] == [3] * 6
    assert found.hops[0].hop_ms == found.hops[0].least_ms > 0
    tables = world.plan.tables["h2"]
    kept = tuple(flow for flow in tables.flows if flow.cookie.kind is not Kind.TO_SF)
    replace_tables(world.location("h2"), "br-int", FlowTables("h2", kept, tables.groups, tables.meters))
    try:
        broken = probe(world.location("h1"), spi, count=2, wait_s=0.2)
    finally:
        replace_tables(world.location("h2"), "br-int", tables)
    assert (broken.breaks_behind.host, broken.breaks_behind.si, broken.breaks_behind.next_rule) == ("h2", 254, 0)
    assert broken.why == f"h2 at SPI {spi}, SI 254 has no rule for packets to go on by"


def test_a_traceroute_of_a_broken_path_ends_in_silence_where_it_breaks(world, responders):
    tables = world.plan.tables["h2"]
    replace_tables(world.location("h2"), "br-int", FlowTables("h2", (), (), ()))
    try:
        hops = traceroute(world.location("h1"), world.plan.web.forward.spi, wait_s=0.2)
    finally:
        replace_tables(world.location("h2"), "br-int", tables)
    assert [hop.host for hop in hops] == ["h1", "h1", None, None, None]


def test_a_packet_that_is_too_big_for_its_way_is_answered_at_once(world, responders):
    ends = ("sub", "nat-in")
    ports = tuple(replace(each, path_mtu=1400) if each.id in ends else each for each in world.plan.topology.ports)
    tables = render(replace(world.plan.topology, ports=ports), world.plan.chains)

    def send(octets: int) -> int | None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)
            client.settimeout(3)
            client.connect((str(WEB_IP), 53))
            client.send(bytes(octets - 28))
            try:
                return len(client.recv(65535)) + 28
            except OSError as error:
                return -(error.errno or 0)

    try:
        for host in HOSTS:
            replace_tables(world.location(host), "br-int", tables[host])
            assert not compare_tables(world.location(host), "br-int", tables[host])
        assert inside(world.lab.namespace("sub"), lambda: send(1400)) == 1400
        assert inside(world.lab.namespace("sub"), lambda: send(1401)) == -errno.EMSGSIZE
    finally:
        for host in HOSTS:
            replace_tables(world.location(host), "br-int", world.plan.tables[host])
        run("ip", "-n", world.lab.namespace("sub"), "route", "flush", "cache")


def test_a_wrong_question_is_refused_and_a_dead_responder_is_told(world, responders):
    with pytest.raises(SwitchRefused, match="si is 0"):
        traceroute(world.location("h1"), 100, 0)
    stop_responder(world.location("h1"))
    with pytest.raises(SwitchUnreachable, match="h1: "):
        traceroute(world.location("h1"), 100)


@pytest.mark.parametrize("kill", [True, False])
def test_a_responder_outlives_its_switch(world, responders, kill):
    daemon = world.lab.switches["h1"]
    daemon.restart_vswitchd(kill=kill)
    ip(
        world.lab.namespace("h1"),
        "link set oam0 address 02:0a:00:00:00:01 up",
        "address replace 10.99.0.1/24 dev br-phy",
        "link set br-phy up",
    )
    neighbours_of(world.lab, "h1")
    replace_tables(daemon.location, "br-int", world.plan.tables["h1"])
    spi = world.plan.other.forward.spi
    wait_for("it answers again", lambda: walked(world, "h1", spi)[-1:] == [("h3", 254, True)])

"""The adapters of the service-path port where no switch is needed: the simulated one, and the real one's errors."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from mano.adapters.sfc_paths import OvsServicePaths, switch_errors
from mano.adapters.sfc_paths_simulated import SimulatedServicePaths, packet_of
from mano.errors import CatenaError, DeadlineExceeded, InvalidInput, Unreachable
from mano.ports.service_paths import ServicePaths
from sfc.errors import ModelError
from sfc.model import Kind, Mac, PathPosition
from sfc.model.cookies import Cookie
from sfc.ovs.errors import SwitchError, SwitchRefused, SwitchTimeout, SwitchUnreachable
from sfc.ovs.location import SwitchLocation
from sfc.simulator.keys import extract
from sfc.simulator.packets import Arp, Ethernet, Fragment, Icmp, Ip, Nsh, Packet, Raw, Sctp, Tcp, Udp, Vlan
from tests.unit.sfc.gilan import GATEWAY, SUB, SUB_IP, WEB_IP, gilan
from tests.unit.sfc_ovs.fakes import read_json, serving

PLAN = gilan()
WEB = Ethernet(SUB, GATEWAY, Ip(SUB_IP, WEB_IP, Tcp(40000, 80, "S")))


def program_all(paths: ServicePaths) -> None:
    for host, tables in PLAN.tables.items():
        paths.program(host, tables)


@pytest.fixture
def paths() -> SimulatedServicePaths:
    paths = SimulatedServicePaths(tunnel_ofport=100)
    program_all(paths)
    return paths


def test_both_adapters_have_the_shape_of_the_port(paths):
    real = OvsServicePaths(lambda host: SwitchLocation(host, Path("/nowhere")))
    found: list[ServicePaths] = [real, paths]
    assert len(found) == 2


def named(packet: Packet) -> dict[str, object]:
    return {field.text: value for field, value in extract(packet).items()}


def kinds(cookies: tuple[int, ...]) -> list[Kind]:
    return [Cookie.decode(cookie).kind for cookie in cookies]


def test_a_traced_packet_meets_the_rules_of_one_bridge(paths):
    step = paths.trace("h1", {**named(WEB), "in_port": 1})
    assert kinds(step.cookies) == [Kind.PORT_IP, Kind.CLASSIFY, Kind.ENTRY, Kind.TO_PROXY, Kind.HAND_OFF]
    assert step.verdict == "output 11"
    assert step.text.startswith("simulated\n")


def test_a_tunnelled_nsh_packet_goes_on_with_what_it_carries(paths):
    nsh = Nsh(PathPosition(100, 254), WEB, ttl=61)
    fields = {**named(nsh), "in_port": 100, "tun_src": "10.99.0.1", "tun_id": 7, "inner": named(WEB)}
    assert paths.trace("h2", fields).verdict == "output 21 nsh 100/254 ttl 60"


def test_a_forged_packet_is_dropped_with_the_reason(paths):
    step = paths.trace("h1", {**named(WEB), "in_port": 1, "nw_src": "10.10.0.77"})
    assert step.verdict == "drop: guard: foreign IPv4 or MAC source"


def test_sent_packets_are_counted_on_their_way_and_traced_ones_are_not(paths):
    paths.trace("h1", {**named(WEB), "in_port": 1})
    assert not any(flow.packets for flow in paths.statistics("h1"))
    walk = paths.send(PLAN.topology, "sub", WEB)
    assert walk.functions == ("fw", "dpi", "nat")
    counted = {Cookie.decode(flow.cookie).kind for flow in paths.statistics("h3") if flow.packets}
    assert Kind.END in counted


def test_flows_that_stay_keep_their_counters(paths):
    paths.send(PLAN.topology, "sub", WEB)
    before = {flow.cookie: flow.packets for flow in paths.statistics("h1")}
    program_all(paths)
    assert {flow.cookie: flow.packets for flow in paths.statistics("h1")} == before


def test_drift_names_what_is_missing_and_what_is_foreign(paths):
    other = gilan(own_address=False).tables
    (found,) = paths.drift({"h1": other["h1"]})
    assert found.missing == ()
    assert found.foreign
    assert all(not (drift.missing or drift.foreign) for drift in paths.drift(PLAN.tables))
    (never,) = paths.drift({"h9": other["h1"]})
    assert len(never.missing) == len(other["h1"].flows)


def test_a_host_that_was_never_programmed_is_unreachable(paths):
    with pytest.raises(Unreachable, match="h9"):
        paths.statistics("h9")


@pytest.mark.parametrize("packet", [{"nonsense": 1}, {"in_port": 1, "nw_src": "x"}, {"nw_frag": 2, "eth_type": 0x800}])
def test_a_packet_that_cannot_be_is_bad_input(paths, packet: Mapping[str, object]):
    with pytest.raises(InvalidInput):
        paths.trace("h1", packet)


@pytest.mark.parametrize(
    "packet",
    [
        WEB,
        Ethernet(SUB, GATEWAY, Ip(SUB_IP, WEB_IP, Udp(1, 2), dscp=5)),
        Ethernet(SUB, GATEWAY, Ip(SUB_IP, WEB_IP, Sctp(1, 2))),
        Ethernet(SUB, GATEWAY, Ip(SUB_IP, WEB_IP, Icmp(8))),
        Ethernet(SUB, GATEWAY, Ip(SUB_IP, WEB_IP, Raw(47), fragment=Fragment.LATER)),
        Ethernet(SUB, GATEWAY, Arp(1, SUB, int(SUB_IP), Mac(0), int(IPv4Address("10.10.0.1")))),
        Ethernet(SUB, GATEWAY, Raw(0x88CC), (Vlan(5, 3),)),
        Ethernet(SUB, GATEWAY, Nsh(PathPosition(100, 254), Raw(3), 5, 2, (1, 2, 3, 4))),
        Nsh(PathPosition(100, 254), Raw(3), 5, 2, (1, 2, 3, 4)),
    ],
)
def test_fields_describe_the_packet_that_they_came_from(packet):
    assert extract(packet_of(extract(packet))) == extract(packet)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (SwitchUnreachable("h1", "dead", "start it"), Unreachable),
        (SwitchTimeout("h1", "late"), DeadlineExceeded),
        (SwitchRefused("h1", "no"), CatenaError),
    ],
)
def test_errors_of_the_library_become_the_products_and_name_the_host(error: SwitchError, kind: type[CatenaError]):
    with pytest.raises(kind) as caught, switch_errors():
        raise error
    assert caught.value.facts == {"host": "h1"}
    assert caught.value.detail.startswith("h1: ")
    assert caught.value.hint == error.hint


def test_an_impossible_packet_is_bad_input():
    with pytest.raises(InvalidInput, match="no field"), switch_errors():
        raise ModelError("X", "no field", "see there")


def test_a_bridge_is_settled_when_two_passes_over_its_flows_have_ended(tmp_path):
    asked = []

    def answer(connection: socket.socket) -> None:
        request = read_json(connection)
        asked.append(request["method"])
        connection.sendall(json.dumps({"id": request["id"], "result": "", "error": None}).encode())

    location = SwitchLocation("h1", tmp_path)
    with serving(location.control_socket, answer):
        OvsServicePaths(lambda _: location).settle("h1")
    assert asked == ["revalidator/wait"] * 2, "the pass that ends first may have begun before the change"


def test_a_dead_host_is_unreachable_by_every_way(tmp_path):
    paths = OvsServicePaths(lambda host: SwitchLocation(host, tmp_path))
    for ask in (
        lambda: paths.program("h1", PLAN.tables["h1"]),
        lambda: paths.settle("h1"),
        lambda: paths.statistics("h1"),
        lambda: paths.drift({"h1": PLAN.tables["h1"]}),
        lambda: paths.trace("h1", {"in_port": 1}),
    ):
        with pytest.raises(Unreachable, match="h1: Open vSwitch does not answer"):
            ask()

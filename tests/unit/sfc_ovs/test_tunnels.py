"""Who is lost, as the bridges see each other; what a database tells of its interfaces."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sfc.failover import Cut
from sfc.ovs.location import SwitchLocation
from sfc.ovs.monitor import InterfaceState, SwitchMonitor
from sfc.ovs.tunnels import Tunnels, bfd_name, bfd_ports, lost_peers, unreachable
from tests.unit.sfc.gilan import gilan

TOPOLOGY = gilan().topology
H1, H2, H3 = TOPOLOGY.sffs


def test_each_bridge_watches_every_other_one_beside_its_traffic() -> None:
    ports = bfd_ports("br-int", H1, TOPOLOGY.sffs, interval_ms=50)
    assert [port.options["remote_ip"] for port in ports] == ["10.99.0.2", "10.99.0.3"]
    assert {port.options["key"] for port in ports} == {"8"}
    assert all(port.bfd == {"enable": "true", "min_tx": "50", "min_rx": "50"} for port in ports)
    assert all(len(port.name) <= 15 for port in ports)


def seen(**forwarding: bool | None) -> dict[str, InterfaceState]:
    states = [
        InterfaceState(bfd_name(sff), 1, True, forwarding[sff.name]) for sff in TOPOLOGY.sffs if sff.name in forwarding
    ]
    return {state.name: state for state in (*states, InterfaceState("p1", 1, False, None))}


def test_a_bridge_has_lost_those_whose_messages_stay_out() -> None:
    assert lost_peers(TOPOLOGY, seen(h2=False, h3=True)) == {"h2"}
    assert lost_peers(TOPOLOGY, seen(h2=None)) == frozenset()


@pytest.mark.parametrize(
    ("views", "lost"),
    [
        ({"h1": {"h2"}, "h2": {"h1", "h3"}, "h3": {"h2"}}, {"h2"}),
        ({"h1": {"h2"}, "h3": {"h2"}}, {"h2"}),
        ({"h1": {"h2"}, "h2": {"h1"}, "h3": set()}, set()),  # one link, and there are ways round it
        ({"h1": {"h2", "h3"}}, {"h2", "h3"}),
        ({"h1": set(), "h2": set()}, set()),
        ({}, set()),
    ],
)
def test_a_host_is_lost_when_all_others_have_lost_it(views: dict[str, set[str]], lost: set[str]) -> None:
    assert unreachable({host: frozenset(view) for host, view in views.items()}) == lost


def row(name: str, link: str | None = "up", **bfd: str) -> dict[str, Any]:
    return {
        "name": name,
        "ofport": 7,
        "link_state": ["set", []] if link is None else link,
        "bfd_status": ["map", list(bfd.items())],
        "error": ["set", []],
    }


@pytest.fixture
def database(tmp_path: Path) -> Iterator[tuple[SwitchLocation, socket.socket]]:
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(tmp_path / "db.sock"))
    listening.listen()
    with listening:
        yield SwitchLocation("h1", tmp_path), listening


def test_the_monitor_tells_what_is_new_and_what_is_gone(database: tuple[SwitchLocation, socket.socket]) -> None:
    location, listening = database
    updates = [
        {"Interface": {"u1": {"old": {}, "new": row("p1", "down")}, "u3": {"old": row("never")}}},
        {"Interface": {"u2": {"old": row("bfd1")}, "u4": {"new": row("bfd2", forwarding="false")}}},
    ]

    def play() -> None:
        connection, _ = listening.accept()
        with connection:
            asked = json.loads(connection.recv(65536))
            first = {"Interface": {"u1": {"new": row("p1")}, "u2": {"new": row("bfd1", None, forwarding="true")}}}
            messages = [
                {"id": asked["id"], "error": None, "result": first},
                {"method": "echo", "id": "echo", "params": []},
                *({"method": "update", "id": None, "params": [None, each]} for each in updates),
            ]
            connection.sendall("".join(map(json.dumps, messages)).encode())
            assert json.loads(connection.recv(65536)) == {"id": "echo", "result": [], "error": None}
            done.wait(5)

    done = threading.Event()
    thread = threading.Thread(target=play)
    thread.start()
    with SwitchMonitor(location) as monitor:
        assert monitor.interfaces["bfd1"] == InterfaceState("bfd1", 7, None, True)
        changed: list[InterfaceState] = []
        while len(changed) < 3:
            changed += monitor.changes(2.0)
        assert monitor.changes(0.01) == []
        done.set()
    thread.join()
    assert {(state.name, state.link_up, state.forwarding, state.gone) for state in changed} == {
        ("p1", False, None, False),
        ("bfd1", None, None, True),
        ("bfd2", True, False, False),
    }


def told(tunnels: Tunnels, one: bool | None, other: bool | None, now: float) -> frozenset[Cut]:
    """What both ends of the tunnel between h1 and h2 say."""
    tunnels.tell("h1", "h2", one, now)
    tunnels.tell("h2", "h1", other, now)
    return tunnels.cuts(now)


BETWEEN = frozenset({("h1", "h2")})


def test_a_tunnel_is_cut_when_one_end_says_so_and_whole_when_both_do_for_a_while() -> None:
    tunnels = Tunnels()
    assert told(tunnels, False, False, 0.0) == frozenset(), "it was never up"
    assert told(tunnels, True, True, 1.0) == frozenset()
    assert told(tunnels, True, False, 2.0) == BETWEEN and tunnels.wait(2.0) is None
    assert told(tunnels, True, True, 3.0) == BETWEEN and tunnels.wait(3.0) == 1.0
    assert told(tunnels, False, True, 3.5) == BETWEEN, "it flaps"
    assert told(tunnels, True, True, 3.6) == BETWEEN
    assert tunnels.cuts(4.55) == BETWEEN
    assert tunnels.cuts(4.65) == frozenset()


def test_a_switch_that_is_away_is_cut_by_its_peers_word_and_whole_as_soon_as_it_starts_anew() -> None:
    tunnels = Tunnels()
    told(tunnels, True, True, 0.0)
    assert told(tunnels, None, True, 1.0) == frozenset()
    assert told(tunnels, None, False, 1.5) == BETWEEN
    tunnels.starts_anew("h1", 2.0)
    assert tunnels.cuts(2.0) == frozenset()
    assert told(tunnels, False, False, 2.1) == frozenset(), "sessions take a moment"
    assert told(tunnels, True, True, 4.0) == frozenset()
    assert told(tunnels, True, False, 5.0) == BETWEEN


def test_a_tunnel_that_stays_away_after_a_start_is_cut_in_the_end() -> None:
    tunnels = Tunnels()
    told(tunnels, True, True, 0.0)
    tunnels.starts_anew("h1", 1.0)
    assert told(tunnels, False, False, 1.1) == frozenset() and tunnels.wait(1.1) == pytest.approx(9.9)
    assert tunnels.cuts(11.1) == BETWEEN


def test_what_was_cut_when_somebody_looked_last_stays_so_until_it_is_seen_whole() -> None:
    tunnels = Tunnels(BETWEEN)
    assert told(tunnels, None, False, 0.0) == BETWEEN
    assert told(tunnels, None, True, 1.0) == BETWEEN
    assert tunnels.cuts(2.1) == frozenset()

"""Who is lost, as the bridges see each other; what a database tells of its interfaces."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sfc.ovs.location import SwitchLocation
from sfc.ovs.monitor import InterfaceState, SwitchMonitor
from sfc.ovs.tunnels import bfd_name, bfd_ports, lost_peers, unreachable
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

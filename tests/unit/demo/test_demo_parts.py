"""Small parts of the demo: hosts, tiers, ports, the surfing subscriber, outcomes of checks."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from itertools import islice
from pathlib import Path
from typing import cast

import pytest
from click.testing import CliRunner

from mano.cli.demo import subscriber, traffic
from mano.cli.demo.checks.claims import Check, outcome
from mano.cli.demo.command import choose_tier, demo
from mano.cli.demo.errors import CheckFailed, DemoProblem
from mano.cli.demo.internet import RequestLog
from mano.cli.demo.server import Api, ServerProcess, last_words
from mano.cli.demo.service import sample_inventory
from mano.cli.demo.world import DemoWorld
from mano.cli.exits import Failure
from mano.cli.serve import listening
from mano.placement import inventory_from_document
from mano.settings import Listener

NO_WORLD = cast(DemoWorld, None)


def test_more_hosts_repeat_the_samples_with_their_zones_and_wires() -> None:
    document = sample_inventory(5)
    inventory = inventory_from_document(document)
    assert [host.name for host in inventory.hosts] == ["h1", "h2", "h3", "h4", "h5"]
    assert inventory.hosts[3].zone == inventory.hosts[0].zone
    assert {"a": "h4", "b": "tor1", "mbps": 25000, "latencyUs": 5} in document["links"]
    assert sum(link["a"] == "h5" for link in document["links"]) == 1


def test_too_few_hosts_are_refused() -> None:
    with pytest.raises(DemoProblem, match="at least 3 hosts"):
        sample_inventory(2)
    assert CliRunner().invoke(demo, ["--hosts", "2"]).exit_code == 2


def test_the_best_tier_is_taken_and_a_lesser_one_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda program: f"/usr/bin/{program}")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert choose_tier(None) == ("root", "")
    assert choose_tier("simulated") == ("simulated", "")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    tier, why = choose_tier(None)
    assert tier == "simulated"
    assert "not root" in why


def test_a_tier_that_is_not_possible_is_refused_with_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda program: None if program == "tshark" else f"/usr/bin/{program}")
    with pytest.raises(DemoProblem, match="tshark not installed"):
        choose_tier("root")
    assert choose_tier(None)[0] == "simulated"


@pytest.mark.parametrize("name", ["", "With-Dash", "UPPER", "../up", "ninechars", "ä"])
def test_a_labs_name_is_short_and_plain(name: str) -> None:
    result = CliRunner().invoke(demo, ["--lab", name])
    assert result.exit_code == 2
    assert "lower-case letters and digits" in result.output


def test_two_servers_that_want_the_same_port_get_two() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        with listening(Listener("127.0.0.1", taken), or_any_port=True) as bound:
            assert bound.getsockname()[1] != taken
        with pytest.raises(Failure, match="in use"), listening(Listener("127.0.0.1", taken)):
            pass
    with listening(Listener("127.0.0.1", taken), or_any_port=True) as bound:
        assert bound.getsockname()[1] == taken


def test_the_subscriber_asks_by_http_dns_and_tls_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str, str]] = []
    for kind in ("http_get", "resolve", "tls_get"):
        monkeypatch.setattr(traffic, kind, lambda server, name, kind=kind: asked.append((kind, server, name)))
    for ask in islice(subscriber.requests("198.51.100.1"), 4):
        ask()
    assert [kind for kind, _, _ in asked] == ["http_get", "resolve", "tls_get", "http_get"]
    assert {server for _, server, _ in asked} == {"198.51.100.1"}
    assert len({name for _, _, name in asked}) == 4


def test_logs_do_not_grow_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriber, "LOG_MAX_OCTETS", 100)
    monkeypatch.setattr("mano.cli.demo.internet.LOG_MAX_OCTETS", 1000)
    requests = RequestLog(tmp_path / "requests.jsonl")
    for number in range(100):
        subscriber.note(tmp_path / "subscriber.log", f"TimeoutError: {number}")
        requests.add("http", f"{number}.example", "198.51.100.2")
    assert (tmp_path / "subscriber.log").stat().st_size < 200
    assert (tmp_path / "requests.jsonl").stat().st_size < 1200
    assert "99.example" in (tmp_path / "requests.jsonl").read_text()


def test_a_check_that_cannot_be_made_has_not_held() -> None:
    def fails(_: DemoWorld) -> str:
        raise CheckFailed("1 of 2")

    def breaks(_: DemoWorld) -> str:
        raise TimeoutError("timed out")

    assert outcome(Check("a", lambda _: "seen"), NO_WORLD) == (True, "seen")
    assert outcome(Check("b", fails), NO_WORLD) == (False, "1 of 2")
    assert outcome(Check("c", breaks), NO_WORLD) == (False, "TimeoutError: timed out")


def test_a_servers_last_words_are_its_error_and_its_hint(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    log.write_text('{"event": "begin"}\nError: port 9890 is in use\nHint: take another\n')
    assert last_words(log) == "port 9890 is in use; take another"
    log.write_text("1\n2\n3\n4\n")
    assert last_words(log) == "2 | 3 | 4"
    log.write_text("")
    assert last_words(log) == "it said nothing"


def test_the_dashboards_address_is_the_one_that_the_server_announced(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    log.write_text(
        '{"event": "ready"}\nCatena listens on http://127.0.0.1:9890\n'
        "dashboard (may look, not change; for 12 hours): http://127.0.0.1:9890/ui/#token=abc\n"
    )
    running = ServerProcess(cast(subprocess.Popen[bytes], None), Api("http://127.0.0.1:9890", "t"), log)
    assert running.dashboard() == "http://127.0.0.1:9890/ui/#token=abc"
    log.write_text("")
    assert running.dashboard() == "http://127.0.0.1:9890/ui/"

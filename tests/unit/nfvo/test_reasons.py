"""A placement's reasons in sentences."""

from __future__ import annotations

from typing import Any

from mano.nfvo.reasons import not_elsewhere, sentence_of, why
from mano.placement import inventory_from_document, plan, request_from_document

DECISION: dict[str, Any] = {
    "host": "h1",
    "hosts": 4,
    "feasible": 2,
    "reasons": {"AFFINITY": 1, "PAGES_2048": 1},
    "score": {"cost": 1000},
    "runnerUp": "h2",
    "runnerUpScore": {"cost": 1020},
    "elsewhere": {"h2": {"cost": 1020}, "h3": "AFFINITY", "h4": "PAGES_2048"},
}


def test_why_here_names_what_refused_the_others_and_the_runner_up() -> None:
    first, second = why(DECISION)
    assert first.startswith("of 4 hosts, 2 could take it; 1 host ruled out by an affinity")
    assert second == "h1 won over h2: cost 1000 against 1020"


def test_why_not_elsewhere_says_it_of_each_host() -> None:
    assert not_elsewhere(DECISION) == {
        "h2": "cost 1020 against 1000",
        "h3": "ruled out by an affinity or anti-affinity rule",
        "h4": "short of pages of 2048 KiB",
    }


def test_a_host_as_good_as_the_chosen_one_loses_by_its_name() -> None:
    assert not_elsewhere({**DECISION, "elsewhere": {"h2": {"cost": 1000}}}) == {"h2": "as good, but later by name"}


def test_decisions_without_hosts_to_tell_of_tell_nothing() -> None:
    assert not_elsewhere({}) == {}
    assert list(why({})) == []


def test_an_unknown_code_is_shown_as_it_is() -> None:
    assert sentence_of("TOO_HOT") == "TOO_HOT"


def test_the_engines_own_decisions_say_it_of_every_other_host() -> None:
    node = {"id": 0, "socket": 0, "cores": [[0], [1], [2], [3]], "memoryMib": 8192}
    hosts = [{"name": name, "zone": "z", "numaNodes": [node], "storageGib": 10} for name in ("h1", "h2", "h3")]
    hosts[2] = {**hosts[2], "state": "down"}
    inventory = inventory_from_document({"apiVersion": "catena/v1", "kind": "Inventory", "hosts": hosts})
    vdus = [{"id": name, "vcpus": 1, "cpuPolicy": "dedicated", "memoryMib": 512} for name in ("a", "b")]
    groups = [{"kind": "anti-affinity", "scope": "host", "members": ["a", "b"], "strict": True}]
    document = {"apiVersion": "catena/v1", "kind": "PlacementRequest", "vdus": vdus, "groups": groups}
    result = plan(inventory, request_from_document(document))
    told = {vdu: not_elsewhere(decision.to_json()) for vdu, decision in result.decisions.items()}
    homes = {vdu: placement.host for vdu, placement in result.placements.items()}
    assert sorted(homes.values()) == ["h1", "h2"]
    for vdu, home in homes.items():
        assert set(told[vdu]) == {"h1", "h2", "h3"} - {home}
        assert told[vdu]["h3"] == "not enabled"
    assert "ruled out by an affinity or anti-affinity rule" in {
        text for texts in told.values() for text in texts.values()
    }

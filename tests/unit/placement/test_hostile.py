"""Whatever stands in a document: an answer, or faults with a pointer and what was expected; the same one every time."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mano.placement import DocumentError, inventory_from_document, plan, request_from_document
from tests.unit.placement.cases import random_host, random_vdu
from tests.unit.placement.world import host, solve, vdu

Path_ = tuple[str | int, ...]


def deep(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


ODD: list[Any] = [
    float("nan"),
    float("inf"),
    -float("inf"),
    -1,
    10**12,
    10**400,
    1e308,
    1.5,
    True,
    None,
    "",
    "x" * 300,
    "\x00",
    "\ud800",
    [],
    {},
    [None],
    [[]],
    {"a": 1},
    {1: 2},
    list(range(100_000)),
    ["a"] * 100_000,
    {str(n): n for n in range(100_000)},
    deep(900),
]


def contract() -> tuple[dict[str, Any], dict[str, Any]]:
    """The contract's example, made so that all of it can be placed."""
    text = (Path(__file__).parent / "contract.yaml").read_text()
    inventory, request = yaml.safe_load_all(text)
    request["vdus"] += [{**request["vdus"][0], "id": "fw-2"}, vdu("dpi-1")]
    inventory["hosts"].append({**copy.deepcopy(inventory["hosts"][0]), "name": "h2", "allocations": []})
    inventory["links"].append({"a": "h2", "b": "tor1", "mbps": 1000})
    return inventory, request


def places(document: Any, path: Path_ = ()) -> Iterator[Path_]:
    """Every place of a document."""
    yield path
    children = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, child in children:
        yield from places(child, (*path, key))


def changed(document: Any, path: Path_, value: Any) -> Any:
    if not path:
        return value
    whole = copy.deepcopy(document)
    inner = whole
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return whole


INVENTORY, REQUEST = contract()
PLACES = [(0, path) for path in places(INVENTORY)] + [(1, path) for path in places(REQUEST)]


def outcome(inventory: Any, request: Any) -> str:
    """The answer or the faults, as text."""
    try:
        result = plan(inventory_from_document(inventory), request_from_document(request)).to_json()
    except DocumentError as error:
        assert error.faults and all(fault.expected for fault in error.faults)
        assert all(not fault.pointer or fault.pointer.startswith("/") for fault in error.faults)
        assert len(error.detail) < 100_000
        return error.detail
    return json.dumps({**result, "decisionMs": 0})


def test_the_example_is_placed_as_it_is() -> None:
    assert json.loads(outcome(INVENTORY, REQUEST))["unplaced"] == {}


@settings(max_examples=250)
@given(st.sampled_from(PLACES), st.sampled_from(range(len(ODD))))
def test_an_odd_value_anywhere_is_told(place: tuple[int, Path_], odd: int) -> None:
    documents = [INVENTORY, REQUEST]
    documents[place[0]] = changed(documents[place[0]], place[1], ODD[odd])
    outcome(*documents)


@settings(max_examples=150)
@given(st.data())
def test_several_odd_values_are_told_together(data: st.DataObject) -> None:
    documents: list[Any] = [INVENTORY, REQUEST]
    for _ in range(data.draw(st.integers(2, 4))):
        which = data.draw(st.integers(0, 1))
        path = data.draw(st.sampled_from(list(places(documents[which]))))
        documents[which] = changed(documents[which], path, data.draw(st.sampled_from(ODD[:20])))
    outcome(*documents)


@pytest.mark.parametrize("seed", range(60))
def test_the_same_input_gives_the_same_output_and_stays_as_it_was(seed: int) -> None:
    random = Random(seed)
    inventory = {"hosts": [random_host(random, f"h{n}") for n in range(3)]}
    for at, one in enumerate(inventory["hosts"]):
        for allocation in one["allocations"]:
            allocation["id"] = f"{at}-{allocation['id']}"
    request = {"vdus": [random_vdu(random, f"v{n}") for n in range(3)]}
    before = copy.deepcopy((inventory, request))
    world, wanted = inventory_from_document(inventory), request_from_document(request)
    first, second = (plan(world, wanted).to_json() | {"decisionMs": 0} for _ in range(2))
    assert json.dumps(first) == json.dumps(second) == outcome(inventory, request)
    assert (inventory, request) == before
    assert world == inventory_from_document(inventory) and wanted == request_from_document(request)


def test_large_groups_and_many_chains_come_to_an_end() -> None:
    many = [vdu(f"v{n}", memory=1) for n in range(300)]
    ids = [one["id"] for one in many]
    hosts = [host(f"h{n}") for n in range(5)]
    apart = solve(hosts, many, groups=[{"kind": "anti-affinity", "members": ids}])
    assert len(apart["unplaced"]) == 295
    links = [{"a": one["name"], "b": "tor", "mbps": 10**6, "latencyUs": 1} for one in hosts]
    chains = [{"id": f"c{n}", "path": ids[:20], "bandwidthMbps": 1} for n in range(20)]
    assert solve(hosts, many[:20], chains=chains, links=links)["unplaced"] == {}


def test_more_waypoints_than_anyone_needs_are_refused() -> None:
    path = [f"v{n}" for n in range(256)]
    with pytest.raises(DocumentError, match="/chains"):
        solve(host(), [vdu(one) for one in path], chains=[{"id": f"c{n}", "path": path} for n in range(200)])

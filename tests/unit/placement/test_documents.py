"""Broken documents: every fault with its pointer, and nothing that hangs or crashes (class B1)."""

from __future__ import annotations

import copy
import itertools
import json
import math
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mano.errors import error_from_document
from mano.placement import (
    DocumentError,
    allocation_from_document,
    document_from_text,
    host_from_document,
    host_to_document,
    inventory_from_document,
    inventory_to_document,
    placement_schemas,
    plan,
    request_from_document,
    request_to_document,
    vdu_from_document,
)
from mano.placement.request_documents import vdu_to_document
from tests.unit.placement.cases import random_host, random_vdu
from tests.unit.placement.world import host, node, vdu

TEXT = (Path(__file__).parent / "contract.yaml").read_text()
INVENTORY = document_from_text(TEXT, "Inventory")
REQUEST = document_from_text(TEXT, "PlacementRequest")


def faults(read, document):
    with pytest.raises(DocumentError) as caught:
        read(document)
    return {fault.pointer: fault.expected for fault in caught.value.faults}


def changed(document, pointer, value):
    """A copy with one value replaced; the pointer is one of RFC 6901."""
    copied = copy.deepcopy(document)
    target = copied
    *steps, last = pointer.strip("/").split("/")
    for step in steps:
        target = target[int(step) if isinstance(target, list) else step]
    target[int(last) if isinstance(target, list) else last] = value
    return copied


@pytest.mark.parametrize(
    ("pointer", "value", "expected"),
    [
        ("/hosts/0/name", "", "1 to 255 printable characters, found ''"),
        ("/hosts/0/name", "a\u0000b", "1 to 255 printable"),
        ("/hosts/0/name", "\ud800", "1 to 255 printable"),
        ("/hosts/0/name", None, "text; it is missing"),
        ("/hosts/0/state", "asleep", "one of enabled, draining, down, found 'asleep'"),
        ("/hosts/0/zone", 7, "1 to 255 printable characters, found 7"),
        ("/hosts/0/storageGib", -1, "a whole number from 0 to 1000000000000, found -1"),
        ("/hosts/0/storageGib", 10**13, "a whole number from 0"),
        ("/hosts/0/storageGib", 10**5000, "found a number of more than 38 digits"),
        ("/hosts/0/storageGib", True, "a whole number from 0"),
        ("/hosts/0/storageGib", 1.5, "a whole number from 0"),
        ("/hosts/0/storageGib", math.nan, "a whole number from 0"),
        ("/hosts/0/storageGib", math.inf, "a whole number from 0"),
        ("/hosts/0/storageGib", "5", "a whole number from 0"),
        ("/hosts/0/cpuOvercommit", math.nan, "a number above 0 and up to 1000, found nan"),
        ("/hosts/0/cpuOvercommit", 0, "a number above 0"),
        ("/hosts/0/labels", ["a"], "a map, found a list"),
        ("/hosts/0/labels", {"disk": 1}, None),
        ("/hosts/0/numaNodes", {}, "a list, found a map"),
        ("/hosts/0/numaNodes", None, "a list; it is missing"),
        ("/hosts/0/numaNodes/0/cores", [0, 1], None),
        ("/hosts/0/numaNodes/0/hugepages", {"two": 1}, None),
        ("/hosts/0/numaNodes/0/id", 5000, "a whole number from 0 to 4095"),
        ("/hosts/0/reservedCpus", list(range(100_000)), "at most 65536 elements, found 100000"),
        ("/hosts/0/numaNodes/0/memoryMib", 10**5000, "found a number of more than 38 digits"),
        ("/hosts/0/nics", [{}] * 300, "at most 256 elements"),
        ("/hosts/0/nics/0/totalVfs", 10**12, "a whole number from 0 to 65535"),
        ("/hosts/0/nics/0/pci", "x", "a PCI address such as 0000:3b:00.0, found 'x'"),
        ("/hosts/0/allocations/0/host", "h2", "'h1', the host that it stands under, or nothing"),
        ("/hosts/0/vswitch/datapath", "fast", "system or netdev, found 'fast'"),
        ("/links/0/b", "h1", "another end than a"),
        ("/links/0/mbps", -5, "a whole number from 0"),
        ("/apiVersion", "v2", "'catena/v1'"),
        ("/kind", "Fleet", "'Inventory'"),
    ],
    ids=itertools.count(),
)
def test_a_broken_inventory_says_where_and_what(pointer, value, expected):
    found = faults(inventory_from_document, changed(INVENTORY, pointer, value))
    matching = [told for at, told in found.items() if at == pointer or (expected is None and at.startswith(pointer))]
    assert matching, found
    assert expected is None or expected in matching[0]


@pytest.mark.parametrize(
    ("pointer", "value", "expected"),
    [
        ("/vdus/0/id", None, "text; it is missing"),
        ("/vdus/0/vcpus", 0, "a whole number from 1 to 4096, found 0"),
        ("/vdus/0/vcpus", 10**12, "a whole number from 1 to 4096"),
        ("/vdus/0/memoryMib", 4097, "a multiple of the page of 2048 KiB"),
        ("/vdus/0/cpuPolicy", "mixed", None),
        ("/vdus/0/dedicatedVcpus", [0], "nothing, as cpuPolicy is dedicated"),
        ("/vdus/0/pageSizeKib", "huge", "small, large, any or a page size in KiB"),
        ("/vdus/0/pageSizeKib", 3000, "small, large, any or a page size in KiB"),
        ("/vdus/0/interfaces/0/vnicType", "sriov", "one of normal, virtio-forwarder"),
        ("/vdus/0/interfaces/0/vfs", 0, "a whole number from 1"),
        ("/vdus/0/interfaces", [{"id": "a"}] * 2, None),
        ("/vdus/0/interfaces", [{"id": f"e{n}"} for n in range(65)], "at most 64 elements"),
        ("/vdus", [REQUEST["vdus"][0]] * 2, None),
        ("/vdus", [{}] * 100_000, "at most 10000 elements, found 100000"),
        ("/groups/0/scope", "rack", "one of host, numa-node, zone, nic"),
        ("/groups/0/strict", "yes", "true or false, found 'yes'"),
        ("/chains/0/path", [], "at least one VDU"),
        ("/chains/0/maxLatencyUs", -1, "a whole number from 0"),
        ("/options/allOrNothing", 1, "true or false, found 1"),
    ],
    ids=itertools.count(),
)
def test_a_broken_request_says_where_and_what(pointer, value, expected):
    found = faults(request_from_document, changed(REQUEST, pointer, value))
    matching = [told for at, told in found.items() if at == pointer or (expected is None and at.startswith("/vdus"))]
    assert matching, found
    assert expected is None or expected in matching[0]


def test_all_faults_are_told_at_once():
    broken = changed(changed(INVENTORY, "/hosts/0/state", "x"), "/links/0/mbps", -1)
    assert set(faults(inventory_from_document, broken)) == {"/hosts/0/state", "/links/0/mbps"}


def test_an_unknown_key_is_a_fault_with_a_guess():
    broken = changed(INVENTORY, "/hosts/0/sharedCPUs", [1])
    assert faults(inventory_from_document, broken) == {
        "/hosts/0/sharedCPUs": "a known key: 'sharedCpus' (did you mean that?)"
    }


def test_keys_are_escaped_in_pointers():
    assert list(faults(inventory_from_document, {"hosts": [], "a/b~c": 1})) == ["/a~1b~0c"]


HELD = "/hosts/0/allocations/0"


@pytest.mark.parametrize(
    ("pointer", "value", "expected"),
    [
        ("/hosts/0/name", "../etc", "a name without slashes that is not . or .., found '../etc'"),
        ("/hosts/0/name", "..", "a name without slashes"),
        ("/hosts/0/numaNodes", [], "at least one NUMA node"),
        ("/hosts/0/labels", {"a\nb": "x"}, "keys of 1 to 255 printable characters"),
        ("/links/0/reservedMbps", 10**9, "a whole number from 0 to 25000"),
        (f"{HELD}/cells/0/memoryMib", 10**9, "at most 16384 MiB by all allocations in pages of 2048 KiB on node 0"),
        (f"{HELD}/vcpuPins", {"0": 99}, "a CPU of its cells, found 99"),
        (f"{HELD}/cells/0/vcpus", [0, 0], "each vCPU once"),
        (f"{HELD}/interfaces/eth0/node", 7, "null or a node of the host, found 7"),
    ],
    ids=itertools.count(),
)
def test_a_host_that_no_machine_can_be_is_refused(pointer, value, expected):
    found = faults(inventory_from_document, changed(INVENTORY, pointer, value))
    (told,) = [told for at, told in found.items() if pointer.startswith(at) or at.startswith(pointer)]
    assert expected in told


def test_allocations_together_hold_no_more_than_their_node_has():
    two = [{"id": key, "cells": [{"node": 0, "memoryMib": 9 * 1024, "pageSizeKib": 1048576}]} for key in "ab"]
    assert inventory_from_document(changed(INVENTORY, "/hosts/0/allocations", two[:1])).hosts
    found = faults(inventory_from_document, changed(INVENTORY, "/hosts/0/allocations", two))
    assert list(found) == [f"{HELD[:-1]}1/cells/0/memoryMib"]


def test_an_interface_has_no_slash_in_its_id():
    found = faults(request_from_document, changed(REQUEST, "/vdus/0/interfaces", [{"id": "a/b"}]))
    assert found == {"/vdus/0/interfaces/0/id": "a name without slashes, found 'a/b'"}


def test_a_long_list_of_faults_is_cut():
    many = {"hosts": [{"name": f"h{n}", "numaNodes": [], "zone": 1} for n in range(500)]}
    with pytest.raises(DocumentError, match="and 400 more") as caught:
        inventory_from_document(many)
    assert len(caught.value.faults) == 100


@pytest.mark.parametrize("document", [None, [], "x", 5, True, {"hosts": "x"}])
def test_what_is_no_inventory_is_refused(document):
    assert faults(inventory_from_document, document)


def test_faults_travel_as_an_error_document():
    with pytest.raises(DocumentError) as caught:
        inventory_from_document({})
    again = error_from_document(caught.value.to_document())
    assert isinstance(again, DocumentError)
    assert again.faults == caught.value.faults
    assert "mano place schema" in again.hint


@pytest.mark.parametrize("seed", range(60))
def test_random_documents_read_back_and_satisfy_the_schema(seed):
    from random import Random

    random = Random(seed)
    inventory = inventory_from_document({"hosts": [random_host(random)]})
    request = request_from_document({"vdus": [random_vdu(random)]})
    schemas = placement_schemas()
    pairs: tuple[tuple[str, Any, Any, Any], ...] = (
        ("Inventory", inventory, inventory_to_document, inventory_from_document),
        ("PlacementRequest", request, request_to_document, request_from_document),
    )
    for kind, value, write, read in pairs:
        document = write(value)
        jsonschema.validate(document, schemas[kind], cls=jsonschema.Draft202012Validator)
        assert read(json.loads(json.dumps(document))) == value
    one = inventory.hosts[0]
    assert host_from_document(host_to_document(one)) == one
    assert vdu_from_document(vdu_to_document(request.vdus[0])) == request.vdus[0]


def test_the_schemas_are_schemas_and_know_the_contract():
    schemas = placement_schemas()
    assert set(schemas) == {"Inventory", "PlacementRequest"}
    for kind, document in (("Inventory", INVENTORY), ("PlacementRequest", REQUEST)):
        jsonschema.Draft202012Validator.check_schema(schemas[kind])
        jsonschema.validate(document, schemas[kind], cls=jsonschema.Draft202012Validator)


def test_the_schemas_refuse_what_the_readers_refuse():
    validator = jsonschema.Draft202012Validator(placement_schemas()["Inventory"])
    for pointer, value in (("/hosts/0/state", "x"), ("/hosts/0/storageGib", -1), ("/hosts/0/nope", 1)):
        assert not validator.is_valid(changed(INVENTORY, pointer, value))


def test_an_allocation_can_be_read_alone_and_as_a_plan_prints_it():
    result = plan(inventory_from_document({"hosts": [host()]}), request_from_document({"vdus": [vdu()]}))
    printed = result.to_json()["placements"]["v"]
    assert allocation_from_document(printed, id="v") == result.placements["v"].allocation
    with pytest.raises(DocumentError):
        allocation_from_document({"cells": [{}]}, id="v")


def test_whole_numbers_may_be_written_with_a_fraction_of_nothing():
    document = {"hosts": [host(storageGib=5.0, nodes=[node(memory=1024.0)])]}
    assert inventory_from_document(document).host("h1").storage_gib == 5


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KEYS = st.sampled_from(
    ["hosts", "vdus", "name", "numaNodes", "id", "cores", "memoryMib", "nics", "allocations", "interfaces"]
)
ALMOST = st.recursive(
    JSON,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=20,
)


@given(ALMOST)
@settings(max_examples=200, deadline=None)
def test_no_document_makes_a_reader_fail_otherwise(document):
    for read in (inventory_from_document, request_from_document):
        try:
            read(document)
        except DocumentError as error:
            assert error.faults

"""The contract's own example, end to end."""

from __future__ import annotations

from pathlib import Path

from mano.placement import (
    document_from_text,
    inventory_from_document,
    inventory_to_document,
    plan,
    request_from_document,
    request_to_document,
)

TEXT = (Path(__file__).parent / "contract.yaml").read_text()


def inventory():
    return inventory_from_document(document_from_text(TEXT, "Inventory"))


def request():
    document = document_from_text(TEXT, "PlacementRequest")
    return request_from_document({**document, "groups": []})


def test_documents_read_back_as_they_were_written():
    assert inventory_from_document(inventory_to_document(inventory())) == inventory()
    assert request_from_document(request_to_document(request())) == request()


def test_plan_prints_the_shape_of_the_contract():
    result = plan(inventory(), request()).to_json()
    assert set(result) == {"placements", "chains", "objective", "unplaced", "decisionMs"}
    placement = result["placements"]["fw-1"]
    assert placement["host"] == "h1"
    assert placement["cells"] == [{"node": 1, "cpus": [4, 36, 5, 37], "memoryMib": 4096, "pageSizeKib": 2048}]
    assert placement["vcpuPins"] == {"0": 4, "1": 36, "2": 5, "3": 37}
    assert (placement["emulatorCpus"], placement["blockedCpus"]) == ([], [])
    assert {key: placement["interfaces"]["eth0"][key] for key in ("pci", "vfs", "node")} == {
        "pci": "0000:3b:00.0",
        "vfs": [0],
        "node": 0,
    }
    assert result["objective"] == {"cost": 50, "hostsOpened": 0, "crossNumaVfs": 1, "chainHops": 0}
    assert result["chains"] == {"c1": {"hops": [{"from": "h1", "to": "h1", "links": []}], "latencyUs": 0}}


def test_what_plan_prints_can_be_reserved():
    before = inventory()
    result = plan(before, request())
    after = before
    for placement in result.reservable():
        after = after.with_allocation(placement.host, placement.allocation)
    assert [one.id for one in after.host("h1").allocations] == ["db-1", "fw-1"]
    assert before == inventory()
    assert inventory_from_document(inventory_to_document(after)) == after

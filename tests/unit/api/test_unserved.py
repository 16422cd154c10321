"""Attributes of NS requests are done or refused with their pointer, never left out in silence."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from mano.api.sol005.unserved import TIMES, UNSERVED, refuse_unserved
from mano.errors import InvalidInput
from tests.api.official import DOCUMENTS, needs_documents

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("operation", "request_body", "pointer"),
    [
        ("INSTANTIATE", {"locationConstraints": [{"vnfProfileId": "a"}]}, "/locationConstraints"),
        ("INSTANTIATE", {"vnfInstanceData": [{}]}, "/vnfInstanceData"),
        ("INSTANTIATE", {"wanConnectionData": [{}]}, "/wanConnectionData"),
        ("INSTANTIATE", {"startTime": "2026-11-24T12:00:00Z"}, "/startTime"),
        ("INSTANTIATE", {"startTime": "soon"}, "/startTime"),
        ("INSTANTIATE", {"startTime": "2026-11-24T12:00:00"}, "/startTime"),
        ("SCALE", {"scaleNsData": {"locationConstraints": [{}]}}, "/scaleNsData/locationConstraints"),
        ("SCALE", {"scaleTime": "2027-01-01T00:00:00+01:00"}, "/scaleTime"),
        ("UPDATE", {"instantiateVnfData": [{}, {"vnfFlavourId": "x"}]}, "/instantiateVnfData/1/vnfFlavourId"),
        ("UPDATE", {"modifyVnfInfoData": [{"vnfdId": "x"}]}, "/modifyVnfInfoData/0/vnfdId"),
        ("HEAL", {"healNsData": {"degreeHealing": "HEAL_QOS", "healScript": "s"}}, "/healNsData/healScript"),
        (
            "TERMINATE",
            {"terminateNsData": {"additionalParamsforNs": {"a": 1}}},
            "/terminateNsData/additionalParamsforNs",
        ),
    ],
)
def test_what_is_not_served_is_refused_where_it_stands(operation: str, request_body: Any, pointer: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        refuse_unserved(operation, request_body, NOW)
    assert refused.value.facts["pointer"] == pointer and refused.value.hint


@pytest.mark.parametrize(
    ("operation", "request_body"),
    [
        ("INSTANTIATE", {"nsFlavourId": "simple", "startTime": "2026-11-23T11:00:00Z", "locationConstraints": []}),
        ("INSTANTIATE", {"startTime": "2026-11-23T13:00:30+01:00", "somethingNew": {"of": "tomorrow"}}),
        ("SCALE", {"scaleNsData": {"scaleNsByStepsData": {"aspectId": "a"}}}),
        ("UPDATE", {"instantiateVnfData": "no array"}),
        ("HEAL", {}),
    ],
)
def test_what_is_served_or_unknown_passes(operation: str, request_body: Any) -> None:
    refuse_unserved(operation, request_body, NOW)


@needs_documents
def test_every_attribute_that_is_refused_is_the_standards() -> None:
    schemas = json.loads((DOCUMENTS / "SOL005-NSLifecycleManagement.json").read_text())["components"]["schemas"]
    for operation in UNSERVED:
        first = {path.split("/")[1] for path in UNSERVED[operation]} | {TIMES.get(operation, "").strip("/")} - {""}
        assert first <= schemas[f"{operation.capitalize()}NsRequest"]["properties"].keys()

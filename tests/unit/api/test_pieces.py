"""The small pieces of the HTTP interfaces: JSON, errors, ranges, tags, media types, credentials."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from fastapi import Request
from hypothesis import given
from hypothesis import strategies as st

from mano import errors
from mano.api import faults, json_body, problem_details
from mano.api.conditional import etag, is_unchanged, required_generation
from mano.api.faults import NotAcceptable, PreconditionFailed, RangeUnsatisfiable
from mano.api.file_content import requested_range
from mano.api.media import best_offer
from mano.domain.access import AccessRole, Client, Credentials, from_document, to_document


def request(**headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    return Request({"type": "http", "headers": raw, "method": "GET", "path": "/"})


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=30,
)


@given(plain)
def test_what_json_can_say_arrives_or_is_refused_for_a_reason(value: Any) -> None:
    text = json.dumps(value)
    try:
        assert json_body.decode(text.encode(), 40) == json.loads(text)
    except errors.InvalidInput as error:
        assert "\\u0000" in text or "\\ud" in text.lower(), error.detail


@given(st.binary(max_size=200))
def test_any_octets_are_json_or_an_error(data: bytes) -> None:
    try:
        value = json_body.decode(data, 10)
    except errors.InvalidInput:
        return
    assert json.loads(json.dumps(value, allow_nan=False)) == value


@pytest.mark.parametrize("value", [math.nan, math.inf, 2**64, -(2**63) - 1, "a\0b", "\ud800", {"\0": 1}, [[[[1]]]]])
def test_values_that_no_resource_takes_are_refused(value: Any) -> None:
    with pytest.raises(errors.InvalidInput):
        json_body.check(value, 2)
    json_body.check([[1]], 2)


def all_errors(root: type[errors.CatenaError] = errors.CatenaError) -> set[type[errors.CatenaError]]:
    return {root}.union(*(all_errors(child) for child in root.__subclasses__()))


def test_every_error_has_a_status_and_tells_itself() -> None:
    for kind in all_errors():
        document = problem_details.problem_of(kind("what happened", hint="what to do"))
        assert 400 <= document["status"] <= 599 and document["title"]
        assert (
            document["detail"] == "what happened" and document["hint"] == "what to do" and document["code"] == kind.code
        )


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (errors.InvalidInput, 400),
        (errors.NotFound, 404),
        (errors.WrongState, 409),
        (errors.NotPlaceable, 409),
        (errors.Unreachable, 503),
        (errors.DeadlineExceeded, 504),
        (errors.CatenaError, 500),
        (faults.PreconditionFailed, 412),
    ],
)
def test_statuses_are_the_standards(kind: type[errors.CatenaError], status: int) -> None:
    assert problem_details.status_of(kind("x")) == status


def test_what_went_wrong_inside_shows_no_path_and_no_facts() -> None:
    error = errors.Unreachable("cannot open /run/openvswitch/db.sock on h1", facts={"stack": "secret"})
    document = problem_details.problem_of(error)
    assert "<path>" in document["detail"] and "/run" not in json.dumps(document) and "facts" not in document
    told = problem_details.problem_of(errors.NotPlaceable("no", facts={"unplaced": {}}))
    assert told["facts"] == {"unplaced": {}}


def test_a_stored_error_comes_back_as_what_it_was() -> None:
    stored = errors.NotPlaceable("no host", hint="add one", facts={"a": 1}).to_document()
    assert problem_details.problem_of_document(stored)["code"] == "NOT_PLACEABLE"
    assert problem_details.problem_of_document({"code": "INTERNAL", "detail": "x"})["status"] == 500


@pytest.mark.parametrize(
    ("header", "size", "expected"),
    [
        ("", 10, None),
        ("bytes=0-0", 10, (0, 0)),
        ("bytes=3-", 10, (3, 9)),
        ("bytes=-3", 10, (7, 9)),
        ("bytes=-30", 10, (0, 9)),
        ("bytes=2-99", 10, (2, 9)),
        ("bytes=5-4", 10, None),
        ("bytes=a-b", 10, None),
        ("items=0-1", 10, None),
        ("bytes=0-1,3-4", 10, None),
        ("bytes=" + "9" * 40 + "-", 10, None),
    ],
)
def test_a_range_is_read(header: str, size: int, expected: tuple[int, int] | None) -> None:
    assert requested_range(header, size) == expected


@pytest.mark.parametrize(
    ("header", "size"), [("bytes=10-", 10), ("bytes=99-100", 10), ("bytes=-0", 10), ("bytes=0-", 0)]
)
def test_a_range_beyond_the_end_is_unsatisfiable(header: str, size: int) -> None:
    with pytest.raises(RangeUnsatisfiable) as caught:
        requested_range(header, size)
    assert caught.value.headers["Content-Range"] == f"bytes */{size}"


def test_entity_tags_are_compared_as_the_rfc_says() -> None:
    assert required_generation(request(), 3) is None
    assert required_generation(request(if_match="*"), 3) is None
    assert required_generation(request(if_match='"1", "3"'), 3) == 3
    assert required_generation(request(if_match="3"), 3) == 3
    for other in ('"4"', 'W/"3"', "4", "abcd", '"3', "", '"a" "b"'):
        with pytest.raises(PreconditionFailed):
            required_generation(request(if_match=other), 3)
    assert is_unchanged(request(if_none_match=f"W/{etag(3)}"), 3) and not is_unchanged(request(), 3)


@pytest.mark.parametrize(
    ("accept", "best"),
    [
        ("", "text/plain"),
        ("application/zip", "application/zip"),
        ("application/zip;q=0.5, text/plain;q=0.4", "application/zip"),
        ("*/*", "text/plain"),
        ("text/*;q=0.1, application/zip;q=0.2", "application/zip"),
        ("application/*, text/plain;q=0", "application/zip"),
    ],
)
def test_the_client_gets_what_it_likes_most(accept: str, best: str) -> None:
    asked = request(accept=accept) if accept else request()
    assert best_offer(asked, ("text/plain", "application/zip")) == best


@given(st.text(st.characters(codec="latin-1"), max_size=40))
def test_any_accept_header_is_followed_or_refused(accept: str) -> None:
    try:
        assert best_offer(request(accept=accept), ("text/plain",)) == "text/plain"
    except NotAcceptable as error:
        assert "text/plain" in error.hint


def test_credentials_are_written_and_read() -> None:
    client = Client("oss", "s" * 16, "11111111-1111-4111-8111-111111111111", frozenset({AccessRole.TENANT}))
    credentials = Credentials("a" * 16, "k" * 16, (client,))
    assert from_document(json.loads(json.dumps(to_document(credentials)))) == credentials
    assert credentials.client("oss") is client and credentials.client("none") is None


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"adminToken": "a" * 16},
        {"adminToken": "short", "signingKey": "k" * 16},
        {"adminToken": "a" * 16, "signingKey": "k" * 16, "clients": [{}]},
        {"adminToken": "a" * 16, "signingKey": "k" * 16, "clients": [{"clientId": "c", "clientSecret": "short"}]},
        {
            "adminToken": "a" * 16,
            "signingKey": "k" * 16,
            "clients": [{"clientId": "c", "clientSecret": "s" * 16, "roles": ["king"]}],
        },
        {
            "adminToken": "a" * 16,
            "signingKey": "k" * 16,
            "clients": [{"clientId": "c", "clientSecret": "s" * 16, "tenantId": "x"}],
        },
    ],
)
def test_credentials_that_are_none_are_refused_without_telling_them(document: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        from_document(document)
    assert "aaaa" not in str(caught.value) and "ssss" not in str(caught.value)

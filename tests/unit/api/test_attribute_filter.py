"""Attribute filters and selectors: every operation against values of every kind, and any text without a crash."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mano.api import attribute_filter, attribute_selector
from mano.errors import InvalidInput

DOCUMENT: dict[str, Any] = {
    "id": "x-1",
    "name": "gi, lan's",
    "count": 7,
    "ratio": 0.5,
    "open": True,
    "created": "2026-01-02T03:04:05Z",
    "tags": ["red", "green"],
    "parts": [{"host": "h1", "cpus": [1, 2]}, {"host": "h2", "cpus": []}],
    "labels": {"disk": "ssd", "a/b": "slash"},
    "nothing": None,
}
ATTRIBUTES = frozenset(DOCUMENT) | {"absent"}


def fits(text: str) -> bool:
    return attribute_filter.parse([text], ATTRIBUTES).fits(DOCUMENT)


@pytest.mark.parametrize(
    "text",
    [
        "(eq,id,x-1)",
        "(neq,id,x-2)",
        "(eq,name,'gi, lan''s')",
        "(eq,count,7)",
        "(eq,count,7.0)",
        "(gt,count,6)",
        "(gte,count,7)",
        "(lt,count,8)",
        "(lte,ratio,0.5)",
        "(eq,open,true)",
        "(neq,open,false)",
        "(gt,created,2026-01-01T00:00:00Z)",
        "(lt,created,2026-01-02T04:04:05+00:30)",
        "(eq,created,2026-01-02T04:04:05+01:00)",
        "(eq,tags,green)",
        "(in,tags,blue,red)",
        "(nin,tags,blue,black)",
        "(cont,name,lan,nothing)",
        "(ncont,name,wan)",
        "(eq,parts/host,h2)",
        "(eq,parts/cpus,2)",
        "(gt,parts/cpus,1)",
        "(eq,labels/disk,ssd)",
        "(eq,labels/a~1b,slash)",
        "(eq,labels/@key,disk)",
        "(neq,id,)",
        "(eq,id,x-1);(eq,count,7)",
    ],
)
def test_what_fits(text: str) -> None:
    assert fits(text)


@pytest.mark.parametrize(
    "text",
    [
        "(eq,id,x-2)",
        "(neq,id,x-1)",
        "(eq,count,seven)",
        "(gt,count,seven)",
        "(eq,open,True)",
        "(nin,tags,green,blue)",
        "(ncont,name,lan)",
        "(cont,count,7)",
        "(eq,absent,1)",
        "(neq,absent,1)",
        "(eq,parts,h1)",
        "(eq,parts/host/deeper,h1)",
        "(eq,labels,ssd)",
        "(eq,labels/@key,ssd)",
        "(eq,id,x-1);(eq,count,8)",
        "(gt,id,z)",
    ],
)
def test_what_does_not_fit(text: str) -> None:
    assert not fits(text)


@pytest.mark.parametrize(
    ("name", "value", "fits"),
    [
        ("id", "x-1", True),
        ("id", "x-2", False),
        ("id", "x-2,x-1", True),
        ("id.neq", "x-2,x-3", True),
        ("count.gt", "6", True),
        ("name.cont", "lan", True),
        ("parts.host", "h2", True),
        ("parts.host.neq", "h2", False),
        ("labels.disk", "ssd", True),
    ],
)
def test_the_form_of_older_editions(name: str, value: str, fits: bool) -> None:
    assert attribute_filter.parse([], ATTRIBUTES, [(name, value)]).fits(DOCUMENT) is fits


@pytest.mark.parametrize(
    "name", ["", ".", "unknown", "eq", "id..x", "count.", "x" * 5000, ".".join("id" for _ in range(20))]
)
def test_a_query_parameter_that_names_no_attribute_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput):
        attribute_filter.parse([], ATTRIBUTES, [(name, "1")])


def test_several_values_need_an_operation_that_takes_them() -> None:
    with pytest.raises(InvalidInput):
        attribute_filter.parse([], ATTRIBUTES, [("count.gt", "1,2")])


def test_no_filter_fits_everything() -> None:
    assert attribute_filter.parse([], ATTRIBUTES).fits(DOCUMENT)


def test_several_parameters_must_all_fit() -> None:
    wanted = attribute_filter.parse(["(eq,id,x-1)", "(eq,count,8)"], ATTRIBUTES)
    assert not wanted.fits(DOCUMENT)


@given(st.text(max_size=60))
def test_any_text_is_a_filter_or_an_error(text: str) -> None:
    try:
        attribute_filter.parse([text], ATTRIBUTES).fits(DOCUMENT)
    except InvalidInput as error:
        assert len(text) < 8 or text not in error.detail


names = st.sampled_from(sorted(DOCUMENT))
values = st.text(st.characters(codec="utf-8"), max_size=20)


@given(names, values)
def test_any_value_can_be_quoted(name: str, value: str) -> None:
    quoted = value.replace("'", "''")
    (expression,) = attribute_filter.parse([f"(eq,{name},'{quoted}')"], ATTRIBUTES).expressions
    assert expression.values == (value,) and expression.path == (name,)


documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=20,
)
operations = st.sampled_from(["eq", "neq", "gt", "lt", "gte", "lte", "in", "nin", "cont", "ncont"])


@given(documents, operations, st.lists(st.sampled_from("abc"), min_size=1, max_size=4), st.text("ab1.-T", max_size=5))
def test_no_document_breaks_a_comparison(value: Any, operation: str, path: list[str], wanted: str) -> None:
    expression = attribute_filter.Expression(operation, tuple(path), (wanted,))
    assert expression.fits({"a": value}) in (True, False)


def select(query: dict[str, str], **more: Any) -> dict[str, Any]:
    selector = attribute_selector.parse(
        query, attributes=ATTRIBUTES, mandatory=frozenset({"id"}), default=("tags", "labels"), **more
    )
    return selector.select(DOCUMENT)


def test_complex_attributes_are_left_out_unless_asked_for() -> None:
    assert set(select({})) == set(DOCUMENT) - {"tags", "labels"} == set(select({"exclude_default": ""}))
    assert set(select({}, unasked=False)) == set(DOCUMENT) == set(select({"all_fields": ""}))
    assert set(select({"exclude_default": ""}, unasked=False)) == set(DOCUMENT) - {"tags", "labels"}


def test_single_attributes_are_picked_and_dropped() -> None:
    assert select({"fields": "parts/host,labels/disk"}) == {
        "id": "x-1",
        "parts": [{"host": "h1"}, {"host": "h2"}],
        "labels": {"disk": "ssd"},
    }
    assert select({"fields": "tags", "exclude_default": ""}) == {"id": "x-1", "tags": ["red", "green"]}
    without = select({"exclude_fields": "id,parts/cpus,labels/disk,count"})
    assert without["id"] and without["parts"] == [{"host": "h1"}, {"host": "h2"}] and "count" not in without
    assert without["labels"] == {"a/b": "slash"} and without["tags"]


@given(
    st.dictionaries(
        st.sampled_from(["all_fields", "fields", "exclude_fields", "exclude_default"]), st.text(max_size=20)
    )
)
def test_any_selector_is_followed_or_an_error(query: dict[str, str]) -> None:
    try:
        chosen = select(query)
    except InvalidInput:
        return
    assert chosen["id"] == "x-1" and json.dumps(chosen)


def test_the_store_is_asked_for_what_it_can_look_up() -> None:
    wanted = attribute_filter.parse(
        ["(eq,name,fw);(eq,id,2026-01-01);(neq,state,UP);(eq,links/self,x)"], {"name", "id", "state", "links"}
    )
    columns = {"name": "name", "id": "id", "state": "state"}
    assert wanted.equalities(columns) == {"name": "fw"}
    assert attribute_filter.parse([], set()).equalities(columns) == {}

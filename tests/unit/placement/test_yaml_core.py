"""YAML 1.2's core schema, and text that means harm."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mano.placement import DocumentError, document_from_text, documents_from_text


def value_of(text):
    (document,) = documents_from_text(f"a: {text}")
    return document["a"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[("null", None), ("~", None), ("", None), ("Null", None), ('""', ""), ("'null'", "null")],
        *[("true", True), ("False", False), ("TRUE", True), ("yes", "yes"), ("no", "no"), ("on", "on"), ("y", "y")],
        *[
            ("12", 12),
            ("-7", -7),
            ("+7", 7),
            ("007", 7),
            ("0o17", 15),
            ("0x1F", 31),
            ("1_000", "1_000"),
            ("0b1", "0b1"),
        ],
        *[
            ("12:30", "12:30"),
            ("1.5", 1.5),
            (".5", 0.5),
            ("5.", 5.0),
            ("1e3", 1000.0),
            (".inf", math.inf),
            ("-.INF", -math.inf),
        ],
        *[("2024-01-01", "2024-01-01"), ("=", "="), ("٣", "٣"), ('"12"', "12"), ("<<", "<<")],
    ],
)
def test_plain_scalars_follow_the_core_schema(text, value):
    assert value_of(text) == value
    assert type(value_of(text)) is type(value)


def test_not_a_number_is_one_too():
    assert math.isnan(value_of(".nan"))


def test_keys_are_text_whatever_they_look_like():
    assert documents_from_text("{2048: 1, true: 2, null: 3, 1.5: 4}") == [{"2048": 1, "true": 2, "null": 3, "1.5": 4}]


def test_aliases_repeat_a_value():
    assert documents_from_text("a: &x [1, 2]\nb: *x") == [{"a": [1, 2], "b": [1, 2]}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2", "each key once, found 'a' again at line 2, column 1"),
        ('{"a": 1, "a": 2}', "each key once, found 'a' again"),
        ("[" * 100, "at most 64 levels of nesting"),
        ('{"a":' * 3000 + "1" + "}" * 3000, "nest"),
        ("? [1]\n: 2", "a map key that is plain text"),
        ("a: *x", "alias"),
        ("a: &x [*x]", "an anchor before its alias"),
        ("a: [1", "YAML"),
        ("a: b: c", "line 1, column 5"),
        ("a: \x01", "YAML"),
        ('{"a": NaN}', "JSON numbers, found NaN"),
        ('{"a": }', "JSON: Expecting value at line 1, column 7"),
    ],
)
def test_faults_are_told_with_their_place(text, message):
    with pytest.raises(DocumentError, match=message.replace("[", r"\[")):
        documents_from_text(text)


def test_laughs_are_counted_before_they_are_told():
    laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    laughs += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9))
    with pytest.raises(DocumentError, match="values in all, aliases expanded"):
        documents_from_text(laughs)


def test_numbers_of_many_digits_are_read_or_refused_but_never_crash():
    assert value_of("1" * 100) == int("1" * 100)
    assert value_of("1" * 5000) == math.inf, "which no reader accepts"
    with pytest.raises(DocumentError):
        documents_from_text('{"a": ' + "1" * 5000 + "}")


def test_tags_are_no_code():
    assert documents_from_text("a: !!python/object/apply:os.system ['x']") == [{"a": ["x"]}]


def test_the_document_of_a_kind_is_found_among_several():
    text = "kind: A\nx: 1\n---\nkind: B\nx: 2\n"
    assert document_from_text(text, "B")["x"] == 2
    assert document_from_text("x: 1", "B") == {"x": 1}
    for wrong in (text, "", "kind: C\n---\nkind: C\n"):
        with pytest.raises(DocumentError, match="one document of kind C, found"):
            document_from_text(wrong, "C")


def test_json_and_flow_yaml_are_both_read():
    assert documents_from_text('{"a": [1, 2.5, null, true]}') == [{"a": [1, 2.5, None, True]}]
    assert documents_from_text("{a: [1, no]}") == [{"a": [1, "no"]}]


@given(st.text(max_size=80))
@settings(max_examples=300, deadline=None)
def test_any_text_is_read_or_refused(text):
    try:
        documents_from_text(text)
    except DocumentError as error:
        assert error.faults

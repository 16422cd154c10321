"""When ``mano chain verify`` ends with success."""

from __future__ import annotations

from typing import Any

import pytest

from mano.cli.chains import holds

WELL: dict[str, Any] = {
    "proven": True,
    "drift": [],
    "failures": [{"proven": True}],
    "traces": [{"agrees": True}, {"agrees": True}],
}


def test_what_is_as_it_should_be_holds() -> None:
    assert holds(WELL)
    assert holds({**WELL, "failures": None, "traces": []})


@pytest.mark.parametrize(
    "wrong",
    [
        {"proven": False},
        {"drift": [{"host": "h1", "missing": ["x"], "foreign": []}]},
        {"failures": [{"proven": True}, {"proven": False}]},
        {"traces": [{"agrees": True}, {"agrees": False}]},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_one_thing_that_is_wrong_is_enough(wrong: dict[str, Any]) -> None:
    assert not holds({**WELL, **wrong})

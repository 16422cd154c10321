"""Tables, documents, names; nothing of a server's moves the cursor."""

from __future__ import annotations

import json

import pytest
import yaml

from mano.cli.exits import Exit, Failure, exit_of, printable
from mano.cli.output import Column, cell, show_list, show_one, table

COLUMNS = (Column("ID", "id"), Column("HOST", "place.host"), Column("SUM", lambda row: row["a"] + row["b"]))
ROWS = [{"id": "x", "place": {"host": "h1"}, "a": 1, "b": 2}, {"id": "longer", "a": 3, "b": 4}]


def test_a_table_is_aligned_and_has_no_trailing_blanks() -> None:
    assert table(ROWS, COLUMNS) == "ID      HOST  SUM\nx       h1    3\nlonger        7\n"


def test_every_form_holds_the_same_rows(capsys: pytest.CaptureFixture[str]) -> None:
    show_list(ROWS, "json", COLUMNS)
    assert json.loads(capsys.readouterr().out) == ROWS
    show_list(ROWS, "yaml", COLUMNS)
    assert yaml.safe_load(capsys.readouterr().out) == ROWS
    show_list(ROWS, "name", COLUMNS)
    assert capsys.readouterr().out == "x\nlonger\n"


def test_one_result_leaves_empty_fields_out(capsys: pytest.CaptureFixture[str]) -> None:
    show_one(ROWS[1], "table", COLUMNS)
    assert capsys.readouterr().out == "ID    longer\nSUM   7\n"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "yes"),
        ([1, "a"], "1, a"),
        ({"k": [1]}, "k=1"),
        ("two\nlines", "two lines"),
        ("\x1b[2Jgone", "\ufffd[2Jgone"),
    ],
)
def test_a_cell_is_one_harmless_line(value: object, text: str) -> None:
    assert cell(value) == text


def test_errors_cannot_move_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    Failure("bad \x1b]0;title\x07", hint="\x9b2J").show()
    told = capsys.readouterr().err
    assert "\x1b" not in told and "\x9b" not in told and "\x07" not in told
    assert printable("a\tb\nc") == "a\tb\nc"


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("NOT_PLACEABLE", 409, Exit.UNPLACED),
        ("DEADLINE_EXCEEDED", 504, Exit.TIMEOUT),
        ("UNREACHABLE", 503, Exit.SERVER),
        ("", 500, Exit.SERVER),
        ("UNAUTHENTICATED", 401, Exit.SERVER),
        ("FORBIDDEN", 403, Exit.SERVER),
        ("NOT_FOUND", 404, Exit.BAD),
        ("IN_USE", 409, Exit.BAD),
    ],
)
def test_an_error_has_its_exit_code(code: str, status: int, expected: Exit) -> None:
    assert exit_of(code, status) is expected

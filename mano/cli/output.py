"""Results on stdout: a table for people, JSON or YAML for programs, names for shell loops."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from mano.cli.exits import printable

Command = TypeVar("Command", bound=Callable[..., Any])
Row = Mapping[str, Any]
FORMATS = ("table", "json", "yaml", "name")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: its head, and the path of the value (``a.b``) or what makes it of a row."""

    head: str
    value: str | Callable[[Row], Any]

    def text(self, row: Row) -> str:
        """The cell."""
        found = self.value(row) if callable(self.value) else dig(row, self.value)
        return cell(found)


def output_option(command: Command) -> Command:
    """``-o table|json|yaml|name``."""
    option = click.option(
        "-o", "--output", type=click.Choice(FORMATS), default="table", show_default=True, help="Form of the result."
    )
    return option(command)


def show_list(rows: Sequence[Row], form: str, columns: Sequence[Column], *, name: str = "id") -> None:
    """Print several results."""
    if form == "table":
        click.echo(table(rows, columns), nl=False)
    elif form == "name":
        for row in rows:
            click.echo(printable(str(dig(row, name))))
    else:
        show_document(list(rows), form)


def show_one(row: Row, form: str, fields: Sequence[Column], *, name: str = "id") -> None:
    """Print one result; in a table one line per field."""
    if form == "table":
        cells = [(field.head, field.text(row)) for field in fields]
        width = max((len(head) for head, _ in cells), default=0)
        for head, text in cells:
            if text:
                click.echo(f"{head:<{width}}  {text}")
    elif form == "name":
        click.echo(printable(str(dig(row, name))))
    else:
        show_document(row, form)


def show_document(document: Any, form: str) -> None:
    """Print a document as JSON, or YAML."""
    if form == "yaml":
        import yaml

        click.echo(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), nl=False)
    else:
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))


def table(rows: Sequence[Row], columns: Sequence[Column]) -> str:
    """Left-aligned columns, two blanks between them."""
    lines = [[column.head for column in columns], *([column.text(row) for column in columns] for row in rows)]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    return "".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() + "\n" for line in lines
    )


def dig(row: Any, path: str) -> Any:
    """The value at ``a.b`` in nested objects, ``None`` where there is none."""
    for step in path.split("."):
        row = row.get(step) if isinstance(row, Mapping) else None
    return row


def cell(value: Any) -> str:
    """One line of text for any value."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={cell(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(cell(item) for item in value)
    return printable(str(value)).replace("\n", " ").replace("\t", " ")


def note(text: str) -> None:
    """A message for people, on stderr."""
    click.echo(printable(text), err=True)

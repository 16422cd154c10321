"""How a command ends: exit codes, and errors that say what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import IntEnum
from typing import IO, Any

import click

from mano.errors import CatenaError, DeadlineExceeded, NotPlaceable, Unreachable


class Exit(IntEnum):
    """The contract with scripts."""

    OK = 0
    BAD = 1
    USAGE = 2
    UNPLACED = 3
    SERVER = 4
    TIMEOUT = 5
    DIFFERENCES = 10


class Failure(click.ClickException):
    """Ends a command with a sentence on stderr, a hint below it, and an exit code."""

    def __init__(
        self, message: str, *, hint: str = "", exit_code: Exit = Exit.BAD, facts: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.hint = hint
        self.facts = facts or {}
        self.exit_code = int(exit_code)  # type: ignore[misc]

    def show(self, file: IO[Any] | None = None) -> None:
        """Write to stderr, without control characters that a server or a package may have put in."""
        click.echo(f"Error: {printable(self.message)}", err=True)
        if self.hint:
            click.echo(f"Hint: {printable(self.hint)}", err=True)


def printable(text: str) -> str:
    """The text without what could move a terminal's cursor."""
    return "".join(character if character.isprintable() or character in "\n\t" else "\ufffd" for character in text)


def exit_of(code: str, status: int = 0) -> Exit:
    """The exit code for an error document's ``code`` or, failing that, its HTTP status."""
    if code == NotPlaceable.code:
        return Exit.UNPLACED
    if code == DeadlineExceeded.code or status == 504:
        return Exit.TIMEOUT
    if code == Unreachable.code or status in (401, 403) or status >= 500:
        return Exit.SERVER
    return Exit.BAD


@contextmanager
def told() -> Iterator[None]:
    """Errors of the libraries and use cases become :class:`Failure`."""
    try:
        yield
    except CatenaError as error:
        raise Failure(error.detail, hint=error.hint, exit_code=exit_of(error.code)) from None
    except OSError as error:
        raise Failure(f"{error.filename or 'a file'}: {error.strerror or error}") from None

"""Checks that the constructors of the model share."""

from __future__ import annotations

#: Longest identifier that a descriptor may give to one of its parts, in characters.
MAX_NAME = 255


def check_name(value: str, what: str) -> None:
    """Raise ValueError unless `value` is 1 to 255 printable characters on one line."""
    if not value or len(value) > MAX_NAME or not value.isprintable():
        raise ValueError(f"{what} must be 1 to {MAX_NAME} printable characters, not {value[:40]!r}")


def check_at_least(value: int, minimum: int, what: str) -> None:
    """Raise ValueError when `value` lies below `minimum`."""
    if value < minimum:
        raise ValueError(f"{what} must be at least {minimum}, not {value}")


def check_unique(names: list[str], what: str) -> None:
    """Raise ValueError when a name occurs twice."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"{what} {name[:40]!r} occurs twice")
        seen.add(name)

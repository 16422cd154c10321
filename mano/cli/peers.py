"""Files that name others with the secrets between them: ``--peers`` functional blocks, ``--coordinators`` the rest."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from mano.settings import CoordinatorSettings, Peers

MAX_OCTETS = 1 << 20

T = TypeVar("T")


def read_peers(path: Path | None) -> Peers:
    """The peers of a file, none without one; raises :class:`click.UsageError` that says what is wrong with it."""
    return Peers() if path is None else _read("--peers", path, Peers.from_document)


def read_coordinators(path: Path | None) -> tuple[CoordinatorSettings, ...]:
    """Who coordinates operations; raises as :func:`read_peers`."""
    return () if path is None else _read("--coordinators", path, CoordinatorSettings.all_from_document)


def _read(option: str, path: Path, understand: Callable[[Any], T]) -> T:
    try:
        if path.stat().st_mode & 0o077:
            raise click.UsageError(f"{option} {path} holds secrets and may be read by others: chmod 600 {path}")
        with path.open("rb") as file:
            return understand(json.loads(file.read(MAX_OCTETS)))
    except OSError as error:
        raise click.UsageError(f"{option} {path}: {error.strerror}") from None
    except ValueError as error:
        raise click.UsageError(f"{option} {path}: {error}") from None

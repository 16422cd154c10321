"""``--peers``: a file that names the functional blocks in other processes, with the secrets between them."""

from __future__ import annotations

import json
from pathlib import Path

import click

from mano.settings import Peers

MAX_OCTETS = 1 << 20


def read_peers(path: Path | None) -> Peers:
    """The peers of a file, none without one; raises :class:`click.UsageError` that says what is wrong with it."""
    if path is None:
        return Peers()
    try:
        if path.stat().st_mode & 0o077:
            raise click.UsageError(f"--peers {path} holds secrets and may be read by others: chmod 600 {path}")
        with path.open("rb") as file:
            return Peers.from_document(json.loads(file.read(MAX_OCTETS)))
    except OSError as error:
        raise click.UsageError(f"--peers {path}: {error.strerror}") from None
    except ValueError as error:
        raise click.UsageError(f"--peers {path}: {error}") from None

"""Documents that users write: YAML or JSON, from a file or from stdin."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from mano.cli.exits import Failure, told

MAX_DOCUMENT = 64 << 20
STDIN = Path("-")


def read_text(path: Path) -> str:
    """The text of a file, ``-`` for stdin."""
    with told():
        data = sys.stdin.buffer.read(MAX_DOCUMENT + 1) if path == STDIN else _read(path)
    if len(data) > MAX_DOCUMENT:
        raise Failure(f"{path} is larger than {MAX_DOCUMENT} octets")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Failure(f"{path} is not UTF-8") from None


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_DOCUMENT + 1)


def read_document(path: Path) -> dict[str, Any]:
    """The one object of a YAML or JSON document."""
    from mano.placement import documents_from_text

    with told():
        documents = documents_from_text(read_text(path))
    if len(documents) != 1 or not isinstance(documents[0], dict):
        raise Failure(f"{path} is not one object", hint="YAML or JSON with names and values")
    return documents[0]

"""Small JSON files that are either whole or not there."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


def write_record(path: Path, record: Mapping[str, Any], *, durable: bool = False) -> None:
    """Replace the file in one step; ``durable`` waits until it is on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(record, file, sort_keys=True, indent=1)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def read_record(path: Path) -> dict[str, Any] | None:
    """The record, or ``None`` when there is none."""
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    record = json.loads(text)
    if not isinstance(record, dict):
        raise ValueError(f"{path} holds no JSON object")
    return record


def read_records(directory: Path, pattern: str = "*.json") -> Iterator[tuple[Path, dict[str, Any]]]:
    """All records of a directory, in the order of their names; ones that vanish meanwhile are left out."""
    for path in sorted(directory.glob(pattern)):
        record = read_record(path)
        if record is not None:
            yield path, record


def remove_tree(path: Path) -> None:
    """Delete a directory with all that it holds; nothing to do when it is gone."""
    shutil.rmtree(path, ignore_errors=True)
    if path.exists():
        shutil.rmtree(path)

"""A data directory as one file and back, while a server works with it.

The database is copied by SQLite's own online backup, which sees one moment and disturbs no writer. The rest follows
after it: an upload that ends in between leaves an archive that no row of the copy names, and nothing worse.
"""

from __future__ import annotations

import os
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from mano.errors import Conflict, InvalidInput, NotFound

DATABASE = "catena.db"
UNFINISHED = "incoming-"
LEFT_OUT = (".lock", ".log", "-wal", "-shm", ".sock", ".tmp")
RESTORED = "restored"
"""In a data directory that came from a backup, until a server has said so to its subscribers."""

MARK = "catena-backup-1"
MAX_MEMBERS = 1_000_000


def backup(data_dir: Path, target: Path) -> int:
    """Write the archive, readable by its owner only; its size in octets. It appears whole or not at all.

    Raises :class:`~mano.errors.NotFound` where there is no database of a server.
    """
    database = data_dir / DATABASE
    if not database.is_file():
        raise NotFound(
            "there is no database in this data directory", hint="of a server on PostgreSQL take a dump with pg_dump"
        )
    with tempfile.TemporaryDirectory(prefix=".catena-backup-", dir=target.parent) as folder:
        copy = Path(folder) / DATABASE
        with (
            closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(copy)) as made,
        ):
            source.backup(made)
        archive = Path(folder) / "archive"
        descriptor = os.open(archive, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as content:
            content.add(copy, f"{MARK}/{DATABASE}")
            for path in _others(data_dir):
                content.add(path, f"{MARK}/{path.relative_to(data_dir)}", recursive=False)
        os.replace(archive, target)
    return target.stat().st_size


def _others(data_dir: Path) -> Iterator[Path]:
    """Every regular file and directory beside the database, but those of running processes."""
    for path in sorted(data_dir.rglob("*")):
        if path.name.startswith((DATABASE, UNFINISHED)) or path.name.endswith(LEFT_OUT) or path.is_symlink():
            continue
        if path.is_file() or path.is_dir():
            yield path


def restore(source: Path, data_dir: Path) -> None:
    """Make the data directory from an archive; it must be empty or absent. Nothing is left of a failure.

    Raises :class:`~mano.errors.Conflict` for a directory with something in it and :class:`~mano.errors.InvalidInput`
    for what is no archive of :func:`backup`.
    """
    if data_dir.exists() and any(data_dir.iterdir()):
        raise Conflict(
            "the data directory is not empty", hint="name another --data-dir, or move away what is there first"
        )
    data_dir.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".catena-restore-", dir=data_dir.parent) as folder:
        try:
            with tarfile.open(source, "r:gz") as content:
                _check(content)
                content.extractall(folder, filter="data")
        except (tarfile.TarError, EOFError, OSError) as error:
            raise InvalidInput(f"this is no backup that can be read ({type(error).__name__})") from None
        made = Path(folder) / MARK
        with closing(sqlite3.connect(made / DATABASE)) as database:
            if database.execute("PRAGMA integrity_check").fetchone() != ("ok",):
                raise InvalidInput("the database in the backup is damaged")
        (made / RESTORED).touch(mode=0o600)
        os.chmod(made, 0o700)
        if data_dir.exists():
            data_dir.rmdir()
        os.replace(made, data_dir)


def _check(content: tarfile.TarFile) -> None:
    """Only files and directories below our own mark, and a database among them."""
    names = set()
    for number, member in enumerate(content):
        is_ours = member.name == MARK or member.name.startswith(f"{MARK}/")
        if not is_ours or not (member.isfile() or member.isdir()) or number > MAX_MEMBERS:
            raise InvalidInput("this is no backup of a server", hint="`mano backup FILE` makes one")
        names.add(member.name)
    if f"{MARK}/{DATABASE}" not in names:
        raise InvalidInput("this is no backup of a server: it has no database")

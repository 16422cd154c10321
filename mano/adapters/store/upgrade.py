"""Brings a database to the present schema. Alembic is imported only when there is something to do."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from mano.adapters.store.engines import Engines
from mano.adapters.store.schema import HEAD
from mano.errors import Conflict, Unreachable

MIGRATIONS = Path(__file__).parent / "migrations"
ADVISORY_LOCK = 0x0CA7_E2A1
"""Key of PostgreSQL's advisory lock: one server at a time migrates."""


def revision(engines: Engines) -> str | None:
    """The migration that the database is at; ``None`` for an empty one."""
    with engines.views.connect() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        found = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
        return None if found is None else str(found)


def upgrade(engines: Engines) -> bool:
    """Migrate if needed, in one transaction; True when something was done.

    Raises :class:`~mano.errors.Conflict` for a database of a newer Catena and :class:`~mano.errors.Unreachable` for
    one that does not answer.
    """
    try:
        if revision(engines) == HEAD:
            return False
        _migrate(engines)
    except sa.exc.OperationalError as error:
        raise Unreachable("the database cannot be opened", hint="is its directory there and writable?") from error
    return True


def _migrate(engines: Engines) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory
    from alembic.script.revision import ResolutionError
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    script = ScriptDirectory.from_config(config)
    with engines.units.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(ADVISORY_LOCK)))
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, script.get_current_head() or HEAD)
        except (CommandError, ResolutionError) as error:
            raise Conflict(
                "the database was written by a newer Catena", hint="start that version, or restore an older backup"
            ) from error

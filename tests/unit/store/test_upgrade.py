"""Migrations: complete, repeatable, all or nothing, and no newer database is touched."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from mano.adapters.store import Engines, SqlStore, make_engines, upgrade
from mano.adapters.store.schema import HEAD, metadata
from mano.adapters.store.upgrade import MIGRATIONS, revision
from mano.errors import Conflict, Unreachable


def test_an_empty_database_is_migrated_once(empty_engines: Engines) -> None:
    assert revision(empty_engines) is None
    assert upgrade(empty_engines)
    assert revision(empty_engines) == HEAD
    assert not upgrade(empty_engines)


def test_the_migrations_make_exactly_the_schema_that_the_code_uses(empty_engines: Engines) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    upgrade(empty_engines)
    with empty_engines.views.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == []


def test_the_head_is_the_newest_migration() -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


def test_partial_indexes_are_really_there(empty_engines: Engines) -> None:
    upgrade(empty_engines)
    source = "sqlite_master" if empty_engines.is_sqlite else "pg_indexes"
    name, text = ("name", "sql") if empty_engines.is_sqlite else ("indexname", "indexdef")
    with empty_engines.views.connect() as connection:
        rows = connection.execute(sa.text(f"SELECT {name}, {text} FROM {source}")).all()
    conditional = {row[0] for row in rows if row[1] and " WHERE " in row[1]}
    assert {
        "packages_one_per_descriptor",
        "networks_one_per_vni",
        "alarms_one_standing_per_key",
        "lcm_op_occs_one_active",
    } <= conditional


def test_every_table_of_a_users_things_has_a_tenant() -> None:
    of_the_operator = {"hosts", "host_nodes", "underlay_links", "leases", "numbers"}
    of_an_operation = {"lcm_op_occ_steps"}
    of_a_subscription = {"deliveries"}
    for name, table in metadata.tables.items():
        has_tenant = "tenant_id" in table.columns and not table.columns["tenant_id"].nullable
        assert has_tenant != (name in of_the_operator | of_an_operation | of_a_subscription), name


def test_servers_that_start_at_once_migrate_once(empty_engines: Engines) -> None:
    url = empty_engines.url.render_as_string(hide_password=False)
    program = (
        "import alembic.command, sys\n"
        "from mano.adapters.store import make_engines, upgrade\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n"
        f"print(upgrade(make_engines({url!r})))\n"
    )
    servers = [
        subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for server in servers:
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
    answers = [server.communicate("go\n", timeout=60)[0].strip() for server in servers]
    assert [server.returncode for server in servers] == [0, 0, 0], answers
    assert revision(empty_engines) == HEAD


def test_a_database_of_a_newer_release_is_left_alone(empty_engines: Engines) -> None:
    upgrade(empty_engines)
    with empty_engines.units.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Conflict, match="newer"):
        upgrade(empty_engines)
    assert revision(empty_engines) == "9999"


def test_a_migration_that_dies_in_the_middle_leaves_nothing(empty_engines: Engines, monkeypatch) -> None:
    from alembic.operations import Operations

    original = Operations.create_table

    def failing(self: Operations, name: str, *args: object, **more: object) -> object:
        if name == "outbox":
            raise KeyboardInterrupt
        return original(self, name, *args, **more)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Operations, "create_table", failing)
        with pytest.raises(KeyboardInterrupt):
            upgrade(empty_engines)
    assert revision(empty_engines) is None
    with empty_engines.views.connect() as connection:
        assert sa.inspect(connection).get_table_names() == []
    assert upgrade(empty_engines)


def test_a_database_that_cannot_be_opened_is_unreachable(tmp_path: Path) -> None:
    with pytest.raises(Unreachable):
        upgrade(make_engines(f"sqlite:///{tmp_path}/no/such/directory/catena.db"))


def test_alembic_is_not_loaded_for_a_database_that_needs_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/catena.db"
    engines = make_engines(url)
    upgrade(engines)
    engines.dispose()
    program = (
        "import sys\n"
        "from mano.adapters.store import make_engines, upgrade\n"
        f"upgrade(make_engines({url!r}))\n"
        "print([name for name in ('alembic', 'dbos', 'psycopg') if name in sys.modules])\n"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert answer.stdout.strip() == "[]"


def test_a_store_says_unreachable_when_the_database_goes_away(tmp_path: Path) -> None:
    engines = make_engines(f"sqlite:///{tmp_path}/gone/catena.db")
    with pytest.raises(Unreachable), SqlStore(engines).open_unit():
        pass

"""Run by alembic: migrates the connection that :mod:`mano.adapters.store.upgrade` opened, inside its transaction."""

from __future__ import annotations

from alembic import context

from mano.adapters.store.schema import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
context.run_migrations()

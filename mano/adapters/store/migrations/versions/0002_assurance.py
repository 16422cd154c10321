"""Subscriptions and what waits to be delivered; performance management; metering; the level of alarms."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision: str | None = "0001"

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create what is new."""
    op.add_column("alarms", sa.Column("level", NAME, nullable=False, server_default="ns"))
    _resource("subscriptions", "interface")
    op.create_index("subscriptions_by_interface", "subscriptions", ["interface"])
    _resource("pm_jobs", "interface")
    _resource("pm_reports", "job_id")
    op.create_index("pm_reports_by_job", "pm_reports", ["job_id"])
    _resource("thresholds", "interface")
    _resource("usage_records", "kind", "subject", "vnf_instance_id", sa.Column("ended_at", NAME, nullable=True))
    standing = sa.text("ended_at IS NULL")
    op.create_index(
        "usage_records_open", "usage_records", ["kind", "subject"], sqlite_where=standing, postgresql_where=standing
    )
    op.create_index("usage_records_by_vnf", "usage_records", ["vnf_instance_id"])
    _deliveries()


def _deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("sequence", SERIAL, primary_key=True, autoincrement=True),
        sa.Column("subscription_id", NAME, nullable=False),
        sa.Column("order_key", NAME, nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("deliveries_by_subscription", "deliveries", ["subscription_id", "sequence"])


def _resource(name: str, *columns: str | sa.Column[Any]) -> None:
    op.create_table(
        name,
        sa.Column("id", NAME, primary_key=True),
        sa.Column("tenant_id", NAME, nullable=False),
        *(sa.Column(column, NAME, nullable=False) if isinstance(column, str) else column for column in columns),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
    )
    op.create_index(f"{name}_by_tenant", name, ["tenant_id", "id"])

"""Quotas of tenants."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision: str | None = "0007"

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Create what is new."""
    op.create_table(
        "quotas",
        sa.Column("id", NAME, primary_key=True),
        sa.Column("tenant_id", NAME, nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
    )
    op.create_index("quotas_by_tenant", "quotas", ["tenant_id", "id"])

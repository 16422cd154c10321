"""What auto-scaling remembers of an instance."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision: str | None = "0006"

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Create what is new."""
    op.create_table(
        "auto_scaling",
        sa.Column("id", NAME, primary_key=True),
        sa.Column("tenant_id", NAME, nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
    )
    op.create_index("auto_scaling_by_tenant", "auto_scaling", ["tenant_id", "id"])

"""VNF snapshot packages."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision: str | None = "0008"

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Create what is new."""
    op.create_table(
        "vnf_snapshot_packages",
        sa.Column("id", NAME, primary_key=True),
        sa.Column("tenant_id", NAME, nullable=False),
        sa.Column("state", NAME, nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
    )
    op.create_index("vnf_snapshot_packages_by_tenant", "vnf_snapshot_packages", ["tenant_id", "id"])
    op.create_index("vnf_snapshot_packages_by_state", "vnf_snapshot_packages", ["state"])

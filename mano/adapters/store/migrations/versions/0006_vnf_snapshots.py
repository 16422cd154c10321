"""VNF snapshots."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision: str | None = "0005"

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Create what is new."""
    op.create_table(
        "vnf_snapshots",
        sa.Column("id", NAME, primary_key=True),
        sa.Column("tenant_id", NAME, nullable=False),
        sa.Column("vnf_instance_id", NAME, nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
    )
    op.create_index("vnf_snapshots_by_tenant", "vnf_snapshots", ["tenant_id", "id"])
    op.create_index("vnf_snapshots_by_vnf", "vnf_snapshots", ["vnf_instance_id"])

"""Logical ports, and the resources of networking-sfc."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision: str | None = "0002"

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Create what is new."""
    for name in (
        "logical_ports",
        "port_pairs",
        "port_pair_groups",
        "flow_classifiers",
        "port_chains",
        "service_graphs",
    ):
        op.create_table(
            name,
            sa.Column("id", NAME, primary_key=True),
            sa.Column("tenant_id", NAME, nullable=False),
            sa.Column("name", NAME, nullable=False),
            sa.Column("generation", sa.BigInteger(), nullable=False),
            sa.Column("document", sa.Text(), nullable=False),
        )
        op.create_index(f"{name}_by_tenant", name, ["tenant_id", "id"])

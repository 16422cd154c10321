"""Indexes for what lists of instances are filtered by."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision: str | None = "0004"


def upgrade() -> None:
    """Create what is new."""
    op.create_index("vnf_instances_by_name", "vnf_instances", ["tenant_id", "name", "id"])
    op.create_index("vnf_instances_by_vnfd", "vnf_instances", ["tenant_id", "vnfd_id", "id"])
    op.create_index("vnf_instances_by_state", "vnf_instances", ["tenant_id", "instantiation_state", "id"])
    op.create_index("ns_instances_by_name", "ns_instances", ["tenant_id", "name", "id"])

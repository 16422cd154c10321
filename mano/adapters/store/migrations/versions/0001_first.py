"""All tables of the first release.

Frozen: it imports nothing of the schema, which moves on. A later change is a later module.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision: str | None = None

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
ENDED = "'COMPLETED', 'FAILED', 'PARTIALLY_COMPLETED', 'ROLLED_BACK'"


def upgrade() -> None:
    """Create everything."""
    _catalogue_and_instances()
    _network_and_placement()
    _operations()
    _infrastructure()


def _catalogue_and_instances() -> None:
    _resource("packages", "kind", "descriptor_id", "name", "onboarding_state", "operational_state", "usage_state")
    _index(
        "packages_one_per_descriptor",
        "packages",
        "tenant_id",
        "kind",
        "descriptor_id",
        unique=True,
        where="onboarding_state = 'ONBOARDED'",
    )
    _resource(
        "vnf_instances",
        "name",
        "vnfd_id",
        "package_id",
        "ns_instance_id",
        "vnf_profile_id",
        "instantiation_state",
    )
    _index("vnf_instances_by_package", "vnf_instances", "package_id")
    _index("vnf_instances_by_ns", "vnf_instances", "ns_instance_id")
    _resource("ns_instances", "name", "nsd_id", "nsd_info_id", "state")
    _index("ns_instances_by_nsd", "ns_instances", "nsd_info_id")


def _network_and_placement() -> None:
    _resource("networks", "ns_instance_id", "vld_id", "kind", "physical_network", _number("vni"))
    _index("networks_by_ns", "networks", "ns_instance_id")
    _index("networks_one_per_vni", "networks", "vni", unique=True, where="vni > 0")
    _resource(
        "chains", "ns_instance_id", "name", "state", _number("forward_spi"), _number("reverse_spi", nullable=True)
    )
    _index("chains_by_ns", "chains", "ns_instance_id")
    _resource("reservations", "ns_instance_id", "key", "host")
    _index("reservations_one_per_key", "reservations", "ns_instance_id", "key", unique=True)
    _index("reservations_by_host", "reservations", "host")
    _resource("grants", "vnf_instance_id", "vnf_lcm_op_occ_id")
    _index("grants_one_per_operation", "grants", "vnf_lcm_op_occ_id", unique=True)
    _index("grants_by_vnf", "grants", "vnf_instance_id")


def _operations() -> None:
    _resource("alarms", "key", "managed_object_id", "severity", "ack_state", _name("cleared_at", nullable=True))
    _index("alarms_one_standing_per_key", "alarms", "key", unique=True, where="cleared_at IS NULL")
    _index("alarms_by_object", "alarms", "managed_object_id")
    _resource("lcm_op_occs", "level", "instance_id", "operation", "state", _name("parent_id", nullable=True))
    _index("lcm_op_occs_by_instance", "lcm_op_occs", "instance_id")
    _index("lcm_op_occs_by_parent", "lcm_op_occs", "parent_id")
    _index("lcm_op_occs_one_active", "lcm_op_occs", "instance_id", unique=True, where=f"state NOT IN ({ENDED})")
    op.create_table(
        "lcm_op_occ_steps",
        _name("op_id"),
        _name("name"),
        sa.Column("position", sa.Integer(), nullable=False),
        _name("state"),
        _document(),
        sa.ForeignKeyConstraint(["op_id"], ["lcm_op_occs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("op_id", "name"),
    )


def _infrastructure() -> None:
    op.create_table("hosts", _key("name"), _name("vim_id"), _number("generation"), _document())
    op.create_table(
        "underlay_links",
        sa.Column("position", sa.Integer(), primary_key=True, autoincrement=False),
        _name("a"),
        _name("b"),
        _document(),
    )
    op.create_table(
        "outbox",
        sa.Column("sequence", SERIAL, primary_key=True, autoincrement=True),
        _name("tenant_id"),
        _name("noun"),
        _name("subject"),
        sa.Column("occurred_at", sa.Double(), nullable=False),
        _document(),
        sqlite_autoincrement=True,
    )
    _index("outbox_by_tenant", "outbox", "tenant_id", "sequence")
    op.create_table(
        "leases", _key("name"), _name("owner"), _number("token"), sa.Column("expires_at", sa.Double(), nullable=False)
    )
    op.create_table(
        "numbers",
        _key("pool"),
        sa.Column("number", sa.BigInteger(), primary_key=True, autoincrement=False),
        _name("key", nullable=True),
        sa.Column("released_at", sa.Double(), nullable=True),
    )
    _index("numbers_one_per_key", "numbers", "pool", "key", unique=True)


def _resource(name: str, *columns: str | sa.Column[Any]) -> None:
    op.create_table(
        name,
        _key("id"),
        _name("tenant_id"),
        *(_name(column) if isinstance(column, str) else column for column in columns),
        _number("generation"),
        _document(),
    )
    _index(f"{name}_by_tenant", name, "tenant_id", "id")


def _key(name: str) -> sa.Column[Any]:
    return sa.Column(name, NAME, primary_key=True)


def _name(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, NAME, nullable=nullable)


def _number(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def _document() -> sa.Column[Any]:
    return sa.Column("document", sa.Text(), nullable=False)


def _index(name: str, table: str, *columns: str, unique: bool = False, where: str = "") -> None:
    condition: dict[str, Any] = {"sqlite_where": sa.text(where), "postgresql_where": sa.text(where)} if where else {}
    op.create_index(name, table, list(columns), unique=unique, **condition)

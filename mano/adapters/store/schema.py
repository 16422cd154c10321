"""The tables, one for each repository.

A resource is one row: its identifier, its tenant, its generation, the columns that something is looked up by, and
the whole value as a JSON document. The document is the truth; the columns are copies of its fields under the same
names. New fields with a default need no migration; new columns do (``migrations/``).
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from mano.domain.lcm_op_occ import ENDED

HEAD = "0009"
"""The newest migration: what ``alembic_version`` holds in a database that needs none."""

metadata = sa.MetaData()

# Identifiers compare octet by octet on both databases, so that pages never depend on a locale.
Name = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
Serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _column(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, Name, nullable=nullable)


def _resource(name: str, *looked_up: sa.Column[Any] | sa.Index) -> sa.Table:
    return sa.Table(
        name,
        metadata,
        sa.Column("id", Name, primary_key=True),
        _column("tenant_id"),
        *looked_up,
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Index(f"{name}_by_tenant", "tenant_id", "id"),
    )


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


ENDED_STATES = ", ".join(f"'{state.value}'" for state in sorted(ENDED))

packages = _resource(
    "packages",
    _column("kind"),
    _column("descriptor_id"),
    _column("name"),
    _column("onboarding_state"),
    _column("operational_state"),
    _column("usage_state"),
    sa.Index(
        "packages_one_per_descriptor",
        "tenant_id",
        "kind",
        "descriptor_id",
        unique=True,
        **_where("onboarding_state = 'ONBOARDED'"),
    ),
)

vnf_instances = _resource(
    "vnf_instances",
    _column("name"),
    _column("vnfd_id"),
    _column("package_id"),
    _column("ns_instance_id"),
    _column("vnf_profile_id"),
    _column("instantiation_state"),
    sa.Index("vnf_instances_by_package", "package_id"),
    sa.Index("vnf_instances_by_ns", "ns_instance_id"),
    sa.Index("vnf_instances_by_name", "tenant_id", "name", "id"),
    sa.Index("vnf_instances_by_vnfd", "tenant_id", "vnfd_id", "id"),
    sa.Index("vnf_instances_by_state", "tenant_id", "instantiation_state", "id"),
)

vnf_snapshots = _resource(
    "vnf_snapshots", _column("vnf_instance_id"), sa.Index("vnf_snapshots_by_vnf", "vnf_instance_id")
)

vnf_snapshot_packages = _resource(
    "vnf_snapshot_packages", _column("state"), sa.Index("vnf_snapshot_packages_by_state", "state")
)

ns_instances = _resource(
    "ns_instances",
    _column("name"),
    _column("nsd_id"),
    _column("nsd_info_id"),
    _column("state"),
    sa.Index("ns_instances_by_nsd", "nsd_info_id"),
    sa.Index("ns_instances_by_name", "tenant_id", "name", "id"),
)

networks = _resource(
    "networks",
    _column("ns_instance_id"),
    _column("vld_id"),
    _column("kind"),
    _column("physical_network"),
    sa.Column("vni", sa.BigInteger(), nullable=False),
    sa.Index("networks_by_ns", "ns_instance_id"),
    sa.Index("networks_one_per_vni", "vni", unique=True, **_where("vni > 0")),
)

chains = _resource(
    "chains",
    _column("ns_instance_id"),
    _column("name"),
    _column("state"),
    sa.Column("forward_spi", sa.BigInteger(), nullable=False),
    sa.Column("reverse_spi", sa.BigInteger(), nullable=True),
    sa.Index("chains_by_ns", "ns_instance_id"),
)

reservations = _resource(
    "reservations",
    _column("ns_instance_id"),
    _column("key"),
    _column("host"),
    sa.Index("reservations_one_per_key", "ns_instance_id", "key", unique=True),
    sa.Index("reservations_by_host", "host"),
)

grants = _resource(
    "grants",
    _column("vnf_instance_id"),
    _column("vnf_lcm_op_occ_id"),
    sa.Index("grants_one_per_operation", "vnf_lcm_op_occ_id", unique=True),
    sa.Index("grants_by_vnf", "vnf_instance_id"),
)

alarms = _resource(
    "alarms",
    _column("key"),
    _column("managed_object_id"),
    _column("severity"),
    _column("ack_state"),
    _column("cleared_at", nullable=True),
    _column("level"),
    sa.Index("alarms_one_standing_per_key", "key", unique=True, **_where("cleared_at IS NULL")),
    sa.Index("alarms_by_object", "managed_object_id"),
)

logical_ports = _resource("logical_ports", _column("name"))

port_pairs = _resource("port_pairs", _column("name"))

port_pair_groups = _resource("port_pair_groups", _column("name"))

flow_classifiers = _resource("flow_classifiers", _column("name"))

port_chains = _resource("port_chains", _column("name"))

service_graphs = _resource("service_graphs", _column("name"))

operations = _resource(
    "lcm_op_occs",
    _column("level"),
    _column("instance_id"),
    _column("operation"),
    _column("state"),
    _column("parent_id", nullable=True),
    sa.Index("lcm_op_occs_by_instance", "instance_id"),
    sa.Index("lcm_op_occs_by_parent", "parent_id"),
    sa.Index("lcm_op_occs_one_active", "instance_id", unique=True, **_where(f"state NOT IN ({ENDED_STATES})")),
)

subscriptions = _resource("subscriptions", _column("interface"), sa.Index("subscriptions_by_interface", "interface"))

pm_jobs = _resource("pm_jobs", _column("interface"))

pm_reports = _resource("pm_reports", _column("job_id"), sa.Index("pm_reports_by_job", "job_id"))

thresholds = _resource("thresholds", _column("interface"))

auto_scaling = _resource("auto_scaling")

quotas = _resource("quotas")

usage_records = _resource(
    "usage_records",
    _column("kind"),
    _column("subject"),
    _column("vnf_instance_id"),
    _column("ended_at", nullable=True),
    sa.Index("usage_records_open", "kind", "subject", **_where("ended_at IS NULL")),
    sa.Index("usage_records_by_vnf", "vnf_instance_id"),
)

steps = sa.Table(
    "lcm_op_occ_steps",
    metadata,
    sa.Column("op_id", Name, sa.ForeignKey("lcm_op_occs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("name", Name, primary_key=True),
    sa.Column("position", sa.Integer(), nullable=False),
    _column("state"),
    sa.Column("document", sa.Text(), nullable=False),
)

hosts = sa.Table(
    "hosts",
    metadata,
    sa.Column("name", Name, primary_key=True),
    _column("vim_id"),
    sa.Column("generation", sa.BigInteger(), nullable=False),
    sa.Column("document", sa.Text(), nullable=False),
)

host_nodes = sa.Table(
    "host_nodes",
    metadata,
    sa.Column("host", Name, primary_key=True),
    sa.Column("node", sa.Integer(), primary_key=True, autoincrement=False),
    sa.Column("generation", sa.BigInteger(), nullable=False),
)

links = sa.Table(
    "underlay_links",
    metadata,
    sa.Column("position", sa.Integer(), primary_key=True, autoincrement=False),
    _column("a"),
    _column("b"),
    sa.Column("document", sa.Text(), nullable=False),
)

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("sequence", Serial, primary_key=True, autoincrement=True),
    _column("tenant_id"),
    _column("noun"),
    _column("subject"),
    sa.Column("occurred_at", sa.Double(), nullable=False),
    sa.Column("document", sa.Text(), nullable=False),
    sa.Index("outbox_by_tenant", "tenant_id", "sequence"),
    sqlite_autoincrement=True,
)

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("sequence", Serial, primary_key=True, autoincrement=True),
    _column("subscription_id"),
    _column("order_key"),
    sa.Column("created_at", sa.Double(), nullable=False),
    sa.Column("document", sa.Text(), nullable=False),
    sa.Index("deliveries_by_subscription", "subscription_id", "sequence"),
    sqlite_autoincrement=True,
)

leases = sa.Table(
    "leases",
    metadata,
    sa.Column("name", Name, primary_key=True),
    _column("owner"),
    sa.Column("token", sa.BigInteger(), nullable=False),
    sa.Column("expires_at", sa.Double(), nullable=False),
)

numbers = sa.Table(
    "numbers",
    metadata,
    sa.Column("pool", Name, primary_key=True),
    sa.Column("number", sa.BigInteger(), primary_key=True, autoincrement=False),
    _column("key", nullable=True),
    sa.Column("released_at", sa.Double(), nullable=True),
    sa.Index("numbers_one_per_key", "pool", "key", unique=True),
)

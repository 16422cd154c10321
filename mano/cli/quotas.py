"""``mano quota``: what tenants may hold at most."""

from __future__ import annotations

import click

from mano.cli.client import Client, with_client
from mano.cli.output import Column, Row, note, output_option, show_list, show_one

QUOTAS = "/mano/v1/quotas"


def _amounts(row: Row) -> list[str]:
    return [f"{name} {row['held'].get(name, 0):g} of {limit:g}" for name, limit in row["limits"].items()]


COLUMNS = (
    Column("TENANT", "tenantId"),
    Column("HELD", _amounts),
    Column("REFUSED", lambda row: [f"{name} {amount:g}" for name, amount in row["waiting"].items()]),
)


@click.group("quota")
def quota() -> None:
    """What tenants may hold of the NFVI at most."""


@quota.command("list")
@output_option
@with_client
def list_all(client: Client, output: str) -> None:
    """List quotas; a tenant without one is not limited."""
    show_list(client.list(QUOTAS), output, COLUMNS, name="tenantId")


@quota.command("show")
@click.argument("tenant")
@output_option
@with_client
def show(client: Client, tenant: str, output: str) -> None:
    """Show a tenant's quota and what it holds."""
    show_one(client.get(f"{QUOTAS}/{tenant}"), output, COLUMNS, name="tenantId")


@quota.command("set")
@click.argument("tenant")
@click.argument("limits", nargs=-1, required=True, metavar="RESOURCE=LIMIT...")
@output_option
@with_client
def put(client: Client, tenant: str, limits: tuple[str, ...], output: str) -> None:
    """Limit a tenant: vnfcs, vcpus, memoryMib, storageGib, vfs. What is not named is not limited."""
    wanted = {}
    for text in limits:
        name, _, limit = text.partition("=")
        try:
            wanted[name] = float(limit)
        except ValueError:
            raise click.UsageError(f"{text!r} is not RESOURCE=NUMBER") from None
    show_one(client.put(f"{QUOTAS}/{tenant}", {"limits": wanted}).json, output, COLUMNS, name="tenantId")


@quota.command("delete")
@click.argument("tenant")
@with_client
def delete(client: Client, tenant: str) -> None:
    """Lift a tenant's limits."""
    client.delete(f"{QUOTAS}/{tenant}")
    note(f"tenant {tenant} is not limited any more")

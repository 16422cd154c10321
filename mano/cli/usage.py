"""``mano usage``: what each tenant held and for how long."""

from __future__ import annotations

import click

from mano.cli.client import Client, with_client
from mano.cli.output import Column, show_document, show_list

USAGE = "/mano/v1/usage"
FORMS = ("table", "json", "yaml", "csv")
COLUMNS = (
    Column("TENANT", "tenantId"),
    Column("SERVICE", lambda row: row.get("nsInstanceName") or row.get("nsInstanceId") or "-"),
    Column("VCPU HOURS", lambda row: f"{row['vcpuHours']:.3f}"),
    Column("GIB HOURS", lambda row: f"{row['gibHours']:.3f}"),
    Column("VF HOURS", lambda row: f"{row['vfHours']:.3f}"),
    Column("CHAIN BYTES", "chainBytes"),
)


@click.command("usage")
@click.option("--since", metavar="TIME", help="Count from this time on (2026-03-01, or RFC 3339).")
@click.option("--until", metavar="TIME", help="Count until this time.")
@click.option(
    "-o", "--output", type=click.Choice(FORMS), default="table", show_default=True, help="Form of the result."
)
@with_client
def usage(client: Client, since: str | None, until: str | None, output: str) -> None:
    """Show vCPU hours, GiB hours, VF hours and what chains carried, per tenant and network service."""
    query = {name: value for name, value in (("since", since), ("until", until)) if value}
    if output == "csv":
        click.echo(client.text(USAGE, "text/csv", query=query), nl=False)
        return
    rows = client.get(USAGE, query=query)
    if output == "table":
        show_list(rows, output, COLUMNS)
    else:
        show_document(rows, output)

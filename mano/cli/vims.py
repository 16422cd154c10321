"""``mano vim``: VIMs, and the places outside where SAPs can end."""

from __future__ import annotations

import click

from mano.cli.client import Client, segment, with_client
from mano.cli.output import Column, output_option, show_list, show_one

VIMS = "/mano/v1/vims"
COLUMNS = (Column("ID", "id"), Column("TYPE", "type"), Column("ATTACHMENTS", "attachments"))


@click.group("vim")
def vim() -> None:
    """VIMs and where SAPs can end."""


@vim.command("list")
@output_option
@with_client
def list_all(client: Client, output: str) -> None:
    """List the VIMs."""
    show_list(client.list(VIMS), output, COLUMNS)


@vim.command("attach")
@click.argument("vim_id", metavar="VIM")
@click.argument("name")
@click.option("--host", help="On this host's bridge.")
@click.option("--physnet", help="On this physical network.")
@output_option
@with_client
def attach(client: Client, vim_id: str, name: str, host: str | None, physnet: str | None, output: str) -> None:
    """Name a place where SAPs can end."""
    if (host is None) is (physnet is None):
        raise click.UsageError("give --host or --physnet")
    place = {"host": host} if host else {"physnet": physnet}
    answer = client.post(f"{VIMS}/{segment(vim_id)}/attachments", {"name": name, **place})
    fields = (Column("NAME", "name"), Column("HOST", "host"), Column("PHYSNET", "physnet"))
    show_one(answer.json, output, fields, name="name")

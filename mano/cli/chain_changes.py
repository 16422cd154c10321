"""``mano chain create``, ``update`` and ``delete``: chains made of Chain documents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mano.cli.client import Client, with_client
from mano.cli.exits import Exit
from mano.cli.files import read_document
from mano.cli.operations import finish, wait_options
from mano.cli.output import Column, Row, note, output_option, show_document, show_one, table
from mano.cli.resolve import CHAIN, identify

FIELDS = (
    Column("ID", "id"),
    Column("NAME", "name"),
    Column("STATE", "state"),
    Column("SPI", lambda chain: "/".join(str(spi) for spi in (chain["forwardSpi"], chain["reverseSpi"]) if spi)),
)
FLOWS = (Column("HOST", "host"), Column("FLOWS ADDED", "added"), Column("REMOVED", "removed"))

file_option = click.option(
    "-f",
    "--file",
    type=click.Path(path_type=Path, allow_dash=True, dir_okay=False),
    required=True,
    help="A Chain document, YAML or JSON; - for stdin.",
)
dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Prove it and tell what would change; exit code 10 when something would."
)


@click.command("create")
@file_option
@dry_run_option
@output_option
@with_client
def create(client: Client, file: Path, dry_run: bool, output: str) -> None:
    """Make a chain of a Chain document; it carries packets when this ends."""
    document = read_document(file)
    preview = client.post(CHAIN.path, document, query={"dryRun": "true"}).json
    if dry_run:
        _tell(preview, output)
    for warning in preview["warnings"]:
        note(f"warning: {warning}")
    show_one(client.post(CHAIN.path, document).json, output, FIELDS)


@click.command("update")
@click.argument("name")
@file_option
@click.option("--merge", is_flag=True, help="The file holds only what is to change (JSON merge patch, RFC 7396).")
@dry_run_option
@wait_options
@output_option
@with_client
def update(
    client: Client, name: str, file: Path, merge: bool, dry_run: bool, wait: bool, timeout: float, output: str
) -> None:
    """Change a running chain into what a Chain document says; no packet is lost."""
    document = read_document(file)
    path = f"{CHAIN.path}/{identify(client, CHAIN, name)}"
    send = client.patch if merge else client.put
    preview = send(f"{path}?dryRun=true", document).json
    if dry_run:
        _tell(preview, output)
    for warning in preview["warnings"]:
        note(f"warning: {warning}")
    finish(client, send(path, document), wait=wait, timeout=timeout, output=output)


@click.command("delete")
@click.argument("name")
@click.option("--dry-run", is_flag=True, help="Only show which chain it is; exit code 10.")
@with_client
def delete(client: Client, name: str, dry_run: bool) -> None:
    """Take a chain out of service; what is on it comes out first."""
    path = f"{CHAIN.path}/{identify(client, CHAIN, name)}"
    if dry_run:
        show_one(client.get(path), "table", FIELDS)
        raise SystemExit(int(Exit.DIFFERENCES))
    client.delete(path)


def _tell(preview: Row, output: str) -> None:
    """Show a preview and end: 10 when something would change."""
    if output != "table":
        show_document(preview, output)
    else:
        click.echo(table(_flows(preview), FLOWS), nl=False)
        click.echo(f"proven with {preview['packetsTried']} packets; packets of up to {preview['mtu']} octets pass")
        if preview["phases"]:
            click.echo(f"phases: {', '.join(preview['phases'])}")
        for warning in preview["warnings"]:
            note(f"warning: {warning}")
    raise SystemExit(int(Exit.DIFFERENCES) if preview["differs"] else int(Exit.OK))


def _flows(preview: Row) -> list[dict[str, Any]]:
    return [{"host": host, **counts} for host, counts in preview["flows"].items()]

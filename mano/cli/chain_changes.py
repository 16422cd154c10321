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
from mano.cli.pcap import VIOLATION, replayable
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
pcap_option = click.option(
    "--pcap",
    type=click.Path(path_type=Path, dir_okay=False),
    default=VIOLATION,
    show_default=True,
    help="Where the packets go that replay a violation, when the chain cannot be proven.",
)
dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Prove it and tell what would change; exit code 10 when something would."
)


@click.command("create")
@file_option
@pcap_option
@dry_run_option
@output_option
@with_client
def create(client: Client, file: Path, pcap: Path, dry_run: bool, output: str) -> None:
    """Make a chain of a Chain document; it carries packets when this ends."""
    document = read_document(file)
    with replayable(pcap):
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
@pcap_option
@dry_run_option
@wait_options
@output_option
@with_client
def update(
    client: Client, name: str, file: Path, merge: bool, pcap: Path, dry_run: bool, output: str, **waiting: Any
) -> None:
    """Change a running chain into what a Chain document says; no packet is lost."""
    document = read_document(file)
    path = f"{CHAIN.path}/{identify(client, CHAIN, name)}"
    send = client.patch if merge else client.put
    with replayable(pcap):
        preview = send(f"{path}?dryRun=true", document).json
    if dry_run:
        _tell(preview, output)
    for warning in preview["warnings"]:
        note(f"warning: {warning}")
    finish(client, send(path, document), output=output, **waiting)


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

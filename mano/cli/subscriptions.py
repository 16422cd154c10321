"""``mano subscription``: who is told what."""

from __future__ import annotations

from collections.abc import Iterator

import click

from mano.cli.client import Client, with_client
from mano.cli.exits import Exit, Failure
from mano.cli.output import Column, Row, note, output_option, show_list

ROOTS = (
    "/nsd/v2",
    "/vnfpkgm/v2",
    "/nslcm/v2",
    "/nsfm/v1",
    "/vnflcm/v2",
    "/vnffm/v1",
    "/vnfind/v1",
    "/vrqan/v1",
)
COLUMNS = (
    Column("ID", "id"),
    Column("INTERFACE", "interface"),
    Column("CALLBACK", "callbackUri"),
    Column("VERBOSITY", "verbosity"),
    Column("FILTER", "filter"),
)


@click.group("subscription")
def subscription() -> None:
    """Subscriptions of every interface."""


@subscription.command("list")
@output_option
@with_client
def list_all(client: Client, output: str) -> None:
    """List the subscriptions."""
    show_list(list(_every(client)), output, COLUMNS)


@subscription.command("delete")
@click.argument("id")
@with_client
def delete(client: Client, id: str) -> None:
    """End a subscription."""
    for row in _every(client):
        if row["id"] == id:
            client.delete(client.path_of(row["_links"]["self"]["href"]))
            note(f"{id} is ended")
            return
    raise Failure(f"there is no subscription {id!r}", hint="`mano subscription list` shows them")


def _every(client: Client) -> Iterator[Row]:
    """All subscriptions, over the interfaces that this server has."""
    for root in ROOTS:
        try:
            found = client.list(f"{root}/subscriptions")
        except Failure as failure:
            if failure.exit_code != Exit.BAD:
                raise
            continue
        for row in found:
            yield {"interface": root[1:].partition("/")[0], **row}

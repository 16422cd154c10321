"""``mano vnf why``, ``mano ns why`` and ``mano ns auto-scale``: scaling without being asked, explained and switched."""

from __future__ import annotations

from typing import Any

import click

from mano.cli.client import Client, with_client
from mano.cli.output import Column, Row, note, output_option, show_list, show_one
from mano.cli.resolve import NS, VNF, Noun, identify

PATH = "/mano/v1/auto_scaling"


def _bounds(row: Row) -> list[str]:
    return [
        f"{one['aspectId']} {one['scaleLevel']} of {one['minScaleLevel']}..{one['maxScaleLevel']}"
        for one in row["aspects"]
    ]


def _times(rule: Row) -> str:
    period = f" in {rule['periodS']:g} s" if rule["periodS"] else ""
    return f"{rule['held']}/{rule['evaluations']}{period}"


FIELDS = (
    Column("NAME", "instanceName"),
    Column("SCALES ITSELF", "scales"),
    Column("HEALS ITSELF", "heals"),
    Column("WHY", "why"),
    Column("LEVELS", _bounds),
    Column("LAST", "last"),
    Column("LAST AT", "lastAt"),
    Column("RESTS UNTIL", "restsUntil"),
    Column("OPERATION", "operationId"),
    Column("LOOKED AT", "seenAt"),
)
RULES = (
    Column("RULE", "id"),
    Column("DOES", "act"),
    Column("IF", "condition"),
    Column("HELD", _times),
    Column("NOW", "verdict"),
    Column("WHY", "why"),
)


def _explain(client: Client, noun: Noun, name: str, output: str) -> None:
    found: dict[str, Any] = client.get(f"{PATH}/{identify(client, noun, name)}")
    show_one(found, output, FIELDS, name="instanceId")
    if output == "table" and found["rules"]:
        click.echo()
        show_list(found["rules"], output, RULES)


@click.command("why")
@click.argument("name")
@output_option
@with_client
def why_vnf(client: Client, name: str, output: str) -> None:
    """Explain why a VNF scaled or healed itself, or why it did not."""
    _explain(client, VNF, name, output)


@click.command("why")
@click.argument("name")
@output_option
@with_client
def why_ns(client: Client, name: str, output: str) -> None:
    """Explain why a network service scaled itself, or why it did not."""
    _explain(client, NS, name, output)


@click.command("auto-scale")
@click.argument("name")
@click.argument("state", type=click.Choice(["on", "off"]))
@with_client
def auto_scale(client: Client, name: str, state: str) -> None:
    """Let a network service scale itself as its NSD says, or not; of a VNF see `mano vnf update --set`."""
    found = client.patch(f"{PATH}/{identify(client, NS, name)}", {"enabled": state == "on"}).json
    note(f"{found['instanceName'] or found['instanceId']}: {found['why']}")

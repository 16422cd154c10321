"""``mano chain traceroute``, ``drift`` and ``repair``: what the bridges themselves say, and making them right."""

from __future__ import annotations

from typing import Any

import click

from mano.cli.client import Client, with_client
from mano.cli.exits import Exit
from mano.cli.output import Column, Row, note, output_option, show_document, table
from mano.cli.resolve import CHAIN, identify

HOPS = (
    Column("TTL", "ttl"),
    Column("HOST", lambda hop: hop["host"] or "*"),
    Column("SPI", "spi"),
    Column("SI", "si"),
    Column("SF", "sfName"),
    Column("MS", lambda hop: f"{hop['leastMs']:.2f}" if hop["received"] else ""),
    Column("ANSWERS", lambda hop: f"{hop['received']}/{hop['sent']}"),
    Column("RULE", lambda hop: "end of the path" if hop["end"] else hop["nextRule"] or hop["rule"]),
)
DIFFERENCES = (Column("HOST", "host"), Column("MISSING", "missing"), Column("FOREIGN", "foreign"))
LINES_TOLD = 20


@click.command("traceroute")
@click.argument("name")
@click.option("--direction", type=click.Choice(["forward", "reverse"]), help="Only this one.")
@click.option("--count", type=click.IntRange(1, 20), default=1, show_default=True, help="Requests to each hop.")
@click.option("--wait-ms", type=click.IntRange(10, 5000), default=1000, show_default=True, help="For each answer.")
@output_option
@with_client
def traceroute(client: Client, name: str, direction: str | None, count: int, wait_ms: int, output: str) -> None:
    """Ask every hop of a chain by NSH echo requests (RFC 9516); exit code 1 when a path breaks."""
    request = {"count": count, "waitMs": wait_ms} | ({"direction": direction} if direction else {})
    found = client.post(f"{CHAIN.path}/{identify(client, CHAIN, name)}/traceroute", request).json
    if output != "table":
        show_document(found, output)
    else:
        for path in found["paths"]:
            click.echo(f"{found['name']} {path['direction']}, SPI {path['spi']}")
            click.echo(table(path["hops"], HOPS), nl=False)
            if not path["whole"]:
                note(f"it breaks: {path['why']}")
    if not all(path["whole"] for path in found["paths"]):
        raise SystemExit(int(Exit.BAD))


@click.command("drift")
@click.argument("name", required=False)
@output_option
@with_client
def drift(client: Client, name: str | None, output: str) -> None:
    """Compare the bridges with what they are to hold, those of one chain or of all; exit code 10 when they differ."""
    _compare(client, name, output)


def _compare(client: Client, name: str | None, output: str) -> None:
    found = {each["host"]: each for chain in _named(client, name) for each in client.get(f"{chain}/drift")["drift"]}
    _show(list(found.values()), output)
    if found:
        raise SystemExit(int(Exit.DIFFERENCES))
    if output == "table":
        note("every bridge holds what it is to hold")


@click.command("repair")
@click.argument("name", required=False)
@click.option("--dry-run", is_flag=True, help="Only compare, as `drift` does; exit code 10 when they differ.")
@output_option
@with_client
def repair(client: Client, name: str | None, dry_run: bool, output: str) -> None:
    """Make the bridges of one chain, or of all, what they are to be; tells where each differed."""
    if dry_run:
        _compare(client, name, output)
        return
    found = {
        each["host"]: each for chain in _named(client, name) for each in client.post(f"{chain}/repair").json["repaired"]
    }
    _show(list(found.values()), output)
    if not found and output == "table":
        note("nothing was to be repaired")


def _named(client: Client, name: str | None) -> list[str]:
    if name is not None:
        return [f"{CHAIN.path}/{identify(client, CHAIN, name)}"]
    return [f"{CHAIN.path}/{chain['id']}" for chain in client.list(CHAIN.path)]


def _show(found: list[dict[str, Any]], output: str) -> None:
    if output != "table":
        show_document(found, output)
        return
    if found:
        click.echo(table([_counted(each) for each in found], DIFFERENCES), nl=False)
    for each in found:
        for sign, lines in (("-", each["missing"]), ("+", each["foreign"])):
            for line in lines[:LINES_TOLD]:
                note(f"{each['host']} {sign} {line}")


def _counted(each: Row) -> dict[str, Any]:
    return {"host": each["host"], "missing": len(each["missing"]), "foreign": len(each["foreign"])}

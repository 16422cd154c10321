"""``mano place``: what-if placement without a server, and the reasons of what a server decided."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mano.cli.client import Client, segment, with_client
from mano.cli.exits import Exit, Failure, told
from mano.cli.files import read_text
from mano.cli.output import Column, Row, cell, note, output_option, show_document, show_list, show_one, table

if TYPE_CHECKING:
    from mano.domain.nfvi import Inventory
    from mano.placement import PlacementRequest

PLACEMENTS = "/mano/v1/placements"
HOSTS = "/mano/v1/hosts"
DOCUMENT = click.Path(exists=True, allow_dash=True, path_type=Path)

PLACED = (
    Column("VDU", "vdu"),
    Column("HOST", "host"),
    Column("NODES", lambda row: [cell["node"] for cell in row.get("cells") or ()]),
    Column("CPUS", lambda row: [" ".join(str(cpu) for cpu in cell["cpus"]) for cell in row.get("cells") or ()]),
    Column("MEMORY", lambda row: [f"{cell['memoryMib']} MiB of {cell['pageSizeKib']} KiB" for cell in row["cells"]]),
    Column(
        "VFS", lambda row: [_vfs(name, item) for name, item in (row.get("interfaces") or {}).items() if item.get("pci")]
    ),
)
DECIDED = (
    Column("KEY", "key"),
    Column("HOST", "host"),
    Column("NS", "nsInstanceId"),
    Column("WHY", "decision.why"),
)


def _vfs(name: str, interface: Row) -> str:
    return f"{name}: {interface['pci']} {' '.join(f'VF {vf}' for vf in interface.get('vfs') or ()) or 'whole'}"


@click.group("place")
def place() -> None:
    """Placement."""


@place.command("plan")
@click.option("--inventory", required=True, type=DOCUMENT, help="Inventory, YAML or JSON; - for stdin.")
@click.option("--request", required=True, type=DOCUMENT, help="PlacementRequest, YAML or JSON; - for stdin.")
@click.option("--optimize", type=click.Choice(["fast"]), default="fast", show_default=True, help="How to search.")
@output_option
def plan(inventory: Path, request: Path, optimize: str, output: str) -> None:
    """Place a request on an inventory; needs no server. Exit code 3 when something is unplaced."""
    with told():
        wanted, world = read_pair(inventory, request)
        from mano.placement import plan as place_all

        result = dict(place_all(world, wanted).to_json())
    if output == "table":
        _show_result(result)
    elif output == "name":
        click.echo("".join(f"{vdu}\n" for vdu in result["placements"]), nl=False)
    else:
        show_document(result, output)
    if result["unplaced"]:
        raise SystemExit(int(Exit.UNPLACED))


def read_pair(inventory: Path, request: Path) -> tuple[PlacementRequest, Inventory]:
    """The two documents, which may also lie in one file."""
    from mano.placement import document_from_text, inventory_from_document, request_from_document

    text = read_text(inventory)
    other = text if request == inventory else read_text(request)
    world = inventory_from_document(document_from_text(text, "Inventory"))
    return request_from_document(document_from_text(other, "PlacementRequest")), world


def _show_result(result: dict[str, Any]) -> None:
    rows = [{"vdu": vdu, **placement} for vdu, placement in result["placements"].items()]
    click.echo(table(rows, PLACED), nl=False)
    for chain, route in result["chains"].items():
        hops = " > ".join([route["hops"][0]["from"], *(hop["to"] for hop in route["hops"])]) if route["hops"] else "-"
        click.echo(f"chain {chain}: {hops}")
    objective = result["objective"]
    click.echo(
        f"cost {objective['cost']} (hosts opened {objective['hostsOpened']}, VDUs with a VF on a foreign node "
        f"{objective['crossNumaVfs']}, chain hops {objective['chainHops']}), decided in {result['decisionMs']} ms"
    )
    for vdu, refusal in result["unplaced"].items():
        note(_refusal(vdu, refusal))


def _refusal(vdu: str, refusal: Row) -> str:
    reasons = ", ".join(f"{code} on {count}" for code, count in refusal["reasons"].items())
    lines = [f"unplaced: {vdu}: none of {refusal['hosts']} hosts fits ({reasons})"]
    lines += [f"  nearest: {near['host']} lacks {_lacks(near['short'])}" for near in refusal["nearest"]]
    lines += [f"  it would fit if {text}" for text in refusal["wouldFitIf"]]
    return "\n".join(lines)


def _lacks(short: Row) -> str:
    return ", ".join(f"{count} {resource}" for resource, count in short.items()) or "nothing that counts"


@place.command("schema")
@click.argument("kind", type=click.Choice(["Inventory", "PlacementRequest"]), required=False)
def schema(kind: str | None) -> None:
    """Print the JSON Schema of the documents."""
    from mano.placement import placement_schemas

    schemas = placement_schemas()
    show_document(schemas[kind] if kind else schemas, "json")


@place.command("list")
@output_option
@with_client
def list_all(client: Client, output: str) -> None:
    """List where everything is placed on a server's NFVI."""
    show_list(client.list(PLACEMENTS), output, DECIDED, name="key")


@place.command("why")
@click.argument("key")
@output_option
@with_client
def why(client: Client, key: str, output: str) -> None:
    """Why a VDU is where it is: KEY is <VNF profile>-<n>/<vdu>/<index>, or the part of it that is unique."""
    found = _find(client, key)
    fields = (*DECIDED, Column("RUNNER-UP", "decision.runnerUp"), Column("SCORE", "decision.score"))
    show_one(found, output, fields, name="key")


@place.command("why-not")
@click.argument("key")
@click.argument("host")
@output_option
@with_client
def why_not(client: Client, key: str, host: str, output: str) -> None:
    """Why a VDU is not on a host."""
    found = _find(client, key)
    if found["host"] == host:
        raise Failure(f"{found['key']} is on {host}", hint=f"mano place why {found['key']}")
    client.get(f"{HOSTS}/{segment(host)}")
    reason = _why_not(found.get("decision") or {}, host)
    answer = {"key": found["key"], "host": host, "reason": reason}
    show_one(answer, output, (Column("KEY", "key"), Column("HOST", "host"), Column("REASON", "reason")), name="reason")


def _why_not(decision: Row, host: str) -> str:
    """The host's own reason where one is kept, else what is known of all the hosts that it was among."""
    told = (decision.get("notElsewhere") or {}).get(host)
    if told:
        return str(told)
    sentences = cell(decision.get("why"))
    return f"it would do, but was the second best: {sentences}" if decision.get("runnerUp") == host else sentences


def _find(client: Client, key: str) -> dict[str, Any]:
    rows = client.list(PLACEMENTS)
    exact = [row for row in rows if row["key"] == key or row["id"] == key]
    found = exact or [row for row in rows if key in row["key"]]
    if len(found) == 1:
        return found[0]
    if not found:
        raise Failure(f"nothing is placed as {key!r}", hint="`mano place list` shows all")
    raise Failure(f"{len(found)} are placed as {key!r}", hint=", ".join(str(row["key"]) for row in found[:5]))

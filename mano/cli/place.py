"""``mano place``: what-if placement without a server or against one, and the reasons of what a server decided."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from mano.cli.client import Client, segment, with_client, with_server
from mano.cli.exits import Exit, Failure, told
from mano.cli.files import STDIN, read_text
from mano.cli.output import note, output_option, show_document, show_list, show_one
from mano.cli.place_tables import (
    DECIDED,
    ELSEWHERE,
    EXPLAINED,
    REFUSED,
    show_leaks,
    show_moves,
    show_plan,
    why_not_there,
)

if TYPE_CHECKING:
    from mano.domain.nfvi import Inventory
    from mano.placement import PlacementRequest

PLACEMENTS = "/mano/v1/placements"
HOSTS = "/mano/v1/hosts"
DOCUMENT = click.Path(exists=True, allow_dash=True, path_type=Path)
Optimize = Literal["fast", "best"]
Connect = Callable[[], Client]
Command = TypeVar("Command", bound=Callable[..., Any])

DEFAULT_TIME_LIMIT_S = 10.0
LONGEST_S = 3600.0
SERVER_LONGEST_S = 300.0
PATIENCE_S = 30.0
"""How much longer than the search the client waits for the server's answer."""


@click.group("place")
def place() -> None:
    """Placement."""


def _number(_: click.Context, __: click.Parameter, value: float) -> float:
    """What is no number passes every range."""
    if value != value:
        raise click.BadParameter("a number of seconds")
    return value


def search_options(command: Command) -> Command:
    """How long to search, and on which hosts."""
    options = (
        click.option(
            "--time-limit",
            type=click.FloatRange(0, LONGEST_S, min_open=True),
            default=DEFAULT_TIME_LIMIT_S,
            show_default=True,
            callback=_number,
            help="Seconds at most.",
        ),
        click.option(
            "--iterations",
            type=click.IntRange(0),
            help="Rounds at most; the same rounds find the same plan.  [default: as the request's size deserves]",
        ),
        click.option("--without", multiple=True, metavar="HOST", help="As if this host were not there. Repeatable."),
        click.option("--with", "additional", type=DOCUMENT, help="As if the hosts of this Inventory were there too."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@place.command("plan")
@click.option("--inventory", type=DOCUMENT, help="Inventory, YAML or JSON; - for stdin.  [default: the server's NFVI]")
@click.option("--request", required=True, type=DOCUMENT, help="PlacementRequest, YAML or JSON; - for stdin.")
@click.option("--optimize", type=click.Choice(["fast", "best"]), default="fast", show_default=True, help="How hard.")
@search_options
@output_option
@with_server
def plan(
    connect: Connect,
    inventory: Path | None,
    request: Path,
    optimize: Optimize,
    time_limit: float,
    iterations: int | None,
    without: tuple[str, ...],
    additional: Path | None,
    output: str,
) -> None:
    """Where a request would go. Changes nothing, and with --inventory needs no server.

    Exit code 3 when something is unplaced; what could be placed is printed all the same.
    """
    with told():
        if inventory is None:
            question = _question(optimize, time_limit, iterations, without, additional)
            question["request"] = _document(read_text(request), "PlacementRequest")
            result = _ask(connect(), PLACEMENTS, question, time_limit if optimize == "best" else 0)
        else:
            wanted, world = read_pair(inventory, request)
            from mano.placement import plan as place_all

            world = _changed(world, without, additional)
            result = place_all(
                world, wanted, optimize=optimize, time_limit_s=time_limit, iterations=iterations
            ).to_json()  # fmt: skip
    show_plan(result, output)
    if result["unplaced"]:
        raise SystemExit(int(Exit.UNPLACED))


@place.command("rebalance")
@click.option("--inventory", type=DOCUMENT, help="Inventory with allocations; - for stdin.  [default: the server's]")
@click.option("--request", type=DOCUMENT, help="What may move, as it was asked for; with --inventory.")
@click.option("--dry-run", is_flag=True, help="Exit code 10 when there is something to gain. Nothing is moved anyway.")
@search_options
@output_option
@with_server
def rebalance(
    connect: Connect,
    inventory: Path | None,
    request: Path | None,
    dry_run: bool,
    time_limit: float,
    iterations: int | None,
    without: tuple[str, ...],
    additional: Path | None,
    output: str,
) -> None:
    """Propose moves of what is placed, in an order in which each finds its place free, and what they gain.

    Only proposes. With --without HOST what lies on that host has to leave it.
    """
    if (inventory is None) is not (request is None):
        raise click.UsageError("--inventory and --request belong together; without them the server's NFVI is meant")
    with told():
        if inventory is None or request is None:
            question = _question(None, time_limit, iterations, without, additional)
            result = _ask(connect(), f"{PLACEMENTS}/rebalance", question, time_limit)
        else:
            wanted, world = read_pair(inventory, request)
            from mano.placement import rebalance as propose
            from mano.placement import what_if

            if additional is not None:
                world = what_if(world, additional=_inventory(read_text(additional)))
            result = propose(
                world, wanted, time_limit_s=time_limit, iterations=iterations, evacuate=without
            ).to_json()  # fmt: skip
    show_moves(result, output)
    if result["unplaced"]:
        raise SystemExit(int(Exit.UNPLACED))
    if dry_run and result["moves"]:
        raise SystemExit(int(Exit.DIFFERENCES))


def _question(
    optimize: str | None, time_limit: float, iterations: int | None, without: tuple[str, ...], additional: Path | None
) -> dict[str, Any]:  # fmt: skip
    if time_limit > SERVER_LONGEST_S:
        raise Failure(f"a server searches for {SERVER_LONGEST_S:g} s at most", hint="lower --time-limit")
    question: dict[str, Any] = {"timeLimitS": time_limit}
    if optimize is not None:
        question["optimize"] = optimize
    if iterations is not None:
        question["iterations"] = iterations
    if without:
        question["without"] = list(without)
    if additional is not None:
        question["with"] = _document(read_text(additional), "Inventory")
    return question


def _ask(client: Client, path: str, question: dict[str, Any], search_s: float) -> dict[str, Any]:
    import json

    headers = {"Content-Type": "application/json"}
    body = json.dumps(question, allow_nan=True).encode()
    answer = client.call("POST", path, body, headers, timeout_s=search_s + PATIENCE_S)
    result = answer.json
    return result if isinstance(result, dict) else {}


def _document(text: str, kind: str) -> Any:
    from mano.placement import document_from_text

    return document_from_text(text, kind)


def _inventory(text: str) -> Inventory:
    from mano.placement import inventory_from_document

    return inventory_from_document(_document(text, "Inventory"))


def _changed(world: Inventory, without: tuple[str, ...], additional: Path | None) -> Inventory:
    from mano.placement import what_if

    more = None if additional is None else _inventory(read_text(additional))
    return what_if(world, without=without, additional=more)


def read_pair(inventory: Path, request: Path) -> tuple[PlacementRequest, Inventory]:
    """The two documents, which may also lie in one file."""
    from mano.placement import request_from_document

    text = read_text(inventory)
    other = text if request in (inventory, STDIN) and inventory in (request, STDIN) else read_text(request)
    return request_from_document(_document(other, "PlacementRequest")), _inventory(text)


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
    show_one(_find(client, key), output, EXPLAINED, name="key")


@place.command("why-not")
@click.argument("key")
@click.argument("host", required=False)
@output_option
@with_client
def why_not(client: Client, key: str, host: str | None, output: str) -> None:
    """Why a VDU is not on a HOST; without one, why the last attempt to place it anywhere was refused."""
    if host is None:
        show_one(_one(client.list(f"{PLACEMENTS}/refused"), key, "was refused a place"), output, REFUSED, name="key")
        return
    found = _find(client, key)
    if found["host"] == host:
        raise Failure(f"{found['key']} is on {host}", hint=f"mano place why {found['key']}")
    client.get(f"{HOSTS}/{segment(host)}")
    answer = {"key": found["key"], "host": host, "reason": why_not_there(found.get("decision") or {}, host)}
    show_one(answer, output, ELSEWHERE, name="reason")


@place.command("leaks")
@click.option("--free", is_flag=True, help="Give back the reservations that nobody uses.")
@click.option("--dry-run", is_flag=True, help="Only look; exit code 10 when there are leaks.")
@output_option
@with_client
def leaks(client: Client, free: bool, dry_run: bool, output: str) -> None:
    """Compare reservations with instances and with what runs on the hosts."""
    found = client.get(f"{PLACEMENTS}/leaks")
    show_leaks(found, output)
    if dry_run and any(found.values()):
        raise SystemExit(int(Exit.DIFFERENCES))
    if free and not dry_run and found["reservations"]:
        client.delete(f"{PLACEMENTS}/leaks")
        note(f"freed {len(found['reservations'])} reservations")


def _find(client: Client, key: str) -> dict[str, Any]:
    hint = f"`mano place list` shows all; `mano place why-not {key}` tells whether it was refused"
    return _one(client.list(PLACEMENTS), key, "is placed", hint)


def _one(rows: list[dict[str, Any]], key: str, what: str, hint: str = "") -> dict[str, Any]:
    """The row of that key or identifier, or the only one whose key has it as a part."""
    exact = [row for row in rows if key in (row["key"], row["id"])]
    found = exact or [row for row in rows if key in row["key"]]
    if len(found) == 1:
        return found[0]
    if not found:
        raise Failure(f"nothing {what} as {key!r}", hint=hint)
    hint = ", ".join(str(row["key"]) for row in found[:5])
    raise Failure(f"{len(found)} VDUs {what.replace('is', 'are').replace('was', 'were')} as {key!r}", hint=hint)

"""Waiting for life-cycle operations, and ``mano op``."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import click

from mano.cli.client import Answer, Client, pause, with_client
from mano.cli.exits import Exit, Failure, exit_of
from mano.cli.output import Column, Row, note, output_option, show_list, show_one
from mano.cli.pcap import replayable
from mano.cli.resolve import UUID

NS_OPS = "/nslcm/v2/ns_lcm_op_occs"
VNF_OPS = "/vnflcm/v2/vnf_lcm_op_occs"
CHAIN_OPS = "/mano/v1/chain_lcm_op_occs"
DEFAULT_TIMEOUT_S = 600.0
SETTLED = frozenset({"COMPLETED", "PARTIALLY_COMPLETED", "FAILED_TEMP", "FAILED", "ROLLED_BACK"})
GOOD = frozenset({"COMPLETED", "PARTIALLY_COMPLETED"})

Command = TypeVar("Command", bound=Callable[..., Any])

COLUMNS = (
    Column("ID", "id"),
    Column("OPERATION", lambda op: op.get("lcmOperationType") or op.get("operation")),
    Column("OF", lambda op: op.get("nsInstanceId") or op.get("vnfInstanceId") or op.get("chainId")),
    Column("STATE", "operationState"),
    Column("STARTED", "startTime"),
)
FIELDS = (
    *COLUMNS,
    Column("ENTERED", "stateEnteredTime"),
    Column("ATTEMPT", "catena.attempt"),
    Column("STEPS", lambda op: [f"{step['name']} {step['state']}" for step in _steps(op)]),
    Column("ERROR", "error.detail"),
    Column("HINT", "error.hint"),
)


def wait_options(command: Command) -> Command:
    """``--wait/--no-wait`` and ``--timeout``."""
    timeout = click.option(
        "--timeout", type=click.FloatRange(min=0.1), default=DEFAULT_TIMEOUT_S, show_default=True, help="Seconds."
    )
    wait = click.option("--wait/--no-wait", default=True, show_default=True, help="Wait for the operation's end.")
    return wait(timeout(command))


def finish(client: Client, answer: Answer, *, wait: bool, timeout: float, output: str) -> None:
    """Follow the operation of a 202 answer to its end, and end the command as it ended."""
    path = client.path_of(answer.headers["location"])
    if not wait:
        show_one(client.get(path), output, FIELDS)
        return
    op = follow(client, path, timeout)
    show_one(op, output, FIELDS)
    require_good(op)


def follow(client: Client, path: str, timeout: float) -> dict[str, Any]:
    """The operation once it is settled; tells each step on stderr as it goes."""
    deadline = time.monotonic() + timeout
    told: set[tuple[str, str]] = set()
    interval = 0.1
    while True:
        op: dict[str, Any] = client.get(path)
        for step in _steps(op):
            key = (step["name"], step["state"])
            if key not in told:
                told.add(key)
                note(f"{step['state'].lower():>8}  {step['name']}")
        if op["operationState"] in SETTLED:
            return op
        if time.monotonic() + interval > deadline:
            raise Failure(
                f"operation {op['id']} is {op['operationState']} after {timeout:g} s; it goes on",
                hint=f"mano op watch {op['id']}",
                exit_code=Exit.TIMEOUT,
            )
        pause(interval)
        interval = min(interval * 1.5, 1.0)


def require_good(op: dict[str, Any]) -> None:
    """End the command with the operation's error unless it went well."""
    state = op["operationState"]
    if state in GOOD:
        return
    error = op.get("error") or {}
    detail = error.get("detail") or f"operation {op['id']} ended as {state}"
    hint = error.get("hint", "")
    if state == "FAILED_TEMP":
        decide = f"mano op retry {op['id']}, or mano op rollback {op['id']}"
        hint = f"{hint}; then {decide}" if hint else decide
    with replayable():
        raise Failure(detail, hint=hint, exit_code=exit_of(error.get("code", "")), facts=error.get("facts"))


def _steps(op: Row) -> list[dict[str, Any]]:
    return list((op.get("catena") or {}).get("steps", ()))


@click.group("op")
def op() -> None:
    """Life-cycle operations of network services and VNFs, and changes of chains."""


@op.command("list")
@click.option("--vnf", is_flag=True, help="Those of VNFs instead of network services.")
@click.option("--chain", is_flag=True, help="Changes of chains instead.")
@click.option("--state", help="Only those in this state.")
@output_option
@with_client
def list_operations(client: Client, vnf: bool, chain: bool, state: str | None, output: str) -> None:
    """List operations."""
    query = {"filter": f"(eq,operationState,{state})"} if state and not chain else None
    rows = client.list(CHAIN_OPS if chain else VNF_OPS if vnf else NS_OPS, query=query)
    rows = [row for row in rows if state in (None, row["operationState"])]
    show_list(sorted(rows, key=lambda row: str(row["startTime"])), output, COLUMNS)


@op.command("show")
@click.argument("id")
@output_option
@with_client
def show(client: Client, id: str, output: str) -> None:
    """Show one operation with its steps."""
    show_one(client.get(find(client, id)), output, FIELDS)


@op.command("watch")
@click.argument("id")
@click.option("--timeout", type=click.FloatRange(min=0.1), default=DEFAULT_TIMEOUT_S, show_default=True)
@output_option
@with_client
def watch(client: Client, id: str, timeout: float, output: str) -> None:
    """Follow an operation to its end."""
    ended = follow(client, find(client, id), timeout)
    show_one(ended, output, FIELDS)
    require_good(ended)


def _task(name: str, explanation: str) -> None:
    """A command for one of the tasks of a failed operation."""

    @op.command(name, help=explanation)
    @click.argument("id")
    @wait_options
    @output_option
    @with_client
    def run(client: Client, id: str, wait: bool, timeout: float, output: str) -> None:
        path = find(client, id)
        client.post(f"{path}/{name}")
        ended = follow(client, path, timeout) if wait else client.get(path)
        show_one(ended, output, FIELDS)
        if wait and not (name == "rollback" and ended["operationState"] == "ROLLED_BACK"):
            require_good(ended)


_task("retry", "Run a failed operation again, from the step that failed.")
_task("rollback", "Undo a failed operation.")
_task("continue", "Go on with a failed operation of a network service.")


@op.command("fail")
@click.argument("id")
@output_option
@with_client
def fail(client: Client, id: str, output: str) -> None:
    """Give a failed operation up; what it made stays."""
    show_one(client.post(f"{find(client, id)}/fail").json, output, FIELDS)


def find(client: Client, id: str) -> str:
    """The path of the operation, whichever level it is of."""
    if not UUID.fullmatch(id):
        raise Failure(f"{id!r} is no operation's identifier", hint="`mano op list` shows all")
    for path in (NS_OPS, VNF_OPS, CHAIN_OPS):
        try:
            client.get(f"{path}/{id}")
            return f"{path}/{id}"
        except Failure as failure:
            if failure.exit_code != Exit.BAD:
                raise
    raise Failure(f"there is no operation {id}", hint="`mano op list` shows those of network services, --vnf of VNFs")


@op.command("cancel")
@click.argument("id")
@click.option("--forceful", is_flag=True, help="Wait for nothing; else what runs is allowed to end.")
@wait_options
@output_option
@with_client
def cancel(client: Client, id: str, forceful: bool, wait: bool, timeout: float, output: str) -> None:
    """Stop an operation that runs; it can then be retried, rolled back or given up."""
    path = find(client, id)
    client.post(f"{path}/cancel", {"cancelMode": "FORCEFUL" if forceful else "GRACEFUL"})
    show_one(follow(client, path, timeout) if wait else client.get(path), output, FIELDS)

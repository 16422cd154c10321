"""``mano alarm``: what is wrong, and that somebody knows."""

from __future__ import annotations

import click

from mano.cli.client import Client, quoted, with_client
from mano.cli.output import Column, Row, note, output_option, show_list, show_one

ALARMS = "/mano/v1/alarms"


def _standing(row: Row) -> str:
    return "cleared" if row.get("alarmClearedTime") else "standing"


def _since(row: Row) -> str:
    return str(row["alarmRaisedTime"])[:19].replace("T", " ")


COLUMNS = (
    Column("ID", "id"),
    Column("SEVERITY", "perceivedSeverity"),
    Column("LEVEL", "level"),
    Column("CAUSE", "probableCause"),
    Column("OBJECT", "managedObjectId"),
    Column("RAISED", _since),
    Column("STATE", _standing),
    Column("ACKNOWLEDGED", lambda row: row["ackState"] == "ACKNOWLEDGED"),
)
FIELDS = (
    *COLUMNS,
    Column("CLEARED", "alarmClearedTime"),
    Column("TYPE", "eventType"),
    Column("DETAILS", "faultDetails"),
    Column("ROOT CAUSE", "isRootCause"),
    Column("FOLLOWS FROM", "correlatedAlarmIds"),
    Column("RESOURCE", "rootCauseFaultyResource"),
)


@click.group("alarm")
def alarm() -> None:
    """Alarms of VNFs, network services and the infrastructure."""


@alarm.command("list")
@click.option("--all", "whole", is_flag=True, help="Those that are over, too.")
@click.option("--object", "managed", help="Only of this VNF instance, NS instance or host.")
@output_option
@with_client
def list_all(client: Client, whole: bool, managed: str | None, output: str) -> None:
    """List the alarms that stand."""
    query = {"filter": f"(eq,managedObjectId,{quoted(managed)})"} if managed else None
    rows = [row for row in client.list(ALARMS, query=query) if whole or not row.get("alarmClearedTime")]
    show_list(sorted(rows, key=lambda row: str(row["alarmRaisedTime"])), output, COLUMNS)


@alarm.command("show")
@click.argument("id")
@output_option
@with_client
def show(client: Client, id: str, output: str) -> None:
    """Show one alarm."""
    show_one(client.get(f"{ALARMS}/{id}"), output, FIELDS)


@alarm.command("ack")
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@click.option("--undo", is_flag=True, help="Take the acknowledgement back.")
@with_client
def ack(client: Client, ids: tuple[str, ...], undo: bool) -> None:
    """Acknowledge alarms."""
    state = "UNACKNOWLEDGED" if undo else "ACKNOWLEDGED"
    for id in ids:
        client.patch(f"{ALARMS}/{id}", {"ackState": state})
        note(f"{id} is {state.lower()}")

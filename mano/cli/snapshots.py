"""``mano vnf snapshot``: keep the state of VNFs, and go back to it (SOL003 clauses 5.4.21 to 5.4.26)."""

from __future__ import annotations

from typing import Any

import click

from mano.cli.client import Client, with_client
from mano.cli.exits import Exit
from mano.cli.operations import finish, follow, require_good, wait_options
from mano.cli.output import Column, Row, note, output_option, show_list, show_one
from mano.cli.resolve import VNF, Noun, identify

SNAPSHOT = Noun("VNF snapshot", "/vnflcm/v2/vnf_snapshots", "id", filtered=False)


def _size(snapshot: Row) -> str:
    vnfcs = (snapshot.get("vnfSnapshot") or {}).get("vnfcSnapshots") or ()
    octets = sum(vnfc["userDefinedData"]["catena"]["sizeBytes"] for vnfc in vnfcs)
    return f"{octets / 1024:.0f} KiB" if vnfcs else ""


COLUMNS = (
    Column("ID", "id"),
    Column("OF", lambda one: (one.get("vnfSnapshot") or {}).get("vnfInstanceId") or "(empty)"),
    Column("NAME", "vnfSnapshot.vnfInstance.vnfInstanceName"),
    Column("TAKEN", "vnfSnapshot.creationFinishedAt"),
    Column("SIZE", _size),
    Column("NOTE", "vnfSnapshot.userDefinedData.note"),
)
FIELDS = (
    *COLUMNS,
    Column("VNFD", "vnfSnapshot.vnfdId"),
    Column(
        "VNFCS",
        lambda one: [
            f"{vnfc['vnfcInstanceId']} sha256 {vnfc['userDefinedData']['catena']['sha256'][:12]}"
            for vnfc in (one.get("vnfSnapshot") or {}).get("vnfcSnapshots") or ()
        ],
    ),
)


@click.group("snapshot")
def snapshot() -> None:
    """Snapshots of VNF instances."""


@snapshot.command("create")
@click.argument("name")
@click.option("--note", "text", help="A word on why; kept with it.")
@wait_options
@output_option
@with_client
def create(client: Client, name: str, text: str | None, wait: bool, timeout: float, output: str) -> None:
    """Keep the state of a running VNF; it goes on."""
    vnf = f"{VNF.path}/{identify(client, VNF, name)}"
    made = client.post(SNAPSHOT.path, {}).json
    request: dict[str, Any] = {"vnfSnapshotInfoId": made["id"]}
    if text:
        request["userDefinedData"] = {"note": text}
    try:
        answer = client.post(f"{vnf}/create_snapshot", request)
    except BaseException:
        client.delete(f"{SNAPSHOT.path}/{made['id']}")
        raise
    if wait:
        require_good(follow(client, client.path_of(answer.headers["location"]), timeout))
    show_one(client.get(f"{SNAPSHOT.path}/{made['id']}"), output, FIELDS)


@snapshot.command("list")
@click.option("--vnf", help="Only those of this VNF.")
@output_option
@with_client
def list_all(client: Client, vnf: str | None, output: str) -> None:
    """List snapshots."""
    query = {"all_fields": ""}
    if vnf:
        query["filter"] = f"(eq,vnfSnapshot/vnfInstanceId,{identify(client, VNF, vnf)})"
    show_list(client.list(SNAPSHOT.path, query=query), output, COLUMNS)


@snapshot.command("show")
@click.argument("id")
@output_option
@with_client
def show(client: Client, id: str, output: str) -> None:
    """Show one snapshot."""
    show_one(client.get(f"{SNAPSHOT.path}/{identify(client, SNAPSHOT, id)}"), output, FIELDS)


@snapshot.command("revert")
@click.argument("name")
@click.argument("id")
@wait_options
@output_option
@with_client
def revert(client: Client, name: str, id: str, wait: bool, timeout: float, output: str) -> None:
    """Take a VNF back to what it was when a snapshot was taken."""
    vnf = f"{VNF.path}/{identify(client, VNF, name)}"
    request = {"vnfSnapshotInfoId": identify(client, SNAPSHOT, id)}
    finish(client, client.post(f"{vnf}/revert_to_snapshot", request), wait=wait, timeout=timeout, output=output)


@snapshot.command("delete")
@click.argument("ids", nargs=-1, required=True)
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted.")
@with_client
def delete(client: Client, ids: tuple[str, ...], dry_run: bool) -> None:
    """Delete snapshots."""
    for id in [identify(client, SNAPSHOT, name) for name in ids]:
        if dry_run:
            note(f"would delete VNF snapshot {id}")
            continue
        client.delete(f"{SNAPSHOT.path}/{id}")
        note(f"deleted {id}")
    if dry_run:
        raise SystemExit(int(Exit.DIFFERENCES))

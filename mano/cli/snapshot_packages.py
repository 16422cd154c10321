"""``mano vnf snapshot export`` and ``import``: VNF snapshots as files (SOL005 clause 11)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from mano.cli.client import Client, with_client
from mano.cli.exits import Exit, Failure
from mano.cli.output import note, output_option, show_one
from mano.cli.resolve import VNF, identify
from mano.cli.snapshots import FIELDS, SNAPSHOT

PACKAGES = "/vnfsnapshotpkgm/v1/vnf_snapshot_packages"
BUSY = frozenset({"BUILDING", "UPLOADING", "PROCESSING", "EXTRACTING"})
POLL_S = 0.2


@click.command("export")
@click.argument("id")
@click.option("-o", "--out", "target", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The file.")
@click.option("--timeout", type=float, default=600.0, show_default=True, help="Seconds to wait for the package.")
@with_client
def export(client: Client, id: str, target: Path, timeout: float) -> None:
    """Write a snapshot with its VNFCs' states to a file that another day, or another server, takes."""
    snapshot_id = identify(client, SNAPSHOT, id)
    with _package(client, f"export of {snapshot_id}") as path:
        client.post(f"{path}/package_content/build", {"vnfSnapshotInfoId": snapshot_id})
        _await(client, path, timeout)
        part = target.with_name(f".{target.name}.part")
        try:
            with part.open("wb") as file:
                client.download(f"{path}/package_content", file)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    note(f"wrote {target} ({target.stat().st_size} octets)")


@click.command("import")
@click.argument("name")
@click.argument("source", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--timeout", type=float, default=600.0, show_default=True, help="Seconds to wait for the package.")
@output_option
@with_client
def import_(client: Client, name: str, source: Path, timeout: float, output: str) -> None:
    """Make a snapshot of a VNF from a file that ``export`` wrote."""
    vnf_id = identify(client, VNF, name)
    with _package(client, f"import for {vnf_id}") as path:
        with source.open("rb") as file:
            client.upload(f"{path}/package_content", file, source.stat().st_size)
        _await(client, path, timeout)
        client.post(f"{path}/package_content/extract", {"vnfInstanceId": vnf_id})
        _await(client, path, timeout)
        package_id = path.rsplit("/", 1)[1]
        (made,) = client.list(SNAPSHOT.path, query={"filter": f"(eq,vnfSnapshotPkgId,{package_id})", "all_fields": ""})
    show_one(made, output, FIELDS)


@contextmanager
def _package(client: Client, name: str) -> Iterator[str]:
    """A package resource for as long as it takes; its path."""
    path = f"{PACKAGES}/{client.post(PACKAGES, {'name': name}).json['id']}"
    try:
        yield path
    finally:
        if client.get(path)["state"] in BUSY:
            client.post(f"{path}/package_content/cancel", {})
        else:
            client.delete(path)


def _await(client: Client, path: str, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while (document := client.get(path))["state"] in BUSY:
        if time.monotonic() > deadline:
            raise Failure(f"the VNF snapshot package is {document['state']} still", exit_code=Exit.TIMEOUT)
        time.sleep(POLL_S)
    if document["state"] != "AVAILABLE":
        details: dict[str, Any] = document.get("failureDetails", {}).get("details", {})
        raise Failure(f"the VNF snapshot package is {document['state']}: {details.get('detail', '')}")

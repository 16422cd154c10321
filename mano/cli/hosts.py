"""``mano host``: hosts of the NFVI."""

from __future__ import annotations

from pathlib import Path

import click

from mano.cli.client import Client, segment, with_client
from mano.cli.exits import Exit, Failure, told
from mano.cli.files import read_document
from mano.cli.output import Column, Row, note, output_option, show_document, show_list, show_one

HOSTS = "/mano/v1/hosts"


def _inventory(host: Row, key: str) -> list[Row]:
    return list((host.get("inventory") or {}).get(key) or ())


def _cpus(host: Row) -> int:
    return sum(len(core) for node in _inventory(host, "numaNodes") for core in node.get("cores") or ())


def _memory(host: Row) -> str:
    total = sum(int(node.get("memoryMib", 0)) for node in _inventory(host, "numaNodes"))
    return f"{total / 1024:.0f} GiB"


def _nics(host: Row) -> list[str]:
    return [
        f"{nic['name']}({nic.get('physnet') or '-'}, {nic.get('totalVfs', 0)} VFs)" for nic in _inventory(host, "nics")
    ]


def _realisations(host: Row) -> list[str]:
    notes = host.get("notes") or {}
    return [
        f"{resource} {value}" + (f" ({notes[resource]})" if notes.get(resource) else "")
        for resource, value in (host.get("realisations") or {}).items()
    ]


COLUMNS = (
    Column("NAME", "name"),
    Column("ZONE", "zone"),
    Column("STATE", "state"),
    Column("REACHABLE", "reachable"),
    Column("VIM", "vim"),
    Column("NODES", lambda host: len(_inventory(host, "numaNodes"))),
    Column("CPUS", _cpus),
    Column("MEMORY", _memory),
    Column("PLACED", lambda host: len(_inventory(host, "allocations"))),
)
FIELDS = (
    *COLUMNS,
    Column("DETAIL", "detail"),
    Column("NICS", _nics),
    Column("REALISED", _realisations),
    Column("BRIDGE", "dataplane.bridge"),
    Column("UNDERLAY", "dataplane.underlayIp"),
    Column("DATAPATH", "dataplane.datapath"),
    Column("CARRIES", lambda host: [item["id"] for item in _inventory(host, "allocations")]),
)


@click.group("host")
def host() -> None:
    """Hosts of the NFVI."""


@host.command("discover")
@click.option("--sysfs-root", type=click.Path(exists=True, file_okay=False), default="/sys", show_default=True)
@click.option("--proc-root", type=click.Path(exists=True, file_okay=False), default="/proc", show_default=True)
@click.option("--name", help="The host's name; this machine's unless said.")
@click.option("-o", "--output", type=click.Choice(["yaml", "json"]), default="yaml", show_default=True)
def discover(sysfs_root: str, proc_root: str, name: str | None, output: str) -> None:
    """Print an Inventory of this machine; needs no server."""
    from mano.cli.discovery import discover_inventory

    with told():
        document = discover_inventory(sysfs_root, proc_root, name)
    show_document(document, output)
    note("fill in: zone, sharedCpus, and the physnet that each NIC's cable leads to")


@host.command("add")
@click.argument("file", type=click.Path(exists=True, allow_dash=True, path_type=Path))
@click.option("--vim", default="", help="The VIM; may be left out when there is one.")
@click.option("--timeout", type=click.FloatRange(min=0.1), default=300.0, show_default=True, help="Seconds.")
@output_option
@with_client
def add(client: Client, file: Path, vim: str, timeout: float, output: str) -> None:
    """Bring the hosts of an Inventory file under management."""
    import json

    body = json.dumps(read_document(file)).encode()
    path = HOSTS + (f"?vim={segment(vim)}" if vim else "")
    answer = client.call("POST", path, body, {"Content-Type": "application/json"}, timeout_s=timeout)
    show_list(answer.json, output, COLUMNS, name="name")


@host.command("list")
@output_option
@with_client
def list_all(client: Client, output: str) -> None:
    """List the hosts."""
    show_list(client.list(HOSTS), output, COLUMNS, name="name")


@host.command("show")
@click.argument("name")
@output_option
@with_client
def show(client: Client, name: str, output: str) -> None:
    """Show one host and what it carries."""
    show_one(client.get(f"{HOSTS}/{segment(name)}"), output, FIELDS, name="name")


@host.command("remove")
@click.argument("names", nargs=-1, required=True)
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@with_client
def remove(client: Client, names: tuple[str, ...], dry_run: bool) -> None:
    """Leave hosts as they were found; they must carry nothing."""
    for name in names:
        if dry_run:
            carried = _inventory(client.get(f"{HOSTS}/{segment(name)}"), "allocations")
            if carried:
                raise Failure(f"host {name} carries {len(carried)} allocations", hint="terminate what runs there first")
            note(f"would remove host {name}")
            continue
        client.delete(f"{HOSTS}/{segment(name)}")
        note(f"removed {name}")
    if dry_run:
        raise SystemExit(int(Exit.DIFFERENCES))

"""``mano host``: hosts of the NFVI."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import click

from mano.cli.client import Client, segment, with_client
from mano.cli.evacuation import evacuate, evacuation, tell
from mano.cli.exits import Exit, Failure, told
from mano.cli.files import read_document
from mano.cli.host_readiness import READABLE, doctor, prepare
from mano.cli.output import Column, Command, Row, note, output_option, show_document, show_list, show_one

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


DRAINED = (
    Column("NAME", "name"),
    Column("STATE", "state"),
    Column("STILL THERE", lambda host: [item["id"] for item in _inventory(host, "allocations")]),
)


@click.group("host")
def host() -> None:
    """Hosts of the NFVI."""


def described_by_libvirt(command: Command) -> Command:
    """``--libvirt-capabilities``, ``--libvirt-nodedevs``, ``--name``."""
    options = (
        click.option(
            "--libvirt-capabilities",
            type=READABLE,
            metavar="FILE",
            help="Describe a host by what `virsh capabilities` printed there.",
        ),
        click.option(
            "--libvirt-nodedevs",
            type=READABLE,
            metavar="FILE",
            multiple=True,
            help="Its devices: what `virsh nodedev-dumpxml` printed, one or many in a file.",
        ),
        click.option("--name", help="The host's name; its own, or its UUID, unless said."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@host.command("discover")
@click.option("--sysfs-root", type=click.Path(exists=True, file_okay=False), default="/sys", show_default=True)
@click.option(
    "--proc-root", type=click.Path(exists=True, file_okay=False), help="By default the proc beside the sysfs."
)
@described_by_libvirt
@click.option("-o", "--output", type=click.Choice(["yaml", "json"]), default="yaml", show_default=True)
def discover(
    sysfs_root: str,
    proc_root: str | None,
    libvirt_capabilities: Path | None,
    libvirt_nodedevs: tuple[Path, ...],
    name: str | None,
    output: str,
) -> None:
    """Print an Inventory of this machine, or of one that a sysfs or libvirt describes; needs no server."""
    from mano.cli.discovery import discover_inventory

    with told():
        if libvirt_capabilities is not None or libvirt_nodedevs:
            document = _by_libvirt(libvirt_capabilities, libvirt_nodedevs, name)
        else:
            document = discover_inventory(sysfs_root, proc_root, name)
    show_document(document, output)
    note("fill in: zone, sharedCpus, and the physnet that each NIC's cable leads to")


def _by_libvirt(capabilities: Path | None, nodedevs: tuple[Path, ...], name: str | None) -> dict[str, Any]:
    from mano.cli.discovery import libvirt_inventory

    if capabilities is None:
        raise click.UsageError("--libvirt-nodedevs needs --libvirt-capabilities of the same host")
    return libvirt_inventory(capabilities, nodedevs, name)


@host.command("add")
@click.argument("file", required=False, type=READABLE)
@described_by_libvirt
@click.option("--vim", default="", help="The VIM; may be left out when there is one.")
@click.option("--dry-run", is_flag=True, help="Only say what would be added.")
@click.option("--timeout", type=click.FloatRange(min=0.1), default=300.0, show_default=True, help="Seconds.")
@output_option
@with_client
def add(
    client: Client,
    file: Path | None,
    libvirt_capabilities: Path | None,
    libvirt_nodedevs: tuple[Path, ...],
    name: str | None,
    vim: str,
    dry_run: bool,
    timeout: float,
    output: str,
) -> None:
    """Bring the hosts of an Inventory file, or one that libvirt describes, under management."""
    import json

    if (file is None) == (libvirt_capabilities is None):
        raise click.UsageError("say what to add: an Inventory FILE, or --libvirt-capabilities")
    if file is not None:
        document = read_document(file)
    else:
        with told():
            document = _by_libvirt(libvirt_capabilities, libvirt_nodedevs, name)
    if dry_run:
        _tell_additions(client, document)
    path = HOSTS + (f"?vim={segment(vim)}" if vim else "")
    headers = {"Content-Type": "application/json"}
    answer = client.call("POST", path, json.dumps(document).encode(), headers, timeout_s=timeout)
    show_list(answer.json, output, COLUMNS, name="name")


def _tell_additions(client: Client, document: dict[str, Any]) -> NoReturn:
    from mano.placement import inventory_from_document

    known = {host["name"] for host in client.list(HOSTS)}
    with told():
        names = [host.name for host in inventory_from_document(document).hosts]
    for name in names:
        note(f"would {'change' if name in known else 'add'} host {name}")
    raise SystemExit(int(Exit.DIFFERENCES if names else Exit.OK))


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


@host.command("drain")
@click.argument("names", nargs=-1, required=True)
@click.option("--undo", is_flag=True, help="Take new work again.")
@click.option("--move/--no-move", default=True, show_default=True, help="Move what runs there to other hosts.")
@click.option(
    "--budget", type=click.IntRange(1, 1000), default=1, show_default=True, help="VNFs disturbed at the same time."
)
@click.option("--timeout", type=click.FloatRange(min=0.1), default=600.0, show_default=True, help="Seconds for a move.")
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
@output_option
@with_client
def drain(
    client: Client,
    names: tuple[str, ...],
    undo: bool,
    move: bool,
    budget: int,
    timeout: float,
    dry_run: bool,
    output: str,
) -> None:
    """Place nothing new on hosts, move what runs there one after the other, and say what cannot."""
    state = "enabled" if undo else "draining"
    before = [client.get(f"{HOSTS}/{segment(name)}") for name in names]
    if dry_run:
        changing = [host for host in before if host["state"] != state]
        for host in changing:
            note(f"would turn host {host['name']} from {host['state']} to {state}; {_carried(host)}")
        if move and not undo:
            for host in before:
                tell(evacuation(client, host["name"], budget))
        raise SystemExit(int(Exit.DIFFERENCES if changing else Exit.OK))
    after = [client.patch(f"{HOSTS}/{segment(name)}", {"state": state}).json for name in names]
    stayed = [one for name in names for one in evacuate(client, name, budget, timeout)] if move and not undo else []
    after = [client.get(f"{HOSTS}/{segment(name)}") for name in names]
    show_list(after, output, DRAINED, name="name")
    for host in after:
        note(f"{host['name']} is {host['state']}; {_carried(host)}")
    if stayed:
        raise Failure(f"{len(stayed)} VNFCs could not move: {'; '.join(stayed)}", exit_code=Exit.UNPLACED)


def _carried(host: Row) -> str:
    left = _inventory(host, "allocations")
    return f"{len(left)} allocations are still there" if left else "nothing is placed there"


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


host.add_command(doctor)
host.add_command(prepare)

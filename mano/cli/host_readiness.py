"""``mano host doctor`` and ``mano host prepare``: what this host has of what VNFs on DPDK need."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click

from mano.cli.exits import Exit, Failure, told
from mano.cli.files import read_document
from mano.cli.output import Column, Command, note, output_option, show_list

READABLE = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)


def of_a_sysfs(command: Command) -> Command:
    """``--sysfs-root``, ``--proc-root``."""
    directory = click.Path(exists=True, file_okay=False, path_type=Path)
    sysfs = click.option("--sysfs-root", type=directory, default=Path("/sys"), show_default=True)
    proc = click.option("--proc-root", type=directory, help="By default the proc beside the sysfs.")
    return sysfs(proc(command))


FINDINGS = (
    Column("PART", "name"),
    Column("THERE", "there"),
    Column("SEEN", "detail"),
    Column("TO GET IT", lambda row: "" if row["there"] else row["hint"]),
)
STEPS = (Column("DIFFERENCE", "difference"), Column("STEP", "step"), Column("DISTURBS", "disturbs"))


@click.command("doctor")
@of_a_sysfs
@output_option
def doctor(sysfs_root: Path, proc_root: Path | None, output: str) -> None:
    """Tell what this host has of what VNFs on DPDK need; needs no server and changes nothing."""
    from mano.cli.host_preparation import Ground, examine

    with told():
        findings = [asdict(finding) for finding in examine(Ground(sysfs_root, proc_root))]
    show_list(findings, output, FINDINGS, name="name")


@click.command("prepare")
@click.argument("inventory", required=False, type=READABLE)
@click.option("--name", help="The host in the Inventory; may be left out when it has one.")
@click.option("--hugepages", multiple=True, metavar="NODE:KIB=COUNT", help="Huge pages of a NUMA node.")
@click.option("--vfs", multiple=True, metavar="PCI=COUNT", help="Virtual functions of a NIC.")
@click.option("--vf-driver", metavar="DRIVER", help="Hand the VFs to a driver, such as vfio-pci.")
@click.option("--bind", multiple=True, metavar="PCI=DRIVER", help="Hand a device to a driver.")
@click.option("--isolate", metavar="CPUS", help="CPUs to keep from the scheduler, as in 2-15,18.")
@of_a_sysfs
@click.option("--dry-run", is_flag=True, help="Only say what would change; exit code 10 when something would.")
@click.option("--force", is_flag=True, help="Take steps, too, that disturb what runs.")
@output_option
def prepare(
    inventory: Path | None,
    name: str | None,
    hugepages: tuple[str, ...],
    vfs: tuple[str, ...],
    vf_driver: str | None,
    bind: tuple[str, ...],
    isolate: str | None,
    sysfs_root: Path,
    proc_root: Path | None,
    dry_run: bool,
    force: bool,
    output: str,
) -> None:
    """Make this host what its Inventory promises.

    Huge pages, VFs and their drivers, the IOMMU, isolated CPUs, Open vSwitch on DPDK. Without an INVENTORY it is the
    one that `mano host discover` prints, with the VFs that there are. Needs no server; what only counts from the next
    boot is told, never written.
    """
    from mano.cli.host_preparation import Ground, carry_out, step_row, steps_of, wishes_of, with_options

    with told():
        ground = Ground(sysfs_root, proc_root)
        promised = _promised(inventory, name, sysfs_root, proc_root)
        promises = wishes_of(promised, ground.topology())
        wishes = with_options(
            promises if inventory is not None else replace(promises, vfs={}),
            hugepages=hugepages,
            vfs=vfs,
            vf_driver=vf_driver,
            bind=bind,
            isolate=isolate,
        )
        if dry_run:
            left = steps_of(ground, wishes)
        else:
            outcome = carry_out(ground, wishes, force=force)
            left = outcome.left
            for step in outcome.taken:
                note(f"done: {step.what}")
            for fault in outcome.faults:
                note(f"failed: {fault}")
    show_list([step_row(step) for step in left], output, STEPS, name="difference")
    if left:
        raise SystemExit(int(Exit.DIFFERENCES if dry_run else Exit.BAD))
    note("the host is ready")


def _promised(inventory: Path | None, name: str | None, sysfs_root: Path, proc_root: Path | None) -> dict[str, Any]:
    """The host of an Inventory, or of what the machine itself tells."""
    from mano.cli.discovery import discover_inventory
    from mano.placement import host_to_document, inventory_from_document

    if inventory is None:
        proc = None if proc_root is None else str(proc_root)
        hosts = list(discover_inventory(str(sysfs_root), proc, name or "here")["hosts"])
    else:
        found = inventory_from_document(read_document(inventory)).hosts
        hosts = [host_to_document(one) for one in found if name in (None, one.name)]
    if len(hosts) != 1:
        raise Failure(f"the Inventory has {len(hosts)} such hosts", hint="say which with --name")
    (promised,) = hosts
    return dict(promised)

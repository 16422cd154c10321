"""``mano vnf``: VNF instances."""

from __future__ import annotations

from typing import Any

import click

from mano.cli.client import Client, with_client
from mano.cli.output import Column, Row, output_option, show_list, show_one
from mano.cli.resolve import VNF, identify
from mano.cli.snapshot_packages import export, import_
from mano.cli.snapshots import snapshot
from mano.cli.vnf_operations import COMMANDS


def _vnfcs(vnf: Row) -> list[dict[str, Any]]:
    return list((vnf.get("instantiatedVnfInfo") or {}).get("vnfcResourceInfo") or ())


def _hosts(vnf: Row) -> list[str]:
    return sorted({str(vnfc["computeResource"].get("resourceProviderId", "")) for vnfc in _vnfcs(vnf)})


def _scale(vnf: Row) -> list[str]:
    info = vnf.get("instantiatedVnfInfo") or {}
    most = {entry["aspectId"]: entry.get("scaleLevel") for entry in info.get("maxScaleLevels") or ()}
    status = info.get("scaleStatus") or ()
    return [f"{entry['aspectId']} {entry.get('scaleLevel')} of {most.get(entry['aspectId'])}" for entry in status]


def _vnfc(vnfc: dict[str, Any]) -> str:
    state = (vnfc.get("metadata") or {}).get("catenaState", "")
    return f"{vnfc['id']} {vnfc['vduId']} on {vnfc['computeResource'].get('resourceProviderId', '')} {state}".strip()


def _cpus(vnf: Row) -> list[str]:
    return [
        f"{vnfc['vduId']}: node {place['node']} CPUs {' '.join(str(cpu) for cpu in place['cpus'])}"
        for vnfc in _vnfcs(vnf)
        for place in (vnfc.get("metadata") or {}).get("catenaPlacement", {}).get("cells", ())
    ]


def _ports(vnf: Row) -> list[str]:
    points = (vnf.get("instantiatedVnfInfo") or {}).get("extCpInfo") or ()
    return [f"{point['cpdId']} {_addresses(point)}".strip() for point in points]


def _addresses(point: dict[str, Any]) -> str:
    ethernet = [info.get("ipOverEthernet") or {} for info in point.get("cpProtocolInfo") or ()]
    found = [address for one in ethernet for kind in one.get("ipAddresses") or () for address in kind["addresses"]]
    return " ".join(found)


COLUMNS = (
    Column("ID", "id"),
    Column("NAME", "vnfInstanceName"),
    Column("PRODUCT", "vnfProductName"),
    Column("STATE", "instantiationState"),
    Column("HOSTS", _hosts),
)
FIELDS = (
    *COLUMNS,
    Column("VNFD", "vnfdId"),
    Column("RUNS", "instantiatedVnfInfo.vnfState"),
    Column("FLAVOUR", "instantiatedVnfInfo.flavourId"),
    Column("SCALE", _scale),
    Column("VNFCS", lambda vnf: [_vnfc(vnfc) for vnfc in _vnfcs(vnf)]),
    Column("CPUS", _cpus),
    Column("PORTS", _ports),
)


@click.group("vnf")
def vnf() -> None:
    """VNF instances (SOL003)."""


for command in (export, import_):
    snapshot.add_command(command)
vnf.add_command(snapshot)
for _command in COMMANDS:
    vnf.add_command(_command)


@vnf.command("list")
@click.option("--filter", "expression", help="Attribute filter, such as (eq,vnfProductName,firewall).")
@output_option
@with_client
def list_all(client: Client, expression: str | None, output: str) -> None:
    """List VNF instances."""
    query = {"all_fields": ""} | ({"filter": expression} if expression else {})
    show_list(client.list(VNF.path, query=query), output, COLUMNS)


@vnf.command("show")
@click.argument("name")
@output_option
@with_client
def show(client: Client, name: str, output: str) -> None:
    """Show one VNF instance: where it runs, on which CPUs, with which ports."""
    show_one(client.get(f"{VNF.path}/{identify(client, VNF, name)}"), output, FIELDS)

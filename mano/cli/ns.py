"""``mano ns``: network services."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mano.cli.client import Client, with_client
from mano.cli.exits import Exit, Failure
from mano.cli.files import read_document
from mano.cli.operations import finish, wait_options
from mano.cli.output import Column, note, output_option, show_list, show_one
from mano.cli.resolve import NS, NSD, UUID, identify

COLUMNS = (
    Column("ID", "id"),
    Column("NAME", "nsInstanceName"),
    Column("STATE", "nsState"),
    Column("NSD", "nsdId"),
    Column("DESCRIPTION", "nsInstanceDescription"),
)
FIELDS = (
    *COLUMNS,
    Column("FLAVOUR", "flavourId"),
    Column("VNFS", lambda ns: [_vnf(vnf) for vnf in ns.get("vnfInstance") or ()]),
    Column("NETWORKS", lambda ns: [link.get("nsVirtualLinkDescId") for link in ns.get("virtualLinkInfo") or ()]),
    Column("SAPS", lambda ns: [sap.get("sapdId") for sap in ns.get("sapInfo") or ()]),
    Column("GRAPHS", lambda ns: [graph.get("vnffgdId") for graph in ns.get("vnffgInfo") or ()]),
)


def _vnf(vnf: dict[str, Any]) -> str:
    vnfcs = (vnf.get("instantiatedVnfInfo") or {}).get("vnfcResourceInfo") or ()
    hosts = sorted({str(vnfc["computeResource"].get("resourceProviderId", "?")) for vnfc in vnfcs})
    return f"{vnf.get('vnfInstanceName') or vnf['id']}@{'+'.join(hosts) or '-'}"


@click.group("ns")
def ns() -> None:
    """Network services (SOL005)."""


@ns.command("create")
@click.argument("nsd")
@click.option("--name", help="The NSD's name unless said.")
@click.option("--description", default="")
@output_option
@with_client
def create(client: Client, nsd: str, name: str | None, description: str, output: str) -> None:
    """Create an instance of an NSD, given by the identifier of its descriptor or package, or by its name."""
    info = _nsd(client, nsd)
    request = {"nsdId": info["nsdId"], "nsName": name or info["nsdName"], "nsDescription": description}
    show_one(client.post(NS.path, request).json, output, FIELDS)


def _nsd(client: Client, text: str) -> dict[str, Any]:
    if UUID.fullmatch(text):
        by_descriptor = client.list(NSD.path, query={"filter": f"(eq,nsdId,{text})"})
        if by_descriptor:
            return by_descriptor[0]
    info: dict[str, Any] = client.get(f"{NSD.path}/{identify(client, NSD, text)}")
    if "nsdId" not in info:
        raise Failure(f"NSD {text!r} is {info['nsdOnboardingState']}", hint="mano nsd onboard")
    return info


@ns.command("instantiate")
@click.argument("name")
@click.option("--flavour", default="", help="Deployment flavour; may be left out when the NSD has one.")
@click.option("--level", help="Instantiation level.")
@click.option(
    "--sap",
    "saps",
    multiple=True,
    metavar="SAPD=ATTACHMENT[,ADDRESS]",
    help="Where a SAP ends, and its interface address (10.0.0.2/24); else at the attachment of its name.",
)
@click.option(
    "-f", "--file", "file", type=click.Path(exists=True, allow_dash=True, path_type=Path), help="InstantiateNsRequest."
)
@wait_options
@output_option
@with_client
def instantiate(
    client: Client,
    name: str,
    flavour: str,
    level: str | None,
    saps: tuple[str, ...],
    file: Path | None,
    wait: bool,
    timeout: float,
    output: str,
) -> None:
    """Instantiate a network service."""
    id = identify(client, NS, name)
    request: dict[str, Any] = read_document(file) if file else {}
    if flavour or "nsFlavourId" not in request:
        request["nsFlavourId"] = flavour or _only_flavour(client, id)
    if level:
        request["nsInstantiationLevelId"] = level
    if saps:
        ours = request.setdefault("additionalParamsForNs", {}).setdefault("catena", {}).setdefault("saps", {})
        ours.update(_sap(text) for text in saps)
    answer = client.post(f"{NS.path}/{id}/instantiate", request)
    finish(client, answer, wait=wait, timeout=timeout, output=output)


def _sap(text: str) -> tuple[str, dict[str, str]]:
    sapd, equals, rest = text.partition("=")
    attachment, _, address = rest.partition(",")
    if not sapd or not equals or not attachment:
        raise click.UsageError(f"--sap {text!r} is not SAPD=ATTACHMENT[,ADDRESS]")
    return sapd, {"attachment": attachment} | ({"address": address} if address else {})


def _only_flavour(client: Client, id: str) -> str:
    """The NSD's only deployment flavour, read from its YAML."""
    from mano.cli.flavours import flavours_of

    nsd_info = client.get(f"{NS.path}/{id}")["nsdInfoId"]
    flavours = flavours_of(client, f"{NSD.path}/{nsd_info}/nsd_content")
    if len(flavours) != 1:
        raise Failure(f"the NSD has {len(flavours)} flavours", hint=f"--flavour {' | '.join(flavours)}")
    return flavours[0]


@ns.command("terminate")
@click.argument("name")
@wait_options
@output_option
@with_client
def terminate(client: Client, name: str, wait: bool, timeout: float, output: str) -> None:
    """Terminate a network service; it can be instantiated again."""
    answer = client.post(f"{NS.path}/{identify(client, NS, name)}/terminate", {})
    finish(client, answer, wait=wait, timeout=timeout, output=output)


@ns.command("delete")
@click.argument("names", nargs=-1, required=True)
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted.")
@with_client
def delete(client: Client, names: tuple[str, ...], dry_run: bool) -> None:
    """Delete network services that are not instantiated."""
    for id in [identify(client, NS, name) for name in names]:
        if dry_run:
            note(f"would delete network service {id}")
            continue
        client.delete(f"{NS.path}/{id}")
        note(f"deleted {id}")
    if dry_run:
        raise SystemExit(int(Exit.DIFFERENCES))


@ns.command("list")
@click.option("--filter", "expression", help="Attribute filter, such as (eq,nsState,INSTANTIATED).")
@output_option
@with_client
def list_all(client: Client, expression: str | None, output: str) -> None:
    """List network services."""
    show_list(client.list(NS.path, query={"filter": expression} if expression else None), output, COLUMNS)


@ns.command("show")
@click.argument("name")
@output_option
@with_client
def show(client: Client, name: str, output: str) -> None:
    """Show one network service and what it is made of."""
    show_one(client.get(f"{NS.path}/{identify(client, NS, name)}"), output, FIELDS)

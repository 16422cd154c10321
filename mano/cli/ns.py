"""``mano ns``: network services."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mano.cli.auto_scaling import auto_scale, why_ns
from mano.cli.client import Client, with_client
from mano.cli.exits import Exit, Failure
from mano.cli.files import read_document
from mano.cli.operations import finish, wait_options
from mano.cli.output import Column, note, output_option, show_list, show_one
from mano.cli.resolve import NS, NSD, UUID, identify

file_option = click.option(
    "-f",
    "--file",
    "file",
    type=click.Path(exists=True, allow_dash=True, path_type=Path),
    help="The request as SOL005 has it (YAML or JSON).",
)

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
    Column("PNFS", lambda ns: [_pnf(pnf) for pnf in ns.get("pnfInfo") or ()]),
    Column("NESTED", lambda ns: [_nested(one) for one in (ns.get("catena") or {}).get("nested") or ()]),
    Column("NESTED IN", "catena.nestedIn"),
    Column("GRAPHS", lambda ns: [graph.get("vnffgdId") for graph in ns.get("vnffgInfo") or ()]),
)


def _vnf(vnf: dict[str, Any]) -> str:
    vnfcs = (vnf.get("instantiatedVnfInfo") or {}).get("vnfcResourceInfo") or ()
    hosts = sorted({str(vnfc["computeResource"].get("resourceProviderId", "?")) for vnfc in vnfcs})
    return f"{vnf.get('vnfInstanceName') or vnf['id']}@{'+'.join(hosts) or '-'}"


def _pnf(pnf: dict[str, Any]) -> str:
    points = (pnf.get("catena") or {}).get("cpInfo") or ()
    places = "+".join(str(cp["attachment"] or "physnet") for cp in points)
    return f"{pnf.get('pnfName')} ({pnf['pnfId']})@{places or '-'}"


def _nested(one: dict[str, Any]) -> str:
    by = "" if one.get("madeByThisNs") else " (shared)"
    return f"{one['name']} {one['nsInstanceId']}{by}"


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
    "--pnf",
    "pnfs",
    multiple=True,
    metavar="PROFILE=PNF[,ATTACHMENT]",
    help="A PNF of this profile, by its name; attached where it says, else at the attachment of its name.",
)
@click.option("--nested", "nested", multiple=True, metavar="NS", help="Nest this NS instance, by name or identifier.")
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
    pnfs: tuple[str, ...],
    nested: tuple[str, ...],
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
    for text in pnfs:
        _add_pnf(client, id, request, text)
    if nested:
        data = [{"nestedNsInstanceId": identify(client, NS, one)} for one in nested]
        request.setdefault("nestedNsInstanceData", []).extend(data)
    answer = client.post(f"{NS.path}/{id}/instantiate", request)
    finish(client, answer, wait=wait, timeout=timeout, output=output)


def _sap(text: str) -> tuple[str, dict[str, str]]:
    sapd, equals, rest = text.partition("=")
    attachment, _, address = rest.partition(",")
    if not sapd or not equals or not attachment:
        raise click.UsageError(f"--sap {text!r} is not SAPD=ATTACHMENT[,ADDRESS]")
    return sapd, {"attachment": attachment} | ({"address": address} if address else {})


def _add_pnf(client: Client, id: str, request: dict[str, Any], text: str) -> None:
    """Put AddPnfData for ``PROFILE=PNF[,ATTACHMENT]`` into a request."""
    from mano.cli.flavours import pnf_profile

    profile, equals, rest = text.partition("=")
    name, _, attachment = rest.partition(",")
    if not profile or not equals or not name:
        raise click.UsageError(f"--pnf {text!r} is not PROFILE=PNF[,ATTACHMENT]")
    info = client.get(f"{NS.path}/{id}")["nsdInfoId"]
    pnfd_id, points = pnf_profile(client, f"{NSD.path}/{info}/nsd_content", profile)
    data = {"pnfId": name, "pnfName": name, "pnfdId": pnfd_id, "pnfProfileId": profile}
    request.setdefault("addpnfData", []).append(data)
    if attachment:
        ours = request.setdefault("additionalParamsForNs", {}).setdefault("catena", {}).setdefault("pnfs", {})
        ours[name] = {point: {"attachment": attachment} for point in points}


def _only_flavour(client: Client, id: str) -> str:
    """The NSD's only deployment flavour, read from its YAML."""
    from mano.cli.flavours import flavours_of

    nsd_info = client.get(f"{NS.path}/{id}")["nsdInfoId"]
    flavours = flavours_of(client, f"{NSD.path}/{nsd_info}/nsd_content")
    if len(flavours) != 1:
        raise Failure(f"the NSD has {len(flavours)} flavours", hint=f"--flavour {' | '.join(flavours)}")
    return flavours[0]


@ns.command("scale")
@click.argument("name")
@click.option("--out", "direction", flag_value="SCALE_OUT", help="More of it.")
@click.option("--in", "direction", flag_value="SCALE_IN", help="Less of it.")
@click.option("--aspect", help="Scaling aspect of the service, or of the VNF that --vnf names.")
@click.option("--steps", type=click.IntRange(min=1), help="How many steps; 1 unless said.")
@click.option("--vnf", help="Scale this VNF of the service, by its name or identifier.")
@file_option
@wait_options
@output_option
@with_client
def scale(
    client: Client,
    name: str,
    direction: str | None,
    aspect: str | None,
    steps: int | None,
    vnf: str | None,
    file: Path | None,
    wait: bool,
    timeout: float,
    output: str,
) -> None:
    """Scale a network service by steps, or one VNF of it, or as a ScaleNsRequest says."""
    id = identify(client, NS, name)
    if file is None:
        if not direction or not aspect:
            raise click.UsageError("say --out or --in and --aspect, or give a --file")
        request = _scale_request(client, id, direction, aspect, steps, vnf)
    else:
        request = read_document(file)
    finish(client, client.post(f"{NS.path}/{id}/scale", request), wait=wait, timeout=timeout, output=output)


def _scale_request(
    client: Client, id: str, direction: str, aspect: str, steps: int | None, vnf: str | None
) -> dict[str, Any]:
    by: dict[str, Any] = {"aspectId": aspect} | ({"numberOfSteps": steps} if steps else {})
    if vnf is None:
        return {
            "scaleType": "SCALE_NS",
            "scaleNsData": {"scaleNsByStepsData": {"scalingDirection": direction, **by}},
        }
    data = {"vnfInstanceId": _vnf_of(client, id, vnf), "scaleVnfType": direction, "scaleByStepData": by}
    return {"scaleType": "SCALE_VNF", "scaleVnfData": [data]}


def _vnf_of(client: Client, ns_id: str, text: str) -> str:
    """Identifier of a VNF of the service, given by name or identifier."""
    vnfs = client.get(f"{NS.path}/{ns_id}").get("vnfInstance") or ()
    for one in vnfs:
        if text in (one["id"], one.get("vnfInstanceName")):
            return str(one["id"])
    known = ", ".join(str(one.get("vnfInstanceName") or one["id"]) for one in vnfs)
    raise Failure(f"the service has no VNF {text!r}", hint=f"it has: {known}")


@ns.command("heal")
@click.argument("name")
@click.option("--vnf", "vnfs", multiple=True, help="Heal this VNF, by name or identifier; may be repeated.")
@click.option("--cause", help="Why, for the record.")
@wait_options
@output_option
@with_client
def heal(
    client: Client, name: str, vnfs: tuple[str, ...], cause: str | None, wait: bool, timeout: float, output: str
) -> None:
    """Heal what does not work of a network service, or the VNFs named."""
    id = identify(client, NS, name)
    request: dict[str, Any] = {"healNsData": {"degreeHealing": "HEAL_RESTORE"}}
    if vnfs:
        extra = {"cause": cause} if cause else {}
        request = {"healVnfData": [{"vnfInstanceId": _vnf_of(client, id, vnf), **extra} for vnf in vnfs]}
    finish(client, client.post(f"{NS.path}/{id}/heal", request), wait=wait, timeout=timeout, output=output)


@ns.command("update")
@click.argument("name")
@click.option("--add-vnf", multiple=True, metavar="PROFILE", help="One more VNF of this profile.")
@click.option("--remove-vnf", multiple=True, metavar="VNF", help="Terminate and remove this VNF.")
@click.option("--add-sap", multiple=True, metavar="SAPD", help="Attach this SAP at the attachment of its name.")
@click.option("--remove-sap", multiple=True, metavar="SAPD", help="Detach this SAP.")
@click.option("--add-vnffg", multiple=True, metavar="VNFFGD", help="The chains of this forwarding graph.")
@click.option("--remove-vnffg", multiple=True, metavar="VNFFGD", help="Remove its chains.")
@click.option("--add-pnf", multiple=True, metavar="PROFILE=PNF", help="Take in a PNF, at the attachment of its name.")
@click.option("--remove-pnf", multiple=True, metavar="PNF", help="Let go of a PNF, by its identifier.")
@click.option("--add-nested", multiple=True, metavar="NS", help="Nest this NS instance, by name or identifier.")
@click.option("--remove-nested", multiple=True, metavar="NS", help="Let go of a nested NS; what was made here ends.")
@click.option("--add-link", multiple=True, metavar="VLD", help="Make this virtual link of the NSD.")
@click.option("--remove-link", multiple=True, metavar="VLD", help="Remove this virtual link, which nothing uses.")
@file_option
@wait_options
@output_option
@with_client
def update(client: Client, name: str, file: Path | None, wait: bool, timeout: float, output: str, **what: Any) -> None:
    """Change what a network service is made of: one kind of change at a time, or an UpdateNsRequest."""
    id = identify(client, NS, name)
    asked = {kind: names for kind, names in what.items() if names}
    if bool(file) == bool(asked) or len(asked) > 1:
        raise click.UsageError("give one kind of change, or a --file")
    request = read_document(file) if file else _update_request(client, id, *next(iter(asked.items())))
    finish(client, client.post(f"{NS.path}/{id}/update", request), wait=wait, timeout=timeout, output=output)


def _update_request(client: Client, id: str, kind: str, names: tuple[str, ...]) -> dict[str, Any]:
    if kind == "add_vnf":
        return {"updateType": "INSTANTIATE_VNF", "instantiateVnfData": [{"vnfProfileId": n} for n in names]}
    if kind == "remove_vnf":
        return {"updateType": "REMOVE_VNF", "removeVnfInstanceId": [_vnf_of(client, id, n) for n in names]}
    if kind == "add_sap":
        data = [{"sapdId": n, "sapName": n, "description": ""} for n in names]
        return {"updateType": "ADD_SAP", "addSap": data}
    if kind == "remove_sap":
        return {"updateType": "REMOVE_SAP", "removeSapId": list(names)}
    if kind in _MORE_UPDATES:
        return _further_update(client, id, kind, names)
    if kind == "add_vnffg":
        return {"updateType": "ADD_VNFFG", "addVnffg": [{"vnffgName": n, "description": ""} for n in names]}
    return {"updateType": "REMOVE_VNFFG", "removeVnffgId": list(names)}


_MORE_UPDATES = ("add_pnf", "remove_pnf", "add_nested", "remove_nested", "add_link", "remove_link")


def _further_update(client: Client, id: str, kind: str, names: tuple[str, ...]) -> dict[str, Any]:
    if kind == "add_pnf":
        request: dict[str, Any] = {}
        for text in names:
            _add_pnf(client, id, request, text)
        return {"updateType": "ADD_PNF", "addPnfData": request["addpnfData"]}
    if kind == "remove_pnf":
        return {"updateType": "REMOVE_PNF", "removePnfId": list(names)}
    if kind == "add_nested":
        data = [{"nestedNsInstanceId": identify(client, NS, name)} for name in names]
        return {"updateType": "ADD_NESTED_NS", "addNestedNsData": data}
    if kind == "remove_nested":
        ids = [identify(client, NS, name) for name in names]
        return {"updateType": "REMOVE_NESTED_NS", "removeNestedNsId": ids}
    if kind == "add_link":
        links = [{"nsVirtualLinkProfileId": name} for name in names]
        return {"updateType": "CREATE_NS_VIRTUAL_LINK", "addNsVirtualLinkData": links}
    return {"updateType": "DELETE_NS_VIRTUAL_LINK", "deleteNsVirtualLinkId": list(names)}


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


for _command in (why_ns, auto_scale):
    ns.add_command(_command)


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

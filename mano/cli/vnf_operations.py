"""``mano vnf``: what can be done with a VNF instance (SOL003 clause 5.4)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from mano.cli.auto_scaling import why_vnf
from mano.cli.client import Client, with_client
from mano.cli.exits import Exit, Failure
from mano.cli.files import read_document
from mano.cli.operations import finish, wait_options
from mano.cli.output import Column, note, output_option, show_one
from mano.cli.resolve import PACKAGE, UUID, VNF, identify

COLUMNS = (
    Column("ID", "id"),
    Column("NAME", "vnfInstanceName"),
    Column("PRODUCT", "vnfProductName"),
    Column("STATE", "instantiationState"),
)

file_option = click.option(
    "-f",
    "--file",
    "file",
    type=click.Path(exists=True, allow_dash=True, path_type=Path),
    help="The request as SOL003 has it (YAML or JSON); options add to it.",
)


def _path(client: Client, name: str) -> str:
    return f"{VNF.path}/{identify(client, VNF, name)}"


def _request(file: Path | None, **members: Any) -> dict[str, Any]:
    request: dict[str, Any] = dict(read_document(file)) if file else {}
    return request | {name: value for name, value in members.items() if value not in (None, (), [])}


@click.command("create")
@click.argument("package")
@click.option("--name", help="The product's name unless said.")
@click.option("--description", default="")
@output_option
@with_client
def create(client: Client, package: str, name: str | None, description: str, output: str) -> None:
    """Create an instance of a VNF package, given by its identifier, its VNFD's, or the product's name."""
    info = _package(client, package)
    request = {
        "vnfdId": info["vnfdId"],
        "vnfInstanceName": name or info["vnfProductName"],
        "vnfInstanceDescription": description,
    }
    show_one(client.post(VNF.path, request).json, output, COLUMNS)


def _package(client: Client, text: str) -> dict[str, Any]:
    if UUID.fullmatch(text):
        found = client.list(PACKAGE.path, query={"filter": f"(eq,vnfdId,{text})"})
        if found:
            return found[0]
    info: dict[str, Any] = client.get(f"{PACKAGE.path}/{identify(client, PACKAGE, text)}")
    if "vnfdId" not in info:
        raise Failure(f"package {text!r} is {info['onboardingState']}", hint="mano package onboard")
    return info


@click.command("instantiate")
@click.argument("name")
@click.option("--flavour", help="Deployment flavour; needed unless the file has it.")
@click.option("--level", help="Instantiation level.")
@file_option
@wait_options
@output_option
@with_client
def instantiate(
    client: Client,
    name: str,
    flavour: str | None,
    level: str | None,
    file: Path | None,
    wait: bool,
    timeout: float,
    output: str,
) -> None:
    """Instantiate a VNF that belongs to no network service."""
    request = _request(file, flavourId=flavour, instantiationLevelId=level)
    if "flavourId" not in request:
        raise click.UsageError("--flavour is needed")
    finish(
        client,
        client.post(f"{_path(client, name)}/instantiate", request),
        wait=wait,
        timeout=timeout,
        output=output,
    )


@click.command("scale")
@click.argument("name")
@click.option("--out", "direction", flag_value="SCALE_OUT", help="More of it.")
@click.option("--in", "direction", flag_value="SCALE_IN", help="Less of it.")
@click.option("--aspect", help="Scaling aspect; may be left out when the VNF has one.")
@click.option("--steps", type=click.IntRange(min=1), help="How many steps; 1 unless said.")
@click.option("--level", help="To an instantiation level, or to ASPECT=LEVEL (comma-separated).")
@wait_options
@output_option
@with_client
def scale(
    client: Client,
    name: str,
    direction: str | None,
    aspect: str | None,
    steps: int | None,
    level: str | None,
    wait: bool,
    timeout: float,
    output: str,
) -> None:
    """Scale a VNF: by steps with --out or --in, or to a --level."""
    path = _path(client, name)
    if bool(direction) == bool(level):
        raise click.UsageError("say --out, --in or --level")
    if level:
        answer = client.post(f"{path}/scale_to_level", level_request(level))
    else:
        request = _request(None, type=direction, aspectId=aspect or _only_aspect(client, path), numberOfSteps=steps)
        answer = client.post(f"{path}/scale", request)
    finish(client, answer, wait=wait, timeout=timeout, output=output)


def level_request(text: str) -> dict[str, Any]:
    """A ScaleVnfToLevelRequest of a level's name, or of ASPECT=LEVEL pairs."""
    if "=" not in text:
        return {"instantiationLevelId": text}
    found = []
    for part in text.split(","):
        aspect, _, level = part.partition("=")
        if not aspect or not level.isdigit():
            raise click.UsageError(f"--level {text!r} is neither a level's name nor ASPECT=NUMBER,...")
        found.append({"aspectId": aspect, "scaleToLevel": level})
    return {"scaleInfo": found}


def _only_aspect(client: Client, path: str) -> str:
    status = list((client.get(path).get("instantiatedVnfInfo") or {}).get("scaleStatus") or ())
    if len(status) != 1:
        names = " | ".join(str(entry["aspectId"]) for entry in status)
        raise Failure(f"the VNF has {len(status)} scaling aspects", hint=f"--aspect {names}" if names else "")
    return str(status[0]["aspectId"])


@click.command("heal")
@click.argument("name")
@click.option("--vnfc", "vnfcs", multiple=True, help="Only this VNFC instance; may be repeated.")
@click.option("--cause", help="Why, for the record.")
@click.option(
    "--action",
    type=click.Choice(["auto", "restart", "recreate", "move"]),
    default="auto",
    show_default=True,
    help="auto: move off a host that does not answer, else restart.",
)
@wait_options
@output_option
@with_client
def heal(
    client: Client,
    name: str,
    vnfcs: tuple[str, ...],
    cause: str | None,
    action: str,
    wait: bool,
    timeout: float,
    output: str,
) -> None:
    """Heal a VNF: what does not work, or all of it when everything seems to."""
    extra = {"catena": {"action": action}} if action != "auto" else None
    request = _request(None, cause=cause, vnfcInstanceId=list(vnfcs), additionalParams=extra)
    answer = client.post(f"{_path(client, name)}/heal", request)
    finish(client, answer, wait=wait, timeout=timeout, output=output)


@click.command("operate")
@click.argument("name")
@click.argument("state", type=click.Choice(["start", "stop"]))
@click.option("--vnfc", "vnfcs", multiple=True, help="Only this VNFC instance; may be repeated.")
@click.option("--graceful", type=click.IntRange(min=0), metavar="SECONDS", help="Stop gracefully within this time.")
@wait_options
@output_option
@with_client
def operate(
    client: Client,
    name: str,
    state: str,
    vnfcs: tuple[str, ...],
    graceful: int | None,
    wait: bool,
    timeout: float,
    output: str,
) -> None:
    """Start or stop a VNF; a stopped one keeps its place, ports and addresses."""
    request = _request(
        None,
        changeStateTo="STARTED" if state == "start" else "STOPPED",
        stopType="GRACEFUL" if graceful is not None else None,
        gracefulStopTimeout=graceful,
        vnfcInstanceId=list(vnfcs),
    )
    answer = client.post(f"{_path(client, name)}/operate", request)
    finish(client, answer, wait=wait, timeout=timeout, output=output)


@click.command("change-ext-conn")
@click.argument("name")
@click.option(
    "--connect", "pairs", multiple=True, metavar="CP=NETWORK", help="Connection point and network's identifier."
)
@file_option
@wait_options
@output_option
@with_client
def change_ext_conn(
    client: Client, name: str, pairs: tuple[str, ...], file: Path | None, wait: bool, timeout: float, output: str
) -> None:
    """Connect external connection points to other networks; the VNFCs concerned start anew."""
    request = _request(file)
    links = list(request.get("extVirtualLinks") or ())
    for text in pairs:
        cp, equals, network = text.partition("=")
        if not cp or not equals or not network:
            raise click.UsageError(f"--connect {text!r} is not CP=NETWORK")
        links.append({"id": network, "resourceId": network, "extCps": [{"cpdId": cp}]})
    answer = client.post(f"{_path(client, name)}/change_ext_conn", request | {"extVirtualLinks": links})
    finish(client, answer, wait=wait, timeout=timeout, output=output)


@click.command("change-flavour")
@click.argument("name")
@click.argument("flavour")
@click.option("--level", help="Instantiation level; the flavour's default unless said.")
@file_option
@wait_options
@output_option
@with_client
def change_flavour(
    client: Client,
    name: str,
    flavour: str,
    level: str | None,
    file: Path | None,
    wait: bool,
    timeout: float,
    output: str,
) -> None:
    """Change the deployment flavour of a VNF."""
    request = _request(file, newFlavourId=flavour, instantiationLevelId=level)
    answer = client.post(f"{_path(client, name)}/change_flavour", request)
    finish(client, answer, wait=wait, timeout=timeout, output=output)


@click.command("change-package")
@click.argument("name")
@click.argument("package")
@file_option
@wait_options
@output_option
@with_client
def change_package(
    client: Client, name: str, package: str, file: Path | None, wait: bool, timeout: float, output: str
) -> None:
    """Change the package of a VNF, one VNFC after the other."""
    request = _request(file, vnfdId=_package(client, package)["vnfdId"])
    answer = client.post(f"{_path(client, name)}/change_vnfpkg", request)
    finish(client, answer, wait=wait, timeout=timeout, output=output)


@click.command("update")
@click.argument("name")
@click.option("--name", "new_name", help="A new name.")
@click.option("--description", help="A new description.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A configurable property; JSON or text.")
@click.option("--extension", "extensions", multiple=True, metavar="KEY=VALUE", help="An extension; JSON or text.")
@click.option("--metadata", "metadata", multiple=True, metavar="KEY=VALUE", help="Metadata; JSON or text.")
@wait_options
@output_option
@with_client
def update(
    client: Client,
    name: str,
    new_name: str | None,
    description: str | None,
    settings: tuple[str, ...],
    extensions: tuple[str, ...],
    metadata: tuple[str, ...],
    wait: bool,
    timeout: float,
    output: str,
) -> None:
    """Change what is known of a VNF and its configurable properties; an empty VALUE removes the key."""
    request = _request(
        None,
        vnfInstanceName=new_name,
        vnfInstanceDescription=description,
        vnfConfigurableProperties=dict(map(_pair, settings)) or None,
        extensions=dict(map(_pair, extensions)) or None,
        metadata=dict(map(_pair, metadata)) or None,
    )
    if not request:
        raise click.UsageError("say what to change")
    answer = client.patch(_path(client, name), request)
    finish(client, answer, wait=wait, timeout=timeout, output=output)


def _pair(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise click.UsageError(f"{text!r} is not KEY=VALUE")
    try:
        return key, json.loads(value) if value else None
    except ValueError:
        return key, value


@click.command("terminate")
@click.argument("name")
@click.option("--graceful", type=click.IntRange(min=0), metavar="SECONDS", help="Gracefully, within this time.")
@wait_options
@output_option
@with_client
def terminate(client: Client, name: str, graceful: int | None, wait: bool, timeout: float, output: str) -> None:
    """Terminate a VNF that belongs to no network service."""
    request: dict[str, Any] = {"terminationType": "FORCEFUL"}
    if graceful is not None:
        request = {"terminationType": "GRACEFUL", "gracefulTerminationTimeout": graceful}
    answer = client.post(f"{_path(client, name)}/terminate", request)
    finish(client, answer, wait=wait, timeout=timeout, output=output)


@click.command("delete")
@click.argument("names", nargs=-1, required=True)
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted.")
@with_client
def delete(client: Client, names: tuple[str, ...], dry_run: bool) -> None:
    """Delete VNF instances that are not instantiated."""
    for id in [identify(client, VNF, name) for name in names]:
        if dry_run:
            note(f"would delete VNF instance {id}")
            continue
        client.delete(f"{VNF.path}/{id}")
        note(f"deleted {id}")
    if dry_run:
        raise SystemExit(int(Exit.DIFFERENCES))


COMMANDS = (
    create,
    instantiate,
    scale,
    heal,
    operate,
    update,
    change_ext_conn,
    change_flavour,
    change_package,
    terminate,
    delete,
    why_vnf,
)
"""Every command of this module."""

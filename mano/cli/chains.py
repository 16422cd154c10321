"""``mano chain``: service function chains."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from mano.cli.chain_changes import create, delete, pcap_option, update
from mano.cli.chain_upkeep import drift, repair, traceroute
from mano.cli.client import Client, with_client
from mano.cli.exits import Exit, Failure
from mano.cli.output import Column, Row, note, output_option, show_document, show_list, show_one, table
from mano.cli.pcap import first_frame, packet_of, write, write_violation
from mano.cli.resolve import CHAIN, identify


def _paths(chain: Row) -> list[Row]:
    return list(chain.get("paths") or ())


def _way(chain: Row) -> str:
    forward = next((path for path in _paths(chain) if path["direction"] == "forward"), None)
    if forward is None:
        return ""
    end = [forward["terminator"]["sfName"]] if forward.get("terminator") else []
    return " > ".join([*(str(hop["sfName"]) for hop in forward["hops"]), *end])


COLUMNS = (
    Column("ID", "id"),
    Column("NAME", "name"),
    Column("STATE", "state"),
    Column(
        "SPI", lambda chain: "/".join(str(spi) for spi in (chain.get("forwardSpi"), chain.get("reverseSpi")) if spi)
    ),
    Column("PATH", _way),
    Column("CLASSIFIERS", lambda chain: [item["text"] for item in chain.get("classifiers") or ()]),
)
FIELDS = (
    *COLUMNS,
    Column("NS", "nsInstanceId"),
    Column("VERSION", "version"),
    Column("SYMMETRIC", "symmetric"),
    Column("CHANGE", "change.phase"),
    Column("MTU", "mtu"),
    Column("PROBLEM", "problem"),
)
HOPS = (
    Column("DIRECTION", "direction"),
    Column("SPI", "spi"),
    Column("SI", "si"),
    Column("HOST", "host"),
    Column("SF", "sfName"),
    Column("AWARENESS", "awareness"),
    Column("LAYER", "layer"),
)
COUNTERS = (
    Column("DIRECTION", "direction"),
    Column("SPI", "spi"),
    Column("SI", "si"),
    Column("HOST", "host"),
    Column("SF", "sfName"),
    Column("PACKETS", "packets"),
    Column("BYTES", "bytes"),
    Column("BACK", "returned"),
    Column("PAST", "passedBy"),
    Column("CLOSED", "dropped"),
    Column("ACTIVE", "active"),
    Column("MS", lambda hop: "" if hop.get("latencyMs") is None else f"{hop['latencyMs']:.2f}"),
)
ENDS = (
    Column("DIRECTION", "direction"),
    Column("SPI", "spi"),
    Column("CLASSIFIED", "classified"),
    Column("LEFT", "endPackets"),
    Column("BYTES", "endBytes"),
    Column("MS", lambda path: "" if path.get("latencyMs") is None else f"{path['latencyMs']:.2f}"),
)
DROPS = (Column("HOST", "host"), Column("REASON", "reason"), Column("PACKETS", "packets"))
TRACE = (
    Column("HOST", "host"),
    Column("TABLE", "table"),
    Column("SPI", "spi"),
    Column("SI", "si"),
    Column("TTL", "ttl"),
    Column("RULE", "rule"),
    Column("ACTION", "action"),
)


@click.group("chain")
def chain() -> None:
    """Service function chains (RFC 7665)."""


for _command in (create, update, delete, traceroute, drift, repair):
    chain.add_command(_command)


@chain.command("list")
@output_option
@with_client
def list_all(client: Client, output: str) -> None:
    """List the chains."""
    show_list(client.list(CHAIN.path), output, COLUMNS)


@chain.command("show")
@click.argument("name")
@output_option
@with_client
def show(client: Client, name: str, output: str) -> None:
    """Show one chain hop by hop."""
    found = client.get(_one(client, name))
    show_one(found, output, FIELDS)
    if output == "table":
        click.echo()
        click.echo(table(_hops(found), HOPS), nl=False)
        for warning in found.get("warnings") or ():
            note(f"warning: {warning}")


@chain.command("stats")
@click.argument("name")
@output_option
@with_client
def stats(client: Client, name: str, output: str) -> None:
    """Count the packets of every hop, and the drops with their reasons.

    BACK came back from the function; PAST passed it by and CLOSED was dropped while it was down or out of reach; ACTIVE
    are the connections that it serves; MS is how long an echo request takes there and back.
    """
    found = client.get(f"{_one(client, name)}/statistics")
    if output != "table":
        show_document(found, output)
        return
    click.echo(table(_paths(found), ENDS), nl=False)
    click.echo()
    click.echo(table(_hops(found), COUNTERS), nl=False)
    if found["drops"]:
        click.echo()
        click.echo(table(found["drops"], DROPS), nl=False)


@chain.command("verify")
@click.argument("name")
@pcap_option
@output_option
@with_client
def verify(client: Client, name: str, pcap: Path, output: str) -> None:
    """Prove a chain on the simulator and compare the switches with it; exit code 1 unless all holds."""
    found = client.post(f"{_one(client, name)}/verify").json
    if write_violation(found.get("capture"), pcap):
        note(f"the packets that replay a violation are in {pcap}")
    if output != "table":
        show_document(found, output)
    else:
        click.echo(f"proven on the simulator: {'yes' if found['proven'] else 'NO'} ({found['packetsTried']} packets)")
        for violation in found["violations"]:
            note(f"violation: {violation}")
        for each in found.get("failures") or ():
            well = "as promised" if each["proven"] else "NOT AS PROMISED"
            click.echo(f"should {each['sfName']} die ({each['onFailure']}): {well}")
        for step in found["traces"]:
            click.echo(f"{step['host']}, {step['packet']}: {step['verdict']}")
            if not step["agrees"]:
                note(f"{step['host']} would take {step['packet']} by other rules than the simulator: {_rules(step)}")
        for each in found["drift"]:
            note(f"{each['host']} differs: {len(each['missing'])} flows missing, {len(each['foreign'])} foreign")
    if not holds(found):
        raise SystemExit(int(Exit.BAD))


def holds(found: Mapping[str, Any]) -> bool:
    """Whether all that a verification found is as it should be."""
    promised = all(each["proven"] for each in found.get("failures") or ())
    return found["proven"] and promised and not found["drift"] and all(step["agrees"] for step in found["traces"])


def _rules(step: Mapping[str, Any]) -> str:
    return f"{', '.join(step['cookies']) or 'none'} instead of {', '.join(step['expected']) or 'none'}"


SIGHTS = (
    Column("#", "number"),
    Column("HOST", "host"),
    Column("WHERE", "where"),
    Column("SPI", "spi"),
    Column("SI", "si"),
    Column("TTL", "ttl"),
    Column("OCTETS", "octets"),
    Column("LAST RULE BEFORE", lambda sight: sight["rules"][-1]["rule"] if sight["rules"] else ""),
)
PLACED = (
    Column("SF", "sfName"),
    Column("HOST", "host"),
    Column("WHY THERE", lambda each: (each.get("why") or [""])[0]),
)


@chain.command("trace")
@click.argument("name")
@click.option("--source", help="IP address.")
@click.option("--destination", help="IP address.")
@click.option("--protocol", default="tcp", show_default=True, help="tcp, udp, icmp, … or a number.")
@click.option("--source-port", type=click.IntRange(0, 65535), help="For TCP and UDP.")
@click.option("--destination-port", type=click.IntRange(0, 65535), help="For TCP and UDP.")
@click.option("--vlan", type=click.IntRange(0, 4095), help="Of a frame with a tag, from a port that may send them.")
@click.option(
    "--read", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="As a capture's first packet."
)
@click.option("--real", is_flag=True, help="Send one real packet, and show it at every hop.")
@click.option(
    "--pcap", type=click.Path(path_type=Path, dir_okay=False), help="Write its octets at every hop there (with --real)."
)
@output_option
@with_client
def trace(
    client: Client, name: str, output: str, read: Path | None, real: bool, pcap: Path | None, **options: Any
) -> None:
    """Follow one packet through a chain: on the simulator, or with --real or --pcap a real one."""
    packet = packet_of(first_frame(read)) if read is not None else _packet(options)
    if "source" not in packet or "destination" not in packet:
        raise click.UsageError("give --source and --destination, or --read a capture")
    if real or pcap is not None:
        _follow(client, _one(client, name), packet, output, pcap)
        return
    found = client.post(f"{_one(client, name)}/trace", packet).json
    if output != "table":
        show_document(found, output)
        return
    click.echo(table(found["hops"], TRACE), nl=False)
    simulated = " (simulated)" if found.get("simulated") else ""
    click.echo(f"verdict{simulated}: {found['verdict']}")


def _follow(client: Client, path: str, packet: Row, output: str, pcap: Path | None) -> None:
    found = client.post(f"{path}/follow", packet).json
    if pcap is not None:
        write(pcap, ((sight["seconds"], bytes.fromhex(sight["bytes"])) for sight in found["sights"]))
        note(f"{len(found['sights'])} frames written to {pcap}")
    if output != "table":
        show_document(found, output)
        return
    click.echo(table(found["sights"], SIGHTS), nl=False)
    click.echo()
    click.echo(table(found["functions"], PLACED), nl=False)
    origin = found.get("descriptor") or {}
    if origin.get("file"):
        click.echo(f"asked for by {origin['file']}:{origin['line']} ({origin['nfpdId']})")
    if not found["sights"]:
        raise Failure("the packet was seen nowhere", hint="`mano chain trace` without --real says where it would end")


def _packet(options: dict[str, Any]) -> dict[str, Any]:
    protocol = options["protocol"]
    packet = {
        "source": options["source"],
        "destination": options["destination"],
        "protocol": int(protocol) if protocol.isdigit() else protocol.lower(),
        "sourcePort": options["source_port"],
        "destinationPort": options["destination_port"],
        "vlan": options["vlan"],
    }
    return {key: value for key, value in packet.items() if value is not None}


def _one(client: Client, name: str) -> str:
    return f"{CHAIN.path}/{identify(client, CHAIN, name)}"


def _hops(document: Row) -> list[dict[str, Any]]:
    return [
        {"direction": path["direction"], "spi": path["spi"], **hop} for path in _paths(document) for hop in path["hops"]
    ]

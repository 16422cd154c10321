"""How placements, proposals and refusals look on a terminal."""

from __future__ import annotations

from typing import Any

import click

from mano.cli.exits import printable
from mano.cli.output import Column, Row, cell, note, show_document, show_list, table


def _cells(row: Row) -> list[Row]:
    return list(row.get("cells") or ())


def _vfs(name: str, interface: Row) -> str:
    return f"{name}: {interface['pci']} {' '.join(f'VF {vf}' for vf in interface.get('vfs') or ()) or 'whole'}"


PLACED = (
    Column("VDU", "vdu"),
    Column("HOST", "host"),
    Column("NODES", lambda row: [one["node"] for one in _cells(row)]),
    Column("CPUS", lambda row: [" ".join(str(cpu) for cpu in one["cpus"]) for one in _cells(row)]),
    Column("MEMORY", lambda row: [f"{one['memoryMib']} MiB of {one['pageSizeKib']} KiB" for one in _cells(row)]),
    Column(
        "VFS", lambda row: [_vfs(name, item) for name, item in (row.get("interfaces") or {}).items() if item.get("pci")]
    ),
)
DECIDED = (
    Column("KEY", "key"),
    Column("HOST", "host"),
    Column("NS", "nsInstanceId"),
    Column("WHY", "decision.why"),
)
EXPLAINED = (*DECIDED, Column("RUNNER-UP", "decision.runnerUp"), Column("SCORE", "decision.score"))
ELSEWHERE = (Column("KEY", "key"), Column("HOST", "host"), Column("REASON", "reason"))
REFUSED = (
    Column("KEY", "key"),
    Column("NS", "nsInstanceId"),
    Column("OPERATION", "operationId"),
    Column("WHEN", "refusedAt"),
    Column("HOSTS", "refusal.hosts"),
    Column("REASONS", lambda row: [f"{code} on {count}" for code, count in row["refusal"]["reasons"].items()]),
    Column("NEAREST", lambda row: [f"{near['host']} lacks {_lacks(near['short'])}" for near in _nearest(row)]),
    Column("FITS IF", lambda row: list(row["refusal"].get("wouldFitIf") or ())),
)
MOVES = (
    Column("VDU", "vdu"),
    Column("FROM", "from"),
    Column("TO", "to.host"),
    Column("NODES", lambda row: [one["node"] for one in _cells(row["to"])]),
)


def _nearest(row: Row) -> list[Row]:
    return list(row["refusal"].get("nearest") or ())


LEAKS = (
    Column("WHAT", "what"),
    Column("ID", "id"),
    Column("KEY", "key"),
    Column("HOST", lambda row: row.get("host") or row.get("vim")),
)
_LEAKS = {
    "reservations": "reservation that nobody uses",
    "computes": "runs, and no VNF instance has it",
    "missing": "does not run, and a VNF instance has it",
}


def show_leaks(found: dict[str, Any], form: str) -> None:
    """What records, instances and hosts do not agree on."""
    rows = [{"what": what, **row} for kind, what in _LEAKS.items() for row in found[kind]]
    if form in ("table", "name"):
        show_list(rows, form, LEAKS)
    else:
        show_document(found, form)


def show_plan(result: dict[str, Any], form: str) -> None:
    """The outcome of a plan; what is unplaced is told on stderr too where it is not part of the form."""
    if form == "name":
        click.echo("".join(f"{printable(vdu)}\n" for vdu in result["placements"]), nl=False)
    elif form != "table":
        show_document(result, form)
    else:
        _show_table(result)
    if form in ("table", "name"):
        for vdu, refusal in result["unplaced"].items():
            note(refusal_text(vdu, refusal))


def _show_table(result: dict[str, Any]) -> None:
    rows = [{"vdu": vdu, **placement} for vdu, placement in result["placements"].items()]
    click.echo(table(rows, PLACED), nl=False)
    for chain, route in result["chains"].items():
        hops = " > ".join([route["hops"][0]["from"], *(hop["to"] for hop in route["hops"])]) if route["hops"] else "-"
        click.echo(f"chain {chain}: {hops} ({route['latencyUs']} us)")
    click.echo(f"{_cost(result['objective'])}, decided in {result['decisionMs']} ms")


def _cost(objective: Row) -> str:
    return (
        f"cost {objective['cost']} (hosts opened {objective['hostsOpened']}, VDUs with a VF on a foreign node "
        f"{objective['crossNumaVfs']}, chain hops {objective['chainHops']})"
    )


def show_moves(result: dict[str, Any], form: str) -> None:
    """Proposed moves and what they gain."""
    if form == "name":
        click.echo("".join(f"{printable(move['vdu'])}\n" for move in result["moves"]), nl=False)
    elif form != "table":
        show_document(result, form)
    else:
        click.echo(table(result["moves"], MOVES), nl=False)
        for move in result["blocked"]:
            click.echo(f"{move['vdu']}: {move['from']} to {move['to']['host']} waits for another's place")
        click.echo(f"now: {_cost(result['before'])}")
        click.echo(f"then: {_cost(result['after'])}; gain {result['gain']}")
    if form in ("table", "name"):
        for vdu, refusal in result["unplaced"].items():
            note(refusal_text(vdu, refusal))


def refusal_text(vdu: str, refusal: Row) -> str:
    """Why a VDU was not placed, in a few lines."""
    reasons = ", ".join(f"{code} on {count}" for code, count in refusal["reasons"].items())
    lines = [f"unplaced: {vdu}: none of {refusal['hosts']} hosts fits ({reasons})"]
    lines += [f"  nearest: {near['host']} lacks {_lacks(near['short'])}" for near in refusal["nearest"]]
    lines += [f"  it would fit if {text}" for text in refusal["wouldFitIf"]]
    return "\n".join(lines)


def _lacks(short: Row) -> str:
    return ", ".join(f"{count} {resource}" for resource, count in short.items()) or "nothing that counts"


def why_not_there(decision: Row, host: str) -> str:
    """The host's own reason where one is kept, else what is known of all the hosts that it was among."""
    told = (decision.get("notElsewhere") or {}).get(host)
    if told:
        return str(told)
    sentences = cell(decision.get("why"))
    return f"it would do, but was the second best: {sentences}" if decision.get("runnerUp") == host else sentences

"""What the demo tells about what it found, line by line. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any


def realisation_rows(hosts: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """What of the inventory is real on this machine: the same for all hosts of one VIM."""
    first = hosts[0]
    return [(name, how, first["notes"].get(name, "")) for name, how in sorted(first["realisations"].items())]


def step_rows(operation: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The steps of an operation with their times."""
    steps = operation["catena"]["steps"]
    return [(f"    {step['name']}", step["state"].lower(), _took(step["startedAt"], step["endedAt"])) for step in steps]


def current_steps(operation: Mapping[str, Any]) -> str:
    """The names of the steps that an operation is at."""
    return ", ".join(step["name"] for step in operation["catena"]["steps"] if step["state"] in ("RUNNING", "UNDOING"))


def _took(start: str, end: str | None) -> str:
    if end is None:
        return ""
    return f"{(datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds():.2f} s"


def placement_lines(placement: Mapping[str, Any]) -> Iterator[str]:
    """Where a VDU is, why there, and why not on each other host."""
    allocation = placement["allocation"]
    cells = "; ".join(
        f"node {cell['node']}: CPUs {','.join(map(str, cell['cpus']))}, "
        f"{cell['memoryMib']} MiB in pages of {cell['pageSizeKib']} KiB"
        for cell in allocation["cells"]
    )
    vfs = "".join(
        f", {name}: VF {','.join(map(str, interface['vfs']))} of {interface['pci']} (node {interface['node']})"
        for name, interface in allocation.get("interfaces", {}).items()
        if interface.get("vfs")
    )
    yield f"{placement['key']} on {placement['host']}: {cells}{vfs}"
    for line in placement["decision"]["why"]:
        yield f"    {line}"
    elsewhere = placement["decision"].get("notElsewhere") or {}
    if elsewhere:
        yield "    not on " + ", ".join(f"{host} ({reason})" for host, reason in sorted(elsewhere.items()))


def path_line(path: Mapping[str, Any]) -> str:
    """A path hop by hop: ``forward: h1 > [100/255] firewall-0@h1 > ...``."""
    hops = " > ".join(f"[{path['spi']}/{hop['si']}] {hop['sfName']}@{hop['host']}" for hop in path["hops"])
    end = path.get("terminator", {}).get("sfName") or "a station"
    return (
        f"{path['direction']}: {path['ingress']['host']} > {hops} > "
        f"[{path['spi']}/{path['endSi']}] end at {end}@{path['egress']['host']}"
    )


def counter_line(chain: str, path: Mapping[str, Any]) -> str:
    """A path with the packets that each hop was given."""
    hops = " > ".join(
        f"[{path['spi']}/{hop['si']}] {hop['sfName']}@{hop['host']} {hop['packets']}" for hop in path["hops"]
    )
    return f"{chain} {path['direction']}: {hops} > end {path['endPackets']}"


def traceroute_lines(chain: str, path: Mapping[str, Any]) -> Iterator[str]:
    """What the hops of a path answered: TTL, host, position, time, and the rule by which packets go on."""
    yield f"{chain} {path['direction']}, SPI {path['spi']}:"
    for hop in path["hops"]:
        if hop["host"] is None:
            yield f"  {hop['ttl']:>2}  *  nobody answers"
            continue
        took = f"{hop['leastMs']:.2f} ms" if hop["leastMs"] else "no time passes"
        end = "end of the path" if hop["end"] else str(hop["nextRule"] or "").partition(" (chain")[0]
        function = f"{hop['sfName']}: " if hop["sfName"] and not hop["end"] else ""
        yield f"  {hop['ttl']:>2}  {hop['host']}  [{hop['spi']}/{hop['si']}]  {took}  {function}{end}".rstrip(": ")
    if not path["whole"]:
        yield f"      it breaks: {path['why']}"

"""How many datagrams of a flow each function was given: counted by the kernel beside the functions, exactly.

A function's own counters hold whatever else it saw, probes among it. These hold the datagrams of :mod:`.flow` only, so
that it shows when one of them met a function twice, or went past one.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mano.cli.demo.errors import DemoProblem
from mano.cli.demo.flow import PORT

if TYPE_CHECKING:
    from mano.cli.demo.world import DemoWorld

TABLE = "catena_flow"
DEADLINE_S = 10.0

# An NSH header of 24 octets (RFC 8300 section 2.4), Ethernet and IPv4 lie before the ports of what NSH carries.
_SOURCE_PORT_BIT = (24 + 14 + 20) * 8
_BRIDGING = f"type filter hook forward priority 0; udp dport {PORT} counter; udp sport {PORT} counter"


class Passages:
    """Counters in the namespaces of the service's firewalls and its dpi, from when they are made."""

    def __init__(self, world: DemoWorld) -> None:
        """``world`` is loaded; raises DemoProblem when the kernel cannot count."""
        self._tables: dict[str, tuple[str, str]] = {}
        for vnfc in world.vnfcs():
            namespace = world.lab.vnfc(vnfc["id"])
            if vnfc["vduId"] == "firewall":
                self._count(vnfc["vnfName"], namespace, "bridge", _BRIDGING)
            elif vnfc["vduId"] == "dpi":
                port = next(port["id"] for port in world.ports(vnfc["id"]) if port["cpdId"] == "sfc")
                device = world.lab.interface_of_port(namespace, port)
                self._count(vnfc["vnfName"], namespace, "netdev", _reading(device))

    def read(self) -> Mapping[str, int]:
        """Datagrams that each function was given so far, both ways together."""
        return {name: _sum(namespace, family) for name, (namespace, family) in self._tables.items()}

    def _count(self, name: str, namespace: str, family: str, rules: str) -> None:
        table = f"{family} {TABLE}"
        _nft(namespace, "-f", "-", text=f"add table {table}\ndelete table {table}\n")
        _nft(namespace, "-f", "-", text=f"table {table} {{\nchain passages {{\n{rules}\n}}\n}}\n")
        self._tables[name] = (namespace, family)


def _reading(device: str) -> str:
    ports = (_SOURCE_PORT_BIT, _SOURCE_PORT_BIT + 16)
    counted = "; ".join(f"@nh,{bit},16 {PORT} counter" for bit in ports)
    return f'type filter hook ingress device "{device}" priority 0; {counted}'


def _sum(namespace: str, family: str) -> int:
    said = json.loads(_nft(namespace, "-j", "list", "table", family, TABLE))
    rules = [entry["rule"] for entry in said["nftables"] if "rule" in entry]
    return sum(part["counter"]["packets"] for rule in rules for part in rule["expr"] if "counter" in part)


def _nft(namespace: str, *arguments: str, text: str | None = None) -> str:
    command = ["ip", "netns", "exec", namespace, "nft", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, input=text, check=False)
    if done.returncode != 0:
        raise DemoProblem(f"nothing counts in {namespace}: {done.stderr.strip()[-300:]}")
    return done.stdout

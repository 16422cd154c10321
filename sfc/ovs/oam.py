"""Traceroute along a service path: the responders of all hosts, started, stopped and asked."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

import sfc
from sfc.model.addresses import Mac
from sfc.ovs.daemon import process_is
from sfc.ovs.errors import SwitchRefused, SwitchTimeout
from sfc.ovs.jsonrpc import connect_unix
from sfc.ovs.location import SwitchLocation, check_identifier, unreachable

_MODULE = "sfc.ovs.oam_responder"
_POLL_S = 0.01


@dataclass(frozen=True, slots=True)
class OamHop:
    """One answer: with this TTL the probe got to ``host`` at ``spi``/``si``; ``end`` when the path ends there.

    ``host`` is ``None`` when nobody answered. ``milliseconds`` from the probe to its reply.
    """

    ttl: int
    host: str | None
    spi: int = 0
    si: int = 0
    end: bool = False
    milliseconds: float = 0.0


def ensure_responder(
    location: SwitchLocation, interface: str, mac: str, address: IPv4Address, *, timeout: float = 10.0
) -> None:
    """Have the host's responder running on the OAM port ``interface``; one that runs is kept.

    ``mac`` and ``address`` are those of the port, as the forwarder's model knows them (``Sff.oam_mac``, ``oam_ip``).
    """
    check_identifier("interface", interface)
    if responder_is_alive(location):
        return
    location.run(
        sys.executable,
        *("-m", _MODULE, "--host", location.host, "--interface", interface, "--mac", str(Mac.parse(mac))),
        *("--address", str(address), "--rundir", str(location.rundir)),
        timeout=timeout,
        entered=True,
        environment={"PYTHONPATH": str(Path(sfc.__file__).parent.parent)},
    )


def responder_is_alive(location: SwitchLocation) -> bool:
    """Whether the host's responder runs."""
    return _pid(location) is not None


def stop_responder(location: SwitchLocation, *, timeout: float = 5.0) -> None:
    """End the host's responder; nothing to do when none runs."""
    pid = _pid(location)
    deadline = time.monotonic() + timeout
    while pid is not None and process_is(pid, _mark(location)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM if deadline - time.monotonic() > timeout / 2 else signal.SIGKILL)
        if time.monotonic() >= deadline:
            raise SwitchTimeout(location.host, "the OAM responder did not end in time")
        time.sleep(_POLL_S)


def traceroute(
    location: SwitchLocation, spi: int, si: int = 255, *, ttl_max: int = 63, wait_s: float = 1.0
) -> tuple[OamHop, ...]:
    """Follow a path from the host where it begins: probes of growing TTL, until its end or three silent hops.

    ``wait_s`` seconds for each reply. The probes carry the O bit, so no NSH-unaware function sees them. Raises the
    errors of :mod:`sfc.ovs.errors`; :class:`SwitchUnreachable` when no responder runs there.
    """
    request = {"spi": spi, "si": si, "ttlMax": ttl_max, "waitMs": round(wait_s * 1000)}
    connection = connect_unix(location.host, location.rundir / "oam.sock", 2.0)
    with connection:
        connection.settimeout(ttl_max * (wait_s + 0.1) + 5.0)
        try:
            connection.sendall(json.dumps(request).encode() + b"\n")
            line = connection.makefile("rb").readline()
        except TimeoutError:
            raise SwitchTimeout(location.host, "the OAM responder did not answer in time") from None
        except OSError as error:
            raise unreachable(location.host, f"oam.sock: {error.strerror}") from None
    answer = json.loads(line or b"{}")
    if "hops" not in answer:
        raise SwitchRefused(location.host, f"traceroute: {answer.get('error', 'the OAM responder ended')}")
    return tuple(
        OamHop(
            ttl=hop["ttl"],
            host=hop["host"],
            spi=hop.get("spi", 0),
            si=hop.get("si", 0),
            end=hop.get("end", False),
            milliseconds=hop.get("ms", 0.0),
        )
        for hop in answer["hops"]
    )


def _pid(location: SwitchLocation) -> int | None:
    try:
        pid = int((location.rundir / "oam.pid").read_text())
    except (OSError, ValueError):
        return None
    return pid if process_is(pid, _mark(location)) else None


def _mark(location: SwitchLocation) -> str:
    """An argument that only this location's responder has."""
    return str(location.rundir)

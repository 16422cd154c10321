"""Traceroute and probes along a service path (RFC 9516): the responders of all hosts, started, stopped and asked."""

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
from typing import Any

import sfc
from sfc.model.addresses import Mac
from sfc.model.chains import PathPosition
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
    rule: int = 0
    """Cookie of the rule that took the probe; 0 when it is not known. :class:`sfc.model.Cookie` decodes it."""
    next_rule: int = 0
    """Cookie of the rule by which users' packets go on from here; 0 when there is none: the path breaks here."""
    network_ms: float = 0.0
    """``milliseconds`` without the time that the responder took: both ways through the network."""


@dataclass(frozen=True, slots=True)
class ProbedHop:
    """What many probes of one TTL found. Times in milliseconds, there and back, without the responder's own."""

    ttl: int
    host: str | None
    spi: int
    si: int
    end: bool
    rule: int
    next_rule: int
    sent: int
    received: int
    least_ms: float
    median_ms: float
    hop_ms: float
    """What this hop adds to the least time of the last hop that answered; never negative."""


@dataclass(frozen=True, slots=True)
class PathProbe:
    """What the probes of one path found."""

    hops: tuple[ProbedHop, ...]

    @property
    def whole(self) -> bool:
        """True when its end answered."""
        return bool(self.hops) and self.hops[-1].end

    @property
    def breaks_behind(self) -> ProbedHop | None:
        """The last hop that answered on a path that is not whole; None when none did, or nothing is broken."""
        answered = [hop for hop in self.hops if hop.host is not None]
        return answered[-1] if answered and not self.whole else None

    @property
    def why(self) -> str:
        """Where and why it breaks, for people; empty when it is whole."""
        if self.whole:
            return ""
        last = self.breaks_behind
        if last is None:
            return "nobody answers, not even the first bridge: its rules or its responder are not there"
        place = f"{last.host} at SPI {last.spi}, SI {last.si}"
        if not last.next_rule:
            return f"{place} has no rule for packets to go on by"
        return f"nobody answers behind {place}, from where packets go on by rule {last.next_rule:#x}"


def ensure_responder(
    location: SwitchLocation,
    interface: str,
    mac: str,
    address: IPv4Address,
    *,
    bridge: str = "br-int",
    timeout: float = 10.0,
) -> None:
    """Have the host's responder running on the OAM port ``interface``; one that runs is kept.

    ``mac`` and ``address`` are those of the port, as the forwarder's model knows them (``Sff.oam_mac``, ``oam_ip``).
    ``bridge`` is asked for the rules that its answers name.
    """
    check_identifier("interface", interface)
    check_identifier("bridge", bridge)
    if responder_is_alive(location):
        return
    location.run(
        sys.executable,
        *("-m", _MODULE, "--host", location.host, "--interface", interface, "--mac", str(Mac.parse(mac))),
        *("--address", str(address), "--rundir", str(location.rundir), "--bridge", bridge),
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
    found = _ask(location, PathPosition(spi, si), ttl_max, wait_s, 1)
    return tuple(
        OamHop(
            ttl=hop["ttl"],
            host=hop["host"],
            spi=hop.get("spi", 0),
            si=hop.get("si", 0),
            end=hop.get("end", False),
            milliseconds=hop["ms"][0] if hop["ms"] else 0.0,
            rule=hop.get("rule", 0),
            next_rule=hop.get("nextRule", 0),
            network_ms=hop["networkMs"][0] if hop["networkMs"] else 0.0,
        )
        for hop in found
    )


def probe(
    location: SwitchLocation, spi: int, si: int = 255, *, count: int = 5, ttl_max: int = 63, wait_s: float = 1.0
) -> PathProbe:
    """Measure a path hop by hop with ``count`` echo requests of each TTL, and tell where it breaks.

    As :func:`traceroute`; some 30 ms for each request. The requests pass by functions that speak no NSH.
    """
    hops: list[ProbedHop] = []
    before = 0.0
    for hop in _ask(location, PathPosition(spi, si), ttl_max, wait_s, count):
        times = sorted(hop["networkMs"])
        least = times[0] if times else 0.0
        hops.append(
            ProbedHop(
                ttl=hop["ttl"],
                host=hop["host"],
                spi=hop.get("spi", 0),
                si=hop.get("si", 0),
                end=hop.get("end", False),
                rule=hop.get("rule", 0),
                next_rule=hop.get("nextRule", 0),
                sent=hop["sent"],
                received=len(times),
                least_ms=least,
                median_ms=times[len(times) // 2] if times else 0.0,
                hop_ms=round(max(0.0, least - before), 3) if times else 0.0,
            )
        )
        before = least if times else before
    return PathProbe(tuple(hops))


def _ask(location: SwitchLocation, path: PathPosition, ttl_max: int, wait_s: float, count: int) -> list[dict[str, Any]]:
    request = {"spi": path.spi, "si": path.si, "ttlMax": ttl_max, "waitMs": round(wait_s * 1000), "count": count}
    connection = connect_unix(location.host, location.rundir / "oam.sock", 2.0)
    with connection:
        connection.settimeout(ttl_max * count * (wait_s + 0.1) + 5.0)
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
    found: list[dict[str, Any]] = answer["hops"]
    return found


def _pid(location: SwitchLocation) -> int | None:
    try:
        pid = int((location.rundir / "oam.pid").read_text())
    except (OSError, ValueError):
        return None
    return pid if process_is(pid, _mark(location)) else None


def _mark(location: SwitchLocation) -> str:
    """An argument that only this location's responder has."""
    return str(location.rundir)

"""A private Open vSwitch instance: one ovsdb-server and one ovs-vswitchd of our own, never the system's.

Both are detached and outlive the process that started them; a later process finds them by their pid files. Everything
they write lies in the run directory.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from sfc.model.addresses import Mac
from sfc.ovs.control import ask
from sfc.ovs.errors import SwitchError, SwitchTimeout, SwitchUnreachable
from sfc.ovs.jsonrpc import JsonRpc
from sfc.ovs.location import SwitchLocation, check_identifier
from sfc.ovs.ovsdb import DATABASE

_SCHEMAS = (
    Path("/usr/share/openvswitch/vswitch.ovsschema"),
    Path("/usr/local/share/openvswitch/vswitch.ovsschema"),
)
_POLL_S = 0.005
PRIORITY = -10
"""Of ovs-vswitchd among the host's processes (nice)."""

FRAGMENT_MIN_V4 = 400
"""Octets. By default OVS's conntrack drops fragments below 1200, which ordinary hosts send."""


@dataclass(frozen=True, slots=True)
class TunnelNeighbour:
    """A peer of the underlay. Told beforehand, not even the first packet towards it is lost.

    Raises :class:`~sfc.errors.ModelError` for a ``mac`` that is none.
    """

    bridge: str
    address: IPv4Address
    mac: str

    def __post_init__(self) -> None:
        check_identifier("bridge", self.bridge)
        Mac.parse(self.mac)


class SwitchDaemon:
    """Starts, watches and stops the two processes at one location. Every method may be called again."""

    def __init__(self, location: SwitchLocation) -> None:
        self.location = location

    def start(self, *, timeout: float = 15.0) -> None:
        """Have both processes running and answering within ``timeout`` seconds; existing ones are kept.

        The database and its rows survive a restart, flows do not. Raises the errors of :mod:`sfc.ovs.errors`.
        """
        deadline = time.monotonic() + timeout
        self.location.rundir.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not self._alive("ovsdb-server"):
            self._start_database(_left(deadline))
        self._ensure_root_row()
        if not self._alive("ovs-vswitchd"):
            self._start_vswitchd(_left(deadline))
        self._await_answer(deadline)

    def is_alive(self) -> bool:
        """Both processes run and ovs-vswitchd answers within a second."""
        if not (self._alive("ovsdb-server") and self._alive("ovs-vswitchd")):
            return False
        try:
            ask(self.location, "version", timeout=1.0)
        except SwitchError:
            return False
        return True

    def restart_vswitchd(self, *, kill: bool = False, timeout: float = 15.0) -> None:
        """End ovs-vswitchd (``kill``: by SIGKILL, as a crash would) and start it anew: flows and conntrack are lost."""
        deadline = time.monotonic() + timeout
        if kill:
            self.kill_vswitchd(timeout=_left(deadline))
        else:
            self._stop_process("ovs-vswitchd", _left(deadline))
        self.start(timeout=_left(deadline))

    def kill_vswitchd(self, *, timeout: float = 5.0) -> None:
        """SIGKILL ovs-vswitchd and leave it dead."""
        pid = self._pid("ovs-vswitchd")
        if pid is not None:
            _signal(pid, signal.SIGKILL)
            self._await_end(pid, "ovs-vswitchd", time.monotonic() + timeout)

    def stop(self, *, timeout: float = 10.0) -> None:
        """End both processes and their devices; the database file remains."""
        deadline = time.monotonic() + timeout
        for program in ("ovs-vswitchd", "ovsdb-server"):
            self._stop_process(program, _left(deadline))

    def remove(self, *, timeout: float = 10.0) -> None:
        """Stop, and delete the run directory with everything in it."""
        self.stop(timeout=timeout)
        shutil.rmtree(self.location.rundir, ignore_errors=True)

    def _start_database(self, timeout: float) -> None:
        location, database = self.location, self.location.rundir / "conf.db"
        if not database.exists():
            # Whole or not at all: a killed caller must not leave half a database.
            draft = database.with_suffix(".draft")
            draft.unlink(missing_ok=True)
            location.run("ovsdb-tool", "create", str(draft), str(self._schema()), timeout=timeout)
            draft.rename(database)
        location.run(
            "ovsdb-server",
            str(database),
            f"--remote=punix:{location.database_socket}",
            f"--unixctl={location.rundir / 'ovsdb.ctl'}",
            *self._process_options("ovsdb-server"),
            timeout=timeout,
            entered=True,
        )

    def _ensure_root_row(self) -> None:
        """The one row that ovs-vswitchd waits for."""
        with JsonRpc(self.location.host, self.location.database_socket) as rpc:
            rows = rpc.call("transact", DATABASE, {"op": "select", "table": "Open_vSwitch", "where": [], "columns": []})
            if not rows[0]["rows"]:
                rpc.call("transact", DATABASE, {"op": "insert", "table": "Open_vSwitch", "row": {}})

    def _start_vswitchd(self, timeout: float) -> None:
        # As Open vSwitch's own ovs-ctl: a switch that waits for other work on the host loses packets. Where it may
        # not go first, nice says so and starts it all the same.
        self.location.run(
            "nice",
            f"--adjustment={PRIORITY}",
            "ovs-vswitchd",
            f"unix:{self.location.database_socket}",
            f"--unixctl={self.location.control_socket}",
            *self._process_options("ovs-vswitchd"),
            timeout=timeout,
            entered=True,
        )

    def _process_options(self, program: str) -> tuple[str, ...]:
        log = self.location.rundir / f"{program}.log"
        return (
            f"--pidfile={self._pid_file(program)}",
            "--detach",
            f"--log-file={log}",
            "-vconsole:off",
            "-vsyslog:off",
        )

    def _schema(self) -> Path:
        for schema in _SCHEMAS:
            if schema.exists():
                return schema
        raise SwitchUnreachable(
            self.location.host, "the schema of Open vSwitch is not installed", "install openvswitch-switch"
        )

    def _await_answer(self, deadline: float) -> None:
        while True:
            try:
                ask(self.location, "version", timeout=1.0)
                return
            except SwitchError:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(_POLL_S)

    def _stop_process(self, program: str, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        pid = self._pid(program)
        if pid is None:
            return
        if program == "ovs-vswitchd":
            # Its own way out removes the devices of the datapath; a signal would leave them.
            with contextlib.suppress(SwitchError):
                ask(self.location, "exit", "--cleanup", timeout=min(2.0, timeout))
        else:
            _signal(pid, signal.SIGTERM)
        try:
            self._await_end(pid, program, min(deadline, time.monotonic() + 3.0))
        except SwitchTimeout:
            _signal(pid, signal.SIGKILL)
            self._await_end(pid, program, deadline)

    def _await_end(self, pid: int, program: str, deadline: float) -> None:
        while self._is(pid, program) or is_ending(pid):  # not by the pid file: it goes before the process does
            if time.monotonic() >= deadline:
                raise SwitchTimeout(self.location.host, f"{program} did not end in time")
            time.sleep(_POLL_S)

    def _alive(self, program: str) -> bool:
        return self._pid(program) is not None

    def _pid(self, program: str) -> int | None:
        """The process that wrote the pid file, if it still runs."""
        try:
            pid = int(self._pid_file(program).read_text())
        except (OSError, ValueError):
            return None
        return pid if self._is(pid, program) else None

    def _is(self, pid: int, program: str) -> bool:
        return process_is(pid, str(self._pid_file(program)))

    def _pid_file(self, program: str) -> Path:
        return self.location.rundir / f"{program}.pid"


def process_is(pid: int, mark: str) -> bool:
    """Whether this process runs and has ``mark`` in its arguments: numbers are used again, and a zombie has ended."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].strip()
    except OSError:
        return False
    return state[:1] not in ("", "Z", "X") and any(mark.encode() in argument for argument in command)


def is_ending(pid: int) -> bool:
    """Whether this process has given its memory back, arguments and all, and still holds files and their locks.

    Its first thread may be a zombie already while others end.
    """
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].strip()
        threads = sum(1 for _ in Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return False
    return not command and (threads > 1 or state[:1] not in ("", "Z", "X"))


def prepare_switch(
    location: SwitchLocation,
    *,
    neighbours: Sequence[TunnelNeighbour] = (),
    fragment_min_v4: int | None = FRAGMENT_MIN_V4,
    timeout: float = 10.0,
) -> None:
    """Tell ovs-vswitchd what it forgets at each start: the underlay's neighbours and conntrack's smallest fragment.

    Call it after the bridges exist, after every start of ovs-vswitchd, and when a peer comes. Repeating it is harmless.
    """
    for neighbour in neighbours:
        ask(location, "tnl/neigh/set", neighbour.bridge, str(neighbour.address), neighbour.mac, timeout=timeout)
    if fragment_min_v4 is not None:
        ask(location, "dpctl/ipf-set-min-frag", "v4", str(fragment_min_v4), timeout=timeout)


def _left(deadline: float) -> float:
    return max(0.1, deadline - time.monotonic())


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)

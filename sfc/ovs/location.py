"""Where one private Open vSwitch instance lives."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sfc.ovs.errors import SwitchRefused, SwitchTimeout, SwitchUnreachable

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def check_identifier(kind: str, name: str) -> str:
    """Return ``name`` if it is safe in a path, a command's argument and a log line; ``ValueError`` otherwise."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{kind} name {name!r} is not allowed: letters, digits and . _ - only, 64 at most")
    return name


@dataclass(frozen=True, slots=True)
class SwitchLocation:
    """Addresses one switch: the run directory that holds its sockets, and the namespace its vswitchd lives in.

    ``namespace`` is the name of a network namespace, or ``None`` for the caller's own. One vswitchd with
    ``datapath_type=netdev`` fills a namespace: two would both want the device ``ovs-netdev``.
    """

    host: str
    rundir: Path
    namespace: str | None = None

    def __post_init__(self) -> None:
        check_identifier("host", self.host)
        if self.namespace is not None:
            check_identifier("namespace", self.namespace)
        if not self.rundir.is_absolute():
            raise ValueError(f"the run directory {self.rundir} of {self.host} must be an absolute path")

    @property
    def database_socket(self) -> Path:
        return self.rundir / "db.sock"

    @property
    def control_socket(self) -> Path:
        """ovs-vswitchd's, for what ``ovs-appctl`` asks."""
        return self.rundir / "vswitchd.ctl"

    def management_socket(self, bridge: str) -> Path:
        """The OpenFlow socket that every bridge has; connections to it come and go without flushing flows."""
        return self.rundir / f"{check_identifier('bridge', bridge)}.mgmt"

    @property
    def environment(self) -> Mapping[str, str]:
        """What the programs of Open vSwitch need, and nothing of the caller's."""
        rundir = str(self.rundir)
        return {
            "PATH": _SYSTEM_PATH,
            "LC_ALL": "C",
            "OVS_RUNDIR": rundir,
            "OVS_LOGDIR": rundir,
            "OVS_DBDIR": rundir,
            "OVS_SYSCONFDIR": rundir,
        }

    def run(
        self,
        *arguments: str,
        timeout: float,
        entered: bool = False,
        good: Sequence[int] = (0,),
        text: str = "",
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run one program of Open vSwitch, in the switch's namespace if ``entered``; never through a shell.

        ``text`` is its standard input, ``timeout`` in seconds; ``environment`` is added to :attr:`environment`.
        Raises :class:`SwitchTimeout`,
        :class:`SwitchUnreachable` when its socket is dead, and :class:`SwitchRefused` for any other exit code that
        is not ``good``.
        """
        program = find_program(self.host, arguments[0])
        command = [program, *arguments[1:]]
        if entered and self.namespace is not None:
            command = [find_program(self.host, "ip"), "netns", "exec", self.namespace, *command]
        try:
            done = subprocess.run(
                tied(command),
                env={**self.environment, **(environment or {})},
                input=text,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise SwitchTimeout(self.host, f"{arguments[0]} took longer than {timeout:g} s") from None
        if done.returncode not in good:
            raise self._failure(arguments[0], done.stderr.strip() or done.stdout.strip())
        return done

    def _failure(self, program: str, text: str) -> SwitchRefused | SwitchUnreachable:
        if any(sign in text for sign in ("Connection refused", "No such file or directory", "failed to connect")):
            return unreachable(self.host, text)
        return SwitchRefused(self.host, f"{program}: {text[-2000:]}")


def unreachable(host: str, why: str) -> SwitchUnreachable:
    """The error for a dead switch, with what to do about it."""
    return SwitchUnreachable(
        host, f"Open vSwitch does not answer ({why[-500:]})", "start its ovsdb-server and ovs-vswitchd, then try again"
    )


def tied(command: Sequence[str]) -> list[str]:
    """The command as one that is killed when the thread that starts it ends: a dead caller changes nothing more."""
    setpriv = shutil.which("setpriv", path=_SYSTEM_PATH)
    return [setpriv, "--pdeathsig", "KILL", *command] if setpriv else list(command)


def find_program(host: str, name: str) -> str:
    """Absolute path of a system program; :class:`SwitchUnreachable` when it is not installed."""
    found = shutil.which(name, path=_SYSTEM_PATH + os.pathsep + os.defpath)
    if found is None:
        raise SwitchUnreachable(host, f"the program {name} is not installed", "install openvswitch-switch and iproute2")
    return found

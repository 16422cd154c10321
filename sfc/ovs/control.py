"""The control socket of ovs-vswitchd: what ``ovs-appctl`` asks, without a process for each question."""

from __future__ import annotations

from sfc.ovs.jsonrpc import JsonRpc
from sfc.ovs.location import SwitchLocation


def ask(location: SwitchLocation, command: str, *arguments: str, timeout: float = 10.0) -> str:
    """The answer's text to one command (see ``ovs-vswitchd(8)``, run-time management commands).

    ``timeout`` in seconds. Raises the errors of :mod:`sfc.ovs.errors`.
    """
    with JsonRpc(location.host, location.control_socket, timeout=timeout) as control:
        return str(control.call(command, *arguments, timeout=timeout) or "")

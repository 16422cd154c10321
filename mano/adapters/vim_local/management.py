"""The local VIM's way into management networks: connections made inside an attachment's namespace."""

from __future__ import annotations

import socket
from pathlib import Path

from mano.adapters.ve_vnfm import exchange
from mano.adapters.vim_local import netns
from mano.adapters.vim_local.lab import Lab
from mano.errors import DeadlineExceeded, Unreachable
from mano.ports.management import Answer, Call, ManagementReach

CONNECT_S = 5.0


class LocalManagement(ManagementReach):
    """Places are attachments: see :class:`~mano.adapters.vim_local.attachments.Attachments`."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    def namespace(self, place: str) -> Path | None:
        """Implements :meth:`mano.ports.management.ManagementReach.namespace`."""
        return netns.DIRECTORY / self._lab.namespace(place)

    def call(self, place: str, call: Call, deadline_s: float) -> Answer:
        """Implements :meth:`mano.ports.management.ManagementReach.call`."""
        namespace = self._lab.namespace(place)
        if not netns.exists(namespace):
            raise Unreachable(f"the management place {place} is not there")

        def connect() -> socket.socket:
            # A socket stays in the namespace that it was made in, whichever thread uses it.
            return socket.create_connection((call.address, call.port), min(CONNECT_S, deadline_s))

        try:
            connection = netns.inside(namespace, connect)
        except TimeoutError:
            raise DeadlineExceeded(f"{call.address} does not take connections in time") from None
        except OSError as error:
            raise Unreachable(f"{call.address} port {call.port} cannot be reached: {error.strerror}") from None
        connection.settimeout(deadline_s)
        return exchange(connection, call, deadline_s)

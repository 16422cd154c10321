"""What can go wrong between us and a switch.

::

    SwitchError
    ├── SwitchUnreachable    no daemon answers there
    ├── SwitchTimeout        it answered too late
    └── SwitchRefused        it answered, and said no

Each names the host, so that a caller with many switches need not wrap it.
"""

from __future__ import annotations

from sfc.errors import SfcError


class SwitchError(SfcError):
    """Base of all errors of :mod:`sfc.ovs`; ``host`` names the switch's host."""

    def __init__(self, host: str, message: str, hint: str = "") -> None:
        super().__init__(type(self).__name__, f"{host}: {message}", hint)
        self.host = host


class SwitchUnreachable(SwitchError):
    """Nobody listens on the switch's socket, or it closed the connection."""


class SwitchTimeout(SwitchError):
    """The switch did not answer within the deadline."""


class SwitchRefused(SwitchError):
    """The switch rejected a request; the message is its own."""

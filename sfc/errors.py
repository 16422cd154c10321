"""Every refusal of the library, drawn once.

::

    SfcError
    ├── ModelError        a value that cannot be true (range, unknown reference, contradiction)
    ├── PathError         no rendered service path can be made of a chain, or no SPI is left
    ├── RenderError       a true model that this renderer cannot put on Open vSwitch
    ├── SimulationError   tables or packets that the simulator refuses to run
    └── NshError          octets that are no NSH header (subclasses in :mod:`sfc.nsh`)

Each error carries ``code`` (stable, for programs), ``message`` (what and where) and ``hint`` (how to
mend it); ``str()`` joins the last two.
"""

from __future__ import annotations


class SfcError(Exception):
    """Base of everything that :mod:`sfc` raises on purpose."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message if not hint else f"{message}; {hint}")
        self.code = code
        self.message = message
        self.hint = hint


class ModelError(SfcError):
    """A topology, a chain or a flow that contradicts itself or its limits."""


class PathError(SfcError):
    """A chain that no set of instances, or no free service path identifier, can serve."""


class RenderError(SfcError):
    """A chain or topology that the flow tables cannot express."""


class SimulationError(SfcError):
    """A flow table or a packet that the simulator cannot execute."""


class NshError(SfcError, ValueError):
    """Octets or values that RFC 8300 does not allow."""

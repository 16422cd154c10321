"""Ve-Vnfm-vnf: the way to a VNF by its management connection point.

The VNFM has no foot in a VNF's management network. For as long as it has to say something there, the NFVO makes a
port for it beside the VNF (a *place*), through which the VIM reaches the VNF as any neighbour would.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Call:
    """One request to a VNF's own interface. ``address`` is an IP address, ``document`` is sent as JSON.

    ``compute_id`` tells a VIM that only imagines networks who is meant.
    """

    address: str
    port: int
    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    document: Mapping[str, Any] | None = None
    compute_id: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the VNF said; header names in lower case, ``document`` is ``None`` where it was no JSON object."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    document: Mapping[str, Any] | None = None


class ManagementNetworks(Protocol):
    """The NFVO's part: ports for the VNFM."""

    def open(self, key: str, tenant_id: str, network_id: str, host: str) -> str:
        """A place in this network, beside what runs on the host; the same one for the same key.

        Raises :class:`~mano.errors.InvalidInput` for a network in which no such port can be made.
        """

    def close(self, key: str, tenant_id: str) -> None:
        """Make it gone; nothing to do when it is."""


class ManagementReach(Protocol):
    """The VIM's part: from a place to the network it is in."""

    def call(self, place: str, call: Call, deadline_s: float) -> Answer:
        """One exchange.

        Raises :class:`~mano.errors.Unreachable` and :class:`~mano.errors.DeadlineExceeded` where there is no answer.
        """

    def namespace(self, place: str) -> Path | None:
        """The network namespace that is the place; ``None`` where networks are only imagined."""


@runtime_checkable
class ManagementWay(Protocol):
    """A VIM driver that leads into the networks of its VNFs."""

    def management(self) -> ManagementReach:
        """The way there."""

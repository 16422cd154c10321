"""Service chains as they are stored: the version that carries packets, and the one that is about to (RFC 7665).

A change of a running chain makes a second version beside the first, with service path identifiers of its own. Its
:class:`ChainPhase` says which of them takes packets: together with the specifications it determines every flow, so a
change that was interrupted goes on, or back, from the phase that is stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class ChainState(StrEnum):
    """What a stored chain does at the moment."""

    PLANNED = "planned"
    """Proven and stored, not known to be programmed yet."""
    ACTIVE = "active"
    """It carries packets."""
    CHANGING = "changing"
    """A change is under way; it carries packets all the time."""
    DRAINING = "draining"
    """It is being deleted: nothing enters any more, what is on it comes out."""


class ChainPhase(StrEnum):
    """How far a change has come. Each is a state of the bridges that was proven before the change began."""

    STORED = "stored"
    """Nothing is programmed yet: as before the change."""
    ADDED = "added"
    """The new paths are there and nobody is on them."""
    FLIPPED = "flipped"
    """The new version takes what is classified."""
    INHERITED = "inherited"
    """Connections that were marked by the old version come back on the new one."""
    REMOVED = "removed"
    """The old paths are gone."""


@dataclass(frozen=True, slots=True)
class ChainBranch:
    """One way of a version: its functions in order (identifiers, as in the specification) with its path identifiers.

    ``key`` is the name under which its numbers are allocated. ``weight`` is ``None`` for the only branch of a version
    that does not spread its connections, else its share of them.
    """

    functions: tuple[str, ...]
    forward_spi: int
    reverse_spi: int | None
    key: str
    weight: int | None = None


@dataclass(frozen=True, slots=True)
class ChainChange:
    """The next version of a chain on its way in. ``spec`` is JSON like :attr:`ServiceChain.spec`."""

    operation_id: str
    spec: Mapping[str, Any]
    branches: tuple[ChainBranch, ...]
    phase: ChainPhase = ChainPhase.STORED


@dataclass(frozen=True, slots=True)
class ServiceChain:
    """One NFP of an NSD's VNFFG, or one chain made by hand, with the paths that are programmed for it.

    ``spec`` and ``paths`` are JSON: the chain as asked for and the RSPs as :mod:`sfc` rendered them (SPI, SI, hops).
    ``ns_instance_id`` is empty for a chain made by hand. ``forward_spi`` and ``reverse_spi`` are those of its first
    branch. ``branches`` is empty in what older versions of Catena stored: one way, chosen at each rendering.
    """

    id: str
    tenant_id: str
    ns_instance_id: str
    name: str
    forward_spi: int
    reverse_spi: int | None
    spec: Mapping[str, Any]
    paths: tuple[Mapping[str, Any], ...] = ()
    state: str = ChainState.PLANNED.value
    version: int = 1
    number: int = 0
    generation: int = 0
    branches: tuple[ChainBranch, ...] = ()
    change: ChainChange | None = field(default=None)

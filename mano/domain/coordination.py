"""Coordination of life-cycle operations with others: an OSS, an element manager, the VNF itself.

SOL002 clause 10 has it for VNFs, SOL005 clause 12 for network services. Somebody else is asked before or after an
operation's changes, does its part at once or later, and says how the operation goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Stage(StrEnum):
    """When an action is asked for (SOL001 clause 6.2.59): before, or after, all other changes."""

    START = "start"
    END = "end"


class EndpointType(StrEnum):
    """Who is asked (SOL003 clause 5.5.2.13)."""

    MGMT = "MGMT"
    VNF = "VNF"


class CoordinationResult(StrEnum):
    """LcmCoordResultType (SOL002 clause 10.5.4.3, SOL005 clause 12.5.4.3)."""

    CONTINUE = "CONTINUE"
    ABORT = "ABORT"
    CANCELLED = "CANCELLED"


RESULTS: Mapping[str, CoordinationResult] = {
    **{result.value: result for result in CoordinationResult},
    "CACELLED": CoordinationResult.CANCELLED,
}
"""By the words of the standards' texts, and by the one word that the OpenAPI document of SOL005 v3.7.1 misspells."""


@dataclass(frozen=True, slots=True)
class CoordinationAction:
    """What to ask for: ``operations`` (LcmOperationType) before or after whose changes, with these ``inputs``."""

    name: str
    operations: tuple[str, ...]
    stage: Stage
    endpoint: EndpointType = EndpointType.MGMT
    inputs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Coordination:
    """One request of an operation to its coordinator, for the record and to go on with after a crash.

    ``step`` is the operation's step that asked. ``location`` is where the other side keeps the action. A request that
    was put off (503) is ``rejected`` and has neither ``id`` nor ``location``; ``delay_until`` is when the other side
    wanted to be asked again.
    """

    step: str
    action: str
    endpoint: EndpointType
    started_at: datetime
    id: str = ""
    location: str = ""
    result: CoordinationResult | None = None
    ended_at: datetime | None = None
    delay_until: datetime | None = None
    rejected: bool = False
    warnings: str = ""
    outputs: Mapping[str, Any] = field(default_factory=dict)

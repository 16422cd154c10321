"""Triggers of policies: conditions on what is measured, and what is to be done (TOSCA 1.3 clauses 3.6.22 to 3.6.25)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from vnf_descriptors.model.frozen import EMPTY, FrozenMap

OPERATORS = (
    "equal",
    "greater_than",
    "greater_or_equal",
    "less_than",
    "less_or_equal",
    "in_range",
    "valid_values",
)
CONNECTIVES = ("and", "or", "not")
METHODS = ("average", "sum", "maximum", "minimum")


@dataclass(frozen=True, slots=True)
class Clause:
    """A condition: an assertion on the value that `subject` names, or clauses that `operator` connects.

    `operator` is one of `OPERATORS` with its `operands`, or one of `CONNECTIVES` with its `parts`.
    """

    operator: str
    subject: str = ""
    operands: tuple[float, ...] = ()
    parts: tuple[Clause, ...] = ()

    def __post_init__(self) -> None:
        if self.operator in CONNECTIVES:
            if not self.parts:
                raise ValueError(f"'{self.operator}' connects no clause")
        elif self.operator not in OPERATORS:
            raise ValueError(f"there is no operator '{self.operator}'")
        elif not self.subject or not self.operands or (self.operator == "in_range" and len(self.operands) != 2):
            raise ValueError(f"'{self.operator}' lacks what it compares")

    def subjects(self) -> Iterator[str]:
        """What the condition is about, repeated where it is named again."""
        if self.subject:
            yield self.subject
        for part in self.parts:
            yield from part.subjects()

    def holds(self, values: Mapping[str, float]) -> bool | None:
        """Is it true of these values? None when a value that it depends on is missing."""
        if self.operator in CONNECTIVES:
            return self._connected([part.holds(values) for part in self.parts])
        value = values.get(self.subject)
        return None if value is None else self._asserted(value)

    def _connected(self, found: list[bool | None]) -> bool | None:
        if self.operator == "not":
            return None if None in found else not all(found)
        decisive = self.operator == "or"
        if decisive in found:
            return decisive
        return None if None in found else not decisive

    def _asserted(self, value: float) -> bool:
        first, last = self.operands[0], self.operands[-1]
        match self.operator:
            case "greater_than":
                return value > first
            case "greater_or_equal":
                return value >= first
            case "less_than":
                return value < first
            case "less_or_equal":
                return value <= first
            case "in_range":
                return first <= value <= last
        return value in self.operands

    def __str__(self) -> str:
        if self.operator in CONNECTIVES:
            inner = f" {'and' if self.operator == 'not' else self.operator} ".join(map(str, self.parts))
            return f"not ({inner})" if self.operator == "not" else f"({inner})" if len(self.parts) > 1 else inner
        told = ", ".join(f"{operand:g}" for operand in self.operands)
        signs = {"equal": "=", "greater_than": ">", "greater_or_equal": "≥", "less_than": "<", "less_or_equal": "≤"}
        return f"{self.subject} {signs.get(self.operator, self.operator.replace('_', ' '))} {told}"


@dataclass(frozen=True, slots=True)
class TriggerAction:
    """An operation that a trigger calls, such as `Vnflcm.scale`, with its inputs as they are written."""

    operation: str
    inputs: FrozenMap[str, str] = EMPTY


@dataclass(frozen=True, slots=True)
class Trigger:
    """What is done when a condition stands. Its identifier is `policy/trigger`."""

    id: str
    event: str
    condition: Clause
    #: How often in a row the condition must be found true; None where the descriptor does not say.
    evaluations: int | None = None
    #: For how long, in milliseconds.
    period_ms: int = 0
    #: One of `METHODS`: how the values of several instances become one; None for the usual way of the value.
    method: str | None = None
    actions: tuple[TriggerAction, ...] = ()

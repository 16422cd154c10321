"""Triggers of policies (TOSCA 1.3 clauses 3.6.22 to 3.6.25), as SOL001's VnfIndicator and NsAutoScale have them.

Both ways to write a condition are read: a list of clauses, and the extended one with constraint, period, evaluations
and method. What cannot be understood is a fault, and its trigger is left out: nothing is done on a guess.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from vnf_descriptors import units
from vnf_descriptors.model.frozen import FrozenMap
from vnf_descriptors.model.triggers import CONNECTIVES, METHODS, OPERATORS, Clause, Trigger, TriggerAction
from vnf_descriptors.report import quote
from vnf_descriptors.suggest import did_you_mean
from vnf_descriptors.topology import Group, Topology
from vnf_descriptors.vnf_nodes import child, integer_of, text_of
from vnf_descriptors.yamltree import Mapping, Node, Scalar, Sequence

#: Most clauses that are read of one condition.
MAX_CLAUSES = 100
_ACTION = "call_operation"
_EXTENDED = ("constraint", "period", "evaluations", "method")
_METHODS = {"avg": "average", "mean": "average", "max": "maximum", "min": "minimum"}


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a trigger, where, and how to mend it."""

    place: Node
    message: str
    hint: str = ""


@dataclass(slots=True)
class TriggerReader:
    """Reads the triggers of one topology; `faults` grows meanwhile."""

    topology: Topology
    faults: list[Fault] = field(default_factory=list)
    _clauses: int = 0

    def of(self, policy: Group) -> Iterator[Trigger]:
        """The triggers of a policy and of the types that it is of."""
        seen: set[str] = set()
        for node in self._sources(policy):
            for name, key, body in node.items() if isinstance(node, Mapping) else ():
                if name in seen:
                    continue
                seen.add(name)
                trigger = self._trigger(f"{policy.name}/{name}", key, body)
                if trigger is not None:
                    yield trigger

    def _sources(self, policy: Group) -> Iterator[Node | None]:
        yield policy.node.get("triggers")
        types = self.topology.types
        for name in types.ancestors("policy_types", policy.type):
            definition = types.get("policy_types", name)
            yield definition.node.get("triggers") if definition else None

    def _trigger(self, id: str, key: Scalar, body: Node) -> Trigger | None:
        if not isinstance(body, Mapping):
            self._fault(key, f"the trigger {quote(key.text)} must be a map")
            return None
        condition = body.get("condition")
        extended = isinstance(condition, Mapping) and any(name in condition.entries for name in _EXTENDED)
        clause = self._clause(child(condition, "constraint") if extended else condition, key)
        actions = tuple(self._actions(body.get("action"), key))
        if clause is None or not actions:
            return None
        details = condition if extended and isinstance(condition, Mapping) else body
        return Trigger(
            id=id,
            event=text_of(body.get("event")) or text_of(child(body.get("event"), "type")) or "",
            condition=clause,
            evaluations=self._evaluations(details),
            period_ms=self._period(details),
            method=self._method(details),
            actions=actions,
        )

    # Conditions

    def _clause(self, node: Node | None, place: Node) -> Clause | None:
        """One condition; None, and a fault, when a part of it cannot be understood."""
        self._clauses += 1
        if self._clauses > MAX_CLAUSES:
            self._fault(node or place, f"the conditions have more than {MAX_CLAUSES} clauses")
            return None
        if isinstance(node, Sequence):
            return self._connected("and", list(node.items), node)
        if isinstance(node, Mapping):
            parts = [self._member(name, key, value) for name, key, value in node.items()]
            if parts:
                return self._joined("and", parts)
        self._fault(node or place, "a trigger needs a condition: a list of assertions on values")
        return None

    def _member(self, name: str, key: Scalar, value: Node) -> Clause | None:
        if name in CONNECTIVES:
            return self._connected(name, list(value.items) if isinstance(value, Sequence) else [value], key)
        if name in ("assert", "constraint"):
            return self._clause(value, key)
        bodies = value.items if isinstance(value, Sequence) else [value]
        parts = [self._assertion(name, key, body) for body in bodies]
        if parts:
            return self._joined("and", parts)
        self._fault(key, f"nothing is asserted of {quote(name)}")
        return None

    def _connected(self, operator: str, nodes: list[Node], place: Node) -> Clause | None:
        if not nodes:
            self._fault(place, "a condition is empty")
            return None
        return self._joined(operator, [self._clause(node, place) for node in nodes])

    def _joined(self, operator: str, parts: list[Clause | None]) -> Clause | None:
        known = [part for part in parts if part is not None]
        if len(known) < len(parts):
            return None
        return known[0] if len(known) == 1 and operator != "not" else Clause(operator, parts=tuple(known))

    def _assertion(self, name: str, key: Scalar, body: Node) -> Clause | None:
        if not isinstance(body, Mapping) or len(body.entries) != 1:
            self._fault(key, f"an assertion on {quote(name)} is one operator with its value")
            return None
        ((operator, place, value),) = body.items()
        if operator not in OPERATORS:
            hint = did_you_mean(operator, OPERATORS) or f"There are {', '.join(OPERATORS)}"
            self._fault(place, f"there is no operator {quote(operator)}", hint)
            return None
        found = self.topology.follow(value)
        operands = [_number(each) for each in (found.items if isinstance(found, Sequence) else [found])]
        known = tuple(each for each in operands if each is not None)
        try:
            if len(known) < len(operands):
                raise ValueError
            return Clause(operator, name, known)
        except ValueError:
            self._fault(place, f"{quote(operator)} compares {quote(name)} with numbers")
            return None

    # Actions

    def _actions(self, node: Node | None, place: Node) -> Iterator[TriggerAction]:
        entries = node.items if isinstance(node, Sequence) else [node] if node is not None else []
        for entry in entries:
            called = child(entry, _ACTION)
            operation = text_of(called) or text_of(child(called, "operation"))
            if operation is None:
                self._fault(entry, f"an action of a trigger is a {_ACTION}")
                continue
            inputs = child(called, "inputs") or child(entry, "inputs")
            yield TriggerAction(operation, FrozenMap(dict(self._inputs(inputs))))
        if not entries:
            self._fault(place, "the trigger has no action")

    def _inputs(self, node: Node | None, before: str = "") -> Iterator[tuple[str, str]]:
        """Inputs as texts; those of a map inside as `outer.inner`."""
        for name, _, value in node.items() if isinstance(node, Mapping) else ():
            found = self.topology.follow(value)
            if isinstance(found, Mapping) and "value" in found.entries:
                found = self.topology.follow(found.get("value"))
            if isinstance(found, Mapping) and not before:
                yield from self._inputs(found, f"{name}.")
            elif isinstance(found, Scalar) and found.value is not None:
                yield f"{before}{name}", found.text

    # Details

    def _evaluations(self, node: Mapping) -> int | None:
        given = node.get("evaluations")
        count = integer_of(self.topology.follow(given))
        if given is not None and (count is None or not 1 <= count <= 1000):
            self._fault(given, "evaluations is a number from 1 to 1000")
            return None
        return count

    def _period(self, node: Mapping) -> int:
        given = node.get("period")
        text = text_of(self.topology.follow(given)) if given is not None else None
        if given is None:
            return 0
        try:
            return units.time_us(text or "") // 1000
        except ValueError as error:
            self._fault(given, f"period: {error}")
            return 0

    def _method(self, node: Mapping) -> str | None:
        given = node.get("method")
        text = (text_of(self.topology.follow(given)) or "").lower()
        method = _METHODS.get(text, text)
        if given is None or method in METHODS:
            return method or None
        self._fault(given, f"method is one of {', '.join(METHODS)}", did_you_mean(text, METHODS))
        return None

    def _fault(self, place: Node, message: str, hint: str = "") -> None:
        self.faults.append(Fault(place, message, hint))


def triggers_of(topology: Topology, policy: Group) -> tuple[Trigger, ...]:
    """The triggers of a policy that can be understood."""
    return tuple(TriggerReader(topology).of(policy))


def _number(node: Node | None) -> float | None:
    if not isinstance(node, Scalar) or isinstance(node.value, bool):
        return None
    try:
        value = float(node.value if isinstance(node.value, int | float) else node.text)
    except (ValueError, OverflowError):
        return None
    return value if abs(value) < float("inf") else None

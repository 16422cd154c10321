"""Operations that ask others on their way (SOL002 clause 10, SOL005 clause 12): a story round a story.

Each action is a durable step. What was asked is stored before it is waited for: after a crash the same action is
looked at again, and asked for anew only where the answer to the request was lost. Every wait ends: by the other side's
result, by a cancellation of the operation, or at the deadline.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from mano.domain.coordination import (
    RESULTS,
    Coordination,
    CoordinationAction,
    CoordinationResult,
    Stage,
)
from mano.domain.lcm_op_occ import CancelMode, LcmOpOcc, Level
from mano.errors import CatenaError, CoordinationAborted, DeadlineExceeded, StaleGeneration, Unreachable
from mano.ports.clock import Clock
from mano.ports.coordination import Asked, Reply
from mano.ports.repositories import UnitOfWork, UnitOfWorkFactory
from mano.ports.workflows import Step, Story

COORDINATE = "coordinate:"
"""Beginning of the names of the steps."""

DEADLINE_S = 300.0
"""How long one action may take, from the first request to the result."""

CANCELLING_S = 20.0
"""How long a cancelled action is waited for."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0
LOOK_S = 0.5
"""How often the operation's own cancellation is looked for."""

REJECTIONS_KEPT = 50
COLLISIONS = 10
SENTENCE_MAX = 500
LATER = frozenset({429, 503})

_HEAD, _TAIL = frozenset({"grant", "reservations"}), frozenset({"release", "reservations"})
"""Steps that change nothing of the VNF or NS, before and after those that do."""


ActionsOf = Callable[[LcmOpOcc], Sequence[Asked]]
"""The actions of one operation occurrence."""


class Coordinated:
    """An operation that asks others; implements :class:`mano.ports.workflows.Story`."""

    def __init__(
        self, story: Story, actions_of: ActionsOf, open_unit: UnitOfWorkFactory, clock: Clock, api_root: str
    ) -> None:
        self._story = story
        self._actions_of = actions_of
        self._open_unit = open_unit
        self._clock = clock
        self._root = api_root

    @property
    def level(self) -> Level:
        """As the story within."""
        return self._story.level

    @property
    def operation(self) -> str:
        """As the story within."""
        return self._story.operation

    def prepare(self, op: LcmOpOcc) -> tuple[str, ...]:
        """The steps of the story within, and one for each action before and after them."""
        names = list(self._story.prepare(op))
        asked = self._actions_of(op)
        head = [names.pop(0)] if names and names[0] in _HEAD else []
        tail = [names.pop()] if names and names[-1] in _TAIL else []
        before, after = (
            [_step_name(one.action) for one in asked if one.action.stage is stage] for stage in (Stage.START, Stage.END)
        )
        return (*head, *dict.fromkeys(before), *names, *dict.fromkeys(after), *tail)

    def step(self, op: LcmOpOcc, name: str) -> Step:
        """The step of this name; what was asked_of with others is not undone (SOL002 clause 10.1)."""
        if not name.startswith(COORDINATE):
            return self._story.step(op, name)
        asked_of = next((one for one in self._actions_of(op) if _step_name(one.action) == name), None)
        if asked_of is None:  # the server was told of other coordinators since
            return Step(name, lambda: {"skipped": "nobody is to be asked any more"}, None)
        return Step(name, lambda: _Exchange(self._open_unit, self._clock, self._root, op, name, asked_of).hold(), None)

    def complete(self, uow: UnitOfWork, op: LcmOpOcc) -> None:
        """As the story within."""
        self._story.complete(uow, op)

    def rolled_back(self, uow: UnitOfWork, op: LcmOpOcc) -> None:
        """As the story within."""
        self._story.rolled_back(uow, op)


def _step_name(action: CoordinationAction) -> str:
    return f"{COORDINATE}{action.stage.value}:{action.name}"


class _Exchange:
    """One action, from its request to its result."""

    def __init__(
        self, open_unit: UnitOfWorkFactory, clock: Clock, root: str, op: LcmOpOcc, step: str, asked_of: Asked
    ) -> None:
        self._open_unit = open_unit
        self._clock = clock
        self._root = root
        self._op = op
        self._step = step
        self._action = asked_of.action
        self._coordinator = asked_of.coordinator
        self._deadline = clock.monotonic() + DEADLINE_S
        self._cancelled = False

    def hold(self) -> Mapping[str, Any]:
        """Ask, wait, and do as the result says: raises CoordinationAborted unless the operation is to go on."""
        known = self._open() or self._asked()
        while known.result is None:
            known = self._looked(known)
        if known.result is CoordinationResult.CONTINUE:
            return {"coordinationId": known.id, "result": known.result.value}
        raise CoordinationAborted(
            f"coordination {self._action.name} ended as {known.result.value}: the operation stops here",
            hint="settle it with the other side, then retry the operation or roll it back",
            facts={"coordinationId": known.id, "coordinationActionName": self._action.name},
        )

    def _open(self) -> Coordination | None:
        """What a server that died had asked and not yet heard the end of."""
        return next((one for one in self._now().coordinations if one.step == self._step and _is_open(one)), None)

    def _asked(self) -> Coordination:
        pause = FIRST_PAUSE_S
        while True:
            reply = self._call(lambda: self._coordinator.ask(self._request()))
            if reply is not None and reply.status in (201, 202):
                return self._accepted(reply)
            if reply is not None and reply.status not in LATER:
                raise self._refused(reply, "was refused")
            if reply is not None:
                self._keep(self._rejected(reply))
            wait = pause if reply is None or reply.retry_after_s is None else reply.retry_after_s
            self._wait(wait, "was not taken on")
            pause = min(2 * pause, LONGEST_PAUSE_S)

    def _accepted(self, reply: Reply) -> Coordination:
        document = reply.document or {}
        made = Coordination(
            step=self._step,
            action=self._action.name,
            endpoint=self._action.endpoint,
            started_at=self._clock.now(),
            id=_plain(document.get("id") or reply.location.rstrip("/").rsplit("/", 1)[-1]),
            location=reply.location,
            delay_until=self._until(reply),
        )
        if reply.status == 201:
            made = self._settled(made, document)
        elif not reply.location:
            raise self._refused(reply, "was accepted without a Location")
        self._keep(made)
        return made

    def _looked(self, known: Coordination) -> Coordination:
        """One look at an action that goes on; it is told to stop when the operation is."""
        self._pass_cancellation_on(known)
        reply = self._call(lambda: self._coordinator.look(known.location))
        if reply is not None and reply.status == 200 and (reply.document or {}).get("coordinationResult"):
            settled = self._settled(known, reply.document or {})
            self._keep(settled, known)
            return settled
        if reply is not None and reply.status not in {200, 202, *LATER} and reply.status < 500:
            self._keep(replace(known, result=CoordinationResult.ABORT, ended_at=self._clock.now()), known)
            raise self._refused(reply, "cannot be read any more")
        later = None if reply is None else reply.retry_after_s
        self._wait(LOOK_S if later is None or self._cancelled else later, "did not end")
        return known

    def _pass_cancellation_on(self, known: Coordination) -> None:
        """Tell the other side once; a forceful cancellation waits for nobody."""
        mode = self._now().cancel_mode
        if mode is None or self._cancelled:
            return
        self._cancelled = True
        self._call(lambda: self._coordinator.cancel(known.location))
        self._deadline = min(self._deadline, self._clock.monotonic() + CANCELLING_S)
        if mode is CancelMode.FORCEFUL:
            self._keep(replace(known, result=CoordinationResult.CANCELLED, ended_at=self._clock.now()), known)
            raise CoordinationAborted(
                f"coordination {self._action.name} was left when the operation was cancelled",
                facts={"coordinationId": known.id, "coordinationActionName": self._action.name},
            )

    def _settled(self, known: Coordination, document: Mapping[str, Any]) -> Coordination:
        word = str(document.get("coordinationResult"))
        if word not in RESULTS:
            raise CoordinationAborted(
                f"coordination {self._action.name} ended with a result that the standard does not have",
                facts={"coordinationId": known.id},
            )
        outputs = document.get("outputParams")
        return replace(
            known,
            result=RESULTS[word],
            ended_at=self._clock.now(),
            warnings=_plain(document.get("warnings") or ""),
            outputs=dict(outputs) if isinstance(outputs, Mapping) else {},
        )

    def _call(self, call: Callable[[], Reply]) -> Reply | None:
        """``None`` where nobody answered."""
        try:
            return call()
        except (Unreachable, DeadlineExceeded):
            return None

    def _wait(self, seconds: float, what: str) -> None:
        """Until then, the operation's cancellation or the deadline, whatever comes first."""
        until = self._clock.monotonic() + max(0.0, seconds)
        while (now := self._clock.monotonic()) < until:
            if now >= self._deadline:
                raise DeadlineExceeded(
                    f"coordination {self._action.name} {what} within {DEADLINE_S:g} s",
                    hint="look at the coordinator, then retry the operation or roll it back",
                    facts={"coordinationActionName": self._action.name},
                )
            self._clock.sleep(min(LOOK_S, until - now))
            if not self._cancelled and self._now().cancel_mode is not None:
                if what == "was not taken on":
                    raise CoordinationAborted(f"coordination {self._action.name} was given up: the operation stops")
                return

    def _rejected(self, reply: Reply) -> Coordination:
        return Coordination(
            step=self._step,
            action=self._action.name,
            endpoint=self._action.endpoint,
            started_at=self._clock.now(),
            delay_until=self._until(reply) or self._clock.now(),
            rejected=True,
        )

    def _until(self, reply: Reply) -> Any:
        return None if reply.retry_after_s is None else self._clock.now() + timedelta(seconds=reply.retry_after_s)

    def _refused(self, reply: Reply, what: str) -> CatenaError:
        sentence = _plain((reply.document or {}).get("detail", ""))
        return CoordinationAborted(
            f"coordination {self._action.name} {what} (HTTP {reply.status}){': ' + sentence if sentence else ''}",
            hint="settle it with the other side, then retry the operation or roll it back",
            facts={"coordinationActionName": self._action.name, "status": reply.status},
        )

    def _now(self) -> LcmOpOcc:
        with self._open_unit(read_only=True) as uow:
            return uow.operations.get(self._op.id)

    def _keep(self, new: Coordination, former: Coordination | None = None) -> None:
        """Store it with the operation, in place of what it was before."""
        for attempt in range(COLLISIONS):
            try:
                with self._open_unit() as uow:
                    op = uow.operations.get(self._op.id)
                    others = [one for one in op.coordinations if former is None or one.id != former.id]
                    put_off = [one for one in others if one.rejected]
                    gone = put_off[: max(0, len(put_off) + new.rejected - REJECTIONS_KEPT)]
                    kept = tuple(one for one in others if one not in gone)
                    uow.operations.save(replace(op, coordinations=(*kept, new)))
                return
            except StaleGeneration:
                if attempt == COLLISIONS - 1:
                    raise

    def _request(self) -> dict[str, Any]:
        """LcmCoordRequest (SOL002 clause 10.5.2.2, SOL005 clause 12.5.2.2)."""
        op, kind = self._op, self._op.level.value
        api = f"{self._root}/{kind}lcm/v2"
        document: dict[str, Any] = {
            f"{kind}InstanceId": op.instance_id,
            f"{kind}LcmOpOccId": op.id,
            "lcmOperationType": op.operation,
            "coordinationActionName": self._action.name,
            "_links": {
                f"{kind}LcmOpOcc": {"href": f"{api}/{kind}_lcm_op_occs/{op.id}"},
                f"{kind}Instance": {"href": f"{api}/{kind}_instances/{op.instance_id}"},
            },
        }
        return document | ({"inputParams": dict(self._action.inputs)} if self._action.inputs else {})


def _is_open(one: Coordination) -> bool:
    return bool(one.location) and one.result is None and not one.rejected


def _plain(text: object) -> str:
    return "".join(one for one in str(text)[:SENTENCE_MAX] if one.isprintable())

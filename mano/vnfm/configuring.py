"""The step that brings a VNF's configuration to the VNF (SOL002 clause 9): look, tell what differs, look again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mano.domain.lcm_op_occ import LcmOpOcc
from mano.domain.vnf_instance import VnfInstance
from mano.errors import CatenaError, DeadlineExceeded, NotConfigured, Unreachable
from mano.ports.management import Answer, Call, ManagementReach
from mano.vnfm.configuration import (
    Document,
    Interface,
    Target,
    changes,
    desired,
    follows,
    settled,
    specific_data,
    targets,
)
from mano.vnfm.management import Management
from mano.vnfm.world import VnfmWorld

CONFIGURE = "configure"
"""Name of the step."""

DEADLINE_S = 30.0
"""How long a VNF may take to serve its configuration interface after it said that it is ready."""

ANSWER_S = 10.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 2.0
COLLISIONS = 3
LATER = frozenset({429, 503})
VERSION = "1.3.0"
SENTENCE_MAX = 500


class Configuring:
    """Configures VNFs and keeps how that went."""

    def __init__(self, world: VnfmWorld, management: Management) -> None:
        self._world = world
        self._management = management

    def configure(self, op: LcmOpOcc, interface: Interface) -> Mapping[str, Any]:
        """Every VNFC that serves the interface has the configuration that the operation asks for.

        Raises :class:`~mano.errors.NotConfigured` and :class:`~mano.errors.DeadlineExceeded`.
        """
        return self._told(op, interface, settled(op, self._world.instance(op)))

    def restore(self, op: LcmOpOcc, interface: Interface) -> None:
        """The VNF has the configuration that it had before a modification."""
        self._told(op, interface, self._world.instance(op))

    def forsake(self, op: LcmOpOcc) -> None:
        """Nothing of ours is left in the VNF's management network."""
        self._management.close_all(op, self._world.instance(op))

    def _told(self, op: LcmOpOcc, interface: Interface, wished: VnfInstance) -> Mapping[str, Any]:
        wanted, former = desired(wished), dict(wished.management.get("values", {}))
        told: dict[str, Any] = {}
        try:
            for target in targets(op, wished, interface):
                with self._management.place(op, wished, target.vnfc, target.point) as (place, reach):
                    told[target.vnfc.id] = _Conversation(self._world, wished, interface, target, place, reach).hold(
                        wanted, former
                    )
        except CatenaError as error:
            self._keep(op, {"state": "FAILED", "detail": error.detail})
            raise
        self._keep(op, {"state": "CONFIRMED", "vnfcs": told}, specific_data(wished))
        return {"vnfcs": told}

    def _keep(self, op: LcmOpOcc, report: Mapping[str, Any], values: Mapping[str, Any] | None = None) -> None:
        """How it went, for those who ask for the instance."""
        now = self._world.clock.now().isoformat()
        with self._world.open_unit() as uow:
            instance = uow.vnf_instances.get(op.instance_id)
            management = {**instance.management, "configuration": {**report, "at": now, "vnfLcmOpOccId": op.id}}
            if values is not None:
                management["values"] = dict(values)
            uow.vnf_instances.save(replace(instance, management=management))


class _Conversation:
    """What is said to one VNFC."""

    def __init__(
        self,
        world: VnfmWorld,
        instance: VnfInstance,
        interface: Interface,
        target: Target,
        place: str,
        reach: ManagementReach,
    ) -> None:
        self._world = world
        self._token = str(instance.management.get("token", ""))
        self._interface = interface
        self._target = target
        self._place = place
        self._reach = reach
        self._deadline = world.clock.monotonic() + DEADLINE_S

    def hold(self, wanted: Document, former: Mapping[str, Any]) -> Mapping[str, Any]:
        """Look, tell, look again; somebody else may tell it something meanwhile."""
        for _ in range(COLLISIONS):
            seen = self._ask("GET")
            patch = changes(self._document(seen), wanted, former)
            if patch is None:
                return {"address": self._target.address, "changed": False}
            tag = seen.headers.get("etag")
            done = self._ask("PATCH", patch, {"If-Match": tag} if tag else {})
            if done.status == 412:
                continue
            self._require(done, "took no configuration")
            if follows(self._document(self._ask("GET")), wanted):
                return {"address": self._target.address, "changed": True}
            raise self._refused("took its configuration, but shows another one", done)
        raise self._refused("is being configured by somebody else at the same time", Answer(412))

    def _document(self, answer: Answer) -> Mapping[str, Any]:
        self._require(answer, "shows no configuration")
        if not isinstance((answer.document or {}).get("vnfConfigurationData"), Mapping):
            raise self._refused("shows what is no VnfConfiguration", answer)
        return answer.document or {}

    def _require(self, answer: Answer, what: str) -> None:
        if answer.status not in (200, 202, 204):
            raise self._refused(what, answer)

    def _refused(self, what: str, answer: Answer) -> NotConfigured:
        sentence = str((answer.document or {}).get("detail", ""))[:SENTENCE_MAX]
        plain = "".join(one for one in sentence if one.isprintable())
        return NotConfigured(
            f"VNFC {self._target.vnfc.id} {what} (HTTP {answer.status}){': ' + plain if plain else ''}",
            hint="roll the operation back, or mend the VNF and retry",
            facts={"vnfcInstanceId": self._target.vnfc.id, "status": answer.status, "vnfDetail": plain},
        )

    def _ask(self, method: str, document: Document | None = None, headers: Mapping[str, str] | None = None) -> Answer:
        """One answer that is final; while the VNF does not answer, or says later, it is asked again."""
        clock, pause = self._world.clock, FIRST_PAUSE_S
        sent = {"Version": VERSION, "Authorization": f"Bearer {self._token}", **(headers or {})}
        if document is not None:
            sent["Content-Type"] = "application/merge-patch+json"
        target, interface = self._target, self._interface
        call = Call(target.address, interface.port, method, interface.path, sent, document, target.vnfc.compute_id)
        problem: CatenaError
        while True:
            try:
                answer = self._reach.call(self._place, call, ANSWER_S)
                if answer.status not in LATER:
                    return answer
                problem = Unreachable(f"VNFC {target.vnfc.id} answers HTTP {answer.status}")
            except (Unreachable, DeadlineExceeded) as error:
                problem = error
            if clock.monotonic() + pause > self._deadline:
                raise DeadlineExceeded(
                    f"VNFC {target.vnfc.id} did not serve its configuration within {DEADLINE_S:g} s: {problem.detail}",
                    hint="look at the VNF, then retry the operation or roll it back",
                )
            clock.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)

"""What a package adds to the VNFM's operations: its scripts, and the configuration of its VNF. A story round a story.

The steps of the operation itself stay as they are; those of the package come before, among and after them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import structlog

from mano.domain.lcm_op_occ import LcmOpOcc, Level
from mano.domain.vnf_instance import InstantiationState, VnfInstance, VnfOperationalState
from mano.errors import CatenaError, DeadlineExceeded, NotFound, ScriptFailed, WrongState
from mano.ports.repositories import UnitOfWork
from mano.ports.scripts import MAX_DEADLINE_S, ScriptLanguage, ScriptLimits, ScriptOutcome, ScriptRun, ScriptRunner
from mano.ports.workflows import Step, Story
from mano.vnfm.configuration import Interface, interface_of, own_parameters, settled
from mano.vnfm.configuring import CONFIGURE, Configuring
from mano.vnfm.lcm_scripts import (
    OPERATIONS,
    SCRIPT,
    flavour_of_document,
    runnable,
    script_input,
    scripts_of,
    woven,
)
from mano.vnfm.management import Management
from mano.vnfm.world import VnfmWorld
from vnf_descriptors.model import LcmScript

CONFIGURES = frozenset(OPERATIONS) - {"TERMINATE", "CREATE_SNAPSHOT"}
"""Operations after which a VNF may have to be told its configuration (anew)."""

BOOT_DATA = "catenaManagement"
"""Key of a VNFC's boot data under which it finds what its configuration interface needs to know."""

OUTPUT_KEPT = 4096
"""Characters of a script's output that the step's record keeps."""

NewSecret = Callable[[], str]


class PackageActions:
    """What the stories of one VNFM share."""

    def __init__(self, world: VnfmWorld, management: Management, runner: ScriptRunner, new_secret: NewSecret) -> None:
        self.world = world
        self.management = management
        self.runner = runner
        self.new_secret = new_secret
        self.configuring = Configuring(world, management)

    def around(self, story: Story) -> Story:
        """The story with what packages add."""
        return WithPackage(story, self)


class WithPackage:
    """An operation with its package's scripts and configuration; implements :class:`mano.ports.workflows.Story`."""

    def __init__(self, story: Story, actions: PackageActions) -> None:
        self._story = story
        self._actions = actions
        self._world = actions.world

    @property
    def level(self) -> Level:
        """VNF."""
        return self._story.level

    @property
    def operation(self) -> str:
        """As the story within."""
        return self._story.operation

    def prepare(self, op: LcmOpOcc) -> tuple[str, ...]:
        """The steps of the story within, and those of the package among them."""
        instance = self._world.instance(op)
        requested = _Package(self._world, op, instance)
        # Before anything is granted: a script that nobody runs, or an interface that nobody reaches, refuses it.
        requested.scripts(self.operation)
        interface = requested.interface() if op.operation in CONFIGURES else None
        names = self._story.prepare(self._with_boot_data(op, instance) if interface is not None else op)
        package = _Package(self._world, self._present(op), self._world.instance(op))
        scripts = package.scripts(self.operation)
        name = OPERATIONS[self.operation]
        before, middle, after = (
            [SCRIPT + each] if each in scripts else [] for each in (f"{name}_start", name, f"{name}_end")
        )
        if self._configures(op, package):
            middle = [CONFIGURE, *middle]
        return woven(self.operation, names, before, middle, after)

    def step(self, op: LcmOpOcc, name: str) -> Step:
        """The step of this name."""
        if name == CONFIGURE:
            return Step(name, lambda: self._configure(op), lambda: self._restore(op))
        if name.startswith(SCRIPT):
            return Step(name, lambda: self._run(op, name.removeprefix(SCRIPT)), None)
        return self._story.step(op, name)

    def complete(self, uow: UnitOfWork, op: LcmOpOcc) -> None:
        """As the story within; a VNF that was terminated has nothing to be told."""
        self._story.complete(uow, op)
        if self.operation == "TERMINATE":
            self._forget(uow, op)

    def rolled_back(self, uow: UnitOfWork, op: LcmOpOcc) -> None:
        """As the story within."""
        self._story.rolled_back(uow, op)
        if self.operation == "INSTANTIATE":
            self._forget(uow, op)

    def _forget(self, uow: UnitOfWork, op: LcmOpOcc) -> None:
        instance = uow.vnf_instances.get(op.instance_id)
        if instance.management or instance.vnfc_configuration:
            uow.vnf_instances.save(replace(instance, management={}, vnfc_configuration={}))

    def _present(self, op: LcmOpOcc) -> LcmOpOcc:
        """The operation with the plan that was decided meanwhile."""
        with self._world.open_unit(read_only=True) as uow:
            return uow.operations.get(op.id)

    # Configuration

    def _configures(self, op: LcmOpOcc, package: _Package) -> bool:
        if op.operation not in CONFIGURES or package.interface() is None:
            return False
        if op.operation == "MODIFY_INFO":
            instance = package.instance
            runs = instance.vnf_state is VnfOperationalState.STARTED
            return instance.instantiation_state is InstantiationState.INSTANTIATED and runs
        return op.parameters.get("changeStateTo") != "STOPPED"

    def _with_boot_data(self, op: LcmOpOcc, instance: VnfInstance) -> LcmOpOcc:
        """The operation as it plans VNFCs: each finds the instance's token in its boot data."""
        management = self._prepared(op, instance)
        parameters = dict(op.parameters)
        extra = dict(parameters.get("additionalParams") or {})
        told = {"vnfInstanceId": instance.id, "token": management["token"]}
        given: Mapping[str, Any] = extra.get("userData") or {}
        package = _Package(self._world, op, instance)
        extra["userData"] = {**given, **{vdu: {**given.get(vdu, {}), BOOT_DATA: told} for vdu in package.vdus()}}
        return replace(op, parameters={**parameters, "additionalParams": extra})

    def _prepared(self, op: LcmOpOcc, instance: VnfInstance) -> Mapping[str, Any]:
        """The instance's secret, made once; and what its instantiation asks for besides its properties."""
        known = instance.management
        if "token" in known:
            return known
        made = {"token": self._actions.new_secret(), "parameters": own_parameters(op.parameters)}
        with self._world.open_unit() as uow:
            present = uow.vnf_instances.get(op.instance_id)
            uow.vnf_instances.save(replace(present, management={**made, **present.management}))
        return {**made, **known}

    def _configure(self, op: LcmOpOcc) -> Mapping[str, Any]:
        interface = _Package(self._world, op, self._world.instance(op)).interface()
        return {} if interface is None else self._actions.configuring.configure(op, interface)

    def _restore(self, op: LcmOpOcc) -> None:
        """A modification is told back; of any other operation the VNFCs that were told go."""
        interface = _Package(self._world, op, self._world.instance(op)).interface()
        self._actions.configuring.forsake(op)
        if op.operation == "MODIFY_INFO" and interface is not None:
            self._actions.configuring.restore(op, interface)

    # Scripts

    def _run(self, op: LcmOpOcc, operation: str) -> Mapping[str, Any]:
        package = _Package(self._world, op, self._world.instance(op))
        script = package.scripts(self.operation)[operation]
        instance = settled(op, package.instance)
        with ExitStack() as held:
            place, network = self._network(op, instance, script, held)
            outcome = self._actions.runner.run(self._described(op, package, script, instance, place, network))
        _tell(script, outcome)
        _require(script, outcome)
        return {
            "exitStatus": outcome.status,
            "durationS": round(outcome.duration_s, 3),
            "output": outcome.output[:OUTPUT_KEPT],
            "notes": list(outcome.notes),
        }

    def _network(self, op: LcmOpOcc, instance: VnfInstance, script: LcmScript, held: ExitStack) -> tuple[str, str]:
        """(place, word): the VNF's management network while there is a VNF on it, else none."""
        if script.network_cp is None:
            return "", "none"
        for vnfc in instance.vnfcs:
            for point in vnfc.connection_points:
                if script.network_cp in (point.cpd_id, point.ext_cpd_id):
                    place, reach = held.enter_context(self._actions.management.place(op, instance, vnfc, point))
                    if reach.namespace(place) is None:
                        return "", "simulated"
                    return str(reach.namespace(place)), "management"
        return "", "none"

    def _described(
        self, op: LcmOpOcc, package: _Package, script: LcmScript, instance: VnfInstance, place: str, network: str
    ) -> ScriptRun:
        def on_this_machine(path: str) -> str:
            return self._world.nfvo.artifact_path(package.package_id, path, op.tenant_id)

        standard = ScriptLimits()
        deadline = standard.deadline_s if script.timeout_s is None else min(float(script.timeout_s), MAX_DEADLINE_S)
        return ScriptRun(
            name=script.operation,
            language=ScriptLanguage(script.language),
            path=script.path,
            files={path: on_this_machine(path) for path in (script.path, *script.dependencies)},
            document=script_input(op, instance, script, network),
            environment={
                "CATENA_OPERATION": script.operation,
                "CATENA_VNF_INSTANCE_ID": instance.id,
                "CATENA_VNF_LCM_OP_OCC_ID": op.id,
            },
            network=place,
            limits=replace(standard, deadline_s=deadline),
        )


class _Package:
    """The descriptor that an operation's actions are taken from: the one that the VNF has, or will have."""

    def __init__(self, world: VnfmWorld, op: LcmOpOcc, instance: VnfInstance) -> None:
        facts: Mapping[str, Any] = (op.plan or {}).get("facts") or {}
        given = op.parameters
        vnfd_id = str(facts.get("vnfd_id") or given.get("vnfdId") or instance.vnfd_id)
        flavour = facts.get("flavour_id") or given.get("newFlavourId") or given.get("flavourId") or instance.flavour_id
        self.instance = instance
        self._flavour: Mapping[str, Any] = {}
        try:
            self.package_id, document = world.nfvo.vnfd(vnfd_id, op.tenant_id)
        except (NotFound, WrongState):
            # These need nothing of the package but what it adds: a VNF must not outlive its package for ever.
            if op.operation not in ("TERMINATE", "MODIFY_INFO"):
                raise
            structlog.get_logger(__name__).warning("a package is not usable: nothing of it is run", vnfdId=vnfd_id)
        else:
            self._flavour = flavour_of_document(document, str(flavour or ""))

    def scripts(self, operation: str) -> dict[str, LcmScript]:
        """Those of an operation, by their names; raises InvalidInput for one that nobody runs here."""
        name = OPERATIONS[operation]
        found = scripts_of(self._flavour)
        return {each: runnable(found[each]) for each in (f"{name}_start", name, f"{name}_end") if each in found}

    def interface(self) -> Interface | None:
        """The configuration interface, if the VNF has one."""
        return interface_of(self._flavour)

    def vdus(self) -> tuple[str, ...]:
        """Identifiers of its VDUs."""
        return tuple(str(vdu["id"]) for vdu in self._flavour.get("vdus", ()))


def _tell(script: LcmScript, outcome: ScriptOutcome) -> None:
    structlog.get_logger(__name__).info(
        "a script ended",
        script=script.operation,
        status=outcome.status,
        ended_for=outcome.ended_for,
        duration_s=round(outcome.duration_s, 3),
        output=outcome.output[:OUTPUT_KEPT],
    )


def _require(script: LcmScript, outcome: ScriptOutcome) -> None:
    """Raise what an outcome says that is no success."""
    if outcome.succeeded:
        return
    facts = {
        "script": script.path,
        "operation": script.operation,
        "status": outcome.status,
        "endedFor": outcome.ended_for,
        "output": outcome.output[:OUTPUT_KEPT],
    }
    hint = "its output is among the facts; a retry runs it again, a rollback undoes the VNFM's own steps"
    problem: CatenaError
    if outcome.ended_for == "deadline":
        problem = DeadlineExceeded(
            f"the script for {script.operation} was ended at its deadline", hint=hint, facts=facts
        )
    elif outcome.ended_for:
        problem = ScriptFailed(
            f"the script for {script.operation} was ended at its limit of {outcome.ended_for}", hint=hint, facts=facts
        )
    else:
        how = f"with status {outcome.status}" if outcome.status >= 0 else f"by signal {-outcome.status}"
        problem = ScriptFailed(f"the script for {script.operation} ended {how}", hint=hint, facts=facts)
    raise problem

"""Operations on running services, on the simulated tier: the sample packages, made scalable and healable."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mano.adapters.clock import SystemClock
from mano.adapters.sfc_paths_simulated import SimulatedServicePaths
from mano.adapters.store import SqlStore
from mano.adapters.vim_simulated import SimulatedVim
from mano.adapters.vim_simulated.faults import Fault, Faults, Kind
from mano.bootstrap import build
from mano.domain.lcm_op_occ import LcmOpOcc, Level, OperationState
from mano.domain.ns_instance import Reservation
from mano.domain.vnf_instance import VnfInstance
from mano.placement import document_from_text
from mano.settings import AuthMode, Settings, Tier
from tests.scenarios.main_job.conftest import SAMPLES, InlineEngine, Job
from vnf_descriptors import build as build_package

SCALABLE = """
  - {vdu}_aspects:
      type: tosca.policies.nfv.ScalingAspects
      properties:
        aspects:
          load: {{name: load, description: More of it, max_scale_level: 3, step_deltas: [one]}}
  - {vdu}_deltas:
      type: tosca.policies.nfv.VduScalingAspectDeltas
      targets: [{vdu}]
      properties:
        aspect: load
        deltas:
          one: {{number_of_instances: 1}}
  - {vdu}_load:
      type: tosca.policies.nfv.VnfIndicator
      targets: [vnf]
      properties: {{source: vnf}}
      triggers:
        more:
          event: load
          condition: {{constraint: [{{load: [{{greater_or_equal: 80}}]}}], evaluations: 3, method: average}}
          action: [{{call_operation: {{operation: Vnflcm.scale, inputs: {{type: scale_out, aspect: load}}}}}}]
        less:
          event: load
          condition: {{constraint: [{{load: [{{less_than: 20}}]}}], evaluations: 3, period: 10 s, method: average}}
          action: [{{call_operation: {{operation: Vnflcm.scale, inputs: {{type: scale_in, aspect: load}}}}}}]
        stuck:
          event: stuck
          condition: [{{stuck: [{{greater_than: 0}}]}}]
          action: [{{call_operation: Vnflcm.heal, inputs: {{cause: it is stuck}}}}]
"""
"""A scaling aspect of up to three steps of one VNFC each, and when to take them without being asked."""

LEVELS = """          default: {number_of_instances: 1}
          large: {number_of_instances: 3}
"""


def scalable(text: str, vdu: str) -> str:
    """The sample's VNFD with a scaling aspect and a second instantiation level."""
    text = text.replace("vdu_profile: {min_number_of_instances: 1, max_number_of_instances: 1}", PROFILE, 1)
    text = text.replace(
        "          default: {description: One VNFC}\n",
        "          default: {description: One VNFC, scale_info: {load: {scale_level: 0}}}\n"
        "          large: {description: Three, scale_info: {load: {scale_level: 2}}}\n",
    )
    text = text.replace("          default: {number_of_instances: 1}\n", LEVELS)
    return text.rstrip("\n") + "\n" + SCALABLE.format(vdu=vdu).lstrip("\n")


NS_SCALING = """  - service_aspects:
      type: tosca.policies.nfv.NsScalingAspects
      properties:
        aspects:
          inspection:
            name: inspection
            description: More inspectors
            ns_scale_levels: {0: {description: One}, 1: {description: Two}}
  - dpi_numbers:
      type: tosca.policies.nfv.VnfToLevelMapping
      targets: [dpi]
      properties:
        aspect: inspection
        number_of_instances: {0: 1, 1: 2}
  - by_inspection:
      type: tosca.policies.nfv.NsAutoScale
      targets: [ns]
      triggers:
        more:
          event: busy
          condition: [{dpi.sessions: [{greater_than: 1000}]}]
          action:
          - call_operation:
              operation: Nslcm.scale
              inputs: {scale_ns_by_steps_data: {aspect: inspection, number_of_steps: 1, scaling_direction: scale_out}}
"""


NS_LEVELS = """          default: {description: One instance of each function}
          busy: {description: Two inspectors}
"""


def growing(text: str) -> str:
    """The sample's NSD with a scaling aspect, and an NS level, of the service: a second instance of the dpi."""
    head, dpi, tail = text.partition("      type: catena.nodes.Dpi\n")
    tail = tail.replace("max_number_of_instances: 1", "max_number_of_instances: 3", 1)
    tail = tail.replace("          default: {description: One instance of each function}\n", NS_LEVELS)
    for targets, count in (("[firewall]", 1), ("[dpi]", 2), ("[nat]", 1)):
        one = f"      targets: {targets}\n      properties: {{number_of_instances: {{default: 1"
        assert one in tail
        tail = tail.replace(one, f"{one}, busy: {count}")
    return (head + dpi + tail).rstrip("\n") + "\n" + NS_SCALING


PROFILE = "vdu_profile: {min_number_of_instances: 1, max_number_of_instances: 4}"


def variant(name: str, directory: Path, change: Callable[[str], str]) -> Path:
    """The package of a sample with its descriptor changed."""
    source = directory / f"{name}-source"
    shutil.copytree(SAMPLES / name, source)
    (descriptor,) = (source / "Definitions").glob(f"{name}.yaml")
    descriptor.write_text(change(descriptor.read_text(encoding="utf-8")), encoding="utf-8")
    archive = directory / f"{name}.csar"
    build_package(source, archive)
    return archive


@pytest.fixture(scope="session")
def archives(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The sample packages; dpi and firewall can be scaled."""
    directory = tmp_path_factory.mktemp("scalable")
    made = {name: variant(name, directory, partial(scalable, vdu=name)) for name in ("dpi", "firewall")}
    made["nat"] = directory / "nat.csar"
    build_package(SAMPLES / "nat", made["nat"])
    made["gi-lan"] = variant("gi-lan", directory, growing)
    return made


def inline(store: SqlStore) -> Any:
    """An engine that runs operations within the call that starts them."""
    return InlineEngine(store, SystemClock())


def job_at(directory: Path, archives: dict[str, Path], engine: Callable[[SqlStore], Any] = inline, **more: Any) -> Job:
    """One server over what the directory holds; ``more`` are settings."""
    watch = Faults(sleep=lambda _: None)
    (directory / "vim").mkdir(exist_ok=True, parents=True)
    vim = SimulatedVim(directory / "vim", watcher=watch.watch)
    fixed = {"auth": AuthMode.NONE, "tier": Tier.SIMULATED, "drain_s": 0, "watches": False}
    settings = Settings(data_dir=directory / "data", **{**fixed, **more})
    catena = build(
        settings,
        vims={"local": vim},
        paths=SimulatedServicePaths(),
        engine=engine,
    )
    catena.start()
    return Job(catena, vim, watch, archives)


class Running:
    """The sample service as it runs, and what can be asked of it."""

    def __init__(self, job: Job) -> None:
        self.job = job
        with job.catena.store.open_unit(read_only=True) as uow:
            self.ns_id = uow.ns_instances.list()[0].id
        self.number = 0

    def vnf(self, name: str) -> VnfInstance:
        with self.job.catena.store.open_unit(read_only=True) as uow:
            return next(vnf for vnf in uow.vnf_instances.list() if vnf.name == name)

    def change(self, name: str, operation: str, request: Mapping[str, Any] | None = None) -> LcmOpOcc:
        """One operation on a VNF, from its request to where it stops."""
        return self.change_instance(self.vnf(name).id, operation, request)

    def change_instance(self, vnf_id: str, operation: str, request: Mapping[str, Any] | None = None) -> LcmOpOcc:
        self.number += 1
        op_id = f"00000000-0000-4000-8000-{self.number:012d}"
        lifecycle = self.job.services.vnf_lifecycle
        lifecycle.change(vnf_id, self.job.tenant, op_id, operation, dict(request or {}))
        return self.job.operation(op_id)

    def add_spare_host(self) -> None:
        """A fourth host, so that what is kept apart can move."""
        text = (SAMPLES / "inventory" / "gi-lan.yaml").read_text(encoding="utf-8")
        inventory = document_from_text(text, "Inventory")
        inventory["hosts"] = [{**inventory["hosts"][2], "name": "h4"}]
        del inventory["links"]
        self.job.services.nfvi.add_hosts(inventory, "local")

    def fail_at(self, *moments: str) -> None:
        """Let the VIM fail at these moments from now on, and at no other."""
        self.job.faults.planned = tuple(Fault(moment, Kind.FAIL, times=1000) for moment in moments)

    def change_ns(self, operation: str, request: Mapping[str, Any]) -> LcmOpOcc:
        """One operation on the service, from its request to where it stops."""
        return self.job.operation(
            self.job.services.ns_lifecycle.change(self.ns_id, self.job.tenant, operation, dict(request))
        )

    def reservations(self) -> list[Reservation]:
        with self.job.catena.store.open_unit(read_only=True) as uow:
            return list(uow.reservations.list())

    def picture(self) -> dict[str, Any]:
        """Everything that a rollback must bring back: records, reservations, the VIM, and what the bridges do."""
        seen = self.job.vim.observe()
        with self.job.catena.store.open_unit(read_only=True) as uow:
            vnfs = {
                vnf.name: {(v.vdu_id, v.index, v.host, v.state, v.connection_points) for v in vnf.vnfcs}
                for vnf in uow.vnf_instances.list()
            }
            plans = {ns.id: ns.plan for ns in uow.ns_instances.list()}
        functions = {
            chain["name"]: [hop["sfName"] for path in chain["paths"] for hop in path["hops"]]
            for chain in self.job.services.forwarding_graphs.list(self.job.tenant)
        }
        return {
            "vnfs": vnfs,
            "plans": plans,
            "reservations": sorted((one.key, one.host) for one in self.reservations()),
            "ports": set(seen.ports),
            "computes": set(seen.computes),
            "chains": functions,
        }

    def consistent(self) -> None:
        """Database, VIM and bridges agree, and nothing is held twice."""
        seen = self.job.vim.observe()
        with self.job.catena.store.open_unit(read_only=True) as uow:
            vnfs, services = uow.vnf_instances.list(), uow.ns_instances.list()
        points = {cp.port_id for vnf in vnfs for vnfc in vnf.vnfcs for cp in vnfc.connection_points}
        points |= {sap.connection_point.port_id for ns in services for sap in ns.saps}
        assert set(seen.ports) == points
        assert set(seen.computes) == {
            vnfc.compute_id for vnf in vnfs for vnfc in vnf.vnfcs if vnfc.state.value == "STARTED"
        }
        held = [
            (one.host, cpu) for one in self.reservations() for cell in one.allocation["cells"] for cpu in cell["cpus"]
        ]
        assert len(held) == len(set(held))
        assert len(self.reservations()) == sum(len(vnf.vnfcs) for vnf in vnfs)
        addresses = [
            (cp.network_id, address)
            for vnf in vnfs
            for vnfc in vnf.vnfcs
            for cp in vnfc.connection_points
            for address in cp.addresses
        ]
        assert len(addresses) == len(set(addresses))
        for chain in self.job.services.forwarding_graphs.list(self.job.tenant)[:1]:  # the proof is of all together
            proof = self.job.services.forwarding_graphs.verify(chain["id"], self.job.tenant)
            assert (proof["proven"], proof["violations"], proof["drift"]) == (True, [], [])


Start = Callable[[], Running]


@pytest.fixture(scope="session")
def service(archives: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory in which the sample service was instantiated."""
    directory = tmp_path_factory.mktemp("service") / "running"
    job = job_at(directory, archives)
    op = job.instantiate(job.ready())
    assert op.state is OperationState.COMPLETED, op.error
    job.catena.stop()
    return directory


@pytest.fixture
def start(service: Path, archives: dict[str, Path], tmp_path: Path) -> Iterator[Start]:
    """Starts a server over a copy of the running service, as often as it is called."""
    made: list[Job] = []

    def copy() -> Running:
        directory = tmp_path / str(len(made))
        shutil.copytree(service, directory)
        made.append(job_at(directory, archives))
        return Running(made[-1])

    yield copy
    for job in made:
        job.catena.stop()


@pytest.fixture
def running(start: Start) -> Running:
    """The sample service, instantiated."""
    return start()


SOME_AND_ALL = pytest.mark.parametrize("most", [3, pytest.param(1000, marks=pytest.mark.deep)])
"""At how many moments an operation fails: some in every run, all of them in the deep one."""


def fail_everywhere(
    start: Start, most: int, act: Callable[[Running], LcmOpOcc], prepare: Callable[[Running], Any] = lambda _: None
) -> None:
    """Let the operation fail before and after its effects: a rollback brings everything back as it was.

    ``most`` moments are tried at most, spread over the whole operation.
    """
    moments = moments_of(start, act, prepare)
    assert moments
    stride = max(1, -(-len(moments) // most))
    for moment in moments[stride // 2 :: stride]:
        there = start()
        prepare(there)
        before = there.picture()
        there.fail_at(moment)
        op = act(there)
        assert op.state is OperationState.FAILED_TEMP, (moment, op.state, op.error)
        there.fail_at()
        lifecycle = "ns_lifecycle" if op.level is Level.NS else "vnf_lifecycle"
        getattr(there.job.services, lifecycle).rollback(op.id, there.job.tenant)
        ended = there.job.operation(op.id)
        assert ended.state is OperationState.ROLLED_BACK, (moment, ended.error)
        assert there.picture() == before, moment
        there.consistent()


def moments_of(start: Start, act: Callable[[Running], LcmOpOcc], prepare: Callable[[Running], Any]) -> list[str]:
    """The moments at which the VIM can fail, by a dry run."""
    dry = start()
    prepare(dry)
    dry.job.faults.moments.clear()
    op = act(dry)
    assert op.state is OperationState.COMPLETED, op.error
    # A VNF that does not answer about its configuration is asked again, and the operation goes on.
    asked = ("before compute.configuration", "after compute.configuration")
    return [moment for moment in dict.fromkeys(dry.job.faults.moments) if moment not in asked]


Ready = tuple[Path, dict[str, Path]]
"""A data directory, and the archives of its packages."""


@pytest.fixture(scope="session")
def catalogue(archives: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Ready:
    """Hosts, packages and an instance of the service with a PNF and a nested service, not instantiated."""
    from tests.scenarios.operations.nested import make_ready

    return make_ready(tmp_path_factory.mktemp("mobile"), archives)


@pytest.fixture(scope="session")
def instantiated(catalogue: Ready) -> Path:
    """The same with the service instantiated."""
    from tests.scenarios.operations.nested import make_running

    return make_running(*catalogue)

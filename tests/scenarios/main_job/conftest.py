"""The main job on the simulated tier, in one process: the real use cases, store, library and tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from mano.adapters.clock import SystemClock
from mano.adapters.sfc_paths_simulated import SimulatedServicePaths
from mano.adapters.store import SqlStore
from mano.adapters.vim_simulated import SimulatedVim
from mano.adapters.vim_simulated.faults import Fault, Faults
from mano.bootstrap import Catena, build
from mano.domain.catalogue import DescriptorKind
from mano.domain.ids import DEFAULT_TENANT
from mano.domain.lcm_op_occ import LcmOpOcc
from mano.placement import document_from_text
from mano.settings import AuthMode, Settings, Tier
from tests.fakes.engine import InlineWorkflows
from vnf_descriptors import build as build_package

SAMPLES = Path(str(files("vnf_descriptors"))) / "samples"
SAPS = {
    "subscribers": {"attachment": "subscribers", "address": "10.10.0.2/24"},
    "internet": {"attachment": "internet", "address": "198.51.100.1/24"},
}
REQUEST = {"nsFlavourId": "simple", "additionalParamsForNs": {"catena": {"saps": SAPS}}}


@pytest.fixture(scope="session")
def archives(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The sample packages, built once."""
    return built_archives(tmp_path_factory.mktemp("archives"))


def built_archives(directory: Path) -> dict[str, Path]:
    """The sample packages in a directory."""
    made = {}
    for name in ("firewall", "dpi", "nat", "gi-lan"):
        made[name] = directory / f"{name}.csar"
        build_package(SAMPLES / name, made[name])
    return made


class InlineEngine(InlineWorkflows):
    """Operations run within the call that starts them."""

    def acquire(self) -> None:
        """Nobody else could have it."""

    def launch(self) -> None:
        """Nothing to start."""

    def stop(self) -> bool:
        """Nothing to stop."""
        return True


@dataclass
class Job:
    """One NFVO with VNFM over a simulated NFVI; every call as the API makes it."""

    catena: Catena
    vim: SimulatedVim
    faults: Faults
    archives: dict[str, Path]
    tenant: str = DEFAULT_TENANT
    packages: dict[str, str] = field(default_factory=dict)

    @property
    def services(self) -> Any:
        """The use cases; all of them are there."""
        return self.catena.services

    def add_hosts(self) -> None:
        text = (SAMPLES / "inventory" / "gi-lan.yaml").read_text(encoding="utf-8")
        self.services.nfvi.add_hosts(document_from_text(text, "Inventory"), "local")
        self.services.nfvi.add_attachment("local", {"name": "subscribers", "host": "h1"})
        self.services.nfvi.add_attachment("local", {"name": "internet", "physnet": "dc1"})

    def upload(self, name: str, kind: DescriptorKind) -> Any:
        catalogue = self.services.catalogue
        package = catalogue.create(kind, self.tenant, {})
        self.packages[name] = package.id
        return catalogue.upload(package.id, self.tenant, iter([self.archives[name].read_bytes()]))

    def onboard(self) -> str:
        for name in ("firewall", "dpi", "nat"):
            self.upload(name, DescriptorKind.VNF)
        return str(self.upload("gi-lan", DescriptorKind.NS).descriptor_id)

    def ready(self) -> str:
        """Hosts and packages are there; a new NS instance."""
        self.add_hosts()
        nsd_id = self.onboard()
        return str(self.services.ns_lifecycle.create(self.tenant, nsd_id, "gi-lan", "").id)

    def instantiate(self, ns_id: str, request: dict[str, Any] | None = None) -> LcmOpOcc:
        return self.operation(self.services.ns_lifecycle.instantiate(ns_id, self.tenant, request or REQUEST))

    def terminate(self, ns_id: str) -> LcmOpOcc:
        return self.operation(self.services.ns_lifecycle.terminate(ns_id, self.tenant, {}))

    def operation(self, op_id: str) -> LcmOpOcc:
        with self.catena.store.open_unit(read_only=True) as uow:
            return uow.operations.get(op_id)

    def held(self) -> dict[str, int]:
        """Everything that belongs to a living NS, in the store and in the VIM."""
        seen = self.vim.observe()
        with self.catena.store.open_unit(read_only=True) as uow:
            counts = {
                "reservations": len(uow.reservations.list()),
                "networks": len(uow.networks.list()),
                "chains": len(uow.chains.list()),
                "vnf_instances": len(uow.vnf_instances.list()),
                "saps": sum(len(ns.saps) for ns in uow.ns_instances.list()),
            }
        counts |= {"vim networks": len(seen.networks), "vim ports": len(seen.ports), "vim computes": len(seen.computes)}
        return {name: count for name, count in counts.items() if count}


def new_job(directory: Path, archives: dict[str, Path], *faults: Fault) -> Job:
    """A job in a directory of its own, with faults planned for the VIM."""
    watch = Faults(faults, sleep=lambda _: None)
    (directory / "vim").mkdir()
    vim = SimulatedVim(directory / "vim", watcher=watch.watch)
    settings = Settings(
        data_dir=directory / "data", auth=AuthMode.NONE, tier=Tier.SIMULATED, drain_s=0.01, watches=False
    )

    def engine(store: SqlStore) -> InlineEngine:
        return InlineEngine(store, SystemClock())

    catena = build(settings, vims={"local": vim}, paths=SimulatedServicePaths(), engine=engine)
    catena.start()
    return Job(catena, vim, watch, archives)


@pytest.fixture
def make_job(tmp_path: Path, archives: dict[str, Path]) -> Iterator[Callable[..., Job]]:
    """Makes a job in a directory of its own, with faults planned for the VIM."""
    made: list[Job] = []

    def make(*faults: Fault, directory: Path = tmp_path) -> Job:
        made.append(new_job(directory, archives, *faults))
        return made[-1]

    yield make
    for job in made:
        job.catena.stop()


@pytest.fixture
def job(make_job: Callable[..., Job]) -> Job:
    """The job without faults."""
    return make_job()

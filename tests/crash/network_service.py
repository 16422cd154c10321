"""The lives of a whole server on the simulated NFVI: the sample network service comes and goes.

Nothing of the server is replaced; the VIM and the engine only tell the points where it could die.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any
from unittest.mock import patch

from mano import bootstrap
from mano.adapters.clock import SystemClock
from mano.adapters.dbos_engine import DbosEngine
from mano.adapters.sfc_paths_simulated import SimulatedServicePaths
from mano.adapters.store import Engines, SqlStore
from mano.adapters.vim_simulated import SimulatedVim
from mano.bootstrap import Catena
from mano.domain.catalogue import DescriptorKind
from mano.domain.ids import DEFAULT_TENANT
from mano.placement import document_from_text
from mano.settings import AuthMode, Settings, Tier
from tests.crash.lives import SETTINGS, Life, engines_at, lead, settled, wait_until_quiet
from tests.crash.points import Points
from tests.crash.small_service import small
from tests.scenarios.operations.conftest import scalable
from vnf_descriptors import build as build_package

SAMPLES = Path(str(files("vnf_descriptors"))) / "samples"
SAPS = {
    "subscribers": {"attachment": "subscribers", "address": "10.10.0.2/24"},
    "internet": {"attachment": "internet", "address": "198.51.100.1/24"},
}
Change = Callable[[str], str]
"""Makes a descriptor's text another one."""

REQUEST = {"nsFlavourId": "simple", "additionalParamsForNs": {"catena": {"saps": SAPS}}}
SMALL_SAPS = {name: {"attachment": name} for name in SAPS}
SMALL_REQUEST = {"nsFlavourId": "simple", "additionalParamsForNs": {"catena": {"saps": SMALL_SAPS}}}


def make_server(life: Life, points: Points | None = None) -> Catena:
    """A server on a data directory, as the composition root builds it."""
    directory = Path(life.directory)
    vim = SimulatedVim(directory, watcher=points.reach if points else None)

    def engine(store: SqlStore) -> DbosEngine:
        if points:
            points.watch(store.engines)
        settings = replace(SETTINGS, lease_s=life.lease_s)
        return DbosEngine(store, SystemClock(), server_id=life.server_id, settings=settings)

    settings = Settings(
        data_dir=directory, database=life.url, auth=AuthMode.NONE, tier=Tier.SIMULATED, drain_s=0.02, watches=False
    )
    with patch.object(bootstrap, "make_engines", engines_at):
        return bootstrap.build(settings, vims={"local": vim}, paths=SimulatedServicePaths(), engine=engine)


def live(life: Life) -> None:
    """One life, until its work is done."""
    made: list[Catena] = []

    def prepare(points: Points) -> Engines:
        made.append(make_server(life, points))
        made[0].start()
        return made[0].store.engines

    lead(life, prepare, lambda: SCENARIOS[life.scenario](made[0], Path(life.directory)))


def live_at_home(life: Life) -> int:
    """A life without points, in this process; the mother keeps what it loaded."""
    os.chdir(life.directory)
    catena = make_server(life)
    catena.start()
    SCENARIOS[life.scenario](catena, Path(life.directory))
    wait_until_quiet(catena.store.engines)
    return 0 if catena.stop() else 1


def make_ready(catena: Catena, directory: Path) -> None:
    """Hosts, packages and an NS instance that is not instantiated."""
    furnish(catena, ("firewall", "dpi", "nat"), {"physnet": "dc1"}, lambda text: text)


def make_small(catena: Catena, directory: Path) -> None:
    """The same for the service of one function."""
    furnish(catena, ("dpi",), {"host": "h2"}, small)


def furnish(catena: Catena, functions: Sequence[str], internet: dict[str, str], change: Change) -> None:
    services: Any = catena.services
    text = (SAMPLES / "inventory" / "gi-lan.yaml").read_text(encoding="utf-8")
    services.nfvi.add_hosts(document_from_text(text, "Inventory"), "local")
    services.nfvi.add_attachment("local", {"name": "subscribers", "host": "h1"})
    services.nfvi.add_attachment("local", {"name": "internet", **internet})
    for name in functions:
        upload(services, name, DescriptorKind.VNF, partial(scalable, vdu="dpi") if name == "dpi" else lambda text: text)
    nsd_id = upload(services, "gi-lan", DescriptorKind.NS, change)
    services.ns_lifecycle.create(DEFAULT_TENANT, nsd_id, "gi-lan", "")


def upload(services: Any, name: str, kind: DescriptorKind, change: Change) -> str:
    """Onboard a sample with its descriptor changed; the descriptor's identifier."""
    with tempfile.TemporaryDirectory() as directory:
        archive = Path(directory) / "package.csar"
        source = Path(directory) / name
        shutil.copytree(SAMPLES / name, source)
        descriptor = source / "Definitions" / f"{name}.yaml"
        descriptor.write_text(change(descriptor.read_text(encoding="utf-8")), encoding="utf-8")
        build_package(source, archive)
        package = services.catalogue.create(kind, DEFAULT_TENANT, {})
        onboarded = services.catalogue.upload(package.id, DEFAULT_TENANT, iter([archive.read_bytes()]))
    assert onboarded.onboarding_state.value == "ONBOARDED", onboarded.failure
    return str(onboarded.descriptor_id)


def instantiate(catena: Catena, directory: Path) -> None:
    lifecycle: Any = catena.services.ns_lifecycle
    ask(catena, directory, "INSTANTIATE", lambda ns: lifecycle.instantiate(ns, DEFAULT_TENANT, REQUEST))


def instantiate_small(catena: Catena, directory: Path) -> None:
    """The service of one function, both of whose ends are on one network."""
    lifecycle: Any = catena.services.ns_lifecycle
    ask(catena, directory, "INSTANTIATE", lambda ns: lifecycle.instantiate(ns, DEFAULT_TENANT, SMALL_REQUEST))


def terminate(catena: Catena, directory: Path) -> None:
    lifecycle: Any = catena.services.ns_lifecycle
    ask(catena, directory, "TERMINATE", lambda ns: lifecycle.terminate(ns, DEFAULT_TENANT, {}))


def change_chain(catena: Catena, directory: Path) -> None:
    """dpi comes into the path of the chain `other`."""
    chains: Any = catena.services.chains
    with catena.store.open_unit(read_only=True) as uow:
        other = next(chain for chain in uow.chains.list() if chain.name == "other")
        stored = uow.operations.list(instance_id=other.id)
    if stored:
        op_id = stored[0].id
    else:
        path = [{"group": name} for name in ("firewall-0", "dpi-0", "nat-0")]
        document = chains.patched(other.id, DEFAULT_TENANT, {"path": path})
        op_id = chains.replace(other.id, DEFAULT_TENANT, document)
    (directory / "accepted-CHANGE").write_text(op_id)
    settled(catena.store, op_id)


SCALE_OUT = "00000000-0000-4000-8000-000000000001"
SCALE_IN = "00000000-0000-4000-8000-000000000002"
HEAL = "00000000-0000-4000-8000-000000000003"
MOVE = "00000000-0000-4000-8000-000000000004"
TAKE = "00000000-0000-4000-8000-000000000005"
BACK = "00000000-0000-4000-8000-000000000006"
"""Identifiers of the operations: whoever was not answered asks again with the same."""


def scale_out(catena: Catena, directory: Path) -> None:
    change(catena, directory, SCALE_OUT, "SCALE", {"type": "SCALE_OUT", "aspectId": "load"})


def scale_in(catena: Catena, directory: Path) -> None:
    change(catena, directory, SCALE_IN, "SCALE", {"type": "SCALE_IN", "aspectId": "load"})


def heal(catena: Catena, directory: Path) -> None:
    change(catena, directory, HEAL, "HEAL", {"cause": "a test"})


def move(catena: Catena, directory: Path) -> None:
    """To a fourth host, which is there before anything is asked for."""
    inventory = document_from_text((SAMPLES / "inventory" / "gi-lan.yaml").read_text(encoding="utf-8"), "Inventory")
    inventory["hosts"] = [{**inventory["hosts"][2], "name": "h4"}]
    del inventory["links"]
    nfvi: Any = catena.services.nfvi
    nfvi.add_hosts(inventory, "local")
    change(catena, directory, MOVE, "HEAL", {"additionalParams": {"catena": {"action": "move"}}})


def change(catena: Catena, directory: Path, op_id: str, operation: str, request: dict[str, Any]) -> None:
    """Ask for an operation on the dpi."""
    with catena.store.open_unit(read_only=True) as uow:
        vnf = next(vnf for vnf in uow.vnf_instances.list() if vnf.name == "dpi-0")
        stored = uow.operations.find(op_id)
    if stored is None:
        lifecycle: Any = catena.services.vnf_lifecycle
        lifecycle.change(vnf.id, DEFAULT_TENANT, op_id, operation, request)
    (directory / f"accepted-{operation}").write_text(op_id)
    settled(catena.store, op_id)


def take_snapshot(catena: Catena, directory: Path) -> None:
    """The dpi's state is kept."""
    with catena.store.open_unit(read_only=True) as uow:
        made = uow.vnf_snapshots.list()
    snapshots: Any = catena.services.vnf_snapshots
    snapshot = made[0] if made else snapshots.create(DEFAULT_TENANT)
    change(catena, directory, TAKE, "CREATE_SNAPSHOT", {"vnfSnapshotInfoId": snapshot.id})


def go_back(catena: Catena, directory: Path) -> None:
    """The dpi goes back to the one snapshot that there is."""
    with catena.store.open_unit(read_only=True) as uow:
        (snapshot,) = uow.vnf_snapshots.list()
    change(catena, directory, BACK, "REVERT_TO_SNAPSHOT", {"vnfSnapshotInfoId": snapshot.id})


def ask(catena: Catena, directory: Path, operation: str, call: Callable[[str], str]) -> None:
    """Ask once; who was not answered looks whether it was stored before asking again."""
    with catena.store.open_unit(read_only=True) as uow:
        (ns,) = uow.ns_instances.list()
        stored = uow.operations.list(instance_id=ns.id, operation=operation)
    op_id = stored[0].id if stored else call(ns.id)
    (directory / f"accepted-{operation}").write_text(op_id)
    settled(catena.store, op_id)


SCENARIOS: dict[str, Callable[[Catena, Path], None]] = {
    f"service:{scenario.__name__}": scenario
    for scenario in (
        make_ready,
        make_small,
        instantiate,
        instantiate_small,
        terminate,
        change_chain,
        scale_out,
        scale_in,
        heal,
        move,
        take_snapshot,
        go_back,
    )
}

"""The lives of a whole server on real switches, namespaces and processes: the sample service changes to and fro.

What is real cannot be copied as a directory can, so a client does not ask for an operation once: it wants a state, and
asks unless that is there or on its way. The same wish serves the life that is killed and the one after it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from mano.adapters.clock import SystemClock
from mano.adapters.dbos_engine import DbosEngine
from mano.adapters.sfc_paths import OvsServicePaths
from mano.adapters.store import Engines, SqlStore
from mano.adapters.vim_local import LocalVim
from mano.bootstrap import Catena, build
from mano.domain.ids import DEFAULT_TENANT, derive_id
from mano.domain.vnf_instance import InstantiationState
from mano.placement import document_from_text
from mano.settings import AuthMode, Settings, Tier
from tests.crash import network_service
from tests.crash.lives import SETTINGS, Life, lead, settled
from tests.crash.network_service import REQUEST, SAMPLES
from tests.crash.points import Points

Wish = Callable[[Catena, Life], None]


def make_server(life: Life, points: Points) -> Catena:
    """A server as the composition root builds it, on this machine's own switches."""
    directory = Path(life.directory)
    vim = LocalVim(directory, lab=life.lab, watcher=points.reach)

    def engine(store: SqlStore) -> DbosEngine:
        points.watch(store.engines)
        return DbosEngine(store, SystemClock(), server_id=life.server_id, settings=replace(SETTINGS))

    settings = Settings(
        data_dir=directory, lab=life.lab, auth=AuthMode.NONE, tier=Tier.ROOT, drain_s=0.02, watches=False
    )
    paths = OvsServicePaths(vim.switch_of, revive=vim.revive)
    return build(settings, vims={"local": vim}, paths=paths, engine=engine)


def live(life: Life) -> None:
    """One life, until its client's wish is true."""
    os.chdir(life.directory)
    made: list[Catena] = []

    def prepare(points: Points) -> Engines:
        made.append(make_server(life, points))
        made[0].start()
        return made[0].store.engines

    lead(life, prepare, lambda: WISHES[life.scenario.partition(":")[2]](made[0], life))


def be_ready(catena: Catena, life: Life) -> None:
    """Four hosts, packages and an NS instance."""
    network_service.make_ready(catena, Path(life.directory))
    inventory = document_from_text((SAMPLES / "inventory" / "gi-lan.yaml").read_text(encoding="utf-8"), "Inventory")
    inventory["hosts"] = [{**inventory["hosts"][2], "name": "h4"}]
    del inventory["links"]
    nfvi: Any = catena.services.nfvi
    nfvi.add_hosts(inventory, "local")


def be_instantiated(catena: Catena, life: Life) -> None:
    lifecycle: Any = catena.services.ns_lifecycle
    want_service(catena, InstantiationState.INSTANTIATED, lambda ns: lifecycle.instantiate(ns, DEFAULT_TENANT, REQUEST))


def be_gone(catena: Catena, life: Life) -> None:
    lifecycle: Any = catena.services.ns_lifecycle
    want_service(catena, InstantiationState.NOT_INSTANTIATED, lambda ns: lifecycle.terminate(ns, DEFAULT_TENANT, {}))


def want_service(catena: Catena, state: InstantiationState, ask: Callable[[str], str]) -> None:
    with catena.store.open_unit(read_only=True) as uow:
        (ns,) = uow.ns_instances.list()
        active = uow.operations.active(ns.id)
    if active is not None:
        settled(catena.store, active.id)
    elif ns.state is not state:
        settled(catena.store, ask(ns.id))


def have_two(catena: Catena, life: Life) -> None:
    want_inspectors(catena, life, 2, "SCALE_OUT")


def have_one(catena: Catena, life: Life) -> None:
    want_inspectors(catena, life, 1, "SCALE_IN")


def want_inspectors(catena: Catena, life: Life, count: int, way: str) -> None:
    """So many VNFCs of the dpi; a change of this turn that was begun is seen to its end."""
    with catena.store.open_unit(read_only=True) as uow:
        dpi = next(vnf for vnf in uow.vnf_instances.list() if vnf.name == "dpi-0")
        begun = uow.operations.find(turn_id(life))
    if begun is not None or len(dpi.vnfcs) != count:
        want_change(catena, life, "SCALE", {"type": way, "aspectId": "load"})


def be_healed(catena: Catena, life: Life) -> None:
    want_change(catena, life, "HEAL", {"cause": "a test"})


def be_elsewhere(catena: Catena, life: Life) -> None:
    want_change(catena, life, "HEAL", {"additionalParams": {"catena": {"action": "move"}}})


def want_change(catena: Catena, life: Life, operation: str, request: dict[str, Any]) -> None:
    """One operation on the dpi for each turn, under an identifier that says which."""
    network_service.change(catena, Path(life.directory), turn_id(life), operation, request)


def turn_id(life: Life) -> str:
    """The identifier of the operation that a turn asks for."""
    return derive_id("turn", str(life.turn))


def be_inspected(catena: Catena, life: Life) -> None:
    want_path(catena, ("firewall-0", "dpi-0", "nat-0"))


def be_direct(catena: Catena, life: Life) -> None:
    want_path(catena, ("firewall-0", "nat-0"))


def want_path(catena: Catena, groups: tuple[str, ...]) -> None:
    """The chain `other` leads through these."""
    chains: Any = catena.services.chains
    with catena.store.open_unit(read_only=True) as uow:
        other = next(chain for chain in uow.chains.list() if chain.name == "other")
        active = uow.operations.active(other.id)
    names = {function["id"]: function["name"] for function in other.spec["functions"]}
    if active is not None:
        settled(catena.store, active.id)
    elif tuple(names[function] for function in other.branches[0].functions) != groups:
        document = chains.patched(other.id, DEFAULT_TENANT, {"path": [{"group": name} for name in groups]})
        settled(catena.store, chains.replace(other.id, DEFAULT_TENANT, document))


WISHES: dict[str, Wish] = {
    wish.__name__: wish
    for wish in (
        be_ready,
        be_instantiated,
        be_gone,
        have_two,
        have_one,
        be_healed,
        be_elsewhere,
        be_inspected,
        be_direct,
    )
}

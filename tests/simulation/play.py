"""One simulation from its seed to its verdict: chaos, then calm, then everything is taken down."""

from __future__ import annotations

import copy
import itertools
import json
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from mano.adapters.store import SqlStore, upgrade
from mano.adapters.vim_simulated.world import Things
from mano.domain.lcm_op_occ import INITIAL, TRANSITIONS, Level, OperationState, initial_state
from tests.crash.network_service import furnish
from tests.crash.small_service import small
from tests.simulation.people import Crowd
from tests.simulation.servers import Land

SERVICES = 2
TURNS_MAX = 100_000
LOOK_EVERY = 25
"""Turns between two looks at what must be true at any time."""


@dataclass(frozen=True)
class Scene:
    """Where a simulation begins: hosts, packages, attachments; nothing is instantiated."""

    directory: Path
    world: Mapping[str, Things]
    vnfd_id: str
    nsd_id: str


@dataclass(frozen=True)
class Outcome:
    """What happened: how many operations there were and how often servers died, and the order of all turns."""

    operations: int
    deaths: int
    states: Mapping[str, int]
    heard: Mapping[str, int]
    history: tuple[str, ...]
    seconds: float


def set_the_scene(directory: Path) -> Scene:
    """Made once; every simulation begins with a copy."""
    land = Land(directory, 0, 1)
    with_tables(land)
    (server,) = land.servers
    server.start()
    run(land)
    assert server.catena is not None
    furnish(server.catena, ("dpi",), {"host": "h2"}, small)
    for number in range(SERVICES):
        server.services.nfvi.add_attachment("local", {"name": f"subscribers-{number}", "host": "h1"})
        server.services.nfvi.add_attachment("local", {"name": f"internet-{number}", "host": "h2"})
    with server.catena.store.open_unit() as uow:
        packages = uow.packages.list()
        for ns in uow.ns_instances.list():
            uow.ns_instances.remove(ns.id)
    by_kind = {package.kind.value: str(package.descriptor_id) for package in packages}
    land.close()
    return Scene(directory, copy.deepcopy(land.vim.things), by_kind["vnf"], by_kind["ns"])


def with_tables(land: Land) -> None:
    """The tables of the database, made as a server makes them at its first start."""
    land.directory.mkdir(parents=True, exist_ok=True)
    upgrade(land.engines(f"sqlite:///{land.directory}/catena.db"))


def run(land: Land, until: Callable[[], bool] = lambda: False, look: Callable[[], None] = lambda: None) -> None:
    """Turn after turn, until nobody has anything to do."""
    for number in range(TURNS_MAX):
        land.hand_out()
        if until() or not land.tasks.turn():
            return
        if number % LOOK_EVERY == 0:
            look()
    last = land.tasks.history[-4:]
    raise AssertionError(f"there is no end to it after {TURNS_MAX} turns; the last: {last}, {land.queue}")


def play(scene: Scene, directory: Path, seed: int, people: int = 10, wishes: int = 6) -> Outcome:
    """Raises AssertionError with the seed, for another run of the same, when anything is not as it must be."""
    shutil.copytree(scene.directory, directory)
    land = Land(directory, seed, servers=1 + seed % 2)
    land.vim.things = copy.deepcopy(dict(scene.world))
    try:
        return _play(scene, land, people, wishes)
    except BaseException as error:
        error.add_note(f"replay with seed {seed}, {people} people with {wishes} wishes; turn {land.tasks.turns}")
        raise
    finally:
        land.close()


def _play(scene: Scene, land: Land, people: int, wishes: int) -> Outcome:
    land.engines(f"sqlite:///{land.directory}/catena.db")
    store = SqlStore(land.engines(""))
    crowd = Crowd(land, store, scene.vnfd_id, scene.nsd_id)
    for server in land.servers:
        server.start()
    run(land, until=lambda: all(server.takes_work for server in land.servers))
    land.vim.is_watched = True
    land.weather.storm()
    for number in range(people):
        look_after = crowd.look_after_service if number < SERVICES else crowd.look_after_vnf
        land.tasks.begin(f"person-{number}", partial(look_after, number, wishes))
    run(land, look=lambda: expect_nothing_twice(store))
    land.weather.calm()
    land.tasks.begin("the last one", lambda: take_down(crowd))
    run(land)
    expect_nothing(land, store)
    states = expect_told_in_order(store)
    return Outcome(
        operations=sum(states.values()),
        deaths=land.deaths,
        states=states,
        heard=crowd.heard,
        history=tuple(land.tasks.history),
        seconds=land.tasks.passed,
    )


def take_down(crowd: Crowd) -> None:
    """End every instance; one that was given up half-way too."""
    with crowd.store.open_unit(read_only=True) as uow:
        services, vnfs = uow.ns_instances.list(), uow.vnf_instances.list()
    for instance_id in [*(ns.id for ns in services), *(vnf.id for vnf in vnfs)]:
        crowd.wait_for_end(instance_id)
    for service in services:
        crowd.end_service(service.id)
    with crowd.store.open_unit(read_only=True) as uow:
        vnfs = uow.vnf_instances.list()
    for vnf in vnfs:
        crowd.end_vnf(vnf.id)


def expect_nothing(land: Land, store: SqlStore) -> None:
    """Nothing is held by anybody, here or there, and nobody is at work."""
    seen = land.vim.observe()
    with store.open_unit(read_only=True) as uow:
        held: dict[str, Any] = {
            "reservations": [one.key for one in uow.reservations.list()],
            "networks": [one.id for one in uow.networks.list()],
            "chains": [one.id for one in uow.chains.list()],
            "vnfs": [one.name for one in uow.vnf_instances.list()],
            "services": [ns.name for ns in uow.ns_instances.list() if ns.plan or ns.state.value == "INSTANTIATED"],
            "numbers": uow.connection.exec_driver_sql("SELECT pool, key FROM numbers WHERE key IS NOT NULL").fetchall(),
            "operations": [(op.operation, op.state.value) for op in uow.operations.list() if not op.ended],
        }
    held |= {"ports": seen.ports, "computes": seen.computes, "VIM's networks": seen.networks}
    held |= {"waiting": land.queue.waiting, "begun": land.queue.begun}
    left = {what: things for what, things in held.items() if things}
    assert not left, left


def expect_nothing_twice(store: SqlStore) -> None:
    """No CPU is promised to two at any time."""
    with store.open_unit(read_only=True) as uow:
        reservations = uow.reservations.list()
    held = Counter((one.host, cpu) for one in reservations for cell in one.allocation["cells"] for cpu in cell["cpus"])
    twice = [place for place, times in held.items() if times > 1]
    assert not twice, (twice, [(one.key, one.host, one.allocation["cells"]) for one in reservations])


def expect_told_in_order(store: SqlStore) -> Counter[str]:
    """Every accepted operation has ended, and its events tell a legal way to that end; how many ended how."""
    told: dict[str, list[OperationState]] = defaultdict(list)
    with store.open_unit(read_only=True) as uow:
        operations = uow.operations.list()
        rows = uow.connection.exec_driver_sql("SELECT document FROM outbox ORDER BY sequence").scalars().all()
    for row in rows:
        event = json.loads(row)
        if event["noun"].endswith("lcm-op-occ") and event["verb"] != "progressed":
            state = OperationState(event["data"]["operationState"])
            if not told[event["subject"]] or told[event["subject"]][-1] is not state:
                told[event["subject"]].append(state)
    for op in operations:
        assert op.ended, (op.operation, op.state)
        expect_legal(op.level, op.operation, told[op.id])
        assert told[op.id][-1] is op.state
    return Counter(f"{op.level.value} {op.operation} {op.state.value}" for op in operations)


def expect_legal(level: Level, operation: str, states: list[OperationState]) -> None:
    """From the first state to the last by moves that the standard has."""
    assert states[0] in (INITIAL[level], initial_state(level, operation)), states
    moves = {(before, after) for (before, _), after in TRANSITIONS[level].items()}
    for move in itertools.pairwise(states):
        assert move in moves, (level, states)

"""A switch that hangs holds up nobody's recovery: operations go on beside what waits for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from mano.adapters.clock import SystemClock
from mano.adapters.sfc_paths_simulated import SimulatedServicePaths
from mano.adapters.store import SqlStore
from mano.adapters.vim_simulated import SimulatedVim
from mano.bootstrap import Catena, build
from mano.bootstrap.aside import Aside, AtOnce
from mano.placement import document_from_text
from mano.settings import AuthMode, Settings, Tier
from sfc.model import FlowTables
from tests.scenarios.main_job.conftest import SAMPLES, InlineEngine

MOMENT_S = 0.02


class HangingPaths(SimulatedServicePaths):
    """Bridges that answer nothing until they are let go on."""

    def __init__(self) -> None:
        super().__init__()
        self.is_asked, self.goes_on = threading.Event(), threading.Event()
        self.goes_on.set()

    def program(self, host: str, tables: FlowTables, *, generation: int | None = None) -> None:
        self.is_asked.set()
        assert self.goes_on.wait(60)
        super().program(host, tables, generation=generation)


class LaunchedEngine(InlineEngine):
    """Knows that it runs operations."""

    is_launched = False

    def launch(self) -> None:
        self.is_launched = True


@pytest.fixture
def paths() -> Iterator[HangingPaths]:
    made = HangingPaths()
    yield made
    made.goes_on.set()


@pytest.fixture
def server(tmp_path: Path, paths: HangingPaths) -> Catena:
    def engine(store: SqlStore) -> LaunchedEngine:
        return LaunchedEngine(store, SystemClock())

    settings = Settings(data_dir=tmp_path, auth=AuthMode.NONE, tier=Tier.SIMULATED, watches=False)
    built = build(settings, vims={"local": SimulatedVim(tmp_path)}, paths=paths, engine=engine)
    text = (SAMPLES / "inventory" / "gi-lan.yaml").read_text(encoding="utf-8")
    assert built.services.nfvi is not None
    built.services.nfvi.add_hosts(document_from_text(text, "Inventory"), "local")
    return built


def test_operations_are_recovered_while_a_switch_hangs(server: Catena, paths: HangingPaths) -> None:
    paths.goes_on.clear()
    paths.is_asked.clear()
    restarted = replace(server, aside=Aside(MOMENT_S), beside=())
    restarted.start()
    engine = restarted.engine
    assert isinstance(engine, LaunchedEngine)
    assert engine.is_launched
    assert paths.is_asked.wait(60)
    assert not restarted.aside.wait(MOMENT_S)
    paths.goes_on.set()
    assert restarted.aside.wait()
    assert not any(paths.drift(restarted.graphs.data_plane().tables))
    assert restarted.stop()


def wait_for(event: threading.Event) -> None:
    assert event.wait(60)


def test_a_stop_waits_for_what_still_goes_on() -> None:
    go_on, aside = threading.Event(), Aside(MOMENT_S)
    aside.do("waiting", partial(wait_for, go_on))
    assert not aside.wait(MOMENT_S)
    go_on.set()
    assert aside.wait()


@pytest.mark.parametrize("aside", [Aside(), AtOnce()])
def test_what_fails_in_time_fails_the_start(aside: Aside) -> None:
    def fail() -> None:
        raise ValueError("the database is broken")

    with pytest.raises(ValueError, match="broken"):
        aside.do("failing", fail)

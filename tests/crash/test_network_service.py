"""The whole server is killed while the sample network service comes and goes on the simulated NFVI.

The points are those of a dry run: each commit of the store and of the workflow library, each effect on the VIM. The
judge reads the database by SQL and the simulated world by its file, and asks no code of the server.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.crash.conftest import Mother, Site
from tests.crash.lives import Life

MakeSite = Callable[[], Site]
TABLES = ("reservations", "networks", "chains", "vnf_instances")


def rows_of(file: Path) -> Callable[[str], list[tuple[Any, ...]]]:
    def rows(query: str) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    return rows


def site_at(mother: Mother, directory: Path) -> Site:
    return Site(mother, directory, f"sqlite:///{directory}/catena.db", rows_of(directory / "catena.db"))


@pytest.fixture(scope="session")
def ready(mother: Mother, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with hosts, packages and an NS instance."""
    directory = tmp_path_factory.mktemp("service") / "ready"
    directory.mkdir()
    site = site_at(mother, directory)
    site.expect_orderly_end(site.live("service:make_ready"))
    return directory


@pytest.fixture(scope="session")
def running(mother: Mother, ready: Path) -> Path:
    """The same with the service instantiated."""
    directory = ready.with_name("running")
    shutil.copytree(ready, directory)
    site = site_at(mother, directory)
    site.expect_orderly_end(site.live("service:instantiate"))
    return directory


@pytest.fixture(scope="session")
def counts(mother: Mother, ready: Path, running: Path) -> dict[str, int]:
    """How many points each scenario has, by a dry run."""
    found = {}
    scenarios = (("service:instantiate", ready), ("service:terminate", running), ("service:change_chain", running))
    for scenario, template in scenarios:
        directory = ready.with_name(scenario.partition(":")[2])
        shutil.copytree(template, directory)
        found[scenario] = len(site_at(mother, directory).points(scenario))
    return found


@pytest.fixture
def copies(mother: Mother, tmp_path: Path) -> Callable[[Path], MakeSite]:
    """Makes sites that begin as copies of a data directory."""

    def of(template: Path) -> MakeSite:
        def make() -> Site:
            directory = tmp_path / str(len(list(tmp_path.iterdir())))
            shutil.copytree(template, directory)
            return site_at(mother, directory)

        return make

    return of


def held(site: Site) -> dict[str, int]:
    """Everything that belongs to a living service, in the database and in the simulated world."""
    counts = {table: site.rows(f"SELECT count(*) FROM {table}")[0][0] for table in TABLES}
    world = json.loads((site.directory / "vim_simulated.json").read_text())
    for kind in ("networks", "ports", "computes"):
        counts[f"vim {kind}"] = len(world.get(kind, {}))
    return {name: count for name, count in counts.items() if count}


WHOLE = {
    "reservations": 3,
    "networks": 3,
    "chains": 2,
    "vnf_instances": 3,
    "vim networks": 3,
    "vim ports": 10,
    "vim computes": 3,
}


def whole(site: Site) -> None:
    assert held(site) == WHOLE
    assert site.rows("SELECT state FROM ns_instances") == [("INSTANTIATED",)]
    assert {state for state in site.states().values()} == {"COMPLETED"}
    assert len(site.states()) == 4


def gone(site: Site) -> None:
    assert held(site) == {}
    assert site.rows("SELECT state FROM ns_instances") == [("NOT_INSTANTIATED",)]
    assert {state for state in site.states().values()} == {"COMPLETED"}


def changed(site: Site) -> None:
    """The chain `other` is its second version, whole, and nothing of the first is held any more."""
    rows = site.rows("SELECT document FROM chains WHERE name = 'other'")
    chain = json.loads(rows[0][0])
    assert (chain["state"], chain["version"], chain["change"]) == ("active", 2, None)
    functions = {function["id"]: function["name"] for function in chain["spec"]["functions"]}
    (branch,) = chain["branches"]
    assert [functions[function] for function in branch["functions"]] == ["firewall-0", "dpi-0", "nat-0"]
    passed = [hop["sfName"] for hop in chain["paths"][0]["hops"]]
    assert passed == ["firewall-0", "dpi-0"]
    numbers = site.rows("SELECT number FROM numbers WHERE pool = 'spi' AND key IS NOT NULL")
    assert len(numbers) == 4
    assert {branch["forward_spi"], branch["reverse_spi"]} <= {number for (number,) in numbers}
    assert held(site) == WHOLE
    assert {state for state in site.states().values()} == {"COMPLETED"}


def kill_at(make: MakeSite, scenario: str, judge: Callable[[Site], None], share: float, count: int) -> None:
    """Kill once, at this share of the way; live again; judge."""
    number = 1 + int(share * (count - 1))
    site = make()
    site.die_and_live_again(scenario, number)
    try:
        assert site.unfinished_workflows() == 0
        judge(site)
    except AssertionError as error:
        error.add_note(f"killed at point {number} of {count} in {scenario}\n{site.log()}")
        raise


@pytest.mark.timeout(300)
@pytest.mark.parametrize("share", [0.35])
def test_instantiating_the_service_survives_a_kill(copies, counts, ready: Path, share: float) -> None:
    kill_at(copies(ready), "service:instantiate", whole, share, counts["service:instantiate"])


@pytest.mark.timeout(300)
@pytest.mark.parametrize("share", [0.8])
def test_terminating_the_service_survives_a_kill(copies, counts, running: Path, share: float) -> None:
    kill_at(copies(running), "service:terminate", gone, share, counts["service:terminate"])


@pytest.mark.timeout(300)
@pytest.mark.parametrize("share", [0.3])
def test_changing_a_chain_survives_a_kill(copies, counts, running: Path, share: float) -> None:
    kill_at(copies(running), "service:change_chain", changed, share, counts["service:change_chain"])


@pytest.mark.deep
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", range(10))
@pytest.mark.parametrize("scenario", ["service:instantiate", "service:terminate", "service:change_chain"])
def test_the_service_survives_a_kill_at_every_point(copies, counts, ready: Path, running: Path, scenario, part) -> None:
    """The VNFs are made side by side: the points are the same, their order is not."""
    template = ready if scenario == "service:instantiate" else running
    judge = {"service:instantiate": whole, "service:terminate": gone, "service:change_chain": changed}[scenario]
    make = copies(template)
    count = counts[scenario]
    failures = []
    for number in range(1 + part, count - 4, 10):
        site = make()
        try:
            site.die_and_live_again(scenario, number)
            assert site.unfinished_workflows() == 0
            judge(site)
        except AssertionError as error:
            failures.append(f"point {number} of {count}: {error}\n{site.log()}")
        shutil.rmtree(site.directory)
    assert failures == []


def test_a_life_is_described_in_one_line() -> None:
    life = Life("d", "u", "s", ("a",), 3)
    assert Life.from_line(life.to_line()) == life

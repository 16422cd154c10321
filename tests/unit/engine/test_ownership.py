"""One server on SQLite; on PostgreSQL several, each fenced by its lease."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from mano.adapters.dbos_engine.ownership import FileOwnership, LeaseOwnership
from mano.adapters.store import Engines, SqlStore, make_engines, upgrade
from mano.domain.lcm_op_occ import OperationState
from mano.errors import Conflict, Unreachable
from tests.fakes.clock import FakeClock
from tests.fakes.world import Build, new_instance, whole
from tests.unit.engine.plant import Plant, wait_until
from tests.unit.engine.test_dbos_engine import Gate, op

SHORT, LONG = 0.4, 60.0


@pytest.fixture
def engines(postgresql_url: str) -> Iterator[Engines]:
    made = make_engines(postgresql_url)
    upgrade(made)
    yield made
    made.dispose()


class TestFile:
    def test_the_lock_file_tells_who_has_it(self, tmp_path: Path) -> None:
        import os

        right = FileOwnership(tmp_path / "catena.db.lock")
        right.take()
        right.take()
        assert (tmp_path / "catena.db.lock").read_text() == f"{os.getpid()}\n"
        assert right.keep()
        assert right.dead({"other"}) == set()
        right.release()
        assert not right.keep()

    def test_a_stale_file_is_no_obstacle(self, tmp_path: Path) -> None:
        (tmp_path / "catena.db.lock").write_text("1\n")
        right = FileOwnership(tmp_path / "catena.db.lock")
        right.take()
        assert right.keep()
        right.release()


@pytest.mark.postgresql
class TestLease:
    def test_two_servers_have_two_names(self, engines: Engines) -> None:
        one = LeaseOwnership(engines, "one")
        two = LeaseOwnership(engines, "two")
        again = LeaseOwnership(engines, "one", patience_s=0.1)
        one.take()
        two.take()
        with pytest.raises(Conflict, match="'one'"):
            again.take()
        one.release()
        again.take()
        assert two.keep()
        assert again.keep()
        for right in (two, again):
            right.release()

    def test_a_restarted_server_takes_its_name_as_soon_as_its_old_session_is_gone(self, engines: Engines) -> None:
        dead = LeaseOwnership(engines, "one")
        dead.take()
        threading.Timer(0.3, dead._close_session).start()
        restarted = LeaseOwnership(engines, "one", patience_s=10)
        restarted.take()
        assert not dead.keep()
        assert restarted.keep()
        restarted.release()

    def test_who_lost_its_lease_cannot_commit(self, engines: Engines) -> None:
        store = SqlStore(engines)
        right = LeaseOwnership(engines, "one", lease_s=LONG)
        right.take()
        store.guard = right.check
        with store.open_unit() as uow:
            uow.ns_instances.add(new_instance("kept", FakeClock()))
        with engines.units.begin() as connection:
            connection.execute(sa.text("UPDATE leases SET owner = 'somebody else', token = token + 1"))
        with pytest.raises(Unreachable, match="lease"), store.open_unit() as uow:
            uow.ns_instances.add(new_instance("lost", FakeClock()))
        assert not right.keep()
        with store.open_unit(read_only=True) as uow:
            assert [one.id for one in uow.ns_instances.list()] == ["kept"]
        right.release()

    def test_an_expired_lease_forbids_commits_even_if_nobody_took_it(self, engines: Engines) -> None:
        store = SqlStore(engines)
        right = LeaseOwnership(engines, "one", lease_s=0.05)
        right.take()
        store.guard = right.check
        time.sleep(0.2)
        with pytest.raises(Unreachable), store.open_unit() as uow:
            uow.ns_instances.add(new_instance("lost", FakeClock()))
        assert not right.keep()
        right.release()

    def test_taking_over_waits_for_a_commit_that_was_allowed_before(self, engines: Engines) -> None:
        """The fence closes: after dead() has returned, nothing of the old owner can appear."""
        right = LeaseOwnership(engines, "one", lease_s=SHORT)
        right.take()
        order: list[str] = []
        with engines.units.connect() as connection:
            right.check(connection)
            sweeper = LeaseOwnership(engines, "two")

            def sweep() -> None:
                assert sweeper.dead({"one"}) == {"one"}
                order.append("swept")

            time.sleep(SHORT + 0.2)
            thread = threading.Thread(target=sweep)
            thread.start()
            time.sleep(0.3)
            order.append("commit")
            connection.commit()
            thread.join()
        assert order == ["commit", "swept"]
        with engines.units.connect() as connection, pytest.raises(Unreachable):
            right.check(connection)
        right.release()

    def test_the_living_are_not_dead(self, engines: Engines) -> None:
        one, two = LeaseOwnership(engines, "one"), LeaseOwnership(engines, "two", lease_s=0.05)
        one.take()
        two.take()
        time.sleep(0.2)
        assert one.dead({"one", "two", "three"}) == {"two", "three"}
        assert one.keep()
        one.release()
        two.release()

    def test_a_database_that_is_away_for_a_moment_is_no_loss(self, engines: Engines, monkeypatch) -> None:
        right = LeaseOwnership(engines, "one", lease_s=SHORT)
        right.take()

        def away(*_: object) -> None:
            raise sa.exc.OperationalError("SELECT 1", {}, Exception("gone"))

        with monkeypatch.context() as patch:
            patch.setattr("mano.adapters.dbos_engine.ownership.SqlLeases", away)
            assert right.keep()
            time.sleep(SHORT + 0.1)
            assert not right.keep()
        right.release()


@pytest.mark.postgresql
class TestSeveralServers:
    @pytest.fixture
    def plant(self, engines: Engines, tmp_path: Path) -> Iterator[Plant]:
        from mano.adapters.clock import SystemClock
        from tests.unit.engine.conftest import SETTINGS

        made = Plant(SqlStore(engines), SystemClock(), tmp_path / "world", SETTINGS)
        yield made
        made.stop()

    def test_the_operations_of_a_dead_server_are_taken_over(self, plant: Plant, engines: Engines) -> None:
        """The dead one is played by ours under another name: stopped in the middle, its lease left to expire."""
        gate = Gate()
        plant.launch(gate, server_id="first", settings=replace(plant.settings, drain_s=0.1))
        plant.start(op(plant))
        gate.entered.wait(30)
        first = plant.engine
        assert first is not None
        assert plant.stop() is False
        gate.open.set()
        wait_until(first.stop)
        assert plant.read("op").state is OperationState.PROCESSING
        plant.launch(gate, server_id="second")
        assert plant.settled("op").state is OperationState.COMPLETED
        assert gate.runs == ["wait", "after"]

    def test_a_server_that_lost_its_lease_leaves(self, plant: Plant, engines: Engines) -> None:
        plant.launch(lambda plant: Build(plant.world, plant.store.open_unit), server_id="first")
        with engines.units.begin() as connection:
            connection.execute(sa.text("UPDATE leases SET expires_at = 0"))
        wait_until(lambda: plant.lost == ["first"])

    def test_work_goes_on_under_the_fence(self, plant: Plant) -> None:
        plant.launch(lambda plant: Build(plant.world, plant.store.open_unit), server_id="first")
        plant.start(op(plant))
        assert plant.settled("op").state is OperationState.COMPLETED
        assert plant.world.things() == whole("instance-op", "x", "y")

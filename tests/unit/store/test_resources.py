"""Resources come back as they went in, and nobody overwrites what he has not read."""

from __future__ import annotations

import math
import threading
from dataclasses import replace

import pytest

from mano.adapters.store import SqlStore
from mano.domain.alarm import clear
from mano.domain.catalogue import OnboardingState
from mano.domain.ns_instance import NsInstance
from mano.errors import AlreadyExists, InvalidInput, NotFound, StaleGeneration, Unreachable
from tests.unit.store.samples import NOW, OTHER, PACKAGE, TENANT, VALUES, ns_instance

kinds = pytest.mark.parametrize(("repository", "value"), VALUES, ids=[name for name, _ in VALUES])


@kinds
def test_a_value_comes_back_equal(store: SqlStore, repository, value) -> None:
    with store.open_unit() as uow:
        getattr(uow, repository).add(value)
    with store.open_unit(read_only=True) as uow:
        assert getattr(uow, repository).get(value.id, TENANT) == value


@kinds
def test_another_tenant_finds_nothing(store: SqlStore, repository, value) -> None:
    with store.open_unit() as uow:
        getattr(uow, repository).add(value)
    with store.open_unit(read_only=True) as uow:
        found = getattr(uow, repository)
        assert found.find(value.id, OTHER) is None
        assert found.list(OTHER) == []
        with pytest.raises(NotFound):
            found.get(value.id, OTHER)
        assert [one.id for one in found.list()] == [value.id]


@kinds
def test_a_second_one_of_the_same_identifier_is_refused_and_the_transaction_goes_on(
    store: SqlStore, repository, value
) -> None:
    with store.open_unit() as uow:
        found = getattr(uow, repository)
        found.add(value)
        with pytest.raises(AlreadyExists):
            found.add(value)
        assert found.get(value.id) == value


@kinds
def test_removing_is_repeatable(store: SqlStore, repository, value) -> None:
    with store.open_unit() as uow:
        found = getattr(uow, repository)
        found.add(value)
        found.remove(value.id)
        found.remove(value.id)
        assert found.find(value.id) is None


def test_saving_advances_the_generation_and_a_stale_one_is_refused(store: SqlStore) -> None:
    with store.open_unit() as uow:
        uow.ns_instances.add(ns_instance())
    with store.open_unit() as uow:
        read = uow.ns_instances.get("ns-1")
        saved = uow.ns_instances.save(replace(read, name="renamed"))
        assert saved.generation == read.generation + 1
    with pytest.raises(StaleGeneration), store.open_unit() as uow:
        uow.ns_instances.save(replace(read, name="lost"))
    with store.open_unit(read_only=True) as uow:
        assert uow.ns_instances.get("ns-1") == saved


def test_saving_what_is_gone_or_anothers_is_not_found(store: SqlStore) -> None:
    with pytest.raises(NotFound), store.open_unit() as uow:
        uow.ns_instances.save(ns_instance())
    with store.open_unit() as uow:
        uow.ns_instances.add(ns_instance())
    with pytest.raises(NotFound), store.open_unit() as uow:
        uow.ns_instances.save(ns_instance(tenant=OTHER))


def test_an_exception_leaves_nothing_and_calls_nobody(store: SqlStore) -> None:
    called = []
    with pytest.raises(ZeroDivisionError), store.open_unit() as uow:
        uow.ns_instances.add(ns_instance())
        uow.after_commit(lambda: called.append(1))
        raise ZeroDivisionError
    with store.open_unit(read_only=True) as uow:
        assert uow.ns_instances.list() == []
    assert called == []


def test_calls_after_the_commit_see_it_and_one_that_fails_stops_no_other(store: SqlStore) -> None:
    seen: list[int] = []

    def look() -> None:
        with store.open_unit(read_only=True) as uow:
            seen.append(len(uow.ns_instances.list()))

    with store.open_unit() as uow:
        uow.ns_instances.add(ns_instance())
        uow.after_commit(lambda: seen.append(1 // 0))
        uow.after_commit(look)
    assert seen == [1]


def test_a_read_only_unit_sees_one_moment_and_cannot_write(store: SqlStore) -> None:
    with store.open_unit() as uow:
        uow.ns_instances.add(ns_instance())
    with store.open_unit(read_only=True) as view:
        assert len(view.ns_instances.list()) == 1
        with store.open_unit() as uow:
            uow.ns_instances.add(ns_instance("ns-2"))
        assert len(view.ns_instances.list()) == 1
    with pytest.raises(RuntimeError, match="cannot write"), store.open_unit(read_only=True) as view:
        view.ns_instances.add(ns_instance("ns-3"))
    with store.open_unit(read_only=True) as view:
        assert [one.id for one in view.ns_instances.list()] == ["ns-1", "ns-2"]


def test_lists_page_in_order_of_identifiers_and_filter_by_columns(store: SqlStore) -> None:
    with store.open_unit() as uow:
        for number in (5, 1, 4, 2, 3):
            uow.ns_instances.add(ns_instance(f"ns-{number}", name="odd" if number % 2 else "even"))
    with store.open_unit(read_only=True) as uow:
        listed = uow.ns_instances

        def ids(*args: object, **more: object) -> list[str]:
            return [one.id for one in listed.list(*args, **more)]  # type: ignore[arg-type]

        assert ids(limit=2) == ["ns-1", "ns-2"]
        assert ids(after="ns-2", limit=2) == ["ns-3", "ns-4"]
        assert ids(TENANT, name="odd") == ["ns-1", "ns-3", "ns-5"]
        assert ids(name="odd", after="ns-1", limit=1) == ["ns-3"]
        with pytest.raises(KeyError):
            ids(plan={})


def test_identifiers_are_ordered_by_octets_on_every_database(store: SqlStore) -> None:
    names = ["A", "B", "a", "b", "ä", "-", "0", "_"]
    with store.open_unit() as uow:
        for name in names:
            uow.ns_instances.add(ns_instance(name))
    with store.open_unit(read_only=True) as uow:
        assert [one.id for one in uow.ns_instances.list()] == sorted(names, key=str.encode)


@pytest.mark.parametrize("bad", [math.nan, math.inf, "\ud800", object(), {1j: 2}])
def test_what_json_cannot_hold_is_refused_before_it_is_stored(store: SqlStore, bad) -> None:
    with pytest.raises(InvalidInput), store.open_unit() as uow:
        uow.ns_instances.add(replace(ns_instance(), plan={"value": bad}))
    with store.open_unit(read_only=True) as uow:
        assert uow.ns_instances.list() == []


def test_odd_but_valid_text_survives(store: SqlStore) -> None:
    plan = {"nul": "a\0b", "quotes": "'\"\\;--", "long": "x" * 100_000, "big": 2**80, "deep": [[[[[1.5]]]]]}
    with store.open_unit() as uow:
        uow.ns_instances.add(replace(ns_instance(), name="'; DROP TABLE ns_instances; --", plan=plan))
    with store.open_unit(read_only=True) as uow:
        (found,) = uow.ns_instances.list(name="'; DROP TABLE ns_instances; --")
        assert found.plan == plan


def test_a_nul_in_a_looked_up_name_is_refused(store: SqlStore) -> None:
    with pytest.raises(InvalidInput, match="NUL"), store.open_unit() as uow:
        uow.ns_instances.add(ns_instance(name="a\0b"))
    with pytest.raises(InvalidInput), store.open_unit(read_only=True) as uow:
        uow.ns_instances.find("\0")


def test_a_descriptor_is_onboarded_once_for_each_tenant(store: SqlStore) -> None:
    waiting = replace(PACKAGE, id="package-2", onboarding_state=OnboardingState.PROCESSING)
    with store.open_unit() as uow:
        uow.packages.add(PACKAGE)
        uow.packages.add(waiting)
        uow.packages.add(replace(PACKAGE, id="package-3", tenant_id=OTHER))
    with pytest.raises(AlreadyExists), store.open_unit() as uow:
        uow.packages.save(replace(waiting, onboarding_state=OnboardingState.ONBOARDED))


def test_an_alarm_stands_once_for_each_cause(store: SqlStore) -> None:
    alarm = dict(VALUES)["alarms"]
    with store.open_unit() as uow:
        uow.alarms.add(alarm)
        with pytest.raises(AlreadyExists):
            uow.alarms.add(replace(alarm, id="alarm-2"))
        uow.alarms.save(clear(alarm, now=NOW))
        uow.alarms.add(replace(alarm, id="alarm-2"))
        assert [one.id for one in uow.alarms.list(cleared_at=None)] == ["alarm-2"]


def test_a_document_of_an_older_release_gets_the_new_fields_defaults(store: SqlStore) -> None:
    import sqlalchemy as sa

    with store.open_unit() as uow:
        uow.ns_instances.add(ns_instance())
    with store.engines.units.begin() as connection:
        document = connection.execute(sa.text("SELECT document FROM ns_instances")).scalar_one()
        older = document.replace(',"flavour_id":""', "")
        assert older != document
        connection.execute(sa.text("UPDATE ns_instances SET document = :document"), {"document": older})
    with store.open_unit(read_only=True) as uow:
        assert uow.ns_instances.get("ns-1").flavour_id == ""


def test_writers_at_the_same_time_lose_no_update(store: SqlStore) -> None:
    with store.open_unit() as uow:
        uow.ns_instances.add(ns_instance())
    collisions = []

    def count(times: int) -> None:
        while times:
            try:
                with store.open_unit() as uow:
                    read: NsInstance = uow.ns_instances.get("ns-1")
                    uow.ns_instances.save(replace(read, plan={"count": read.plan.get("count", 0) + 1}))
                times -= 1
            except StaleGeneration:
                collisions.append(1)

    threads = [threading.Thread(target=count, args=(20,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.open_unit(read_only=True) as uow:
        assert uow.ns_instances.get("ns-1").plan == {"count": 80}
    if store.engines.is_sqlite:
        assert collisions == []


def test_a_unit_inside_a_unit_of_the_same_thread_is_told_apart_from_a_slow_writer(store: SqlStore) -> None:
    if not store.engines.is_sqlite:
        return
    with pytest.raises(RuntimeError, match="open already"), store.open_unit(), store.open_unit():
        pass
    with store.open_unit() as uow:
        uow.ns_instances.add(ns_instance())


def test_a_writer_waits_for_another_one_so_long_and_no_longer(store: SqlStore, monkeypatch) -> None:
    if not store.engines.is_sqlite:
        return
    monkeypatch.setattr("mano.adapters.store.unit_of_work.BUSY_TIMEOUT_MS", 50)
    answers: list[str] = []

    def second() -> None:
        try:
            with store.open_unit():
                answers.append("in")
        except Unreachable as error:
            answers.append(error.detail)

    with store.open_unit():
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    assert answers == ["another unit of work has kept the database busy"]
    second()
    assert answers[-1] == "in"

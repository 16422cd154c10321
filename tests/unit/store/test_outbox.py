"""Events in commit order, without a gap that would be filled later."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from mano.adapters.store import SqlStore
from mano.errors import InvalidInput
from tests.unit.store.samples import NOW, OTHER, TENANT, event


def append(store: SqlStore, *ids: str, tenant: str = TENANT) -> None:
    with store.open_unit() as uow:
        for id in ids:
            uow.outbox.append(event(id, tenant))


def test_events_come_back_with_growing_numbers(store: SqlStore) -> None:
    append(store, "a", "b")
    append(store, "c")
    with store.open_unit(read_only=True) as uow:
        events = uow.outbox.after(0)
        assert [one.id for one in events] == ["a", "b", "c"]
        assert [one.sequence for one in events] == sorted({one.sequence for one in events})
        assert uow.outbox.bounds() == (events[0].sequence, events[-1].sequence)
        assert [one.id for one in uow.outbox.after(events[0].sequence)] == ["b", "c"]
        assert [one.id for one in uow.outbox.after(0, limit=2)] == ["a", "b"]
        assert events[0].data == {"name": "gi-lan"}


def test_an_empty_outbox_has_no_bounds(store: SqlStore) -> None:
    with store.open_unit(read_only=True) as uow:
        assert uow.outbox.bounds() == (0, 0)
        assert uow.outbox.after(0) == []


def test_a_tenant_sees_its_own_events(store: SqlStore) -> None:
    append(store, "a")
    append(store, "b", tenant=OTHER)
    with store.open_unit(read_only=True) as uow:
        assert [one.id for one in uow.outbox.after(0, tenant_id=OTHER)] == ["b"]


def test_a_rollback_leaves_no_event(store: SqlStore) -> None:
    with pytest.raises(ZeroDivisionError), store.open_unit() as uow:
        uow.outbox.append(event("a"))
        raise ZeroDivisionError
    with store.open_unit(read_only=True) as uow:
        assert uow.outbox.after(0) == []


def test_an_event_that_cannot_be_stored_is_refused_where_it_is_appended(store: SqlStore) -> None:
    from dataclasses import replace

    with pytest.raises(InvalidInput), store.open_unit() as uow:
        uow.outbox.append(replace(event("a"), data={"load": float("nan")}))


def test_a_transaction_that_began_earlier_and_commits_later_is_numbered_later(store: SqlStore) -> None:
    """The order that a sequence alone would break on PostgreSQL; on SQLite the second writer waits."""
    inside = threading.Event()
    go_on = threading.Event()

    def early() -> None:
        with store.open_unit() as uow:
            uow.outbox.append(event("began first"))
            inside.set()
            go_on.wait(0.5 if store.engines.is_sqlite else 20)

    thread = threading.Thread(target=early)
    thread.start()
    inside.wait(20)
    append(store, "began second")
    go_on.set()
    thread.join()
    with store.open_unit(read_only=True) as uow:
        ids = [one.id for one in uow.outbox.after(0)]
    committed = ["began first", "began second"] if store.engines.is_sqlite else ["began second", "began first"]
    assert ids == committed


def test_a_reader_that_follows_many_writers_misses_nothing(store: SqlStore) -> None:
    writers, each = 6, 15

    def write(writer: int) -> None:
        for number in range(each):
            append(store, f"{writer}-{number}-a", f"{writer}-{number}-b")

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(writers)]
    for thread in threads:
        thread.start()
    seen: list[str] = []
    last = 0
    while True:
        alive = any(thread.is_alive() for thread in threads)
        with store.open_unit(read_only=True) as uow:
            new = uow.outbox.after(last, limit=7)
        seen += [one.id for one in new]
        last = new[-1].sequence if new else last
        if not new and not alive:
            break
    assert len(seen) == len(set(seen)) == writers * each * 2


def test_pruning_keeps_the_newest_and_the_numbers_go_on(store: SqlStore) -> None:
    append(store, "a", "b", "c")
    with store.open_unit(read_only=True) as uow:
        _, newest = uow.outbox.bounds()
    with store.open_unit() as uow:
        assert uow.outbox.prune(NOW) == 0
        assert uow.outbox.prune(NOW + timedelta(days=1)) == 2
    append(store, "d")
    with store.open_unit(read_only=True) as uow:
        assert uow.outbox.bounds() == (newest, newest + 1)


def test_a_commit_with_events_wakes_the_readers_of_this_process(store: SqlStore) -> None:
    woken: list[int] = []

    def look() -> None:
        with store.open_unit(read_only=True) as uow:
            woken.append(len(uow.outbox.after(0)))

    unsubscribe = store.signal.subscribe(look)
    with store.open_unit() as uow:
        uow.leases.take("nothing to tell", "me", 1)
    assert woken == []
    append(store, "a", "b")
    assert woken == [2]
    unsubscribe()
    append(store, "c")
    assert woken == [2]


def test_a_reader_that_cannot_be_woken_makes_no_commit_fail(store: SqlStore) -> None:
    woken: list[int] = []
    store.signal.subscribe(lambda: woken.append(1 // 0))
    store.signal.subscribe(lambda: woken.append(1))
    append(store, "a")
    assert woken == [1]


def test_waiting_for_a_commit_ends_with_it_or_with_the_time(store: SqlStore) -> None:
    assert store.signal.wait(0.01) is False
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(store.signal.wait(20)))
    thread.start()
    while not answers:
        append(store, "again")
        thread.join(0.01)
    assert answers == [True]

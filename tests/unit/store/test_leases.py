"""A lease has one owner, and its token grows with every change of hands."""

from __future__ import annotations

import threading
import time

from mano.adapters.store import SqlStore

LONG, SHORT = 60.0, 0.05


def test_a_lease_is_taken_by_one(store: SqlStore) -> None:
    with store.open_unit() as uow:
        mine = uow.leases.take("switch:h1", "a", LONG)
        assert mine is not None
        assert mine.token == 1
        assert uow.leases.take("switch:h1", "b", LONG) is None


def test_taking_again_renews_it_with_the_same_token(store: SqlStore) -> None:
    with store.open_unit() as uow:
        first = uow.leases.take("switch:h1", "a", LONG)
        second = uow.leases.take("switch:h1", "a", LONG * 2)
    assert first is not None
    assert second is not None
    assert (second.token, second.expires_at > first.expires_at) == (first.token, True)


def test_an_expired_lease_changes_hands_with_a_greater_token_and_cannot_be_kept(store: SqlStore) -> None:
    with store.open_unit() as uow:
        old = uow.leases.take("switch:h1", "a", SHORT)
    time.sleep(SHORT * 2)
    with store.open_unit() as uow:
        new = uow.leases.take("switch:h1", "b", LONG)
        assert old is not None
        assert new is not None
        assert new.token == old.token + 1
        assert not uow.leases.keep(old, LONG)
        assert uow.leases.keep(new, LONG)


def test_an_expired_lease_is_lost_even_if_nobody_took_it(store: SqlStore) -> None:
    with store.open_unit() as uow:
        lease = uow.leases.take("switch:h1", "a", SHORT)
    time.sleep(SHORT * 2)
    with store.open_unit() as uow:
        assert lease is not None
        assert not uow.leases.keep(lease, LONG)
        again = uow.leases.take("switch:h1", "a", LONG)
        assert again is not None
        assert again.token == lease.token + 1


def test_force_takes_a_living_lease(store: SqlStore) -> None:
    with store.open_unit() as uow:
        old = uow.leases.take("server:1", "before the restart", LONG)
        new = uow.leases.take("server:1", "after the restart", LONG, force=True)
        assert old is not None
        assert new is not None
        assert new.token == old.token + 1
        assert not uow.leases.keep(old, LONG)


def test_a_released_lease_is_free_and_its_token_still_grows(store: SqlStore) -> None:
    with store.open_unit() as uow:
        old = uow.leases.take("switch:h1", "a", LONG)
        assert old is not None
        uow.leases.release(old)
        new = uow.leases.take("switch:h1", "b", LONG)
        assert new is not None
        assert new.token == old.token + 1
        uow.leases.release(old)
        assert uow.leases.keep(new, LONG)


def test_of_many_that_take_at_once_one_gets_it(store: SqlStore) -> None:
    got: list[str] = []
    barrier = threading.Barrier(6)

    def take(owner: str) -> None:
        barrier.wait()
        with store.open_unit() as uow:
            if uow.leases.take("switch:h1", owner, LONG) is not None:
                got.append(owner)

    threads = [threading.Thread(target=take, args=(f"owner-{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 1

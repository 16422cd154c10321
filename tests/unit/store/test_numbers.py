"""Numbers are unique in their pool and rest before they are used again."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mano.adapters.store import Engines, SqlStore, make_engines, upgrade
from mano.errors import Refused, StaleGeneration


def test_the_smallest_free_number_is_given_and_the_same_key_keeps_it(store: SqlStore) -> None:
    with store.open_unit() as uow:
        assert [uow.numbers.allocate("spi", key, 16, 30) for key in ("a", "b", "a", "c")] == [16, 17, 16, 18]
        assert uow.numbers.allocate("vni", "a", 1, 9) == 1


def test_a_released_number_rests_for_the_quarantine(engines: Engines) -> None:
    store = SqlStore(engines, quarantine_s=0.2)
    with store.open_unit() as uow:
        uow.numbers.allocate("spi", "a", 1, 3)
        uow.numbers.allocate("spi", "b", 1, 3)
        uow.numbers.release("spi", "a")
        uow.numbers.release("spi", "a")
        assert uow.numbers.allocate("spi", "a", 1, 3) == 3
        with pytest.raises(Refused) as refusal:
            uow.numbers.allocate("spi", "c", 1, 3)
        assert refusal.value.facts["pool"] == "spi"
    time.sleep(0.3)
    with store.open_unit() as uow:
        assert uow.numbers.allocate("spi", "c", 1, 3) == 1


def test_a_range_is_respected_where_the_pool_has_numbers_outside_it(store: SqlStore) -> None:
    with store.open_unit() as uow:
        assert uow.numbers.allocate("spi", "a", 100, 100) == 100
        assert uow.numbers.allocate("spi", "b", 1, 100) == 1
        assert uow.numbers.allocate("spi", "c", 100, 102) == 101
        with pytest.raises(Refused):
            uow.numbers.allocate("spi", "d", 100, 101)


def test_a_rollback_gives_the_number_back_at_once(store: SqlStore) -> None:
    with pytest.raises(ZeroDivisionError), store.open_unit() as uow:
        uow.numbers.allocate("spi", "a", 1, 9)
        raise ZeroDivisionError
    with store.open_unit() as uow:
        assert uow.numbers.allocate("spi", "b", 1, 9) == 1


def test_many_at_once_get_different_numbers(store: SqlStore) -> None:
    got: list[int] = []

    def take(worker: int) -> None:
        for number in range(10):
            while True:
                try:
                    with store.open_unit() as uow:
                        one = uow.numbers.allocate("spi", f"{worker}-{number}", 1, 60)
                    break
                except StaleGeneration:
                    continue
            got.append(one)

    threads = [threading.Thread(target=take, args=(worker,)) for worker in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == list(range(1, 61))


@given(st.lists(st.tuples(st.booleans(), st.sampled_from("abcdefgh")), max_size=40))
@settings(max_examples=30)
def test_any_sequence_of_takes_and_releases_agrees_with_a_simple_model(tmp_path_factory, moves) -> None:
    engines = make_engines(f"sqlite:///{tmp_path_factory.mktemp('numbers')}/catena.db")
    upgrade(engines)
    store = SqlStore(engines, quarantine_s=3600)
    held: dict[str, int] = {}
    used: set[int] = set()
    with store.open_unit() as uow:
        for is_take, key in moves:
            if not is_take:
                uow.numbers.release("p", key)
                held.pop(key, None)
                continue
            expected = held.get(key, min(set(range(5, 50)) - used))
            assert uow.numbers.allocate("p", key, 5, 49) == expected
            held[key] = expected
            used.add(expected)
    store.close()

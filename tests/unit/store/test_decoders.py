"""Documents are decoded by many threads at once, from the first one on."""

from __future__ import annotations

import threading
from dataclasses import field, make_dataclass
from typing import Any

from mano.adapters.store.codec import decode, encode


def _read_at_once(text: str, kind: type[Any]) -> list[Any]:
    gate = threading.Barrier(4)
    found: list[Any] = []

    def read() -> None:
        gate.wait(10)
        found.append(decode(text, kind))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_threads_that_meet_at_a_new_type_all_get_its_values() -> None:
    for number in range(40):
        inner = make_dataclass(f"Inner{number}", [(f"f{i}", int, field(default=i)) for i in range(20)])
        outer = make_dataclass(f"Outer{number}", [("inner", inner), ("others", dict[str, inner])])  # type: ignore[valid-type]
        value = outer(inner(), {"x": inner()})
        assert _read_at_once(encode(value), outer) == [value] * 4

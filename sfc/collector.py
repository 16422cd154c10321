"""Python's cyclic garbage collector, held back while very many values are made at once."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused() -> Iterator[None]:
    """No collection meanwhile: it would look through all flows again and again, and there are no cycles in them.

    Two thirds of the time of rendering a thousand chains would go into it. Threads that overlap end their pause with
    the first of them. What the process has frozen stays so.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()

"""A server is killed in the middle of an operation and started again while a switch hangs: it goes on at once."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.dataplane.test_every_point import WAYS, Ground, ground, whole_run
from tests.plugins.labs import processes_naming

__all__ = ["ground"]

pytestmark = [pytest.mark.dataplane, pytest.mark.deep, pytest.mark.timeout(900)]

RECOVERED_S = 5.0
"""How long after its start a server may take to go on with what was begun."""


@contextmanager
def stopped(ground: Ground, host: str, program: str) -> Iterator[None]:
    """One host's database or switch stands still."""
    pattern = re.compile(rf"^(\d+): \S*{program} .*/{host}/")
    found = [int(match[1]) for line in processes_naming(ground.lab) if (match := pattern.match(line))]
    assert found, processes_naming(ground.lab)
    for process in found:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in found:
            os.kill(process, signal.SIGCONT)


@pytest.mark.parametrize("program", ["ovs-vswitchd", "ovsdb-server"])
def test_a_hanging_switch_holds_up_no_recovery(ground: Ground, program: str) -> None:
    """The host that hangs has no part in the operation."""
    wish = WAYS["heal"][1]
    count, picture = whole_run(ground, "heal")
    turn = next(ground.turns)
    assert os.WIFSIGNALED(ground.live(wish, turn, kill_at=count // 2))
    begun_by = ground.rows("SELECT owner_xid FROM workflow_status WHERE status = 'PENDING'")
    assert begun_by
    ended: list[int] = []
    with stopped(ground, "h4", program):
        began = time.monotonic()
        life = threading.Thread(target=lambda: ended.append(ground.live(wish, turn)))
        life.start()
        while ground.rows("SELECT owner_xid FROM workflow_status WHERE status = 'PENDING'") == begun_by:
            assert life.is_alive()
            time.sleep(0.02)
        taken = time.monotonic() - began
    life.join()
    ground.expect_order(ended[0])
    ground.expect_legal()
    assert ground.picture() == picture
    assert taken <= RECOVERED_S

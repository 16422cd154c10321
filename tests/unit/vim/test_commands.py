"""Programs that the local VIM runs end with the server that runs them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mano.adapters.vim_local.commands import CommandFailed, run
from tests.plugins.labs import processes_naming

SERVERS = {
    "the local VIM": "from mano.adapters.vim_local.commands import run; run(['sleep', '{time}'], deadline_s=60)",
    "a switch": (
        "from pathlib import Path; from sfc.ovs.location import SwitchLocation; "
        "SwitchLocation('h1', Path('/nowhere')).run('sleep', '{time}', timeout=60)"
    ),
}


@pytest.mark.parametrize("who", SERVERS)
def test_what_a_killed_server_had_begun_ends_with_it(who: str) -> None:
    """Otherwise it would act while the next server mends what there is."""
    seconds = f"5{os.getpid()}.25"
    server = subprocess.Popen(
        [sys.executable, "-c", SERVERS[who].format(time=seconds)],
        cwd=Path(__file__).parents[3],
    )
    name = f"sleep {seconds}"
    try:
        _wait(lambda: bool(_programs(name)))
    finally:
        server.send_signal(signal.SIGKILL)
        server.wait(10)
    _wait(lambda: not _programs(name))


def _programs(name: str) -> list[str]:
    return [line for line in processes_naming(name) if "-c " not in line]


def _wait(ready) -> None:
    deadline = time.monotonic() + 60
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_program_that_refuses_is_quoted_without_what_ties_it() -> None:
    with pytest.raises(CommandFailed, match=r"^cat /nowhere/at/all: \S*cat: /nowhere/at/all: No such file"):
        run(["cat", "/nowhere/at/all"])

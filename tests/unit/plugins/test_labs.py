"""The look for what a lab left on the machine."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.plugins.labs import remains_of


def test_a_lab_id_is_short_and_nothing_has_its_name_yet(lab_id: str) -> None:
    assert len(lab_id) == 7
    assert remains_of(lab_id) == []


def test_a_process_of_the_lab_is_found(lab_id: str) -> None:
    # two commands: a shell that has only one left to run may become it, and its own command line goes
    process = subprocess.Popen(["sh", "-c", f"sleep 60; : cat-{lab_id}-h1"], start_new_session=True)
    try:
        while Path(f"/proc/{process.pid}/cmdline").read_bytes() == b"":  # for a moment, while the shell is loaded
            time.sleep(0.01)
        assert [line for line in remains_of(lab_id) if line.startswith(f"process {process.pid}:")]
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.dataplane
def test_a_namespace_of_the_lab_is_found(lab_id: str) -> None:
    name = f"cat-{lab_id}-h1"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        assert remains_of(lab_id) == [f"network namespace {name}", *remains_of(lab_id)[1:]]
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)

"""``mano demo`` as a user meets it: whole runs, kept ones, killed ones, interrupted ones, two at a time."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import random
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mano.cli.demo import look, remains
from tests.architecture.tree import ROOT

pytestmark = [pytest.mark.dataplane, pytest.mark.timeout(240)]

LINE_DEADLINE_S = 90.0
ESCAPE = "\x1b"
SUMMARY = re.compile(r"tier root: (\d+) of \1 checks held")


class Run:
    """A running ``mano demo``; what it prints is collected as it comes, from a pipe or from a terminal."""

    def __init__(self, *arguments: str, terminal: bool = False, **environment: str) -> None:
        self.text = ""
        self._grown = threading.Condition()
        source, sink = pty.openpty() if terminal else os.pipe()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mano.cli", "demo", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            cwd=ROOT,
            env={**os.environ, "TERM": "xterm", "NO_COLOR": "", **environment},
            start_new_session=True,
        )
        os.close(sink)
        self._reader = threading.Thread(target=self._read, args=(source,))
        self._reader.start()

    def await_text(self, text: str) -> None:
        deadline = time.monotonic() + LINE_DEADLINE_S
        with self._grown:
            while text not in self.text:
                assert self._reader.is_alive() or text in self.text, f"no {text!r} in:\n{self.text}"
                assert time.monotonic() < deadline, f"no {text!r} in time:\n{self.text}"
                self._grown.wait(0.5)

    def end(self, number: int | None = None) -> int:
        """Send a signal to its process group, if any, and wait for the end; the exit status."""
        if number is not None:
            os.killpg(self.process.pid, number)
        try:
            status = self.process.wait(LINE_DEADLINE_S)
        finally:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            self.process.wait()
            self._reader.join()
        return status

    def _read(self, source: int) -> None:
        with os.fdopen(source, "rb", buffering=0) as file:
            while True:
                try:
                    piece = file.read(65536)
                except OSError:  # a terminal whose other end is closed
                    piece = b""
                with self._grown:
                    self.text += (piece or b"").decode(errors="replace")
                    self._grown.notify_all()
                if not piece:
                    return


@pytest.fixture
def lab(lab_id: str) -> Iterator[str]:
    yield lab_id
    remains.remove_remains(remains.working_directory(lab_id), lab_id)


def everything_left(lab: str) -> list[str]:
    """What there still is of a demo: processes, namespaces, files."""
    directory = remains.working_directory(lab)
    files = [str(path) for path in directory.parent.glob(f"{directory.name}*")]
    return [*look.remains(lab), *files, *remains.processes_of(directory).values()]


def get(url: str, token: str, body: Any = None) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=20) as answer:
            text = answer.read()
            return answer.status, json.loads(text) if text.startswith((b"{", b"[")) else text
    except urllib.error.HTTPError as error:
        with error:
            return error.code, None


def test_a_run_on_a_terminal_moves_and_leaves_nothing(lab: str) -> None:
    run = Run("--lab", lab, terminal=True)
    assert run.end() == 0, run.text
    assert f"{ESCAPE}[32m✓" in run.text
    assert "⠙ start mano serve" in run.text
    assert re.search(r"instantiate the network service · (sap|vnfs|forwarding-graphs|network)", run.text), run.text
    assert SUMMARY.search(run.text), run.text
    assert everything_left(lab) == []


@pytest.mark.deep
def test_the_full_run_changes_a_chain_loses_a_function_and_leaves_nothing(lab: str) -> None:
    run = Run("--lab", lab, "--full")
    assert run.end() == 0, run.text
    assert SUMMARY.search(run.text), run.text
    assert "dpi comes into the chain `other` under traffic: 2000 datagrams/s each way" in run.text
    assert re.search(r"firewall-b carries on after \d+ ms; alarm CRITICAL", run.text), run.text
    assert run.text.count("end of the path: NSH off") == 4
    assert everything_left(lab) == []


def test_a_kept_run_lives_on_until_it_is_cleaned_up(lab: str) -> None:
    run = Run("--lab", lab, "--keep", "--hosts", "5")
    assert run.end() == 0, run.text
    assert SUMMARY.search(run.text), run.text
    assert ESCAPE not in run.text
    assert "\r" not in run.text
    assert "bring up 5 NFVI hosts" in run.text
    assert re.search(r"not on h\d \(", run.text), run.text

    found = re.search(r"dashboard: (http://127\.0\.0\.1:\d+)/ui/#token=(\S+)", run.text)
    assert found, run.text
    url, token = found.groups()
    status, topology = get(f"{url}/mano/v1/topology", token)
    assert status == 200
    assert len(topology["hosts"]) == 5
    assert get(f"{url}/mano/v1/hosts", token, {"hosts": []})[0] == 403
    _assert_counters_live(url, token, topology)

    again = Run("--lab", lab)
    assert again.end() == 1
    assert f"its server at {url}" in again.text
    assert f"mano demo --cleanup --lab {lab}" in again.text

    cleaning = Run("--lab", lab, "--cleanup")
    assert cleaning.end() == 0, cleaning.text
    assert "mano.cli.demo.subscriber" in cleaning.text
    assert f"removed network namespace cat-{lab}-h5" in cleaning.text
    assert everything_left(lab) == []
    nothing = Run("--lab", lab, "--cleanup")
    assert nothing.end() == 0
    assert nothing.text == "nothing was left\n"


def _assert_counters_live(url: str, token: str, topology: dict[str, Any]) -> None:
    """Both chains count more packets in both directions, with nobody but the subscriber asking."""

    def counts() -> list[int]:
        documents = [get(f"{url}/mano/v1/chains/{chain['id']}/statistics", token)[1] for chain in topology["chains"]]
        return [path["endPackets"] for document in documents for path in document["paths"]]

    before = counts()
    assert len(before) == 4
    deadline = time.monotonic() + 20.0
    while not all(now > then for now, then in zip(counts(), before, strict=True)):
        assert time.monotonic() < deadline, (before, counts())
        time.sleep(0.5)


MOMENTS = (
    ("build the VNF packages", 2.0),
    ("start mano serve", 1.0),
    ("onboard three VNF packages", 1.5),
    ("HTTP is answered", 3.0),
)
"""What the killed run has just finished, and how many seconds at most it goes on from there."""


def test_killed_runs_are_removed_by_the_next_one_and_by_cleanup(lab: str) -> None:
    chance = random.Random(20)
    for number, (text, longest) in enumerate(MOMENTS):
        run = Run("--lab", lab)
        run.await_text(text)
        if number == 1:
            _assert_second_is_refused(lab, run)
        time.sleep(chance.uniform(0, longest))
        run.end(signal.SIGKILL)
        assert ("an earlier run was ended before its time" in run.text) == (number > 0), run.text
    assert everything_left(lab) != []
    cleaning = Run("--lab", lab, "--cleanup")
    assert cleaning.end() == 0, cleaning.text
    assert "removed " in cleaning.text
    assert everything_left(lab) == []


def _assert_second_is_refused(lab: str, first: Run) -> None:
    for arguments in (("--lab", lab), ("--lab", lab, "--cleanup")):
        second = Run(*arguments)
        assert second.end() == 1
        assert f"another demo is running, process {first.process.pid}: wait until it ends" in second.text


@pytest.mark.parametrize(
    ("text", "longest", "number"), [("start mano", 1.5, signal.SIGINT), ("HTTP", 2.0, signal.SIGHUP)]
)
def test_an_interrupted_run_removes_everything(lab: str, text: str, longest: float, number: int) -> None:
    run = Run("--lab", lab, terminal=True)
    run.await_text(f"✓{ESCAPE}[0m {text}")
    time.sleep(random.Random(text).uniform(0, longest))
    os.killpg(run.process.pid, number)
    run.end(signal.SIGINT)  # impatient users press it twice
    assert run.process.returncode == 130, run.text
    assert "interrupted; everything was removed" in run.text
    assert everything_left(lab) == []


def test_a_file_in_the_way_is_named_and_left_alone(lab: str) -> None:
    directory = remains.working_directory(lab)
    directory.write_text("not the demo's")
    try:
        run = Run("--lab", lab)
        assert run.end() == 1
        assert f"{directory} is not a directory of this user" in run.text
        assert directory.read_text() == "not the demo's"
    finally:
        directory.unlink()


def test_a_full_disk_ends_the_run_with_the_reason(lab: str) -> None:
    """Files may not grow beyond 64 KiB: the server's database does not fit."""
    script = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536)); "
    script += "from mano.cli import main; sys.argv = ['mano', *sys.argv[1:]]; main()"
    done = subprocess.run(
        [sys.executable, "-c", script, "demo", "--lab", lab],
        capture_output=True,
        text=True,
        timeout=LINE_DEADLINE_S,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "FAILED the demo reaches its end: the server ended" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert everything_left(lab) == []


def test_the_tier_root_needs_root(tmp_path: Path, lab: str) -> None:
    """As somebody who may read the files, but is nobody."""
    nobody = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    nobody += ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    tmp_path.chmod(0o777)
    command = [*nobody, sys.executable, "-m", "mano.cli", "demo", "--lab", lab, "--tier", "root"]
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT, env=environment, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "tier root is not possible: this user is not root (sudo)" in done.stderr
    assert list(tmp_path.iterdir()) == []

"""tosca-parser's process: what it may not do, and what happens when it does not answer."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.unit.vnf_descriptors.descriptor_support import VNFD, changed, check_text, codes
from vnf_descriptors.tosca import opinion, worker

GOOD = {"tosca_definitions_version": "tosca_simple_yaml_1_3", "topology_template": {"node_templates": {}}}


def ask(job: list[dict[str, Any]]) -> Any:
    pool = opinion._WorkerPool()
    try:
        return pool.ask(job)
    finally:
        pool.close()


def test_the_parser_answers_for_each_template() -> None:
    unknown = {**GOOD, "topology_template": {"node_templates": {"a": {"type": "no.such.Type"}}}}
    first, second = ask([GOOD, unknown])
    assert first == []
    assert second and "no.such.Type" in str(second)


@pytest.mark.parametrize("where", ["http://127.0.0.1:9/types.yaml", "/etc/passwd", "../secret.yaml"])
def test_the_parser_fetches_nothing_even_if_asked(where: str) -> None:
    (answer,) = ask([{**GOOD, "imports": [where]}])
    assert answer != []


def test_a_cycle_that_hangs_the_parser_is_ended() -> None:
    cycle = {"a": {"derived_from": "b"}, "b": {"derived_from": "a"}}
    hanging = {**GOOD, "node_types": cycle, "topology_template": {"node_templates": {"n": {"type": "a"}}}}
    answer = ask([hanging])
    assert isinstance(answer, str) or isinstance(answer[0], str)


def test_a_worker_that_died_is_replaced() -> None:
    pool = opinion._WorkerPool()
    try:
        assert pool.ask([GOOD]) == [[]]
        assert pool._process is not None
        pool._process.kill()
        pool._process.wait()
        assert pool.ask([GOOD]) == [[]]
    finally:
        pool.close()


def test_many_threads_share_one_worker() -> None:
    pool = opinion._WorkerPool()
    answers: list[Any] = []
    threads = [threading.Thread(target=lambda: answers.append(pool.ask([GOOD]))) for _ in range(8)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert answers == [[[]]] * 8
    finally:
        pool.close()


@pytest.mark.parametrize(
    "attempt",
    [
        "import socket; socket.socket()",
        "import subprocess; subprocess.run(['true'])",
        "import os; os.system('true')",
        "import os; os.fork()",
        "open('/tmp/catena-must-not-exist', 'w')",
        "open('/etc/passwd')",
        "bytearray(1024 * 1024 * 1024)",
    ],
)
def test_the_fence_holds(attempt: str) -> None:
    code = f"from vnf_descriptors.tosca import worker as w\nw._load_parser()\nw._fence()\n{attempt}\n"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert run.returncode != 0 and ("PermissionError" in run.stderr or "MemoryError" in run.stderr), run.stderr
    assert not Path("/tmp/catena-must-not-exist").exists()


def test_the_worker_ends_with_its_input() -> None:
    run = subprocess.run([sys.executable, "-m", "vnf_descriptors.tosca.worker"], input=b"", timeout=60)
    assert run.returncode == 0


def test_messages_survive_the_pipe_and_lies_about_length_do_not(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    with path.open("wb") as stream:
        worker.write_message(stream, [{"a": [1, None, "x"]}])
        stream.write(b"\xff\xff\xff\xff")
    with path.open("rb") as stream:
        assert worker.read_message(stream) == [{"a": [1, None, "x"]}]
        with pytest.raises(ValueError, match="too long"):
            worker.read_message(stream)


def test_a_property_whose_definition_is_empty(tmp_path: Path) -> None:
    text = changed('vnfm_info: {type: list, entry_schema: {type: string}, default: ["etsivnfm:v3.7.1"]}', "vnfm_info:")
    assert "TOSCA023" not in codes(check_text(tmp_path, text))


def test_a_parser_that_gives_up_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opinion._POOL, "ask", lambda job: "it ran out of time or memory")
    report = check_text(tmp_path, VNFD)
    assert report.ok and codes(report) == {"TOSCA023"}


def test_what_the_parser_says_stands_at_the_node_it_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opinion._POOL, "ask", lambda job: [['"worker" is odd', "wrong number of occurrences"]])
    (entry,) = check_text(tmp_path, VNFD).findings
    assert (entry.code, entry.line) == ("TOSCA022", VNFD[: VNFD.index("    worker:")].count("\n") + 1)

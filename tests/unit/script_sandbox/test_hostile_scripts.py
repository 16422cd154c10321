"""Scripts that want out: each does its worst in a real sandbox, and this machine is as it was."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mano.adapters.script_sandbox import ScriptSandbox
from mano.adapters.script_sandbox.groups import ScriptGroups
from mano.errors import InvalidInput, SandboxUnavailable
from mano.ports.scripts import ScriptLanguage, ScriptLimits, ScriptOutcome, ScriptRun
from tests.plugins.tiers import skip_for_want_of

Attack = Callable[..., ScriptOutcome]


def _run(
    directory: Path, text: str, language: ScriptLanguage, document: dict[str, Any], **limits: Any
) -> ScriptOutcome:
    path = directory / "script"
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return ScriptSandbox((directory,)).run(
        ScriptRun(
            name="attack",
            language=language,
            path="Scripts/attack",
            files={"Scripts/attack": str(path)},
            document=document,
            environment={"CATENA_OPERATION": "instantiate_start"},
            limits=ScriptLimits(**({"deadline_s": 20.0} | limits)),
        )
    )


@pytest.fixture(scope="module")
def possible(tmp_path_factory: pytest.TempPathFactory) -> None:
    """This machine gives a sandbox."""
    try:
        _run(tmp_path_factory.mktemp("probe"), "exit 0", ScriptLanguage.SHELL, {})
    except SandboxUnavailable as error:
        skip_for_want_of(f"sandbox: {error}")


@pytest.fixture
def shell(possible: None, tmp_path: Path) -> Attack:
    return lambda text, **limits: _run(tmp_path, text, ScriptLanguage.SHELL, {}, **limits)


@pytest.fixture
def python(possible: None, tmp_path: Path) -> Attack:
    return lambda text, document=None, **limits: _run(tmp_path, text, ScriptLanguage.PYTHON, document or {}, **limits)


def _left() -> list[str]:
    """Processes of the users that scripts are."""
    listed = subprocess.run(["ps", "-eo", "uid=,pid=,args="], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if int(line.split()[0]) >= 0x60000000]


def test_a_script_reads_its_input_and_writes_into_its_own_directory(python: Attack) -> None:
    told = python(
        """
        import json, os, pathlib, sys
        document = json.load(sys.stdin)
        assert document == json.loads(pathlib.Path(os.environ["CATENA_INPUT"]).read_text())
        pathlib.Path("kept").write_text(document["greeting"])
        print(pathlib.Path("kept").read_text(), os.environ["CATENA_OPERATION"])
        """,
        {"greeting": "hello"},
    )
    assert told.succeeded, told
    assert told.output == "hello instantiate_start\n"


def test_the_status_and_the_output_of_a_failure_are_told(shell: Attack) -> None:
    told = shell("printf 'no licence\\033[2J left\\n' >&2; exit 7")
    assert (told.status, told.output) == (7, "no licence\ufffd[2J left\n")
    assert not told.succeeded


CONFINED = """
import ctypes, json, os, socket, sys

libc = ctypes.CDLL(None, use_errno=True)
found = {}

def attempt(name, action):
    try:
        result = action()
    except Exception as error:
        found[name] = type(error).__name__
    else:
        found[name] = "done" if result is None else str(result)

def call(number, *arguments):
    ctypes.set_errno(0)
    if libc.syscall(number, *arguments) == -1:
        raise OSError(ctypes.get_errno(), "refused")

target = json.load(sys.stdin)
for place in ("/x", "/usr/x", "/etc/x", "/package/x", "/proc/x", "/dev/x"):
    attempt("write " + place, lambda: open(place, "w").close())
attempt("read data", lambda: open(target["secret"]).read())
attempt("read data by process 1", lambda: open("/proc/1/root" + target["secret"]).read())
attempt("environment of process 1", lambda: open("/proc/1/environ").read())
attempt("memory of process 1", lambda: open("/proc/1/mem", "rb").read(1))
attempt("kernel settings", lambda: open("/proc/sys/kernel/hostname").read())
attempt("command line of the machine", lambda: open("/proc/cmdline").read())
attempt("disk", lambda: os.mknod("/scratch/disk", 0o60600, os.makedev(8, 0)))
attempt("mount", lambda: call(165, b"none", b"/scratch", b"tmpfs", 0, None))
attempt("chroot", lambda: os.chroot("/scratch"))
attempt("ptrace", lambda: call(101, 16, 1, None, None))
attempt("unshare", lambda: call(272, 0x10000000))
attempt("keys", lambda: call(250, 0, -3, 0))
attempt("bpf", lambda: call(321, 0, None, 0))
attempt("io_uring", lambda: call(425, 1, None))
attempt("memfd", lambda: os.memfd_create("x"))
attempt("own namespaces", lambda: call(56, 0x10000000 | 17, None, None, None, None))
attempt("new namespaces by clone3", lambda: call(435, None, 0))
attempt("root", lambda: os.setuid(0))
attempt("another user", lambda: os.setuid(65534))
attempt("nicer", lambda: os.nice(-20))
attempt("clock", lambda: call(227, 0, ctypes.byref((ctypes.c_long * 2)(0, 0))))
attempt("kill the sender", lambda: os.kill(target["pid"], 9))
attempt("kill all", lambda: os.kill(1, 9))
attempt("netlink", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0))
attempt("packets", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0))
attempt("vsock", lambda: socket.socket(40, socket.SOCK_STREAM, 0))
attempt("server", lambda: socket.create_connection(("127.0.0.1", target["port"]), 1))
attempt("outside", lambda: socket.create_connection(("192.0.2.1", 80), 1))
attempt("local socket", lambda: socket.socket(socket.AF_UNIX).connect("\\0" + target["abstract"]))
attempt("processes", lambda: [name for name in os.listdir("/proc") if name.isdigit()])
attempt("descriptors", lambda: sorted(os.listdir("/proc/self/fd"))[:-1])
attempt("environment", lambda: sorted(os.environ))


def own_program():
    with open("/scratch/program", "w") as file:
        file.write("#!/bin/sh")
    os.chmod("/scratch/program", 0o755)
    os.execv("/scratch/program", ["x"])

attempt("own programs", own_program)
print(json.dumps(found))
"""

ALLOWED = {
    "processes": "['2']",
    "descriptors": "['0', '1', '2']",
    "environment": "['CATENA_INPUT', 'CATENA_OPERATION', 'HOME', 'LANG', 'PATH', 'TMPDIR']",
    # The signal goes to process 1 of its own namespace, which the kernel protects from it.
    "kill all": "done",
}


def test_nothing_outside_is_in_reach(python: Attack, tmp_path: Path) -> None:
    secret = tmp_path / "credentials.json"
    secret.write_text("secret", encoding="utf-8")
    os.environ["CATENA_TEST_SECRET"] = "secret"
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as local:
        name = f"cat-{os.getpid()}"
        local.bind("\0" + name)
        local.listen()
        target = {
            "secret": str(secret),
            "port": server.getsockname()[1],
            "pid": os.getpid(),
            "abstract": name,
        }
        told = python(CONFINED, target)
    assert told.succeeded, told
    found: dict[str, str] = json.loads(told.output)
    assert {name: value for name, value in found.items() if value not in REFUSALS} == ALLOWED


REFUSALS = {
    "OSError",
    "PermissionError",
    "FileNotFoundError",
    "ProcessLookupError",
    "ConnectionRefusedError",
    "TimeoutError",
}


def test_a_fork_bomb_ends_at_its_deadline_and_leaves_nothing(shell: Attack) -> None:
    told = shell("bomb() { bomb | bomb & }; bomb; while :; do sleep 1; done", deadline_s=1.0, processes=24)
    assert not told.succeeded
    assert _left() == []


GREEDY = """
    import os, sys, time
    for _ in range(6):
        if os.fork() == 0:
            held = bytearray(b"x") * (40 << 20)
            time.sleep(30)
            os._exit(0)
    sys.exit(os.wait()[1] != 0)
    """


def test_memory_is_bounded_for_one_process(python: Attack) -> None:
    told = python("bytearray(512 << 20)", memory_mib=64)
    assert told.status == 1
    assert "MemoryError" in told.output


@pytest.mark.parametrize("mounts", ["/proc/self/mounts", "/dev/null"], ids=["with groups", "without"])
def test_memory_is_bounded_for_all_processes_together(possible: None, tmp_path: Path, mounts: str) -> None:
    path = tmp_path / "script"
    path.write_text(textwrap.dedent(GREEDY), encoding="utf-8")
    limits = ScriptLimits(memory_mib=128, deadline_s=10.0)
    script = ScriptRun("greedy", ScriptLanguage.PYTHON, "s", {"s": str(path)}, limits=limits)
    told = ScriptSandbox(groups=ScriptGroups(Path(mounts))).run(script)
    assert not told.succeeded
    assert told.ended_for == "memory", told
    assert _left() == []


def test_files_are_bounded(shell: Attack) -> None:
    told = shell(
        """
        head -c 9000000 /dev/zero > one; echo $?
        head -c 3000000 /dev/zero > a && head -c 3000000 /dev/zero > b; echo $?
        """,
        file_mib=4,
        work_mib=5,
    )
    one, both = told.output.split()[0], told.output.split()[-1]
    assert (one != "0", both != "0") == (True, True), told


def test_endless_output_ends_it_and_only_its_ends_are_kept(shell: Attack) -> None:
    told = shell("echo first; yes", output_kib=4)
    assert told.ended_for == "output"
    assert told.output.startswith("first\ny\n")
    assert "octets left out" in told.output
    assert len(told.output) < 6000


def test_who_ignores_signals_or_goes_into_the_background_ends_too(shell: Attack) -> None:
    begun = time.monotonic()
    told = shell("trap '' TERM INT HUP; (setsid sleep 60 &) ; while :; do sleep 60; done", deadline_s=0.7)
    assert told.ended_for == "deadline"
    assert time.monotonic() - begun < 15
    assert _left() == []
    left = shell("(setsid sleep 60 >/dev/null 2>&1 &) ; (trap '' TERM; sleep 60) & exit 0")
    assert left.succeeded
    assert _left() == []


def test_scripts_run_side_by_side(shell: Attack, tmp_path: Path) -> None:
    found: list[ScriptOutcome] = []

    def one(number: int) -> None:
        (tmp_path / str(number)).mkdir()
        found.append(_run(tmp_path / str(number), f"echo {number}", ScriptLanguage.SHELL, {}))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(each.output for each in found) == ["0\n", "1\n", "2\n"]


def test_a_script_dies_with_its_server(possible: None, tmp_path: Path) -> None:
    script, probe = tmp_path / "script", tmp_path / "server.py"
    script.write_text("sleep 60", encoding="utf-8")
    probe.write_text(
        textwrap.dedent(
            f"""
            from mano.adapters.script_sandbox import ScriptSandbox
            from mano.ports.scripts import ScriptLanguage, ScriptRun
            ScriptSandbox().run(ScriptRun("s", ScriptLanguage.SHELL, "s", {{"s": {str(script)!r}}}))
            """
        ),
        encoding="utf-8",
    )
    server = subprocess.Popen([sys.executable, str(probe)], cwd=Path(__file__).parents[3])
    try:
        _wait(lambda: any("sleep 60" in line for line in _left()) or server.poll() is not None)
        assert server.poll() is None
    finally:
        server.send_signal(signal.SIGKILL)
        server.wait()
    _wait(lambda: not _left())
    groups = ScriptGroups()
    groups.sweep()
    assert not [place for place in groups.directories() if place.name.startswith(f"{server.pid}.")]


def _wait(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_without_a_sandbox_nothing_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = tmp_path / "ran"
    monkeypatch.setattr("mano.adapters.script_sandbox.sandbox.ARCHITECTURES", {})
    with pytest.raises(SandboxUnavailable, match="x86_64"):
        _run(tmp_path, f"touch {ran}", ScriptLanguage.SHELL, {})
    assert not ran.exists()


def test_a_kernel_that_refuses_ends_it_before_the_script_begins(
    possible: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mano.adapters.script_sandbox.sandbox.ScriptSandbox._plan", _without_groups)
    with pytest.raises(SandboxUnavailable, match="cannot be kept apart"):
        _run(tmp_path, "echo ran", ScriptLanguage.SHELL, {})


def _without_groups(sandbox: ScriptSandbox, script: ScriptRun, group: Any) -> Any:
    from mano.adapters.script_sandbox.plan import Plan

    return Plan(["/bin/sh"], dict(script.files), "{}", {}, None, ["/proc/no/such/group"], "", {}, 1 << 20, "x86_64")


def test_what_lies_among_the_programs_cannot_be_hidden(possible: None, tmp_path: Path) -> None:
    with pytest.raises(SandboxUnavailable, match="data directory"):
        ScriptSandbox((Path("/usr/lib/catena"),)).run(ScriptRun("s", ScriptLanguage.SHELL, "s", {"s": __file__}))


def test_input_and_files_are_bounded(possible: None, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="KiB"):
        _run(tmp_path, "exit 0", ScriptLanguage.SHELL, {"x": "y" * (2 << 20)})
    big = tmp_path / "big"
    big.write_bytes(bytes(9 << 20))
    with pytest.raises(InvalidInput, match="MiB"):
        ScriptSandbox().run(ScriptRun("s", ScriptLanguage.SHELL, "s", {"s": str(big)}))

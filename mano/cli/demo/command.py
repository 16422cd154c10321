"""The command ``mano demo``."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from mano.cli.demo.errors import DemoProblem
from mano.cli.demo.stage import Stage
from mano.cli.demo.story import LAB, Options, run

FAVOURITE_PORT = 9890


@click.command()
@click.option("--hosts", type=click.IntRange(3, 16), default=3, show_default=True, help="NFVI hosts of the lab.")
@click.option("--keep", is_flag=True, help="Leave everything running and print the dashboard's address.")
@click.option("--cleanup", is_flag=True, help="Remove what an earlier run left, and end.")
@click.option("--tier", type=click.Choice(["root", "simulated"]), help="Default: the best that this machine can do.")
def demo(hosts: int, keep: bool, cleanup: bool, tier: str | None) -> None:
    """Show the main job: packages, placement, an NSH chain, real packets, every hop proven."""
    from mano.bootstrap import best_tier

    chosen = tier or best_tier().value
    directory = working_directory()
    try:
        with only_one(directory):
            if cleanup:
                say_removed(remove_remains(directory))
                return
            remove_remains(directory)
            directory.mkdir(mode=0o700, exist_ok=True)
            signal.signal(signal.SIGTERM, _interrupt)
            stage = Stage(chosen)
            held = run(Options(directory, chosen, f"127.0.0.1:{free_port()}", hosts, keep), stage)
            if not keep or not held:
                shutil.rmtree(directory, ignore_errors=True)
    except DemoProblem as problem:
        click.echo(f"error: {problem}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        click.echo("interrupted; everything was removed", err=True)
        sys.exit(130)
    sys.exit(0 if held else 1)


def _interrupt(_number: int, _frame: object) -> None:
    """SIGTERM ends the demo as Ctrl-C does: with everything removed."""
    raise KeyboardInterrupt


def working_directory() -> Path:
    """One place for each user, so that ``--cleanup`` finds it."""
    if os.geteuid() == 0:
        return Path("/run/catena-demo")
    return Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()) / f"catena-demo-{os.getuid()}"


@contextmanager
def only_one(directory: Path) -> Iterator[None]:
    """Hold the lock of the demo, or say who holds it."""
    path = directory.with_name(directory.name + ".lock")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 20).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise DemoProblem(f"another demo is running (process {holder}): wait until it ends, or stop it") from None
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def remove_remains(directory: Path) -> list[str]:
    """End a server and remove a lab that an earlier run left; says what was removed."""
    removed = end_processes_of(directory)
    if os.geteuid() == 0 and directory.exists():
        from mano.bootstrap import lab_view

        removed += lab_view(LAB, directory).clean_up()
    if directory.exists():
        shutil.rmtree(directory)
        removed.append(f"directory {directory}")
    return removed


def end_processes_of(directory: Path) -> list[str]:
    """Kill the processes that name the demo's directory on their command line: its server and its internet."""
    ended = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"mano.cli" in words or b"mano.cli.demo.internet" in words:
            mine = any(word.decode(errors="replace").startswith(str(directory)) for word in words)
            if mine:
                os.kill(int(entry.name), signal.SIGKILL)
                ended.append(f"process {entry.name}")
    return ended


def free_port() -> int:
    """The default port when it is free, else any."""
    for port in (FAVOURITE_PORT, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise DemoProblem("no port of 127.0.0.1 is free")


def say_removed(removed: list[str]) -> None:
    """What ``--cleanup`` did."""
    for line in removed:
        click.echo(f"removed {line}")
    if not removed:
        click.echo("nothing was left")

"""The command ``mano demo``."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import click

from mano.cli.demo import remains
from mano.cli.demo.errors import DemoProblem
from mano.cli.demo.options import DEFAULT_LAB, Options
from mano.cli.demo.stage import Stage
from mano.cli.demo.story import run
from mano.cli.exits import printable

FAVOURITE_PORT = 9890
INTERRUPTED = 130
INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
CAPTURE_PROGRAMS = ("tcpdump", "tshark")


class LabName(click.ParamType[str]):
    """The name of a lab."""

    name = "name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name; what is wrong with it otherwise."""
        text = str(value)
        if not (text.isascii() and text.isalnum() and text == text.lower() and len(text) <= 8):
            self.fail(f"{text[:40]!r} is not 1 to 8 lower-case letters and digits", param, ctx)
        return text


@click.command()
@click.option("--hosts", type=click.IntRange(3, 16), default=3, show_default=True, help="NFVI hosts of the lab.")
@click.option("--full", is_flag=True, help="Also change a chain under traffic, let a function die, trace the hops.")
@click.option("--keep", is_flag=True, help="Leave everything running and print the dashboard's address.")
@click.option("--cleanup", is_flag=True, help="Remove what an earlier run left or kept, and end.")
@click.option("--tier", type=click.Choice(["root", "simulated"]), help="Default: the best that this machine can do.")
@click.option("--lab", type=LabName(), default=DEFAULT_LAB, show_default=True, help="Tells runs side by side apart.")
def demo(hosts: int, full: bool, keep: bool, cleanup: bool, tier: str | None, lab: str) -> None:
    """Show the main job: packages, placement, an NSH chain, real packets, every hop proven."""
    directory = remains.working_directory(lab)
    for number in INTERRUPTS:
        signal.signal(number, _interrupt)
    for stream in (sys.stdout, sys.stderr):
        _never_fail_on_letters(stream)
    try:
        with remains.only_one(directory):
            if cleanup:
                _say_removed(remains.remove_remains(directory, lab))
                return
            held = _demo(directory, hosts, keep, tier, lab, full)
    except DemoProblem as problem:
        click.echo(f"Error: {printable(str(problem))}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        with contextlib.suppress(OSError):  # a closed terminal hears nothing
            click.echo("\ninterrupted; everything was removed", err=True)
        sys.exit(INTERRUPTED)
    sys.exit(0 if held else 1)


def _demo(directory: Path, hosts: int, keep: bool, tier: str | None, lab: str, full: bool = False) -> bool:
    """One run from an empty place to an empty place, unless it is kept; True when every check held."""
    chosen, why_not_real = choose_tier(tier)
    _refuse_kept(directory, lab)
    is_kept = False
    try:
        earlier = remains.remove_remains(directory, lab)
        if earlier:
            click.echo(f"an earlier run was ended before its time: removed what it left ({len(earlier)} things)")
        if why_not_real:
            click.echo(f"tier simulated, since {why_not_real}")
        remains.make_directory(directory)
        options = Options(directory, chosen, f"127.0.0.1:{FAVOURITE_PORT}", lab, hosts, keep, full)
        held = run(options, Stage(chosen))
        is_kept = keep and held
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise DemoProblem("nobody reads the output any more; everything was removed") from None
    finally:
        if not is_kept:
            with uninterrupted():
                remains.remove_remains(directory, lab)
    return held


def choose_tier(wanted: str | None) -> tuple[str, str]:
    """(the tier, why it is not ``root`` although nobody asked for less); refuses one that this machine cannot do."""
    if wanted == "simulated":
        return wanted, ""
    missing = missing_for_packets()
    if not missing:
        return "root", ""
    if wanted == "root":
        raise DemoProblem(
            f"tier root is not possible: {missing}; mano doctor tells more, and --tier simulated needs none of it"
        )
    return "simulated", missing


def missing_for_packets() -> str:
    """What this machine lacks for the tier ``root``, and what to do about it; empty when nothing is missing."""
    from shutil import which

    from mano.cli.doctor import SWITCH_PROGRAMS

    lacks = [program for program in (*SWITCH_PROGRAMS, *CAPTURE_PROGRAMS) if which(program) is None]
    told = ["this user is not root (sudo)"] if os.geteuid() != 0 else []
    told += [f"{', '.join(lacks)} not installed (make demo installs them as root)"] if lacks else []
    return "; ".join(told)


def _refuse_kept(directory: Path, lab: str) -> None:
    note = remains.kept(directory)
    if note is not None:
        raise DemoProblem(
            f"a demo was kept and goes on, with its server at {note['url']}: end it with "
            f"{remains.cleanup_command(lab)}, or give this one a lab of its own (--lab NAME)"
        )


def _interrupt(_number: int, _frame: object) -> None:
    """The first of these signals ends the demo with everything removed; impatience changes nothing any more."""
    for number in INTERRUPTS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """What is removed is removed to the end, however often somebody presses Ctrl-C."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in INTERRUPTS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _never_fail_on_letters(stream: TextIO) -> None:
    """A terminal without UTF-8 shows question marks."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")


def _say_removed(removed: list[str]) -> None:
    for line in removed:
        click.echo(f"removed {printable(line)}")
    if not removed:
        click.echo("nothing was left")

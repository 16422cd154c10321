"""System programs, run with a deadline, without a shell and without the caller's environment."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence

from mano.errors import CatenaError, DeadlineExceeded

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class CommandFailed(CatenaError):
    """A system program refused."""

    code = "COMMAND_FAILED"


def run(arguments: Sequence[str], *, deadline_s: float = 10.0, text: str | None = None) -> str:
    """What the program printed. ``text`` is its input.

    Raises :class:`CommandFailed` with the program's own words, and :class:`~mano.errors.DeadlineExceeded`.
    """
    program = find_program(arguments[0])
    try:
        done = subprocess.run(
            tied([program, *arguments[1:]]),
            env={"PATH": SYSTEM_PATH, "LC_ALL": "C"},
            input=text,
            stdin=subprocess.DEVNULL if text is None else None,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=deadline_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise DeadlineExceeded(f"{arguments[0]} took longer than {deadline_s:g} s") from None
    if done.returncode != 0:
        why = (done.stderr or done.stdout).strip()[-500:]
        raise CommandFailed(f"{' '.join(arguments)[:200]}: {why or f'exit status {done.returncode}'}")
    return done.stdout


def tied(command: Sequence[str]) -> list[str]:
    """The command as one that is killed when the thread that starts it ends, however that comes.

    What a killed server had begun must not go on while the next one looks at what there is and mends it.
    """
    setpriv = shutil.which("setpriv", path=SYSTEM_PATH)
    return [setpriv, "--pdeathsig", "KILL", *command] if setpriv else list(command)


def find_program(name: str) -> str:
    """Absolute path of a system program; :class:`CommandFailed` when it is not installed."""
    found = shutil.which(name, path=SYSTEM_PATH + os.pathsep + os.defpath)
    if found is None:
        raise CommandFailed(f"the program {name} is not installed", hint="mano doctor lists what is missing")
    return found

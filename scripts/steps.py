"""What the steps of the set-up share: the root of the clone, stamps, locks, commands and how they fail.

A step that has nothing to observe cheaply (what pip installed, what npm built) leaves a stamp: a file with the hash
of everything that decided its outcome. The same hash next time means that there is nothing to do.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"

# The machine's own certificate authorities, a company's proxy among them, where Debian keeps them.
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")

_started = time.monotonic()
_said = 0


class SetUpError(Exception):
    """A step that cannot go on; the text says what failed and what to do."""


def say(text: str) -> None:
    """Print one line of progress with the seconds since the start."""
    global _said
    _said += 1
    print(f"set-up {time.monotonic() - _started:6.1f} s  {text}", flush=True)


def said_anything() -> bool:
    """Whether any step had something to do."""
    return _said > 0


def digest(*parts: str, files: Iterable[Path] = ()) -> str:
    """The SHA-256 of ``parts`` and of the names and contents of ``files`` (paths below the root, or absent)."""
    total = hashlib.sha256()
    for part in parts:
        total.update(part.encode() + b"\0")
    for file in sorted(files):
        content = file.read_bytes() if file.is_file() else b""
        total.update(f"{file.relative_to(ROOT)}\0{len(content)}\0".encode() + content)
    return total.hexdigest()


@dataclass(frozen=True)
class Stamp:
    """The file that remembers the hash of what a step did."""

    file: Path

    def matches(self, hash_: str) -> bool:
        try:
            return self.file.read_text().strip() == hash_
        except OSError:
            return False

    def write(self, hash_: str) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(hash_ + "\n")

    def forget(self) -> None:
        self.file.unlink(missing_ok=True)


def run(command: Sequence[str | Path], *, env: Mapping[str, str] | None = None, cwd: Path = ROOT) -> None:
    """Run ``command``; its output is shown only when it fails.

    Raises SetUpError with the output if the exit code is not 0.
    """
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise SetUpError(f"cannot run {words[0]}: {error.strerror}") from error
    if done.returncode != 0:
        raise SetUpError(f"`{shlex.join(words)}` ended with {done.returncode}:\n{excerpt(done.stdout)}")


def excerpt(output: str, first: int = 12, last: int = 24) -> str:
    """What a command said, indented; of a long text the ``first`` and ``last`` lines (npm says why at the start)."""
    lines = output.rstrip().splitlines()
    if len(lines) > first + last:
        lines[first:-last] = [f"… {len(lines) - first - last} lines left out …"]
    return "\n".join("    " + line for line in lines)


@contextmanager
def only_one(lock: Path, what: str) -> Iterator[None]:
    """Hold an advisory lock on ``lock`` meanwhile; the kernel lets go of it however this process ends."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for {what}")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def warn(text: str) -> None:
    """Print a line that the user should see even where output goes to a file."""
    print(f"set-up: {text}", file=sys.stderr, flush=True)

"""Names of data-plane labs that no other lab has, and the look afterwards that nothing is left of them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

NAME_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"


@pytest.fixture
def lab_id() -> Iterator[str]:
    """A lab id of this test alone. The test fails when a namespace, process, mount or cgroup of the lab outlives it."""
    yield from _lab_of_its_own()


@pytest.fixture(scope="module")
def module_lab_id() -> Iterator[str]:
    """A lab id of this module alone, for what is too slow to be made for each test."""
    yield from _lab_of_its_own()


def _lab_of_its_own() -> Iterator[str]:
    lab = "t" + "".join(secrets.choice(NAME_ALPHABET) for _ in range(6))
    yield lab
    left = remains_of(lab)
    if left:
        pytest.fail(f"lab {lab} left behind: {'; '.join(left)}")


def remains_of(lab: str) -> list[str]:
    """What the machine still has under the lab's name."""
    name = f"cat-{lab}"
    found = [f"network namespace {path.name}" for path in Path("/run/netns").glob(f"{name}*")]
    found += [f"cgroup {path}" for path in Path("/sys/fs/cgroup").glob(f"**/*{name}*") if path.is_dir()]
    mounts = Path("/proc/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    found += [f"mount {line.split()[1]}" for line in mounts if name in line]
    return found + [f"process {line}" for line in processes_naming(name)]


def processes_naming(name: str) -> list[str]:
    """Number and command line of the processes whose command line contains ``name``."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it ended meanwhile
            continue
        if name in command:
            found.append(f"{entry.name}: {command[:120]}")
    return found

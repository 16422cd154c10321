"""The commands of the repository: what `make help` lists can be run, and a run that proves nothing is no success."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from scripts.steps import ROOT

TARGETS = {"demo", "test", "test-deep", "bench", "lint", "fuzz", "lock", "clean"}


def output_of(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the root of the clone."""
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=100
    )


def test_help_lists_every_target() -> None:
    listed = re.findall(r"^make ([a-z-]+) ", output_of("make", "help").stdout, flags=re.MULTILINE)
    phony = re.findall(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert set(listed) == set(phony[0].split()) == TARGETS | {"help"}


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_what_a_target_runs_is_there(target: str) -> None:
    plan = output_of("make", "--dry-run", target)
    assert plan.returncode == 0, plan.stderr
    named = set(re.findall(r"(?<![\w./])(scripts/\w+|\.ci/\w+)", plan.stdout))
    assert all(os.access(ROOT / name, os.X_OK) for name in named)


def test_continuous_integration_requires_the_root_tier(tmp_path: Path) -> None:
    fake_make = tmp_path / "make"
    fake_make.write_text('#!/bin/sh\necho "$@ $REQUIRE_TIER"\nexit 7\n', encoding="utf-8")
    fake_make.chmod(0o755)
    done = output_of(".ci/run", PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert (done.stdout, done.returncode) == ("test root\n", 7)


def test_a_run_of_no_test_fails_and_ends_with_the_line_of_pytest() -> None:
    done = output_of("scripts/test", "-n0", "tests/unit/scripts/test_steps.py", "-k", "no_test_of_this_name")
    assert done.returncode == 5
    assert re.fullmatch(r"=+ \d+ deselected in .+ =+", done.stdout.rstrip().splitlines()[-1])

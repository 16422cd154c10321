"""The libraries can be imported by themselves, quietly and without the heavy parts."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.architecture.tree import LIBRARIES, ROOT

PROBE = """
import json, sys
before = set(sys.modules)
import {module}
print(json.dumps(sorted({{name.split(".")[0] for name in set(sys.modules) - before}})))
"""
HEAVY = {"alembic", "asyncio", "dbos", "fastapi", "ortools", "pydantic", "pyroute2", "sqlalchemy", "toscaparser"}


def loaded_by(module: str) -> set[str]:
    """Top-level names of the modules that ``import module`` loads."""
    command = [sys.executable, "-W", "error", "-c", PROBE.format(module=module)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_library_loads_neither_mano_nor_another_library_nor_anything_heavy(library: str) -> None:
    loaded = loaded_by(library)
    assert library in loaded
    assert loaded & (HEAVY | {"mano", *LIBRARIES} - {library}) == set()


def test_the_domain_loads_nothing_heavy() -> None:
    assert loaded_by("mano.domain") & HEAVY == set()


def test_the_probe_sees_what_an_import_loads() -> None:
    assert "toscaparser" in loaded_by("toscaparser")

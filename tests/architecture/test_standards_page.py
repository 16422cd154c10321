"""docs/standards.md maps clauses to modules and tests: whatever it names is there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT

PAGE = ROOT / "docs" / "standards.md"
TEST_ID = re.compile(r"`(tests/[\w/.-]+\.py(?:::[^`\s]+)?)`")
MODULE = re.compile(r"`((?:mano|sfc|vnf_descriptors|dpdk_helpers)/[\w/.-]*)`")


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text(encoding="utf-8")


def collected_ids(files: set[str]) -> set[str]:
    """The ids of all tests in ``files``, with and without their parameters."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *sorted(files)]
    output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110).stdout
    ids = {line for line in output.splitlines() if "::" in line}
    return ids | {test_id.split("[")[0] for test_id in ids}


def missing_ids(named: set[str]) -> set[str]:
    """Those of ``named`` that pytest does not collect; a file alone stands for any test in it."""
    files = {test_id.split("::")[0] for test_id in named}
    there = {file for file in files if (ROOT / file).is_file()}
    collected = collected_ids(there) if there else set()
    collected |= {test_id.split("::")[0] for test_id in collected}
    return named - collected


def test_the_page_names_tests_that_pytest_collects(page: str) -> None:
    named = set(TEST_ID.findall(page))
    assert named, "the page names no test at all"
    assert missing_ids(named) == set()


def test_the_page_names_modules_that_are_there(page: str) -> None:
    assert {name for name in MODULE.findall(page) if not (ROOT / name).exists()} == set()


def test_a_test_that_is_not_there_is_found_missing() -> None:
    this = str(Path(__file__).relative_to(ROOT))
    real = f"{this}::test_a_test_that_is_not_there_is_found_missing"
    gone = {f"{this}::test_of_another_age", "tests/unit/test_of_no_file.py::test_x"}
    assert missing_ids({this, real, *gone}) == gone

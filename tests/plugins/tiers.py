"""Tests that need something of the machine: skipped with the reason where it is missing, and never silently.

A test marked ``dataplane``, ``postgresql`` or ``browser`` is skipped where the machine lacks that. With
``REQUIRE_TIER=root`` in the environment such a skip, whoever asked for it, is a failure: continuous integration
cannot become green by missing the thing it is there for.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from collections.abc import Generator
from pathlib import Path
from typing import NoReturn

import pytest

from tests.plugins.postgresql import server_programs

CAPABILITIES = ("dataplane", "browser", "postgresql")
DATA_PLANE_PROGRAMS = ("ovs-vswitchd", "ovsdb-server", "ovs-ofctl", "ip", "nft", "tshark", "unshare")
BROWSERS = ("chromium", "google-chrome")


def skips_are_failures() -> bool:
    """Whether a test that needs the machine must run."""
    return os.environ.get("REQUIRE_TIER") == "root"


def skip_for_want_of(what: str) -> NoReturn:
    """Skip the present test; fail it where everything must run."""
    if skips_are_failures():
        pytest.fail(f"REQUIRE_TIER=root, but there is no {what}")
    pytest.skip(f"no {what}")


@functools.cache
def what_is_missing(capability: str) -> str | None:
    """None where the machine has ``capability``, else what it lacks."""
    if capability == "postgresql":
        return None if server_programs() else "no PostgreSQL server programs (initdb, postgres)"
    if capability == "browser":
        return None if any(map(shutil.which, BROWSERS)) else f"none of {', '.join(BROWSERS)}"
    if os.geteuid() != 0:
        return "not root"
    missing = [program for program in DATA_PLANE_PROGRAMS if shutil.which(program) is None]
    if missing:
        return f"no {', '.join(missing)}"
    namespaces = subprocess.run(["unshare", "--net", "--mount", "true"], capture_output=True, text=True)
    return None if namespaces.returncode == 0 else f"no network namespaces: {namespaces.stderr.strip()}"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The data plane's tests come first, for they take longest."""
    items.sort(key=lambda item: item.get_closest_marker("dataplane") is None)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what the machine cannot run."""
    for capability in CAPABILITIES:
        if item.get_closest_marker(capability) and (missing := what_is_missing(capability)):
            pytest.skip(f"{capability}: {missing}")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn the skip of a test that must run into a failure."""
    report = yield
    needed = [name for name in CAPABILITIES if item.get_closest_marker(name)]
    if report.skipped and needed and skips_are_failures() and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"REQUIRE_TIER=root, but this {needed[0]} test was skipped: {skip_reason(report)}"
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn the skip of a whole module with tests that must run into a failure."""
    report = yield
    if report.skipped and skips_are_failures() and mentions_capability(collector.path):
        report.outcome = "failed"
        report.longrepr = f"REQUIRE_TIER=root, but {collector.nodeid} was skipped as a whole: {skip_reason(report)}"
    return report


def mentions_capability(module: Path) -> bool:
    """Whether a test module marks any of its tests with a capability."""
    if not module.is_file():
        return False
    text = module.read_text(encoding="utf-8", errors="replace")
    return any(f"mark.{capability}" in text for capability in CAPABILITIES)


def skip_reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Why a test or module was skipped, as it said itself."""
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    return str(report.longrepr)

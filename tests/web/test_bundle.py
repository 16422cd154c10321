"""The dashboard's sources and its bundle, looked at without a browser."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest

from mano.api.dashboard_files import POLICY
from scripts import dashboard

KIB = 1024


def test_the_unit_tests_of_its_sources_pass(capsys: pytest.CaptureFixture[str]) -> None:
    assert dashboard.main(["test"]) == 0, capsys.readouterr().err


def test_the_lock_names_every_package_with_its_hash_and_no_address() -> None:
    lock = json.loads((dashboard.SOURCES / "package-lock.json").read_text(encoding="utf-8"))
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert packages
    assert [name for name, entry in packages.items() if "integrity" not in entry or "resolved" in entry] == []


def test_versions_are_exact() -> None:
    manifest = json.loads((dashboard.SOURCES / "package.json").read_text(encoding="utf-8"))
    wanted = {**manifest["dependencies"], **manifest["devDependencies"]}
    assert {name: version for name, version in wanted.items() if not re.fullmatch(r"\d+\.\d+\.\d+", version)} == {}


def test_the_page_needs_nothing_from_elsewhere(bundle: Path) -> None:
    page = (bundle / "index.html").read_text(encoding="utf-8")
    assert re.findall(r"(?:src|href)=\"(?!\./assets/|data:)[^\"]*\"", page) == []
    assert not re.search(r"<script(?![^>]* src=)|<style| style=", page), "the policy allows nothing inline"
    for sheet in bundle.glob("assets/*.css"):
        assert not re.search(r"@import|url\((?!data:image)", sheet.read_text(encoding="utf-8"))
    assert "script-src 'self'" in POLICY and "worker-src 'self'" in POLICY


def test_the_bundle_stays_small(bundle: Path) -> None:
    """Compressed: the page itself below 200 KiB, the layout engine, which loads beside it, below 520 KiB."""
    sizes = {file.name: len(gzip.compress(file.read_bytes())) for file in bundle.glob("assets/*")}
    engine = sum(size for name, size in sizes.items() if name.startswith("elk-worker"))
    assert 0 < engine < 520 * KIB
    assert sum(sizes.values()) - engine < 200 * KIB


def test_the_bundle_carries_the_licences_of_what_is_in_it(bundle: Path) -> None:
    text = (bundle / "licenses.md").read_text(encoding="utf-8")
    assert all(name in text for name in ("react", "@xyflow/react", "elkjs"))

"""The wheel has all that the product reads at run time, and nothing that it doesn't."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.architecture.tree import PACKAGES, ROOT, tracked_files

BUILD = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
BUNDLE = ("mano/dashboard/dist/index.html", "mano/dashboard/dist/assets/index-1234.js")
NPM_LITTER = "mano/dashboard/node_modules/thing/python/thing.py"


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names in a wheel built from the tracked files, a dashboard bundle and npm's litter beside it."""
    folder = tmp_path_factory.mktemp("source")
    for file in tracked_files():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, folder / file)
    for name in (*BUNDLE, NPM_LITTER):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("1\n", encoding="utf-8")
    done = subprocess.run([sys.executable, "-c", BUILD, "out"], cwd=folder, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    (wheel,) = (folder / "out").glob("catena_mano-*.whl")
    return set(zipfile.ZipFile(wheel).namelist())


def is_dashboard_source(file: Path) -> bool:
    return file.parts[:2] == ("mano", "dashboard") and file.name != "__init__.py"


def test_the_wheel_has_every_file_of_the_packages(wheel_names: set[str]) -> None:
    expected = {str(file) for file in tracked_files() if file.parts[0] in PACKAGES and not is_dashboard_source(file)}
    assert expected - wheel_names == set()


def test_the_wheel_has_the_dashboard_as_built_and_not_its_sources(wheel_names: set[str]) -> None:
    in_folder = {name for name in wheel_names if name.startswith("mano/dashboard/")}
    assert in_folder - {"mano/dashboard/__init__.py"} == set(BUNDLE)


def test_the_wheel_has_nothing_beside_the_packages(wheel_names: set[str]) -> None:
    tops = {name.split("/")[0] for name in wheel_names}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)


def test_the_wheel_has_the_console_script(wheel_names: set[str]) -> None:
    assert any(name.endswith(".dist-info/entry_points.txt") for name in wheel_names)

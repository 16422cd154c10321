"""Rules for all tracked files: nothing of one machine, no registry, no overgrown module, locks that fit."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
import tomllib
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.architecture.tree import PACKAGES, ROOT, product_modules, tracked_files

LOCKS = ("bootstrap", "dev", "node", "openstack", "runtime")
MACHINE_PATH = re.compile(r"(?<![\w.~}-])/(?:work|builds|root|home/\w+|Users/\w+)/")
REGISTRY = re.compile(
    r"(?:registry\.npmjs|registry\.yarnpkg|npmmirror|pypi\.org/simple|files\.pythonhosted|artifactory|/simple/?[\"'\s])"
    r"|--(?:extra-)?index-url|--find-links(?![\w-])"
    r"|\"resolved\": \"http",
)
# These say it on purpose.
REGISTRY_EXEMPT = {Path("tests/architecture/test_repository.py"), Path("scripts/lock")}

# Modules of more than 500 lines, each with the reason why it is still one.
LONG_MODULES: dict[str, str] = {}
MODULE_LINES = 500


def texts() -> list[tuple[Path, str]]:
    """The tracked files that are UTF-8 text."""
    found = []
    for file in tracked_files():
        try:
            found.append((file, (ROOT / file).read_text(encoding="utf-8")))
        except UnicodeDecodeError:
            continue
    return found


def hits(pattern: re.Pattern[str], exempt: set[Path]) -> list[str]:
    """Where tracked text matches ``pattern``, as file:line: text."""
    return [
        f"{file}:{number}: {line.strip()[:120]}"
        for file, text in texts()
        if file not in exempt
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


def test_no_tracked_file_names_a_path_of_one_machine() -> None:
    # The second looks whether a confined VNFC sees such places.
    exempt = {Path("tests/architecture/test_repository.py"), Path("tests/dataplane/test_vim_local.py")}
    assert hits(MACHINE_PATH, exempt) == []


def test_no_tracked_file_names_a_registry() -> None:
    assert hits(REGISTRY, REGISTRY_EXEMPT) == []


@pytest.mark.parametrize("line", ["cd /Users/bob/catena/main", "see /home/ann/catena", "at '/root/.venv'"])
def test_a_path_of_one_machine_is_recognised(line: str) -> None:
    assert MACHINE_PATH.search(line)


@pytest.mark.parametrize(
    "line", ["--index-url https://x/simple", '"resolved": "https://x/a.tgz"', "--find-links /opt", "https://x/simple/ "]
)
def test_an_address_of_a_registry_is_recognised(line: str) -> None:
    assert REGISTRY.search(line)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_says_that_it_is_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()


def test_a_module_of_more_than_500_lines_has_a_reason() -> None:
    lengths = {
        str(file): len((ROOT / file).read_bytes().splitlines()) for file in tracked_files() if file.suffix == ".py"
    }
    assert {file for file, length in lengths.items() if length > MODULE_LINES} == set(LONG_MODULES)


def pins(lock: str) -> dict[str, str]:
    """Name and version of everything that requirements/``lock``.txt pins."""
    text = (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8")
    return {canonicalize_name(name): version for name, version in re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.M)}


def inputs(lock: str) -> list[Requirement]:
    """What requirements/``lock``.txt is made from."""
    lines: list[str] = []
    if lock in {"dev", "runtime"}:
        lines += tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    if lock != "runtime":
        lines += (ROOT / "requirements" / f"{lock}.in").read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_what_its_inputs_ask_for(lock: str) -> None:
    pinned = pins(lock)
    wrong = [
        str(requirement)
        for requirement in inputs(lock)
        if not requirement.specifier.contains(pinned.get(canonicalize_name(requirement.name), "0"), prereleases=True)
        or canonicalize_name(requirement.name) not in pinned
    ]
    assert wrong == [], "run `make lock`"


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_a_hash(lock: str) -> None:
    text = (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8")
    unhashed = re.findall(r"^([\w.-]+==[^\\\n]+)$", text, flags=re.M)
    assert unhashed == []


def test_the_locks_agree_with_each_other() -> None:
    everything = pins("dev")
    for lock in ("runtime", "bootstrap"):
        shared = {name: version for name, version in pins(lock).items() if name in everything}
        assert shared.items() <= everything.items()


def imported_names(module: Path) -> set[str]:
    """Top-level names that ``module`` imports anywhere, inside functions too."""
    tree = ast.parse((ROOT / module).read_text(encoding="utf-8"))
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return names


def test_the_product_imports_only_what_it_declares() -> None:
    distributions = importlib.metadata.packages_distributions()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = [*project["dependencies"], *chain.from_iterable(project.get("optional-dependencies", {}).values())]
    known = {canonicalize_name(Requirement(line).name) for line in declared}
    undeclared = {
        f"{module}: {name}"
        for module in product_modules()
        for name in imported_names(module) - set(sys.stdlib_module_names) - set(PACKAGES)
        if not known & {canonicalize_name(distribution) for distribution in distributions.get(name, [])}
    }
    assert undeclared == set()

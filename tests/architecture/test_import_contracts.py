"""Every import contract of .importlinter can fail: each is broken once, in a copy, and it alone is reported."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.architecture.tree import PACKAGES, ROOT

PREFIX = "importlinter:contract:"


@dataclass(frozen=True)
class Plant:
    """An import that breaks one contract, and the module it is written into (made where it is not there)."""

    contract: str
    module: str
    imported: str


PLANTS = (
    Plant("floors", "mano.bootstrap", "mano.cli"),
    Plant("floors", "mano.newcomer_without_a_floor", "mano.cli"),
    Plant("libraries-below", "sfc.planted", "mano.errors"),
    Plant("libraries-below", "vnf_descriptors.planted", "mano.errors"),
    Plant("libraries-below", "dpdk_helpers.planted", "mano.errors"),
    Plant("libraries-strangers", "sfc.planted", "dpdk_helpers"),
    Plant("libraries-strangers", "dpdk_helpers.planted", "vnf_descriptors"),
    Plant("or-vnfm", "mano.nfvo.planted", "mano.vnfm"),
    Plant("or-vnfm", "mano.vnfm.planted", "mano.nfvo"),
    Plant("assurance", "mano.assurance.planted", "mano.nfvo"),
    Plant("assurance", "mano.assurance.planted", "mano.vnfm"),
    Plant("edges", "mano.api.planted", "mano.adapters"),
    Plant("edges", "mano.adapters.planted", "mano.api"),
    Plant("domain-pure", "mano.domain.planted", "yaml"),
    Plant("domain-pure", "mano.domain.planted", "vnf_descriptors.loader"),
    Plant("domain-pure", "mano.domain.planted", "sfc.model"),
    Plant("descriptor-model-pure", "vnf_descriptors.model.planted", "vnf_descriptors.loader"),
    Plant("ports", "mano.ports.planted", "msgspec"),
    Plant("placement", "mano.placement.planted", "dpdk_helpers.topology"),
    Plant("placement", "mano.placement.planted", "mano.ports"),
    Plant("api-libraries", "mano.api.planted", "sfc.render"),
    Plant("cli", "mano.cli.planted", "mano.adapters"),
    Plant("sfc-ovs", "mano.nfvo.planted", "sfc.ovs"),
    Plant("sfc-ovs", "sfc.planted", "sfc.ovs.trace"),
    Plant("sfc-needs", "sfc.planted", "yaml"),
    Plant("descriptors-need", "vnf_descriptors.planted", "requests"),
    Plant("dpdk-helpers-need", "dpdk_helpers.planted", "yaml"),
    Plant("no-io-in-decisions", "mano.vnfm.planted", "subprocess"),
    Plant("no-io-in-decisions", "sfc.planted", "socket"),
    Plant("web-framework", "mano.nfvo.planted", "fastapi"),
    Plant("pydantic", "mano.vnfm.planted", "pydantic"),
    Plant("linux-networking", "mano.vnfm.planted", "pyroute2"),
    Plant("tosca-parser", "vnf_descriptors.planted", "toscaparser"),
    Plant("solver", "mano.nfvo.planted", "ortools"),
    Plant("arrays-and-graphs", "mano.nfvo.planted", "numpy"),
    Plant("database", "mano.vnfm.planted", "sqlalchemy"),
    Plant("database", "mano.api.planted", "sqlite3"),
    Plant("terminal", "mano.adapters.planted", "rich"),
    Plant("http-client", "mano.cli.planted", "aiohttp"),
    Plant("scapy", "mano.adapters.planted", "scapy"),
)


def contract_names() -> dict[str, str]:
    """Identifier and name of each contract."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / ".importlinter", encoding="utf-8")
    sections = [section for section in parser.sections() if section.startswith(PREFIX)]
    return {section.removeprefix(PREFIX): parser[section]["name"] for section in sections}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the product's modules and of the contracts."""
    copy = tmp_path_factory.mktemp("tree")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, copy / package, ignore=keep_modules_only)
    shutil.copytree(ROOT / "scripts", copy / "scripts", ignore=keep_modules_only)
    shutil.copy(ROOT / ".importlinter", copy)
    return copy


def keep_modules_only(folder: str, names: list[str]) -> list[str]:
    """For copytree: what is neither a module nor a folder of modules."""
    made = {"node_modules", "dist", "samples", "types", "__pycache__"}
    return [name for name in names if name in made or not (name.endswith(".py") or Path(folder, name).is_dir())]


def module_file(tree: Path, module: str) -> Path:
    """Where ``module`` lies, or would lie."""
    path = tree.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def broken_contracts(tree: Path) -> set[str]:
    """Identifiers of the contracts that import-linter reports as broken."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--cache-dir", "cache"]
    output = subprocess.run(command, cwd=tree, capture_output=True, text=True, timeout=100).stdout
    verdicts = dict(re.findall(r"^(.+) (KEPT|BROKEN)$", output, flags=re.MULTILINE))
    names = contract_names()
    assert set(verdicts) == set(names.values()), output
    return {contract for contract, name in names.items() if verdicts[name] == "BROKEN"}


def test_every_contract_is_broken_by_a_plant() -> None:
    assert {plant.contract for plant in PLANTS} == set(contract_names())


def test_the_tree_as_it_is_keeps_every_contract(tree: Path) -> None:
    assert broken_contracts(tree) == set()


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: f"{plant.module}-imports-{plant.imported}")
def test_a_planted_import_breaks_its_contract_alone(tree: Path, plant: Plant) -> None:
    made = []
    if plant.imported.split(".")[0] in PACKAGES:
        made += make_package_chain(tree, plant.imported)
    made += make_package_chain(tree, plant.module)
    source = module_file(tree, plant.module)
    before = source.read_text(encoding="utf-8")
    source.write_text(f"{before}\nimport {plant.imported}\n", encoding="utf-8")
    try:
        assert broken_contracts(tree) == {plant.contract}
    finally:
        source.write_text(before, encoding="utf-8")
        for file in reversed(made):
            file.unlink()


def make_package_chain(tree: Path, module: str) -> list[Path]:
    """Have ``module`` and its parents there; returns the files made for it."""
    made = []
    parts = module.split(".")
    for depth in range(1, len(parts)):
        package = tree.joinpath(*parts[:depth])
        package.mkdir(exist_ok=True)
        if not (package / "__init__.py").exists():
            (package / "__init__.py").touch()
            made.append(package / "__init__.py")
    file = module_file(tree, module)
    if not file.exists():
        file.touch()
        made.append(file)
    return made

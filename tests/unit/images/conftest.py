"""Modules of the sample images, which are no packages: each image is loaded from its own directory."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType, SimpleNamespace

import pytest

from tests.architecture.tree import ROOT

SAMPLES = ROOT / "vnf_descriptors" / "samples"


def load_image(name: str) -> SimpleNamespace:
    """The modules of one image by name, loaded apart from those of the other images."""
    directory = SAMPLES / name / "images" / name
    names = [path.stem for path in directory.glob("*.py")]
    before = {each: sys.modules.pop(each) for each in names if each in sys.modules}
    written = sys.dont_write_bytecode
    sys.path.insert(0, str(directory))
    sys.dont_write_bytecode = True
    try:
        loaded: dict[str, ModuleType] = {each: importlib.import_module(each) for each in names}
    finally:
        sys.path.remove(str(directory))
        sys.dont_write_bytecode = written
        for each in names:
            sys.modules.pop(each, None)
        sys.modules.update(before)
    return SimpleNamespace(**loaded)


@pytest.fixture(scope="session")
def dpi() -> SimpleNamespace:
    return load_image("dpi")


@pytest.fixture(scope="session")
def firewall() -> SimpleNamespace:
    return load_image("firewall")


@pytest.fixture(scope="session")
def nat() -> SimpleNamespace:
    return load_image("nat")

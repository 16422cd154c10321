"""Reading packages: validate and load of a one-VDU package, cold and warm, beside plain tosca-parser, in CPU time.

The package carries the standard's type definitions itself (VNFD and common types, written out from `types/`), as
packages in the field do. Children count: the fenced tosca-parser of the second opinion runs in one. Other work on the
machine then matters least. Plain tosca-parser reads the same descriptor and types from a directory in the same run.
"""

from __future__ import annotations

import io
import logging
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from importlib.resources import files
from pathlib import Path

import yaml

from benchmarks.harness import Call, benchmark
from vnf_descriptors import build, load, types, validate

THOUSAND = 1000
#: One VDU of the firewall with its connection points, importing files of the package.
DESCRIPTOR = "Definitions/firewall.yaml"
TYPES = "etsi_nfv_sol001_vnfd_types.yaml"


def cpu_seconds() -> float:
    """CPU time of this process and of its children, those that still run included."""
    ticks = os.sysconf("SC_CLK_TCK")
    running = 0
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                fields = (entry / "stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
                running += (int(fields[11]) + int(fields[12])) if int(fields[1]) == os.getpid() else 0
    times = os.times()
    return time.process_time() + times.children_user + times.children_system + running / ticks


def source_tree(target: Path) -> Path:
    """The firewall's package with the type definitions inside."""
    sample = Path(str(files("vnf_descriptors") / "samples" / "firewall"))
    for path in sample.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            copy = target / path.relative_to(sample)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    held = {name: body for name, body in types.definitions("vnfd", types.EDITIONS[-1]).items() if body}
    document = {"tosca_definitions_version": "tosca_simple_yaml_1_3", **held}
    descriptor = target / DESCRIPTOR
    text = descriptor.read_text(encoding="utf-8")
    descriptor.write_text(re.sub(r"https://\S+_vnfd_types\.yaml", TYPES, text), encoding="utf-8")
    (target / "Definitions" / TYPES).write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return target


@contextmanager
def one_package() -> Iterator[Path]:
    """The package, built."""
    with tempfile.TemporaryDirectory(prefix="cat-bench-") as folder:
        out = Path(folder) / "firewall.csar"
        report = build(source_tree(Path(folder) / "tree"), out)
        if not report.ok:
            raise ValueError(report.to_text())
        yield out


@benchmark("descriptors: validate + load, process started for it", number=3, clock=cpu_seconds)
def cold() -> Iterator[Call]:
    with one_package() as path:
        code = "import sys, vnf_descriptors; vnf_descriptors.load_with_report(sys.argv[1]).report.ok or sys.exit(1)"
        command = [sys.executable, "-c", code, str(path)]
        yield lambda: subprocess.run(command, check=True)


@benchmark("descriptors: validate + load, again", number=20, clock=cpu_seconds)
def warm() -> Iterator[Call]:
    with one_package() as path:
        yield lambda: load(path)


@benchmark("descriptors: validate + load, content never seen before", number=20, clock=cpu_seconds)
def unseen() -> Iterator[Call]:
    with tempfile.TemporaryDirectory(prefix="cat-bench-") as folder:
        tree = source_tree(Path(folder) / "tree")
        descriptor = tree / DESCRIPTOR
        text = descriptor.read_text(encoding="utf-8")
        numbers = iter(range(sys.maxsize))

        def call() -> None:
            descriptor.write_text(f"{text}\n# {next(numbers)}\n", encoding="utf-8")
            load(tree)

        yield call


_PLAIN = """
import logging, sys
logging.disable(logging.CRITICAL)
from toscaparser.tosca_template import ToscaTemplate
ToscaTemplate(sys.argv[1])
"""


@contextmanager
def unpacked() -> Iterator[Path]:
    """The descriptor as tosca-parser can read it: imports that lie beside it, and images that exist."""
    with tempfile.TemporaryDirectory(prefix="cat-bench-") as folder:
        tree = source_tree(Path(folder) / "tree")
        descriptor = tree / DESCRIPTOR
        document = yaml.safe_load(descriptor.read_text(encoding="utf-8"))
        for node in document["topology_template"]["node_templates"].values():
            node.pop("artifacts", None)
        descriptor.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
        held = tree / "Definitions" / TYPES
        definitions = yaml.safe_load(held.read_text(encoding="utf-8"))
        for section in definitions.values():
            for kind in section.values() if isinstance(section, dict) else ():
                for each in kind.get("properties", {}).values():
                    if "default" in each:
                        each["required"] = False  # inside data types it wants a value although there is a default
        for requirement in definitions["node_types"]["tosca.nodes.nfv.VduCp"]["requirements"]:
            for each in requirement.values():
                each["occurrences"] = [0, 1]  # it refuses links that a mapping leaves to the outside
        held.write_text(yaml.safe_dump(definitions, sort_keys=False), encoding="utf-8")
        yield descriptor


@benchmark("descriptors: plain tosca-parser, process started for it", number=3, clock=cpu_seconds)
def plain_cold() -> Iterator[Call]:
    with unpacked() as path:
        command = [sys.executable, "-c", _PLAIN, str(path)]
        yield lambda: subprocess.run(command, check=True)


@benchmark("descriptors: plain tosca-parser, again", number=20, clock=cpu_seconds)
def plain_warm() -> Iterator[Call]:
    from toscaparser.tosca_template import ToscaTemplate

    logging.disable(logging.CRITICAL)
    with unpacked() as path, redirect_stdout(io.StringIO()):
        yield lambda: ToscaTemplate(str(path))
    logging.disable(logging.NOTSET)


def resident_mib(pid: int | str = "self") -> float:
    """Memory that a process has resident now."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def growth() -> None:
    """Validate a thousand different packages in this process and print its memory on the way."""
    with tempfile.TemporaryDirectory(prefix="cat-bench-") as folder:
        tree = source_tree(Path(folder) / "tree")
        descriptor = tree / DESCRIPTOR
        text = descriptor.read_text(encoding="utf-8")
        for number in range(THOUSAND + 1):
            descriptor.write_text(f"{text}\n# {number}\n", encoding="utf-8")
            if not validate(tree).ok:
                raise ValueError("the package is not valid")
            if number % 200 == 0:
                print(f"{number:>5} packages: {resident_mib():.1f} MiB resident", flush=True)


if __name__ == "__main__":
    growth()

"""Coverage-guided fuzzing of what reads packages: ``python -m tests.fuzz.descriptors [--seconds N] [TARGET…]``.

Each target runs in a process of its own for so many seconds, beginning with the samples. Whatever is no finding but an
exception, a hang of 10 s or more than 1 GiB fails the run; the input is kept in ``.fuzz/`` and the message names it.
Such an input becomes a test.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.unit.vnf_descriptors.descriptor_support import META, SAMPLES, VNFD, archive, package_files
from tests.unit.vnf_descriptors.vendor_packages import CONTAINERS, EVERYTHING, TEXTS, vnfd_of

SERVICE = (TEXTS / "service.yaml").read_text()
KEPT = Path(".fuzz")
#: Longest input, in octets; slowest one, in seconds; most memory, in MiB.
MAX_INPUT, MAX_SECONDS, MAX_MIB = 16_384, 10, 1024

Target = Callable[[bytes], object]


def fuzz_guard(data: bytes) -> None:
    """An archive's directory, and every member that is let through."""
    from vnf_descriptors import guard
    from vnf_descriptors.members import ZipMembers

    opened, findings = guard.open_archive(io.BytesIO(data), "x.csar")
    if opened is None:
        assert findings, "refused without a reason"
        return
    members = ZipMembers(opened)
    for name in members.names():
        assert guard.check_name(name) is None, name
        try:
            length = sum(len(piece) for piece in members.chunks(name))
        except guard.MemberError:
            continue
        assert length == members.size(name)


def fuzz_csar(data: bytes) -> None:
    """A package as a whole, up to its digests and its signature."""
    from vnf_descriptors.csar import inspect
    from vnf_descriptors.package import Policy

    with tempfile.NamedTemporaryFile(suffix=".csar", dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as file:
        file.write(data)
        file.flush()
        package, findings = inspect(file.name, Policy())
        if package is None:
            assert findings, "refused without a reason"
        else:
            package.close()


def fuzz_manifest(data: bytes) -> None:
    """A manifest, TOSCA.meta and a detached signature."""
    import datetime

    from vnf_descriptors import manifest, tosca_meta
    from vnf_descriptors.signature import TrustStore, verify

    manifest.parse(data, "x.mf")
    tosca_meta.parse(data)
    verify([b"content"], data, data, TrustStore(), datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC))


def fuzz_yaml(data: bytes) -> None:
    """One YAML file."""
    from vnf_descriptors import yamltree

    composed = yamltree.compose(data, "x.yaml")
    if composed.root is not None:
        assert composed.root.size <= yamltree.MAX_NODES
        yamltree.to_plain(composed.root)


def fuzz_loader(data: bytes) -> None:
    """A descriptor through every rule and into its model; without the second opinion, which is another process."""
    from unittest.mock import patch

    from vnf_descriptors.loader import read_descriptor
    from vnf_descriptors.members import MemoryMembers
    from vnf_descriptors.model import from_json, to_json
    from vnf_descriptors.package import Layout, Package

    package = Package("x.yaml", Layout.BARE, MemoryMembers({"x.yaml": data}), "x.yaml")
    with patch("vnf_descriptors.tosca.opinion.second_opinion", return_value=[]):
        descriptor, findings = read_descriptor(package)
    assert all("\n" not in entry.message for entry in findings)
    if descriptor is not None:
        assert from_json(to_json(descriptor)) == descriptor


TARGETS: dict[str, Target] = {
    "guard": fuzz_guard,
    "csar": fuzz_csar,
    "manifest": fuzz_manifest,
    "yaml": fuzz_yaml,
    "loader": fuzz_loader,
}


def seeds(target: str) -> list[bytes]:
    """Where a target begins."""
    if target in ("guard", "csar"):
        files = package_files()
        return [archive(files), archive({"vnfd.yaml": b"a: b"}), archive({"x.csar": archive(files), "x.cms": b""})]
    if target == "manifest":
        return [package_files()["vnf.mf"], META.encode(), *(path.read_bytes() for path in SAMPLES.glob("*/*.mf"))]
    texts = (EVERYTHING, CONTAINERS, SERVICE, vnfd_of("2.5.1", False), vnfd_of("3.3.1", True))
    samples = [path.read_bytes() for path in (*SAMPLES.glob("*/Definitions/*.yaml"), TEXTS / "pnf.yaml")]
    return [VNFD.encode(), *(text.encode() for text in texts), *samples]


def dictionary() -> str:
    """Words that mutations put in: the keywords of the samples and the names of the standard's types."""
    from vnf_descriptors import types

    words = {word for seed in seeds("loader") for word in seed.decode().replace(":", " ").split()}
    names = {name for members in types.definitions("nsd", types.EDITIONS[-1]).values() for name in members}
    usable = (word for word in words | names if word.isascii() and word.isprintable() and len(word) < 60)
    return "".join(f'"{word.translate({34: None, 92: None})}"\n' for word in sorted(usable) if word.strip('"\\'))


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 when nothing was found or atheris does not run here, 1 when something was."""
    parser = argparse.ArgumentParser(description="Fuzz the readers of packages.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"only these of {', '.join(TARGETS)}")
    parser.add_argument("--seconds", type=int, default=60, help="for each target (60)")
    options = parser.parse_args(arguments)
    if unknown := set(options.targets) - TARGETS.keys():
        parser.error(f"no target {', '.join(sorted(unknown))}")
    if importlib.util.find_spec("atheris") is None:
        print("fuzz: atheris does not run on this platform; only the property-based tests do", flush=True)
        return 0
    failed = [name for name in options.targets or TARGETS if not passes(name, options.seconds)]
    print(f"fuzz: {', '.join(failed)} failed; inputs in {KEPT}" if failed else "fuzz: nothing found", flush=True)
    return 1 if failed else 0


def passes(name: str, seconds: int) -> bool:
    """Run one target in a process of its own."""
    KEPT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="cat-fuzz-") as corpus:
        for number, seed in enumerate(seeds(name)):
            (Path(corpus) / str(number)).write_bytes(seed)
        words = Path(corpus).with_suffix(".dict")
        words.write_text(dictionary(), encoding="ascii")
        limits = [f"-max_total_time={seconds}", f"-timeout={MAX_SECONDS}", f"-rss_limit_mb={MAX_MIB}"]
        shape = [f"-max_len={MAX_INPUT}", f"-dict={words}", f"-artifact_prefix={KEPT}/{name}-", "-verbosity=0"]
        command = [sys.executable, "-m", "tests.fuzz.descriptors", f"--child={name}", *limits, *shape, corpus]
        print(f"fuzz: {name} for {seconds} s", flush=True)
        try:
            return subprocess.run(command, timeout=seconds + 120, check=False).returncode == 0
        finally:
            words.unlink()


def run_target(name: str, arguments: Sequence[str]) -> int:
    """Fuzz in this process; libFuzzer ends it."""
    import atheris

    with atheris.instrument_imports(include=["vnf_descriptors"]):
        import vnf_descriptors.csar
        import vnf_descriptors.loader
        import vnf_descriptors.read_nsd
        import vnf_descriptors.read_pnfd
        import vnf_descriptors.read_vnfd
        import vnf_descriptors.rules.forwarding
        import vnf_descriptors.rules.nsd
        import vnf_descriptors.rules.vnfd  # noqa: F401
    atheris.Setup([sys.argv[0], *arguments], TARGETS[name])
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1].startswith("--child="):
        sys.exit(run_target(sys.argv[1].removeprefix("--child="), sys.argv[2:]))
    sys.exit(main())

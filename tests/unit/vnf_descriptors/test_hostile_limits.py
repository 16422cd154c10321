"""Every hostile package is refused within 2 s of CPU time and 200 MB, writes nothing and asks nobody."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.vnf_descriptors.descriptor_support import archive, package_files, write
from tests.unit.vnf_descriptors.hostile_archives import Case, sound_archives, with_gap
from tests.unit.vnf_descriptors.hostile_sizes import large_descriptors, large_services
from tests.unit.vnf_descriptors.hostile_support import hostile_packages
from vnf_descriptors import validate

#: What is asserted is CPU time, so a busy machine may take its time.
pytestmark = pytest.mark.timeout(600)

CASES = list(hostile_packages())
#: Packages that are large or unusual, but not wrong.
SOUND: list[Case] = [(name, data, set()) for name, data in (*large_descriptors(), *large_services(), *sound_archives())]

#: Validates each path in turn and tells what it cost; an audit hook sees what no test of the result could.
_WATCHED = """
import json, re, sys, time
import vnf_descriptors
from vnf_descriptors import guard, loader
seen = []
def watch(event, arguments):
    if event.startswith(("socket.connect", "socket.getaddrinfo", "urllib.", "os.system", "os.mkdir", "os.rename")):
        seen.append(event)
    elif event == "open" and isinstance(arguments[0], str) and set(arguments[1] or "") & set("wax+"):
        seen.append(f"open {arguments[0]!r} {arguments[1]}")
sys.addaudithook(watch)
for path in sys.argv[1:]:
    seen.clear()
    before = time.process_time()
    report = vnf_descriptors.validate(path)
    used = time.process_time() - before
    codes = sorted({entry.code for entry in report.errors})
    lines = all("\\n" not in line and line.isprintable() for line in report.to_text().splitlines())
    mib = int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read()).group(1)) / 1024
    print(json.dumps([codes, used, mib, list(seen), lines]), flush=True)
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[list[str], float, float, list[str], bool]]:
    """What became of each case, all validated by one process one after the other."""
    folder = tmp_path_factory.mktemp("hostile")
    cases = [*CASES, *SOUND]
    paths = [write(folder / f"{number}.csar", data) for number, (_, data, _) in enumerate(cases)]
    before = sorted(folder.iterdir())
    command = [sys.executable, "-B", "-c", _WATCHED, *map(str, paths)]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=500)
    assert run.returncode == 0, run.stderr
    assert sorted(folder.iterdir()) == before
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    return {case[0]: line for case, line in zip(cases, lines, strict=True)}


@pytest.mark.parametrize("case", CASES, ids=[case[0] for case in CASES])
def test_it_is_refused_cheaply(
    case: Case, outcomes: dict[str, tuple[list[str], float, float, list[str], bool]]
) -> None:
    codes, seconds, mib, deeds, printable = outcomes[case[0]]
    assert set(codes) & case[2], codes
    assert seconds < 2 and mib < 200, (seconds, mib)
    assert deeds == [] and printable


@pytest.mark.parametrize("case", SOUND, ids=[case[0] for case in SOUND])
def test_what_is_only_unusual_is_taken_cheaply(
    case: Case, outcomes: dict[str, tuple[list[str], float, float, list[str], bool]]
) -> None:
    codes, seconds, mib, deeds, _ = outcomes[case[0]]
    assert codes == []
    assert seconds < 2 and mib < 200, (seconds, mib)
    assert deeds == []


def test_cases_have_names_of_their_own() -> None:
    assert len({case[0] for case in (*CASES, *SOUND)}) == len(CASES) + len(SOUND) > 130


def test_octets_that_belong_to_no_member_are_told(tmp_path: Path) -> None:
    report = validate(write(tmp_path / "p.csar", with_gap(archive(package_files()), b"hidden" * 50)))
    assert report.ok and [(entry.code, entry.severity) for entry in report] == [("ZIP006", "warning")]
    assert "300 octets" in report.findings[0].message


def test_a_flood_of_findings_is_counted(tmp_path: Path) -> None:
    files = {**package_files(), **{f"Files/{number}": b"" for number in range(700)}}
    report = validate(write(tmp_path / "p.csar", archive(files)))
    assert len(report.findings) == 501 and any(entry.message.startswith("200 more") for entry in report)


def test_special_files_in_a_tree(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/")
    (tmp_path / "vnfd.yaml").symlink_to("/etc/hostname")
    command = [sys.executable, "-B", "-c", _WATCHED, str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    codes, seconds, mib, deeds, printable = json.loads(run.stdout)
    assert "ZIP004" in codes and seconds < 2 and mib < 200 and deeds == [] and printable

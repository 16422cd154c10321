"""``mano package`` and ``mano explain`` as a user runs them: outputs, exit codes, policy."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mano.cli.explain import explain
from mano.cli.packages import package
from tests.unit.vnf_descriptors.descriptor_support import SAMPLES, archive, changed, package_files, write
from tests.unit.vnf_descriptors.signing_support import Issued, issue, revocation_list, signed_files
from tests.unit.vnf_descriptors.test_package_policy import TODAY
from vnf_descriptors.codes import CODES


def run(*arguments: object) -> Result:
    return CliRunner().invoke(package, [str(each) for each in arguments])


def good(path: Path) -> Path:
    return write(path / "good.csar", archive(package_files()))


def bad(path: Path) -> Path:
    return write(path / "bad.csar", archive(package_files(changed("num_virtual_cpu: 4", "num_virtual_cpus: many"))))


@pytest.fixture
def signed(tmp_path: Path) -> tuple[Path, Issued, Issued]:
    """A package signed today, its root and its signer."""
    root = issue("root", ca=True, begins=TODAY, days=3650)
    vendor = issue("vendor", root, begins=TODAY, days=3650)
    write(tmp_path / "trust/root.pem", root.certificate)
    return write(tmp_path / "signed.csar", archive(signed_files(vendor))), root, vendor


def test_all_paths_are_told_before_the_end(tmp_path: Path) -> None:
    result = run("validate", bad(tmp_path), tmp_path / "nowhere.csar", good(tmp_path))
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert any(line.startswith(f"{tmp_path}/bad.csar!Definitions/vnfd.yaml:42:") for line in lines)
    assert any("nowhere.csar!nowhere.csar:1:1: error ZIP001" in line for line in lines)
    assert not any("good.csar" in line for line in lines)
    assert run("validate", good(tmp_path)).exit_code == 0 and run("validate").exit_code == 2


def test_programs_get_json_and_names(tmp_path: Path) -> None:
    reports = json.loads(run("validate", "-o", "json", good(tmp_path), bad(tmp_path)).output)
    assert [report["ok"] for report in reports] == [True, False]
    assert {"file", "line", "column", "severity", "code", "message", "clause", "hint"} == set(reports[1]["findings"][0])
    assert run("validate", "-o", "name", good(tmp_path), bad(tmp_path)).output == f"{tmp_path}/bad.csar\n"


def test_the_sarif_log_has_what_version_2_1_0_requires(tmp_path: Path) -> None:
    log = json.loads(run("validate", "-o", "sarif", bad(tmp_path)).output)
    assert set(log) == {"$schema", "version", "runs"} and log["version"] == "2.1.0"
    (only,) = log["runs"]
    rules = only["tool"]["driver"]["rules"]
    assert only["tool"]["driver"]["name"] and len({rule["id"] for rule in rules}) == len(rules)
    for rule in rules:
        assert rule["shortDescription"]["text"] and rule["fullDescription"]["text"]
        assert rule["defaultConfiguration"]["level"] in ("error", "warning", "note")
    for result in only["results"]:
        assert result["message"]["text"] and result["level"] in ("error", "warning", "note")
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        (place,) = result["locations"]
        region = place["physicalLocation"]["region"]
        assert region["startLine"] >= 1 and region["startColumn"] >= 1
        assert " " not in place["physicalLocation"]["artifactLocation"]["uri"]


def test_policy_is_an_option(tmp_path: Path, signed: tuple[Path, Issued, Issued]) -> None:
    path, root, vendor = signed
    strict: Sequence[object] = ("--trust", tmp_path / "trust", "--require-signature")
    assert run("validate", path, *strict).exit_code == 0
    assert run("validate", good(tmp_path), *strict).exit_code == 1
    assert run("validate", path, "--require-signature").exit_code == 2
    assert run("validate", path, "--trust", good(tmp_path)).exit_code == 1
    write(tmp_path / "trust/list.crl", revocation_list(root, vendor, at=TODAY, until=root.x509.not_valid_after_utc))
    result = run("validate", path, "--trust", tmp_path / "trust")
    assert result.exit_code == 1 and "SIG007" in result.output


def test_external_files_are_an_option(tmp_path: Path) -> None:
    files = package_files()
    listing = files["vnf.mf"] + b"\nSource: https://example.org/x\nAlgorithm: SHA-256\nHash: " + b"0" * 64 + b"\n"
    path = write(tmp_path / "p.csar", archive({**files, "vnf.mf": listing}))
    assert run("validate", path).exit_code == 1 and run("validate", path, "--allow-external").exit_code == 0
    assert run("diff", path, good(tmp_path)).exit_code == 0


def test_of_two_kinds_of_descriptors_only_the_kinds_differ(tmp_path: Path) -> None:
    service = SAMPLES / "gi-lan/Definitions"
    for name in ("gi-lan.yaml", "vnf_types.yaml"):
        write(tmp_path / name, (service / name).read_bytes())
    result = run("diff", good(tmp_path), tmp_path / "gi-lan.yaml")
    assert result.exit_code == 10
    assert result.output == "one is a descriptor of another kind: VNFD and NSD\n"


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_is_explained(code: str) -> None:
    result = CliRunner().invoke(explain, [code])
    assert result.exit_code == 0 and result.output.startswith(f"{code} (") and "Clause: " in result.output


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("tosca.nodes.nfv.Vdu.Compute", "virtual_compute"),
        ("tosca.nodes.nfv.VduCp.properties.vnic_type", "direct-physical"),
        ("tosca.datatypes.nfv.VirtualCpu.properties.num_virtual_cpu", "integer"),
        ("tosca.policies.nfv.NfpRule.properties.protocol", "string"),
    ],
)
def test_types_are_explained_by_path(path: str, says: str) -> None:
    result = CliRunner().invoke(explain, [path])
    assert result.exit_code == 0 and says in result.output
    assert CliRunner().invoke(explain, [f"{path}.nothing"]).exit_code == 1

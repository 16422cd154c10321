from __future__ import annotations

import json
import re
from pathlib import Path

from tests.unit.vnf_descriptors.descriptor_support import changed, check_text
from vnf_descriptors import DescriptorError, Finding, Report, Severity, to_sarif, to_text
from vnf_descriptors.report import printable, quote

BAD = changed("num_virtual_cpu: 4", "num_virtual_cpus: many")
LINE = re.compile(r"^(?P<file>[^:!]+(!.+?)?):(\d+):(\d+): (error|warning|info) [A-Z]+\d{3} .+ \(.+\)$")


def test_the_text_is_one_line_for_each_finding(tmp_path: Path) -> None:
    report = check_text(tmp_path, BAD)
    lines = report.to_text().splitlines()
    assert len(lines) == len(report.findings) == 2
    assert all(LINE.match(line) for line in lines), lines
    assert lines[0].startswith("vnfd.yaml:42:15: error TOSCA009 ")
    assert "Did you mean 'num_virtual_cpu'?" in lines[0]
    assert "TOSCA011 'num_virtual_cpu' is 'many'; expected an integer" in lines[1]


def test_the_path_goes_before_the_file_when_there_are_several(tmp_path: Path) -> None:
    report = check_text(tmp_path, BAD)
    assert report.to_text(with_path=True).startswith(f"{tmp_path}/vnfd.yaml!vnfd.yaml:")


def test_the_json_says_the_same(tmp_path: Path) -> None:
    report = check_text(tmp_path, BAD)
    document = json.loads(json.dumps(report.to_json()))
    assert (document["ok"], document["signature"]) == (False, "none")
    entry = document["findings"][0]
    assert (entry["line"], entry["column"], entry["code"], entry["severity"]) == (42, 15, "TOSCA009", "error")
    assert entry["hint"] and entry["clause"] and entry["file"] == "vnfd.yaml"


def test_sarif_names_rules_and_places(tmp_path: Path) -> None:
    report = check_text(tmp_path, BAD)
    log = json.loads(to_sarif([report, Report("other.csar")], "1.2"))
    (run,) = log["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert log["version"] == "2.1.0" and rules == ["TOSCA009", "TOSCA011"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"] and result["level"] == "error"
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"].endswith("/vnfd.yaml") and place["region"]["startLine"] > 1


def test_findings_are_sorted_and_told_once() -> None:
    one = Finding("b.yaml", 2, 1, "YAML001", Severity.ERROR, "x")
    two = Finding("a.yaml", 9, 1, "YAML001", Severity.ERROR, "x")
    warning = Finding("b.yaml", 2, 1, "MF001", Severity.WARNING, "x")
    assert Report("p", (one, warning, two, one)).findings == (two, one, warning)
    assert Report("p", (warning,)).ok and not Report("p", (one,)).ok


def test_control_characters_do_not_reach_a_terminal() -> None:
    entry = Finding("a\nb\x1b[2J", 1, 1, "YAML001", Severity.ERROR, "m\r\u202e\x00", "c")
    assert to_text(entry).isprintable()
    assert printable("a\tb") == "a\\tb"
    assert quote("x" * 1000) == "'" + "x" * 79 + "…'"


def test_the_exception_tells_the_first_error() -> None:
    errors = tuple(Finding("a", n, 1, "YAML001", Severity.ERROR, f"fault {n}") for n in (1, 2, 3))
    assert str(DescriptorError(Report("p", errors))) == "a:1:1: error YAML001 fault 1 (and 2 more)"

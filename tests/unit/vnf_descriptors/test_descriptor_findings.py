"""One fault each, planted into a descriptor without findings: its code, its line and its hint."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.unit.vnf_descriptors.descriptor_support import (
    SAMPLES,
    changed,
    check_text,
    codes,
    found,
    line_of,
    write,
)
from vnf_descriptors import Report, Severity, validate
from vnf_descriptors.codes import CODES, explain, markdown_table

NSD = (SAMPLES / "gi-lan/Definitions/gi-lan.yaml").read_text()
VNF_TYPES = (SAMPLES / "gi-lan/Definitions/vnf_types.yaml").read_text()

FAULTS = yaml.safe_load((Path(__file__).parent / "descriptor_faults.yaml").read_text())


def name_of(fault: dict[str, str]) -> str:
    """A short name for a test's identifier."""
    return f"{fault['code']}-{fault['says'][:30]}"


@pytest.mark.parametrize("fault", FAULTS["vnfd"], ids=name_of)
def test_a_fault_in_a_vnfd(tmp_path: Path, fault: dict[str, str]) -> None:
    text = changed(fault["replace"], fault["by"])
    expect(check_text(tmp_path, text), fault["code"], fault["at"], fault["says"], text)


@pytest.mark.parametrize("fault", FAULTS["nsd"], ids=name_of)
def test_a_fault_in_an_nsd(tmp_path: Path, fault: dict[str, str]) -> None:
    text = changed(fault["replace"], fault["by"], NSD)
    write(tmp_path / "vnf_types.yaml", VNF_TYPES.encode())
    expect(validate(write(tmp_path / "vnfd.yaml", text.encode())), fault["code"], fault["at"], fault["says"], text)


def expect(report: Report, code: str, where: str, says: str, text: str) -> None:
    """The report holds the code with these words on the line where this piece of text begins."""
    matching = [entry for entry in found(report, code) if says in f"{entry.message}. {entry.hint}"]
    assert matching, report.to_text()
    assert line_of(where, text) in [entry.line for entry in matching], report.to_text()
    assert all(entry.clause and entry.file == "vnfd.yaml" for entry in matching)


def test_a_constituent_names_its_descriptor(tmp_path: Path) -> None:
    piece = "descriptor_id: {type: string, default: 5c6f2a4e-7a0b-4b8e-9d51-3f1d9f3b1c02}"
    write(tmp_path / "vnf_types.yaml", changed(piece, "descriptor_id: {type: string}", VNF_TYPES).encode())
    report = validate(write(tmp_path / "vnfd.yaml", NSD.encode()))
    expect(report, "NSD001", "    dpi:", "'dpi' has no descriptor_id", NSD)


def test_pinning_and_a_dedicated_policy_agree_and_a_shared_one_does_not(tmp_path: Path) -> None:
    pinned = "virtual_cpu_clock: 2.4 GHz\n              virtual_cpu_pinning: {virtual_cpu_pinning_policy: static}"
    text = changed("virtual_cpu_clock: 2.4 GHz", pinned)
    assert check_text(tmp_path, text).to_text() == ""
    text = changed('"hw:cpu_policy": dedicated, "hw:cpu_thread_policy": isolate', '"hw:cpu_policy": shared', text)
    expect(check_text(tmp_path, text), "REQ004", '"hw:cpu_policy": shared', "policy is static", text)


def test_a_demand_that_depends_on_an_input_needs_a_default(tmp_path: Path) -> None:
    text = changed("num_virtual_cpu: 4", "num_virtual_cpu: {get_input: cpus}")
    open_ = changed("    site: {", "    cpus: {type: integer}\n    site: {", text)
    expect(check_text(tmp_path, open_), "TOSCA019", "num_virtual_cpu: {get_input", "Give the input a default", open_)
    assert check_text(tmp_path, open_.replace("{type: integer}", "{type: integer, default: 4}")).to_text() == ""


def test_a_version_as_drafts_write_it_is_read(tmp_path: Path) -> None:
    (entry,) = check_text(tmp_path, changed("tosca_simple_yaml_1_3", "tosca_simple_yaml_1_3_0"))
    assert (entry.code, entry.severity, entry.line) == ("TOSCA001", Severity.WARNING, 1)
    assert not check_text(tmp_path, changed("tosca_simple_yaml_1_3", "tosca_simple_yaml_9_9_0")).ok


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    text = changed("num_virtual_cpu: 4", "num_virtual_cpu: many")
    text = changed("vnic_type: direct", "vnic_type: sriov", text)
    text = changed("- virtual_binding: worker", "- virtual_binding: workr", text)
    text = changed('"hw:cpu_policy": dedicated', '"hw:cpu_policy": pinned', text)
    text = changed("default_level: small", "default_level: tiny", text)
    text = changed("cidr: 192.168.7.0/24", "cidr: nowhere", text)
    report = check_text(tmp_path, text)
    assert {"TOSCA011", "TOSCA012", "TOSCA014", "REQ002", "VNFD008", "VNFD016"} <= codes(report, errors_only=True)
    lines = [(entry.file, entry.line, entry.column) for entry in report]
    assert lines == sorted(lines)


def test_columns_point_at_the_value(tmp_path: Path) -> None:
    (entry,) = found(check_text(tmp_path, changed("vnic_type: direct", "vnic_type: sriov")), "TOSCA012")
    assert entry.column == len("        vnic_type: ") + 1


def test_names_from_a_package_cannot_break_a_line(tmp_path: Path) -> None:
    text = changed("    disk:\n", '    "di\\nsk\\u001b[31m":\n')
    report = check_text(tmp_path, text)
    assert "TOSCA021" in codes(report, errors_only=True)
    assert all(line.startswith("vnfd.yaml:") for line in report.to_text().splitlines())
    assert "\x1b" not in report.to_text()


def test_an_edition_that_is_not_held_is_served_by_its_neighbour(tmp_path: Path) -> None:
    text = changed("raw/v4.4.1/", "raw/v4.3.1/")
    report = check_text(tmp_path, text)
    assert codes(report) == {"TOSCA024"} and report.ok


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_is_explained(code: str) -> None:
    text = explain(code.lower())
    assert text is not None and text.startswith(f"{code} (") and len(text) > 100
    assert CODES[code].clause and CODES[code].severity in Severity


def test_an_unknown_code_is_not_explained() -> None:
    assert explain("TOSCA999") is None


def test_the_table_of_codes_is_up_to_date() -> None:
    page = Path(__file__).resolve().parents[3] / "docs/descriptor-findings.md"
    assert markdown_table() in page.read_text("utf-8"), "write markdown_table() into the page"

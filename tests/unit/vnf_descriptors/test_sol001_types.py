from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from vnf_descriptors import types
from vnf_descriptors.types.notation import parse

REFERENCE = next(
    (p / "shared" / "etsi" / "sol001" for p in Path(__file__).resolve().parents if (p / "shared" / "etsi").is_dir()),
    None,
)
SECTIONS = tuple(types.definitions("common", "4.4.1"))


def test_a_block_reads_into_a_definition() -> None:
    text = """
enum colour
  red green

node Lamp < tosca.nodes.Root @4
  brightness integer? >=0 <=9 =3
  shade list<string{@colour}> len>=1 @4
  label string~^[a-z]?$
  old string @2
  - capability light Lit 1..*
  - requirement socket[1..2] Plug via PlugsTo to Wall 0..1
"""
    lamp = parse(text, "4")["node_types"]["tosca.nodes.nfv.Lamp"]
    assert lamp["properties"] == {
        "brightness": {
            "type": "integer",
            "required": False,
            "constraints": [{"greater_or_equal": 0}, {"less_or_equal": 9}],
            "default": 3,
        },
        "shade": {
            "type": "list",
            "required": True,
            "entry_schema": {"type": "string", "constraints": [{"valid_values": ["red", "green"]}]},
            "constraints": [{"min_length": 1}],
        },
        "label": {"type": "string", "required": True, "constraints": [{"pattern": "^[a-z]?$"}]},
    }
    assert lamp["capabilities"] == {"light": {"type": "tosca.capabilities.nfv.Lit", "occurrences": [1, "UNBOUNDED"]}}
    assert [next(iter(requirement)) for requirement in lamp["requirements"]] == ["socket1", "socket2"]
    assert lamp["requirements"][0]["socket1"]["relationship"] == "tosca.relationships.nfv.PlugsTo"
    assert parse(text, "2")["node_types"] == {}


@pytest.mark.parametrize(
    ("reference", "subject", "edition"),
    [
        ("etsi_nfv_sol001_vnfd_types.yaml", "vnfd", "4.4.1"),
        ("https://forge.etsi.org/rep/nfv/SOL001/raw/v3.7.1/etsi_nfv_sol001_nsd_types.yaml", "nsd", "3.7.1"),
        ("https://forge.etsi.org/rep/nfv/SOL001/raw/v2.5.1/etsi_nfv_sol001_vnfd_types.yaml", "vnfd", "2.5.1"),
        ("Definitions/etsi_nfv_sol001_vnfd_2_5_1_types.yaml", "vnfd", "2.5.1"),
        ("etsi_nfv_sol001_pnfd_2_7_1_types.yaml", "pnfd", "3.3.1"),
        ("https://forge.etsi.org/rep/nfv/SOL001/blob/v3.6.1/etsi_nfv_sol001_nsd_types.yaml?a=b", "nsd", "3.7.1"),
        ("ETSI_NFV_SOL001_VNFD_TYPES.yml", "vnfd", "4.4.1"),
        ("https://forge.etsi.org/rep/nfv/SOL001/raw/v5.2.1/etsi_nfv_sol001_vnfd_types.yaml", "vnfd", "4.4.1"),
    ],
)
def test_imports_of_the_standard_are_recognised(reference: str, subject: str, edition: str) -> None:
    found = types.recognise(reference)
    assert found is not None
    assert (found.subject, found.edition) == (subject, edition)


@pytest.mark.parametrize("edition", ["2.5.1", "3.3.1"])
def test_editions_between_the_others_differ_where_packages_notice(edition: str) -> None:
    mine = types.definitions("vnfd", edition)
    compute = mine["node_types"]["tosca.nodes.nfv.Vdu.Compute"]["properties"]
    data = mine["data_types"]["tosca.datatypes.nfv.SwImageData"]["properties"]
    assert compute["sw_image_data"] == {"type": "tosca.datatypes.nfv.SwImageData", "required": False}
    assert data["checksum"]["type"] == ("string" if edition == "2.5.1" else "tosca.datatypes.nfv.ChecksumData")
    image = mine["artifact_types"]["tosca.artifacts.nfv.SwImage"].get("properties", {})
    assert bool(image) is (edition == "3.3.1") and not any(each["required"] for each in image.values())
    assert "tosca.nodes.nfv.NS" in types.definitions("nsd", edition)["node_types"]
    assert types.definitions("common", edition) and types.definitions("pnfd", edition)["node_types"]


def test_an_edition_is_guessed_from_the_tosca_version() -> None:
    found = types.recognise("etsi_nfv_sol001_vnfd_types.yaml", "tosca_simple_yaml_1_2")
    assert found is not None and found.edition == "2.6.1"


@pytest.mark.parametrize("reference", ["my_types.yaml", "https://example.org/etsi_nfv_types.yaml", ""])
def test_other_imports_are_not_the_standards(reference: str) -> None:
    assert types.recognise(reference) is None


def test_every_parent_is_defined() -> None:
    base = types.tosca_definitions()
    for edition in types.EDITIONS:
        mine = types.definitions("nsd", edition)
        for section in SECTIONS:
            for name, definition in {**base[section], **mine[section]}.items():
                parent = definition.get("derived_from")
                known = parent is None or parent in mine[section] or parent in base[section]
                assert known, f"{edition} {name} derives from {parent}"


@pytest.mark.skipif(REFERENCE is None, reason="the standard's own files are not beside this clone")
@pytest.mark.parametrize("edition", types.EDITIONS)
@pytest.mark.parametrize("subject", sorted(types.SUBJECTS))
def test_the_tables_say_what_the_standard_says(subject: str, edition: str) -> None:
    assert REFERENCE is not None
    expected: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    for table in types.SUBJECTS[subject]:
        text = (REFERENCE / edition / f"etsi_nfv_sol001_{table}_types.yaml").read_text("utf-8")
        for section, content in yaml.safe_load(text).items():
            if section in expected:
                expected[section].update(content)
    mine = types.definitions(subject, edition)
    for section in SECTIONS:
        assert set(mine[section]) >= set(expected[section])
        for name, definition in expected[section].items():
            assert mine[section][name] == _normal(definition), name


def _normal(definition: dict[str, Any]) -> dict[str, Any]:
    """A type definition of the standard without prose, with its shorthands written out."""
    out = {key: value for key, value in definition.items() if key != "description"}
    for section in ("properties", "attributes"):
        if section in out:
            out[section] = {name: _schema(schema) for name, schema in out[section].items()}
    if "capabilities" in out:
        out["capabilities"] = {name: _bare(value) for name, value in out["capabilities"].items()}
    if "requirements" in out:
        out["requirements"] = [{n: _bare(v) for n, v in entry.items()} for entry in out["requirements"]]
    for section in ("interfaces", "notifications"):
        if section in out:
            out[section] = {name: _bare(value or {}) for name, value in out[section].items()}
    _operations(out)
    return out


def _operations(out: dict[str, Any]) -> None:
    names = {"derived_from", "notifications", "interfaces", "properties", "attributes", "capabilities", "requirements"}
    if str(out.get("derived_from", "")).startswith("tosca.interfaces"):
        plain = {name: out.pop(name) for name in list(out) if name not in names | {"operations"}}
        plain.update(out.pop("operations", {}) or {})
        operations = {name: _bare(value or {}) for name, value in plain.items()}
        for operation in operations.values():
            if "inputs" in operation:
                operation["inputs"] = {name: _schema(schema) for name, schema in operation["inputs"].items()}
        if operations:
            out["operations"] = operations


def _bare(value: dict[str, Any]) -> dict[str, Any]:
    return {key: entry for key, entry in value.items() if key != "description"}


def _schema(schema: dict[str, Any] | str, required: bool = True) -> dict[str, Any]:
    out: dict[str, Any] = {"type": schema} if isinstance(schema, str) else _bare(schema)
    if required:
        out.setdefault("required", True)
    if isinstance(out.get("constraints"), dict):
        out["constraints"] = [{key: value} for key, value in out["constraints"].items()]
    for section in ("entry_schema", "key_schema"):
        if section in out:
            out[section] = _schema(out[section], required=False)
    return out

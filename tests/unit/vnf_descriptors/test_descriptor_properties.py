"""Whatever octets come in: a report comes out."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.vnf_descriptors.descriptor_support import (
    META,
    SAMPLES,
    VNFD,
    archive,
    codes,
    package_files,
    write,
)
from vnf_descriptors import Severity, guard, manifest, tosca_meta, validate, yamltree
from vnf_descriptors.units import SIZES, parse, size_bytes, size_mib

NSD = (SAMPLES / "gi-lan/Definitions/gi-lan.yaml").read_text()
#: As many as the profile says when it looks for new ones (`make fuzz`), else few.
EXAMPLES = max(60, settings.default.max_examples if settings.default.max_examples > 100 else 0)
QUICK = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
LINES = VNFD.splitlines()
PIECES = st.sampled_from(
    [
        "",
        " ",
        "[]",
        "{}",
        "~",
        "- x",
        "*a",
        "&a x",
        "!!binary x",
        "{get_input: site}",
        "1e999",
        "9" * 400,
        "\x07",
        "'",
        "|",
    ]
)
#: No lone surrogates, which no UTF-8 file can hold.
TEXT = st.characters(exclude_categories=["Cs"])
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(TEXT, max_size=20))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(TEXT, max_size=8), inner, max_size=4),
    max_leaves=12,
)


@QUICK
@given(st.binary(max_size=400))
def test_any_octets_as_yaml_manifest_and_metadata(data: bytes) -> None:
    composed = yamltree.compose(data, "x")
    assert composed.root is None or composed.root.size <= yamltree.MAX_NODES
    manifest.parse(data, "x.mf")
    tosca_meta.parse(data)


@QUICK
@given(VALUES)
def test_what_yaml_writes_is_read_back(value: Any) -> None:
    text = yaml.safe_dump(value)
    plain = yamltree.to_plain(yamltree.compose(text.encode(), "x").root)
    assert normal(plain) == normal(value)


def normal(value: Any) -> Any:
    """Values as texts: YAML 1.1, which the writer follows, quotes and names some scalars in another way."""
    if isinstance(value, dict):
        return {str(key): normal(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [normal(entry) for entry in value]
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


@QUICK
@given(st.data())
def test_a_vnfd_with_a_line_changed(tmp_path: Path, data: st.DataObject) -> None:
    number = data.draw(st.integers(0, len(LINES) - 1))
    line = LINES[number]
    action = data.draw(st.sampled_from(["drop", "twice", "indent", "value", "cut"]))
    if action == "value":
        changed = [f"{line.partition(':')[0]}: {data.draw(PIECES)}"]
    elif action == "cut":
        changed = [line[: data.draw(st.integers(0, len(line)))]]
    else:
        changed = {"drop": [], "twice": [line, line], "indent": [f"  {line}"]}[action]
    text = "\n".join([*LINES[:number], *changed, *LINES[number + 1 :]])
    report = validate(write(tmp_path / "vnfd.yaml", text.encode()))
    assert all(entry.message.isprintable() or "\n" not in entry.message for entry in report)
    assert "TOSCA023" not in codes(report)


@QUICK
@given(st.data())
def test_an_nsd_with_a_value_replaced(tmp_path: Path, data: st.DataObject) -> None:
    lines = NSD.splitlines()
    number = data.draw(st.integers(0, len(lines) - 1))
    text = "\n".join([*lines[:number], f"{lines[number].partition(':')[0]}: {data.draw(PIECES)}", *lines[number + 1 :]])
    types = SAMPLES / "gi-lan/Definitions/vnf_types.yaml"
    write(tmp_path / "vnf_types.yaml", types.read_bytes())
    validate(write(tmp_path / "nsd.yaml", text.encode()))


@QUICK
@given(st.data())
def test_an_archive_with_octets_changed(tmp_path: Path, data: st.DataObject) -> None:
    good = bytearray(archive(package_files()))
    for _ in range(data.draw(st.integers(1, 6))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    validate(write(tmp_path / "p.csar", bytes(good)))


@QUICK
@given(st.dictionaries(st.text(min_size=1, max_size=12), st.binary(max_size=40), max_size=6))
def test_an_archive_of_anything(tmp_path: Path, members: dict[str, bytes]) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as out:
        for name, content in members.items():
            try:
                out.writestr(zipfile.ZipInfo(name), content)
            except UnicodeEncodeError:
                continue
    report = validate(write(tmp_path / "p.csar", stream.getvalue()))
    assert not report.ok


@QUICK
@given(st.text(alphabet="./\\abC:\0\n", max_size=12))
def test_a_safe_name_stays_inside(name: str) -> None:
    if guard.check_name(name) is None:
        resolved = Path("/some/package", name).resolve()
        assert resolved.is_relative_to("/some/package") and "\n" not in name


@QUICK
@given(st.text(max_size=200))
def test_any_text_as_tosca_meta(text: str) -> None:
    _, findings = tosca_meta.parse((META + text).encode("utf-8", "replace"))
    assert all(entry.severity in Severity for entry in findings)


@given(st.integers(0, 10**9), st.sampled_from(sorted(SIZES)))
def test_sizes_are_rounded_up_and_never_down(amount: int, unit: str) -> None:
    octets = size_bytes(f"{amount} {unit}")
    assert octets == amount * SIZES[unit] == parse(f"{amount}{unit.upper()}", "scalar-unit.size")
    assert octets <= size_mib(f"{amount} {unit}") * 1024**2 < octets + 1024**2

"""Packages that mean harm: each is refused with a finding, within limits that the product enforces."""

from __future__ import annotations

import io
import os
import resource
import stat
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.vnf_descriptors.descriptor_support import (
    VNFD,
    archive,
    changed,
    check_files,
    check_text,
    codes,
    package_files,
    write,
)
from vnf_descriptors import Report, guard, validate, yamltree


def check_bytes(tmp_path: Path, data: bytes) -> Report:
    return validate(write(tmp_path / "package.csar", data))


def with_member(name: str, data: bytes = b"x") -> bytes:
    """A good package with one more member, whatever its name."""
    stream = io.BytesIO(archive(package_files()))
    with zipfile.ZipFile(stream, "a") as out:
        out.writestr(zipfile.ZipInfo(name), data)
    return stream.getvalue()


def with_info(change: Callable[[zipfile.ZipInfo], None], data: bytes = b"x") -> bytes:
    """A good package with one more member, whose entry was changed."""
    stream = io.BytesIO(archive(package_files()))
    info = zipfile.ZipInfo("Files/extra")
    change(info)
    with zipfile.ZipFile(stream, "a") as out:
        out.writestr(info, data)
    return stream.getvalue()


def patched(data: bytes, name: bytes, offset: int, value: bytes) -> bytes:
    """The archive with some octets of a member's entry in the central directory replaced."""
    at = data.rindex(b"PK\x01\x02", 0, data.rindex(name))
    return data[: at + offset] + value + data[at + offset + len(value) :]


@pytest.mark.parametrize(
    "name",
    [
        "../outside",
        "Definitions/../../outside",
        "/etc/passwd",
        "C:/windows/x",
        "a\\..\\b",
        "line\nbreak",
        "bell\x07",
        "a//b",
        "./a",
        "a/" * 40 + "deep",
        "long" * 300,
    ],
)
def test_an_unsafe_name(tmp_path: Path, name: str) -> None:
    report = check_bytes(tmp_path, with_member(name))
    assert codes(report) == {"ZIP002"}
    assert "\n" not in report.findings[0].message and len(report.findings[0].message) < 300


def test_a_name_with_a_nul_does_not_hide_its_end(tmp_path: Path) -> None:
    data = with_member("Files/nuXl")
    data = data.replace(b"Files/nuXl", b"Files/nu\x00l")
    assert "ZIP002" in codes(check_bytes(tmp_path, data))


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", ["install.sh", "INSTALL.SH", "Definitions/VNFD.yaml", "install.sh/x"])
def test_two_members_with_one_name(tmp_path: Path, name: str) -> None:
    assert codes(check_bytes(tmp_path, with_member(name))) == {"ZIP003"}


def test_names_that_differ_in_composition_only(tmp_path: Path) -> None:
    stream = io.BytesIO(with_member("Files/caf\u00e9"))
    with zipfile.ZipFile(stream, "a") as out:
        out.writestr("Files/cafe\u0301", b"x")
    assert codes(check_bytes(tmp_path, stream.getvalue())) == {"ZIP003"}


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_a_link_or_a_special_file(tmp_path: Path, kind: int) -> None:
    def change(info: zipfile.ZipInfo) -> None:
        info.create_system = 3
        info.external_attr = (kind | 0o777) << 16

    assert codes(check_bytes(tmp_path, with_info(change, b"/etc/passwd"))) == {"ZIP004"}


def test_an_encrypted_member(tmp_path: Path) -> None:
    data = patched(with_member("Files/extra"), b"Files/extra", 8, b"\x01\x00")
    assert codes(check_bytes(tmp_path, data)) == {"ZIP005"}


def test_an_unknown_compression(tmp_path: Path) -> None:
    def change(info: zipfile.ZipInfo) -> None:
        info.compress_type = zipfile.ZIP_LZMA

    assert codes(check_bytes(tmp_path, with_info(change))) == {"ZIP005"}


def test_overlapping_members(tmp_path: Path) -> None:
    data = with_member("Files/extra", b"y" * 100)
    at = data.index(b"install.sh") - 30
    data = patched(data, b"Files/extra", 42, struct.pack("<I", at))
    assert codes(check_bytes(tmp_path, data)) <= {"ZIP006", "ZIP001"} and codes(check_bytes(tmp_path, data))


def test_something_before_the_first_member(tmp_path: Path) -> None:
    assert codes(check_bytes(tmp_path, b"#!/bin/sh\nexit\n" + archive(package_files()))) == {"ZIP001"}
    hidden = archive({"a": b"1"})
    assert codes(check_bytes(tmp_path, hidden + archive(package_files()))) & {"ZIP001", "ZIP006"}


def test_a_bomb_by_ratio(tmp_path: Path) -> None:
    assert codes(check_files(tmp_path, {**package_files(), "Files/zeros": b"\0" * (16 * 1024 * 1024)})) == {"ZIP007"}


def test_a_member_that_lies_about_its_size(tmp_path: Path) -> None:
    data = archive({**package_files(), "Files/liar": b"z" * 5000})
    for size in (10, 9_000_000):
        lying = patched(data, b"Files/liar", 24, struct.pack("<I", size))
        assert codes(check_bytes(tmp_path, lying)) & {"ZIP006", "ZIP007"}


def test_a_member_that_is_damaged(tmp_path: Path) -> None:
    data = bytearray(archive(package_files()))
    at = bytes(data).index(b"Definitions/vnfd.yaml") + 60
    data[at : at + 8] = b"\xff" * 8
    assert "ZIP008" in codes(check_bytes(tmp_path, bytes(data)))


def test_too_many_members(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as out:
        for number in range(guard.MAX_MEMBERS + 1):
            out.writestr(zipfile.ZipInfo(f"f{number}"), b"")
    assert codes(check_bytes(tmp_path, stream.getvalue())) == {"ZIP007"}


def test_a_directory_that_promises_millions_of_members(tmp_path: Path) -> None:
    data = bytearray(archive(package_files()))
    end = bytes(data).rindex(b"PK\x05\x06")
    data[end + 8 : end + 12] = struct.pack("<HH", 60000, 60000)
    assert codes(check_bytes(tmp_path, bytes(data))) == {"ZIP007"}


def test_a_package_in_a_package(tmp_path: Path) -> None:
    files = package_files()
    assert "ZIP009" in codes(check_files(tmp_path, {**files, "Files/inner.csar": archive(files)}))


@pytest.mark.parametrize("data", [b"", b"PK", b"PK\x05\x06" + b"\0" * 18, b"not a zip", b"PK\x03\x04" * 100])
def test_no_archive_at_all(tmp_path: Path, data: bytes) -> None:
    assert codes(check_bytes(tmp_path, data)) <= {"ZIP001", "CSAR001"}
    assert not check_bytes(tmp_path, data).ok


def test_an_archive_without_members(tmp_path: Path) -> None:
    (entry,) = check_bytes(tmp_path, archive({})).findings
    assert (entry.code, entry.message) == ("ZIP001", "this archive is empty")


def test_every_cut_of_an_archive_is_refused(tmp_path: Path) -> None:
    data = archive(package_files())
    for end in range(0, len(data) - 1, 97):
        assert not check_bytes(tmp_path, data[:end]).ok


def test_special_paths(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csar")
    assert codes(validate(tmp_path / "pipe.csar")) == {"ZIP001"}
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/link.yaml").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "tree/pipe")
    assert codes(validate(tmp_path / "tree")) == {"ZIP004"}


def test_a_bare_file_does_not_import_through_a_link(tmp_path: Path) -> None:
    write(tmp_path / "secret/types.yaml", b"tosca_definitions_version: tosca_simple_yaml_1_3\n")
    (tmp_path / "work").mkdir()
    (tmp_path / "work/types.yaml").symlink_to(tmp_path / "secret/types.yaml")
    text = changed("imports:\n", "imports:\n- types.yaml\n")
    assert "TOSCA003" in codes(validate(write(tmp_path / "work/vnfd.yaml", text.encode())))


# YAML -----------------------------------------------------------------------------------------------------


def bomb() -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (bomb(), "YAML003"),
        ("a: " + "[" * 30_000, "YAML003"),
        ("- " * 30_000, "YAML003"),
        ("a: &a [*a]", "YAML003"),
        ("a: &a {<<: *a}", "YAML003"),
        ("\n".join(f"k{n}: v" for n in range(60_000)), "YAML003"),
        ("a: " + "x" * yamltree.MAX_BYTES, "YAML002"),
        ("? [a, b]\n: c", "YAML004"),
        ("a: !!python/object/apply:os.system [ls]", "YAML005"),
        ("a: \x01", "YAML001"),
        ("%YAML 3.0\n---\na: b", "YAML001"),
        ("a: 'open", "YAML001"),
    ],
)
def test_hostile_yaml(tmp_path: Path, text: str, code: str) -> None:
    assert code in codes(check_text(tmp_path, text))


@pytest.mark.parametrize("data", [b"\xff\xfea\x00", b"a: \xc3\x28", b"a: \x00", b"\xef\xbb\xbf\xef\xbb\xbf"])
def test_yaml_that_is_no_utf8_text(tmp_path: Path, data: bytes) -> None:
    assert not validate(write(tmp_path / "x.yaml", data)).ok


@pytest.mark.parametrize("value", ["2026-13-45", "0x", "0o9", "1_000", "1:30", "=", "<<", ".", "+", "1e", "0b1"])
def test_odd_scalars_are_texts(value: str) -> None:
    root = yamltree.compose(f"a: {value}".encode(), "x").root
    assert isinstance(root, yamltree.Mapping)
    assert yamltree.to_plain(root) == {"a": value}


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ("0o17", 15),
        ("0x1F", 31),
        ("017", 17),
        ("-5", -5),
        ("1.5e3", 1500.0),
        ("~", None),
        ("yes", "yes"),
        ("True", True),
    ],
)
def test_scalars_resolve_by_yaml_1_2(value: str, plain: object) -> None:
    assert yamltree.to_plain(yamltree.compose(f"a: {value}".encode(), "x").root) == {"a": plain}


def test_merged_keys_do_not_replace_own_ones() -> None:
    text = b"base: &b {x: 1, y: 2}\nmine: {<<: *b, x: 3}\nboth: {<<: [{z: 9}, *b]}\n"
    plain = yamltree.to_plain(yamltree.compose(text, "x").root)
    assert plain["mine"] == {"x": 3, "y": 2} and plain["both"] == {"z": 9, "x": 1, "y": 2}


# Descriptors ------------------------------------------------------------------------------------------------


def test_imports_that_go_round(tmp_path: Path) -> None:
    write(tmp_path / "other.yaml", b"tosca_definitions_version: tosca_simple_yaml_1_3\nimports: [vnfd.yaml]\n")
    report = check_text(tmp_path, changed("imports:\n", "imports:\n- other.yaml\n"))
    assert codes(report, errors_only=True) == {"TOSCA005"}


def test_a_manifest_that_reaches_out(tmp_path: Path) -> None:
    files = package_files()
    extra = b"\nSource: ../../etc/passwd\nAlgorithm: SHA-256\nHash: " + b"0" * 64 + b"\n"
    assert "MF012" in codes(check_files(tmp_path, {**files, "vnf.mf": files["vnf.mf"] + extra}))


def test_a_pattern_that_would_take_forever(tmp_path: Path) -> None:
    evil = 'provider: {type: string, constraints: [{pattern: "^(a+)+$"}], default: "' + "a" * 60 + '!"}'
    report = check_text(tmp_path, changed("provider: {type: string, default: Example}", evil))
    assert report.ok


def test_functions_that_go_round(tmp_path: Path) -> None:
    text = changed("name: worker\n", "name: {get_property: [SELF, name]}\n")
    assert check_text(tmp_path, text).ok


def test_deep_derivation_is_no_recursion(tmp_path: Path) -> None:
    chain = "".join(f"  t{n}: {{derived_from: t{n + 1}}}\n" for n in range(3000))
    report = check_text(tmp_path, changed("node_types:\n", f"node_types:\n{chain}  t3000: {{derived_from: t0}}\n"))
    assert "TOSCA007" in codes(report, errors_only=True)


_LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
import vnf_descriptors
before = resource.getrusage(resource.RUSAGE_SELF)
report = vnf_descriptors.validate(sys.argv[1])
after = resource.getrusage(resource.RUSAGE_SELF)
used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
# Not ru_maxrss: that counts what the process was forked from.
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
print("ok" if report.ok else "refused", used < 2, peak < 200 * 1024)
"""


@pytest.mark.parametrize("kind", ["alias bomb", "many nodes", "zip bomb", "derivation", "many files", "long manifest"])
def test_a_refusal_stays_within_2_s_and_200_mb(tmp_path: Path, kind: str) -> None:
    """The limits of the product, measured as CPU time and resident memory of a process of its own."""
    files = package_files()
    if kind == "alias bomb":
        files["Definitions/vnfd.yaml"] = bomb().encode()
    elif kind == "many nodes":
        files["Definitions/vnfd.yaml"] = "\n".join(f"k{n}: [v, v, v]" for n in range(40_000)).encode()
    elif kind == "zip bomb":
        files["Files/zeros"] = b"\0" * (32 * 1024 * 1024)
    elif kind == "derivation":
        chain = "".join(f"  t{n}: {{derived_from: t{n + 1}}}\n" for n in range(8000))
        text = changed("node_types:\n", f"node_types:\n{chain}  t8000: {{derived_from: t0}}\n")
        files["Definitions/vnfd.yaml"] = text.encode()
    elif kind == "many files":
        files |= {f"Files/{n}": b"x" for n in range(9000)}
    else:
        files["vnf.mf"] += b"".join(b"Source: Files/%d\nAlgorithm: MD5\nHash: 00\n" % n for n in range(50_000))
    path = write(tmp_path / "package.csar", archive(files))
    run = subprocess.run([sys.executable, "-c", _LIMITED, str(path)], capture_output=True, text=True, timeout=100)
    assert run.stdout.split() == ["refused", "True", "True"], run.stdout + run.stderr
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["package.csar"]


def test_nothing_is_imported_that_could_reach_out(tmp_path: Path) -> None:
    code = (
        "import sys, vnf_descriptors\n"
        "vnf_descriptors.load(sys.argv[1])\n"
        "print(sorted({'toscaparser', 'requests', 'http.client', 'socket'} & set(sys.modules)))"
    )
    path = write(tmp_path / "vnfd.yaml", VNFD.encode())
    run = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert "toscaparser" not in run.stdout and "http.client" not in run.stdout


def test_a_thousand_packages_do_not_grow_the_process(tmp_path: Path) -> None:
    path = write(tmp_path / "package.csar", archive(package_files()))
    for _ in range(30):
        validate(path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(60):
        files = package_files(VNFD.replace("Spreads the load", f"Spreads load {number}"))
        validate(write(path, archive(files)))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30 * 1024

"""Packages that mean harm, one for each way: name -> (octets, codes of which one must be found)."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
from collections.abc import Iterator

from tests.unit.vnf_descriptors.descriptor_support import META, VNFD, archive, changed, package_files
from tests.unit.vnf_descriptors.hostile_archives import Case, hostile_archives
from tests.unit.vnf_descriptors.hostile_sizes import hostile_sizes


def with_member(name: str, data: bytes = b"x", mode: int = 0) -> bytes:
    """A good package with one more member."""
    stream = io.BytesIO(archive(package_files()))
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = mode << 16
    with zipfile.ZipFile(stream, "a") as out:
        out.writestr(info, data)
    return stream.getvalue()


def patched(data: bytes, name: bytes, offset: int, value: bytes) -> bytes:
    """The archive with some octets of a member's entry in the central directory replaced."""
    at = data.rindex(b"PK\x01\x02", 0, data.rindex(name))
    return data[: at + offset] + value + data[at + offset + len(value) :]


def described(text: str, **more: bytes) -> bytes:
    """A package whose descriptor is this text; `more` are further files in Definitions, named without suffix."""
    files = package_files(text)
    return archive({**files, **{f"Definitions/{name}.yaml": data for name, data in more.items()}})


def hostile_packages() -> Iterator[Case]:
    """Every case."""
    yield from _archives()
    yield from hostile_archives()
    yield from hostile_sizes()
    yield from _texts()
    yield from _manifests()
    yield from _descriptors()


def _archives() -> Iterator[Case]:
    names = [
        "../out",
        "a/../../out",
        "/etc/cron.d/x",
        "C:/x",
        "\\\\host\\share",
        "a\\b",
        "new\nline",
        "bell\x07",
        "a" * 9000,
    ]
    for number, name in enumerate(names):
        yield f"name {number}", with_member(name), {"ZIP002"}
    yield "nul in a name", with_member("Files/nuXl").replace(b"Files/nuXl", b"Files/nu\x00l"), {"ZIP002"}
    yield "case collision", with_member("INSTALL.sh"), {"ZIP003"}
    yield "file and directory of one name", with_member("install.sh/x"), {"ZIP003"}
    yield "duplicate", with_member("instalX.sh").replace(b"instalX.sh", b"install.sh"), {"ZIP003"}
    for kind in (stat.S_IFLNK, stat.S_IFIFO, stat.S_IFBLK, stat.S_IFCHR, stat.S_IFSOCK):
        yield f"special file {kind:o}", with_member("Files/special", b"/etc/passwd", kind | 0o777), {"ZIP004"}
    yield "encrypted", patched(with_member("Files/secret"), b"Files/secret", 8, b"\x01\x00"), {"ZIP005"}
    yield "unknown compression", patched(with_member("Files/odd"), b"Files/odd", 10, b"\x63\x00"), {"ZIP005"}
    data = with_member("Files/over", b"y" * 100)
    at = struct.pack("<I", data.index(b"install.sh") - 30)
    yield "overlapping", patched(data, b"Files/over", 42, at), {"ZIP006", "ZIP001"}
    lying = with_member("Files/liar", b"z" * 5000)
    for size in (10, 9_000_000, 0xFFFFFFF0):
        yield f"lying size {size}", patched(lying, b"Files/liar", 24, struct.pack("<I", size)), {"ZIP006", "ZIP007"}
    yield "ratio", archive({**package_files(), "Files/zeros": b"\0" * (64 * 1024 * 1024)}), {"ZIP007"}
    good = archive(package_files())
    yield "package in a package", archive({**package_files(), "Files/inner.csar": good}), {"ZIP009"}
    twice = archive({"a.txt": b"a", "inner.zip": good})
    yield "archives in archives", archive({**package_files(), "Files/inner.zip": twice}), {"ZIP009"}
    yield "archive that climbs", archive({**package_files(), "Files/a.zip": archive({"../../x": b"x"})}), {"ZIP009"}
    bomb = archive({"zeros": b"\0" * (40 * 1024 * 1024)})
    yield "bomb in an archive", archive({**package_files(), "Files/bomb.zip": bomb}), {"ZIP009"}
    crumbs = {f"Files/{number}": b"\0" * (4 * 1024 * 1024) for number in range(16)}
    yield "ratio of all together", archive({**package_files(), **crumbs}), {"ZIP007"}
    many = io.BytesIO()
    with zipfile.ZipFile(many, "w") as out:
        for number in range(60_000):
            out.writestr(zipfile.ZipInfo(f"f{number}"), b"")
    yield "many entries", many.getvalue(), {"ZIP007"}
    yield "prefixed", b"#!/bin/sh\n" + archive(package_files()), {"ZIP001"}


def _texts() -> Iterator[Case]:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    yield "alias bomb", described("\n".join(lines)), {"YAML003"}
    merges = ["a0: &a0 {x: 1}"] + [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, 30)]
    yield "merge bomb", described("\n".join(merges)), {"YAML003"}
    wide = "base: &b {" + ", ".join(f"k{n}: v" for n in range(3000)) + "}\n"
    yield "wide merges", described(wide + "".join(f"m{n}: {{<<: *b}}\n" for n in range(3000))), {"YAML003"}
    yield "depth", described("a: " + "[" * 100_000), {"YAML003"}
    yield "depth in blocks", described("- " * 100_000), {"YAML003"}
    yield "depth of maps", described("{a: " * 50_000), {"YAML003"}
    yield "nodes", described("\n".join(f"k{n}: [v, v]" for n in range(90_000))), {"YAML003"}
    yield "large text", described("a: " + "x" * (5 * 1024 * 1024)), {"YAML002", "ZIP007"}
    yield "duplicate key", described(VNFD + "description: again\n"), {"YAML004"}
    for tag in (
        "!!python/object/apply:os.system [id]",
        "!!python/name:os.system ''",
        "!include /etc/passwd",
        "!!binary aGk=",
    ):
        yield (
            f"tag {tag.split()[0]}",
            described(changed("description: A load", f"description: {tag} #", VNFD)),
            {"YAML005"},
        )
    yield "control character", described(changed("A load balancer", "A \x1b[31mload", VNFD)), {"YAML001"}
    yield "nul", described(changed("A load balancer", "A \x00load", VNFD)), {"YAML001"}
    yield "many documents", described(VNFD + "---\na: b\n" * 10_000), {"YAML006"}
    yield "long line without end", described("a: '" + "x" * 1_000_000), {"YAML001"}
    yield "directive flood", described("%FOO bar\n" * 20_000 + "---\na: b\n"), {"TOSCA001", "YAML001", "TOSCA002"}


def _manifests() -> Iterator[Case]:
    files = package_files()
    digest = b"\nAlgorithm: SHA-256\nHash: " + b"0" * 64 + b"\n"
    for source in (b"../../etc/passwd", b"/etc/passwd", b"file:///etc/passwd", b"\\\\host\\x"):
        listing = files["vnf.mf"] + b"\nSource: " + source + digest
        yield f"source {source!r}", archive({**files, "vnf.mf": listing}), {"MF012", "MF005"}
    external = files["vnf.mf"] + b"\nSource: http://127.0.0.1:9/x\n"
    yield "remote source without digest", archive({**files, "vnf.mf": external}), {"MF012"}
    checked = external + b"Algorithm: SHA-256\nHash: " + b"0" * 64 + b"\n"
    yield "remote source", archive({**files, "vnf.mf": checked}), {"MF012"}
    block = META.encode() + b"\nName: http://127.0.0.1:9/x\nContent-Type: text/plain\n"
    yield "remote artifact in TOSCA.meta", archive({**files, "TOSCA-Metadata/TOSCA.meta": block}), {"CSAR004"}
    long = files["vnf.mf"] + b"".join(b"Source: Files/%d\nAlgorithm: MD5\nHash: 00\n" % n for n in range(50_000))
    yield "long manifest", archive({**files, "vnf.mf": long}), {"MF002", "MF007", "ZIP007"}
    cms = files["vnf.mf"] + b"-----BEGIN CMS-----\n" + b"QUJD\n" * 50_000 + b"-----END CMS-----\n"
    yield "large signature", archive({**files, "vnf.mf": cms}), {"SIG005", "MF002"}
    for entry in ("../outside.yaml", "/etc/hostname", "http://127.0.0.1:9/vnfd.yaml"):
        meta = META.replace("Definitions/vnfd.yaml", entry).encode()
        yield f"entry {entry}", archive({**files, "TOSCA-Metadata/TOSCA.meta": meta}), {"CSAR001", "CSAR004", "CSAR002"}


def _descriptors() -> Iterator[Case]:
    def imports(what: str) -> bytes:
        return described(changed("imports:\n", f"imports:\n- {what}\n"))

    remote = [
        "http://127.0.0.1:9/x.yaml",
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "//127.0.0.1/x.yaml",
        "../../../etc/passwd",
    ]
    for what in (*remote, "/etc/passwd", "{file: x.yaml, repository: far}", '"a\\nb.yaml"'):
        yield f"import {what}", imports(what), {"TOSCA003", "TOSCA004"}
    other = b"tosca_definitions_version: tosca_simple_yaml_1_3\nimports: [vnfd.yaml]\n"
    yield "import cycle", described(changed("imports:\n", "imports:\n- other.yaml\n"), other=other), {"TOSCA005"}
    yield "import of itself", imports("vnfd.yaml"), {"TOSCA005"}
    far = changed(
        "imports:\n", "repositories: {far: {url: 'http://127.0.0.1:9/'}}\nimports:\n- {file: x.yaml, repository: far}\n"
    )
    yield "repository", described(far), {"TOSCA004"}
    loops = {"t0": "t0", **{f"t{n}": f"t{n + 1}" for n in range(1, 8000)}, "t8000": "t1"}
    chain = "".join(f"  {name}: {{derived_from: {parent}}}\n" for name, parent in loops.items())
    yield "derivation cycle", described(changed("node_types:\n", f"node_types:\n{chain}")), {"TOSCA007"}
    data = "data_types:\n  loop: {properties: {more: {type: loop}}}\n  a: {derived_from: b}\n  b: {derived_from: a}\n"
    yield "data type cycle", described(changed("node_types:\n", f"{data}node_types:\n")), {"TOSCA007"}
    huge = changed("max_number_of_instances: 9}", "max_number_of_instances: 1000000000}")
    yield (
        "instances",
        described(
            changed("initial_delta: {number_of_instances: 2}", "initial_delta: {number_of_instances: 1000000000}", huge)
        ),
        {"VNFD006"},
    )
    levels = changed("max_scale_level: 3", "max_scale_level: 1000000000")
    yield "scale levels", described(levels), {"VNFD007", "VNFD006", "VNFD008", "VNFD015"}
    yield "digits", described(changed("num_virtual_cpu: 4", "num_virtual_cpu: " + "9" * 100_000)), {"TOSCA011"}
    yield "cpus", described(changed("num_virtual_cpu: 4", "num_virtual_cpu: 999999999999")), {"REQ003"}
    yield "exponent", described(changed("virtual_mem_size: 4 GiB", "virtual_mem_size: 1e999999 GiB")), {"TOSCA011"}
    yield "newline in a name", described(changed("    disk:\n", '    "di\\nsk":\n')), {"TOSCA021"}
    yield "escape in a name", described(changed("    disk:\n", '    "di\\u001b[2Jsk":\n')), {"TOSCA021"}
    yield (
        "file outside",
        described(changed("implementation: install.sh", "implementation: ../../../bin/sh")),
        {"TOSCA020"},
    )
    image = changed('file: "Files/lb.qcow2"', 'file: "../../../../etc/shadow"')
    yield "image outside", described(image), {"TOSCA020"}
    local = changed('file: "Files/lb.qcow2"', 'file: "file:///etc/shadow"')
    yield "image of this machine", described(local), {"TOSCA020"}
    for address in ("http://127.0.0.1:9/x", "HTTPS://127.0.0.1:9/x", "ftp://127.0.0.1:9/x"):
        yield f"image at {address}", described(changed("Files/lb.qcow2", address)), {"TOSCA020"}
    script = changed("implementation: install.sh", "implementation: 'http://127.0.0.1:9/x.sh'")
    yield "remote script", described(script), {"TOSCA020"}
    hub = changed("imports:\n", "repositories: {hub: 'https://127.0.0.1:9/'}\nimports:\n")
    yield "repository of artifacts", described(hub), {"TOSCA031"}
    mask = changed('"hw:cpu_policy": dedicated, ', '"hw:cpu_policy": mixed, "hw:cpu_dedicated_mask": "0-999999999", ')
    yield "mask", described(mask), {"REQ002", "REQ003"}

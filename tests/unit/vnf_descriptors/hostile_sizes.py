"""Packages that are large where a rule may be slow: many nodes, many names, long lines, deep structures."""

from __future__ import annotations

import base64
from collections.abc import Iterator

from tests.unit.vnf_descriptors.descriptor_support import META, VNFD, archive, changed, package_files
from tests.unit.vnf_descriptors.hostile_archives import Case
from tests.unit.vnf_descriptors.vendor_packages import TEXTS

SERVICE = (TEXTS / "service.yaml").read_text()
HEAD = "tosca_definitions_version: tosca_simple_yaml_1_3\n"


def _described(text: str, **more: str) -> bytes:
    files = package_files(text)
    return archive({**files, **{f"Definitions/{name}.yaml": data.encode() for name, data in more.items()}})


def _listing(data: bytes) -> bytes:
    return archive({**package_files(), "vnf.mf": data})


def _importing(number: int, body: str) -> bytes:
    imports = "".join(f"- f{each}.yaml\n" for each in range(number))
    files = {f"f{each}": HEAD + body.replace("@", str(each)) for each in range(number)}
    return _described(changed("imports:\n", f"imports:\n{imports}"), **files)


def large_descriptors() -> Iterator[tuple[str, bytes]]:
    """Good packages, beyond what anybody writes by hand."""
    front = "    front:\n      type: tosca.nodes.nfv.VduCp\n"
    compute = (
        "type: tosca.nodes.nfv.Vdu.Compute, properties: {name: v, description: d, vdu_profile: "
        "{min_number_of_instances: 1, max_number_of_instances: 3}}, capabilities: {virtual_compute: {properties: "
        "{virtual_cpu: {num_virtual_cpu: 1}, virtual_memory: {virtual_mem_size: 1 GiB}}}}"
    )
    vdus = "".join(f"    v{number}: {{{compute}}}\n" for number in range(2000))
    yield "two thousand VDUs", _described(changed(front, vdus + front))
    keys = ", ".join(f'"hw:cpu_polici{number}": x' for number in range(30_000))
    policy = 'vdu_cpu_requirements: {"hw:cpu_policy": dedicated,'
    yield "many unknown keys", _described(changed(policy, policy.replace('"hw', f'{keys}, "hw', 1)))
    members = ", ".join(["lb"] * 60_000)
    yield "a group of many", _described(changed("members: [lb, worker]", f"members: [{members}]"))
    inputs = "".join(f"    i{n}: {{type: string, default: {{get_input: i{n + 1}}}}}\n" for n in range(5000))
    site = "    site: {type: string, default: north}\n"
    text = changed(
        site, f"    site: {{type: string, default: {{get_input: i0}}}}\n{inputs}    i5000: {{type: string}}\n"
    )
    yield "inputs of inputs", _described(text)
    nested = "x"
    for _ in range(25):
        nested = f"{{concat: [{nested}, y]}}"
    yield "texts of texts", _described(changed("{site: {get_input: site}}", f"{{site: {nested}}}"))
    for name, number in (("double", 2), ("grow by twenty", 20)):
        yield f"texts that {name}", _described(changed(front, f"{_growing_texts(number)}{front}"))


def _growing_texts(number: int) -> str:
    """Connection points whose descriptions join that of the next one so many times."""
    pieces = "".join(
        f"    g{n}: {{type: tosca.nodes.nfv.VduCp, properties: {{layer_protocols: [ipv4], description: {{concat: "
        f"[{', '.join([f'{{get_property: [g{n + 1}, description]}}'] * number)}]}}}}, "
        "requirements: [{virtual_binding: lb}]}\n"
        for n in range(60)
    )
    last = "    g60: {type: tosca.nodes.nfv.VduCp, properties: {layer_protocols: [ipv4], description: xx}, "
    return f"{pieces}{last}requirements: [{{virtual_binding: lb}}]}}\n"


def large_services() -> Iterator[tuple[str, bytes]]:
    """The same for network services."""
    lan = "    lan:\n"
    web = "  policies:\n"
    number = 2000
    path = "{type: tosca.nodes.nfv.NFP, requirements: [nfp_position: first, nfp_position: second]}"
    rule = "properties: {ether_type: ipv4, destination_port_range: [80, 443]}"
    paths = "".join(f"    p{n}: {path}\n" for n in range(number))
    rules = "".join(f"  - r{n}: {{type: tosca.policies.nfv.NfpRule, targets: [p{n}], {rule}}}\n" for n in range(number))
    members = ", ".join(f"p{n}" for n in range(number))
    text = changed(lan, f"{paths}{lan}", changed(web, f"{web}{rules}", SERVICE))
    yield "two thousand paths", _service(changed("members: [path]", f"members: [path, {members}]", text))
    profile = "properties: {vnf_profile: {min_number_of_instances: 1, max_number_of_instances: 2}}"
    vnfs = "".join(
        f"    v{n}: {{type: vendor.fw, {profile}, requirements: [virtual_link_in: lan]}}\n" for n in range(2000)
    )
    yield "two thousand VNFs", _service(changed(lan, f"{vnfs}{lan}", SERVICE))


def _service(text: str) -> bytes:
    meta = META.replace("ETSI-Entry-Manifest: vnf.mf\n", "")
    files = {"TOSCA-Metadata/TOSCA.meta": meta.encode(), "Definitions/vnfd.yaml": text.encode(), "ChangeLog.txt": b""}
    return archive(files)


def hostile_sizes() -> Iterator[Case]:
    """Every case."""
    yield from _structures()
    yield from _manifests()
    yield from _signatures()


def _structures() -> Iterator[Case]:
    kinds = "".join(
        f"  t@.{n}: {{derived_from: tosca.nodes.Root, properties: {{a: {{type: string}}}}}}\n" for n in range(800)
    )
    yield "many types in many files", _importing(150, f"node_types:\n{kinds}"), {"YAML003"}
    body = f"node_types:\n  t@: [{', '.join(str(n * 7919 % 99_991) for n in range(100_500))}]\n"
    yield "many files, each beyond the limit", _importing(20, body), {"YAML003"}
    bomb = "dsl_definitions:\n  a: &a [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]\n"
    for name, before in ("ba", "cb", "dc"):
        bomb += f"  {name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"
    yield "aliases over many files", _importing(150, bomb), {"YAML003"}
    mesh = f"imports: [{', '.join(f'f{n}.yaml' for n in range(190))}]\n"
    yield "files that import each other", _importing(190, mesh), {"TOSCA005"}
    chain = {f"f{n}": f"{HEAD}imports: [f{n + 1}.yaml]\n" for n in range(300)}
    yield "imports in a chain", _described(changed("imports:\n", "imports:\n- f0.yaml\n"), **chain), {"YAML002"}
    yield "anchors", _described("\n".join(f"a{n}: &b{n} x" for n in range(45_000))), {"TOSCA002"}
    yield "indentation by tabs", _described(VNFD.replace("  ", "\t")), {"YAML001"}
    yield "UTF-16", archive({**package_files(), "Definitions/vnfd.yaml": VNFD.encode("utf-16")}), {"YAML001"}
    yield "a key without end", _described("x" * 2_000_000 + ": b\n"), {"YAML001"}
    words = ", ".join(f"a{n}" for n in range(60_000))
    provider = f"provider: {{type: string, constraints: [{{valid_values: [{words}]}}], default: zz}}"
    yield "many valid values", _described(changed("provider: {type: string, default: Example}", provider)), {"TOSCA012"}
    names = ", ".join(f"x{n}" for n in range(60_000))
    yield "many unknown members", _described(changed("members: [lb, worker]", f"members: [{names}]")), {"TOSCA014"}
    for value in (".inf", ".nan", "1e400", "-1", "0x" + "f" * 29, "9" * 30, "2026-01-01", "true", "null"):
        text = changed("num_virtual_cpu: 4", f"num_virtual_cpu: {value}")
        yield f"{value} CPUs", _described(text), {"TOSCA010", "TOSCA011", "TOSCA012", "REQ003"}


def _manifests() -> Iterator[Case]:
    listing = package_files()["vnf.mf"]
    yield "a line of blanks", _listing(b"a" + b" " * 1_000_000 + b"x\n"), {"MF002"}
    yield "a value of blanks", _listing(b"a: " + b" " * 1_000_000 + b"x\n"), {"MF002"}
    yield (
        "metadata without end",
        _listing(b"metadata:\n" + b"".join(b"  k%d: v\n" % n for n in range(300_000))),
        {"MF002"},
    )
    again = b"\nSource: install.sh\nAlgorithm: SHA-256\nHash: " + b"1" * 64 + b"\n"
    yield "one file listed without end", _listing(listing + again * 30_000), {"MF002", "MF009"}
    separator = "Source: a\u2028Source: b\n".encode()
    yield "a line that others see as one", _listing(listing + separator), {"MF012"}
    yield "a NUL in a source", _listing(listing + b"Source: a\x00b\n"), {"MF012"}


def _der(tag: int, body: bytes) -> bytes:
    size = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes([tag]) + (bytes([len(body)]) if len(body) < 128 else bytes([0x80 | len(size)]) + size) + body


def _signatures() -> Iterator[Case]:
    listing = package_files()["vnf.mf"]
    deep = b""
    for _ in range(20_000):
        deep = _der(0x30, deep)
    signed_data = bytes.fromhex("06092a864886f70d010702")
    data = _der(0x30, bytes.fromhex("06092a864886f70d010701"))
    digests = _der(0x31, _der(0x30, bytes.fromhex("0609608648016503040201")))
    many = _der(0xA0, _der(0x30, b"") * 200_000)
    signer = _der(0x30, b"\x02\x01\x01")
    for name, body in (
        ("deep", deep),
        ("deep certificates", b"\x02\x01\x01" + digests + data + _der(0xA0, deep) + _der(0x31, signer)),
        ("many certificates", b"\x02\x01\x01" + digests + data + many + _der(0x31, signer)),
        ("many signers", b"\x02\x01\x01" + digests + data + _der(0x31, signer * 100_000)),
        ("deep signer", b"\x02\x01\x01" + digests + data + _der(0x31, deep)),
    ):
        cms = base64.encodebytes(_der(0x30, signed_data + _der(0xA0, _der(0x30, body))))
        block = b"-----BEGIN CMS-----\n" + cms + b"-----END CMS-----\n"
        yield f"signature, {name}", _listing(listing + block), {"SIG005"}
    endless = base64.encodebytes(b"\x30\x80" * 50_000)
    yield (
        "signature without end",
        _listing(listing + b"-----BEGIN CMS-----\n" + endless + b"-----END CMS-----\n"),
        {"SIG005"},
    )

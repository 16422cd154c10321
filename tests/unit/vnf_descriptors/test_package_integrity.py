"""Structure, manifests, digests and signatures of packages."""

from __future__ import annotations

import datetime
import subprocess
from pathlib import Path

import pytest

from tests.unit.vnf_descriptors.descriptor_support import (
    META,
    METADATA,
    SAMPLES,
    VNFD,
    archive,
    check_files,
    codes,
    found,
    line_of,
    manifest_of,
    package_files,
    write,
)
from tests.unit.vnf_descriptors.signing_support import NOW, Issued, issue, signed_files, trust
from vnf_descriptors import (
    DescriptorError,
    Layout,
    Policy,
    SignatureState,
    SigningKey,
    build,
    open_package,
    validate,
)
from vnf_descriptors.signature import sign


def test_a_good_package_has_no_findings(tmp_path: Path) -> None:
    assert check_files(tmp_path, package_files()).to_text() == ""


def rebuilt(**changes: bytes | None) -> dict[str, bytes]:
    """The files of a good package with some replaced or left out (None) and the manifest as it was."""
    files = package_files()
    for name, data in changes.items():
        path = {"meta": "TOSCA-Metadata/TOSCA.meta", "mf": "vnf.mf", "log": "ChangeLog.txt"}.get(name, name)
        if data is None:
            del files[path]
        else:
            files[path] = data
    return files


def with_meta(meta: str) -> dict[str, bytes]:
    """A package with another TOSCA.meta, and a manifest that fits."""
    files = {name: data for name, data in package_files().items() if name != "vnf.mf"}
    files["TOSCA-Metadata/TOSCA.meta"] = meta.encode()
    return {**files, "vnf.mf": manifest_of(files)}


@pytest.mark.parametrize(
    ("meta", "code", "where"),
    [
        (META.replace("Entry-Definitions: Definitions/vnfd.yaml\n", ""), "CSAR001", None),
        (META.replace("Definitions/vnfd.yaml", "Definitions/none.yaml"), "CSAR004", "Entry-Definitions"),
        (META.replace("ChangeLog.txt", "../ChangeLog.txt"), "CSAR004", "ETSI-Entry-Change-Log"),
        (META.replace("Created-By: Example\n", "Created-By Example\n"), "CSAR002", "Created-By"),
        (META.replace("Created-By: Example\n", ""), "CSAR003", None),
        (META.replace("ETSI-Entry-Change-Log", "Entry-Change-Log"), "CSAR005", "Entry-Change-Log"),
        (META.replace("Created-By: Example", "Created-By: Example\nCreated-With: vi"), "CSAR006", "Created-With"),
        (META.replace("ETSI-Entry-Change-Log: ChangeLog.txt\n", ""), "CSAR007", None),
        (META + "\nName: missing.bin\nContent-Type: a/b\n", "CSAR004", "Name: missing"),
        (META + f"\nName: install.sh\nAlgorithm: SHA-256\nHash: {'0' * 64}\n", "CSAR009", "Hash: 000"),
        (META + f"\nName: install.sh\nAlgorithm: MD5\nHash: {'0' * 32}\n", "MF007", "Algorithm: MD5"),
        ("", "CSAR002", None),
    ],
)
def test_a_fault_in_tosca_meta(tmp_path: Path, meta: str, code: str, where: str | None) -> None:
    matching = found(check_files(tmp_path, with_meta(meta)), code)
    assert matching
    if where is not None:
        assert matching[0].line == line_of(where, meta)


def test_a_package_without_tosca_meta(tmp_path: Path) -> None:
    images = {name: data for name, data in package_files().items() if name.startswith("Files/")}
    files = {"vnfd.yaml": VNFD.encode(), "ChangeLog.txt": b"x", "install.sh": b"x", **images}
    report = check_files(tmp_path, {**files, "vnfd.mf": manifest_of(files)})
    assert report.to_text() == ""
    with open_package(tmp_path / "package.csar") as package:
        assert (package.layout, package.entry) == (Layout.ROOT_YAML, "vnfd.yaml")
    two = check_files(tmp_path, {**files, "other.yaml": VNFD.encode()})
    assert "CSAR001" in codes(two, errors_only=True)


@pytest.mark.parametrize(
    ("old", "new", "code", "severity"),
    [
        ("metadata:\n", "metadata:\n  nsd_name: x\n", "MF011", "error"),
        ("  vnf_provider_id: Example\n", "", "MF003", "warning"),
        ("2026-01-01T00:00:00Z", "yesterday", "MF004", "warning"),
        ("metadata:\n", "a line without meaning\nmetadata:\n", "MF002", "error"),
        ("vnf_provider_id: Example", "vnf_provider_id: Other", "MF010", "warning"),
        (METADATA, "", "MF003", "warning"),
    ],
)
def test_a_fault_in_the_metadata(tmp_path: Path, old: str, new: str, code: str, severity: str) -> None:
    files = {name: data for name, data in package_files().items() if name != "vnf.mf"}
    report = check_files(tmp_path, {**files, "vnf.mf": manifest_of(files, METADATA.replace(old, new))})
    assert [entry.severity for entry in found(report, code)][:1] == [severity], report.to_text()


@pytest.mark.parametrize(
    ("group", "code"),
    [
        ("Source: missing.txt\nAlgorithm: SHA-256\nHash: " + "0" * 64, "MF005"),
        ("Source: install.sh\nAlgorithm: SHA-256\nHash: " + "0" * 64, "MF006"),
        ("Source: other.sh\nAlgorithm: MD5\nHash: 00", "MF007"),
        ("Source: install.sh\nAlgorithm: SHA-256\nHash: 1234", "MF014"),
        ("Source: install.sh\nAlgorithm: SHA-512\nHash: " + "0" * 128, "MF009"),
        ("Source: /etc/passwd\nAlgorithm: SHA-256\nHash: " + "0" * 64, "MF012"),
        ("Source: https://example.org/image.qcow2", "MF012"),
        ("Hash: 00", "MF002"),
        ("Source:", "MF002"),
        ("non_mano_artifact_sets:\n  onap_others:\n    Source: guide.txt", "MF015"),
        ("-----BEGIN CMS-----\nMIIB\n-----END CMS-----\ntail", "MF013"),
    ],
)
def test_a_fault_in_the_list_of_files(tmp_path: Path, group: str, code: str) -> None:
    report = check_files(tmp_path, rebuilt(mf=package_files()["vnf.mf"] + f"\n{group}\n".encode()))
    assert code in codes(report), report.to_text()


def test_metadata_in_quotes_mean_the_same(tmp_path: Path) -> None:
    files = package_files()
    quoted = METADATA.replace("Example", "'Example'").replace("Balancer", '"Balancer"')
    files["vnf.mf"] = manifest_of({name: data for name, data in files.items() if name != "vnf.mf"}, quoted)
    assert validate(write(tmp_path / "vnf.csar", archive(files))).to_text() == ""


def test_non_mano_sets_are_understood(tmp_path: Path) -> None:
    files = {name: data for name, data in package_files().items() if name != "vnf.mf"}
    listing = manifest_of({**files, "Files/guide.txt": b"guide"})
    listing += b"non_mano_artifact_sets:\n  onap_others:\n    Source: Files/guide.txt\n"
    report = check_files(tmp_path, {**files, "Files/guide.txt": b"guide", "vnf.mf": listing})
    assert report.to_text() == ""


def with_external_files(address: str) -> dict[str, bytes]:
    """A package that names one file by an address in its manifest, in TOSCA.meta, and as a VDU's image."""
    files = package_files(VNFD.replace("Files/worker.qcow2", address))
    files["TOSCA-Metadata/TOSCA.meta"] += f"\nName: {address}\nContent-Type: application/octet-stream\n".encode()
    del files["vnf.mf"], files["Files/worker.qcow2"]
    listing = manifest_of(files) + f"\nSource: {address}\nAlgorithm: SHA-256\nHash: {'a' * 64}\n".encode()
    return {**files, "vnf.mf": listing}


def test_external_files_are_refused_unless_the_policy_allows_them(tmp_path: Path) -> None:
    path = write(tmp_path / "p.csar", archive(with_external_files("https://example.org/image.qcow2")))
    report = validate(path)
    assert codes(report, errors_only=True) == {"MF012", "CSAR004", "TOSCA020"}
    assert all("nothing is ever fetched" in entry.message for entry in report.errors)
    assert validate(path, Policy(allow_external=True)).to_text() == ""
    for address in ("file:///etc/passwd", "gopher://example.org/x", "https:///x"):
        path = write(tmp_path / "p.csar", archive(with_external_files(address)))
        assert not validate(path, Policy(allow_external=True)).ok


def test_a_repository_is_a_matter_of_policy_too(tmp_path: Path) -> None:
    text = VNFD.replace("imports:\n", "repositories: {hub: {url: 'https://registry.example/'}}\nimports:\n")
    path = write(tmp_path / "vnfd.yaml", text.encode())
    (entry,) = validate(path).errors
    assert (entry.code, entry.line) == ("TOSCA031", line_of("repositories:", text))
    assert validate(path, Policy(allow_external=True)).ok


def test_a_package_in_a_directory_of_its_archive(tmp_path: Path) -> None:
    report = check_files(tmp_path, {f"vrouter/{name}": data for name, data in package_files().items()})
    (entry,) = found(report, "CSAR001")
    assert "'vrouter/'" in entry.hint


def test_lines_without_a_blank_are_read(tmp_path: Path) -> None:
    files = package_files()
    assert check_files(tmp_path, {**files, "vnf.mf": files["vnf.mf"].replace(b": ", b":")}).ok


def test_a_file_that_nobody_lists(tmp_path: Path) -> None:
    report = check_files(tmp_path, {**package_files(), "Files/added.sh": b"evil"})
    assert [(entry.file, entry.severity) for entry in found(report, "MF008")] == [("Files/added.sh", "error")]


def test_a_missing_manifest_is_a_warning_and_one_that_is_named_an_error(tmp_path: Path) -> None:
    report = check_files(tmp_path, rebuilt(mf=None, meta=META.replace("ETSI-Entry-Manifest: vnf.mf\n", "").encode()))
    assert report.ok and {"MF001", "CSAR003"} <= codes(report)
    assert "CSAR004" in codes(check_files(tmp_path, rebuilt(mf=None)), errors_only=True)


def test_the_parts_of_a_package(tmp_path: Path) -> None:
    path = write(tmp_path / "p.csar", archive(package_files()))
    with open_package(path) as package:
        assert package.descriptor_files() == ("Definitions/vnfd.yaml",)
        assert [file.path for file in package.artifacts()] == [
            "ChangeLog.txt",
            "Files/lb.qcow2",
            "Files/worker.qcow2",
            "install.sh",
        ]
        listed = {file.path: file for file in package.files()}
        assert listed["install.sh"].algorithm == "SHA-256" and len(listed["install.sh"].hash) == 64
        assert package.read("install.sh") == b"#!/bin/sh\n"
        assert package.manifest is not None and package.manifest.metadata["vnf_product_name"][0] == "Balancer"
        with pytest.raises(KeyError):
            package.read("nothing")


def test_an_unsafe_package_does_not_open(tmp_path: Path) -> None:
    with pytest.raises(DescriptorError, match="MF006"):
        open_package(write(tmp_path / "p.csar", archive(rebuilt(log=b"changed"))))


# Signatures -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def root() -> Issued:
    return issue("root", ca=True)


@pytest.mark.parametrize("rsa_key", [False, True])
def test_a_signed_package_is_valid_for_who_trusts_the_root(tmp_path: Path, root: Issued, rsa_key: bool) -> None:
    signer = issue("vendor", root, rsa_key=rsa_key)
    build(SAMPLES / "dpi", tmp_path / "dpi.csar", SigningKey(signer.key, signer.certificate))
    report = validate(tmp_path / "dpi.csar", trust(root, tmp_path, strict=True))
    assert (report.ok, report.signature, report.signer) == (True, SignatureState.VALID, "CN=vendor")
    unknown = validate(tmp_path / "dpi.csar", Policy(now=NOW))
    assert unknown.ok and unknown.signature is SignatureState.UNKNOWN_SIGNER and codes(unknown) == {"SIG002"}
    assert not validate(tmp_path / "dpi.csar", Policy(now=NOW, require_signature=True)).ok


def test_an_unsigned_package_is_a_matter_of_policy(tmp_path: Path, root: Issued) -> None:
    path = write(tmp_path / "p.csar", archive(package_files()))
    assert validate(path).signature is SignatureState.NONE and validate(path).ok
    assert codes(validate(path, trust(root, tmp_path, strict=True)), errors_only=True) == {"SIG003"}


@pytest.mark.parametrize("between", [b"\n", b"\n\n", b"\r\n"])
def test_empty_lines_before_a_signature_are_not_signed(tmp_path: Path, root: Issued, between: bytes) -> None:
    signer = issue("signer", root)
    files = package_files()
    cms = sign(files["vnf.mf"], signer.key, signer.certificate)
    path = write(tmp_path / "p.csar", archive({**files, "vnf.mf": files["vnf.mf"] + between + cms}))
    assert validate(path, trust(root, tmp_path, strict=True)).signature is SignatureState.VALID


def test_a_manifest_changed_after_signing(tmp_path: Path, root: Issued) -> None:
    files = signed_files(issue("vendor", root))
    files["vnf.mf"] = files["vnf.mf"].replace(b"Balancer", b"Balanced")
    report = validate(write(tmp_path / "p.csar", archive(files)), trust(root, tmp_path))
    assert report.signature is SignatureState.INVALID and "SIG001" in codes(report, errors_only=True)


def test_an_expired_certificate_and_one_of_a_fake_authority(tmp_path: Path, root: Issued) -> None:
    policy = trust(root, tmp_path)
    late = Policy(policy.trust, now=NOW + datetime.timedelta(days=500))
    path = write(tmp_path / "p.csar", archive(signed_files(issue("vendor", root))))
    assert codes(validate(path, late), errors_only=True) == {"SIG004"}
    assert validate(path, late).signature is SignatureState.INVALID
    no_authority = issue("vendor", root)
    path = write(tmp_path / "q.csar", archive(signed_files(issue("mallory", no_authority))))
    assert codes(validate(path, policy)) == {"SIG002"}


def test_damaged_signatures_are_findings(tmp_path: Path, root: Issued) -> None:
    good = signed_files(issue("vendor", root))["vnf.mf"]
    begin = good.index(b"-----BEGIN CMS")
    for data in (
        good[:begin] + b"-----BEGIN CMS-----\nMIIB\n-----END CMS-----\n",
        good[:begin] + b"-----BEGIN CMS-----\n!!!!\n-----END CMS-----\n",
        good[: begin + 200],
    ):
        report = check_files(tmp_path, rebuilt(mf=data))
        assert "SIG005" in codes(report, errors_only=True), report.to_text()


def test_an_outer_archive_signs_the_package_as_a_whole(tmp_path: Path, root: Issued) -> None:
    signer = issue("vendor", root)
    inner = archive(package_files())
    outer = {"p.csar": inner, "p.cms": sign(inner, signer.key, signer.certificate), "p.cert": signer.certificate}
    report = validate(write(tmp_path / "p.zip", archive(outer)), trust(root, tmp_path, strict=True))
    assert report.to_text() == "" and report.signature is SignatureState.VALID
    other = archive(package_files(VNFD.replace("Spreads the load", "Spreads less")))
    changed = validate(write(tmp_path / "q.zip", archive({**outer, "p.csar": other})), trust(root, tmp_path))
    assert "SIG001" in codes(changed, errors_only=True)
    extra = validate(write(tmp_path / "r.zip", archive({**outer, "readme.txt": b""})), trust(root, tmp_path))
    assert "CSAR008" in codes(extra, errors_only=True)
    missing = validate(write(tmp_path / "s.zip", archive({"p.csar": inner})), trust(root, tmp_path))
    assert "CSAR008" in codes(missing, errors_only=True)


def test_an_artifact_signed_by_itself(tmp_path: Path, root: Issued) -> None:
    signer = issue("vendor", root)
    files = {name: data for name, data in package_files().items() if name != "vnf.mf"}
    files["install.sig.cms"] = sign(files["install.sh"], signer.key, signer.certificate)
    listing = manifest_of(files).replace(b"Source: install.sh\n", b"Source: install.sh\nSignature: install.sig.cms\n")
    assert check_files(tmp_path, {**files, "vnf.mf": listing}).to_text() == ""
    files["install.sig.cms"] = sign(b"another script", signer.key, signer.certificate)
    listing = manifest_of(files).replace(b"Source: install.sh\n", b"Source: install.sh\nSignature: install.sig.cms\n")
    assert "SIG006" in codes(check_files(tmp_path, {**files, "vnf.mf": listing}), errors_only=True)


def test_openssl_and_this_library_agree(tmp_path: Path, root: Issued) -> None:
    signer = issue("vendor", root, rsa_key=True)
    files = package_files()
    write(tmp_path / "key.pem", signer.key)
    write(tmp_path / "cert.pem", signer.certificate)
    write(tmp_path / "text", files["vnf.mf"])
    for binary in (["-binary"], []):  # without it, the text is signed with the line ends of mail
        command = ["openssl", "cms", "-sign", "-in", "text", "-signer", "cert.pem", "-inkey", "key.pem"]
        command += ["-outform", "PEM", "-md", "sha512", *binary]
        cms = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True).stdout
        path = write(tmp_path / "p.csar", archive({**files, "vnf.mf": files["vnf.mf"] + cms}))
        assert validate(path, trust(root, tmp_path, strict=True)).signature is SignatureState.VALID
    ours = sign(files["vnf.mf"], signer.key, signer.certificate).replace(b" CMS-", b" PKCS7-")
    write(tmp_path / "ours", ours)
    command = ["openssl", "smime", "-verify", "-noverify", "-binary", "-inform", "PEM", "-in", "ours"]
    subprocess.run([*command, "-content", "text"], cwd=tmp_path, capture_output=True, check=True)


def test_a_key_that_is_not_the_certificates(tmp_path: Path, root: Issued) -> None:
    one, other = issue("one", root), issue("other", root)
    with pytest.raises(ValueError, match="not that of the key"):
        build(SAMPLES / "dpi", tmp_path / "dpi.csar", SigningKey(one.key, other.certificate))
    assert not (tmp_path / "dpi.csar").exists()

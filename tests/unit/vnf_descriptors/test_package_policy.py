"""What a server's policy makes of signatures and external files, and where its verdict is told."""

from __future__ import annotations

import dataclasses
import datetime
from pathlib import Path

import pytest

from mano.adapters.descriptor_reader import LibraryReader
from mano.api.sol005.package_infos import nsd_info, vnf_pkg_info
from mano.domain.catalogue import DescriptorKind, OnboardingState, Package
from mano.errors import Refused
from mano.ports.descriptors import ReadPackage
from mano.settings import PackagePolicy
from tests.unit.vnf_descriptors.descriptor_support import archive, package_files, write
from tests.unit.vnf_descriptors.signing_support import DAY, Issued, issue, revocation_list, signed_files
from vnf_descriptors.signature import sign

TODAY = datetime.datetime.now(datetime.UTC)


@pytest.fixture(scope="module")
def root() -> Issued:
    return issue("root", ca=True, begins=TODAY - DAY, days=3650)


@pytest.fixture(scope="module")
def vendor(root: Issued) -> Issued:
    return issue("vendor", root, begins=TODAY - DAY, days=3650)


def store(path: Path, root: Issued) -> Path:
    write(path / "trust/root.pem", root.certificate)
    return path / "trust"


def onboarded(read: ReadPackage) -> Package:
    """A package as the catalogue keeps it."""
    created = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    package = Package("1", "default", DescriptorKind.VNF, created, OnboardingState.ONBOARDED)
    return dataclasses.replace(
        package,
        signature=read.signature,
        signer=read.signer,
        security_option=read.security_option,
        signing_certificate=read.signing_certificate,
        findings=read.findings,
    )


def test_unsigned_packages_are_taken_unless_the_policy_says_otherwise(tmp_path: Path, root: Issued) -> None:
    path = str(write(tmp_path / "p.csar", archive(package_files())))
    read = LibraryReader().read(path)
    assert (read.signature, read.kind, read.findings) == ("none", DescriptorKind.VNF, ())
    strict = LibraryReader([store(tmp_path, root)], require_signature=True).read(path)
    assert strict.model is None and [entry["code"] for entry in strict.findings] == ["SIG003"]


def test_each_verdict_reaches_whoever_asks_for_the_package(tmp_path: Path, root: Issued, vendor: Issued) -> None:
    signed = write(tmp_path / "p.csar", archive(signed_files(vendor)))
    reader = LibraryReader([store(tmp_path, root)], require_signature=True)
    document = vnf_pkg_info(onboarded(reader.read(str(signed))), "")
    assert document["catena"] == {"signature": "valid", "signer": "CN=vendor", "findings": []}
    assert document["packageSecurityOption"] == "OPTION_1" and "signingCertificate" not in document
    unknown = vnf_pkg_info(onboarded(LibraryReader().read(str(signed))), "")["catena"]
    assert unknown["signature"] == "unknown-signer"
    assert [entry["code"] for entry in unknown["findings"]] == ["SIG002"]
    files = signed_files(vendor)
    files["vnf.mf"] = files["vnf.mf"].replace(b"Balancer", b"Balanced")
    invalid = reader.read(str(write(tmp_path / "q.csar", archive(files))))
    assert invalid.model is None and invalid.signature == "invalid"


def test_a_package_signed_as_a_whole_tells_its_certificate(tmp_path: Path, root: Issued, vendor: Issued) -> None:
    inner = archive(package_files())
    outer = {"p.csar": inner, "p.cms": sign(inner, vendor.key, vendor.certificate), "p.cert": vendor.certificate}
    read = LibraryReader([store(tmp_path, root)]).read(str(write(tmp_path / "p.zip", archive(outer))))
    document = vnf_pkg_info(onboarded(read), "")
    assert document["packageSecurityOption"] == "OPTION_2"
    assert document["signingCertificate"] == vendor.certificate.decode().strip()
    assert nsd_info(onboarded(read), "")["archiveSecurityOption"] == "OPTION_2"


def test_a_new_revocation_list_counts_at_once(tmp_path: Path, root: Issued, vendor: Issued) -> None:
    path = str(write(tmp_path / "p.csar", archive(signed_files(vendor))))
    reader = LibraryReader([store(tmp_path, root)])
    assert reader.read(path).signature == "valid"
    write(tmp_path / "trust/root.crl", revocation_list(root, vendor, at=TODAY - DAY, until=TODAY + DAY))
    assert reader.read(path).signature == "invalid"
    write(tmp_path / "trust/root.crl", b"damaged")
    with pytest.raises(Refused, match=r"root\.crl cannot be read"):
        reader.read(path)
    with pytest.raises(Refused, match="trust store"):
        LibraryReader([tmp_path / "nowhere"])


def test_external_files_are_a_setting(tmp_path: Path) -> None:
    files = package_files()
    listing = files["vnf.mf"] + b"\nSource: https://example.org/x\nAlgorithm: SHA-256\nHash: " + b"0" * 64 + b"\n"
    path = str(write(tmp_path / "p.csar", archive({**files, "vnf.mf": listing})))
    assert LibraryReader().read(path).model is None
    assert LibraryReader(allow_external=True).read(path).model is not None
    assert LibraryReader().members(path).manifest == "vnf.mf"


def test_a_policy_that_could_take_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="--trust"):
        PackagePolicy(require_signature=True)

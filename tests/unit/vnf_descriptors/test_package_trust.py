"""Whose signature counts: paths to a root, times, usages and revocation (RFC 5280)."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from tests.unit.vnf_descriptors.descriptor_support import archive, codes, found, write
from tests.unit.vnf_descriptors.signing_support import (
    DAY,
    NOW,
    Issued,
    issue,
    revocation_list,
    signed_files,
    trust,
    usage,
)
from vnf_descriptors import Policy, Report, SignatureState, TrustStore, validate


@pytest.fixture(scope="module")
def root() -> Issued:
    return issue("root", ca=True, extensions=((usage("key_cert_sign", "crl_sign"), True),))


def judged(tmp_path: Path, policy: Policy, signer: Issued, *chain: Issued) -> Report:
    """The report on a package by this signer."""
    return validate(write(tmp_path / "p.csar", archive(signed_files(signer, *chain))), policy)


@pytest.mark.parametrize("binary", [False, True])
def test_a_revoked_certificate_is_refused_by_any_policy(tmp_path: Path, root: Issued, binary: bool) -> None:
    vendor, other = issue("vendor", root), issue("other", root)
    crl = revocation_list(root, vendor)
    if binary:
        crl = x509.load_pem_x509_crl(crl).public_bytes(serialization.Encoding.DER)
    policy = trust(root, tmp_path, False, crl)
    report = judged(tmp_path, policy, vendor)
    assert (report.ok, report.signature) == (False, SignatureState.INVALID)
    (entry,) = found(report, "SIG007")
    assert "CN=vendor" in entry.message and "2026-05-31" in entry.message and entry.file == "vnf.mf"
    good = judged(tmp_path, policy, other)
    assert (good.ok, good.signature, codes(good)) == (True, SignatureState.VALID, set())


def test_an_authority_between_that_was_revoked(tmp_path: Path, root: Issued) -> None:
    between = issue("between", root, ca=True)
    vendor = issue("vendor", between)
    good = judged(tmp_path, trust(root, tmp_path), vendor, between)
    assert good.signature is SignatureState.VALID
    report = judged(tmp_path, trust(root, tmp_path, False, revocation_list(root, between)), vendor, between)
    assert codes(report, errors_only=True) == {"SIG007"} and "CN=between" in found(report, "SIG007")[0].message


def test_a_list_that_another_signed_counts_for_nothing(tmp_path: Path, root: Issued) -> None:
    vendor, mallory = issue("vendor", root), issue("root", ca=True)
    forged = revocation_list(mallory, vendor)
    assert judged(tmp_path, trust(root, tmp_path, False, forged), vendor).signature is SignatureState.VALID


def test_a_list_of_an_authority_that_may_not_sign_lists(tmp_path: Path) -> None:
    root = issue("root", ca=True, extensions=((usage("key_cert_sign"), True),))
    vendor = issue("vendor", root)
    policy = trust(root, tmp_path, False, revocation_list(root, vendor))
    assert judged(tmp_path, policy, vendor).signature is SignatureState.VALID


def test_a_list_that_is_out_of_date_leaves_the_signer_unknown(tmp_path: Path, root: Issued) -> None:
    vendor = issue("vendor", root)
    old = revocation_list(root, until=NOW - DAY, at=NOW - 3 * DAY)
    report = judged(tmp_path, trust(root, tmp_path, False, old), vendor)
    assert report.ok and report.signature is SignatureState.UNKNOWN_SIGNER and codes(report) == {"SIG008"}
    assert not judged(tmp_path, trust(root, tmp_path, True, old), vendor).ok
    renewed = judged(tmp_path, trust(root, tmp_path, True, old, revocation_list(root)), vendor)
    assert renewed.signature is SignatureState.VALID
    told = judged(tmp_path, trust(root, tmp_path, True, revocation_list(root, vendor, at=NOW - 3 * DAY)), vendor)
    assert "SIG007" in codes(told)


def test_a_revocation_to_come_is_none_yet(tmp_path: Path, root: Issued) -> None:
    vendor = issue("vendor", root)
    policy = trust(root, tmp_path, False, revocation_list(root, vendor, at=NOW + DAY / 2))
    assert judged(tmp_path, policy, vendor).signature is not SignatureState.INVALID


@pytest.mark.parametrize(
    ("begins", "days", "says"), [(NOW + DAY, 30, "is not valid before"), (NOW - 9 * DAY, -1, "expired at")]
)
def test_a_certificate_outside_its_time(
    tmp_path: Path, root: Issued, begins: datetime.datetime, days: int, says: str
) -> None:
    vendor = issue("vendor", root, begins=begins, days=days)
    report = judged(tmp_path, trust(root, tmp_path), vendor)
    assert (report.ok, report.signature) == (False, SignatureState.INVALID)
    assert says in found(report, "SIG004")[0].message
    stranger = judged(tmp_path, Policy(now=NOW), vendor)
    assert stranger.ok and stranger.signature is SignatureState.UNKNOWN_SIGNER
    assert codes(stranger) == {"SIG002", "SIG004"}


def test_a_root_that_has_expired(tmp_path: Path) -> None:
    root = issue("root", ca=True, begins=NOW - 9 * DAY, days=-1)
    assert codes(judged(tmp_path, trust(root, tmp_path), issue("vendor", root)), errors_only=True) == {"SIG004"}


@pytest.mark.parametrize(
    ("extension", "fits"),
    [
        (usage("digital_signature"), True),
        (usage("content_commitment"), True),
        (usage("key_encipherment", "key_agreement"), False),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), False),
        (x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00"), False),
    ],
)
def test_what_a_certificate_is_for(tmp_path: Path, root: Issued, extension: x509.ExtensionType, fits: bool) -> None:
    vendor = issue("vendor", root, extensions=((extension, True),))
    report = judged(tmp_path, trust(root, tmp_path), vendor)
    assert report.signature is (SignatureState.VALID if fits else SignatureState.INVALID), report.to_text()
    assert codes(report, errors_only=True) == (set() if fits else {"SIG009"})


def test_an_authority_has_no_more_below_it_than_it_may(tmp_path: Path) -> None:
    root = issue("root", ca=True, path_length=0)
    between = issue("between", root, ca=True)
    report = judged(tmp_path, trust(root, tmp_path), issue("vendor", between), between)
    assert codes(report, errors_only=True) == {"SIG009"}
    assert judged(tmp_path, trust(root, tmp_path), issue("vendor", root)).signature is SignatureState.VALID


def test_a_signer_is_no_authority(tmp_path: Path, root: Issued) -> None:
    vendor = issue("vendor", root)
    report = judged(tmp_path, trust(root, tmp_path), issue("mallory", vendor), vendor)
    assert report.signature is SignatureState.UNKNOWN_SIGNER and codes(report) == {"SIG002"}
    clerk = issue("clerk", root, ca=True, extensions=((usage("digital_signature"), True),))
    report = judged(tmp_path, trust(root, tmp_path), issue("mallory", clerk), clerk)
    assert report.signature is SignatureState.UNKNOWN_SIGNER


def test_of_two_authorities_of_one_name_the_right_one_is_found(tmp_path: Path, root: Issued) -> None:
    fake, real = issue("between", issue("elsewhere", ca=True), ca=True), issue("between", root, ca=True)
    report = judged(tmp_path, trust(root, tmp_path), issue("vendor", real), fake, real)
    assert report.signature is SignatureState.VALID


def test_a_trust_store_is_a_file_or_a_directory(tmp_path: Path, root: Issued) -> None:
    der = root.x509.public_bytes(serialization.Encoding.DER)
    other = issue("other", ca=True)
    write(tmp_path / "store/a.pem", root.certificate + revocation_list(root) + other.certificate)
    write(tmp_path / "store/b.der", der)
    write(tmp_path / "store/README", b"whose these are")
    store = TrustStore.from_pem(tmp_path / "store")
    assert (len(store.roots), len(store.crls)) == (3, 1)
    assert TrustStore.from_pem(str(tmp_path / "store/b.der")).roots == (der,)
    for data in (b"", b"text", b"-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n", root.key):
        with pytest.raises(ValueError, match=r"bad\.pem"):
            TrustStore.from_pem(write(tmp_path / "bad.pem", data))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty holds no certificate"):
        TrustStore.from_pem(tmp_path / "empty")

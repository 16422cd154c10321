"""Whom packages are taken from: trusted roots, and what makes a certificate unfit (RFC 5280).

A trust store is a set of root certificates with, if there are any, lists of revoked ones beside them. Nothing is
fetched: a certificate's own addresses of lists and responders are never followed.
"""

from __future__ import annotations

import datetime
import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vnf_descriptors.report import SignatureState, quote

#: Longest certificate path.
MAX_PATH = 8
#: Most signatures of certificates that the search for a path checks.
MAX_CHECKS = 64
#: Suffixes of the files that a directory is read for.
SUFFIXES = (".pem", ".crt", ".cer", ".der", ".crl")

_HASHES = ("sha256", "sha384", "sha512", "sha3-256", "sha3-384", "sha3-512")

Problem = tuple[str, str]
"""The code of a finding, and what is wrong."""


@dataclass(frozen=True, slots=True)
class TrustStore:
    """The root certificates that packages may be signed under, and lists of revoked certificates, in DER."""

    roots: tuple[bytes, ...] = ()
    crls: tuple[bytes, ...] = ()

    @staticmethod
    def from_pem(*paths: str | os.PathLike[str]) -> TrustStore:
        """The certificates and revocation lists of files (PEM or DER) and of directories of such files.

        ValueError when a path holds neither, or something that cannot be read.
        """
        roots: list[bytes] = []
        crls: list[bytes] = []
        for path in paths:
            before = len(roots) + len(crls)
            for file in _files(Path(path)):
                try:
                    _sort(file.read_bytes(), roots, crls)
                except (ValueError, TypeError) as error:
                    raise ValueError(f"{file} cannot be read: {error}") from None
            if len(roots) + len(crls) == before:
                raise ValueError(f"{path} holds no certificate in PEM form")
        return TrustStore(tuple(roots), tuple(crls))


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(each for each in path.iterdir() if each.suffix.lower() in SUFFIXES and each.is_file())


def _sort(data: bytes, roots: list[bytes], crls: list[bytes]) -> None:
    """Put what a file holds where it belongs; ValueError when it can be neither kind."""
    from asn1crypto import pem
    from cryptography import x509

    blocks = pem.unarmor(data, multiple=True) if pem.detect(data) else [(None, None, data)]
    for kind, _, der in blocks:
        if kind == "X509 CRL" or (kind is None and not _is_certificate(der)):
            x509.load_der_x509_crl(der)
            crls.append(bytes(der))
        elif kind in (None, "CERTIFICATE", "TRUSTED CERTIFICATE", "X509 CERTIFICATE"):
            x509.load_der_x509_certificate(der)
            roots.append(bytes(der))


def _is_certificate(der: bytes) -> bool:
    from cryptography import x509

    try:
        x509.load_der_x509_certificate(der)
    except ValueError:
        return False
    return True


def judge(
    signer: Any, pool: list[Any], trust: TrustStore, now: datetime.datetime
) -> tuple[SignatureState, tuple[Problem, ...]]:
    """What a signer is worth. `pool` are the certificates that came with the signature.

    Whoever is not trusted stays unknown, whatever else is wrong. A trusted one that has expired, was revoked or may not
    sign is invalid; one of whom a list that is out of date cannot tell is unknown again.
    """
    from cryptography import x509

    roots = [x509.load_der_x509_certificate(root) for root in trust.roots]
    path = _path(signer, pool, roots)
    problems = [*_out_of_time(path or [signer], now), *_unfit_signer(signer)]
    if path is None:
        problems.append(("SIG002", f"the signer {_named(signer)} is not trusted"))
        return SignatureState.UNKNOWN_SIGNER, tuple(problems)
    problems += _unfit_path(path)
    problems += _revoked(path, [x509.load_der_x509_crl(each) for each in trust.crls], now)
    if not problems:
        return SignatureState.VALID, ()
    certain = any(code != "SIG008" for code, _ in problems)
    return SignatureState.INVALID if certain else SignatureState.UNKNOWN_SIGNER, tuple(problems)


def _named(certificate: Any) -> str:
    return quote(certificate.subject.rfc4514_string())


# The path ---------------------------------------------------------------------------------------------------


def _path(signer: Any, pool: list[Any], roots: list[Any]) -> list[Any] | None:
    """The shortest path of certificates from the signer's up to a root, or None."""
    waiting = [[signer]]
    seen = [signer]
    checks = 0
    while waiting:
        path = waiting.pop(0)
        if path[-1] in roots:
            return path
        if len(path) >= MAX_PATH:
            continue
        for candidate in [*roots, *(each for each in pool if each not in roots)]:
            if candidate in seen or candidate.subject != path[-1].issuer:
                continue
            checks += 1
            if checks > MAX_CHECKS:
                return None
            if _issued(path[-1], candidate):
                seen.append(candidate)
                waiting.append([*path, candidate])
    return None


def _issued(certificate: Any, issuer: Any) -> bool:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    constraints = _extension(issuer, x509.BasicConstraints)
    usage = _extension(issuer, x509.KeyUsage)
    if constraints is None or not constraints.ca or (usage is not None and not usage.key_cert_sign):
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _extension(certificate: Any, kind: Any) -> Any:
    """The value of an extension; None when the certificate has none of that kind."""
    from cryptography import x509

    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


# What makes a certificate unfit -------------------------------------------------------------------------------


def _out_of_time(path: list[Any], now: datetime.datetime) -> Iterator[Problem]:
    for certificate in path:
        if now < certificate.not_valid_before_utc:
            since = certificate.not_valid_before_utc.isoformat()
            yield "SIG004", f"the certificate of {_named(certificate)} is not valid before {since}"
        elif now > certificate.not_valid_after_utc:
            until = certificate.not_valid_after_utc.isoformat()
            yield "SIG004", f"the certificate of {_named(certificate)} expired at {until}"


def _unfit_signer(signer: Any) -> Iterator[Problem]:
    """A signer's certificate that is for something else (RFC 5280 4.2.1.3 and 4.2.1.12)."""
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID as Purpose

    usage = _extension(signer, x509.KeyUsage)
    if usage is not None and not (usage.digital_signature or usage.content_commitment):
        yield "SIG009", f"the key usage of {_named(signer)} does not allow signatures"
    purposes = _extension(signer, x509.ExtendedKeyUsage)
    allowed = {Purpose.CODE_SIGNING, Purpose.EMAIL_PROTECTION, Purpose.ANY_EXTENDED_KEY_USAGE}
    if purposes is not None and not allowed & set(purposes):
        yield "SIG009", f"the extended key usage of {_named(signer)} does not allow to sign packages"


def _unfit_path(path: list[Any]) -> Iterator[Problem]:
    from cryptography import x509

    understood = (
        x509.BasicConstraints,
        x509.KeyUsage,
        x509.ExtendedKeyUsage,
        x509.SubjectAlternativeName,
        x509.CertificatePolicies,
        x509.SubjectKeyIdentifier,
        x509.AuthorityKeyIdentifier,
    )
    for depth, certificate in enumerate(path):
        for extension in certificate.extensions:
            if extension.critical and not isinstance(extension.value, understood):
                oid = extension.oid.dotted_string
                yield "SIG009", f"the certificate of {_named(certificate)} has the critical extension {oid}"
        constraints = _extension(certificate, x509.BasicConstraints)
        limit = constraints.path_length if constraints is not None and depth else None
        if limit is not None and depth - 1 > limit:
            yield "SIG009", f"{_named(certificate)} may have {limit} authorities below it, not {depth - 1}"
        if depth < len(path) - 1 and not _is_strong(certificate):
            yield "SIG009", f"the certificate of {_named(certificate)} is signed with a digest that is not safe"


def _is_strong(certificate: Any) -> bool:
    """True unless the certificate's own signature uses MD5, SHA-1 and their like; Ed25519 has no separate digest."""
    algorithm = certificate.signature_hash_algorithm
    return algorithm is None or algorithm.name in _HASHES


# Revocation ---------------------------------------------------------------------------------------------------


def _revoked(path: list[Any], crls: list[Any], now: datetime.datetime) -> Iterator[Problem]:
    """Certificates that their issuer took back (RFC 5280 5), as far as lists of that issuer are at hand."""
    for certificate, issuer in itertools.pairwise(path):
        lists = [each for each in crls if each.issuer == issuer.subject and _vouches(issuer, each)]
        if not lists:
            continue
        entries = (each.get_revoked_certificate_by_serial_number(certificate.serial_number) for each in lists)
        since = [entry.revocation_date_utc for entry in entries if entry is not None]
        if any(date <= now for date in since):
            yield "SIG007", f"the certificate of {_named(certificate)} was revoked at {min(since).isoformat()}"
        elif not any(_is_current(each, now) for each in lists):
            yield "SIG008", f"the revocation list of {_named(issuer)} is out of date"


def _vouches(issuer: Any, crl: Any) -> bool:
    """True when the list is signed by the issuer, and with a key that may."""
    from cryptography import x509

    usage = _extension(issuer, x509.KeyUsage)
    if usage is not None and not usage.crl_sign:
        return False
    try:
        return bool(crl.is_signature_valid(issuer.public_key()))
    except (ValueError, TypeError):
        return False


def _is_current(crl: Any, now: datetime.datetime) -> bool:
    end = crl.next_update_utc
    return bool(crl.last_update_utc <= now and (end is None or now <= end))

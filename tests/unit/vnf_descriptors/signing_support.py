"""Keys, certificates and revocation lists for the tests of signatures."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from tests.unit.vnf_descriptors.descriptor_support import package_files, write
from vnf_descriptors import Policy, TrustStore
from vnf_descriptors.signature import sign

NOW = datetime.datetime(2026, 6, 1, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)


class Issued(NamedTuple):
    """A key with its certificate, in PEM."""

    key: bytes
    certificate: bytes

    @property
    def x509(self) -> x509.Certificate:
        """The certificate itself."""
        return x509.load_pem_x509_certificate(self.certificate)


def usage(*allowed: str) -> x509.KeyUsage:
    """A key usage that allows these, as `x509.KeyUsage` names them."""
    names = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{name: name in allowed for name in names})


def issue(
    name: str,
    issuer: Issued | None = None,
    days: int = 365,
    ca: bool = False,
    rsa_key: bool = False,
    begins: datetime.datetime = NOW - DAY,
    path_length: int | None = None,
    extensions: tuple[tuple[x509.ExtensionType, bool], ...] = (),
) -> Issued:
    """A certificate by `issuer`, or by itself. `extensions` are values with whether they are critical."""
    key = rsa.generate_private_key(65537, 2048) if rsa_key else ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    parent = issuer.x509 if issuer else None
    signer = serialization.load_pem_private_key(issuer.key, None) if issuer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(parent.subject if parent else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(NOW + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=path_length), critical=True)
    )
    for value, critical in extensions:
        builder = builder.add_extension(value, critical=critical)
    certificate = builder.sign(signer, hashes.SHA256())  # type: ignore[arg-type]
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Issued(private, certificate.public_bytes(serialization.Encoding.PEM))


def revocation_list(
    issuer: Issued, *revoked: Issued, at: datetime.datetime = NOW - DAY, until: datetime.datetime = NOW + DAY
) -> bytes:
    """A list in PEM by which an authority takes certificates back at a time; it must be renewed at another."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.x509.subject)
        .last_update(min(at, until - DAY))
        .next_update(until)
    )
    for each in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(each.x509.serial_number).revocation_date(at)
        builder = builder.add_revoked_certificate(entry.build())
    key = serialization.load_pem_private_key(issuer.key, None)
    signed = builder.sign(key, hashes.SHA256())  # type: ignore[arg-type]
    return signed.public_bytes(serialization.Encoding.PEM)


def trust(root: Issued, path: Path, strict: bool = False, *crls: bytes) -> Policy:
    """A policy with this root and these revocation lists."""
    write(path / "trust/root.pem", root.certificate)
    for number, crl in enumerate(crls):
        write(path / f"trust/{number}.crl", crl)
    return Policy(TrustStore.from_pem(path / "trust"), require_signature=strict, now=NOW)


def signed_files(signer: Issued, *chain: Issued) -> dict[str, bytes]:
    """The files of a good package with a signed manifest; `chain` are authorities between signer and root."""
    files = package_files()
    certificates = b"".join(each.certificate for each in (signer, *chain))
    return {**files, "vnf.mf": files["vnf.mf"] + sign(files["vnf.mf"], signer.key, certificates)}

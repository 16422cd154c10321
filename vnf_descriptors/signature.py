"""Signatures of packages: detached CMS SignedData (RFC 5652), as SOL004 clause 5 uses it.

`verify` checks the signature itself, then asks `trust` what its signer is worth.
"""

from __future__ import annotations

import datetime
import hashlib
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from vnf_descriptors.report import SignatureState, quote
from vnf_descriptors.trust import Problem, TrustStore, judge

__all__ = ["MAX_BYTES", "TrustStore", "Verdict", "sign", "verify"]

#: Largest CMS structure or certificate file, in octets.
MAX_BYTES = 1024 * 1024
#: Most certificates that a signature may bring; most members of any other set in it.
MAX_CERTIFICATES = 32


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one signature: its problems are codes of findings with their messages, none for a good one."""

    state: SignatureState
    problems: tuple[Problem, ...] = ()
    signer: str = ""

    @property
    def code(self) -> str:
        """The code of the first problem, or empty."""
        return self.problems[0][0] if self.problems else ""


def _invalid(code: str, problem: str, signer: str = "") -> Verdict:
    return Verdict(SignatureState.INVALID, ((code, problem),), signer)


def verify(
    content: Iterable[bytes], cms: bytes, certificates: bytes, trust: TrustStore, now: datetime.datetime
) -> Verdict:
    """Check a detached signature over `content`. `certificates` come beside it (PEM or DER, may be empty)."""
    try:
        return _verify(content, cms, certificates, trust, now)
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, AttributeError) as error:
        return _invalid("SIG005", f"the signature cannot be read: {quote(error)}")


def sign(content: bytes, key_pem: bytes, certificate_pem: bytes, password: bytes | None = None) -> bytes:
    """A detached CMS signature over `content` in PEM, with the certificate inside; ValueError for a bad key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import pkcs7

    key = serialization.load_pem_private_key(key_pem, password)
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise ValueError("packages are signed with an RSA or an elliptic curve key")
    chain = x509.load_pem_x509_certificates(certificate_pem)
    if not chain:
        raise ValueError("the certificate file holds no certificate in PEM form")
    if chain[0].public_key() != key.public_key():
        raise ValueError("the certificate is not that of the key")
    builder = pkcs7.PKCS7SignatureBuilder().set_data(content).add_signer(chain[0], key, hashes.SHA256())
    for further in chain[1:]:
        builder = builder.add_certificate(further)
    options = [pkcs7.PKCS7Options.DetachedSignature, pkcs7.PKCS7Options.Binary, pkcs7.PKCS7Options.NoAttributes]
    pem = builder.sign(serialization.Encoding.PEM, options)
    return pem.replace(b"PKCS7-----", b"CMS-----")


def _verify(
    content: Iterable[bytes], cms: bytes, certificates: bytes, trust: TrustStore, now: datetime.datetime
) -> Verdict:
    from asn1crypto import cms as asn1_cms

    if len(cms) > MAX_BYTES or len(certificates) > MAX_BYTES:
        return _invalid("SIG005", f"the signature is larger than {MAX_BYTES} octets")
    info = asn1_cms.ContentInfo.load(_der(cms), strict=True)
    if info["content_type"].native != "signed_data":
        return _invalid("SIG005", "the signature is no CMS SignedData")
    signed = info["content"]
    if signed["encap_content_info"]["content"].native is not None:
        return _invalid("SIG005", "the signature is not detached")
    _check_number(signed["signer_infos"].contents or b"")
    if len(signed["signer_infos"]) != 1:
        return _invalid("SIG005", "the signature does not have exactly one signer")
    signer_info = signed["signer_infos"][0]
    pool = _pool(signed, certificates)
    signer = _find_signer(signer_info, pool)
    if signer is None:
        return _invalid("SIG005", "the signer's certificate is missing")
    problem = _check_value(content, signed, signer_info, signer)
    name = signer.subject.rfc4514_string()
    if problem is not None:
        return _invalid(*problem, name)
    state, problems = judge(signer, pool, trust, now)
    return Verdict(state, problems, name)


def _pool(signed: Any, certificates: bytes) -> list[Any]:
    from cryptography import x509

    choices = signed["certificates"]
    _check_number(choices.contents or b"")
    ders = [choice.chosen.dump() for choice in choices if choice.name == "certificate"] if choices.contents else []
    ders += itertools.islice(_certificates(certificates), MAX_CERTIFICATES + 1)
    if len(ders) > MAX_CERTIFICATES:
        raise ValueError(f"more than {MAX_CERTIFICATES} certificates")
    return [x509.load_der_x509_certificate(der) for der in ders]


def _check_number(contents: bytes) -> None:
    """ValueError when a set has too many members; counts them by their lengths alone, which costs next to nothing."""
    from asn1crypto import parser

    for _ in range(MAX_CERTIFICATES):
        if not contents:
            return
        contents = contents[parser.peek(contents) :]
    if contents:
        raise ValueError(f"a set has more than {MAX_CERTIFICATES} members")


def _der(data: bytes) -> bytes:
    from asn1crypto import pem

    return bytes(pem.unarmor(data)[2]) if pem.detect(data) else data


def _certificates(data: bytes) -> Iterator[bytes]:
    from asn1crypto import pem

    if not data.strip():
        return
    if pem.detect(data):
        for kind, _, der in pem.unarmor(data, multiple=True):
            if kind == "CERTIFICATE":
                yield bytes(der)
    else:
        yield data


def _find_signer(signer_info: Any, pool: list[Any]) -> Any:
    sid = signer_info["sid"]
    for certificate in pool:
        if sid.name == "issuer_and_serial_number":
            if certificate.serial_number != sid.chosen["serial_number"].native:
                continue
            if certificate.issuer.public_bytes() == sid.chosen["issuer"].dump():
                return certificate
        elif _key_identifier(certificate) == sid.chosen.native:
            return certificate
    return None


def _key_identifier(certificate: Any) -> bytes | None:
    from cryptography import x509

    try:
        return bytes(certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest)
    except x509.ExtensionNotFound:
        return None


def _check_value(content: Iterable[bytes], signed: Any, signer_info: Any, signer: Any) -> tuple[str, str] | None:
    """The code and the problem of a signature that does not fit, or None."""
    name = signer_info["digest_algorithm"]["algorithm"].native
    if name not in ("sha256", "sha384", "sha512"):
        return "SIG005", f"the signature uses the digest {quote(name)}, which is not safe"
    digest = hashlib.new(name)
    for piece in content:
        digest.update(piece)
    computed = digest.digest()
    attributes = signer_info["signed_attrs"]
    if attributes.contents:
        _check_number(attributes.contents)
        for attribute in attributes:
            _check_number(attribute["values"].contents or b"")
        values = {attribute["type"].native: attribute["values"].native for attribute in attributes}
        if values.get("message_digest") != [computed]:
            return "SIG001", "the signature is over other content"
        if values.get("content_type") != [signed["encap_content_info"]["content_type"].native]:
            return "SIG001", "the signature is over another type of content"
        # RFC 5652 5.4: what is signed is the attributes' encoding as a SET, not as [0].
        computed = hashlib.new(name, b"\x31" + attributes.dump()[1:]).digest()
    if _signature_fits(signer.public_key(), signer_info, name, computed):
        return None
    return "SIG001", "the signature does not fit the package"


def _signature_fits(key: Any, signer_info: Any, digest_name: str, digest: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

    algorithm = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}[digest_name]
    value = signer_info["signature"].native
    scheme = signer_info["signature_algorithm"].signature_algo
    try:
        if isinstance(key, rsa.RSAPublicKey) and scheme == "rsassa_pkcs1v15" and key.key_size >= 2048:
            key.verify(value, digest, padding.PKCS1v15(), utils.Prehashed(algorithm))
        elif isinstance(key, rsa.RSAPublicKey) and scheme == "rsassa_pss" and key.key_size >= 2048:
            pss = padding.PSS(padding.MGF1(algorithm), padding.PSS.AUTO)
            key.verify(value, digest, pss, utils.Prehashed(algorithm))
        elif isinstance(key, ec.EllipticCurvePublicKey) and scheme == "ecdsa":
            key.verify(value, digest, ec.ECDSA(utils.Prehashed(algorithm)))
        else:
            raise ValueError(f"signatures of the scheme {scheme} with this key are not accepted")
    except InvalidSignature:
        return False
    return True

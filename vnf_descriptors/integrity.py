"""Whether a package is what its manifest and its signature say (SOL004 clauses 4.3.2 and 5)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from vnf_descriptors import guard, manifest, tosca_meta
from vnf_descriptors.manifest import Manifest, ManifestEntry
from vnf_descriptors.members import read
from vnf_descriptors.package import Package, Policy
from vnf_descriptors.report import Finding, Position, Severity, SignatureState, finding, quote
from vnf_descriptors.signature import MAX_BYTES as MAX_SIGNATURE
from vnf_descriptors.signature import Verdict, verify

#: Longest certificate file that is shown to others, in characters.
MAX_SHOWN = 64 * 1024
_SIGNATURE_FILES = (".sig", ".cms", ".p7s", ".cert", ".crt", ".pem")

# Digests --------------------------------------------------------------------------------------------------


def digest(pieces: Iterable[bytes], algorithm: str) -> str:
    """The digest of some content in lower-case hexadecimal; `algorithm` as SOL004 or SOL001 spells it."""
    computed = hashlib.new(algorithm.lower().replace("-", ""))
    for piece in pieces:
        computed.update(piece)
    return computed.hexdigest()


def check_files(package: Package) -> Iterator[Finding]:
    yield from _check_blocks(package)
    yield from _check_unlisted(package)
    if package.manifest is None:
        return
    for entry in package.manifest.entries:
        yield from _check_entry(package, entry)
    yield from _check_listed(package, package.manifest)


def _check_unlisted(package: Package) -> Iterator[Finding]:
    """Damage in files whose digest nobody asks for: reading them to the end compares sizes and checksums."""
    entries = package.manifest.entries if package.manifest else ()
    listed = {entry.source for entry in entries if entry.hash}
    for name in package.members.names():
        if name not in listed:
            try:
                for _ in package.members.chunks(name):
                    pass
            except guard.MemberError as error:
                yield finding("ZIP008", Position(name), str(error))


def _check_entry(package: Package, entry: ManifestEntry) -> Iterator[Finding]:
    source = quote(entry.source)
    problem = package.policy.check_uri(entry.source) if entry.external else guard.check_name(entry.source)
    if problem is not None:
        yield finding("MF012", entry.position, f"the Source {source} {problem}")
    if problem is not None or entry.external:
        return
    if entry.source not in package.members:
        yield finding("MF005", entry.position, f"the Source {source} is not in the package")
    elif not _digest_holds(package, entry):
        yield finding("MF006", entry.position, f"the {entry.algorithm} digest of {source} differs")
    for name in (entry.signature, entry.certificate):
        if name and name not in package.members:
            yield finding("MF005", entry.position, f"{quote(name)}, named with {source}, is not in the package")


def _digest_holds(package: Package, entry: ManifestEntry) -> bool:
    """False when the digest differs; one that is missing or not well-formed has its own finding."""
    if len(entry.hash) != manifest.ALGORITHMS.get(entry.algorithm):
        return True
    return digest(package.members.chunks(entry.source), entry.algorithm) == entry.hash


def _check_blocks(package: Package) -> Iterator[Finding]:
    for block in package.meta.blocks if package.meta else ():
        name = block.get("name", ("", None))[0]
        algorithm, hash_value = block.get("algorithm"), block.get("hash")
        if name not in package.members or algorithm is None or hash_value is None:
            continue
        if algorithm[0].upper() not in manifest.ALGORITHMS:
            message = f"the algorithm {quote(algorithm[0])} of {quote(name)} is not known"
            yield finding("MF007", algorithm[1], message)
        elif digest(package.members.chunks(name), algorithm[0]) != hash_value[0].lower():
            yield finding("CSAR009", hash_value[1], f"the {algorithm[0]} digest of {quote(name)} differs")


def _check_listed(package: Package, listing: Manifest) -> Iterator[Finding]:
    """Files without a digest. A manifest that covers the descriptor claims to cover everything."""
    listed = {entry.source for entry in listing.entries if entry.hash}
    if not listing.entries:
        yield finding("MF008", Position(listing.path), "the manifest lists no file", severity=Severity.WARNING)
        return
    named = {name for entry in listing.entries for name in (entry.signature, entry.certificate)}
    certificate = package.meta.get("ETSI-Entry-Certificate") if package.meta else None
    exempt = {listing.path, *named, certificate[0] if certificate else "", f"{listing.path.rpartition('.')[0]}.cert"}
    severity = Severity.ERROR if package.entry in listed else Severity.WARNING
    for name in package.members.names():
        if name in listed or name in exempt or name.endswith(_SIGNATURE_FILES):
            continue
        level = Severity.WARNING if name == tosca_meta.PATH else severity
        yield finding("MF008", Position(name), f"{quote(name)} has no digest in the manifest", severity=level)


# Signatures -----------------------------------------------------------------------------------------------


class OuterSignature(NamedTuple):
    """What signs a package as a whole, from the archive round it (option 2)."""

    file: str
    verdict: Verdict
    #: The certificate beside it, as stored; empty when there is none.
    certificate: bytes


def check_signature(package: Package, policy: Policy, outer: OuterSignature | None) -> list[Finding]:
    """What is wrong with a package's signatures; tells the package whose they are and what they are worth."""
    findings: list[Finding] = []
    verdicts = [(outer.file, outer.verdict)] if outer else []
    if outer:
        package.security_option, package.signing_certificate = 2, _pem(outer.certificate)
    if package.manifest is not None and package.manifest.cms:
        verdict = _verify_manifest(package, package.manifest, policy)
        verdicts.append((package.manifest.path, verdict))
    for file, verdict in verdicts:
        package.signature, package.signer = verdict.state, verdict.signer
        # An untrusted signer is a matter of policy; a signature that is wrong, or no longer stands, never is.
        strict = policy.require_signature or verdict.state is SignatureState.INVALID
        severity = Severity.ERROR if strict else None
        findings.extend(finding(code, Position(file), text, severity=severity) for code, text in verdict.problems)
    if not verdicts and policy.require_signature:
        findings.append(
            finding("SIG003", Position(package.entry), "the package is not signed", severity=Severity.ERROR)
        )
    if package.manifest is not None:
        findings.extend(_check_artifact_signatures(package, package.manifest, policy))
    return findings


def _verify_manifest(package: Package, listing: Manifest, policy: Policy) -> Verdict:
    named = package.meta.get("ETSI-Entry-Certificate") if package.meta else None
    beside = named[0] if named else f"{listing.path.rpartition('.')[0]}.cert"
    certificates = read(package.members, beside, MAX_SIGNATURE) if beside in package.members else b""
    package.signing_certificate = package.signing_certificate or _pem(certificates)
    first: Verdict | None = None
    for content in _as_signed(listing.signed_part):
        verdict = verify([content], listing.cms, certificates, policy.trust, policy.time())
        if verdict.code != "SIG001":
            return verdict
        first = first or verdict
    return first or Verdict(SignatureState.INVALID, (("SIG005", "there is nothing that could be signed"),))


def _pem(certificate: bytes) -> str:
    """The text of a certificate file, which others may be shown; empty for what is no such text."""
    text = certificate.decode("ascii", "replace").strip()
    lines = text.splitlines()
    clean = text.startswith("-----BEGIN CERTIFICATE-----") and all(line.isprintable() for line in lines)
    return text if clean and "\ufffd" not in text and len(text) <= MAX_SHOWN else ""


def _as_signed(stored: bytes) -> Iterator[bytes]:
    """What tools sign of a manifest: its octets as they are stored; then forms that mean the same.

    Signing tools give text the line ends of mail (RFC 8551 3.1.1) unless told otherwise, and some packagers put
    an empty line before the signature that they append.
    """
    yield stored
    yield stored.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    bare = stored.rstrip(b"\r\n")
    if bare != stored:
        yield bare + b"\n"
        yield bare


def _check_artifact_signatures(package: Package, listing: Manifest, policy: Policy) -> Iterator[Finding]:
    for entry in listing.entries:
        if not entry.signature or entry.signature not in package.members or entry.source not in package.members:
            continue
        certificates = b""
        if entry.certificate in package.members:
            certificates = read(package.members, entry.certificate, MAX_SIGNATURE)
        cms = read(package.members, entry.signature, MAX_SIGNATURE)
        pieces = package.members.chunks(entry.source)
        verdict = verify(pieces, cms, certificates, policy.trust, policy.time())
        for code, text in verdict.problems:
            message = f"the signature of {quote(entry.source)}: {text}"
            if verdict.state is SignatureState.INVALID:
                yield finding("SIG006", entry.position, message)
            elif policy.trust.roots:
                yield finding(code, entry.position, message)

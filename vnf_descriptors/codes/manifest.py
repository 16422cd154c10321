"""Findings on manifests, digests and signatures."""

from __future__ import annotations

from vnf_descriptors.codes.code import ERROR, WARNING, Code

_MANIFEST = "SOL004 4.3.2"
_SECURITY = "SOL004 5"

MANIFEST = (
    Code(
        "MF001",
        WARNING,
        "no manifest",
        _MANIFEST,
        "Without a manifest there are no digests: nothing proves that the package arrived as its maker built it. "
        "It is loaded all the same, because many packages in the field have none.",
    ),
    Code(
        "MF002",
        ERROR,
        "manifest cannot be read",
        _MANIFEST,
        "A manifest consists of 'name: value' lines: a 'metadata:' section, then one group for each file with "
        "Source, Algorithm and Hash.",
        "Source Definitions/vnfd.yaml",
    ),
    Code(
        "MF003",
        WARNING,
        "manifest metadata missing",
        _MANIFEST,
        "A VNF's metadata are vnf_product_name, vnf_provider_id, vnf_package_version and vnf_release_date_time; "
        "those of a PNF pnfd_name, pnfd_provider, pnfd_archive_version and pnfd_release_date_time; those of an NS "
        "nsd_name, nsd_designer, nsd_file_structure_version and nsd_release_date_time.",
    ),
    Code(
        "MF004",
        WARNING,
        "manifest metadata not well-formed",
        _MANIFEST,
        "A release date is written as RFC 3339 says.",
        "vnf_release_date_time: 1.1.2026",
    ),
    Code(
        "MF005",
        ERROR,
        "manifest lists a file that is not in the package",
        _MANIFEST,
        "Every local Source is the path of a member, relative to the root of the package.",
        "Source: Files/images/missing.tar",
    ),
    Code(
        "MF006",
        ERROR,
        "digest differs",
        _SECURITY,
        "The file is not the one that the manifest describes: it was changed, damaged, or the manifest is old.",
    ),
    Code(
        "MF007",
        ERROR,
        "unknown digest algorithm",
        _SECURITY,
        "SOL004 names SHA-256 and SHA-512. A digest that cannot be checked protects nothing.",
        "Algorithm: MD5",
    ),
    Code(
        "MF008",
        ERROR,
        "file not listed in the manifest",
        _SECURITY,
        "Every file of the package but the manifest itself and signature files has a digest in the manifest; a file "
        "without one could have been added by anybody.",
    ),
    Code(
        "MF009",
        ERROR,
        "file listed twice in the manifest",
        _MANIFEST,
        "Two groups name the same Source with different digests.",
    ),
    Code(
        "MF010",
        WARNING,
        "manifest and descriptor disagree",
        _MANIFEST,
        "The metadata name a product, provider or designer other than the descriptor does.",
    ),
    Code(
        "MF011",
        ERROR,
        "manifest mixes kinds of packages",
        _MANIFEST,
        "Metadata with the prefixes vnf_, pnfd_ and nsd_ never stand together, and they fit the descriptor's kind.",
    ),
    Code(
        "MF012",
        ERROR,
        "manifest source not usable",
        _MANIFEST,
        "A Source is a relative path inside the package. SOL004 also knows external files, given by URI with a digest; "
        "as nothing is ever fetched, nobody could check them, and they are refused unless the policy allows them "
        "(Policy.allow_external, --allow-external).",
        "Source: ../outside.sh",
    ),
    Code(
        "MF013",
        ERROR,
        "text after the signature",
        _SECURITY,
        "The signature is the last part of the manifest; text after it is not covered by it.",
    ),
    Code(
        "MF014",
        ERROR,
        "digest not well-formed",
        _MANIFEST,
        "A Hash is the digest in hexadecimal, as long as its Algorithm makes it, and stands with an Algorithm.",
        "Algorithm: SHA-256\nHash: abc",
    ),
    Code(
        "MF015",
        WARNING,
        "non-MANO artifact not listed",
        "SOL004 4.3.7",
        "A file of a non-MANO artifact set also has its own group with Source, Algorithm and Hash.",
    ),
    Code(
        "SIG001",
        ERROR,
        "signature wrong",
        _SECURITY,
        "The signature was made over other bytes, or with another key than its certificate's: the package was "
        "changed after it was signed.",
    ),
    Code(
        "SIG002",
        WARNING,
        "signer not trusted",
        _SECURITY,
        "The signature fits the package, but its certificate leads to none of the trusted roots. Add the signer's "
        "root to the trust store if you trust it.",
    ),
    Code(
        "SIG003",
        WARNING,
        "package not signed",
        _SECURITY,
        "Nobody vouches for this package. Whether that is allowed is a matter of policy.",
    ),
    Code(
        "SIG004",
        WARNING,
        "certificate not valid now",
        _SECURITY,
        "The signer's certificate, or one above it, is not yet valid or has expired at the time of onboarding. It is "
        "an error when the certificate leads to a trusted root: the trust that was given has ended.",
    ),
    Code(
        "SIG005",
        ERROR,
        "signature cannot be read",
        _SECURITY,
        "The CMS structure is damaged, is no detached SignedData (RFC 5652), uses an algorithm that is not safe, or "
        "comes without its certificate.",
    ),
    Code(
        "SIG006",
        ERROR,
        "artifact signature wrong",
        "SOL004 5",
        "A Signature that the manifest names for one file does not fit that file.",
    ),
    Code(
        "SIG007",
        ERROR,
        "certificate revoked",
        _SECURITY,
        "A revocation list in the trust store, signed by the certificate's issuer, names it (RFC 5280 5): the key may "
        "be in other hands. Ask the vendor for a package signed anew.",
    ),
    Code(
        "SIG008",
        WARNING,
        "revocation not known",
        _SECURITY,
        "The issuer's revocation list in the trust store is past its next update (RFC 5280 5.1.2.5), or not yet valid, "
        "so that nobody can tell whether the certificate still stands. Put a current list into the trust store.",
    ),
    Code(
        "SIG009",
        WARNING,
        "certificate not meant for this",
        _SECURITY,
        "The signer's key usage does not allow signatures, its extended key usage names neither code signing nor "
        "e-mail, an authority has more authorities below it than it may, a critical extension is not understood, or a "
        "certificate is signed with a digest that is not safe (RFC 5280 4.2). It is an error when the certificate "
        "leads to a trusted root.",
    ),
)

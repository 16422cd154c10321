"""VnfPkgInfo, NsdInfo and PnfdInfo: packages of the catalogue in the standard's shapes. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mano.api.collections import ListShape, names
from mano.api.links import link
from mano.api.problem_details import problem_of_document
from mano.api.resource_routes import timestamp
from mano.domain.catalogue import DescriptorKind, OnboardingState, Package

VNF_PACKAGES = "/vnfpkgm/v2/vnf_packages"
NS_DESCRIPTORS = "/nsd/v2/ns_descriptors"
PNF_DESCRIPTORS = "/nsd/v2/pnf_descriptors"

VNF_SHAPE = ListShape(
    attributes=names(
        "id vnfdId vnfProvider vnfProductName vnfSoftwareVersion vnfdVersion compatibleSpecificationVersions "
        "checksum packageSecurityOption signingCertificate softwareImages additionalArtifacts onboardingState "
        "operationalState usageState vnfmInfo userDefinedData onboardingFailureDetails catena _links"
    ),
    mandatory=frozenset({"id", "onboardingState", "operationalState", "usageState", "_links"}),
    left_out=(
        "softwareImages",
        "additionalArtifacts",
        "userDefinedData",
        "checksum",
        "onboardingFailureDetails",
        "catena",
    ),
)

NSD_SHAPE = ListShape(
    attributes=names(
        "id nsdId nsdName nsdVersion nsdDesigner nsdInvariantId vnfPkgIds pnfdInfoIds nestedNsdInfoIds "
        "archiveSecurityOption signingCertificate artifacts nsdOnboardingState onboardingFailureDetails "
        "nsdOperationalState nsdUsageState userDefinedData catena _links"
    ),
    mandatory=frozenset({"id", "nsdOnboardingState", "nsdOperationalState", "nsdUsageState", "vnfPkgIds", "_links"}),
    left_out=("userDefinedData", "onboardingFailureDetails", "catena"),
)

PNFD_SHAPE = ListShape(
    attributes=names(
        "id pnfdId pnfdName pnfdVersion pnfdProvider pnfdInvariantId archiveSecurityOption signingCertificate "
        "artifacts pnfdOnboardingState onboardingFailureDetails pnfdUsageState userDefinedData catena _links"
    ),
    mandatory=frozenset({"id", "pnfdOnboardingState", "pnfdUsageState", "_links"}),
    left_out=("userDefinedData", "onboardingFailureDetails", "catena"),
)

_CONTAINER_FORMATS = frozenset(["AKI", "AMI", "ARI", "BARE", "DOCKER", "OVA", "OVF"])
_DISK_FORMATS = frozenset(["AKI", "AMI", "ARI", "ISO", "QCOW2", "RAW", "VDI", "VHD", "VHDX", "VMDK"])


def vnf_pkg_info(package: Package, root: str, path: str = VNF_PACKAGES) -> dict[str, Any]:
    """VnfPkgInfo (SOL003 clause 10.5.2.2, SOL005 clause 9.5.2.5); ``path`` is where it was asked for."""
    here = f"{root}{path}/{package.id}"
    document: dict[str, Any] = {"id": package.id}
    if package.onboarding_state is OnboardingState.ONBOARDED:
        document |= {
            "vnfdId": package.descriptor_id,
            "vnfProvider": package.provider,
            "vnfProductName": package.name,
            "vnfSoftwareVersion": package.software_version,
            "vnfdVersion": package.descriptor_version,
            "checksum": {"algorithm": "SHA-256", "hash": package.checksum},
            "softwareImages": list(_software_images(package)),
            "additionalArtifacts": [{**artifact, "isEncrypted": False} for artifact in _artifacts(package)],
            "vnfmInfo": list(package.descriptor.get("vnfm_info") or ()),
        }
        document |= _security("packageSecurityOption", package)
    document |= {
        "onboardingState": package.onboarding_state.value,
        "operationalState": package.operational_state.value,
        "usageState": package.usage_state.value,
        **_common(package),
        "_links": {
            "self": link(here),
            "vnfd": link(f"{here}/vnfd"),
            "packageContent": link(f"{here}/package_content"),
        },
    }
    return document


def nsd_info(
    package: Package,
    root: str,
    vnf_package_ids: Sequence[str] = (),
    pnfd_info_ids: Sequence[str] = (),
    nested_nsd_info_ids: Sequence[str] = (),
) -> dict[str, Any]:
    """NsdInfo (SOL005 clause 5.5.2.2), with the on-boarded packages of its VNFDs, PNFDs and nested NSDs."""
    here = f"{root}{NS_DESCRIPTORS}/{package.id}"
    document: dict[str, Any] = {"id": package.id}
    if package.onboarding_state is OnboardingState.ONBOARDED:
        document |= {
            "nsdId": package.descriptor_id,
            "nsdName": package.name,
            "nsdVersion": package.descriptor_version,
            "nsdDesigner": package.provider,
            "nsdInvariantId": package.invariant_id,
            "artifacts": list(_artifacts(package)),
        }
        document |= _security("archiveSecurityOption", package)
    document |= {
        "vnfPkgIds": list(vnf_package_ids),
        **({"pnfdInfoIds": list(pnfd_info_ids)} if pnfd_info_ids else {}),
        **({"nestedNsdInfoIds": list(nested_nsd_info_ids)} if nested_nsd_info_ids else {}),
        "nsdOnboardingState": package.onboarding_state.value,
        "nsdOperationalState": package.operational_state.value,
        "nsdUsageState": package.usage_state.value,
        **_common(package),
        "_links": {"self": link(here), "nsd_content": link(f"{here}/nsd_content")},
    }
    return document


def pnfd_info(package: Package, root: str) -> dict[str, Any]:
    """PnfdInfo (SOL005 clause 5.5.2.7)."""
    here = f"{root}{PNF_DESCRIPTORS}/{package.id}"
    document: dict[str, Any] = {"id": package.id}
    if package.onboarding_state is OnboardingState.ONBOARDED:
        document |= {
            "pnfdId": package.descriptor_id,
            "pnfdName": package.name,
            "pnfdVersion": package.descriptor_version,
            "pnfdProvider": package.provider,
            "pnfdInvariantId": package.invariant_id,
            "artifacts": list(_artifacts(package)),
        }
        document |= _security("archiveSecurityOption", package)
    document |= {
        "pnfdOnboardingState": package.onboarding_state.value,
        "pnfdUsageState": package.usage_state.value,
        **_common(package),
        "_links": {"self": link(here), "pnfd_content": link(f"{here}/pnfd_content")},
    }
    return document


CONSTITUENTS: Mapping[DescriptorKind, tuple[str, str]] = {
    DescriptorKind.VNF: ("vnf_profiles", "vnfd_id"),
    DescriptorKind.PNF: ("pnf_profiles", "pnfd_id"),
    DescriptorKind.NS: ("nested_ns_profiles", "nsd_id"),
}
"""Kind of descriptor to where an NSD names those of its constituents."""


def constituent_ids(package: Package, kind: DescriptorKind) -> list[str]:
    """The descriptors of a kind that an NSD names, in their order and once each."""
    profiles, name = CONSTITUENTS[kind]
    named = (profile for flavour in package.descriptor.get("flavours", ()) for profile in flavour.get(profiles, ()))
    return list(dict.fromkeys(profile[name] for profile in named))


def _common(package: Package) -> dict[str, Any]:
    document: dict[str, Any] = {}
    if package.signature:
        document["catena"] = {
            "signature": package.signature,
            "signer": package.signer,
            "findings": [dict(entry) for entry in package.findings],
        }
    if package.user_defined_data:
        document["userDefinedData"] = dict(package.user_defined_data)
    if package.failure is not None:
        document["onboardingFailureDetails"] = problem_of_document(package.failure)
    return document


def _security(name: str, package: Package) -> dict[str, str]:
    """How the package is secured (SOL004 clause 5.1), with the signer's certificate if it is a file of it."""
    document = {name: f"OPTION_{package.security_option}"}
    if package.signing_certificate:
        document["signingCertificate"] = package.signing_certificate
    return document


def _artifacts(package: Package) -> Iterator[dict[str, Any]]:
    """Those whose checksum the manifest has: the standard's types require one."""
    for artifact in package.artifacts:
        if not artifact.get("checksum"):
            continue
        told = {"checksum": artifact["checksum"]}
        for here, name in (
            ("artifactPath", "artifactPath"),
            ("artifactUri", "artifactURI"),
            ("nonManoArtifactSetId", "nonManoArtifactSetId"),
        ):
            if artifact.get(here):
                told[name] = artifact[here]
        yield told


def _software_images(package: Package) -> Iterator[dict[str, Any]]:
    """The images whose descriptor says all that the standard's type requires."""
    seen: set[str] = set()
    for flavour in package.descriptor.get("flavours", ()):
        for vdu in flavour.get("vdus", ()):
            image = vdu.get("sw_image")
            if image and image["id"] not in seen and _is_complete(image):
                seen.add(image["id"])
                yield _software_image(image, package)


def _is_complete(image: Mapping[str, Any]) -> bool:
    return (
        bool(image["path"] and image["checksum"])
        and str(image["container_format"]).upper() in _CONTAINER_FORMATS
        and str(image["disk_format"]).upper() in _DISK_FORMATS
    )


def _software_image(image: Mapping[str, Any], package: Package) -> dict[str, Any]:
    return {
        "id": image["id"],
        "name": image["name"],
        "provider": image["provider"] or package.provider,
        "version": image["version"],
        "checksum": {"algorithm": image["checksum"]["algorithm"].upper(), "hash": image["checksum"]["value"]},
        "isEncrypted": False,
        "containerFormat": image["container_format"].upper(),
        "diskFormat": image["disk_format"].upper(),
        "createdAt": timestamp(package.onboarded_at or package.created_at),
        "minDisk": image["min_disk_bytes"] or 0,
        "minRam": image["min_ram_bytes"] or 0,
        "size": image["size_bytes"] or 0,
        "imagePath": image["path"],
    }

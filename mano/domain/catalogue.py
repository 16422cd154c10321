"""On-boarded packages and descriptors: VnfPkgInfo (SOL003 10.5.2.2, SOL005 9.5.2.5) and NsdInfo (SOL005 5.5.2.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from mano.errors import InUse, WrongState


class OnboardingState(StrEnum):
    """PackageOnboardingStateType and NsdOnboardingStateType."""

    CREATED = "CREATED"
    UPLOADING = "UPLOADING"
    PROCESSING = "PROCESSING"
    ONBOARDED = "ONBOARDED"
    ERROR = "ERROR"


class OperationalState(StrEnum):
    """May new instances be made of it?"""

    ENABLED = "ENABLED"
    DISABLED = "DISABLED"


class UsageState(StrEnum):
    """Do instances use it?"""

    IN_USE = "IN_USE"
    NOT_IN_USE = "NOT_IN_USE"


class DescriptorKind(StrEnum):
    """What the package describes."""

    VNF = "vnf"
    NS = "ns"
    PNF = "pnf"


@dataclass(frozen=True, slots=True)
class Package:
    """One VNF package, NSD or PNFD in the catalogue.

    ``descriptor`` is the JSON form of the typed model of :mod:`vnf_descriptors.model`; ``content_key`` names the
    stored archive; ``failure`` holds the validator's findings when on-boarding failed, ``findings`` the warnings on a
    package that is on-boarded. ``checksum`` is a SHA-256 in lower hexadecimal over the archive. ``signature`` is what
    the package's signature is worth (``none``, ``valid``, ``unknown-signer``, ``invalid``; empty before the upload).
    """

    id: str
    tenant_id: str
    kind: DescriptorKind
    created_at: datetime
    onboarding_state: OnboardingState = OnboardingState.CREATED
    operational_state: OperationalState = OperationalState.DISABLED
    usage_state: UsageState = UsageState.NOT_IN_USE
    descriptor_id: str = ""
    descriptor_version: str = ""
    name: str = ""
    provider: str = ""
    software_version: str = ""
    invariant_id: str = ""
    descriptor: Mapping[str, Any] = field(default_factory=dict)
    content_key: str = ""
    content_size: int = 0
    checksum: str = ""
    signature: str = ""
    signer: str = ""
    security_option: int = 1
    signing_certificate: str = ""
    findings: tuple[Mapping[str, Any], ...] = ()
    artifacts: tuple[Mapping[str, Any], ...] = ()
    external_access: tuple[Mapping[str, Any], ...] = ()
    """How external artifacts are reached: ExternalArtifactsAccessConfig (SOL005 clause 9.5.3.5), secrets included."""
    user_defined_data: Mapping[str, Any] = field(default_factory=dict)
    failure: Mapping[str, Any] | None = None
    onboarded_at: datetime | None = None
    generation: int = 0


def begin_upload(package: Package) -> Package:
    """The package while its content arrives; allowed in CREATED (SOL005 clause 9.4.5, else 409) and after ERROR."""
    if package.onboarding_state not in (OnboardingState.CREATED, OnboardingState.ERROR):
        raise WrongState(
            f"the package is {package.onboarding_state.value}, not CREATED", hint="create a new package resource"
        )
    return replace(package, onboarding_state=OnboardingState.UPLOADING, failure=None)


def require_usable(package: Package) -> None:
    """Raise :class:`~mano.errors.WrongState` unless instances may be made of the package."""
    if package.onboarding_state is not OnboardingState.ONBOARDED:
        raise WrongState(f"package {package.id} is {package.onboarding_state.value}, not ONBOARDED")
    if package.operational_state is not OperationalState.ENABLED:
        raise WrongState(f"package {package.id} is DISABLED", hint="enable it first")


def require_deletable(package: Package) -> None:
    """Raise unless the package is disabled and unused (SOL005 clause 9.4.3.3.5); one that never on-boarded may go.

    A PNFD has no operational state (SOL005 clause 5.5.2.7): it only has to be unused.
    """
    if package.onboarding_state is not OnboardingState.ONBOARDED:
        return
    if package.usage_state is UsageState.IN_USE:
        raise InUse(f"package {package.id} is in use by instances", hint="terminate and delete them first")
    if package.operational_state is OperationalState.ENABLED and package.kind is not DescriptorKind.PNF:
        raise WrongState(f"package {package.id} is ENABLED", hint="disable it first")

"""VNF snapshot packages (VnfSnapshotPkgInfo, SOL005 clause 11.5.2.3): made empty, built or uploaded, and extracted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from mano.errors import WrongState


class SnapshotPackageState(StrEnum):
    """VnfSnapshotPkgInfo's ``state``."""

    CREATED = "CREATED"
    BUILDING = "BUILDING"
    UPLOADING = "UPLOADING"
    EXTRACTING = "EXTRACTING"
    AVAILABLE = "AVAILABLE"
    PROCESSING = "PROCESSING"
    ERROR = "ERROR"
    ERROR_EXTRACTING = "ERROR_EXTRACTING"


S = SnapshotPackageState

BUSY = frozenset({S.BUILDING, S.UPLOADING, S.PROCESSING, S.EXTRACTING})
"""States in which something is done with the content: only these can be cancelled."""

ALLOWED: Mapping[str, frozenset[SnapshotPackageState]] = {
    "build": frozenset({S.CREATED, S.ERROR}),
    "upload": frozenset({S.CREATED, S.ERROR}),
    "extract": frozenset({S.AVAILABLE}),
    "modify": frozenset({S.CREATED, S.AVAILABLE, S.ERROR_EXTRACTING}),
    "make available": frozenset({S.ERROR_EXTRACTING}),
    "read": frozenset({S.AVAILABLE, S.EXTRACTING, S.ERROR_EXTRACTING}),
    "delete": frozenset(S) - BUSY,
    "cancel": BUSY,
}
"""What may be done with a package in which states (the 409s of SOL005 clause 11.4)."""


class ErrorType(StrEnum):
    """``failureDetails.errorType``."""

    BUILD_ERROR = "BUILD_ERROR"
    UPLOAD_ERROR = "UPLOAD_ERROR"
    PROCESS_ERROR = "PROCESS_ERROR"
    CANCELLED = "CANCELLED"
    EXTRACTION_ERROR = "EXTRACTION_ERROR"


FAILURE: Mapping[SnapshotPackageState, tuple[SnapshotPackageState, ErrorType]] = {
    S.BUILDING: (S.ERROR, ErrorType.BUILD_ERROR),
    S.UPLOADING: (S.ERROR, ErrorType.UPLOAD_ERROR),
    S.PROCESSING: (S.ERROR, ErrorType.PROCESS_ERROR),
    S.EXTRACTING: (S.ERROR_EXTRACTING, ErrorType.EXTRACTION_ERROR),
}
"""What a failure in a state leads to."""


@dataclass(frozen=True, slots=True)
class PackedFile:
    """A file of the package, with its SHA-256."""

    path: str
    size_bytes: int
    checksum: str


@dataclass(frozen=True, slots=True)
class VnfSnapshotPackage:
    """An individual VNF snapshot package resource.

    ``request`` is what it is being built of or extracted for, so that a server that comes back goes on. ``snapshot``
    are facts of the VNF snapshot inside: identifiers, when it was taken and of what.
    """

    id: str
    tenant_id: str
    created_at: datetime
    name: str
    state: SnapshotPackageState = S.CREATED
    user_defined_data: Mapping[str, Any] = field(default_factory=dict)
    is_cancel_pending: bool = False
    cancel_cause: str = ""
    unique_id: str = ""
    checksum: str = ""
    built_at: datetime | None = None
    vnf_snapshot_id: str = ""
    vnf_instance_id: str = ""
    vnfd_id: str = ""
    is_full: bool = True
    record: PackedFile | None = None
    vnfd: PackedFile | None = None
    images: Mapping[str, PackedFile] = field(default_factory=dict)
    """VNFC snapshot to its image."""
    vnfcs: Mapping[str, str] = field(default_factory=dict)
    """VNFC snapshot to the VNFC instance that it is of."""
    request: Mapping[str, Any] = field(default_factory=dict)
    external_access: tuple[Mapping[str, Any], ...] = ()
    error_type: ErrorType | None = None
    failure: Mapping[str, Any] | None = None
    generation: int = 0

    @property
    def has_content(self) -> bool:
        """True once it was built or uploaded."""
        return self.record is not None


def require(package: VnfSnapshotPackage, what: str) -> None:
    """Raise :class:`~mano.errors.WrongState` where the package's state does not allow it."""
    if package.state not in ALLOWED[what]:
        states = ", ".join(sorted(state.value for state in ALLOWED[what]))
        raise WrongState(
            f"VNF snapshot package {package.id} is {package.state.value}; to {what} it takes {states}",
            hint="wait, or make another package",
        )


def failed(package: VnfSnapshotPackage, document: Mapping[str, Any]) -> VnfSnapshotPackage:
    """The package after what was done with it went wrong, or was cancelled."""
    state, kind = FAILURE[package.state]
    if package.is_cancel_pending:
        kind = ErrorType.CANCELLED
    return replace(package, state=state, error_type=kind, failure=dict(document), is_cancel_pending=False, request={})

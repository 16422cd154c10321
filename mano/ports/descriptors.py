"""Reading packages: what the catalogue asks of the descriptor library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from mano.domain.catalogue import DescriptorKind
from vnf_descriptors.model import Nsd, Pnfd, Vnfd


@dataclass(frozen=True, slots=True)
class ReadPackage:
    """A package that was read: its model, or the findings that say why there is none.

    ``findings`` are JSON objects with file, line, column, code, severity, message, clause and hint.
    ``artifacts`` are JSON objects with artifactPath and checksum ``{algorithm, hash}``. ``signature`` is what the
    signature is worth, ``signer`` the subject of its certificate; ``security_option`` 1 or 2 (SOL004 clause 5.1), and
    ``signing_certificate`` the PEM text when the certificate is a file of the package.
    """

    kind: DescriptorKind | None
    model: Vnfd | Nsd | Pnfd | None
    findings: tuple[Mapping[str, Any], ...] = ()
    signature: str = "none"
    signer: str = ""
    security_option: int = 1
    signing_certificate: str = ""
    artifacts: tuple[Mapping[str, Any], ...] = field(default=())


@dataclass(frozen=True, slots=True)
class PackageMembers:
    """Names of the archive's members by their part; the entry definitions come first in ``descriptor``."""

    descriptor: tuple[str, ...]
    manifest: str | None


class DescriptorReader(Protocol):
    """Checks and loads packages, with every limit of the library in force."""

    def read(self, path: str) -> ReadPackage:
        """Check and load the archive; never raises for its content."""

    def members(self, path: str) -> PackageMembers:
        """The parts of an archive that was read without errors."""

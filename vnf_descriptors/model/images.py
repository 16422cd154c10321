"""Software images (SOL001 clause 6.5)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Checksum:
    """A digest in lower-case hexadecimal; `algorithm` as SOL001 spells it, for example `sha-256`."""

    algorithm: str
    value: str


@dataclass(frozen=True, slots=True)
class SwImage:
    """A software image (`tosca.artifacts.nfv.SwImage`, SOL001 clause 6.5). Sizes are bytes."""

    id: str
    name: str
    version: str
    #: Path of the image inside the package, relative to its root; None for an image kept elsewhere.
    path: str | None
    #: Reference of an image that the package does not hold.
    uri: str | None = None
    provider: str | None = None
    checksum: Checksum | None = None
    container_format: str | None = None
    disk_format: str | None = None
    size_bytes: int | None = None
    min_disk_bytes: int | None = None
    min_ram_bytes: int | None = None
    operating_system: str | None = None
    supported_virtualisation_environments: tuple[str, ...] = ()

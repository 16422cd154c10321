"""VNF snapshot packages as files (SOL010): written from a VNF snapshot, read back and checked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from mano.domain.vnf_snapshot import VnfSnapshot
from mano.domain.vnf_snapshot_package import PackedFile

RECORD = "Record/vnf_snapshot_record.json"
VNFD = "Definitions/vnfd.zip"
IMAGES = "Images/"


@dataclass(frozen=True, slots=True)
class ArchiveContent:
    """What a package holds: ``images`` by VNFC snapshot."""

    snapshot: VnfSnapshot
    unique_id: str
    record: PackedFile
    vnfd: PackedFile
    images: Mapping[str, PackedFile] = field(default_factory=dict)


class SnapshotArchives(Protocol):
    """Writes and reads the files."""

    def pack(
        self,
        snapshot: VnfSnapshot,
        unique_id: str,
        descriptor: Sequence[tuple[str, str]],
        images: Iterable[tuple[str, Iterator[bytes]]],
    ) -> Iterator[bytes]:
        """The package, piece by piece. ``descriptor`` are (member, file) of the VNFD, ``images`` by VNFC snapshot."""

    def bundle(self, images: Iterable[tuple[str, Iterator[bytes]]]) -> Iterator[bytes]:
        """An archive of named states and nothing else, piece by piece; the same octets for the same states."""

    def read(self, path: str) -> ArchiveContent:
        """What is in the file; raises :class:`~mano.errors.InvalidInput` for what is no whole, honest package."""

    def open(self, path: str, member: str) -> Iterator[bytes]:
        """One member, piece by piece."""

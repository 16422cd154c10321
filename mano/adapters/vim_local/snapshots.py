"""Snapshots of VNFCs in the VIM's data directory: an archive of what a VNFC wrote, and a record that it is whole."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mano.adapters.vim_local import state
from mano.adapters.vim_local.effects import Effects
from mano.adapters.vim_local.lab import check_identifier
from mano.adapters.vim_local.records import read_record, read_records, write_record
from mano.errors import NotFound, WrongState
from mano.ports.snapshots import ComputeSnapshot

DIRECTORY = "vim_snapshots"
FREEZE_DEADLINE_S = 1.0
_POLL_S = 0.001
_PIECE = 1 << 20
_STEM = re.compile(r"s-[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Kept:
    """Where the archive of a snapshot is."""

    archive: Path
    checksum: str


class SnapshotFiles:
    """The snapshots of one data directory."""

    def __init__(self, data_directory: Path, effects: Effects) -> None:
        self._directory = data_directory / DIRECTORY
        self._effects = effects

    def find(self, id: str) -> ComputeSnapshot | None:
        """The snapshot, if it is whole."""
        record = read_record(self._path(id, "json"))
        if record is None:
            return None
        return ComputeSnapshot(id, record["computeId"], int(record["sizeBytes"]), record["checksum"])

    def kept(self, id: str) -> Kept:
        """Its content; raises :class:`~mano.errors.NotFound`."""
        found = self.find(id)
        if found is None:
            raise NotFound(f"the VIM keeps no snapshot {id}")
        return Kept(self._path(id, "tar"), found.checksum)

    def take(self, id: str, compute_id: str, root: Path, processes: Callable[[], Sequence[int]]) -> ComputeSnapshot:
        """Keep what is below the VNFC's root now; its processes stand still meanwhile, so that it is of one moment."""
        archive = self._path(id, "tar")
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            with self._effects("snapshot.content"), _standing_still(processes):
                octets, checksum = state.pack(root, archive)
        except OSError as error:
            archive.unlink(missing_ok=True)
            raise WrongState(f"VNFC {compute_id} ended while its state was read: {error.strerror}") from None
        record = {"id": id, "computeId": compute_id, "sizeBytes": octets, "checksum": checksum}
        with self._effects("snapshot.record"):
            write_record(self._path(id, "json"), record, durable=True)
        return ComputeSnapshot(id, compute_id, octets, checksum)

    def read(self, id: str) -> Iterator[bytes]:
        """The archive, piece by piece; raises :class:`~mano.errors.NotFound`."""
        path = self.kept(id).archive

        def pieces() -> Iterator[bytes]:
            with path.open("rb") as file:
                while piece := file.read(_PIECE):
                    yield piece

        return pieces()

    def add(self, id: str, compute_id: str, chunks: Iterator[bytes]) -> ComputeSnapshot:
        """Keep an archive from elsewhere; one that is kept stays. Raises :class:`~mano.errors.InvalidInput`."""
        if (found := self.find(id)) is not None:
            return found
        archive = self._path(id, "tar")
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        digest, octets = hashlib.sha256(), 0
        try:
            with self._effects("snapshot.content"), archive.open("wb") as file:
                for chunk in chunks:
                    digest.update(chunk)
                    octets += len(chunk)
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            state.check(archive)
        except BaseException:
            archive.unlink(missing_ok=True)
            raise
        record = {"id": id, "computeId": compute_id, "sizeBytes": octets, "checksum": digest.hexdigest()}
        with self._effects("snapshot.record"):
            write_record(self._path(id, "json"), record, durable=True)
        return ComputeSnapshot(id, compute_id, octets, digest.hexdigest())

    def remove(self, id: str) -> None:
        """Nothing of it is left."""
        for suffix in ("json", "tar"):
            path = self._path(id, suffix)
            if path.exists():
                with self._effects(f"snapshot.{suffix}-gone"):
                    path.unlink(missing_ok=True)

    def ids(self) -> tuple[str, ...]:
        """All that are whole, and the file names of what is torn."""
        records = {path.stem: str(record["id"]) for path, record in read_records(self._directory)}
        torn = {path.stem for path in self._directory.glob("*.tar")} - set(records)
        return tuple(sorted([*records.values(), *torn]))

    def _path(self, id: str, suffix: str) -> Path:
        """Files are called by a hash of the identifier; what is torn is known by that name alone."""
        check_identifier("snapshot", id)
        name = id if _STEM.fullmatch(id) else "s-" + hashlib.sha256(id.encode()).hexdigest()[:32]
        return self._directory / f"{name}.{suffix}"


@contextmanager
def _standing_still(processes: Callable[[], Sequence[int]]) -> Iterator[None]:
    """No process of the VNFC runs meanwhile; whoever repeats this after a crash lets them run again."""
    stopped: set[int] = set()
    deadline = time.monotonic() + FREEZE_DEADLINE_S
    try:
        while time.monotonic() < deadline:
            new = set(processes()) - stopped
            for pid in new:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
            stopped |= new
            if not new:
                break
            time.sleep(_POLL_S)
        yield
    finally:
        for pid in {*stopped, *processes()}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

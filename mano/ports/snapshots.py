"""What a VIM driver does that can keep the state of a VNFC and bring it back.

As with :class:`mano.ports.vim.VimDriver` every call observes first and then acts, and is repeatable by identifier.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from mano.ports.vim import ComputeSpec, ComputeStatus


@dataclass(frozen=True, slots=True)
class ComputeSnapshot:
    """The kept state of a VNFC. ``size_bytes`` is what it takes, ``checksum`` the SHA-256 of its content."""

    id: str
    compute_id: str
    size_bytes: int
    checksum: str


@runtime_checkable
class SnapshotKeeper(Protocol):
    """A VIM driver that keeps snapshots. Errors are those of :class:`mano.ports.vim.VimDriver`."""

    def take_snapshot(self, snapshot_id: str, compute_id: str, host: str) -> ComputeSnapshot:
        """Keep the VNFC's state as it is now; one that is kept under this identifier stays as it is.

        The VNFC goes on. Raises :class:`~mano.errors.WrongState` when it does not run and
        :class:`~mano.errors.Refused` when there is no room for its state.
        """

    def restore_compute(self, compute: ComputeSpec, snapshot_id: str, request_id: str) -> ComputeStatus:
        """Make the VNFC run, beginning with the kept state, once for each ``request_id``.

        As :meth:`mano.ports.vim.VimDriver.ensure_compute`; raises :class:`~mano.errors.NotFound` when there is no such
        snapshot.
        """

    def remove_snapshot(self, snapshot_id: str) -> None:
        """Make it gone; nothing to do when it is."""

    def snapshots(self) -> tuple[str, ...]:
        """Identifiers of all that are kept, from the world and not from a record."""


@runtime_checkable
class SnapshotTransfer(Protocol):
    """A keeper whose snapshots can be taken elsewhere and brought back."""

    def read_snapshot(self, snapshot_id: str) -> Iterator[bytes]:
        """The kept state, piece by piece; raises :class:`~mano.errors.NotFound`."""

    def add_snapshot(self, snapshot_id: str, compute_id: str, chunks: Iterator[bytes]) -> ComputeSnapshot:
        """Keep a state that :meth:`read_snapshot` gave once; one that is kept already stays as it is.

        Raises :class:`~mano.errors.InvalidInput` for what no VNFC of this VIM could have written.
        """

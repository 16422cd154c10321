"""Looks at the world again and again, in one thread, and never takes more than a share of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import structlog

from mano.errors import CatenaError
from mano.ports.repositories import Lease, UnitOfWorkFactory

SHARE = 20
"""A look that took t seconds is not repeated within SHARE x t seconds, unless its round says otherwise."""

LEASE = "watch"


@dataclass
class Round:
    """Something to look at every ``every_s`` seconds; ``due`` is monotonic time."""

    name: str
    every_s: float
    look: Callable[[], None]
    share: float = SHARE
    due: float = field(default=0.0)


class Watch:
    """Runs its rounds from :meth:`start` to :meth:`stop`, one after the other; of several servers of a database one.

    What must be in time does not share a watch with what may take long. ``name`` tells watches apart.
    """

    def __init__(
        self,
        rounds: list[Round],
        open_unit: UnitOfWorkFactory,
        *,
        owner: str,
        alone: bool,
        first_s: float = 1.0,
        name: str = LEASE,
    ) -> None:
        self._rounds = rounds
        self._open_unit = open_unit
        self._owner = owner
        self._alone = alone
        self._first_s = first_s
        self._name = name
        self._lease: Lease | None = None
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, a moment later, so that the start of a server is not held up."""
        now = time.monotonic()
        for each in self._rounds:
            each.due = now + min(each.every_s, self._first_s)
        self._end.clear()
        self._thread = threading.Thread(target=self._run, name=f"catena-{self._name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End; a look that is under way is waited for, for some seconds."""
        self._end.set()
        if self._thread is not None:
            self._thread.join(10)
            self._thread = None

    def _run(self) -> None:
        while not self._end.is_set():
            pause = min((each.due for each in self._rounds), default=0.0) - time.monotonic()
            if self._end.wait(max(pause, 0.05)):
                return
            for each in self._rounds:
                if each.due <= time.monotonic() and not self._end.is_set():
                    self._look(each)

    def _look(self, each: Round) -> None:
        begun = time.monotonic()
        try:
            if self._alone or self._is_ours():
                each.look()
        except CatenaError as error:
            structlog.get_logger(__name__).warning("could not look", what=each.name, code=error.code)
        except Exception:
            structlog.get_logger(__name__).exception("could not look", what=each.name)
        taken = time.monotonic() - begun
        each.due = time.monotonic() + max(each.every_s, each.share * taken)

    def _is_ours(self) -> bool:
        ttl_s = 3 * min(each.every_s for each in self._rounds)
        with self._open_unit() as uow:
            if self._lease is None or not uow.leases.keep(self._lease, ttl_s):
                self._lease = uow.leases.take(self._name, self._owner, ttl_s)
        return self._lease is not None


def disk_of(directory: Path) -> tuple[int, int]:
    """(size, free) of the file system below a directory, in octets."""
    import shutil

    usage = shutil.disk_usage(directory)
    return usage.total, usage.free


def certificate_ends(files: dict[str, Path]) -> dict[str, datetime]:
    """When the certificates in PEM files end; a file that cannot be read is none."""
    if not files:
        return {}
    from cryptography import x509

    found: dict[str, datetime] = {}
    for name, path in files.items():
        try:
            certificates = x509.load_pem_x509_certificates(path.read_bytes())
        except (OSError, ValueError):
            structlog.get_logger(__name__).warning("a certificate cannot be read", certificate=name)
            continue
        found[name] = min(certificate.not_valid_after_utc for certificate in certificates).astimezone(UTC)
    return found

"""That a lab exists, and whether a process works with it now."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

from mano.adapters.vim_local import netns
from mano.adapters.vim_local.fabric import Fabric
from mano.adapters.vim_local.lab import FABRIC, Lab
from mano.adapters.vim_local.records import remove_tree, write_record


class Registry:
    """Registers the lab before anything of it is made, and forgets it after the last thing is gone.

    While this object lives, its process is known to work with the lab.
    """

    def __init__(self, lab: Lab, data_directory: Path) -> None:
        self._lab = lab
        self._data_directory = data_directory
        self._alive: int | None = None

    def register(self) -> None:
        """The lab is on record; repeating it costs next to nothing."""
        if self._alive is not None and _is_file_of(self._alive, self._sign):
            return
        self._lab.run.mkdir(parents=True, exist_ok=True)
        self._lab.run.chmod(0o700)
        with self._lab.locked("registry"):
            self._close()
            write_record(self._lab.run / "lab.json", {"lab": self._lab.id, "dataDirectory": str(self._data_directory)})
            self._alive = os.open(self._sign, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._alive, fcntl.LOCK_SH)

    def notice(self) -> None:
        """Sign a lab that is there already; a lab that is not does not come to be."""
        if (self._lab.run / "lab.json").exists():
            self.register()

    def retire(self, fabric: Fabric) -> None:
        """Remove the fabric and the run directory once no host, network, port, VNFC or attachment is left."""
        if not self._lab.run.exists() or self._is_used():
            return
        with self._lab.locked("registry"):
            if not self._is_used():
                fabric.remove()
                remove_tree(self._lab.run)
                self._close()
        with contextlib.suppress(OSError):
            self._lab.run_root.rmdir()

    def _is_used(self) -> bool:
        kept = any(any((self._lab.run / kind).glob("*")) for kind in ("hosts", "ports", "networks", "computes"))
        return kept or any(name != self._lab.prefix + FABRIC for name in netns.names(self._lab.prefix))

    @property
    def _sign(self) -> Path:
        return self._lab.run / "alive"

    def _close(self) -> None:
        if self._alive is not None:
            os.close(self._alive)
            self._alive = None


def is_worked_with(lab: Lab) -> bool:
    """Whether some process has registered the lab and has not ended since."""
    try:
        descriptor = os.open(lab.run / "alive", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)


def _is_file_of(descriptor: int, path: Path) -> bool:
    try:
        return os.fstat(descriptor).st_ino == path.stat().st_ino
    except FileNotFoundError:
        return False

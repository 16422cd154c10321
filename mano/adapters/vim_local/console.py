"""A VNFC's console: a file of the host that holds the end of what was printed, and never more than its bound.

What the entry point prints comes through a pipe, not straight into the file: a program that never stops printing waits
for the reader then, and neither fills the host's disk nor runs into its own file size limit.
"""

from __future__ import annotations

import contextlib
import os
import threading

MAX_BYTES = 2 << 20
KEPT_BYTES = 1 << 20
_CHUNK_BYTES = 64 << 10


class ConsoleKeeper:
    """Copies a pipe to the console open at ``console`` (a descriptor, read and append) in a thread of its own.

    The pipe's other end, :attr:`writer`, is for the processes that print; close it here once they have it.
    """

    def __init__(self, console: int) -> None:
        self._console = console
        self._reader, self.writer = os.pipe()
        self._thread = threading.Thread(target=self._copy, daemon=True)

    def start(self) -> None:
        """Close the writing end in this process and begin to copy."""
        os.close(self.writer)
        self._thread.start()

    def finish(self, deadline_s: float) -> None:
        """Wait for the last words: until nobody holds the pipe open any more, or the deadline."""
        self._thread.join(deadline_s)

    def _copy(self) -> None:
        while text := os.read(self._reader, _CHUNK_BYTES):
            # A full disk must not stop the VNFC: what cannot be kept is lost, the reading goes on.
            with contextlib.suppress(OSError):
                self._append(text)

    def _append(self, text: bytes) -> None:
        size = os.fstat(self._console).st_size
        if size + len(text) > MAX_BYTES:
            end = os.pread(self._console, KEPT_BYTES, max(0, size - KEPT_BYTES))
            os.ftruncate(self._console, 0)
            os.write(self._console, end)
        os.write(self._console, text)

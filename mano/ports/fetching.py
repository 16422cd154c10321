"""Content from elsewhere: what a client asks the server to fetch for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from mano.domain.subscription import Authentication


class Fetcher(Protocol):
    """Reads content at a URI, within the server's rules on where it may call."""

    def require_allowed(self, uri: str) -> None:
        """Raise :class:`~mano.errors.InvalidInput` for a URI that is never called."""

    def fetch(self, uri: str, authentication: Authentication, max_bytes: int) -> Iterator[bytes]:
        """The content in pieces.

        Raises :class:`~mano.errors.InvalidInput` for what may not be called, is longer than ``max_bytes`` or is
        answered with a refusal, :class:`~mano.errors.Unreachable` and :class:`~mano.errors.DeadlineExceeded`.
        """


Background = Callable[[Callable[[], None]], None]
"""Runs work beside the request; what it raises is logged."""

"""What can go wrong in the demo."""

from __future__ import annotations


class CheckFailed(Exception):
    """A check on real traffic did not hold; the message says what was expected and what was seen."""


class DemoProblem(Exception):
    """The demo cannot go on; the message says why and what to do."""

"""Guesses at what somebody meant to write."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from vnf_descriptors.report import quote

#: Names longer than this are not compared, and no more than so many candidates.
_MAX_LENGTH = 100
_MAX_CANDIDATES = 500


def closest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate that is most like the word, or None when none is near."""
    if len(word) > _MAX_LENGTH:
        return None
    usable = [each for each in sorted(candidates)[:_MAX_CANDIDATES] if len(each) <= _MAX_LENGTH]
    lowered = {each.lower(): each for each in usable}
    if word.lower() in lowered:
        return lowered[word.lower()]
    found = difflib.get_close_matches(word, usable, n=1, cutoff=0.6)
    return found[0] if found else None


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """`Did you mean 'x'?`, or an empty text."""
    found = closest(word, candidates)
    return f"Did you mean {quote(found)}?" if found is not None else ""

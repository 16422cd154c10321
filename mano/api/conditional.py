"""Entity tags (RFC 9110 clauses 8.8.3 and 13): a resource's tag is its generation.

A tag that came without its quotes is read as if it had them: SOL clients send what they cut out of a header. Whatever
else is not of a tag's form names no version of anything, so a precondition on it fails (412).
"""

from __future__ import annotations

import re

from fastapi import Request

from mano.api.faults import PreconditionFailed

_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"|([\w-]+)', re.ASCII)


def etag(generation: int) -> str:
    """The strong entity tag of a generation."""
    return f'"{generation}"'


def required_generation(request: Request, current: int) -> int | None:
    """The generation that ``If-Match`` demands, ``None`` without that header.

    Raises :class:`~mano.api.faults.PreconditionFailed` unless the resource has it now.
    """
    header = request.headers.get("if-match")
    if header is None or header.strip() == "*":
        return None
    if etag(current) not in [tag for weak, tag in _tags(header) if not weak]:
        raise PreconditionFailed("the resource is not the version that If-Match names", hint="read it again")
    return current


def is_unchanged(request: Request, current: int) -> bool:
    """True when ``If-None-Match`` says that the client has this version already."""
    header = request.headers.get("if-none-match")
    if header is None:
        return False
    return header.strip() == "*" or etag(current) in [tag for _, tag in _tags(header)]


def _tags(header: str) -> list[tuple[bool, str]]:
    """(weak, tag in quotes) of every tag in the header."""
    found = (_TAG.fullmatch(part.strip()) for part in header.split(","))
    return [(each[1] is not None, f'"{each[3] or each[2]}"') for each in found if each is not None]

"""URIs of resources in ``Location``, ``Link`` and ``_links``: absolute, under the name that the client called."""

from __future__ import annotations

from fastapi import Request


def api_root(request: Request) -> str:
    """``scheme://host[:port]`` as the client sees it; the Host header was checked at the door."""
    return f"{request.url.scheme}://{request.headers['host']}"


def uri(request: Request, path: str) -> str:
    """The absolute URI of a path."""
    return api_root(request) + path


def link(href: str) -> dict[str, str]:
    """The standard's Link (SOL003 clause 4.4.1.3)."""
    return {"href": href}

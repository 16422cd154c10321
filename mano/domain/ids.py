"""Identifiers: UUIDs for resources, short hashed names for the data plane."""

from __future__ import annotations

import base64
import hashlib
import uuid

NAMESPACE = uuid.UUID("6f1c9a5e-3c0b-5d0e-9a56-2f8d1c7e4b90")
"""Root of all name-based identifiers of Catena."""

DEFAULT_TENANT = "00000000-0000-4000-8000-000000000000"
"""The tenant of an installation that has only one."""

INTERFACE_NAME_LENGTH = 13
"""``cat`` and 10 base-32 characters; Linux allows 15 (IFNAMSIZ - 1)."""


def derive_id(*parts: str) -> str:
    """The same UUID (version 5) for the same parts, in every process and after every crash."""
    return str(uuid.uuid5(NAMESPACE, "\0".join(parts)))


def interface_name(*parts: str) -> str:
    """A Linux interface name that depends on ``parts`` alone: ``cat`` + 10 base-32 characters of a hash."""
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    return "cat" + base64.b32encode(digest).decode().lower()[:10]


def mac_address(*parts: str) -> str:
    """A locally administered unicast MAC address that depends on ``parts`` alone.

    The first octet is 0x0a, so it never collides with the 02:ca: tags of the service function proxy.
    """
    digest = hashlib.sha256(("mac\0" + "\0".join(parts)).encode()).digest()
    return ":".join(f"{octet:02x}" for octet in (0x0A, *digest[:5]))

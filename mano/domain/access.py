"""Who may call a server: the values in its credentials file.

The file is JSON and readable by its owner only (mode 0600)::

    {"adminToken": "...", "signingKey": "...", "clients": [
      {"clientId": "catena", "clientSecret": "...", "tenantId": "<uuid>", "roles": ["admin"]}]}
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mano.domain.ids import DEFAULT_TENANT

MIN_SECRET_LENGTH = 16


class AccessRole(StrEnum):
    """What a caller may do: everything, everything of its tenant, or only look."""

    ADMIN = "admin"
    TENANT = "tenant"
    VIEWER = "viewer"


@dataclass(frozen=True, slots=True)
class Client:
    """One client of ``POST /oauth2/token`` (RFC 6749 clause 4.4)."""

    client_id: str
    client_secret: str
    tenant_id: str = DEFAULT_TENANT
    roles: frozenset[AccessRole] = frozenset({AccessRole.ADMIN})

    def __post_init__(self) -> None:
        uuid.UUID(self.tenant_id)
        if not self.client_id or len(self.client_secret) < MIN_SECRET_LENGTH:
            raise ValueError(f"a client needs a name and a secret of at least {MIN_SECRET_LENGTH} characters")


@dataclass(frozen=True, slots=True)
class Credentials:
    """Everything secret that the HTTP interfaces need. ``signing_key`` signs the tokens that are issued."""

    admin_token: str
    signing_key: str
    clients: tuple[Client, ...] = ()

    def __post_init__(self) -> None:
        if min(len(self.admin_token), len(self.signing_key)) < MIN_SECRET_LENGTH:
            raise ValueError(f"secrets need at least {MIN_SECRET_LENGTH} characters")

    def client(self, client_id: str) -> Client | None:
        """The client of this name."""
        return next((client for client in self.clients if client.client_id == client_id), None)


def to_document(credentials: Credentials) -> dict[str, Any]:
    """The file's content."""
    return {
        "adminToken": credentials.admin_token,
        "signingKey": credentials.signing_key,
        "clients": [
            {
                "clientId": client.client_id,
                "clientSecret": client.client_secret,
                "tenantId": client.tenant_id,
                "roles": sorted(client.roles),
            }
            for client in credentials.clients
        ],
    }


def from_document(document: Mapping[str, Any]) -> Credentials:
    """Read the file's content; raises :class:`ValueError` that tells what is wrong and no secret."""
    try:
        clients = tuple(
            Client(
                str(entry["clientId"]),
                str(entry["clientSecret"]),
                str(entry.get("tenantId", DEFAULT_TENANT)),
                frozenset(AccessRole(role) for role in entry.get("roles", ["tenant"])),
            )
            for entry in document.get("clients", ())
        )
        return Credentials(str(document["adminToken"]), str(document["signingKey"]), clients)
    except KeyError as error:
        raise ValueError(f"the credentials lack {error.args[0]!r}") from None

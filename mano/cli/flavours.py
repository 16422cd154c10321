"""The flavours and profiles of an on-boarded descriptor, from its own archive."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from mano.cli.client import Client
from mano.cli.exits import Failure

if TYPE_CHECKING:
    from vnf_descriptors import Nsd, Pnfd, Vnfd


def flavours_of(client: Client, content_path: str) -> list[str]:
    """The flavours' identifiers."""
    from vnf_descriptors import Pnfd

    model = _model(client, content_path)
    return [] if isinstance(model, Pnfd) else [flavour.id for flavour in model.flavours]


def pnf_profile(client: Client, content_path: str, profile_id: str) -> tuple[str, list[str]]:
    """(PNFD, requirements that the NSD connects) of a PNF profile."""
    from vnf_descriptors import Nsd

    model = _model(client, content_path)
    profiles = [p for flavour in model.flavours for p in flavour.pnf_profiles] if isinstance(model, Nsd) else []
    for profile in profiles:
        if profile.id == profile_id:
            return profile.pnfd_id, [connection.requirement for connection in profile.connections]
    known = ", ".join(profile.id for profile in profiles) or "none"
    raise Failure(f"the NSD has no PNF profile {profile_id!r}", hint=f"it has: {known}")


def _model(client: Client, content_path: str) -> Vnfd | Nsd | Pnfd:
    from vnf_descriptors import DescriptorError, load

    with tempfile.TemporaryDirectory(prefix="cat-") as folder:
        archive = Path(folder) / "content.csar"
        archive.write_bytes(client.call("GET", content_path).body)
        try:
            return load(archive)
        except DescriptorError as error:
            raise Failure(f"the descriptor cannot be read: {error}", hint="say all of it in a --file") from None

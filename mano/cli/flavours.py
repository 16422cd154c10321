"""The deployment flavours of an on-boarded descriptor, from its own archive."""

from __future__ import annotations

import tempfile
from pathlib import Path

from mano.cli.client import Client
from mano.cli.exits import Failure


def flavours_of(client: Client, content_path: str) -> list[str]:
    """The flavours' identifiers."""
    from vnf_descriptors import DescriptorError, Pnfd, load

    with tempfile.TemporaryDirectory(prefix="cat-") as folder:
        archive = Path(folder) / "content.csar"
        archive.write_bytes(client.call("GET", content_path).body)
        try:
            model = load(archive)
        except DescriptorError as error:
            raise Failure(f"the descriptor cannot be read: {error}", hint="name the flavour with --flavour") from None
    return [] if isinstance(model, Pnfd) else [flavour.id for flavour in model.flavours]

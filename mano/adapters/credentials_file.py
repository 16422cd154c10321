"""The credentials file of a data directory: made once, readable by its owner only."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

from mano.domain.access import Client, Credentials, from_document, to_document
from mano.errors import InvalidInput

FILE_NAME = "credentials.json"
SECRET_OCTETS = 32


def load_or_create(data_dir: Path) -> Credentials:
    """The file's credentials; new random ones when there is no file yet.

    Raises :class:`~mano.errors.InvalidInput` for a file that others may read or that is not whole.
    """
    path = data_dir / FILE_NAME
    if not path.exists():
        _create(path)
    if path.stat().st_mode & 0o077:
        raise InvalidInput(
            f"{FILE_NAME} may be read by others", hint=f"chmod 600 the {FILE_NAME} of the data directory"
        )
    try:
        return from_document(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise InvalidInput(
            f"{FILE_NAME} cannot be used: {error}", hint="delete it and start again: a new one is made"
        ) from None


def _create(path: Path) -> None:
    """Write to a file of our own and link it to its name: whoever comes second keeps the first one's."""
    client = Client(client_id="catena", client_secret=secrets.token_urlsafe(SECRET_OCTETS))
    credentials = Credentials(
        admin_token=secrets.token_urlsafe(SECRET_OCTETS),
        signing_key=secrets.token_urlsafe(SECRET_OCTETS),
        clients=(client,),
    )
    draft = path.with_suffix(f".{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(to_document(credentials), file, indent=2)
        if not path.exists():
            os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink()

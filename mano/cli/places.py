"""Where a server keeps its things on this machine, and the token of its credentials file."""

from __future__ import annotations

import json
import os
from pathlib import Path

from mano.cli.exits import Failure

CREDENTIALS = "credentials.json"


def default_data_dir() -> Path:
    """``/var/lib/catena`` for root, else below the user's own data directory (XDG base directory specification)."""
    if os.geteuid() == 0:
        return Path("/var/lib/catena")
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "catena"


def admin_token(data_dir: Path) -> str | None:
    """The administrator's token in the data directory; ``None`` when there is no file.

    Raises :class:`~mano.cli.exits.Failure` for a file that cannot be read.
    """
    path = data_dir / CREDENTIALS
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["adminToken"])
    except FileNotFoundError:
        return None
    except PermissionError:
        raise Failure(f"{path} belongs to another user", hint="run as the server's user, or set CATENA_TOKEN") from None
    except (OSError, ValueError, KeyError, TypeError):
        raise Failure(f"{path} is no credentials file", hint="restart the server: it makes a new one") from None

"""What commands do without a server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mano.adapters.vim_local.view import LabView as LabView


def lab_view(lab: str, data_directory: Path) -> LabView:
    """A look at a lab of the local VIM, without a server: for the demo and its clean-up."""
    from mano.adapters.vim_local.view import LabView

    return LabView(lab, data_directory)


def back_up(data_directory: Path, target: Path) -> int:
    """The data of a server on SQLite as one file, without a server; its size in octets."""
    from mano.adapters.backup import backup

    return backup(data_directory, target)


def restore(source: Path, data_directory: Path) -> None:
    """Make a data directory from such a file."""
    from mano.adapters.backup import restore as make

    make(source, data_directory)

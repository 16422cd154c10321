"""``mano backup`` and ``mano restore``: a server's data directory as one file and back."""

from __future__ import annotations

from pathlib import Path

import click

from mano.cli.exits import told
from mano.cli.output import note
from mano.cli.places import default_data_dir

_DIRECTORY = click.option(
    "--data-dir", envvar="CATENA_DATA_DIR", type=click.Path(path_type=Path, file_okay=False), help="The server's data."
)


@click.command("backup")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@_DIRECTORY
def backup(file: Path, data_dir: Path | None) -> None:
    """Write a server's database, packages and credentials into FILE; the server may run meanwhile.

    FILE holds secrets: it is readable by its owner only. A database on PostgreSQL is not in it.
    """
    from mano.bootstrap import back_up

    with told():
        size = back_up((data_dir or default_data_dir()).absolute(), file.absolute())
    note(f"{file}: {size} octets")


@click.command("restore")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@_DIRECTORY
def restore(file: Path, data_dir: Path | None) -> None:
    """Make a data directory from FILE; it must be empty or absent."""
    from mano.bootstrap import restore as make

    where = (data_dir or default_data_dir()).absolute()
    with told():
        make(file.absolute(), where)
    note(f"restored into {where}; start a server with `mano serve --data-dir {where}`")

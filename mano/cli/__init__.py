"""The command line `mano`."""

from __future__ import annotations


def main() -> None:
    """The console script's entry."""
    from mano.cli.commands import mano

    mano(prog_name="mano")

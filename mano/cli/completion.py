"""``mano completion``: what a shell needs to complete commands."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from mano.cli.exits import Failure

STARTUP = {"bash": "~/.bashrc", "zsh": "~/.zshrc", "fish": "~/.config/fish/completions/mano.fish"}


@click.command("completion", epilog='bash: eval "$(mano completion bash)"')
@click.argument("shell", type=click.Choice(sorted(STARTUP)))
def completion(shell: str) -> None:
    """Print the completion script of a shell; put it where the shell reads it at its start."""
    from mano.cli.commands import mano

    kind = get_completion_class(shell)
    if kind is None:
        raise Failure(f"click has no completion for {shell}")
    click.echo(kind(mano, {}, "mano", "_MANO_COMPLETE").source())

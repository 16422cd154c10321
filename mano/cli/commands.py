"""The tree of commands. A branch is imported when it is used, so that no command waits for another's imports."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import click


class Branch(NamedTuple):
    """Where a command lives, and its line in the help."""

    home: str
    name: str
    help: str


BRANCHES: Mapping[str, Branch] = {
    "demo": Branch("mano.cli.demo.command", "demo", "The main job from packages to verified packets."),
    "doctor": Branch("mano.cli.doctor", "doctor", "What this machine can do, and at which tier."),
    "serve": Branch("mano.cli.serve", "serve", "Run a server."),
    "package": Branch("mano.cli.packages", "package", "VNF packages: validate, build, on-board."),
    "nsd": Branch("mano.cli.nsds", "nsd", "Network service descriptors."),
    "pnfd": Branch("mano.cli.pnfds", "pnfd", "Descriptors of physical network functions."),
    "ns": Branch("mano.cli.ns", "ns", "Network services."),
    "vnf": Branch("mano.cli.vnfs", "vnf", "VNF instances."),
    "op": Branch("mano.cli.operations", "op", "Life-cycle operations."),
    "host": Branch("mano.cli.hosts", "host", "Hosts of the NFVI."),
    "place": Branch("mano.cli.place", "place", "Placement: what-if, and why."),
    "chain": Branch("mano.cli.chains", "chain", "Service function chains."),
    "vim": Branch("mano.cli.vims", "vim", "VIMs and where SAPs can end."),
    "alarm": Branch("mano.cli.alarms", "alarm", "Alarms: what is wrong, and that somebody knows."),
    "subscription": Branch("mano.cli.subscriptions", "subscription", "Who is told what."),
    "quota": Branch("mano.cli.quotas", "quota", "What tenants may hold at most."),
    "usage": Branch("mano.cli.usage", "usage", "What each tenant held and for how long."),
    "backup": Branch("mano.cli.backups", "backup", "Write a server's data into one file."),
    "restore": Branch("mano.cli.backups", "restore", "Make a data directory from such a file."),
    "explain": Branch("mano.cli.explain", "explain", "What an error or finding code means."),
    "completion": Branch("mano.cli.completion", "completion", "Completion for a shell."),
}


class Tree(click.Group):
    """Imports a command when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, without importing anything."""
        return list(BRANCHES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        branch = BRANCHES.get(cmd_name)
        if branch is None:
            return None
        command = getattr(importlib.import_module(branch.home), branch.name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, from :data:`BRANCHES` alone."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, branch.help) for name, branch in BRANCHES.items()])


def _version(ctx: click.Context, _: click.Parameter, value: Any) -> None:
    if value and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"mano {version('catena-mano')}")
        ctx.exit()


@click.group(cls=Tree, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--version", is_flag=True, callback=_version, expose_value=False, is_eager=True, help="Show the version.")
def mano() -> None:
    """Catena: ETSI NFV MANO and service function chaining.

    Results go to stdout, messages to stderr. Exit codes: 0 ok, 1 bad input or state, 2 wrong usage, 3 something could
    not be placed, 4 server not reachable or refused, 5 time-out, 10 there are differences.
    """

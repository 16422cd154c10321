"""The tree of commands: every branch is there, helps, and costs nothing before it is used."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from mano.cli.commands import BRANCHES, mano

HEAVY = (
    "fastapi",
    "uvicorn",
    "sqlalchemy",
    "dbos",
    "aiohttp",
    "pydantic",
    "ortools",
    "numpy",
    "yaml",
    "rich",
    "structlog",
)
ROUND_ONE = {
    "doctor": set(),
    "serve": set(),
    "package": {"validate", "build", "init", "diff", "onboard", "list", "show", "delete", "enable", "disable"},
    "nsd": {"onboard", "list", "show", "enable", "disable", "delete"},
    "ns": {"create", "instantiate", "terminate", "delete", "show", "list"},
    "vnf": {"list", "show"},
    "op": {"list", "show", "watch", "retry", "rollback", "continue", "fail"},
    "host": {"add", "discover", "doctor", "drain", "list", "prepare", "show", "remove"},
    "chain": {
        "list",
        "show",
        "verify",
        "trace",
        "stats",
        "create",
        "update",
        "delete",
        "traceroute",
        "drift",
        "repair",
    },
    "place": {"plan", "rebalance", "leaks", "schema", "why", "why-not", "list"},
    "vim": {"list", "attach"},
    "alarm": {"list", "show", "ack"},
    "subscription": {"list", "delete"},
    "usage": set(),
    "backup": set(),
    "restore": set(),
    "explain": set(),
    "completion": set(),
}


def leaves() -> Iterator[tuple[str, ...]]:
    for branch, verbs in ROUND_ONE.items():
        yield from ((branch, verb) for verb in verbs) if verbs else ((branch,),)


@pytest.mark.parametrize("words", sorted(leaves()), ids=" ".join)
def test_every_command_of_the_contract_helps(words: tuple[str, ...]) -> None:
    result = CliRunner().invoke(mano, [*words, "--help"])
    assert result.exit_code == 0 and "Usage:" in result.output


def test_every_branch_is_what_its_line_says() -> None:
    context = click.Context(mano)
    for name in BRANCHES:
        command = mano.get_command(context, name)
        assert command is not None and command.name == name
    assert mano.get_command(context, "nothing") is None


@pytest.mark.parametrize("words", [["--version"], ["--help"], ["ns", "list", "--help"], ["op", "watch", "--help"]])
def test_a_client_command_imports_nothing_heavy(words: list[str]) -> None:
    program = (
        "import sys; sys.argv = ['mano', *sys.argv[1:]]\n"
        "from mano.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        f"print('heavy:', sorted(set({HEAVY!r}) & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True, timeout=60, check=True
    )
    assert "heavy: []" in done.stdout, done.stdout


def test_wrong_usage_is_exit_code_2() -> None:
    for words in (["nothing"], ["ns"], ["ns", "show"], ["op", "watch", "x", "--timeout", "-1"], ["place", "plan"]):
        assert CliRunner().invoke(mano, words).exit_code == 2


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_can_complete(shell: str) -> None:
    result = CliRunner().invoke(mano, ["completion", shell])
    assert result.exit_code == 0 and "_MANO_COMPLETE" in result.output


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("cpu_dedicated", "dedicated CPUs"),
        ("PAGES_2048", "2048 KiB"),
        ("NOT_PLACEABLE", "satisfies the request"),
        ("CSAR001", "CSAR001"),
    ],
)
def test_codes_of_all_kinds_are_explained(code: str, words: str) -> None:
    result = CliRunner().invoke(mano, ["explain", code])
    assert result.exit_code == 0 and words in result.output


def test_an_unknown_code_names_its_neighbours() -> None:
    result = CliRunner().invoke(mano, ["explain", "CPU_DEDICATD"])
    assert result.exit_code == 1 and "CPU_DEDICATED" in result.output


def test_every_reason_of_a_refusal_is_explained() -> None:
    from mano.placement import Code

    for code in Code:
        name = "PAGES_2048" if code.value == "PAGES" else code.value
        assert CliRunner().invoke(mano, ["explain", name]).exit_code == 0

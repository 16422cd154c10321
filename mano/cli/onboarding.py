"""What ``mano package`` and ``mano nsd`` have in common: the catalogue's verbs over HTTP."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import click

from mano.cli.client import Client, with_client
from mano.cli.exits import Exit, Failure, exit_of, told
from mano.cli.output import Column, note, output_option, show_list, show_one
from mano.cli.resolve import Noun, identify


@dataclass(frozen=True, slots=True)
class Catalogue:
    """One kind of resource of the catalogue: its names in SOL005."""

    noun: Noun
    content: str
    onboarding: str
    operational: str
    columns: tuple[Column, ...]
    fields: tuple[Column, ...]


def add_catalogue_commands(group: click.Group, catalogue: Catalogue) -> None:
    """``onboard list show enable disable delete`` under the group; PNFDs are neither enabled nor disabled."""
    for make in (_onboard, _list, _show, _delete):
        group.add_command(make(catalogue))
    for verb, state in (("enable", "ENABLED"), ("disable", "DISABLED")) if catalogue.operational else ():
        group.add_command(_switch(catalogue, verb, state))


def _onboard(catalogue: Catalogue) -> click.Command:
    @click.command("onboard")
    @click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path), metavar="PATH…")
    @output_option
    @with_client
    def onboard(client: Client, paths: tuple[Path, ...], output: str) -> None:
        """Create, upload and check packages (archives, or source trees that are built first)."""
        infos = [onboard_one(client, catalogue, path) for path in paths]
        show_list(infos, output, catalogue.columns)
        for info in infos:
            require_onboarded(catalogue, info)

    return onboard


def onboard_one(client: Client, catalogue: Catalogue, path: Path) -> dict[str, Any]:
    """The information on one package after its upload. A package that was refused leaves nothing behind."""
    with archive_of(path) as archive, told():
        created = client.post(catalogue.noun.path, {}).json
        one = f"{catalogue.noun.path}/{created['id']}"
        try:
            with archive.open("rb") as file, _progress(file, path.name, archive.stat().st_size) as reading:
                client.upload(f"{one}/{catalogue.content}", reading, archive.stat().st_size)
            info: dict[str, Any] = client.get(one)
        except BaseException:
            _forget(client, one)
            raise
    if info[catalogue.onboarding] != "ONBOARDED":
        _forget(client, one)
    return info


def _forget(client: Client, one: str) -> None:
    """Remove what was created for a package that never became one."""
    try:
        client.delete(one)
    except Failure as failure:
        note(f"{one} is left on the server: {failure.message}")


def require_onboarded(catalogue: Catalogue, info: Mapping[str, Any]) -> None:
    """End the command with the findings of a package that was refused."""
    if info[catalogue.onboarding] == "ONBOARDED":
        return
    problem = info.get("onboardingFailureDetails") or {}
    for finding in (problem.get("facts") or {}).get("findings", ()):
        note(_finding(finding))
    detail = problem.get("detail") or f"the package is {info[catalogue.onboarding]}"
    raise Failure(detail, hint=problem.get("hint", ""), exit_code=exit_of(problem.get("code", "")))


def _finding(finding: Mapping[str, Any]) -> str:
    place = f"{finding.get('file', '')}:{finding.get('line', 1)}:{finding.get('column', 1)}"
    clause = f" ({finding['clause']})" if finding.get("clause") else ""
    return f"{place}: {finding.get('severity', '')} {finding.get('code', '')} {finding.get('message', '')}{clause}"


@contextmanager
def archive_of(path: Path) -> Iterator[Path]:
    """The archive itself, or one that is built of a source tree for as long as it is needed."""
    if not path.is_dir():
        yield path
        return
    import tempfile

    from vnf_descriptors import DescriptorError, build

    with tempfile.TemporaryDirectory(prefix="cat-") as folder:
        archive = Path(folder) / f"{path.resolve().name}.csar"
        try:
            build(path, archive)
        except DescriptorError as error:
            note(error.report.to_text().rstrip("\n"))
            raise Failure(f"{path} cannot be built", hint="mend what is listed above") from None
        yield archive


@contextmanager
def _progress(file: IO[bytes], label: str, size: int) -> Iterator[IO[bytes]]:
    """The file, with a bar on a terminal that follows its reading."""
    if not sys.stderr.isatty():
        yield file
        return
    with click.progressbar(length=size, label=label, file=sys.stderr) as bar:
        yield cast(IO[bytes], _Watched(file, bar.update))


class _Watched:
    """A file that tells how much of it was read."""

    def __init__(self, file: IO[bytes], tell: Any) -> None:
        self._file = file
        self._tell = tell

    def read(self, size: int = -1) -> bytes:
        """As the file's own."""
        data = self._file.read(size)
        self._tell(len(data))
        return data


def _list(catalogue: Catalogue) -> click.Command:
    @click.command("list")
    @click.option("--filter", "expression", help="Attribute filter, such as (eq,id,…) (SOL013 clause 5.2).")
    @output_option
    @with_client
    def list_all(client: Client, expression: str | None, output: str) -> None:
        """List them."""
        rows = client.list(catalogue.noun.path, query={"filter": expression} if expression else None)
        show_list(rows, output, catalogue.columns)

    return list_all


def _show(catalogue: Catalogue) -> click.Command:
    @click.command("show")
    @click.argument("name")
    @output_option
    @with_client
    def show(client: Client, name: str, output: str) -> None:
        """Show one, by identifier or name."""
        id = identify(client, catalogue.noun, name)
        show_one(client.get(f"{catalogue.noun.path}/{id}"), output, catalogue.fields)

    return show


def _delete(catalogue: Catalogue) -> click.Command:
    @click.command("delete")
    @click.argument("names", nargs=-1, required=True)
    @click.option("--force", is_flag=True, help="Disable it first.")
    @click.option("--dry-run", is_flag=True, help="Only say what would be deleted.")
    @with_client
    def delete(client: Client, names: tuple[str, ...], force: bool, dry_run: bool) -> None:
        """Delete what is disabled and unused, by identifier or name."""
        for id in [identify(client, catalogue.noun, name) for name in names]:
            one = f"{catalogue.noun.path}/{id}"
            if dry_run:
                note(f"would delete {catalogue.noun.word} {id}")
                continue
            if force and client.get(one)[catalogue.operational] == "ENABLED":
                client.patch(one, {catalogue.operational: "DISABLED"})
            client.delete(one)
            note(f"deleted {id}")
        if dry_run:
            raise SystemExit(int(Exit.DIFFERENCES))

    return delete


def _switch(catalogue: Catalogue, verb: str, state: str) -> click.Command:
    @click.command(verb, help=f"{verb.capitalize()} it for new instances.")
    @click.argument("name")
    @output_option
    @with_client
    def switch(client: Client, name: str, output: str) -> None:
        one = f"{catalogue.noun.path}/{identify(client, catalogue.noun, name)}"
        client.patch(one, {catalogue.operational: state})
        show_one(client.get(one), output, catalogue.fields)

    return switch

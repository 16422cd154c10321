"""``mano package``: VNF packages, with and without a server."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mano.cli.exits import Exit, Failure, printable, told
from mano.cli.onboarding import Catalogue, add_catalogue_commands, archive_of
from mano.cli.output import Column, note, output_option, show_document
from mano.cli.resolve import PACKAGE

if TYPE_CHECKING:
    from vnf_descriptors import Package, Policy, Report

COLUMNS = (
    Column("ID", "id"),
    Column("NAME", "vnfProductName"),
    Column("VERSION", "vnfdVersion"),
    Column("PROVIDER", "vnfProvider"),
    Column("STATE", "onboardingState"),
    Column("ENABLED", lambda row: row.get("operationalState") == "ENABLED"),
    Column("USED", lambda row: row.get("usageState") == "IN_USE"),
)
FIELDS = (
    *COLUMNS,
    Column("VNFD", "vnfdId"),
    Column("SOFTWARE", "vnfSoftwareVersion"),
    Column("CHECKSUM", "checksum.hash"),
    Column("SIGNATURE", "catena.signature"),
    Column("SIGNER", "catena.signer"),
    Column("ARTIFACTS", lambda row: [item.get("artifactPath") for item in row.get("additionalArtifacts") or ()]),
    Column("FAILURE", "onboardingFailureDetails.detail"),
)


@click.group("package")
def package() -> None:
    """VNF packages (SOL004): validate, build, compare, on-board."""


add_catalogue_commands(
    package, Catalogue(PACKAGE, "package_content", "onboardingState", "operationalState", COLUMNS, FIELDS)
)


def policy_options(command: Callable[..., None]) -> Callable[..., None]:
    """``--trust``, ``--require-signature``, ``--allow-external``: what a package must fulfil beyond the standard."""
    for option in (
        click.option("--allow-external", is_flag=True, help="Let packages name files outside themselves."),
        click.option("--require-signature", is_flag=True, help="Refuse packages of no trusted signer."),
        click.option(
            "--trust",
            multiple=True,
            type=click.Path(exists=True, path_type=Path),
            help="Root certificates and revocation lists: a file or a directory.",
        ),
    ):
        command = option(command)
    return command


@package.command("validate")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH…")
@click.option(
    "-o", "--output", type=click.Choice(["table", "json", "yaml", "name", "sarif"]), default="table", show_default=True
)
@policy_options
def validate(
    paths: tuple[Path, ...], output: str, trust: tuple[Path, ...], require_signature: bool, allow_external: bool
) -> None:
    """Tell everything that is wrong with packages, source trees or YAML files; needs no server."""
    from vnf_descriptors import to_sarif
    from vnf_descriptors import validate as check

    policy = _policy(trust, require_signature, allow_external)
    reports = [check(path, policy) for path in paths]
    if output == "sarif":
        click.echo(to_sarif(reports))
    elif output in ("json", "yaml"):
        show_document([report.to_json() for report in reports], output)
    elif output == "name":
        click.echo("".join(f"{report.path}\n" for report in reports if not report.ok), nl=False)
    else:
        for report in reports:
            click.echo(report.to_text(with_path=len(paths) > 1), nl=False)
    if not all(report.ok for report in reports):
        raise SystemExit(int(Exit.BAD))


@package.command("build")
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("-o", "--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The CSAR to write.")
@click.option("--sign", "key", type=click.Path(exists=True, path_type=Path), help="Private key (PEM).")
@click.option("--cert", type=click.Path(exists=True, path_type=Path), help="Its certificate and those above it (PEM).")
@click.option("--password-file", type=click.Path(exists=True, path_type=Path), help="Holds the key's password.")
@click.option("--allow-external", is_flag=True, help="Let the package name files outside itself.")
def build(
    directory: Path, out: Path, key: Path | None, cert: Path | None, password_file: Path | None, allow_external: bool
) -> None:
    """Build the package that a source tree describes, and validate it; an unpacked package is built anew."""
    from vnf_descriptors import DescriptorError, SigningKey
    from vnf_descriptors import build as build_package

    if (key is None) is not (cert is None):
        raise click.UsageError("--sign and --cert go together")
    signing = None
    with told():
        if key is not None and cert is not None:
            password = password_file.read_bytes().rstrip(b"\r\n") if password_file else None
            signing = SigningKey(key.read_bytes(), cert.read_bytes(), password)
        try:
            report = build_package(directory, out, signing, _policy((), False, allow_external))
        except DescriptorError as error:
            click.echo(error.report.to_text(), nl=False)
            raise Failure(f"{directory} is not built", hint="mend what is listed above") from None
        except ValueError as error:
            raise Failure(
                f"the package cannot be signed: {error}", hint="check --sign, --cert, --password-file"
            ) from None
    _tell(report)
    note(f"wrote {out} ({out.stat().st_size} octets)")


def _policy(trust: tuple[Path, ...], require_signature: bool, allow_external: bool) -> Policy:
    from vnf_descriptors import Policy, TrustStore

    if require_signature and not trust:
        raise click.UsageError("--require-signature needs --trust, else no signer is trusted")
    with told():
        try:
            store = TrustStore.from_pem(*trust)
        except ValueError as error:
            raise Failure(f"--trust: {error}", hint="name PEM files, or a directory of them") from None
    return Policy(store, require_signature, allow_external=allow_external)


def _tell(report: Report) -> None:
    for line in report.to_text().splitlines():
        note(line)


@package.command("init")
@click.argument("directory", type=click.Path(path_type=Path))
@click.option(
    "--sample",
    type=click.Choice(["firewall", "dpi", "nat", "gi-lan", "gateway", "mobile"]),
    default="firewall",
    show_default=True,
)
def init(directory: Path, sample: str) -> None:
    """Begin a package: copy a working source tree to DIRECTORY, which must not exist or be empty."""
    import shutil
    from importlib.resources import as_file, files

    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise Failure(f"{directory} exists and is not empty", hint="name a new directory")
    with told(), as_file(files("vnf_descriptors") / "samples" / sample) as source:
        shutil.copytree(source, directory, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    note(f"{directory} is a copy of the sample {sample!r}; give it a descriptor_id of its own, then:")
    note(f"  mano package validate {directory}")
    note(f"  mano package build {directory} -o {directory.name}.csar")


@package.command("diff")
@click.argument("a", type=click.Path(exists=True, path_type=Path))
@click.argument("b", type=click.Path(exists=True, path_type=Path))
@output_option
def diff(a: Path, b: Path, output: str) -> None:
    """Compare what two packages describe; exit code 10 when there are differences."""
    differences = [{"path": path, "a": before, "b": after} for path, before, after in _compared(_model(a), _model(b))]
    if output == "table":
        for entry in differences:
            click.echo(in_words(entry["path"], entry["a"], entry["b"]))
    elif output == "name":
        click.echo("".join(f"{entry['path']}\n" for entry in differences), nl=False)
    else:
        show_document(differences, output)
    if differences:
        raise SystemExit(int(Exit.DIFFERENCES))


ABSENT = "absent"


def _compared(a: tuple[str, Any], b: tuple[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """The differences of two descriptors; of two kinds of descriptor nothing but the kinds can be compared."""
    if a[0] != b[0]:
        return iter([("/kind", a[0], b[0])])
    return _differences(a[1], b[1], "")


def _model(path: Path) -> tuple[str, Any]:
    """The kind of a package's descriptor, and all that is compared."""
    from vnf_descriptors import DescriptorError, load, open_package, to_json

    with archive_of(path) as archive:
        # What is only compared may name files elsewhere.
        policy = _policy((), False, allow_external=True)
        try:
            descriptor = load(archive, policy)
            model = to_json(descriptor)
            with open_package(archive, policy) as package:
                return type(descriptor).__name__.upper(), {**model, "artifacts": _digests(package)}
        except DescriptorError as error:
            note(error.report.to_text(with_path=True).rstrip("\n"))
            raise Failure(f"{path} cannot be loaded", hint="mano package validate") from None


def _digests(package: Package) -> dict[str, str]:
    """Digest of every file besides the descriptor; none of what lies beside a bare one."""
    from vnf_descriptors import Layout

    if package.layout is Layout.BARE:
        return {}
    digests = {}
    for file in package.artifacts():
        digest = hashlib.sha256()
        for chunk in package.chunks(file.path):
            digest.update(chunk)
        digests[file.path] = digest.hexdigest()
    return digests


def _differences(a: Any, b: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    """(path, before, after) for every leaf that differs; members of lists are known by their ``id``."""
    if isinstance(a, list) and isinstance(b, list):
        a, b = _keyed(a), _keyed(b)
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        for key in [*a, *(key for key in b if key not in a)]:
            yield from _differences(a.get(key, ABSENT), b.get(key, ABSENT), f"{path}/{key}")
    elif a != b:
        yield path or "/", a, b


def _keyed(items: list[Any]) -> dict[str, Any]:
    keys = [item.get("id") if isinstance(item, Mapping) else None for item in items]
    unique = None not in keys and len(set(keys)) == len(keys)
    return {str(keys[index] if unique else index): item for index, item in enumerate(items)}


_NOUNS = {
    "flavours": "flavour",
    "vdus": "VDU",
    "vdu_cps": "connection point",
    "ext_cps": "external connection point",
    "virtual_links": "virtual link",
    "scaling_aspects": "scaling aspect",
    "instantiation_levels": "instantiation level",
    "affinity_rules": "affinity rule",
    "storages": "storage",
    "lcm_scripts": "script",
    "indicators": "indicator",
    "vnf_profiles": "VNF profile",
    "nested_ns_profiles": "nested NS",
    "pnf_profiles": "PNF profile",
    "saps": "SAP",
    "vnffgs": "forwarding graph",
    "nfps": "forwarding path",
    "rules": "rule",
    "positions": "position",
}
"""Lists of a descriptor's model, and what one of their members is called."""


def in_words(path: str, before: Any, after: Any) -> str:
    """One difference as a sentence: where, what, and how it changed."""
    if path == "/kind":
        return f"one is a descriptor of another kind: {before} and {after}"
    if path.startswith("/artifacts/"):
        change = "is new" if before == ABSENT else "is gone" if after == ABSENT else "has another content"
        return f"the file {printable(path.removeprefix('/artifacts/'))} {change}"
    steps = [step for step in path.split("/") if step]
    where: list[str] = []
    what: list[str] = []
    while steps:
        step = steps.pop(0)
        if step in _NOUNS and steps:
            where += [" ".join([*what, _NOUNS[step], steps.pop(0)])]
            what = []
        else:
            what.append(step.replace("_", " "))
    subject = " ".join(what) or (where.pop() if where else "the descriptor")
    place = f"{', '.join(where)}: " if where else ""
    if before == ABSENT:
        return f"{place}{subject} is new" + (f": {_brief(after)}" if what else "")
    if after == ABSENT:
        return f"{place}{subject} is gone" + (f" (was {_brief(before)})" if what else "")
    return f"{place}{subject} changed from {_brief(before)} to {_brief(after)}"


def _brief(value: Any) -> str:
    text = value if isinstance(value, str) and value else repr(value)
    text = printable(" ".join(text.split())) if isinstance(value, str) else text
    return text if len(text) <= 80 else text[:77] + "..."

"""``mano serve``: one server, from its settings to its orderly end."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mano.cli.exits import Exit, Failure, told
from mano.cli.outbound import outbound_options
from mano.cli.output import note
from mano.cli.peers import read_coordinators, read_peers
from mano.cli.places import default_data_dir
from mano.settings import DEFAULT_HOST, DEFAULT_PORT, AuthMode, Listener, Outbound, PackagePolicy, Role, Settings, Tier

if TYPE_CHECKING:
    from mano.bootstrap import Catena

BACKLOG = 2048
GRACE_S = 5
LOCK = "server.lock"
UNDRAINED = 70
"""Exit status when running steps did not end in time; the next server goes on with them."""


class ListenerType(click.ParamType[Listener]):
    """HOST:PORT."""

    name = "host:port"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Listener:
        """The listener; what is wrong with it otherwise."""
        if isinstance(value, Listener):
            return value
        try:
            return Listener.parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command()
@click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    envvar="CATENA_ROLE",
    default="all",
    show_default=True,
    help="Which functional blocks this server is; nfvo and vnfm find each other by --peers.",
)
@click.option(
    "--peers",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    envvar="CATENA_PEERS",
    help="JSON file (mode 0600) that names the NFVO, or the VNFMs, in other processes.",
)
@click.option(
    "--coordinators",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    envvar="CATENA_COORDINATORS",
    help="JSON file (mode 0600) that names whom operations are coordinated with: OSS and element managers.",
)
@click.option(
    "--vim-dir",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="CATENA_VIM_DIR",
    help="Where the local VIM keeps its records, shared by nfvo and vnfm; the data directory unless said.",
)
@click.option(
    "--listen",
    type=ListenerType(),
    envvar="CATENA_LISTEN",
    default=f"{DEFAULT_HOST}:{DEFAULT_PORT}",
    show_default=True,
    help="Where to listen; port 0 takes a free one. Anything but loopback needs --tls-cert and --tls-key.",
)
@click.option("--data-dir", type=click.Path(path_type=Path, file_okay=False), envvar="CATENA_DATA_DIR")
@click.option("--database", envvar="CATENA_DATABASE", default="", help="SQLAlchemy URL; else SQLite in the data dir.")
@click.option("--auth", type=click.Choice([mode.value for mode in AuthMode]), default="oauth2", show_default=True)
@click.option("--tls-cert", type=click.Path(exists=True, dir_okay=False), envvar="CATENA_TLS_CERT", help="PEM.")
@click.option("--tls-key", type=click.Path(exists=True, dir_okay=False), envvar="CATENA_TLS_KEY", help="PEM.")
@click.option("--lenient-version", is_flag=True, help="Accept requests without a Version header.")
@click.option(
    "--tier",
    type=click.Choice([Tier.ROOT.value, Tier.SIMULATED.value]),
    envvar="CATENA_TIER",
    help="How real the local VIM is; the best that this machine can do unless said.",
)
@click.option(
    "--trust",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    envvar="CATENA_TRUST",
    help="Root certificates and revocation lists for packages: a file or a directory.",
)
@click.option(
    "--require-signature", is_flag=True, envvar="CATENA_REQUIRE_SIGNATURE", help="Refuse packages of no trusted signer."
)
@click.option(
    "--allow-external", is_flag=True, envvar="CATENA_ALLOW_EXTERNAL", help="Take packages that name files elsewhere."
)
@click.option("--lab", envvar="CATENA_LAB", default="main", show_default=True, help="Names the local VIM's namespaces.")
@outbound_options
@click.option(
    "--watch/--no-watch",
    default=True,
    show_default=True,
    envvar="CATENA_WATCH",
    help="Watch functions and bridges, and mend what differs.",
)
@click.option("--or-any-port", is_flag=True, help="Take a free port when the one of --listen is in use.")
@click.option(
    "--bfd-interval",
    type=click.IntRange(min=0, max=60_000),
    envvar="CATENA_BFD_INTERVAL",
    default=1000,
    show_default=True,
    help="Milliseconds between two messages by which hosts watch their tunnels; 0: they do not.",
)
@click.option(
    "--drain",
    type=click.FloatRange(min=0.0, max=3600.0),
    envvar="CATENA_DRAIN",
    default=1.0,
    show_default=True,
    help="Seconds that packets on a chain's old path have to come out of it.",
)
@click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True
)
def serve(
    role: str,
    peers: Path | None,
    coordinators: Path | None,
    vim_dir: Path | None,
    listen: Listener,
    data_dir: Path | None,
    database: str,
    auth: str,
    tls_cert: str | None,
    tls_key: str | None,
    lenient_version: bool,
    tier: str | None,
    trust: tuple[Path, ...],
    require_signature: bool,
    allow_external: bool,
    lab: str,
    outbound: Outbound | None,
    bfd_interval: int,
    drain: float,
    watch: bool,
    or_any_port: bool,
    log_level: str,
) -> None:
    """Run a server until it is told to stop (SIGINT, SIGTERM)."""
    if bool(tls_cert) is not bool(tls_key):
        raise click.UsageError("--tls-cert and --tls-key go together")
    if not listen.is_loopback and not tls_cert:
        raise click.UsageError(f"{listen} can be reached from elsewhere: it needs --tls-cert and --tls-key")
    try:
        settings = Settings(
            data_dir=(data_dir or default_data_dir()).absolute(),
            database=database,
            role=Role(role),
            peers=read_peers(peers),
            coordinators=read_coordinators(coordinators),
            vim_dir=vim_dir.absolute() if vim_dir else None,
            listen=listen,
            auth=AuthMode(auth),
            lenient_version=lenient_version,
            tier=Tier(tier) if tier else None,
            lab=lab,
            bfd_interval_ms=bfd_interval,
            drain_s=drain,
            watches=watch,
            outbound=outbound,
            tls_cert=Path(tls_cert).absolute() if tls_cert else None,
            packages=PackagePolicy(tuple(path.absolute() for path in trust), require_signature, allow_external),
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    with only_server(settings.data_dir), listening(listen, or_any_port) as listener:
        sys.exit(run(settings, listener, tls={"ssl_certfile": tls_cert, "ssl_keyfile": tls_key}, log_level=log_level))


@contextlib.contextmanager
def only_server(data_dir: Path) -> Iterator[None]:
    """Hold the data directory's lock; the kernel frees it with the process, however that ends."""
    with told():
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(data_dir / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(lock, 20).decode("ascii", "replace").strip()
            raise Failure(
                f"another server (process {holder or 'unknown'}) works with {data_dir}",
                hint="stop it, or give this one its own --data-dir and --lab",
            ) from None
        os.ftruncate(lock, 0)
        os.write(lock, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(lock)


@contextlib.contextmanager
def listening(listener: Listener, or_any_port: bool = False) -> Iterator[socket.socket]:
    """A bound socket, before anything expensive is built; on a free port if its own is taken and any will do."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            listener.host, listener.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise Failure(f"--listen {listener}: {error.strerror}", exit_code=Exit.USAGE) from None
    try:
        bound = _bound(family, kind, protocol, address)
    except OSError as error:
        if not or_any_port or error.errno != errno.EADDRINUSE:
            raise _not_bound(listener, error) from None
        bound = _bound(family, kind, protocol, (address[0], 0, *address[2:]))
    with bound:
        yield bound


def _bound(family: int, kind: int, protocol: int, address: tuple[Any, ...]) -> socket.socket:
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(BACKLOG)
    except OSError:
        bound.close()
        raise
    return bound


def _not_bound(listener: Listener, error: OSError) -> Failure:
    if error.errno == errno.EADDRINUSE:
        return Failure(
            f"port {listener.port} is in use already",
            hint=f"is another server running? `--listen {listener.host}:0` takes a free port",
        )
    if error.errno == errno.EACCES:
        return Failure(f"this user may not listen on {listener}", hint="take a port above 1023")
    return Failure(f"cannot listen on {listener}: {error.strerror}", hint="`ip address` shows this machine's addresses")


def run(settings: Settings, listener: socket.socket, *, tls: dict[str, str | None], log_level: str) -> int:
    """Build the server, serve until a signal, stop; the exit status."""
    from mano.cli.serving import configure_logs, serve_until_signal

    configure_logs(log_level)
    from mano.bootstrap import build

    with told():
        catena = build(settings)
        catena.start()
    try:
        application = catena.application()
        ready = announcement(catena, application.state.dashboard_token(), listener, tls)
        serve_until_signal(application, listener, tls, GRACE_S, lambda: note(ready))
    finally:
        drained = catena.stop()
    if not drained:
        note("some steps did not end in time; the next server goes on with them")
        sys.stdout.flush()
        os._exit(UNDRAINED)
    return int(Exit.OK)


def announcement(catena: Catena, token: str, listener: socket.socket, tls: dict[str, str | None]) -> str:
    """Where the server is, and how to look at it. The page's token stays in the fragment, which browsers never send."""
    settings = catena.settings
    port = listener.getsockname()[1]
    url = f"{'https' if tls['ssl_certfile'] else 'http'}://{Listener(settings.listen.host, port)}"
    fragment = f"#token={token}" if token else ""
    return (
        f"Catena listens on {url} (data in {settings.data_dir})\n"
        f"dashboard (may look, not change; for 12 hours): {url}/ui/{fragment}"
    )

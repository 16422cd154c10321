"""Options of ``mano serve`` that say where the server may call on behalf of clients."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from mano.settings import Outbound

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

_OPTIONS = (
    click.option(
        "--callback-network",
        multiple=True,
        metavar="CIDR",
        envvar="CATENA_CALLBACK_NETWORKS",
        help="Call subscribers and package sources in these networks only; else anywhere but link-local addresses, "
        "and on loopback only when the server itself listens there.",
    ),
    click.option("--callback-ca", type=_FILE, envvar="CATENA_CALLBACK_CA", help="Authorities of receivers, PEM."),
    click.option("--callback-cert", type=_FILE, envvar="CATENA_CALLBACK_CERT", help="This server's own, PEM."),
    click.option("--callback-key", type=_FILE, envvar="CATENA_CALLBACK_KEY", help="The certificate's key, PEM."),
)


def outbound_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The command gets ``outbound``: what the options say, None when they say nothing."""

    @wraps(command)
    def invoke(
        *,
        callback_network: tuple[str, ...],
        callback_ca: Path | None,
        callback_cert: Path | None,
        callback_key: Path | None,
        **arguments: Any,
    ) -> Any:
        return command(outbound=_outbound(callback_network, callback_ca, callback_cert, callback_key), **arguments)

    wrapped: Callable[..., Any] = invoke
    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped


def _outbound(networks: tuple[str, ...], ca: Path | None, cert: Path | None, key: Path | None) -> Outbound | None:
    if not (networks or ca or cert or key):
        return None
    try:
        return Outbound(networks=networks, ca_file=ca, cert_file=cert, key_file=key)
    except ValueError as error:
        raise click.UsageError(str(error)) from None

"""A subscriber who surfs on: HTTP, TLS and DNS in turn, one request a second, until the process ends.

Runs inside the namespace of the SAP ``subscribers``. HTTP and TLS take the chain ``web``, DNS takes ``other``.
"""

from __future__ import annotations

import argparse
import itertools
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from mano.cli.demo import traffic

PERIOD_S = 1.0
LOG_MAX_OCTETS = 1 << 20


def requests(server: str) -> Iterator[Callable[[], object]]:
    """What is asked, in turn and without end; every name is new."""
    kinds: tuple[Callable[[str, str], object], ...] = (traffic.http_get, traffic.resolve, traffic.tls_get)
    for ask in itertools.cycle(kinds):
        yield partial(ask, server, f"{secrets.token_hex(3)}.example")


def surf(server: str, log: Path, pause: Callable[[float], None] = time.sleep) -> None:
    """Ask until the process ends; what is not answered is one line in the log."""
    for ask in requests(server):
        try:
            ask()
        except (OSError, ValueError) as error:
            note(log, f"{type(error).__name__}: {error}")
        pause(PERIOD_S)


def note(log: Path, text: str) -> None:
    """Append a line; a log that is full begins anew."""
    full = log.exists() and log.stat().st_size > LOG_MAX_OCTETS
    with log.open("w" if full else "a", encoding="utf-8") as file:
        file.write(f"{time.strftime('%H:%M:%S')} {text[:300]}\n")


def main() -> None:
    """Say ``ready`` on standard output, then ask."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", required=True)
    parser.add_argument("--log", required=True, type=Path)
    options = parser.parse_args()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    surf(options.server, options.log)


if __name__ == "__main__":
    main()

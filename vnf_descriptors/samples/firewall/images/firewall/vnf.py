"""What every function of these samples needs from the place it runs in.

The VIM gives a directory, ``/vnf`` unless the environment says otherwise: ``config.json`` describes interfaces that are
already configured; logs go to ``log/``, counters to ``state/``, and the file ``ready`` says that packets may come.
The same file is part of each image.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

LOG_MAX_OCTETS = 8 * 1024 * 1024
DEVICE = re.compile(r"[A-Za-z0-9._-]{1,15}")


class BadConfiguration(Exception):
    """The configuration cannot be carried out; the message says where and why."""


@dataclass(frozen=True)
class Interface:
    """One interface as the VIM configured it; ``name`` is the connection point's in the descriptor."""

    name: str
    device: str
    mac: str
    addresses: tuple[str, ...]
    gateway: str
    mtu: int


class Vnf:
    """The function's surroundings."""

    def __init__(self, directory: Path | None = None) -> None:
        self.directory = directory or Path(os.environ.get("VNF_DIR", "/vnf"))
        self._ended = threading.Event()
        for name in ("log", "state"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        document = json.loads((self.directory / "config.json").read_text(encoding="utf-8"))
        self.name = str(document.get("name", "vnf"))
        self.user_data: dict[str, Any] = document.get("userData") or {}
        self._interfaces = {each.name: each for each in map(_interface, document.get("interfaces") or [])}

    def interface(self, name: str) -> Interface:
        """The interface of that connection point."""
        if name not in self._interfaces:
            raise BadConfiguration(f"there is no interface {name!r}, only {sorted(self._interfaces)}")
        return self._interfaces[name]

    def has_interface(self, name: str) -> bool:
        """Whether that connection point is attached."""
        return name in self._interfaces

    def log(self, event: str, **facts: object) -> None:
        """One JSON line; the file is turned over at 8 MiB."""
        path = self.directory / "log" / "vnf.log"
        moment = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": moment, "vnf": self.name, "event": event, **facts}, default=str)
        if path.exists() and path.stat().st_size > LOG_MAX_OCTETS:
            path.replace(path.with_suffix(".log.1"))
        with path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def ready(self) -> None:
        """Tell the VIM that packets may come."""
        self.log("ready")
        (self.directory / "ready").write_text("ready\n", encoding="utf-8")

    def save(self, name: str, value: object) -> None:
        """Replace ``state/<name>.json`` as a whole: a reader sees the old or the new one."""
        path = self.directory / "state" / f"{name}.json"
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps(value, sort_keys=True), encoding="utf-8")
        draft.replace(path)

    def end_on_signals(self) -> None:
        """Take SIGTERM and SIGINT for the end: the first process of a pid namespace hears only what it handles."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._ended.set())

    @property
    def ended(self) -> bool:
        """True once the VIM has asked for the end."""
        return self._ended.is_set()

    def serve(self, action: Callable[[], None], period_s: float) -> None:
        """Repeat ``action`` until the end is asked for, and once more then."""
        while not self._ended.is_set():
            action()
            self._ended.wait(period_s)
        action()


def run(*arguments: str, text: str = "", timeout_s: float = 10.0) -> str:
    """Run a program without a shell; raises :class:`RuntimeError` with what it said."""
    done = subprocess.run(
        arguments, input=text, capture_output=True, text=True, errors="replace", timeout=timeout_s, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(arguments[:4])}: {done.stderr.strip()[:500]}")
    return done.stdout


def set_kernel(settings: Iterable[tuple[str, object]]) -> None:
    """Write values below ``/proc/sys``; one that this kernel does not have is left out."""
    for key, value in settings:
        path = Path("/proc/sys", *key.split("/"))
        if path.exists():
            path.write_text(f"{value}\n", encoding="ascii")


def named_counters(table: str) -> dict[str, dict[str, int]]:
    """Packets and octets of each named counter of an nftables table of the family inet."""
    answer = json.loads(run("nft", "--json", "list", "counters", "table", "inet", table))
    found = (item["counter"] for item in answer["nftables"] if "counter" in item)
    return {each["name"]: {"packets": each["packets"], "bytes": each["bytes"]} for each in found}


def main(program: Callable[[Vnf], None]) -> NoReturn:
    """Run the function; a failure is logged, and is the exit status."""
    vnf = Vnf()
    vnf.end_on_signals()
    try:
        program(vnf)
    except Exception as error:
        vnf.log("failed", error=type(error).__name__, detail=str(error)[:1000])
        raise SystemExit(1) from error
    vnf.log("ended")
    raise SystemExit(0)


def _interface(document: dict[str, Any]) -> Interface:
    device = str(document.get("device", ""))
    if not DEVICE.fullmatch(device):
        raise BadConfiguration(f"{device[:40]!r} is no name of a network device")
    return Interface(
        name=str(document.get("name", "")),
        device=device,
        mac=str(document.get("mac", "")),
        addresses=tuple(str(address) for address in document.get("addresses") or ()),
        gateway=str(document.get("gateway") or ""),
        mtu=int(document.get("mtu") or 1500),
    )

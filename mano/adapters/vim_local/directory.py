"""What the local VIM must remember over a reboot: the numbers of its hosts, and the attachments."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mano.adapters.vim_local.lab import HOSTS_MAX, Lab
from mano.adapters.vim_local.records import read_record, write_record
from mano.errors import InvalidInput
from mano.ports.vim import Attachment


class Directory:
    """One file in the data directory; each change is one atomic replacement under the lab's lock."""

    def __init__(self, lab: Lab, data_directory: Path) -> None:
        self._lab = lab
        self._path = data_directory / "vim_local.json"

    def number_of(self, host: str) -> int:
        """The host's number, from 1; the lowest free one when it has none yet. Its addresses follow from it."""
        with self._lab.locked("directory"):
            record = self._read()
            numbers: dict[str, int] = record["hosts"]
            if host not in numbers:
                numbers[host] = _lowest_free(set(numbers.values()))
                self._write(record)
            return numbers[host]

    def forget_host(self, host: str) -> None:
        with self._lab.locked("directory"):
            record = self._read()
            if record["hosts"].pop(host, None) is not None:
                self._write(record)

    def attachments(self) -> Mapping[str, Attachment]:
        found = self._read()["attachments"]
        return {
            name: Attachment(name, item.get("host", ""), item.get("physicalNetwork", ""))
            for name, item in sorted(found.items())
        }

    def keep_attachment(self, attachment: Attachment) -> None:
        with self._lab.locked("directory"):
            record = self._read()
            record["attachments"][attachment.name] = {
                "host": attachment.host,
                "physicalNetwork": attachment.physical_network,
            }
            self._write(record)

    def forget_attachment(self, name: str) -> None:
        with self._lab.locked("directory"):
            record = self._read()
            if record["attachments"].pop(name, None) is not None:
                self._write(record)

    def _read(self) -> dict[str, Any]:
        return {"hosts": {}, "attachments": {}, **(read_record(self._path) or {})}

    def _write(self, record: Mapping[str, Any]) -> None:
        write_record(self._path, record, durable=True)


def _lowest_free(taken: set[int]) -> int:
    for number in range(1, HOSTS_MAX + 1):
        if number not in taken:
            return number
    raise InvalidInput(f"the local VIM numbers its hosts 1 to {HOSTS_MAX}, and all numbers are taken")

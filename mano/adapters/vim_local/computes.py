"""VNFCs: processes in namespaces of their own, made to outlive the server that started them.

What a VNFC is can be read from the world at any time: its directory below the lab's run directory (specification,
configuration, console, pid file), its network namespace, its control groups, and its first process, known by pid and
start time. It is ready when it has made the file ``/vnf/ready``.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import mano
from mano.adapters.vim_local import image, netns
from mano.adapters.vim_local.cgroups import ControlGroups, Limits
from mano.adapters.vim_local.commands import SYSTEM_PATH, tied
from mano.adapters.vim_local.cpus import (
    CpuSet,
    pages_to_mount,
    parse_list,
    planned_cpus,
    planned_pages,
    realise_cpus,
    realise_nodes,
    usable_cpus,
    usable_nodes,
)
from mano.adapters.vim_local.effects import Effects
from mano.adapters.vim_local.hosts import Hosts
from mano.adapters.vim_local.lab import COMPUTE_PREFIX, Lab
from mano.adapters.vim_local.launcher import Plan, process_start
from mano.adapters.vim_local.ports import Ports
from mano.adapters.vim_local.records import read_record, read_records, remove_tree, write_record
from mano.adapters.vim_local.snapshots import Kept, SnapshotFiles
from mano.adapters.vim_local.specification import check_compute, digest
from mano.domain.vnf_instance import Realisation
from mano.errors import CatenaError, DeadlineExceeded, NotFound, Unreachable, WrongState
from mano.ports.snapshots import ComputeSnapshot
from mano.ports.vim import ComputeInterface, ComputeSpec, ComputeStatus, PortSpec

READY_DEADLINE_S = 20.0
LAUNCH_DEADLINE_S = 10.0
STOP_DEADLINE_S = 2.0
FILE_READ_MAX = 4 << 20
_CONSOLE_TAIL = 1500
_NOT_IN_HOST_NAMES = re.compile(r"[^A-Za-z0-9.-]")
_POLL_S = 0.01


@dataclass(frozen=True, slots=True)
class Process:
    """The first process of a VNFC that is alive."""

    pid: int

    def file(self, name: str) -> Path:
        """A file that the VNFC sees below ``/vnf``, from outside."""
        return Path(f"/proc/{self.pid}/root/vnf/{name}")

    def is_ready(self) -> bool:
        return os.path.lexists(self.file("ready"))


class Computes:
    """Starts, watches and removes the VNFCs of one lab."""

    def __init__(
        self, lab: Lab, hosts: Hosts, ports: Ports, effects: Effects, *, ready_deadline_s: float = READY_DEADLINE_S
    ) -> None:
        self._lab = lab
        self._hosts = hosts
        self._ports = ports
        self._effects = effects
        self._ready_deadline_s = ready_deadline_s
        self._groups = ControlGroups(lab.cgroup)

    def ensure(self, compute: ComputeSpec, kept: Kept | None = None, request_id: str = "") -> ComputeStatus:
        """It runs; from its kept state where ``kept`` is given, once for each ``request_id``."""
        check_compute(compute)
        facts = self._hosts.facts(compute.host)
        key = self._lab.compute_key(compute.id)
        with self._lab.locked(key):
            process, record = self._process(compute.id), self._record(compute.id)
            is_restored = not request_id or record.get("restored") == request_id
            if process is None or record.get("digest") != digest(compute) or not is_restored:
                image.check(Path(compute.image_path), compute.image_checksum)
                self._end(compute.id)
                cpus = realise_cpus(planned_cpus(compute.placement, facts.shared_cpus), usable_cpus())
                self._prepare(compute)
                self._launch(compute, cpus, kept, request_id)
            else:
                self._connect(compute)
            self._await_ready(compute)
            return self.status(compute.id, compute.host)

    def take_snapshot(self, snapshots: SnapshotFiles, snapshot_id: str, compute_id: str) -> ComputeSnapshot:
        """Keep its state, once; raises :class:`~mano.errors.WrongState` when it does not run."""
        key = self._lab.compute_key(compute_id)
        with self._lab.locked(key):
            found = snapshots.find(snapshot_id)
            process = self._process(compute_id)
            if found is not None or process is None:
                if found is None:
                    raise WrongState(f"VNFC {compute_id} does not run: it has no state", hint="heal or start it first")
                return found
            root = Path(f"/proc/{process.pid}/root")
            return snapshots.take(snapshot_id, compute_id, root, lambda: self._others(key, process))

    def _others(self, key: str, first: Process) -> list[int]:
        """Its processes but the first, which only watches them."""
        return [pid for pid in self._groups.processes(key) if pid != first.pid]

    def remove(self, compute_id: str, host: str) -> None:
        """Nothing of it is left but its ports, parked."""
        key = self._lab.compute_key(compute_id)
        namespace = self._lab.prefix + key
        with self._lab.locked(key):
            with self._effects("compute.process-gone"):
                self._end(compute_id)
            if netns.exists(namespace):
                self._ports.release(host, namespace)
            with self._effects("compute.namespace-gone"):
                netns.delete(namespace)
            with self._effects("compute.groups-gone"), self._lab.locked("cgroups"):
                self._groups.remove(key)
            with self._effects("compute.record-gone"):
                remove_tree(self._lab.compute_directory(compute_id))

    def status(self, compute_id: str, host: str) -> ComputeStatus:
        """Read from the world: nothing here believes what was asked for."""
        record = read_record(self._lab.compute_directory(compute_id) / "compute.json")
        if record is None:
            return ComputeStatus(compute_id, host, "gone")
        process = self._process(compute_id)
        if process is not None:
            state = "running" if process.is_ready() else "starting"
            with contextlib.suppress(OSError):  # it ends while we look
                realisations, notes = self._realisations(compute_id, process, record)
                return ComputeStatus(compute_id, host, state, "; ".join(notes), realisations)
        return ComputeStatus(compute_id, host, "failed", self._last_words(compute_id))

    def read_file(self, compute_id: str, name: str) -> bytes:
        """A file below ``/vnf`` of a running VNFC, 4 MiB at most; links are not followed.

        Raises :class:`~mano.errors.NotFound` when the VNFC does not run or has no such file.
        """
        process = self._process(compute_id)
        if process is None:
            raise NotFound(f"VNFC {compute_id} does not run")
        try:
            with os.fdopen(_open_beneath(process.file(""), name), "rb") as file:
                return file.read(FILE_READ_MAX)
        except OSError as error:
            raise NotFound(f"VNFC {compute_id} has no file {name!r:.100}: {error.strerror}") from None

    def ids(self) -> set[str]:
        """Every VNFC of which there is anything; one without a record by the name of its namespace or group."""
        records = {path.parent.name: str(record["id"]) for path, record in self._records()}
        found = set(records.values())
        directories = {path.name for path in (self._lab.run / "computes").glob("v-*")}
        namespaces = {name.removeprefix(self._lab.prefix) for name in netns.names(self._lab.prefix + COMPUTE_PREFIX)}
        return found | ((directories | namespaces | set(self._groups.members())) - set(records))

    def on_host(self, host: str) -> list[str]:
        """What still has a record there, in words."""
        return [f"VNFC {record['id']}" for _, record in self._records() if record["host"] == host]

    def _records(self) -> list[tuple[Path, dict[str, Any]]]:
        return list(read_records(self._lab.run / "computes", "*/compute.json"))

    def _record(self, compute_id: str) -> dict[str, Any]:
        return read_record(self._lab.compute_directory(compute_id) / "compute.json") or {}

    def _prepare(self, compute: ComputeSpec) -> None:
        directory = self._lab.compute_directory(compute.id)
        namespace = self._namespace(compute.id)
        with self._effects("compute.record"):
            write_record(directory / "compute.json", {"id": compute.id, "host": compute.host})
        with self._effects("compute.namespace"):
            netns.add(namespace)
        self._connect(compute)
        with self._effects("compute.configuration"):
            write_record(directory / "config.json", _configuration(compute))

    def _connect(self, compute: ComputeSpec) -> None:
        for number, interface in enumerate(compute.interfaces):
            self._ports.take(_with_gateway(interface), self._namespace(compute.id), f"eth{number}")

    def _launch(self, compute: ComputeSpec, cpus: CpuSet, kept: Kept | None, request_id: str) -> None:
        directory = self._lab.compute_directory(compute.id)
        key = self._lab.compute_key(compute.id)
        nodes = realise_nodes(compute.placement, usable_nodes())
        with self._effects("compute.groups"), self._lab.locked("cgroups"):
            made = self._groups.make(key, Limits(cpus.cpus, nodes, compute.memory_mib))
        plan = Plan(
            name=_NOT_IN_HOST_NAMES.sub("-", compute.name)[:63],
            namespace=str(netns.DIRECTORY / self._namespace(compute.id)),
            process_files=[str(path) for path in made.process_files],
            cpus=list(cpus.cpus),
            image=str(Path(compute.image_path).absolute()),
            checksum=compute.image_checksum,
            configuration=str(directory / "config.json"),
            pid_file=str(directory / "pid"),
            root=str(directory / "root"),
            root_mib=compute.memory_mib // 2,  # files are memory too: full ones must not end the VNFC
            hugepages=pages_to_mount(compute.placement),
            state=str(kept.archive.absolute()) if kept else "",
            state_checksum=kept.checksum if kept else "",
        )
        (directory / "root").mkdir(exist_ok=True)
        write_record(directory / "plan.json", asdict(plan))
        record = {
            "id": compute.id,
            "host": compute.host,
            "digest": digest(compute),
            "cpus": list(cpus.cpus),
            "cpusAs": cpus.realisation.value,
            "notes": [note for note in (cpus.note, *made.refused.values()) if note],
            "pages": {str(size): count for size, count in planned_pages(compute.placement).items()},
            "memoryMib": compute.memory_mib,
            "restored": request_id,
        }
        write_record(directory / "compute.json", record)
        with self._effects("compute.process"):
            _run_launcher(directory)

    def _await_ready(self, compute: ComputeSpec) -> None:
        deadline = time.monotonic() + self._ready_deadline_s
        while True:
            process = self._process(compute.id)
            if process is None:
                words = self._last_words(compute.id)
                raise Unreachable(
                    f"VNFC {compute.name} on {compute.host} ended before it was ready: {words}",
                    hint="its software image or its configuration is at fault",
                    facts={"log": words},
                )
            if process.is_ready():
                return
            if time.monotonic() >= deadline:
                words = self._last_words(compute.id)
                raise DeadlineExceeded(
                    f"VNFC {compute.name} on {compute.host} was not ready within {self._ready_deadline_s:g} s: {words}",
                    hint="it has to make the file /vnf/ready when packets may come",
                    facts={"log": words},
                )
            time.sleep(_POLL_S)

    def _end(self, compute_id: str) -> None:
        """End all its processes: politely, then not."""
        process = self._process(compute_id)
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGTERM)
            deadline = time.monotonic() + STOP_DEADLINE_S
            while self._process(compute_id) is not None and time.monotonic() < deadline:
                time.sleep(_POLL_S)
        for pid in self._groups.processes(self._lab.compute_key(compute_id)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        netns.end_processes(self._namespace(compute_id))
        (self._lab.compute_directory(compute_id) / "pid").unlink(missing_ok=True)

    def _process(self, compute_id: str) -> Process | None:
        """The first process, if it is still the one whose start was recorded."""
        try:
            pid, start = (self._lab.compute_directory(compute_id) / "pid").read_text(encoding="ascii").split()
            return Process(int(pid)) if process_start(int(pid)) == start else None
        except (OSError, ValueError):
            return None

    def _realisations(
        self, compute_id: str, process: Process, record: Mapping[str, Any]
    ) -> tuple[dict[str, Realisation], list[str]]:
        notes = [str(note) for note in record.get("notes", ())]
        found = {"cpus": Realisation(record["cpusAs"]), "memory": Realisation.ACCOUNTED}
        allowed = _status_of(process.pid).get("Cpus_allowed_list", "")
        if set(parse_list(allowed)) != set(record["cpus"]):
            found["cpus"] = Realisation.ACCOUNTED
            notes.append(f"it runs on CPU {allowed}")
        if self._groups.memory_limit_mib(self._lab.compute_key(compute_id)) == record["memoryMib"]:
            found["memory"] = Realisation.ENFORCED
        if record["pages"]:
            mounted = " hugetlbfs " in Path(f"/proc/{process.pid}/mounts").read_text(encoding="utf-8", errors="replace")
            found["hugepages"] = Realisation.ENFORCED if mounted else Realisation.ACCOUNTED
            if not mounted:
                notes.append("this machine has not enough free huge pages: they are accounted")
        return found, notes

    def _last_words(self, compute_id: str) -> str:
        """The end of its console, on one line and without control characters."""
        try:
            with (self._lab.compute_directory(compute_id) / "console").open("rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - _CONSOLE_TAIL))
                text = file.read(_CONSOLE_TAIL).decode(errors="replace")
        except OSError:
            return "it left no console"
        if self._groups.ran_out_of_memory(self._lab.compute_key(compute_id)):
            text += "\nit used more memory than it has\n"
        lines = " | ".join(line.strip() for line in text.splitlines() if line.strip())
        return "".join(character if character.isprintable() else "?" for character in lines) or "it said nothing"

    def _namespace(self, compute_id: str) -> str:
        return self._lab.prefix + self._lab.compute_key(compute_id)


def _with_gateway(interface: ComputeInterface) -> PortSpec:
    return replace(interface.port, gateway=interface.gateway or interface.port.gateway)


def _configuration(compute: ComputeSpec) -> dict[str, Any]:
    """What the VNFC reads as ``/vnf/config.json``."""
    interfaces = [
        {
            "name": interface.name,
            "device": f"eth{number}",
            "mac": interface.port.mac,
            "addresses": list(interface.port.addresses),
            "gateway": interface.gateway or interface.port.gateway or None,
            "mtu": interface.port.mtu,
        }
        for number, interface in enumerate(compute.interfaces)
    ]
    return {"name": compute.name, "interfaces": interfaces, "userData": dict(compute.user_data)}


def _run_launcher(directory: Path) -> None:
    """Returns when the VNFC's first process has its pid file; the launcher itself has ended then."""
    console = os.open(directory / "console", os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        launcher = subprocess.Popen(
            tied([sys.executable, "-S", "-m", "mano.adapters.vim_local.launcher", str(directory / "plan.json")]),
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            cwd="/",
            env={"PATH": SYSTEM_PATH, "PYTHONPATH": str(Path(mano.__path__[0]).parent), "PYTHONDONTWRITEBYTECODE": "1"},
            start_new_session=True,
        )
    finally:
        os.close(console)
    try:
        status = launcher.wait(LAUNCH_DEADLINE_S)
    except subprocess.TimeoutExpired:
        launcher.kill()
        launcher.wait()
        raise DeadlineExceeded(f"a VNFC was not started within {LAUNCH_DEADLINE_S:g} s") from None
    if status != 0:
        end = (directory / "console").read_text(encoding="utf-8", errors="replace").strip()[-500:]
        raise CatenaError(f"the launcher of a VNFC failed: {end.splitlines()[-1] if end else f'status {status}'}")


def _status_of(pid: int) -> dict[str, str]:
    """The kernel's view of a process; raises ``OSError`` when it has ended."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def _open_beneath(top: Path, name: str) -> int:
    """Open a regular file by a relative path whose parts are no links; the VNFC's tree is not to be trusted."""
    parts = name.split("/")
    if not all(part and part not in (".", "..") for part in parts):
        raise FileNotFoundError(2, "the path must be relative and plain", name)
    directory = os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts[:-1]:
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
            os.close(directory)
            directory = inner
        return os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
    finally:
        os.close(directory)

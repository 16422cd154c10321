"""The sample network service on the simulated tier, behind the real server; its hosts can be lost, packets be sent."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TypeVar

import pytest
import uvicorn

from mano import bootstrap
from mano.adapters.sfc_paths_simulated import SimulatedServicePaths
from mano.adapters.vim_simulated import SimulatedVim
from mano.api.tokens import dashboard_token
from mano.bootstrap import Catena
from mano.domain.catalogue import DescriptorKind
from mano.domain.events import Event
from mano.domain.ids import DEFAULT_TENANT
from mano.domain.lcm_op_occ import OperationState
from mano.errors import Unreachable
from mano.placement import document_from_text
from mano.ports.service_paths import FlowStatistics
from mano.ports.vim import HostStatus
from mano.settings import Settings, Tier
from sfc.model import Mac
from sfc.simulator.packets import Ethernet, Ip, Tcp
from tests.architecture.tree import ROOT
from vnf_descriptors import build as build_package

T = TypeVar("T")

SAMPLES = ROOT / "vnf_descriptors" / "samples"
DEADLINE_S = 60.0
ENDS = {OperationState.COMPLETED, OperationState.FAILED_TEMP, OperationState.FAILED, OperationState.ROLLED_BACK}
WEB_SERVER = "198.51.100.1"
SUBSCRIBER = "10.10.0.2"


def elsewhere(call: Callable[[], T]) -> T:
    """The call's result from a thread of its own: Playwright's event loop runs in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call).result()


class LosableVim(SimulatedVim):
    """A simulated VIM whose hosts stop answering when they are named in ``lost``."""

    def __init__(self, directory: Path, lost: Mapping[str, str]) -> None:
        super().__init__(directory)
        self._lost = lost

    def host_status(self, name: str) -> HostStatus:
        if name in self._lost:
            return HostStatus(name, reachable=False, detail=self._lost[name])
        return super().host_status(name)


class LosablePaths(SimulatedServicePaths):
    """Simulated bridges that stop answering with their hosts."""

    def __init__(self, lost: Mapping[str, str]) -> None:
        super().__init__()
        self._lost = lost

    def statistics(self, host: str) -> tuple[FlowStatistics, ...]:
        if host in self._lost:
            raise Unreachable(f"{host}: {self._lost[host]}")
        return super().statistics(host)


@dataclass
class Server:
    """The server's parts, and uvicorn in a thread, on the same port each time it is started."""

    catena: Catena
    paths: LosablePaths
    lost: dict[str, str]
    port: int = 0
    _running: tuple[uvicorn.Server, threading.Thread] | None = None
    _end_streams: Callable[[], None] = lambda: None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def token(self) -> str:
        """What ``mano serve`` prints in the dashboard's address."""
        credentials = self.catena.config.credentials
        assert credentials is not None
        return dashboard_token(credentials)

    def listen(self) -> None:
        """Begin to answer."""
        application = self.catena.application()
        config = uvicorn.Config(
            application, port=self.port, log_level="error", timeout_graceful_shutdown=1, lifespan="off"
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        deadline = time.monotonic() + DEADLINE_S
        while not server.started:
            assert time.monotonic() < deadline and thread.is_alive(), "the server did not start"
            time.sleep(0.01)
        self.port = server.servers[0].sockets[0].getsockname()[1]
        self._running = server, thread
        self._end_streams = application.state.stopping.set

    def hang_up(self) -> None:
        """Stop answering; everything else stays."""
        if self._running is None:
            return
        server, thread = self._running
        self._running = None
        self._end_streams()
        server.should_exit = True
        thread.join(DEADLINE_S)
        assert not thread.is_alive()

    def add_hosts(self, inventory: Mapping[str, Any]) -> None:
        """Bring hosts under management."""
        assert self.catena.services.nfvi is not None
        self.catena.services.nfvi.add_hosts(inventory, "")

    def instantiate(self) -> str:
        """On-board the samples and instantiate their network service; its identifier."""
        return elsewhere(self._instantiate)

    def _instantiate(self) -> str:
        services = self.catena.services
        assert services.nfvi and services.ns_lifecycle and services.catalogue
        for attachment in ({"name": "subscribers", "host": "h1"}, {"name": "internet", "physnet": "dc1"}):
            services.nfvi.add_attachment(bootstrap.LOCAL_VIM, attachment)
        nsd = self._onboard()
        ns = services.ns_lifecycle.create(DEFAULT_TENANT, nsd, "gi-lan", "")
        address = {"subscribers": {"attachment": "subscribers", "address": f"{SUBSCRIBER}/24"}}
        self._finish(
            services.ns_lifecycle.instantiate(
                ns.id, DEFAULT_TENANT, {"additionalParamsForNs": {"catena": {"saps": address}}}
            )
        )
        return ns.id

    def terminate(self, ns_id: str) -> None:
        """Terminate a network service."""
        life_cycle = self.catena.services.ns_lifecycle
        assert life_cycle is not None
        self._finish(elsewhere(lambda: life_cycle.terminate(ns_id, DEFAULT_TENANT, {})))

    def _finish(self, operation: str) -> None:
        """Wait for the operation's end, which must be a good one."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            with self.catena.store.open_unit(read_only=True) as uow:
                found = uow.operations.get(operation)
            if found.state in ENDS:
                assert found.state is OperationState.COMPLETED, found.error
                return
            assert time.monotonic() < deadline, f"still {found.state}"
            time.sleep(0.05)

    def announce(self, event: Event) -> None:
        """Write an event as any change does."""
        with self.catena.store.open_unit() as uow:
            uow.outbox.append(event)

    def send_web_packets(self, count: int) -> None:
        """Let the subscriber send packets to port 80 through the simulated bridges."""
        plane = self.catena.graphs.data_plane()
        web = next(chain for chain in plane.chains if chain.chain.name == "web")
        start = plane.topology.port(web.forward.start)
        target = plane.topology.port(web.forward.end)
        for number in range(count):
            payload = Ip(ip_address(SUBSCRIBER), ip_address(WEB_SERVER), Tcp(40000 + number, 80, "S"))
            self.paths.send(plane.topology, start.id, Ethernet(Mac(int(start.mac)), Mac(int(target.mac)), payload))

    def _onboard(self) -> str:
        assert self.catena.services.catalogue is not None
        descriptor_id = ""
        for name in ("firewall", "dpi", "nat", "gi-lan"):
            archive = self.catena.settings.data_dir / f"{name}.csar"
            build_package(SAMPLES / name, archive)
            kind = DescriptorKind.NS if name == "gi-lan" else DescriptorKind.VNF
            package = self.catena.services.catalogue.create(kind, DEFAULT_TENANT, {})
            package = self.catena.services.catalogue.upload(package.id, DEFAULT_TENANT, iter([archive.read_bytes()]))
            assert package.failure is None, package.failure
            descriptor_id = package.descriptor_id or ""
        return descriptor_id


def sample_inventory() -> Mapping[str, Any]:
    """The three hosts of the samples."""
    document = document_from_text((SAMPLES / "inventory" / "gi-lan.yaml").read_text(encoding="utf-8"), "Inventory")
    assert isinstance(document, dict)
    return document


def small_hosts(count: int) -> Mapping[str, Any]:
    """Very many hosts of two cores."""
    node = {"id": 0, "socket": 0, "cores": [[0], [1]], "memoryMib": 1024}
    hosts: Sequence[Mapping[str, Any]] = [{"name": f"n{number:03}", "numaNodes": [node]} for number in range(count)]
    return {"apiVersion": "catena/v1", "kind": "Inventory", "hosts": hosts}


@contextlib.contextmanager
def serving(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server on the simulated tier with no hosts yet, listening."""
    lost: dict[str, str] = {}
    paths = LosablePaths(lost)
    monkeypatch.setattr(bootstrap, "_simulated_paths", lambda *_: paths)
    settings = Settings(data_dir=directory, tier=Tier.SIMULATED, lab="web")
    catena = bootstrap.build(settings, vims={bootstrap.LOCAL_VIM: LosableVim(directory, lost)})
    elsewhere(catena.start)
    server = Server(catena, paths, lost)
    try:
        server.listen()
        yield server
    finally:
        server.hang_up()
        assert elsewhere(catena.stop), "operations were still running"

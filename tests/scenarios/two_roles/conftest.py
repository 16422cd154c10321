"""An NFVO and a VNFM that meet over HTTP only: two servers of one test process, each with a store of its own."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from mano.adapters.clock import SystemClock
from mano.adapters.sfc_paths_simulated import SimulatedServicePaths
from mano.adapters.store import SqlStore
from mano.adapters.vim_simulated import SimulatedVim
from mano.adapters.vim_simulated.faults import Faults
from mano.bootstrap import Catena, build
from mano.domain.access import AccessRole, Client, Credentials, to_document
from mano.settings import Limits, Listener, Peer, Peers, Role, Settings, Tier
from tests.api.conftest import Api
from tests.scenarios.main_job.conftest import InlineEngine, Job, built_archives
from tests.scenarios.operations.conftest import growing, scalable, variant

ADMIN_TOKEN = "administrator-of-both-for-tests"
SECRET = "secret-of-the-other-side"
TENANT_CLIENT = Client(
    "tenant", "secret-of-a-tenant-client", "11111111-1111-4111-8111-111111111111", frozenset({AccessRole.TENANT})
)


@dataclass
class Side:
    """One functional block."""

    catena: Catena
    api: Api
    listener: socket.socket
    server: uvicorn.Server | None = None
    thread: threading.Thread | None = None

    def serve(self) -> None:
        """Answer from now on."""
        config = uvicorn.Config(
            self.catena.application(), log_level="error", lifespan="off", timeout_graceful_shutdown=2
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, args=([self.listener],), daemon=True)
        self.thread.start()

    def stop(self) -> None:
        assert self.server is not None and self.thread is not None
        self.server.should_exit = True
        self.thread.join(20)
        self.listener.close()
        self.catena.stop()


@dataclass
class Pair:
    """Both, over one simulated VIM; ``job`` asks the NFVO as its users do."""

    nfvo: Side
    vnfm: Side
    vim: SimulatedVim
    job: Job
    credentials: list[Path] = field(default_factory=list)

    def left(self) -> dict[str, int]:
        """What either store or the VIM holds of VNFs and services."""
        with self.vnfm.catena.store.open_unit(read_only=True) as uow:
            there = len(uow.vnf_instances.list())
        return self.job.held() | ({"VNF instances of the VNFM": there} if there else {})


@pytest.fixture(scope="session")
def archives(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The sample packages, built once; dpi and firewall can be scaled."""
    directory = tmp_path_factory.mktemp("archives")
    made = built_archives(directory)
    made |= {name: variant(name, directory, partial(scalable, vdu=name)) for name in ("dpi", "firewall")}
    return made | {"gi-lan": variant("gi-lan", directory, growing)}


@pytest.fixture
def make_pair(tmp_path: Path, archives: dict[str, Path]) -> Iterator[Callable[..., Pair]]:
    """Makes the pair; ``limits`` are the NFVO's, ``identifiers`` those of the VNFM."""
    with _maker(tmp_path, archives) as make:
        yield make


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory, archives: dict[str, Path]) -> Iterator[Pair]:
    """A pair with the sample network service, for all who only ask."""
    with _maker(tmp_path_factory.mktemp("standing"), archives) as make:
        pair = make()
        pair.job.instantiate(pair.job.ready())
        yield pair


@contextlib.contextmanager
def pair_in(directory: Path, archives: dict[str, Path]) -> Iterator[Pair]:
    """A pair in a directory of its own."""
    with _maker(directory, archives) as make:
        yield make()


@contextlib.contextmanager
def _maker(tmp_path: Path, archives: dict[str, Path]) -> Iterator[Callable[..., Pair]]:
    with contextlib.ExitStack() as stack:

        def make(limits: Limits | None = None, identifiers: tuple[str, ...] = ()) -> Pair:
            vim = SimulatedVim(tmp_path / "vim")
            listeners = {role: bound_socket() for role in (Role.NFVO, Role.VNFM)}
            urls = {role: f"http://127.0.0.1:{bound.getsockname()[1]}" for role, bound in listeners.items()}
            peers = {
                Role.NFVO: Peers(vnfms=(Peer(urls[Role.VNFM], "catena", SECRET, identifiers=identifiers),)),
                Role.VNFM: Peers(nfvo=Peer(urls[Role.NFVO], "catena", SECRET)),
            }
            sides = {}
            for role, bound in listeners.items():
                settings = Settings(
                    data_dir=tmp_path / role.value,
                    role=role,
                    peers=peers[role],
                    listen=Listener("127.0.0.1", bound.getsockname()[1]),
                    tier=Tier.SIMULATED,
                    drain_s=0.01,
                    watches=False,
                    limits=limits or Limits(),
                )
                write_credentials(settings.data_dir)
                catena = build(settings, vims={"local": vim}, paths=SimulatedServicePaths(), engine=inline_engine)
                sides[role] = Side(catena, Api(bound.getsockname()[1], token=ADMIN_TOKEN), bound)
                sides[role].serve()
                stack.callback(sides[role].stop)
            for side in sides.values():
                side.catena.start()
            nfvo = sides[Role.NFVO]
            job = Job(nfvo.catena, vim, Faults((), sleep=lambda _: None), archives)
            return Pair(nfvo, sides[Role.VNFM], vim, job)

        yield make


@pytest.fixture
def pair(make_pair: Callable[..., Pair]) -> Pair:
    """The pair as it is by default."""
    return make_pair()


def bound_socket() -> socket.socket:
    made = socket.socket()
    made.bind(("127.0.0.1", 0))
    made.listen(64)
    return made


def inline_engine(store: SqlStore) -> Any:
    return InlineEngine(store, SystemClock())


def write_credentials(directory: Path) -> None:
    import json

    directory.mkdir()
    credentials = Credentials(
        ADMIN_TOKEN, "signing-key-for-tests-only-0123456789", (Client("catena", SECRET), TENANT_CLIENT)
    )
    path = directory / "credentials.json"
    path.touch(0o600)
    path.write_text(json.dumps(to_document(credentials)))

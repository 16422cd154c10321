"""A real server on a free port of the loopback, over a real store, spoken to with the standard library's client."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from mano.adapters.store import SqlStore, make_engines, upgrade
from mano.api.app import create_app
from mano.api.auth import Tokens
from mano.api.config import ApiConfig
from mano.api.services import Services
from mano.domain.access import AccessRole, Client, Credentials
from mano.settings import Limits
from tests.api.world import World

ADMIN_TOKEN = "admin-token-for-tests-only"
TENANT_A = "11111111-1111-4111-8111-111111111111"
CREDENTIALS = Credentials(
    ADMIN_TOKEN,
    "signing-key-for-tests-only-0123456789",
    (
        Client("catena", "secret-of-catena-client"),
        Client("a", "secret-of-tenant-a-client", TENANT_A, frozenset({AccessRole.TENANT})),
    ),
)
LIMITS = Limits(json_body=1 << 20, archive=8 << 20, upload_pause_s=2.0, event_heartbeat_s=0.2, page_size=3)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def problem(self) -> dict[str, Any]:
        """The problem details, which every error must be."""
        assert self.headers["content-type"] == "application/problem+json", (self.status, self.body[:300])
        document = self.json
        assert document["status"] == self.status
        assert document["detail"] and document["title"] and document["type"] and document["code"]
        assert isinstance(document, dict)
        return document


@dataclass
class Api:
    """A client that sends what it is told to, and the admin's token and a Version unless told otherwise."""

    port: int
    token: str | None = ADMIN_TOKEN
    version: str | None = None
    defaults: dict[str, str] = field(default_factory=dict)

    def call(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str | None] | None = None, **options: Any
    ) -> Answer:
        sent: dict[str, str | None] = {"Host": f"127.0.0.1:{self.port}", **self.defaults}
        if self.token is not None:
            sent["Authorization"] = f"Bearer {self.token}"
        version = self.version or _newest(path)
        if version:
            sent["Version"] = version
        payload = body
        if body is not None and not isinstance(body, bytes) and not hasattr(body, "__next__"):
            payload = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        sent.update(headers or {})
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        with contextlib.closing(connection):
            final = {name: value for name, value in sent.items() if value is not None}
            connection.request(method, path, payload, final, **options)
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())

    def get(self, path: str, **headers: str) -> Answer:
        return self.call("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        return self.call("POST", path, body, {name.replace("_", "-"): value for name, value in headers.items()})


def _newest(path: str) -> str | None:
    from mano.api.api_versions import ROOTS

    return next((root.version for prefix, root in ROOTS.items() if path.startswith(prefix + "/")), None)


@contextlib.contextmanager
def serving(services: Services, config: ApiConfig) -> Iterator[Api]:
    """The application behind uvicorn, in a thread."""
    app = create_app(services, config)
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", timeout_graceful_shutdown=2, lifespan="off")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < deadline and thread.is_alive(), "the server did not start"
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield Api(port)
    finally:
        app.state.stopping.set()
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlStore]:
    engines = make_engines(f"sqlite:///{tmp_path_factory.mktemp('store') / 'catena.db'}")
    upgrade(engines)
    store = SqlStore(engines)
    yield store
    store.close()


class Well:
    """A server whose parts are as ``faults`` says."""

    def __init__(self) -> None:
        self.faults: dict[str, str] = {"database": ""}

    def checks(self) -> Mapping[str, str]:
        return self.faults


@pytest.fixture(scope="module")
def health() -> Well:
    return Well()


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    (folder / "index.html").write_text("<!doctype html><title>dashboard</title>")
    (folder / "assets").mkdir()
    (folder / "assets" / "index-1a2b.js").write_text("1;")
    (folder.parent / "secret.txt").write_text("secret beside the bundle")
    (folder / "escape").symlink_to(folder.parent / "secret.txt")
    return folder


@pytest.fixture(scope="module")
def world(store: SqlStore, health: Well, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(store, tmp_path_factory.mktemp("world"), health)
    yield made
    made.close()


@pytest.fixture(scope="module")
def served(world: World) -> Iterator[Api]:
    """A server over the whole world."""
    with serving(world.services, ApiConfig(credentials=CREDENTIALS, limits=LIMITS)) as api:
        yield api


@pytest.fixture(scope="module")
def tenant_a(served: Api) -> Api:
    """The same server, as another tenant."""
    return replace(served, token=Tokens(CREDENTIALS).issue(CREDENTIALS.clients[1], 600))

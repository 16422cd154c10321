"""Chromium, the bundle, and servers to show."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, ViewportSize, expect, sync_playwright

from mano import bootstrap
from scripts import dashboard
from tests.plugins.tiers import BROWSERS
from tests.web.network_service import Server, sample_inventory, serving

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WINDOW: ViewportSize = {"width": 1440, "height": 900}
PATIENCE_MS = 30_000


@pytest.fixture(autouse=True)
def patience() -> None:
    """A busy machine may take long to draw."""
    expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="session")
def bundle() -> Path:
    """The built page, of these very sources."""
    dashboard.provide()
    assert dashboard.BUNDLE == bootstrap.DASHBOARD
    return dashboard.BUNDLE


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    """A browser with a profile of its own."""
    program = next(path for path in map(shutil.which, BROWSERS) if path)
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("profile"), executable_path=program, args=FLAGS, viewport=WINDOW
        )
        context.set_default_timeout(PATIENCE_MS)
        yield context
        context.close()


class Tab:
    """A page, what it complained of, and whom it asked."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.asked: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._hear)
        page.on("request", lambda request: self.asked.append(request.url))

    def _hear(self, said: ConsoleMessage) -> None:
        if said.type == "error":
            self.complaints.append(f"{said.text} {said.location['url']}")

    def open(self, server: Server, *, with_token: bool = True) -> Page:
        """Load the dashboard as ``mano serve`` tells its address."""
        self.page.goto(f"{server.url}/ui/" + (f"#token={server.token}" if with_token else ""))
        return self.page


@pytest.fixture
def tab(chromium: BrowserContext) -> Iterator[Tab]:
    """A tab that knows nothing of others."""
    page = chromium.new_page()
    yield Tab(page)
    page.close()


@pytest.fixture(scope="module")
def _patches() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patches:
        yield patches


@pytest.fixture(scope="module")
def gilan(bundle: Path, tmp_path_factory: pytest.TempPathFactory, _patches: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server with the sample network service on three hosts."""
    with serving(tmp_path_factory.mktemp("gilan"), _patches) as server:
        server.add_hosts(sample_inventory())
        server.instantiate()
        yield server


@pytest.fixture
def empty(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server without hosts."""
    with serving(tmp_path, monkeypatch) as server:
        yield server

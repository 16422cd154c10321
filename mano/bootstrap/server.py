"""A server as a whole: what starts, in which order, and what stops."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from mano.adapters.backup import RESTORED
from mano.adapters.store import SqlStore
from mano.api.config import ApiConfig
from mano.api.services import Services
from mano.bootstrap.aside import Aside
from mano.errors import CatenaError
from mano.nfvo.catalogue import Catalogue
from mano.nfvo.forwarding_graphs import ForwardingGraphs
from mano.ports.workflows import Story, Workflows
from mano.settings import Settings


class Engine(Workflows, Protocol):
    """What runs the operations: :class:`~mano.adapters.dbos_engine.DbosEngine`, or a test's own."""

    def register(self, story: Story) -> None:
        """Make a kind of operation known."""

    def acquire(self) -> None:
        """Take the right to run operations; raises Conflict while another server of this name has it."""

    def launch(self) -> None:
        """Begin to run operations, those first that a dead server left."""

    def stop(self) -> bool:
        """Let running steps end."""


@dataclass(frozen=True, slots=True)
class Catena:
    """One server's parts, built and not yet started."""

    settings: Settings
    services: Services
    config: ApiConfig
    engine: Engine
    store: SqlStore
    catalogue: Catalogue
    graphs: ForwardingGraphs
    beside: Sequence[Callable[[], None]]
    """What begins when operations run, in this order."""
    ends: Sequence[Callable[[], None]]
    """What ends before they stop, in this order."""
    rebuilt: Callable[[], None]
    """Tells subscribers that the lists which they follow come from a backup."""
    recoveries: Mapping[str, Callable[[], None]] = field(default_factory=dict)
    """What goes on with work that a dead server left, by what it is about."""
    aside: Aside = field(default_factory=Aside)
    """Where work is done that waits for hosts."""

    def start(self) -> None:
        """Recover what a dead server left half-done, bring the bridges up to what is stored, run operations.

        A host that hangs delays this by seconds only: what waits for it goes on beside the operations. Raises
        :class:`~mano.errors.Conflict` when another server works with the same database.
        """
        self.engine.acquire()
        self.catalogue.recover()
        self.aside.do("bridges", self._refresh)
        self.engine.launch()
        self.aside.do("recoveries", self._recover)
        if (self.settings.data_dir / RESTORED).exists():
            self.rebuilt()
            (self.settings.data_dir / RESTORED).unlink(missing_ok=True)
        for begin in self.beside:
            begin()

    def _refresh(self) -> None:
        try:
            self.graphs.refresh(())
        except CatenaError as error:
            _log("the bridges could not be brought up to date at start", error)

    def _recover(self) -> None:
        for what, recover in self.recoveries.items():
            try:
                recover()
            except CatenaError as error:
                _log(f"{what} could not be brought up to date at start", error)

    def stop(self) -> bool:
        """Let running steps end; False when some did not (leave by ``os._exit`` then)."""
        for end in self.ends:
            end()
        drained = self.engine.stop() and self.aside.wait()
        if drained:
            self.store.close()
        return drained

    def application(self) -> Any:
        """The ASGI application (FastAPI's) over the use cases."""
        from mano.api.app import create_app

        return create_app(self.services, self.config)


def _log(what: str, error: CatenaError) -> None:
    import structlog

    structlog.get_logger(__name__).error(what, **_facts(error))


def _facts(error: CatenaError) -> dict[str, Any]:
    return {"code": error.code, "detail": error.detail, "hint": error.hint}

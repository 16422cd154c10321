"""Coordinators over HTTP: clients of ``/lcmcoord/v1`` (SOL002 clause 10, SOL005 clause 12)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from mano.adapters.or_vnfm_http.peer import Answer, PeerClient
from mano.adapters.web_client import WebClient
from mano.assurance.coordinating import Coordinated
from mano.nfvo.coordination import NsCoordination
from mano.ports.clock import Clock
from mano.ports.coordination import Known, Reply
from mano.ports.repositories import UnitOfWorkFactory
from mano.ports.workflows import Story
from mano.settings import Settings
from mano.vnfm.coordination import VnfCoordination
from mano.vnfm.management import Management
from mano.vnfm.world import VnfmWorld

RESOURCE = "/lcmcoord/v1/coordinations"
VERSIONS = {"vnf": "1.0.0", "ns": "1.1.0"}
RETRY_MAX_S = 3600.0


class HttpCoordinator:
    """One OSS or element manager; ``level`` is ``vnf`` or ``ns``."""

    def __init__(self, peer: PeerClient, level: str) -> None:
        self._peer = peer
        self._level = level

    def ask(self, request: Mapping[str, Any]) -> Reply:
        """POST /coordinations."""
        return self._call("POST", RESOURCE, dict(request))

    def look(self, location: str) -> Reply:
        """GET the action."""
        return self._call("GET", location, None)

    def cancel(self, location: str) -> Reply:
        """POST its task resource. SOL005's OpenAPI document has no identifier in its path, its text has."""
        return self._call("POST", f"{location.rstrip('/')}/cancel", None)

    def _call(self, method: str, location: str, body: Any) -> Reply:
        answer = self._peer.once(method, location, body, {"Version": VERSIONS[self._level]})
        return reply_of(answer)


def reply_of(answer: Answer) -> Reply:
    """The parts of an answer that matter here; header names in any case."""
    headers = {name.lower(): value for name, value in answer.headers.items()}
    body = answer.body if isinstance(answer.body, dict) else None
    return Reply(answer.status, body, headers.get("location", ""), seconds(headers.get("retry-after", "")))


def seconds(text: str, now: datetime | None = None) -> float | None:
    """Retry-After (RFC 9110 section 10.2.3) in seconds, an hour at the most; ``None`` for what is neither form."""
    if text.isascii() and text.isdigit():
        return min(float(text[:10]), RETRY_MAX_S)
    try:
        until = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    wait = (until.replace(tzinfo=until.tzinfo or UTC) - (now or datetime.now(UTC))).total_seconds()
    return min(max(0.0, wait), RETRY_MAX_S)


def vnf_operations(
    settings: Settings, web: WebClient, world: VnfmWorld, management: Management
) -> Callable[[Story], Story]:
    """What makes an operation of the VNFM one that asks others."""
    found = VnfCoordination(world, management, _known(settings, web, "vnf"))
    return lambda story: Coordinated(story, found.actions_of, world.open_unit, world.clock, _root(settings))


def ns_operations(
    settings: Settings, web: WebClient, open_unit: UnitOfWorkFactory, clock: Clock
) -> Callable[[Story], Story]:
    """What makes an operation of the NFVO one that asks the OSS; without one it stays as it is."""
    known = _known(settings, web, "ns")
    found = NsCoordination(open_unit, known)
    if not known:
        return lambda story: story
    return lambda story: Coordinated(story, found.actions_of, open_unit, clock, _root(settings))


def _known(settings: Settings, web: WebClient, level: str) -> tuple[Known, ...]:
    return tuple(
        Known(HttpCoordinator(PeerClient(web, one.peer), level), one.descriptors, one.actions)
        for one in settings.coordinators
        if one.level == level
    )


def _root(settings: Settings) -> str:
    """Where the other side finds this server."""
    return f"{'https' if settings.tls_cert else 'http'}://{settings.listen}"

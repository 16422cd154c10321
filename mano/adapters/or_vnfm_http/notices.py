"""What foreign VNFMs tell of their operation occurrences, as it arrives.

Nothing that is told is believed: it says at which occurrence to look. Looking is done beside the answer, which the VNFM
gets at once; what is lost with the server, or finds no room, is seen when the occurrence is looked at anyway.
"""

from __future__ import annotations

import hashlib
import hmac
import queue
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from mano.adapters.or_vnfm_http.news import News
from mano.domain.lcm_op_occ import ENDED
from mano.domain.subscription import Authentication, AuthType
from mano.errors import CatenaError, Unreachable

USER = "vnfm"
WAITING = 1024
"""Notifications that wait for somebody to look."""

REMEMBERED = 4096
"""Identifiers of notifications that are known to have come already."""

_ENDED = frozenset(state.value for state in ENDED)


class Follows(Protocol):
    """What a notification makes look."""

    def follow(self, their_instance_id: str, their_occurrence_id: str) -> None:
        """An occurrence ended at the VNFM, perhaps one that nobody here asked for."""


@dataclass(frozen=True, slots=True)
class Teller:
    """One VNFM that tells, the resource that it tells at and how it proves there who it is (no kinds: not at all)."""

    key: str
    proof: Authentication
    vnfm: Follows
    news: News

    @property
    def path(self) -> str:
        """Its callback, on this server."""
        return f"/mano/v1/vnfm_notifications/{self.key}"


def teller_of(url: str, signing_key: str, vnfm: Follows, news: News) -> Teller:
    """The VNFM at this address: it has a callback and a password of its own, the same after a restart.

    Without a signing key, where nobody proves who he is, it has no password.
    """
    key = hashlib.sha256(url.encode()).hexdigest()[:32]
    if not signing_key:
        return Teller(key, Authentication(), vnfm, news)
    password = hmac.new(signing_key.encode(), f"vnfm-notifications {url}".encode(), hashlib.sha256).hexdigest()
    return Teller(key, Authentication(kinds=(AuthType.BASIC,), user_name=USER, password=password), vnfm, news)


class VnfmNotices:
    """Takes notifications from :meth:`start` to :meth:`stop`; implements the API's ``VnfmNotices``."""

    def __init__(self, tellers: Sequence[Teller]) -> None:
        self._tellers = {teller.key: teller for teller in tellers}
        self._known: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()
        self._waiting: queue.Queue[tuple[Teller, str, str] | None] = queue.Queue(WAITING)
        self._thread = threading.Thread(target=self._run, name="catena-vnfm-notices", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look at nothing more."""
        if self._thread.is_alive():
            self._waiting.put(None)
            self._thread.join(5)

    def admits(self, key: str, user_name: str, password: str) -> bool:
        """Is there such a callback, and are these its credentials?"""
        teller = self._tellers.get(key)
        if teller is None:
            return False
        if not teller.proof.kinds:
            return True
        given, right = f"{user_name}:{password}", f"{teller.proof.user_name}:{teller.proof.password}"
        return hmac.compare_digest(given.encode(), right.encode())

    def take(self, key: str, notification_id: str, instance_id: str, occurrence_id: str, state: str) -> None:
        """Take a notification; one that came already is nothing new. Raises Unreachable when there is no room."""
        teller = self._tellers[key]
        if self._is_known(f"{key} {notification_id}"):
            return
        teller.news.told(occurrence_id)
        if state not in _ENDED:
            return
        try:
            self._waiting.put_nowait((teller, instance_id, occurrence_id))
        except queue.Full:
            self._forget(f"{key} {notification_id}")
            raise Unreachable("too many notifications wait", hint="send it again later") from None

    def _is_known(self, name: str) -> bool:
        with self._lock:
            if name in self._known:
                return True
            self._known[name] = None
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
            return False

    def _forget(self, name: str) -> None:
        with self._lock:
            self._known.pop(name, None)

    def _run(self) -> None:
        while (one := self._waiting.get()) is not None:
            teller, instance_id, occurrence_id = one
            try:
                teller.vnfm.follow(instance_id, occurrence_id)
            except CatenaError as error:
                structlog.get_logger(__name__).warning("a VNFM's notification could not be followed", code=error.code)

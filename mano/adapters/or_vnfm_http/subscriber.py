"""The NFVO's subscription at a foreign VNFM (SOL003 clause 5.4.18): made, looked after, made again.

Where there is none (the VNFM has no subscriptions, cannot reach this server, or is down) its operations are asked for
one by one instead.
"""

from __future__ import annotations

import threading
from typing import Any

import structlog

from mano.adapters.or_vnfm_http.news import News
from mano.adapters.or_vnfm_http.peer import TENANT_HEADER, PeerClient
from mano.adapters.or_vnfm_http.vnfm import ROOT, VERSION
from mano.domain.ids import DEFAULT_TENANT
from mano.domain.subscription import Authentication, AuthType
from mano.errors import CatenaError, NotFound, Refused

SUBSCRIPTIONS = f"{ROOT}/subscriptions"
TYPE = "VnfLcmOperationOccurrenceNotification"
LOOK_AFTER_S = 60.0
"""How often it is looked whether the VNFM still has the subscription."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
"""Pauses between two attempts."""


class Subscriber:
    """One subscription, looked after from :meth:`start` to :meth:`stop`.

    ``callback`` is where the VNFM reaches this server, ``proof`` how it says there who it is.
    """

    def __init__(self, client: PeerClient, callback: str, proof: Authentication, news: News) -> None:
        self._client = client
        self._callback = callback
        self._proof = proof
        self._news = news
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="catena-vnfm-subscription", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; the subscription stays, and is found again at the next start."""
        self._stopping.set()

    def keep(self) -> None:
        """There is a subscription when this returns; raises what is in the way."""
        if not self._exists():
            self._subscribe()

    def _run(self) -> None:
        pause = FIRST_PAUSE_S
        while not self._stopping.is_set():
            try:
                self.keep()
            except CatenaError as error:
                self._news.flow(False)
                log = structlog.get_logger(__name__)
                log.warning(
                    "no subscription at a VNFM, it is asked instead", vnfm=self._client.peer.url, why=error.code
                )
                self._stopping.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE_S)
                continue
            self._news.flow(True)
            pause = FIRST_PAUSE_S
            self._stopping.wait(LOOK_AFTER_S)

    def _exists(self) -> bool:
        """Is it among those that the VNFM lists first? One further on is found by the answer 303."""
        found = self._client.call("GET", SUBSCRIPTIONS, DEFAULT_TENANT, version=VERSION).body
        known = found if isinstance(found, list) else ()
        return any(isinstance(each, dict) and each.get("callbackUri") == self._callback for each in known)

    def _subscribe(self) -> None:
        headers = {TENANT_HEADER: DEFAULT_TENANT, "Version": VERSION}
        answer = self._client.once("POST", SUBSCRIPTIONS, self._request(), headers)
        if answer.status == 404:
            raise NotFound("the VNFM has no subscriptions")
        if answer.status not in (201, 303):
            raise Refused(f"the VNFM answers {answer.status} to a subscription")

    def _request(self) -> dict[str, Any]:
        """LccnSubscriptionRequest."""
        request: dict[str, Any] = {"filter": {"notificationTypes": [TYPE]}, "callbackUri": self._callback}
        if AuthType.BASIC in self._proof.kinds:
            parameters = {"userName": self._proof.user_name, "password": self._proof.password}
            request["authentication"] = {"authType": ["BASIC"], "paramsBasic": parameters}
        return request

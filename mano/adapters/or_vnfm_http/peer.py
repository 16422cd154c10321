"""Calls to the other functional block: deadlines, repetition with growing pauses, errors in Catena's words.

Every call that is made here may be repeated: what it makes has an identifier that the caller chose. So a call that got
no answer, or a 503, is made again until the patience is over; the other side may have been killed and be coming back.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from mano.adapters.web_client import WebClient
from mano.domain.subscription import Authentication, AuthType
from mano.errors import (
    CatenaError,
    Conflict,
    DeadlineExceeded,
    InvalidInput,
    NotFound,
    Refused,
    Unreachable,
    error_from_document,
)
from mano.settings import Peer

TENANT_HEADER = "Catena-Tenant"
"""For which tenant an administrator acts."""

DEADLINE_S = 60.0
"""How long one answer may take: networks and chains follow before it is given."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 2.0
MAX_ANSWER = 16 << 20
LATER = frozenset({429, 503})
"""Statuses after which the same call may succeed."""

_BY_STATUS: Mapping[int, type[CatenaError]] = {400: InvalidInput, 404: NotFound, 409: Conflict, 403: Refused}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, with a JSON value in ``body`` where there was one."""

    status: int
    headers: Mapping[str, str]
    body: Any


class PeerClient:
    """The other side. ``patience_s`` bounds all repetitions of one call together."""

    def __init__(self, web: WebClient, peer: Peer, *, patience_s: float = 60.0) -> None:
        self.web = web
        self.peer = peer
        self._patience_s = patience_s

    @property
    def authentication(self) -> Authentication:
        """How this side proves who it is."""
        if not self.peer.client_id:
            return Authentication()
        if self.peer.basic:
            return Authentication(
                kinds=(AuthType.BASIC,), user_name=self.peer.client_id, password=self.peer.client_secret
            )
        return Authentication(
            kinds=(AuthType.OAUTH2_CLIENT_CREDENTIALS,),
            client_id=self.peer.client_id,
            client_password=self.peer.client_secret,
            token_endpoint=self.peer.token_endpoint or f"{self.peer.url}/oauth2/token",
        )

    def uri(self, location: str) -> str:
        """A path of the peer, or an absolute URI of the peer's own; raises InvalidInput for anybody else's."""
        if location.startswith("/"):
            return f"{self.peer.url}{location}"
        there, here = urlsplit(location), urlsplit(self.peer.url)
        if (there.scheme, there.netloc) != (here.scheme, here.netloc):
            raise InvalidInput("the other side points to an address that is not its own")
        return location

    def call(
        self,
        method: str,
        location: str,
        tenant_id: str,
        body: Any = None,
        *,
        version: str = "",
        key: str = "",
    ) -> Answer:
        """One call; raises what the other side's problem details say, Unreachable, or DeadlineExceeded.

        ``version`` is that of the API, ``key`` the identifier of what the call makes.
        """
        headers = {TENANT_HEADER: tenant_id}
        headers |= {"Version": version} if version else {}
        headers |= {"Idempotency-Key": key} if key else {}
        end, pause = time.monotonic() + self._patience_s, FIRST_PAUSE_S
        while True:
            problem: CatenaError
            try:
                answer = self.web.submit(self._once(method, self.uri(location), body, headers)).result()
                if answer.status == 401:
                    self.web.forget_token(self.authentication)
                if answer.status not in LATER and answer.status != 401:
                    return _checked(answer)
                problem = _problem(answer)
            except (Unreachable, DeadlineExceeded) as error:
                problem = error
            except CancelledError:
                raise Unreachable("this server stops") from None
            if time.monotonic() + pause > end:
                raise problem
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)

    def once(self, method: str, location: str, body: Any, headers: Mapping[str, str]) -> Answer:
        """One exchange, whatever the status; raises Unreachable and DeadlineExceeded where there is no answer."""
        try:
            answer = self.web.submit(self._once(method, self.uri(location), body, headers)).result()
        except CancelledError:
            raise Unreachable("this server stops") from None
        if answer.status == 401:
            self.web.forget_token(self.authentication)
        return answer

    async def _once(self, method: str, uri: str, body: Any, headers: Mapping[str, str]) -> Answer:
        deadline = DEADLINE_S
        async with self.web.request(
            method, uri, self.authentication, body=body, deadline_s=deadline, headers=headers
        ) as response:
            content = await response.content.read(MAX_ANSWER + 1)
            while not response.content.at_eof() and len(content) <= MAX_ANSWER:
                content += await response.content.read(MAX_ANSWER + 1 - len(content))
            if len(content) > MAX_ANSWER:
                raise InvalidInput("the other side's answer is too long")
            is_json = "json" in response.headers.get("Content-Type", "")
            return Answer(response.status, dict(response.headers), _json(content) if is_json and content else None)


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        raise InvalidInput("the other side's answer is not JSON") from None


def _checked(answer: Answer) -> Answer:
    if 200 <= answer.status < 300:
        return answer
    raise _problem(answer)


def _problem(answer: Answer) -> CatenaError:
    """The error that the problem details tell; by the status where they are not Catena's."""
    details = answer.body if isinstance(answer.body, dict) else {}
    text = str(details.get("detail") or details.get("title") or f"the other side answers {answer.status}")
    if "code" in details:
        return error_from_document({**details, "detail": text, "facts": details.get("facts") or {}})
    if answer.status in LATER or answer.status >= 500:
        return Unreachable(text)
    return _BY_STATUS.get(answer.status, CatenaError)(text)

"""The test of a callback at its subscription; implements :class:`mano.ports.notifier.Postman`."""

from __future__ import annotations

from concurrent.futures import TimeoutError as FutureTimeout

from mano.adapters.web_client import WebClient
from mano.domain.subscription import Authentication
from mano.errors import CallbackRefused, CatenaError

PATIENCE_S = 30.0


class WebPostman:
    """GETs callbacks."""

    def __init__(self, client: WebClient) -> None:
        self._client = client

    def probe(self, uri: str, authentication: Authentication) -> None:
        """The callback must answer GET with 204 (SOL003 clause 5.4.20.3.2)."""
        try:
            status = self._client.submit(self._get(uri, authentication)).result(PATIENCE_S)
        except FutureTimeout:
            raise _refused("it does not answer in time") from None
        except CatenaError as error:
            raise _refused(error.detail) from None
        if status != 204:
            raise _refused(f"a GET of it is answered with {status}, not 204")

    async def _get(self, uri: str, authentication: Authentication) -> int:
        async with self._client.request("GET", uri, authentication) as response:
            return response.status


def _refused(why: str) -> CallbackRefused:
    return CallbackRefused(
        f"the callback is no receiver of notifications: {why}",
        hint="a receiver answers GET with 204 and an empty body; authentication must fit it",
        facts={"pointer": "/callbackUri"},
    )

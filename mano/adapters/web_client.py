"""HTTP calls to others on behalf of clients: deadlines, no redirects, no proxies of the environment, checked addresses.

One event loop in a thread of its own, started at the first call; aiohttp is imported then.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Coroutine, Mapping
from concurrent.futures import Future
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from mano.adapters.web_addresses import AddressPolicy
from mano.domain.subscription import Authentication, AuthType
from mano.errors import DeadlineExceeded, InvalidInput, Unreachable
from mano.settings import Outbound

if TYPE_CHECKING:
    import aiohttp

T = TypeVar("T")

MAX_ANSWER = 64 << 10
"""Octets of an answer that are looked at."""

TOKEN_MARGIN_S = 10.0
DEFAULT_TOKEN_S = 300.0


class NotAllowed(OSError):
    """A name turned out to mean an address that may not be called."""


class WebClient:
    """Calls with the rules of :class:`mano.settings.Outbound`. Thread-safe; :meth:`close` ends the loop."""

    def __init__(self, outbound: Outbound) -> None:
        self.policy = AddressPolicy(outbound)
        self._outbound = outbound
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._session: aiohttp.ClientSession | None = None
        self._tokens: dict[tuple[str, str], tuple[str, float]] = {}

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine in the loop."""
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="catena-web", daemon=True)
                self._thread.start()
            return asyncio.run_coroutine_threadsafe(work, self._loop)

    def close(self) -> None:
        """End the session and the loop; calls under way are given up."""
        with self._lock:
            loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
        if loop is None or thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._end(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()

    async def _end(self) -> None:
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
            self._session = None
        await asyncio.sleep(0)

    @asynccontextmanager
    async def request(
        self,
        method: str,
        uri: str,
        authentication: Authentication,
        *,
        body: Any = None,
        deadline_s: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """One request, with the proof of identity that the other side takes.

        Raises :class:`~mano.errors.InvalidInput` for a URI that may not be called, :class:`~mano.errors.Unreachable`
        and :class:`~mano.errors.DeadlineExceeded`.
        """
        import aiohttp

        self.policy.require_uri(uri)
        sent = {"Accept": "application/json, */*;q=0.5"} | dict(headers or {}) | await self._proof(authentication)
        timeout = aiohttp.ClientTimeout(
            total=deadline_s or self._outbound.deadline_s, sock_connect=self._outbound.deadline_s
        )
        try:
            async with self._open().request(
                method, uri, json=body, headers=sent, timeout=timeout, allow_redirects=False
            ) as response:
                yield response
        except TimeoutError as error:
            raise DeadlineExceeded("the other side does not answer in time") from error
        except aiohttp.ClientConnectorError as error:
            raise _unreachable(error.os_error) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Unreachable(f"the other side cannot be called ({type(error).__name__})") from error

    def _open(self) -> aiohttp.ClientSession:
        import aiohttp

        if self._session is None or self._session.closed:
            connector = aiohttp.TCPConnector(
                ssl=self._tls(), limit_per_host=8, keepalive_timeout=15, socket_factory=self._checked_socket
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                trust_env=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                headers={"User-Agent": "catena"},
            )
        return self._session

    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if self._outbound.ca_file is not None:
            context.load_verify_locations(self._outbound.ca_file)
        if self._outbound.cert_file is not None and self._outbound.key_file is not None:
            context.load_cert_chain(self._outbound.cert_file, self._outbound.key_file)
        return context

    def _checked_socket(self, address: Any) -> socket.socket:
        """The socket of a connection, made only for an address that may be called."""
        family, kind, protocol, _, where = address
        if not self.policy.allows(ipaddress.ip_address(str(where[0]).partition("%")[0])):
            raise NotAllowed("this address may not be called")
        return socket.socket(family, kind, protocol)

    async def _proof(self, authentication: Authentication) -> dict[str, str]:
        if AuthType.OAUTH2_CLIENT_CREDENTIALS in authentication.kinds:
            return {"Authorization": f"Bearer {await self._token(authentication)}"}
        if AuthType.BASIC in authentication.kinds:
            return {"Authorization": _basic(authentication.user_name, authentication.password)}
        return {}

    async def _token(self, authentication: Authentication) -> str:
        """A token of the receiver's authorisation server (RFC 6749 clause 4.4), kept until it expires."""
        import aiohttp

        now = asyncio.get_running_loop().time()
        key = (authentication.token_endpoint, authentication.client_id)
        kept = self._tokens.get(key)
        if kept is not None and kept[1] > now:
            return kept[0]
        self.policy.require_uri(authentication.token_endpoint)
        headers = {"Authorization": _basic(authentication.client_id, authentication.client_password)}
        try:
            async with self._open().post(
                authentication.token_endpoint,
                data={"grant_type": "client_credentials"},
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=self._outbound.deadline_s),
                allow_redirects=False,
            ) as response:
                if response.status != 200:
                    raise Unreachable(f"the token endpoint answers {response.status}")
                answer = await response.json(content_type=None)
                token, lifetime = str(answer["access_token"]), float(answer.get("expires_in", DEFAULT_TOKEN_S))
        except TimeoutError as error:
            raise DeadlineExceeded("the token endpoint does not answer in time") from error
        except (aiohttp.ClientError, OSError, ValueError, KeyError, TypeError) as error:
            raise Unreachable(f"the token endpoint gives no token ({type(error).__name__})") from error
        self._tokens[key] = (token, now + max(lifetime - TOKEN_MARGIN_S, 0.0))
        return token

    def forget_token(self, authentication: Authentication) -> None:
        """The receiver refused the token: ask for a new one next time."""
        self._tokens.pop((authentication.token_endpoint, authentication.client_id), None)


def _basic(user: str, password: str) -> str:
    """RFC 7617, in UTF-8."""
    from base64 import b64encode

    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


def _unreachable(error: OSError | None) -> Exception:
    if isinstance(error, NotAllowed):
        return InvalidInput("the URI's name means an address that this server does not call")
    reason = (error.strerror if error else "") or "no connection"
    return Unreachable(f"nobody answers there ({reason})")

"""``/vnflcm/v1`` for older clients: the resources of the newest version under the name that these know.

SOL003 v2 and v3 differ in what is added, and attributes that a client does not know pass it by (SOL013 clause 5.6).
So a request below the old root is served as one below the new root, and the links in its answer lead back to the old.
"""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mano.api.api_versions import VNFLCM, VNFLCM_1

OLD, NEW = f"{VNFLCM_1.prefix}/", f"{VNFLCM.prefix}/"
assert len(OLD) == len(NEW), "an answer keeps its length"
_LINKS = ("location", "link")
_JSON = ("application/json", "application/problem+json")
_OWN = frozenset({"api_versions"})


class OlderApi:
    """An ASGI layer below the version negotiation, which has judged the old root's ``Version`` already."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve by the new root."""
        path = scope["path"] if scope["type"] == "http" else ""
        if not path.startswith(OLD) or path[len(OLD) :] in _OWN:
            await self.app(scope, receive, send)
            return
        is_json = False

        async def send_back(message: Message) -> None:
            nonlocal is_json
            if message["type"] == "http.response.start":
                kind = Headers(raw=message["headers"]).get("content-type", "").partition(";")[0]
                is_json = kind in _JSON
                headers = MutableHeaders(scope=message)
                for name in _LINKS:
                    if name in headers:
                        headers[name] = headers[name].replace(NEW, OLD)
            elif message["type"] == "http.response.body" and is_json:
                message = {**message, "body": message.get("body", b"").replace(NEW.encode(), OLD.encode())}
            await send(message)

        # in place, so that the layers above count the request under the resource that answers it
        scope["path"] = NEW + path[len(OLD) :]
        scope["raw_path"] = scope["path"].encode()
        await self.app(scope, receive, send_back)

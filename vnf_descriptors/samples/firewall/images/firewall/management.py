"""The function's configuration interface (ETSI GS NFV-SOL 002 clause 9) on its management connection point.

``GET`` and ``PATCH`` of ``/vnfconfig/v1/configuration``, with the token from the boot data and nothing else. A change
is a JSON merge patch (RFC 7396); it is carried out before it is answered, and one that cannot be changes nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_interface
from typing import Any

from vnf import BadConfiguration, Interface, Vnf

PORT = 8080
RESOURCE = "/vnfconfig/v1/configuration"
VERSIONS = {"uriPrefix": "/vnfconfig/v1", "apiVersions": [{"version": "1.3.0"}]}
BODY_MAX = 64 * 1024
TIMEOUT_S = 10.0

Apply = Callable[[dict[str, Any]], None]


class Configuration:
    """The VnfConfiguration as it is carried out; ``apply`` takes the VNF's own values or raises BadConfiguration."""

    def __init__(self, apply: Apply) -> None:
        self._apply = apply
        self._lock = threading.Lock()
        self.document: dict[str, Any] = {"vnfConfigurationData": {"vnfSpecificData": {}}}

    @property
    def tag(self) -> str:
        """The entity tag of the present document."""
        return f'"{hashlib.sha256(json.dumps(self.document, sort_keys=True).encode()).hexdigest()[:16]}"'

    def patch(self, changes: Mapping[str, Any], expected: str | None) -> bool:
        """Carry out changes; False when the configuration is another one than was ``expected``."""
        with self._lock:
            if expected not in (None, "*", self.tag):
                return False
            after = merged(self.document, changes)
            values = _values(after)
            if values != _values(self.document):
                self._apply(values)
            self.document = after
            return True


def merged(target: Any, patch: Any) -> Any:
    """A JSON merge patch (RFC 7396 section 2)."""
    if not isinstance(patch, Mapping):
        return patch
    found = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            found.pop(key, None)
        else:
            found[key] = merged(found.get(key), value)
    return found


def _values(document: Mapping[str, Any]) -> dict[str, Any]:
    data = document.get("vnfConfigurationData")
    found = data.get("vnfSpecificData", {}) if isinstance(data, Mapping) else None
    if not isinstance(found, Mapping):
        raise BadConfiguration("vnfConfigurationData.vnfSpecificData is an object")
    return dict(found)


def serve(vnf: Vnf, interface: Interface, apply: Apply) -> None:
    """Serve on the interface's addresses until the function ends; without a token in the boot data on none."""
    given = vnf.user_data.get("catenaManagement")
    token = str(given.get("token", "")) if isinstance(given, Mapping) else ""
    if not token:
        return
    configuration = Configuration(apply)
    for address in map(ip_interface, interface.addresses):
        server = _Server((str(address.ip), PORT), _handler(vnf, configuration, token), address.version)
        threading.Thread(target=server.serve_forever, name="management", daemon=True).start()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, where: tuple[str, int], handler: type[BaseHTTPRequestHandler], version: int) -> None:
        self.address_family = socket.AF_INET6 if version == 6 else socket.AF_INET
        super().__init__(where, handler)


def _handler(vnf: Vnf, configuration: Configuration, token: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        server_version, sys_version = "catena-sample", ""
        timeout = TIMEOUT_S

        def do_GET(self) -> None:
            if not self._may():
                return
            if self.path == "/vnfconfig/v1/api_versions":
                self._answer(200, VERSIONS)
            elif self.path == RESOURCE:
                self._answer(200, configuration.document, {"ETag": configuration.tag})
            else:
                self._refuse(404, "there is no such resource")

        def do_PATCH(self) -> None:
            if not self._may():
                return
            length = self.headers.get("Content-Length", "")
            if self.path != RESOURCE:
                self._refuse(404, "there is no such resource")
            elif not (length.isascii() and length.isdigit() and int(length) <= BODY_MAX):
                self._refuse(413, f"a change has at most {BODY_MAX} octets")
            else:
                self._change(self.rfile.read(int(length)))

        def _change(self, body: bytes) -> None:
            try:
                changes = json.loads(body)
            except (ValueError, RecursionError):
                changes = None
            if not isinstance(changes, dict):
                self._refuse(400, "a change is a JSON object")
                return
            try:
                done = configuration.patch(changes, self.headers.get("If-Match"))
            except (BadConfiguration, RuntimeError, TypeError) as error:
                vnf.log("refused a change", detail=str(error)[:500])
                self._refuse(422, str(error)[:500])
                return
            if not done:
                self._refuse(412, "the configuration changed meanwhile")
                return
            vnf.log("configured anew")
            self._answer(200, changes, {"ETag": configuration.tag})

        def _may(self) -> bool:
            given = self.headers.get("Authorization", "")
            if hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
                return True
            self._refuse(401, "the token of the boot data is asked for", {"WWW-Authenticate": "Bearer"})
            return False

        def _refuse(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
            self._answer(status, {"status": status, "detail": detail}, headers, "application/problem+json")

        def _answer(
            self,
            status: int,
            document: Mapping[str, Any],
            headers: Mapping[str, str] | None = None,
            kind: str = "application/json",
        ) -> None:
            body = json.dumps(document).encode()
            self.send_response(status)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """What matters is in the function's own log."""

    return Handler

"""An NFVO of somebody else's: it knows SOL003's text and nothing of Catena.

It holds packages, decides on grants at once (201) or after a while (202), subscribes to what happens to its VNFs, and
drives a VNFM. It asks for a name and a password (RFC 7617) from whoever calls it.
"""

from __future__ import annotations

import base64
import http.server
import json
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

USER, PASSWORD = "their-vnfm", "what only both know"
Answer = tuple[int, Any, str]
"""(status, body, Location)."""


@dataclass
class ForeignServer:
    """What it holds, what it was asked and told, and how it decides."""

    url: str = ""
    vnfm: str = ""
    token: str = ""
    patient: bool = False
    """Decide later: answer 202, and 202 again at the first look."""
    refuses: str = ""
    """The operation that is not granted."""
    packages: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    """VNFD to (package, archive)."""
    grants: dict[str, dict[str, Any]] = field(default_factory=dict)
    pending: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[dict[str, Any]] = field(default_factory=list)
    told: list[dict[str, Any]] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    """Calls of what SOL003 does not have."""

    # What a VNFM asks

    def answer(self, method: str, path: str, body: Any) -> Answer:
        kind, _, rest = path.lstrip("/").partition("/")
        if kind == "told":
            if method == "POST":
                self.told.append(body)
            return 204, None, ""
        if kind == "grant":
            return self._grant(method, rest, body)
        if kind == "vnfpkgm" and method == "GET":
            return self._package(rest)
        self.strange.append(f"{method} {path}")
        return 403, {"status": 403, "detail": "there is no such interface here"}, ""

    def _grant(self, method: str, rest: str, body: Any) -> Answer:
        _, _, id = rest.partition("v1/grants")
        id = id.lstrip("/")
        if method == "POST":
            self.asked.append(body)
            if body["operation"] == self.refuses:
                return 403, {"status": 403, "detail": "the tenant has not paid"}, ""
            id = str(uuid.uuid4())
            granted = self._decided(id, body)
            where = f"{self.url}/grant/v1/grants/{id}"
            if not self.patient:
                self.grants[id] = granted
                return 201, granted, where
            self.pending[id] = granted
            return 202, None, where
        if id in self.pending:
            self.grants[id] = self.pending.pop(id)
            return 202, None, ""
        return (200, self.grants[id], "") if id in self.grants else (404, {"status": 404, "detail": "none"}, "")

    def _decided(self, id: str, request: dict[str, Any]) -> dict[str, Any]:
        """Grant (clause 9.5.2.3): in which zone, and not a word of CPUs."""
        grant: dict[str, Any] = {
            "id": id,
            "vnfInstanceId": request["vnfInstanceId"],
            "vnfLcmOpOccId": request["vnfLcmOpOccId"],
            "_links": {"self": {"href": f"{self.url}/grant/v1/grants/{id}"}, **request["_links"]},
        }
        for name in ("addResources", "removeResources"):
            if request.get(name):
                grant[name] = [{"resourceDefinitionId": one["id"]} for one in request[name]]
        if "addResources" in grant:
            grant["zones"] = [{"id": "z", "zoneId": "nova", "vimConnectionId": "vim"}]
            for one in grant["addResources"]:
                one["zoneId"] = "z"
        return grant

    def _package(self, rest: str) -> Answer:
        parts = rest.split("/")
        for vnfd_id, (package_id, archive) in self.packages.items():
            if parts[1:] == ["onboarded_vnf_packages", vnfd_id]:
                info = {
                    "id": package_id,
                    "vnfdId": vnfd_id,
                    "operationalState": "ENABLED",
                    "onboardingState": "ONBOARDED",
                    "usageState": "NOT_IN_USE",
                    "checksum": {"algorithm": "SHA-256", "hash": "0" * 64},
                }
                return 200, info, ""
            if parts[1:] == ["vnf_packages", package_id, "package_content"]:
                return 200, archive, ""
        return 404, {"status": 404, "detail": "there is no such package"}, ""

    # What it asks a VNFM

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any, str]:
        """(status, body, Location)."""
        headers = {"Version": "2.3.0", "Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.vnfm}{path}", content, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                text = answer.read()
                return answer.status, json.loads(text) if text else None, answer.headers.get("Location", "")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read() or b"null"), ""

    def run(self, vnf: str, task: str, body: Any) -> dict[str, Any]:
        """An operation of a VNF, from its request to its end."""
        status, problem, location = self.call("POST", f"/vnflcm/v2/vnf_instances/{vnf}/{task}", body)
        assert status == 202, problem
        deadline = time.monotonic() + 120
        while True:
            _, found, _ = self.call("GET", location.removeprefix(self.vnfm))
            if found["operationState"] not in ("STARTING", "PROCESSING", "ROLLING_BACK"):
                assert isinstance(found, dict)
                return found
            assert time.monotonic() < deadline, found
            time.sleep(0.1)


@contextmanager
def foreign_nfvo() -> Iterator[ForeignServer]:
    """Such a server, listening."""
    other = ForeignServer()
    proof = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    class Handler(http.server.BaseHTTPRequestHandler):
        def handle_all(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answered: Answer = (401, {"status": 401, "detail": "who are you?"}, "")
            if self.headers.get("Authorization") == proof:
                path = self.path.partition("?")[0]
                answered = other.answer(self.command, path, json.loads(content) if content else None)
            status, body, location = answered
            text = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
            kind = "application/zip" if isinstance(body, bytes) else "application/json"
            self.send_response(status)
            if location:
                self.send_header("Location", location)
            self.send_header("Content-Type", kind if status < 400 else "application/problem+json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = handle_all

        def log_message(self, *_: Any) -> None:
            """Not to the test's output."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    other.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield other
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def package_of(archive: Path) -> tuple[str, bytes]:
    """A package as it holds it."""
    return str(uuid.uuid4()), archive.read_bytes()

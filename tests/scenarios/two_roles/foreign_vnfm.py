"""A VNFM of somebody else's: it knows SOL003's text and nothing of Catena."""

from __future__ import annotations

import base64
import http.server
import json
import threading
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class ForeignServer:
    """Serves ``/vnflcm/v2`` with identifiers of its own; asks the NFVO for a grant when it is to instantiate."""

    url: str = ""
    nfvo: str = ""
    token: str = ""
    instances: dict[str, dict[str, Any]] = field(default_factory=dict)
    operations: dict[str, dict[str, Any]] = field(default_factory=dict)
    grants: list[dict[str, Any]] = field(default_factory=list)
    requests: list[tuple[str, str, Any]] = field(default_factory=list)
    subscriptions: dict[str, dict[str, Any]] = field(default_factory=dict)
    told: int = 0

    def looks(self, path: str) -> int:
        """How often somebody looked there."""
        return [(method, place) for method, place, _ in self.requests].count(("GET", f"/vnflcm/v2/{path}"))

    def begins(self, operation: str, instance_id: str, body: Any) -> str:
        """An operation that nobody asked for."""
        _, _, location = self._start(self.instances[instance_id], operation, body)
        return location.rpartition("/")[2]

    def tell(self, occurrence_id: str, *, again: bool = False) -> list[int]:
        """Notify every subscriber of an occurrence as it is now; what they answer."""
        self.told += 0 if again else 1
        occurrence = self.operations[occurrence_id]
        notification = {
            "id": f"notification-{self.told}",
            "notificationType": "VnfLcmOperationOccurrenceNotification",
            "timeStamp": "2026-01-02T03:04:05Z",
            "notificationStatus": "RESULT",
            "operationState": occurrence["operationState"],
            "operation": occurrence["operation"],
            "vnfInstanceId": occurrence["vnfInstanceId"],
            "vnfLcmOpOccId": occurrence_id,
        }
        return [self._call_back(one, notification) for one in self.subscriptions.values()]

    def _call_back(self, subscription: Any, notification: Any) -> int:
        """POST a notification, or test the callback by GET without one."""
        headers = {"Content-Type": "application/json"}
        basic = subscription.get("authentication", {}).get("paramsBasic")
        if basic:
            pair = f"{basic['userName']}:{basic['password']}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        content = json.dumps(notification).encode() if notification else None
        call = urllib.request.Request(subscription["callbackUri"], content, headers)
        try:
            with urllib.request.urlopen(call, timeout=20) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    def _subscribe(self, method: str, body: Any) -> tuple[int, Any, str]:
        if method == "GET":
            return 200, [{"id": id, "callbackUri": one["callbackUri"]} for id, one in self.subscriptions.items()], ""
        if self._call_back(body, None) != 204:
            return 422, {"status": 422, "detail": "nobody is there"}, ""
        id = str(uuid.uuid4())
        self.subscriptions[id] = body
        return 201, {"id": id, "callbackUri": body["callbackUri"]}, f"{self.url}/vnflcm/v2/subscriptions/{id}"

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any, str]:
        """(status, body, Location)."""
        self.requests.append((method, path, body))
        _, _, _, kind, *rest = path.partition("?")[0].split("/")
        if kind == "vnf_instances":
            return self._instances(method, rest, body)
        if kind == "subscriptions":
            return self._subscribe(method, body)
        found = self.operations if not rest else self.operations.get(rest[0])
        if found is None:
            return 404, {"status": 404, "detail": "no such occurrence"}, ""
        return 200, (list(self.operations.values()) if not rest else found), ""

    def _instances(self, method: str, rest: list[str], body: Any) -> tuple[int, Any, str]:
        if not rest:
            if method == "GET":
                return 200, list(self.instances.values()), ""
            id = str(uuid.uuid4())
            self.instances[id] = {
                "id": id,
                "vnfInstanceName": body["vnfInstanceName"],
                "vnfdId": body["vnfdId"],
                "vnfProvider": "Acme",
                "vnfProductName": "box",
                "vnfSoftwareVersion": "1",
                "vnfdVersion": "1",
                "instantiationState": "NOT_INSTANTIATED",
                "metadata": body["metadata"],
            }
            return 201, self.instances[id], f"{self.url}/vnflcm/v2/vnf_instances/{id}"
        instance = self.instances.get(rest[0])
        if instance is None:
            return 404, {"status": 404, "detail": "no such instance"}, ""
        if len(rest) == 1:
            if method == "DELETE":
                del self.instances[rest[0]]
                return 204, None, ""
            return 200, instance, ""
        return self._start(instance, rest[1].upper(), body)

    def _start(self, instance: dict[str, Any], operation: str, body: Any) -> tuple[int, Any, str]:
        wanted = "NOT_INSTANTIATED" if operation == "INSTANTIATE" else "INSTANTIATED"
        if instance["instantiationState"] != wanted:
            return 409, {"status": 409, "detail": "not in this state"}, ""
        id = str(uuid.uuid4())
        occurrence = {"id": id, "operation": operation, "vnfInstanceId": instance["id"]}
        granted, problem = self._ask(occurrence, instance, body)
        if granted is None:
            occurrence |= {"operationState": "ROLLED_BACK", "error": problem}
        else:
            self.grants.append(granted)
            occurrence["operationState"] = "COMPLETED"
            instance["instantiationState"] = "NOT_INSTANTIATED" if operation == "TERMINATE" else "INSTANTIATED"
        self.operations[id] = occurrence
        return 202, None, f"{self.url}/vnflcm/v2/vnf_lcm_op_occs/{id}"

    def _ask(self, occurrence: dict[str, Any], instance: dict[str, Any], body: Any) -> tuple[Any, Any]:
        number = 1 + instance.get("scaled", 0) + (occurrence["operation"] == "SCALE" and body["type"] == "SCALE_OUT")
        definition = {
            "id": f"compute-{number}",
            "type": "COMPUTE",
            "vduId": "firewall",
            "resourceTemplateId": "firewall",
        }
        request: dict[str, Any] = {
            "vnfInstanceId": instance["id"],
            "vnfLcmOpOccId": occurrence["id"],
            "vnfdId": instance["vnfdId"],
            "operation": occurrence["operation"],
            "isAutomaticInvocation": False,
            "_links": {
                "vnfLcmOpOcc": {"href": f"{self.url}/vnflcm/v2/vnf_lcm_op_occs/{occurrence['id']}"},
                "vnfInstance": {"href": f"{self.url}/vnflcm/v2/vnf_instances/{instance['id']}"},
            },
        }
        if occurrence["operation"] == "INSTANTIATE":
            request |= {"flavourId": body["flavourId"], "addResources": [definition]}
        elif occurrence["operation"] == "SCALE" and body["type"] == "SCALE_OUT":
            request |= {"flavourId": "simple", "addResources": [definition]}
            instance["scaled"] = 1
        elif occurrence["operation"] == "HEAL":
            request["flavourId"] = "simple"
        else:
            request["removeResources"] = [definition]
        headers = {"Content-Type": "application/json", "Version": "1.7.0", "Authorization": f"Bearer {self.token}"}
        call = urllib.request.Request(f"{self.nfvo}/grant/v1/grants", json.dumps(request).encode(), headers)
        try:
            with urllib.request.urlopen(call, timeout=20) as answer:
                return json.loads(answer.read()), None
        except urllib.error.HTTPError as error:
            with error:
                return None, json.loads(error.read())


@contextmanager
def foreign_vnfm() -> Iterator[ForeignServer]:
    """Such a server, listening."""
    other = ForeignServer()

    class Handler(http.server.BaseHTTPRequestHandler):
        def handle_all(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, body, location = other.answer(self.command, self.path, json.loads(content) if content else None)
            text = b"" if body is None else json.dumps(body).encode()
            self.send_response(status)
            if location:
                self.send_header("Location", location)
            self.send_header("Content-Type", "application/json" if status < 400 else "application/problem+json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_DELETE = handle_all

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

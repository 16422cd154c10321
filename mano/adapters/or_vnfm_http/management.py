"""The VNFM's ports in management networks when the NFVO is another process: by its own interface for ports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mano.adapters.or_vnfm_http.peer import PeerClient
from mano.errors import InvalidInput, NotFound, Unreachable
from mano.ports.management import ManagementNetworks

OWNER = "catena:management"
PORTS = "/v2.0/ports"


class HttpManagement(ManagementNetworks):
    """Talks to the ``/v2.0/ports`` of a Catena; no other NFVO has it."""

    def __init__(self, client: PeerClient) -> None:
        self._client = client

    def open(self, key: str, tenant_id: str, network_id: str, host: str) -> str:
        """Implements :meth:`mano.ports.management.ManagementNetworks.open`."""
        found = self._find(key, tenant_id)
        if found is None:
            wanted = {"name": key, "network_id": network_id, "device_owner": OWNER, "binding:host_id": host}
            try:
                self._client.call("POST", PORTS, tenant_id, {"port": wanted})
            except NotFound:
                raise InvalidInput(
                    "the NFVO has no ports for the VNFM: VNFs cannot be configured through it",
                    hint="configurable VNFs need Catena on both sides of Or-Vnfm",
                ) from None
            found = self._find(key, tenant_id)
        if found is None:
            raise Unreachable("the NFVO made no port in the management network")
        return str(found.get("device_id") or f"port-{str(found['id'])[:13]}")

    def close(self, key: str, tenant_id: str) -> None:
        """Implements :meth:`mano.ports.management.ManagementNetworks.close`."""
        while (found := self._find(key, tenant_id)) is not None:
            try:
                self._client.call("DELETE", f"{PORTS}/{found['id']}", tenant_id)
            except NotFound:
                return

    def _find(self, key: str, tenant_id: str) -> Mapping[str, Any] | None:
        try:
            body = self._client.call("GET", f"{PORTS}?name={key}", tenant_id).body
        except NotFound:
            return None
        ports = body.get("ports", ()) if isinstance(body, Mapping) else ()
        return next((p for p in ports if p.get("name") == key and p.get("device_owner") == OWNER), None)

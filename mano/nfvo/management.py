"""The VNFM's ports in management networks: made when it has something to say, and gone when it has said it.

They are logical ports like those that a person makes (:mod:`mano.nfvo.logical_networks`): bridges know them, nobody
else gets their addresses, and what a dead server left of them is finished or forgotten at the next start.
"""

from __future__ import annotations

from mano.domain.port_chains import LogicalPort
from mano.errors import NotFound
from mano.nfvo.logical_networks import MANAGEMENT, LogicalNetworks
from mano.ports.management import ManagementNetworks
from mano.ports.repositories import UnitOfWorkFactory


class ManagementPorts(ManagementNetworks):
    """One port for each key; its name is the key."""

    def __init__(self, open_unit: UnitOfWorkFactory, networks: LogicalNetworks) -> None:
        self._open_unit = open_unit
        self._networks = networks

    def open(self, key: str, tenant_id: str, network_id: str, host: str) -> str:
        """Implements :meth:`mano.ports.management.ManagementNetworks.open`."""
        found = self._find(key, tenant_id)
        if found is not None and found.point is not None:
            return found.attachment
        if found is not None:
            self.close(key, tenant_id)
        wanted = {
            "name": key,
            "description": "the VNFM's way to a VNF",
            "network_id": network_id,
            "device_id": "",
            "device_owner": MANAGEMENT,
            "binding:host_id": host,
            "mac_address": None,
            "fixed_ips": None,
        }
        port_id = self._networks.create_port(tenant_id, wanted)
        with self._open_unit(read_only=True) as uow:
            return uow.logical_ports.get(port_id, tenant_id).attachment

    def close(self, key: str, tenant_id: str) -> None:
        """Implements :meth:`mano.ports.management.ManagementNetworks.close`."""
        while (found := self._find(key, tenant_id)) is not None:
            try:
                self._networks.delete_port(found.id, tenant_id)
            except NotFound:
                return

    def _find(self, key: str, tenant_id: str) -> LogicalPort | None:
        with self._open_unit(read_only=True) as uow:
            ours = (port for port in uow.logical_ports.list(tenant_id) if port.device_owner == MANAGEMENT)
            return next((port for port in ours if port.name == key), None)

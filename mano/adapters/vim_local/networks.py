"""Networks: an overlay one is only its ports, a provider one also has its switch in the fabric."""

from __future__ import annotations

from pathlib import Path

from mano.adapters.vim_local.effects import Effects
from mano.adapters.vim_local.fabric import Fabric
from mano.adapters.vim_local.lab import Lab
from mano.adapters.vim_local.ports import Ports
from mano.adapters.vim_local.records import read_record, read_records, write_record
from mano.adapters.vim_local.specification import check_network
from mano.domain.ns_instance import NetworkKind
from mano.errors import InUse
from mano.ports.vim import NetworkSpec


class Networks:
    """The networks of one lab."""

    def __init__(self, lab: Lab, fabric: Fabric, ports: Ports, effects: Effects) -> None:
        self._lab = lab
        self._fabric = fabric
        self._ports = ports
        self._effects = effects

    def ensure(self, network: NetworkSpec) -> None:
        check_network(network)
        record = {
            "id": network.id,
            "physicalNetwork": network.physical_network,
            "segment": network.segment,
        }
        if read_record(self._path(network.id)) != record:
            with self._effects("network.record"):
                write_record(self._path(network.id), record)
        if network.kind is NetworkKind.PROVIDER:
            self._fabric.ensure_physical_network(network.physical_network, network.segment)

    def remove(self, network: NetworkSpec) -> None:
        if network.id in self._ports.networks_in_use():
            raise InUse(f"network {network.id} still has ports", hint="remove them first")
        with self._lab.locked("networks"):
            if network.segment and not self._is_shared(network):
                self._fabric.remove_segment(network.physical_network, network.segment)
            with self._effects("network.record-gone"):
                self._path(network.id).unlink(missing_ok=True)

    def ids(self) -> set[str]:
        """Every network of which there is a record or a port."""
        return {str(record["id"]) for _, record in self._records()} | self._ports.networks_in_use()

    def _is_shared(self, network: NetworkSpec) -> bool:
        """Whether another network is on the same VLAN of the same physical network."""
        place = (network.physical_network, network.segment)
        others = (record for _, record in self._records() if record["id"] != network.id)
        return any((record["physicalNetwork"], record["segment"]) == place for record in others)

    def _records(self) -> list[tuple[Path, dict[str, object]]]:
        return list(read_records(self._lab.run / "networks"))

    def _path(self, network_id: str) -> Path:
        return self._lab.run / "networks" / f"{self._lab.interface('network', network_id)}.json"

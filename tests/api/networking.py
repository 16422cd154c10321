"""What a world of conversations has for networking-sfc and VNFMs: real use cases over bridges that do nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from mano.adapters.clock import SystemClock, random_id
from mano.adapters.store import SqlStore
from mano.adapters.vim_simulated import SimulatedVim
from mano.domain.grant import Grant, GrantRequest
from mano.domain.ids import derive_id
from mano.errors import Refused
from mano.nfvo.chains import Chains
from mano.nfvo.forwarding_graphs import ForwardingGraphs
from mano.nfvo.logical_networks import LogicalNetworks
from mano.nfvo.port_chaining import PortChaining
from mano.nfvo.vnf_managers import VnfRecords
from mano.ports.or_vnfm import Leftover


class StillGraphs:
    """Bridges that follow nothing, and no VNF."""

    def refresh(self, needed: object = None) -> None:
        """Nothing to do."""

    def live_vnfs(self, *_: object, **__: object) -> Sequence[Any]:
        return ()


class NoChains:
    """Chains that are not made."""

    def create(self, tenant_id: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
        return document


class SmallGranting:
    """Grants nothing to add, and everything else."""

    def grant(self, request: GrantRequest, tenant_id: str) -> Grant:
        if request.add_resources:
            raise Refused("nothing is granted here")
        id = derive_id("grant", request.vnf_lcm_op_occ_id)
        return Grant(id, tenant_id, request.vnf_instance_id, request.vnf_lcm_op_occ_id)

    def release(self, vnf_lcm_op_occ_id: str, tenant_id: str) -> None:
        """Nothing was granted."""

    def settle(self, vnf_lcm_op_occ_id: str, tenant_id: str, *, done: bool, left: Sequence[Leftover] = ()) -> None:
        """Nothing was granted."""

    def lcm_changed(self, vnf_instance_id: str, tenant_id: str, hosts: Sequence[str]) -> None:
        """Nothing follows."""

    def vnfcs_leave(self, vnf_instance_id: str, tenant_id: str, vnfcs: Sequence[str]) -> None:
        """Nothing follows."""


def networking(store: SqlStore, folder: Path) -> dict[str, Any]:
    """The use cases by their names in :class:`mano.api.services.Services`."""
    graphs = cast(ForwardingGraphs, StillGraphs())
    vims = {"local": SimulatedVim(folder)}
    chains = cast(Chains, NoChains())
    return {
        "logical_networks": LogicalNetworks(store.open_unit, vims, graphs, random_id),
        "port_chaining": PortChaining(store.open_unit, graphs, chains, SystemClock(), random_id),
        "granting": SmallGranting(),
        "vnf_records": VnfRecords(store.open_unit),
    }

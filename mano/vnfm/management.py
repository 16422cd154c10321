"""The VNFM's way to a VNF: a place beside it in its management network, for as long as it is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from mano.domain.ids import derive_id
from mano.domain.lcm_op_occ import LcmOpOcc
from mano.domain.vnf_instance import ConnectionPoint, VnfcResource, VnfInstance
from mano.errors import InvalidInput
from mano.ports.management import ManagementNetworks, ManagementReach


class Management:
    """Opens and closes places; ``reach`` finds a VIM's way by the VIM's identifier."""

    def __init__(self, networks: ManagementNetworks, reach: Callable[[str], ManagementReach | None]) -> None:
        self._networks = networks
        self._reach = reach

    @contextmanager
    def place(
        self, op: LcmOpOcc, instance: VnfInstance, vnfc: VnfcResource, point: ConnectionPoint
    ) -> Iterator[tuple[str, ManagementReach]]:
        """A place in the connection point's network, and the way there; gone afterwards.

        An operation has one place at a time in a network on a host: after a crash the same one is found again.
        """
        reach = self.reach(instance, vnfc)
        key = _key(op, point)
        place = self._networks.open(key, op.tenant_id, point.network_id, vnfc.host)
        try:
            yield place, reach
        finally:
            self._networks.close(key, op.tenant_id)

    def close_all(self, op: LcmOpOcc, instance: VnfInstance) -> None:
        """Close what a server that died may have left open."""
        for key in {_key(op, point) for vnfc in instance.vnfcs for point in vnfc.connection_points}:
            self._networks.close(key, op.tenant_id)

    def reach(self, instance: VnfInstance, vnfc: VnfcResource) -> ManagementReach:
        """The way of the VIM that runs the VNFC."""
        vim_id = _vim_of(instance, vnfc)
        found = self._reach(vim_id)
        if found is None:
            raise InvalidInput(
                f"VIM {vim_id or '(unknown)'} gives no way into management networks",
                hint="VNFs with a configuration interface, and scripts with a network, run on a VIM that has one",
            )
        return found


def _key(op: LcmOpOcc, point: ConnectionPoint) -> str:
    return f"ve-vnfm-{derive_id('management', op.id, point.network_id, point.host)}"


def _vim_of(instance: VnfInstance, vnfc: VnfcResource) -> str:
    plan: Mapping[str, object] = instance.plan
    computes = plan.get("computes", ())
    for compute in computes if isinstance(computes, list | tuple) else ():
        if compute["compute_id"] == vnfc.compute_id:
            return str(compute["vim_id"])
    return ""

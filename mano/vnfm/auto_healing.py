"""Healing without being asked: where a VNF's configurable properties want it (SOL003 clause 5.5.2.2, SOL001 6.2).

A VNFC counts as ill when it was found so several looks in a row (hysteresis), and its VNF is not healed again before a
cool-down is over, so that one that dies at every start does not keep the VNFM busy. One that somebody stopped is left
alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import structlog

from mano.domain.vnf_instance import InstantiationState, VnfcResource, VnfInstance, VnfOperationalState
from mano.errors import CatenaError
from mano.ports.clock import Clock, IdFactory
from mano.ports.repositories import UnitOfWorkFactory
from mano.ports.vim import VimDriver
from mano.vnfm.heal_story import ILL
from mano.vnfm.resources import plan_from_json
from mano.vnfm.vnf_lifecycle import VnfLifecycle

PROPERTY = "isAutohealEnabled"
"""The configurable property that asks for it."""

LOOKS = 2
COOL_DOWN_S = 120.0


class AutoHealing:
    """Looks at the VNFCs of VNFs that want it, and heals those VNFs that stay ill."""

    def __init__(
        self,
        open_unit: UnitOfWorkFactory,
        vim: Callable[[str], VimDriver],
        lifecycle: VnfLifecycle,
        clock: Clock,
        new_id: IdFactory,
        *,
        looks: int = LOOKS,
        cool_down_s: float = COOL_DOWN_S,
    ) -> None:
        self._open_unit = open_unit
        self._vim = vim
        self._lifecycle = lifecycle
        self._clock = clock
        self._new_id = new_id
        self._looks = looks
        self._cool_down_s = cool_down_s
        self._ill: dict[str, int] = {}
        self._healed_at: dict[str, float] = {}

    def look(self) -> None:
        """Once: count who is ill, heal whom it is time for."""
        wanted = self._instances()
        known = {vnf.id for vnf in wanted}
        self._ill = {id: count for id, count in self._ill.items() if id in known}
        for vnf in wanted:
            ill = list(self._ill_vnfcs(vnf))
            self._ill[vnf.id] = self._ill.get(vnf.id, 0) + 1 if ill else 0
            if self._ill[vnf.id] >= self._looks and self._is_rested(vnf.id):
                self._heal(vnf, ill)

    def _instances(self) -> list[VnfInstance]:
        with self._open_unit(read_only=True) as uow:
            found = uow.vnf_instances.list(instantiation_state=InstantiationState.INSTANTIATED.value)
            return [
                vnf
                for vnf in found
                if vnf.configuration.get(PROPERTY) is True and uow.operations.active(vnf.id) is None
            ]

    def _ill_vnfcs(self, vnf: VnfInstance) -> Iterator[VnfcResource]:
        vims = {one.compute_id: one.vim_id for one in plan_from_json(vnf.plan).computes} if vnf.plan else {}
        for vnfc in vnf.vnfcs:
            if vnfc.state is VnfOperationalState.STARTED and self._is_ill(vnfc, vims.get(vnfc.compute_id, "")):
                yield vnfc

    def _is_ill(self, vnfc: VnfcResource, vim_id: str) -> bool:
        try:
            vim = self._vim(vim_id)
            return not vim.host_status(vnfc.host).reachable or vim.compute_status(
                vnfc.compute_id, vnfc.host
            ).state not in ("running", "starting")
        except CatenaError:
            return True

    def _is_rested(self, vnf_id: str) -> bool:
        last = self._healed_at.get(vnf_id)
        return last is None or self._clock.monotonic() - last >= self._cool_down_s

    def _heal(self, vnf: VnfInstance, ill: list[VnfcResource]) -> None:
        self._healed_at[vnf.id] = self._clock.monotonic()
        self._ill[vnf.id] = 0
        names = ", ".join(f"{vnfc.vdu_id}/{vnfc.index}" for vnfc in ill)
        request = {"cause": f"{names} does not work", "additionalParams": {"catena": {"action": ILL}}}
        try:
            self._lifecycle.change(vnf.id, vnf.tenant_id, self._new_id(), "HEAL", request, is_automatic=True)
        except CatenaError as error:  # somebody else was quicker, or its package is disabled: the next look decides
            log = structlog.get_logger(__name__)
            log.warning("a VNF was not healed", vnfInstanceId=vnf.id, code=error.code, detail=error.detail)

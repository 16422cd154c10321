"""What is left on hosts that did not answer when it was to be removed: its place is held until it is seen to be gone.

The reservation says it all: it changes its owner and remembers what has to be removed, in the transaction that would
have freed it, so nothing is forgotten when a server dies, and nobody gets the place while a host that returns still
has a process, a virtual function or pages in it. Networks and chains forgot the ports before, so what returns with
its host hears and says nothing on the overlay until it is removed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import structlog

from mano.domain.grant import Grant
from mano.domain.ns_instance import NetworkKind, Reservation
from mano.errors import CatenaError
from mano.ports.or_vnfm import Leftover
from mano.ports.repositories import UnitOfWork, UnitOfWorkFactory
from mano.ports.vim import NetworkSpec, PortSpec, VimDriver

OWNER = "left-behind"
"""Who holds the places of what is left: no network service, as those may end before the host returns."""

LEFTOVER = "leftover"


def is_left(reservation: Reservation) -> bool:
    """Whether it holds the place of something that is still to be removed."""
    return reservation.ns_instance_id == OWNER


def keep_places(uow: UnitOfWork, grant: Grant, left: Sequence[Leftover]) -> frozenset[str]:
    """Hold the places of what is left of that which the grant let go; the identifiers of their reservations."""
    by_compute = {one.compute_id: one for one in left}
    kept = set()
    for resource in grant.remove_resources:
        leftover = by_compute.get(resource.resource_definition_id)
        reservation = uow.reservations.find(resource.reservation_id)
        if leftover is None or reservation is None:
            continue
        kept.add(reservation.id)
        if not is_left(reservation):
            uow.reservations.save(_kept(reservation, leftover))
    return frozenset(kept)


def _kept(reservation: Reservation, leftover: Leftover) -> Reservation:
    """The same place for nobody: it binds no group, carries no chain and moves nowhere."""
    return replace(
        reservation,
        ns_instance_id=OWNER,
        key=f"{reservation.key.partition('~')[0]}~{reservation.id}",
        decision={**reservation.decision, LEFTOVER: asdict(leftover)},
        expires_at=None,
        request={},
        links=(),
    )


class Leftovers:
    """Removes what is left on hosts as soon as they answer."""

    def __init__(self, open_unit: UnitOfWorkFactory, vims: Mapping[str, VimDriver]) -> None:
        self._open_unit = open_unit
        self._vims = vims

    def look(self) -> None:
        """Once: what can be removed is, and its place is free when nothing of it is seen any more."""
        with self._open_unit(read_only=True) as uow:
            held = uow.reservations.list(ns_instance_id=OWNER)
        answers: dict[tuple[str, str], bool] = {}
        for reservation in held:
            leftover = _leftover(reservation.decision[LEFTOVER])
            host = (leftover.vim_id, leftover.host)
            if host not in answers:
                answers[host] = self._answers(*host)
            if answers[host] and self._remove(leftover):
                with self._open_unit() as uow:
                    uow.reservations.remove(reservation.id)

    def _answers(self, vim_id: str, host: str) -> bool:
        try:
            return vim_id in self._vims and self._vims[vim_id].host_status(host).reachable
        except CatenaError:
            return False

    def _remove(self, leftover: Leftover) -> bool:
        """Remove it; whether nothing is left."""
        vim = self._vims[leftover.vim_id]
        log = structlog.get_logger(__name__)
        try:
            vim.remove_compute(leftover.compute_id, leftover.host)
            for port in reversed(leftover.ports):
                vim.remove_port(port)
            is_gone = vim.compute_status(leftover.compute_id, leftover.host).state == "gone"
        except CatenaError as error:
            log.warning("what was left on a host cannot be removed", host=leftover.host, code=error.code)
            return False
        if is_gone:
            log.info("what was left on a host is removed", host=leftover.host, compute=leftover.compute_id)
        return is_gone


def _leftover(document: Mapping[str, Any]) -> Leftover:
    return Leftover(**{**document, "ports": tuple(_port(port) for port in document["ports"])})


def _port(document: Mapping[str, Any]) -> PortSpec:
    network = NetworkSpec(**{**document["network"], "kind": NetworkKind(document["network"]["kind"])})
    return PortSpec(**{**document, "network": network, "addresses": tuple(document["addresses"])})

"""Keeps the NFVO's copies of VNF instances up to date: what this VNFM's own clients change is told, too.

The outbox is followed from its beginning after each start, so nothing is missed; a report may be repeated.
"""

from __future__ import annotations

import threading

import structlog

from mano.adapters.or_vnfm_http.nfvo import HttpNfvo
from mano.domain.events import Event
from mano.domain.lcm_op_occ import ENDED
from mano.errors import CatenaError
from mano.ports.repositories import CommitSignal, UnitOfWorkFactory

PAUSE_S = 2.0
"""Between two looks when nothing was committed, and after a report that failed."""

BATCH = 200


class Reporter:
    """A thread that reports."""

    def __init__(self, open_unit: UnitOfWorkFactory, signal: CommitSignal, nfvo: HttpNfvo) -> None:
        self._open_unit = open_unit
        self._signal = signal
        self._nfvo = nfvo
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="catena-vnfm-reports", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; what is not reported yet is reported after the next start."""
        self._stopping.set()

    def _run(self) -> None:
        sequence = 0
        while not self._stopping.is_set():
            try:
                newest = self._report_after(sequence)
            except CatenaError as error:
                structlog.get_logger(__name__).warning("a report to the NFVO failed", detail=error.detail)
                self._stopping.wait(PAUSE_S)
                continue
            if newest == sequence:
                self._signal.wait(PAUSE_S)
            sequence = newest

    def _report_after(self, sequence: int) -> int:
        with self._open_unit(read_only=True) as uow:
            events = uow.outbox.after(sequence, BATCH)
        subjects = dict.fromkeys((id, event.tenant_id) for event in events for id in _vnf_instance(event))
        for id, tenant_id in subjects:
            if self._stopping.is_set():
                return sequence
            self._nfvo.keep_up(id, tenant_id)
        return max((event.sequence for event in events), default=sequence)


def _vnf_instance(event: Event) -> tuple[str, ...]:
    """The VNF instance that came, went or was changed by an operation that ended."""
    if event.noun == "vnf-instance":
        return (event.subject,)
    ended = event.noun == "vnf-lcm-op-occ" and event.data.get("operationState") in _ENDED
    return (str(event.data["vnfInstanceId"]),) if ended else ()


_ENDED = frozenset(state.value for state in ENDED)

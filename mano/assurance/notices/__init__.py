"""Events in the words of the standards' notifications, one module per subject.

Each takes the unit of work that the event is written in: what it reads is what is being committed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from mano.assurance.notices import alarms, measurements, ns_components, ns_life_cycle, packages, vnf_life_cycle
from mano.domain.events import Event
from mano.domain.subscription import Notice
from mano.ports.repositories import UnitOfWork

Teller = Callable[[UnitOfWork, Event], Iterator[Notice]]

TELLERS: Mapping[str, Teller] = {
    "vnf-package": packages.of_vnf_package,
    "ns-descriptor": packages.of_nsd,
    "pnf-descriptor": packages.of_pnfd,
    "vnf-instance": vnf_life_cycle.of_instance,
    "vnf-lcm-op-occ": vnf_life_cycle.of_operation,
    "ns-instance": ns_life_cycle.of_instance,
    "ns-lcm-op-occ": ns_life_cycle.of_operation,
    "alarm": alarms.of_alarm,
    "alarm-list": alarms.of_list,
    "pm-report": measurements.of_report,
    "threshold": measurements.of_threshold,
    "vnf-indicator": measurements.of_indicator,
    "quota": measurements.of_quota,
}
"""Noun of an event to who tells of it."""

ALSO: Mapping[str, Teller] = {
    "vnf-lcm-op-occ": ns_components.of_vnf_operation,
    "ns-lcm-op-occ": ns_components.of_ns_operation,
}
"""Noun of an event to who tells of it besides: the services that its subject is part of."""

SILENT_VERBS = frozenset({"progressed"})


def notices(uow: UnitOfWork, event: Event) -> Iterator[Notice]:
    """What the interfaces tell of an event; nothing for what is no standard's business."""
    for tellers in (TELLERS, ALSO) if event.verb not in SILENT_VERBS else ():
        teller = tellers.get(event.noun)
        if teller is not None:
            yield from teller(uow, event)

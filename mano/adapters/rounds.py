"""What a server looks at again and again, put together: observers of faults and readers of counters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from mano.adapters.clock import SystemClock
from mano.adapters.store import SqlStore
from mano.adapters.watching import Round, certificate_ends, disk_of
from mano.assurance.alarms import Alarms
from mano.assurance.auto_scaling import AutoScaler, Scalable
from mano.assurance.observing import BridgeObserver, InstanceObserver, Observer, ResourceObserver
from mano.assurance.readings import Readings
from mano.nfvo.auto_scaling import ScalableServices
from mano.nfvo.ns_lifecycle import NsLifecycle
from mano.ports.clock import Clock
from mano.ports.or_vnfm import Nfvo
from mano.ports.repositories import UnitOfWorkFactory
from mano.ports.service_paths import Drift
from mano.ports.vim import VimDriver
from mano.settings import Role, Settings
from mano.vnfm.auto_scaling import ScalableVnfs
from mano.vnfm.vnf_lifecycle import VnfLifecycle

ECHOES, ECHO_WAIT_MS = 3, 200
"""Echo requests of each TTL, and how long each is waited for, when a chain's latency is measured."""


class ChainStatistics(Protocol):
    """Counters of chains, as :class:`mano.api.services.ForwardingGraphs` tells them."""

    def statistics(self, id: str, tenant_id: str) -> Mapping[str, Any]:
        """Packets and octets per path and hop."""

    def traceroute(self, id: str, tenant_id: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Each hop of the chain's paths as it answers echo requests."""


def observers(
    settings: Settings,
    store: SqlStore,
    alarms: Alarms,
    vims: Mapping[str, VimDriver],
    drift: Callable[[], Sequence[Drift]],
) -> list[Round]:
    """What is looked at for alarms, and how often."""
    certificates = {name: path for name, path in settings.certificates.items() if path.is_file()}
    kinds: tuple[tuple[str, float, Observer], ...] = (
        ("instances", settings.watch_s, InstanceObserver(store.open_unit, vims)),
        ("bridges", 6 * settings.watch_s, BridgeObserver(store.open_unit, drift)),
        (
            "resources",
            12 * settings.watch_s,
            ResourceObserver(
                store.open_unit,
                SystemClock(),
                lambda: disk_of(settings.data_dir),
                lambda: certificate_ends(certificates),
            ),
        ),
    )
    return [Round(name, every_s, partial(_observe, alarms, observer)) for name, every_s, observer in kinds]


def chain_counters(chains: ChainStatistics, id: str, tenant_id: str) -> tuple[int, int]:
    """(packets, octets) that came to the end of a chain's paths."""
    paths = chains.statistics(id, tenant_id)["paths"]
    packets = sum(int(path.get("endPackets", 0)) for path in paths)
    octets = sum(int(path["hops"][-1]["bytes"]) for path in paths if path.get("hops"))
    return packets, octets


def chain_latency(chains: ChainStatistics, id: str, tenant_id: str) -> float | None:
    """Milliseconds to the ends of a chain's paths and back: the mean of their medians.

    ``None`` unless every path is whole, and on bridges where no time passes.
    """
    paths = chains.traceroute(id, tenant_id, {"count": ECHOES, "waitMs": ECHO_WAIT_MS})["paths"]
    ends = [float(path["hops"][-1]["medianMs"]) for path in paths if path["whole"] and path["hops"]]
    return sum(ends) / len(ends) if ends and len(ends) == len(paths) and min(ends) > 0 else None


def scaler_of(
    role: Role,
    open_unit: UnitOfWorkFactory,
    clock: Clock,
    readings: Readings,
    nfvo: Nfvo,
    vnfs: VnfLifecycle,
    services: NsLifecycle,
) -> AutoScaler:
    """What scales by itself on a server of this role: VNFs, network services, or both."""
    scalables: dict[Role, Scalable] = {
        Role.VNFM: ScalableVnfs(open_unit, nfvo, vnfs, readings.of),
        Role.NFVO: ScalableServices(open_unit, services, readings.of, readings.of_service),
    }
    return AutoScaler(open_unit, [one for its, one in scalables.items() if role in (its, Role.ALL)], clock)


def declared_indicators(descriptor: Mapping[str, Any]) -> Mapping[str, str]:
    """Identifier and name of every indicator that a VNFD's document declares, or that its triggers look at."""
    flavours = descriptor.get("flavours") or ()
    found = [one for flavour in flavours for one in flavour.get("indicators") or ()]
    found += list(descriptor.get("indicators") or ())
    declared = {str(one["id"]): str(one.get("name") or one["id"]) for one in found if one.get("id")}
    watched = [name for one in found for each in one.get("triggers") or () for name in _subjects(each["condition"])]
    return declared | {name: name for name in watched}


def _subjects(clause: Mapping[str, Any]) -> Iterator[str]:
    """What a condition's document is about."""
    if clause.get("subject"):
        yield str(clause["subject"])
    for part in clause.get("parts") or ():
        yield from _subjects(part)


def count(call: Callable[[], int]) -> None:
    """Do it; how often it found something to do interests nobody here."""
    call()


def _observe(alarms: Alarms, observer: Observer) -> None:
    for name, causes in observer.look().items():
        alarms.observed(name, causes)

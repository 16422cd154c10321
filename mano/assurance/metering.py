"""Metering: what each tenant held and for how long. Intervals begin and end with the operations that make them true.

A record is opened in the transaction in which an operation completes, and closed in the one that ends it, so no
sampling error comes in and no crash loses time. What chains carried is read from the switches now and then and added.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from mano.domain.events import Event
from mano.domain.ids import derive_id
from mano.domain.performance import UsageRecord
from mano.domain.vnf_instance import VnfcResource, VnfInstance
from mano.errors import CatenaError, InvalidInput
from mano.ports.clock import Clock
from mano.ports.repositories import UnitOfWork, UnitOfWorkFactory

KEPT = timedelta(days=400)
"""How long ended records are remembered."""


SETTLED = frozenset({"COMPLETED", "FAILED_TEMP", "FAILED", "ROLLED_BACK"})
"""States in which an operation holds what it holds."""


def keep_records(uow: UnitOfWork, events: Iterable[Event]) -> None:
    """Open and close the records of VNF instances that this transaction's events tell of."""
    told = [event for event in events if event.noun in ("vnf-lcm-op-occ", "vnf-instance")]
    for event in told:
        if event.noun == "vnf-instance" and event.verb == "deleted":
            _follow(uow, event.subject, None, event.occurred_at)
        elif event.noun == "vnf-lcm-op-occ" and event.data.get("operationState") in SETTLED:
            instance = uow.vnf_instances.find(str(event.data["vnfInstanceId"]))
            if instance is not None:
                _follow(uow, instance.id, instance, event.occurred_at)


def _follow(uow: UnitOfWork, vnf_instance_id: str, instance: VnfInstance | None, now: datetime) -> None:
    """Make the open records of an instance those of its VNFCs as they are now."""
    held = {vnfc.id: vnfc for vnfc in instance.vnfcs} if instance is not None else {}
    standing = {
        record.subject: record
        for record in uow.usage_records.list(vnf_instance_id=vnf_instance_id, ended_at=None)
        if record.kind == "vnfc"
    }
    for subject, record in standing.items():
        vnfc = held.get(subject)
        if vnfc is None or _amount(vnfc) != (record.vcpus, record.memory_mib, record.vfs):
            uow.usage_records.save(replace(record, ended_at=now))
    for subject, vnfc in held.items():
        kept = standing.get(subject)
        if kept is None or _amount(vnfc) != (kept.vcpus, kept.memory_mib, kept.vfs):
            assert instance is not None
            uow.usage_records.add(_record(instance, vnfc, now))


def _record(instance: VnfInstance, vnfc: VnfcResource, now: datetime) -> UsageRecord:
    vcpus, memory_mib, vfs = _amount(vnfc)
    return UsageRecord(
        id=derive_id("usage", vnfc.id, now.isoformat()),
        tenant_id=instance.tenant_id,
        kind="vnfc",
        subject=vnfc.id,
        started_at=now,
        name=f"{instance.name}/{vnfc.vdu_id}/{vnfc.index}",
        ns_instance_id=instance.ns_instance_id,
        vnf_instance_id=instance.id,
        vcpus=vcpus,
        memory_mib=memory_mib,
        vfs=vfs,
    )


def _amount(vnfc: VnfcResource) -> tuple[float, int, int]:
    """(vCPUs, memory in MiB, VFs) that a VNFC holds by its placement."""
    placement = vnfc.placement
    cells = placement.get("cells") or ()
    vcpus = len(placement.get("vcpuPins") or {}) or sum(len(cell.get("cpus", ())) for cell in cells)
    memory = sum(int(cell.get("memoryMib", 0)) for cell in cells)
    vfs = sum(len(placed.get("vfs", ())) for placed in (placement.get("interfaces") or {}).values())
    return float(vcpus), memory, vfs


ChainCounters = Callable[[str, str], tuple[int, int]]


class Metering:
    """Reads the records, and adds what chains carried."""

    def __init__(self, open_unit: UnitOfWorkFactory, chain_counters: ChainCounters, clock: Clock) -> None:
        self._open_unit = open_unit
        self._chain_counters = chain_counters
        self._clock = clock

    def read_chains(self) -> None:
        """Add what came through every chain since it was last looked at; close the records of chains that are gone.

        A counter that is smaller than before began anew: the switch was programmed afresh.
        """
        now = self._clock.now()
        with self._open_unit(read_only=True) as uow:
            chains = {chain.id: chain for chain in uow.chains.list()}
            standing = {record.subject: record for record in uow.usage_records.list(kind="chain", ended_at=None)}
        changed: list[UsageRecord] = [
            replace(record, ended_at=now) for subject, record in standing.items() if subject not in chains
        ]
        new: list[UsageRecord] = []
        for chain in chains.values():
            try:
                _, octets = self._chain_counters(chain.id, chain.tenant_id)
            except CatenaError:
                continue
            record = standing.get(chain.id)
            if record is None:
                new.append(
                    UsageRecord(
                        id=derive_id("usage", chain.id, now.isoformat()),
                        tenant_id=chain.tenant_id,
                        kind="chain",
                        subject=chain.id,
                        started_at=now,
                        name=chain.name,
                        ns_instance_id=chain.ns_instance_id,
                        octets=octets,
                        last_counter=octets,
                    )
                )
            elif octets != record.last_counter:
                more = octets - record.last_counter if octets >= record.last_counter else octets
                changed.append(replace(record, octets=record.octets + more, last_counter=octets))
        if new or changed:
            with self._open_unit() as uow:
                for record in changed:
                    uow.usage_records.save(record)
                for record in new:
                    uow.usage_records.add(record)

    def forget_old(self) -> int:
        """Remove records that ended long ago; how many."""
        before = self._clock.now() - KEPT
        with self._open_unit(read_only=True) as uow:
            old = [
                record.id
                for record in uow.usage_records.list()
                if record.ended_at is not None and record.ended_at < before
            ]
        if old:
            with self._open_unit() as uow:
                for id in old:
                    uow.usage_records.remove(id)
        return len(old)

    def usage(
        self, tenant_id: str | None, *, since: datetime | None = None, until: datetime | None = None
    ) -> Sequence[Mapping[str, Any]]:
        """Per tenant and network service: vCPU hours, GiB hours, VF hours and octets of chains.

        ``tenant_id`` None: every tenant. Raises :class:`~mano.errors.InvalidInput` for an interval that ends before
        it begins. Octets count when they were read, so an interval has those of the chains that lived in it.
        """
        now = self._clock.now()
        end = min(until or now, now)
        if since is not None and since > end:
            raise InvalidInput("the interval ends before it begins", facts={"pointer": "query since"})
        with self._open_unit(read_only=True) as uow:
            records = uow.usage_records.list(tenant_id)
            names = {ns.id: ns.name for ns in uow.ns_instances.list(tenant_id)}
        return list(_totals(records, since, end, names))


def _totals(
    records: Sequence[UsageRecord], since: datetime | None, end: datetime, names: Mapping[str, str]
) -> Iterator[Mapping[str, Any]]:
    sums: dict[tuple[str, str], dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for record in records:
        begun = max(record.started_at, since) if since else record.started_at
        over = min(record.ended_at or end, end)
        if over < begun:
            continue
        hours = (over - begun).total_seconds() / 3600
        total = sums[record.tenant_id, record.ns_instance_id]
        total["vcpuHours"] += record.vcpus * hours
        total["gibHours"] += record.memory_mib / 1024 * hours
        total["vfHours"] += record.vfs * hours
        total["chainBytes"] += record.octets
    for (tenant, ns_id), total in sorted(sums.items()):
        yield {
            "tenantId": tenant,
            "nsInstanceId": ns_id or None,
            "nsInstanceName": names.get(ns_id),
            "vcpuHours": round(total["vcpuHours"], 6),
            "gibHours": round(total["gibHours"], 6),
            "vfHours": round(total["vfHours"], 6),
            "chainBytes": int(total["chainBytes"]),
        }

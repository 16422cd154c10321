"""Flow tables as values, and the one function that writes them for ``ovs-ofctl``.

Every part is an integer with a checked range or an enumeration, so that a rendered line contains nothing that
an outsider chose: no name of a chain, port or function is ever printed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from operator import attrgetter

from sfc.errors import ModelError
from sfc.model.actions import TABLE_MAX, Action
from sfc.model.cookies import Cookie
from sfc.model.fields import Field, FieldMatch
from sfc.model.topology import check_range

FlowKey = tuple[int, ...]
"""Table, priority below zero, then rank of the field, value, and mask or -1, of each part of the match."""

_rank = attrgetter("field.rank")


@dataclass(frozen=True, slots=True)
class Flow:
    """One rule. No action: the packet is dropped and counted."""

    table: int
    priority: int
    match: tuple[FieldMatch, ...]
    actions: tuple[Action, ...]
    cookie: Cookie

    key: FlowKey = field(init=False, compare=False, repr=False)
    """What tells it from other flows of the bridge; also the order of printing."""

    def __post_init__(self) -> None:
        if not (0 <= self.table <= TABLE_MAX and 0 <= self.priority <= 65535):
            check_range("table", self.table, 0, TABLE_MAX)
            check_range("priority", self.priority, 0, 65535)
        key = [self.table, -self.priority]
        last = -1
        for part in self.match:
            rank = part.field.rank
            if rank <= last:
                raise ModelError(
                    "MATCH_ORDER", "fields of a match stand once each, in the order of Field", "use flow()"
                )
            last = rank
            key += (rank, part.value, part.mask or -1)
        object.__setattr__(self, "key", tuple(key))

    def text(self) -> str:
        """One line of an ``ovs-ofctl`` flow file."""
        head = f"cookie={self.cookie.encode():#x},table={self.table},priority={self.priority}"
        match = "".join(f",{part}" for part in self.match)
        actions = ",".join(map(str, self.actions)) or "drop"
        return f"{head}{match} actions={actions}"

    def __str__(self) -> str:
        return self.text()


def flow(table: int, priority: int, match: Iterable[FieldMatch], actions: Iterable[Action], cookie: Cookie) -> Flow:
    """A flow with its match sorted as :class:`Flow` wants it."""
    return Flow(table, priority, tuple(sorted(match, key=_rank)), tuple(actions), cookie)


class GroupType(StrEnum):
    """How a group chooses a bucket."""

    SELECT = "select"
    """By hash over ``fields``; never by dp_hash, which loops behind a decap."""
    FAST_FAILOVER = "ff"
    """The first bucket whose watched port is up."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """One choice of a group. Buckets are action sets: registers, resubmit and output only."""

    actions: tuple[Action, ...]
    weight: int = 1
    watch_port: int | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """A group of the bridge."""

    id: int
    type: GroupType
    buckets: tuple[Bucket, ...]
    fields: tuple[Field, ...] = ()

    def text(self) -> str:
        """One line of an ``ovs-ofctl`` group file."""
        head = f"group_id={self.id},type={self.type.value}"
        if self.type is GroupType.SELECT:
            head += f",selection_method=hash,fields({','.join(part.text for part in self.fields)})"
        return head + "".join(_bucket_text(index, bucket, self.type) for index, bucket in enumerate(self.buckets, 1))


@dataclass(frozen=True, slots=True)
class Meter:
    """A drop meter of the bridge in packets per second."""

    id: int
    rate_pps: int
    burst: int

    def __post_init__(self) -> None:
        check_range("meter", self.id, 1, 0xFFFF0000)
        check_range("meter rate", self.rate_pps, 1, (1 << 32) - 1)
        check_range("meter burst", self.burst, 1, (1 << 32) - 1)

    def text(self) -> str:
        """The argument of ``ovs-ofctl add-meter``."""
        return f"meter={self.id},pktps,burst,band=type=drop,rate={self.rate_pps},burst_size={self.burst}"


@dataclass(frozen=True)
class FlowTables:
    """Everything that one bridge shall hold, sorted; no two flows with one key.

    A cookie names one rule of the plan. Where OpenFlow needs several flows to say it (a port range, the types of
    ICMP errors, both IP versions), they share the cookie, the table and the priority.
    """

    sff: str
    flows: tuple[Flow, ...]
    groups: tuple[Group, ...] = ()
    meters: tuple[Meter, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "flows", tuple(sorted(self.flows, key=attrgetter("key"))))
        rules: dict[int, Flow] = {}
        last: FlowKey = ()
        for each in self.flows:
            key = each.key
            if key == last:
                raise ModelError("FLOW_TWICE", f"{self.sff}: two flows with one match: {each}")
            last = key
            first = rules.setdefault(each.cookie.encode(), each)
            if first is not each and first.key[:2] != key[:2]:
                raise ModelError("COOKIE_TWICE", f"{self.sff}: two rules with one cookie: {each}")

    @cached_property
    def by_cookie(self) -> Mapping[int, tuple[Flow, ...]]:
        """The flows of each encoded cookie."""
        rules: dict[int, list[Flow]] = {}
        for each in self.flows:
            rules.setdefault(each.cookie.encode(), []).append(each)
        return {cookie: tuple(flows) for cookie, flows in rules.items()}

    @cached_property
    def by_table(self) -> Mapping[int, tuple[Flow, ...]]:
        """Flows of each table, highest priority first."""
        tables: dict[int, list[Flow]] = {}
        for each in self.flows:
            tables.setdefault(each.table, []).append(each)
        return {table: tuple(flows) for table, flows in tables.items()}

    def flow_text(self) -> str:
        """A whole flow file, one line per flow."""
        return "".join(f"{each.text()}\n" for each in self.flows)


def _bucket_text(index: int, bucket: Bucket, kind: GroupType) -> str:
    parts = [f"bucket_id:{index}"]
    if kind is GroupType.SELECT:
        parts.append(f"weight:{bucket.weight}")
    if bucket.watch_port is not None:
        parts.append(f"watch_port:{bucket.watch_port}")
    parts.append(f"actions={','.join(map(str, bucket.actions))}")
    return f",bucket={','.join(parts)}"

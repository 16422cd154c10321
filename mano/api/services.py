"""What the HTTP interfaces call: the use cases as protocols, gathered in one value.

The composition root fills :class:`Services`; the API imports neither it nor an adapter. Every call blocks and runs in
a worker thread. Every call raises errors of :mod:`mano.errors` alone.

Reads of single resources and of pages go straight to the repositories (``open_unit``); whatever decides, changes or
touches the network is a use case. Native resources (:class:`Nfvi`, :class:`ForwardingGraphs`) come as JSON documents in
the shape that ``docs/api.md`` shows, because they are views over several stored things.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from mano.api.chain_services import Chains, LogicalNetworks, PortChaining
from mano.api.life_cycles import NsLifecycle, QuotaUseCases, SnapshotPackages, VnfLifecycle, VnfSnapshots
from mano.domain.alarm import AckState, Alarm, AlarmLevel, PerceivedSeverity
from mano.domain.catalogue import DescriptorKind, OperationalState, Package
from mano.domain.grant import Grant, GrantRequest
from mano.domain.performance import PmCriteria, PmJob, Threshold
from mano.domain.subscription import Authentication, Interface, Subscription
from mano.domain.vnf_instance import VnfInstance
from mano.nfvo.placing import Search
from mano.ports.clock import IdFactory
from mano.ports.or_vnfm import Leftover
from mano.ports.repositories import CommitSignal, UnitOfWorkFactory
from mano.settings import Role

Document = Mapping[str, Any]
"""A JSON object with camelCase keys."""


class Catalogue(Protocol):
    """VNF packages, NSDs and PNFDs (SOL005 clauses 5 and 9, SOL003 clause 10)."""

    def create(self, kind: DescriptorKind, tenant_id: str, user_defined_data: Document) -> Package:
        """A new resource in state CREATED."""

    def upload(self, id: str, tenant_id: str, chunks: Iterator[bytes]) -> Package:
        """Store the archive, check and load it; the result is ONBOARDED, or ERROR with the findings in ``failure``.

        Raises :class:`~mano.errors.WrongState` unless the resource waits for content. An error raised by ``chunks``
        puts the resource back and is raised again.
        """

    def patch(
        self,
        id: str,
        tenant_id: str,
        *,
        operational_state: OperationalState | None = None,
        user_defined_data: Document | None = None,
        generation: int | None = None,
    ) -> Package:
        """Enable, disable, replace the user's data. ``generation`` is the one that the client read (``If-Match``)."""

    def delete(self, id: str, tenant_id: str) -> None:
        """Delete a package that is disabled and unused."""

    def content_path(self, id: str, tenant_id: str) -> str:
        """A local file with the archive as uploaded; :class:`~mano.errors.WrongState` unless ONBOARDED."""

    def descriptor_files(self, id: str, tenant_id: str) -> Sequence[tuple[str, str]]:
        """(member, local file) of every file that makes the descriptor up, the entry definitions first."""

    def manifest(self, id: str, tenant_id: str) -> tuple[str, str]:
        """(member, local file) of the manifest; :class:`~mano.errors.NotFound` when the package has none."""

    def artifact(self, id: str, tenant_id: str, path: str) -> str:
        """A local file with one member of the archive; :class:`~mano.errors.NotFound` for any other path."""

    def artifacts(self, id: str, tenant_id: str, *, mano: bool = True, sets: Sequence[str] | None = None) -> str:
        """A local archive of its artifacts: those of the life cycle (``mano``), and of the others those of ``sets``."""


class PackageSources(Protocol):
    """VNF packages from a URI, and artifacts outside a package (SOL005 clauses 9.4.6 and 9.4.10)."""

    def upload_from_uri(self, id: str, tenant_id: str, uri: str, authentication: Authentication) -> None:
        """Begin to fetch the archive; how it went is in the package."""

    def external_access(self, id: str, tenant_id: str) -> Sequence[Document]:
        """How external artifacts are reached, without the credentials."""

    def set_external_access(self, id: str, tenant_id: str, entries: Sequence[Document]) -> None:
        """Replace that; :class:`~mano.errors.WrongState` once content has arrived."""

    def external_content(self, id: str, tenant_id: str, uri: str) -> str:
        """A local file with an external artifact."""


class Placing(Protocol):
    """Questions about placement; nothing is reserved or moved."""

    def placements(self, tenant_id: str) -> Sequence[Document]:
        """Every reservation with the decision's reasons."""

    def refused(self, tenant_id: str) -> Sequence[Document]:
        """Every VDU that an operation found no place for, with the reasons; the latest first."""

    def plan(self, request: Document, inventory: Document | None, search: Search) -> Document:
        """What a PlacementRequest would get from the live NFVI, or from the given Inventory."""

    def rebalance(self, search: Search) -> Document:
        """Moves that make what is placed cheaper, and what they gain."""

    def leaks(self) -> Document:
        """What the records, the instances and the hosts do not agree on."""

    def free_leaks(self) -> int:
        """Give back every reservation that nobody uses; how many."""


class Nfvi(Protocol):
    """Hosts, what is placed on them, and the VIMs that manage them."""

    def add_hosts(self, inventory: Document, vim_id: str) -> Sequence[Document]:
        """Bring every host of an Inventory document under a VIM's management; the hosts as :meth:`list` shows them.

        An empty ``vim_id`` means the only VIM there is.
        """

    def list(self) -> Sequence[Document]:
        """All hosts in order of their names."""

    def get(self, name: str) -> Document:
        """One host."""

    def set_state(self, name: str, state: str) -> Document:
        """Enable a host, drain it or call it down; the host with what is still there."""

    def remove(self, name: str) -> None:
        """Leave the host as it was found; :class:`~mano.errors.InUse` while something is placed on it."""

    def topology(self, tenant_id: str) -> Document:
        """Hosts, VNFCs, ports, networks, SAPs and chains in one picture."""

    def vims(self) -> Sequence[Document]:
        """The VIMs with their attachments."""

    def add_attachment(self, vim_id: str, attachment: Document) -> Document:
        """A place outside for SAPs: ``{name, host}`` or ``{name, physnet}``."""


class ForwardingGraphs(Protocol):
    """Service function chains (RFC 7665) and what the switches really do with them."""

    def list(self, tenant_id: str) -> Sequence[Document]:
        """All chains."""

    def get(self, id: str, tenant_id: str) -> Document:
        """One chain."""

    def statistics(self, id: str, tenant_id: str) -> Document:
        """Packets and octets per path and hop, and the drops."""

    def verify(self, id: str, tenant_id: str) -> Document:
        """Prove the chain on the simulator and compare the bridges with it."""

    def trace(self, id: str, tenant_id: str, packet: Document) -> Document:
        """The way of one packet ``{source, destination, protocol, sourcePort, destinationPort}``."""

    def follow(self, id: str, tenant_id: str, packet: Document) -> Document:
        """Send one real packet; its octets at every hop."""

    def traceroute(self, id: str, tenant_id: str, request: Document) -> Document:
        """Each hop as the bridges answer echo requests; ``{direction, count, waitMs}``."""

    def drift(self, id: str, tenant_id: str) -> Document:
        """Where the bridges of the chain differ from what they are to hold."""

    def repair(self, id: str, tenant_id: str) -> Document:
        """Make them so; where each differed."""

    def history(self, id: str, tenant_id: str) -> Document:
        """What was counted lately."""


class Subscriptions(Protocol):
    """Who is told what, of every interface (SOL003 clause 5.4.18, and alike)."""

    def create(
        self,
        interface: Interface,
        tenant_id: str,
        callback_uri: str,
        *,
        root: str,
        filter: Document | None = None,
        authentication: Authentication | None = None,
        verbosity: str = "FULL",
    ) -> tuple[Subscription, bool]:
        """A subscription, and whether it is new; :class:`~mano.errors.CallbackRefused` unless its callback answers."""

    def delete(self, interface: Interface, id: str, tenant_id: str) -> None:
        """End it; :class:`~mano.errors.NotFound` when this interface has none of that identifier."""


class Alarms(Protocol):
    """Fault management (SOL003 clause 7, SOL005 clause 8)."""

    def acknowledge(
        self, id: str, tenant_id: str | None, state: AckState, *, level: AlarmLevel | None, generation: int | None
    ) -> Alarm:
        """Set the acknowledgement state; :class:`~mano.errors.Conflict` when it is that already."""

    def escalate(self, id: str, tenant_id: str | None, severity: PerceivedSeverity) -> Alarm:
        """Make a VNF's alarm graver (SOL002 clause 7.4.4); :class:`~mano.errors.Conflict` when it is so already."""


class Performance(Protocol):
    """Performance management (SOL003 clause 6, SOL005 clause 7) and thresholds on capacity (SOL005 clause 10)."""

    def create_job(
        self,
        interface: Interface,
        tenant_id: str,
        root: str,
        *,
        kind: str,
        object_ids: Sequence[str],
        sub_object_ids: Sequence[str],
        criteria: PmCriteria,
        callback_uri: str,
        authentication: Authentication,
    ) -> PmJob:
        """A job whose callback answers; ``root`` begins the links in its notifications."""

    def redirect_job(
        self,
        interface: Interface,
        id: str,
        tenant_id: str,
        *,
        callback_uri: str | None,
        authentication: Authentication | None,
        generation: int | None,
    ) -> PmJob:
        """Another callback or other credentials."""

    def delete_job(self, interface: Interface, id: str, tenant_id: str) -> None:
        """End it, with its reports."""

    def create_threshold(self, threshold: Threshold, root: str, authentication: Authentication) -> Threshold:
        """A threshold whose callback answers; identifier and time are given here."""

    def redirect_threshold(
        self,
        interface: Interface,
        id: str,
        tenant_id: str,
        *,
        callback_uri: str | None,
        authentication: Authentication | None,
        generation: int | None,
    ) -> Threshold:
        """Another callback or other credentials."""

    def delete_threshold(self, interface: Interface, id: str, tenant_id: str) -> None:
        """End it."""


class Capacity(Protocol):
    """NFVI capacity (SOL005 clause 10)."""

    def all(self) -> Sequence[Any]:
        """Every VIM: ``vim_id``, ``zones`` and ``total`` of measurements with ``document()``."""

    def get(self, vim_id: str) -> Any:
        """One VIM."""


class Indicators(Protocol):
    """VNF indicators (SOL003 clause 8)."""

    def of(self, vnf_instance_id: str, tenant_id: str) -> Sequence[Any]:
        """Those of one instance: ``id``, ``name``, ``value``, ``vnf_instance_id``."""

    def one(self, vnf_instance_id: str, indicator_id: str, tenant_id: str) -> Any:
        """One of them."""


class AutoScaler(Protocol):
    """Scaling and healing without being asked."""

    def explain(self, id: str, tenant_id: str) -> Mapping[str, Any]:
        """Why a VNF or NS instance scaled itself, or why it did not."""

    def switch(self, id: str, tenant_id: str, enabled: bool) -> Mapping[str, Any]:
        """An operator's word on a network service."""


class Metering(Protocol):
    """What tenants used."""

    def usage(
        self, tenant_id: str | None, *, since: datetime | None = None, until: datetime | None = None
    ) -> Sequence[Document]:
        """Totals per tenant and network service."""


class Granting(Protocol):
    """The NFVO towards VNFMs (SOL003 clause 9); the same object as the Or-Vnfm port's ``Nfvo``."""

    def grant(self, request: GrantRequest, tenant_id: str) -> Grant:
        """Decide; the same answer for the same operation occurrence. Raises :class:`~mano.errors.Refused`."""

    def release(self, vnf_lcm_op_occ_id: str, tenant_id: str) -> None:
        """Nothing of what was granted for addition was used, or what was to be removed is free."""

    def settle(self, vnf_lcm_op_occ_id: str, tenant_id: str, *, done: bool, left: Sequence[Leftover] = ()) -> None:
        """An operation that changed a running VNF ended."""

    def lcm_changed(self, vnf_instance_id: str, tenant_id: str, hosts: Sequence[str]) -> None:
        """A VNF's ports came or went; networks and chains have followed when this returns."""

    def vnfcs_leave(self, vnf_instance_id: str, tenant_id: str, vnfcs: Sequence[str]) -> None:
        """VNFCs are about to go; no chain points at them when this returns."""


class VnfRecords(Protocol):
    """The NFVO's copies of VNF instances that a VNFM in another process manages."""

    def keep(self, instance: VnfInstance) -> None:
        """Store a copy, or replace an older one."""

    def forget(self, id: str, tenant_id: str) -> None:
        """It is gone."""


class VnfmNotices(Protocol):
    """What foreign VNFMs tell the NFVO of their operation occurrences."""

    def admits(self, key: str, user_name: str, password: str) -> bool:
        """Is there such a callback, and are these its credentials?"""

    def take(self, key: str, notification_id: str, instance_id: str, occurrence_id: str, state: str) -> None:
        """Take a notification, once; :class:`~mano.errors.Unreachable` when there is no room for it."""


class Evacuation(Protocol):
    """Emptying hosts."""

    def plan(self, host: str, budget: int = 1) -> Document:
        """What would leave the host, wave by wave, and what cannot, with the reasons; changes nothing."""


class Health(Protocol):
    """Is this server able to do its work?"""

    def checks(self) -> Mapping[str, str]:
        """Part to what is wrong with it, in a sentence; the empty string when it is well. Answers within 2 s."""


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that the HTTP interfaces can call.

    The API opens units with ``read_only`` alone; ``signal`` tells of commits; ``new_id`` makes a random UUID.
    A use case that this server's role does not have is ``None``: its API roots are not served then.
    """

    open_unit: UnitOfWorkFactory
    signal: CommitSignal
    health: Health
    new_id: IdFactory
    catalogue: Catalogue | None = None
    ns_lifecycle: NsLifecycle | None = None
    vnf_lifecycle: VnfLifecycle | None = None
    vnf_snapshots: VnfSnapshots | None = None
    snapshot_packages: SnapshotPackages | None = None
    quotas: QuotaUseCases | None = None
    nfvi: Nfvi | None = None
    placing: Placing | None = None
    evacuation: Evacuation | None = None
    forwarding_graphs: ForwardingGraphs | None = None
    chains: Chains | None = None
    subscriptions: Subscriptions | None = None
    package_sources: PackageSources | None = None
    alarms: Alarms | None = None
    performance: Performance | None = None
    capacity: Capacity | None = None
    indicators: Indicators | None = None
    auto_scaler: AutoScaler | None = None
    metering: Metering | None = None
    logical_networks: LogicalNetworks | None = None
    port_chaining: PortChaining | None = None
    granting: Granting | None = None
    vnf_records: VnfRecords | None = None
    vnfm_notices: VnfmNotices | None = None

    def of_role(self, role: Role, *, owns_nfvi: bool = False) -> Services:
        """What a server of this role serves; a VNFM that places by itself has hosts and networks of its own."""
        if role is Role.NFVO:
            return replace(self, vnf_lifecycle=None, vnf_snapshots=None)
        if role is Role.VNFM:
            nothing: dict[str, Any] = dict.fromkeys(set(NFVO_ONLY) - (OF_NFVI if owns_nfvi else frozenset()))
            return replace(self, **nothing)
        return self


OF_NFVI = frozenset({"nfvi", "placing", "evacuation", "logical_networks", "port_chaining"})
"""Use cases of who knows the hosts."""

NFVO_ONLY = (
    "catalogue",
    "ns_lifecycle",
    "nfvi",
    "placing",
    "evacuation",
    "forwarding_graphs",
    "chains",
    "logical_networks",
    "port_chaining",
    "granting",
    "vnf_records",
    "capacity",
    "package_sources",
    "snapshot_packages",
    "quotas",
)
"""Use cases that a VNFM on its own does not have."""

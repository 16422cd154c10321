"""The NFVI as the NFVO manages it: hosts, what is placed on them, and one picture of it all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from dataclasses import asdict, replace
from typing import Any

from mano.domain.events import Event
from mano.domain.ids import DEFAULT_TENANT
from mano.domain.nfvi import Host, HostState, Inventory, InventoryError
from mano.errors import CatenaError, InUse, InvalidInput, NotFound, StaleGeneration, Unreachable
from mano.nfvo.forwarding_graphs import ForwardingGraphs
from mano.nfvo.leftovers import is_left
from mano.nfvo.picture import picture_host, picture_network, picture_ns, picture_pnf, picture_sap, picture_vnfcs
from mano.nfvo.reserving import ATTEMPTS
from mano.nfvo.service_chains import ServiceChains
from mano.placement import host_to_document, inventory_from_document, inventory_to_document
from mano.ports.clock import Clock, IdFactory
from mano.ports.repositories import StoredHost, UnitOfWork, UnitOfWorkFactory
from mano.ports.vim import Attachment, HostStatus, VimDriver

HOSTS_AT_ONCE = 8
"""Hosts that are observed or brought up side by side."""


class Nfvi:
    """Use cases of NFVI management."""

    def __init__(
        self,
        open_unit: UnitOfWorkFactory,
        vims: Mapping[str, VimDriver],
        graphs: ForwardingGraphs,
        chains: ServiceChains,
        clock: Clock,
        new_id: IdFactory,
        tier: str,
    ) -> None:
        self._open_unit = open_unit
        self._vims = vims
        self._graphs = graphs
        self._chains = chains
        self._clock = clock
        self._new_id = new_id
        self._tier = tier

    def add_hosts(self, inventory: Mapping[str, Any], vim_id: str) -> Sequence[Mapping[str, Any]]:
        """Bring every host of an Inventory document under a VIM's management: all of them, or none.

        Raises InvalidInput for a wrong document, and for one that contradicts the other hosts or what is placed on a
        host already, before anything is touched; Unreachable when a host does not come up.
        """
        document = inventory_from_document(inventory)
        chosen = self._choose_vim(vim_id)
        self._refuse_strangers(document, chosen)
        with self._open_unit(read_only=True) as uow:
            _refuse_contradictions(uow, document)
            known = {stored.host.name for stored in uow.hosts.list()}
        statuses = self._bring_up(document.hosts, self._vims[chosen], known)
        with self._open_unit() as uow:
            world = _refuse_contradictions(uow, document)
            for host, status in zip(document.hosts, statuses, strict=True):
                self._store(uow, host, chosen, status, world)
            if document.links:
                _store_links(uow, document, world)
        names = {host.name for host in document.hosts}
        self._graphs.refresh(names)
        return [host for host in self.list() if host["name"] in names]

    def _bring_up(self, hosts: Sequence[Host], vim: VimDriver, known: Set[str]) -> Sequence[HostStatus]:
        """Each host's status; when one does not come up, those that are new are left as they were found."""
        statuses: list[HostStatus] = []
        try:
            for host in hosts:
                status = vim.ensure_host(host)
                if not status.reachable or status.dataplane is None:
                    raise Unreachable(f"host {host.name} did not come up: {status.detail}", hint="see `mano doctor`")
                statuses.append(status)
        except CatenaError:
            for host in hosts[: len(statuses) + 1]:
                if host.name not in known:
                    with suppress(CatenaError):  # what broke it is told; a later attempt ensures it again
                        vim.remove_host(host.name)
            raise
        return statuses

    def list(self) -> Sequence[Mapping[str, Any]]:
        """All hosts in order of their names, with what the VIM sees of them now."""
        with self._open_unit(read_only=True) as uow:
            stored = uow.hosts.list()
            inventory = uow.hosts.inventory()
            keys = {reservation.id: reservation.key for reservation in uow.reservations.list()}
        statuses = self._observe(stored)
        return [
            _view(host, status, full, keys)
            for host, status, full in zip(stored, statuses, inventory.hosts, strict=True)
        ]

    def get(self, name: str) -> Mapping[str, Any]:
        """One host."""
        for host in self.list():
            if host["name"] == name:
                return host
        raise NotFound(f"there is no host '{name}'", hint="`mano host list` shows all")

    def set_state(self, name: str, state: str) -> Mapping[str, Any]:
        """Enable a host, drain it (nothing new is placed there) or call it down; what it carries stays.

        Answers with the host, whose allocations are what is still there. Raises NotFound, and InvalidInput for other
        states.
        """
        if state not in set(HostState):
            raise InvalidInput("that is no state of a host", hint=f"one of {', '.join(HostState)}")
        for attempt in range(ATTEMPTS):
            try:
                self._put_state(name, HostState(state))
                break
            except StaleGeneration:
                if attempt == ATTEMPTS - 1:
                    raise
        return self.get(name)

    def _put_state(self, name: str, state: HostState) -> None:
        with self._open_unit() as uow:
            stored = uow.hosts.get(name)
            if stored.host.state is not state:
                uow.hosts.put(replace(stored, host=replace(stored.host, state=state)))
                self._announce(uow, name, "changed")

    def remove(self, name: str) -> None:
        """Leave the host as it was found; InUse while something is placed on it.

        What could not be removed from it hinders only as long as it answers: a lost host is given up with that.
        """
        with self._open_unit(read_only=True) as uow:
            is_lost = not self._observe([uow.hosts.get(name)])[0].reachable
        with self._open_unit() as uow:
            stored = uow.hosts.get(name)
            held = [reservation for reservation in uow.reservations.list() if reservation.host == name]
            left = [one for one in held if is_left(one)] if is_lost else []
            users = [one.key for one in held if one not in left]
            if users:
                raise InUse(
                    f"host {name} carries {', '.join(users[:5])}", hint="terminate their network services first"
                )
            for one in left:
                uow.reservations.remove(one.id)
            uow.hosts.remove(name)
            self._announce(uow, name, "removed")
        with suppress(CatenaError) if left else nullcontext():  # a lost host keeps what could not be removed
            self._vims[stored.vim_id].remove_host(name)
        self._graphs.refresh(())

    def topology(self, tenant_id: str) -> Mapping[str, Any]:
        """Hosts, VNFCs, ports, networks, SAPs and chains in one picture."""
        with self._open_unit(read_only=True) as uow:
            inventory = uow.hosts.inventory()
            stored = uow.hosts.list()
            reservations = uow.reservations.list(tenant_id)
            live = self._graphs.live_vnfs(uow)
            networks = uow.networks.list(tenant_id)
            services = uow.ns_instances.list(tenant_id)
        keys = {reservation.id: reservation.key for reservation in reservations}
        statuses = {status.name: status for status in self._observe(stored)}
        return {
            "tier": self._tier,
            "hosts": [
                {**picture_host(host, statuses[host.name], keys), **picture_vnfcs(host.name, live, tenant_id)}
                for host in inventory.hosts
            ],
            "networks": [picture_network(network) for network in networks],
            "saps": [
                *(picture_sap(sap) for ns in services for sap in ns.saps),
                *(picture_pnf(pnf, cp) for ns in services for pnf in ns.pnfs for cp in pnf.cps),
            ],
            "nsInstances": [picture_ns(ns) for ns in services],
            "chains": self._chains.list(tenant_id),
        }

    def vims(self) -> Sequence[Mapping[str, Any]]:
        """The VIMs with their attachments."""
        return [
            {
                "id": name,
                "type": type(vim).__module__.rsplit(".", 1)[-1].removeprefix("vim_"),
                "attachments": {key: _attachment(value) for key, value in sorted(vim.attachments().items())},
            }
            for name, vim in sorted(self._vims.items())
        ]

    def add_attachment(self, vim_id: str, attachment: Mapping[str, Any]) -> Mapping[str, Any]:
        """A place outside for SAPs: ``{name, host}`` or ``{name, physnet}``."""
        vim = self._vims.get(vim_id)
        if vim is None:
            raise NotFound(f"there is no VIM '{vim_id}'", hint=f"there are: {', '.join(sorted(self._vims))}")
        try:
            place = Attachment(
                name=str(attachment.get("name") or ""),
                host=str(attachment.get("host") or ""),
                physical_network=str(attachment.get("physnet") or ""),
            )
        except ValueError as error:
            raise InvalidInput(str(error)) from None
        vim.add_attachment(place)
        return {"name": place.name, **_attachment(place)}

    def _choose_vim(self, vim_id: str) -> str:
        if vim_id in self._vims:
            return vim_id
        if not vim_id and len(self._vims) == 1:
            return next(iter(self._vims))
        raise NotFound(f"there is no VIM '{vim_id}'", hint=f"there are: {', '.join(sorted(self._vims))}")

    def _refuse_strangers(self, document: Inventory, vim_id: str) -> None:
        """A host's name belongs to one VIM."""
        with self._open_unit(read_only=True) as uow:
            known = {host.host.name: host.vim_id for host in uow.hosts.list()}
        for host in document.hosts:
            if known.get(host.name, vim_id) != vim_id:
                raise InvalidInput(f"host {host.name} is managed by VIM {known[host.name]} already")

    def _store(self, uow: UnitOfWork, host: Host, vim_id: str, status: HostStatus, world: Inventory) -> None:
        """Raises StaleGeneration when something was placed on the host since `world`, which was checked, was read."""
        assert status.dataplane is not None
        generation, verb = (world.host(host.name).generation, "changed") if host.name in world else (0, "added")
        uow.hosts.put(StoredHost(host, vim_id, generation, asdict(status.dataplane)))
        self._announce(uow, host.name, verb)

    def _announce(self, uow: UnitOfWork, name: str, verb: str) -> None:
        """Hosts belong to the operator, whose tenant is the installation's own."""
        uow.outbox.append(
            Event(
                id=self._new_id(),
                noun="host",
                verb=verb,
                subject=name,
                tenant_id=DEFAULT_TENANT,
                occurred_at=self._clock.now(),
            )
        )

    def _observe(self, stored: Sequence[StoredHost]) -> Sequence[HostStatus]:
        if not stored:
            return ()
        with ThreadPoolExecutor(min(HOSTS_AT_ONCE, len(stored)), "host-status") as pool:
            return tuple(pool.map(lambda host: self._vims[host.vim_id].host_status(host.host.name), stored))


def _store_links(uow: UnitOfWork, document: Inventory, world: Inventory) -> None:
    """A document of all hosts tells all links; another one those of its own hosts, and the others stay."""
    described = {host.name for host in document.hosts}
    whole = all(host.name in described for host in world.hosts)
    uow.hosts.put_links(inventory_to_document(document)["links"], None if whole else described)


def _refuse_contradictions(uow: UnitOfWork, document: Inventory) -> Inventory:
    """All hosts together, with what is placed on them, must be an inventory after the change as before: the latter.

    Raises InvalidInput: an allocation that is on another host too, or a host without the CPUs, memory nodes or VFs that
    something on it holds.
    """
    world = uow.hosts.inventory()
    declared = {stored.host.name: len(stored.host.allocations) for stored in uow.hosts.list()}
    hosts = {host.name: host for host in world.hosts}
    for position, host in enumerate(document.hosts):
        reserved = hosts[host.name].allocations[declared[host.name] :] if host.name in hosts else ()
        try:
            hosts[host.name] = replace(host, allocations=(*host.allocations, *reserved))
        except InventoryError as error:
            hint = "terminate what runs there first, or keep what it holds"
            place = "/".join(map(str, error.path))
            told = f"/hosts/{position} no longer holds what is placed on it: {place}: expected {_expected(error)}"
            raise InvalidInput(told, hint=hint) from None
    try:
        Inventory(tuple(hosts.values()), world.links)
    except InventoryError as error:
        told = f"the hosts contradict those that are managed: expected {_expected(error)}"
        raise InvalidInput(told, hint="give each allocation another id") from None
    return world


def _expected(error: InventoryError) -> str:
    """What belongs there, without what was found."""
    return error.expected.partition(", found")[0]


def _view(stored: StoredHost, status: HostStatus, full: Host, keys: Mapping[str, str]) -> dict[str, Any]:
    document = host_to_document(full)
    for allocation in document.get("allocations", ()):
        allocation["id"] = keys.get(allocation["id"], allocation["id"])
    return {
        "name": stored.host.name,
        "zone": stored.host.zone,
        "state": stored.host.state.value,
        "vim": stored.vim_id,
        "generation": stored.generation,
        "nodeGenerations": {str(node): count for node, count in sorted(stored.node_generations.items())},
        "reachable": status.reachable,
        "detail": status.detail,
        "realisations": {key: value.value for key, value in status.realisations.items()},
        "notes": dict(status.notes),
        "dataplane": {
            "bridge": status.dataplane.bridge,
            "underlayIp": status.dataplane.underlay_ip,
            "underlayMtu": status.dataplane.underlay_mtu,
            "tunnelOfport": status.dataplane.tunnel_ofport,
            "oamOfport": status.dataplane.oam_ofport,
            "datapath": status.dataplane.datapath,
        }
        if status.dataplane
        else None,
        "inventory": document,
    }


def _attachment(place: Attachment) -> dict[str, Any]:
    return {"host": place.host} if place.host else {"physnet": place.physical_network}

"""Granting (SOL003 clause 9): the NFVO decides where a VNF's resources go, and answers with the exact places.

A VNF of one of our network services was placed with its NS: the grant hands out what the NS reserved. A VNF of its own
is placed here, with a reservation that ends unless an operation uses it. What either gets during its life is placed
when its VNFM asks (:mod:`mano.nfvo.growth`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from mano.domain.catalogue import DescriptorKind
from mano.domain.grant import Grant, GrantedResource, GrantRequest, ResourceDefinition
from mano.domain.ids import derive_id
from mano.domain.ns_instance import Network, Reservation
from mano.domain.vnf_instance import VnfInstance
from mano.errors import NotFound, Refused
from mano.nfvo.catalogue import find_usable
from mano.nfvo.chain_following import ChainFollowing
from mano.nfvo.forwarding_graphs import ForwardingGraphs
from mano.nfvo.growing import reservation_of
from mano.nfvo.growth import Growth, held_for, links_for, numbered, place_of, requested_flavour, settle
from mano.nfvo.internal_links import ensure_links, forget_links, known_links
from mano.nfvo.ns_placement import groups_of, vdu_request
from mano.nfvo.plan import plan_from_json
from mano.nfvo.reserving import Reserving
from mano.ports.clock import Clock
from mano.ports.or_vnfm import Leftover
from mano.ports.repositories import PackageStore, UnitOfWork, UnitOfWorkFactory
from vnf_descriptors.model import Vnfd, from_json

INSTANTIATE = "INSTANTIATE"

MAKES_LINKS = frozenset({INSTANTIATE, "CHANGE_FLAVOUR", "CHANGE_VNFPKG"})
"""Operations after which a VNF may have other internal virtual links than before."""

UNUSED_FOR = timedelta(minutes=10)
"""How long a VNF's own reservation waits for its operation to come to an end."""


class Granting:
    """The NFVO's side of Or-Vnfm; implements :class:`mano.ports.or_vnfm.Nfvo`."""

    def __init__(
        self,
        open_unit: UnitOfWorkFactory,
        store: PackageStore,
        reserving: Reserving,
        graphs: ForwardingGraphs,
        clock: Clock,
        following: ChainFollowing,
    ) -> None:
        self._open_unit = open_unit
        self._store = store
        self._reserving = reserving
        self._graphs = graphs
        self._clock = clock
        self._growth = Growth(open_unit, reserving)
        self._following = following

    def grant(self, request: GrantRequest, tenant_id: str) -> Grant:
        """Decide; the same answer for the same operation occurrence."""
        grant_id = derive_id("grant", request.vnf_lcm_op_occ_id)
        with self._open_unit() as uow:
            known = uow.grants.find(grant_id, tenant_id)
            instance = uow.vnf_instances.get(request.vnf_instance_id, tenant_id)
        if known is not None:
            return known
        if request.operation != INSTANTIATE:
            with self._open_unit(read_only=True) as uow:
                request = numbered(uow, request, instance)
        if request.operation not in (INSTANTIATE, "TERMINATE") and instance.ns_instance_id:
            self._refuse_empty_chains(request, instance, tenant_id)
        if request.add_resources and request.operation != INSTANTIATE:
            self._growth.reserve(request, instance, tenant_id)
        elif request.add_resources and not instance.ns_instance_id:
            self._reserve_alone(request, tenant_id)
        with self._open_unit() as uow:
            grant = self._from_reservations(uow, grant_id, request, instance, tenant_id)
            if uow.grants.find(grant_id) is None:
                uow.grants.add(grant)
        return grant

    def _refuse_empty_chains(self, request: GrantRequest, instance: VnfInstance, tenant_id: str) -> None:
        """A chain of the NS must not lose its last function; whoever terminates a VNF takes it out of them before."""
        stays = {resource.former or place_of(resource) for resource in request.add_resources}
        going = {resource.id for resource in request.remove_resources if place_of(resource) not in stays}
        leaving = frozenset(vnfc.id for vnfc in instance.vnfcs if vnfc.compute_id in going)
        if leaving:
            self._following.differences(instance.ns_instance_id, tenant_id, leaving)

    def release(self, vnf_lcm_op_occ_id: str, tenant_id: str) -> None:
        """Free what belongs to the VNF alone; what its NS reserved stays the NS's."""
        with self._open_unit() as uow:
            grant = uow.grants.find(derive_id("grant", vnf_lcm_op_occ_id), tenant_id)
            if grant is None:
                return
            for reservation in uow.reservations.list(tenant_id, ns_instance_id=grant.vnf_instance_id):
                uow.reservations.remove(reservation.id)
            forget_links(uow, grant.vnf_instance_id)

    def settle(self, vnf_lcm_op_occ_id: str, tenant_id: str, *, done: bool, left: Sequence[Leftover] = ()) -> None:
        """Free what was granted for removal, or, of an operation that came to nothing, what was granted besides."""
        with self._open_unit() as uow:
            grant = uow.grants.find(derive_id("grant", vnf_lcm_op_occ_id), tenant_id)
            if grant is not None:
                settle(uow, grant, done=done, left=left)

    def end(self, vnf_lcm_op_occ_id: str, tenant_id: str, operation: str, done: bool) -> None:
        """An operation of a foreign VNFM ended: free what it did not use, or what it gave back."""
        if operation == INSTANTIATE and done:
            return
        if operation in (INSTANTIATE, "TERMINATE"):
            if done is (operation == "TERMINATE"):
                self.release(vnf_lcm_op_occ_id, tenant_id)
            return
        self.settle(vnf_lcm_op_occ_id, tenant_id, done=done)

    def lcm_changed(self, vnf_instance_id: str, tenant_id: str, hosts: Sequence[str]) -> None:
        """A VNF's ports came or went: its networks follow, and the chains that are already there."""
        self._graphs.refresh(hosts)
        ns_instance_id = self._service_of(vnf_instance_id, tenant_id)
        if ns_instance_id:
            self._following.follow(ns_instance_id, tenant_id)

    def vnfcs_leave(self, vnf_instance_id: str, tenant_id: str, vnfcs: Sequence[str]) -> None:
        """VNFCs are about to go: the chains of their service let go of them first, without losing a packet."""
        ns_instance_id = self._service_of(vnf_instance_id, tenant_id)
        if ns_instance_id and vnfcs:
            self._following.follow(ns_instance_id, tenant_id, without=frozenset(vnfcs))

    def _service_of(self, vnf_instance_id: str, tenant_id: str) -> str:
        with self._open_unit(read_only=True) as uow:
            instance = uow.vnf_instances.find(vnf_instance_id, tenant_id)
        return instance.ns_instance_id if instance else ""

    def vnfd(self, vnfd_id: str, tenant_id: str) -> tuple[str, Mapping[str, Any]]:
        """(package id, JSON of the VNFD's typed model) of the on-boarded and enabled package."""
        with self._open_unit(read_only=True) as uow:
            package = find_usable(uow, DescriptorKind.VNF, vnfd_id, tenant_id)
        return package.id, package.descriptor

    def artifact_path(self, package_id: str, artifact: str, tenant_id: str) -> str:
        """A local file with the artifact's content."""
        with self._open_unit(read_only=True) as uow:
            package = uow.packages.get(package_id, tenant_id)
        return self._store.member_path(package.content_key, artifact)

    def _reserve_alone(self, request: GrantRequest, tenant_id: str) -> None:
        """Place and reserve a VNF that is in no NS; its reservations are kept under its own identifier."""
        _, document = self.vnfd(request.vnfd_id, tenant_id)
        vnfd = from_json(document)
        if not isinstance(vnfd, Vnfd):
            raise NotFound(f"{request.vnfd_id} is not a VNFD")
        flavour = vnfd.flavour(request.flavour_id or None)
        owner = request.vnf_instance_id
        placement = {
            "apiVersion": "catena/v1",
            "kind": "PlacementRequest",
            "vdus": [
                vdu_request(flavour, resource.vdu_id, _key(owner, resource)) for resource in request.add_resources
            ],
            "groups": [
                group
                for rule in flavour.affinity_rules
                for group in groups_of(
                    rule, [[_key(owner, r)] for r in request.add_resources if r.vdu_id in rule.members]
                )
            ],
        }
        ids = {_key(owner, r): derive_id(owner, "reservation", _key(owner, r)) for r in request.add_resources}
        self._reserving.reserve(owner, tenant_id, placement, ids, expires_at=self._clock.now() + UNUSED_FOR)

    def _from_reservations(
        self, uow: UnitOfWork, grant_id: str, request: GrantRequest, instance: VnfInstance, tenant_id: str
    ) -> Grant:
        if request.operation == INSTANTIATE:
            keys = _reservation_keys(uow, request, instance)
        else:
            keys = {r.id: reservation_of(request.vnf_lcm_op_occ_id, place_of(r)) for r in request.add_resources}
        zones = {host.host.name: host for host in uow.hosts.list()}
        added = []
        for resource in request.add_resources:
            reservation = _reserved(uow, keys[resource.id], tenant_id)
            if reservation.expires_at is not None:
                uow.reservations.save(replace(reservation, expires_at=None))
            added.append(
                GrantedResource(
                    resource_definition_id=resource.id,
                    reservation_id=reservation.id,
                    zone_id=zones[reservation.host].host.zone,
                    resource_provider_id=reservation.host,
                    placement=reservation.allocation,
                    vdu_id=resource.vdu_id,
                    index=resource.index,
                )
            )
        removed = held_for(uow, instance, request.remove_resources, {resource.reservation_id for resource in added})
        if request.operation in MAKES_LINKS:
            internal = ensure_links(uow, instance, requested_flavour(uow, request, tenant_id))
        else:
            internal = known_links(uow, instance)
        return Grant(
            id=grant_id,
            tenant_id=tenant_id,
            vnf_instance_id=instance.id,
            vnf_lcm_op_occ_id=request.vnf_lcm_op_occ_id,
            add_resources=tuple(added),
            remove_resources=removed,
            ext_virtual_links=links_for(uow, instance, added, request),
            additional_parameters={
                "catenaPlacement": {a.resource_definition_id: a.placement for a in added},
                "catenaHosts": {name: host.vim_id for name, host in zones.items()},
                "catenaNetworks": {n.id: _network_facts(n) for n in _networks(uow, request, instance, tenant_id)},
                "catenaInternalLinks": internal,
            },
        )


def _key(owner: str, resource: ResourceDefinition) -> str:
    return f"{owner[:8]}/{place_of(resource)}"


def _reservation_keys(uow: UnitOfWork, request: GrantRequest, instance: VnfInstance) -> dict[str, str]:
    """Resource definition to reservation identifier, for every resource to be added."""
    if not instance.ns_instance_id:
        owner = instance.id
        return {r.id: derive_id(owner, "reservation", _key(owner, r)) for r in request.add_resources}
    plan = plan_from_json(uow.ns_instances.get(instance.ns_instance_id).plan)
    planned = next((vnf for vnf in plan.vnfs if vnf.vnf_instance_id == instance.id), None)
    by_place = {(v.vdu_id, v.index): v.reservation_id for v in planned.vnfcs} if planned else {}
    missing = [r for r in request.add_resources if (r.vdu_id, r.index) not in by_place]
    if missing:
        raise Refused(
            f"the NS planned no place for VDU {missing[0].vdu_id} instance {missing[0].index} of VNF {instance.name}",
            hint="instantiate with the flavour and level that the NSD names",
        )
    return {r.id: by_place[r.vdu_id, r.index] for r in request.add_resources}


def _reserved(uow: UnitOfWork, reservation_id: str, tenant_id: str) -> Reservation:
    reservation = uow.reservations.find(reservation_id, tenant_id)
    if reservation is None:
        raise Refused("what was reserved for this VNF is gone", hint="start the operation again")
    return reservation


def _networks(uow: UnitOfWork, request: GrantRequest, instance: VnfInstance, tenant_id: str) -> Sequence[Network]:
    """The networks of the VNF's service, and those that the request names; all of the tenant's for one on its own."""
    if not instance.ns_instance_id:
        return uow.networks.list(tenant_id)
    own = [
        *uow.networks.list(tenant_id, ns_instance_id=instance.ns_instance_id),
        *uow.networks.list(tenant_id, ns_instance_id=instance.id),
    ]
    known = {network.id for network in own}
    named = dict.fromkeys(str(link.get("resourceId")) for link in request.ext_virtual_links)
    others = (uow.networks.find(network_id, tenant_id) for network_id in named if network_id not in known)
    return [*own, *(network for network in others if network is not None)]


def _network_facts(network: Network) -> dict[str, Any]:
    return {
        "kind": network.kind.value,
        "mtu": network.mtu,
        "physicalNetwork": network.physical_network,
        "segment": network.segment,
        "subnets": list(network.subnets),
        "gateways": list(network.gateways),
    }

"""Placing and reserving what a running VNF gets during its life, and freeing what it gives back."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from mano.domain.catalogue import DescriptorKind
from mano.domain.grant import Grant, GrantedResource, GrantRequest, ResourceDefinition
from mano.domain.ns_instance import Network, NsInstance, Reservation
from mano.domain.vnf_instance import VnfInstance
from mano.errors import InvalidInput
from mano.nfvo.growing import (
    Neighbourhood,
    Newcomer,
    addresses_of,
    connect,
    external_links,
    placement_request,
    reservation_of,
    rules_of_ns,
    rules_of_vnf,
    with_vnfcs,
)
from mano.nfvo.leftovers import keep_places
from mano.nfvo.plan import NsPlan, PlannedCp, PlannedVnf, PlannedVnfc, plan_from_json
from mano.nfvo.reserving import Reserving
from mano.placement import PlacementResult, request_from_document
from mano.ports.or_vnfm import Leftover
from mano.ports.repositories import UnitOfWork, UnitOfWorkFactory
from vnf_descriptors.model import Nsd, NsFlavour, Vnfd, VnfFlavour, from_json

CPS = "connectionPoints"
"""Where the reservation of a VNF on its own keeps the addresses that go with it."""

ELSEWHERE = frozenset({"HEAL"})
"""Operations that replace a VNFC because its host is no good."""


@dataclass(frozen=True, slots=True)
class _Owner:
    """Who holds the reservations: the NS with its plan, or the VNF on its own."""

    id: str
    name: str
    plan: NsPlan | None = None
    flavour: NsFlavour | None = None
    vnf: PlannedVnf | None = None


class Growth:
    """Decides on additions to running VNFs."""

    def __init__(self, open_unit: UnitOfWorkFactory, reserving: Reserving) -> None:
        self._open_unit = open_unit
        self._reserving = reserving

    def reserve(self, request: GrantRequest, instance: VnfInstance, tenant_id: str) -> None:
        """Place what is to be added, in one decision, and hold it; once per operation.

        Raises :class:`~mano.errors.NotPlaceable` with the reasons, :class:`~mano.errors.Refused` for want of addresses.
        """
        owner_id, newcomers, document = self._request(request, instance, tenant_id)
        self._reserving.reserve(
            owner_id,
            tenant_id,
            document,
            {one.key: one.reservation_id for one in newcomers},
            also=lambda uow: _join_plan(uow, instance, newcomers),
        )

    def would(self, request: GrantRequest, instance: VnfInstance, tenant_id: str) -> PlacementResult:
        """Where the additions would go now; reserves nothing."""
        _, _, document = self._request(request, instance, tenant_id)
        return self._reserving.decide(request_from_document(document))

    def _request(
        self, request: GrantRequest, instance: VnfInstance, tenant_id: str
    ) -> tuple[str, list[Newcomer], dict[str, Any]]:
        """(who holds the reservations, the newcomers, the PlacementRequest for them)."""
        with self._open_unit(read_only=True) as uow:
            owner = _owner(uow, instance)
            here = _neighbourhood(uow, request, instance, tenant_id)
            newcomers = _newcomers(uow, here, owner, request, instance)
            leaving = {one.reservation_id for one in held_for(uow, instance, request.remove_resources, ())}
            present = _present(uow, owner, instance, leaving)
        groups = [*rules_of_vnf(here.flavour.affinity_rules, present, newcomers)]
        if owner.plan is not None and owner.flavour is not None and owner.vnf is not None:
            groups += rules_of_ns(owner.flavour, owner.plan, owner.vnf, newcomers)
        return owner.id, newcomers, placement_request(here, newcomers, groups)


def place_of(resource: ResourceDefinition) -> str:
    """``<vdu>/<index>``: where a VNFC belongs within its VNF."""
    return f"{resource.vdu_id}/{resource.index}"


def _owner(uow: UnitOfWork, instance: VnfInstance) -> _Owner:
    if not instance.ns_instance_id:
        return _Owner(instance.id, instance.id[:8])
    ns = uow.ns_instances.get(instance.ns_instance_id)
    plan = plan_from_json(ns.plan)
    vnf = next((one for one in plan.vnfs if one.vnf_instance_id == instance.id), None)
    if vnf is None:
        raise InvalidInput(f"VNF instance {instance.id} is not in the plan of its NS {ns.id}")
    nsd = from_json(uow.packages.get(ns.nsd_info_id).descriptor)
    if not isinstance(nsd, Nsd):
        raise InvalidInput(f"package {ns.nsd_info_id} holds no NSD")
    return _Owner(ns.id, vnf.name, plan, nsd.flavour(plan.flavour_id), vnf)


def _neighbourhood(uow: UnitOfWork, request: GrantRequest, instance: VnfInstance, tenant_id: str) -> Neighbourhood:
    links = {
        str(cp.get("cpdId")): str(link.get("resourceId"))
        for link in request.ext_virtual_links
        for cp in link.get("extCps") or ()
    }
    networks = {network.id: network for network in uow.networks.list(tenant_id) if network.id in set(links.values())}
    unknown = sorted(set(links.values()) - networks.keys())
    if unknown:
        raise InvalidInput(
            f"the NFVO knows no network {unknown[0]}",
            hint="resourceId of extVirtualLinks must be a network of this NFVO",
        )
    return Neighbourhood(
        op_id=request.vnf_lcm_op_occ_id,
        flavour=requested_flavour(uow, request, tenant_id),
        links=links,
        networks=networks,
        taken=addresses_taken(uow, networks, tenant_id),
        declared={},
    )


def requested_flavour(uow: UnitOfWork, request: GrantRequest, tenant_id: str) -> VnfFlavour:
    """The deployment flavour that a grant request is about; raises InvalidInput when there is none."""
    packages = uow.packages.list(tenant_id, descriptor_id=request.vnfd_id, kind=DescriptorKind.VNF.value)
    models = [from_json(package.descriptor) for package in packages if package.descriptor]
    vnfd = next((model for model in models if isinstance(model, Vnfd)), None)
    if vnfd is None:
        raise InvalidInput(f"no on-boarded package has the VNFD {request.vnfd_id}")
    return vnfd.flavour(request.flavour_id or None)


def addresses_taken(uow: UnitOfWork, networks: Mapping[str, Network], tenant_id: str) -> dict[str, list[str]]:
    """Who has which address: by the plans of the networks' services, VNFs on their own, and ports made by hand."""
    found: dict[str, list[str]] = {network_id: [] for network_id in networks}
    for ns_id in sorted({network.ns_instance_id for network in networks.values() if network.ns_instance_id}):
        ns = uow.ns_instances.find(ns_id)
        for network_id, addresses in _planned_addresses(ns).items():
            found.setdefault(network_id, []).extend(addresses)
    owners = {network.ns_instance_id for network in networks.values()} | {""}
    vnfs = [vnf for owner in sorted(owners) for vnf in uow.vnf_instances.list(tenant_id, ns_instance_id=owner)]
    for guest in vnfs:
        for point in (point for vnfc in guest.vnfcs for point in vnfc.connection_points):
            found.setdefault(point.network_id, []).extend(point.addresses)
    for port in uow.logical_ports.list():
        if port.network_id in found:
            found[port.network_id].extend(port.addresses)
    return found


def _planned_addresses(ns: NsInstance | None) -> dict[str, list[str]]:
    if ns is None or not ns.plan:
        return {}
    plan = plan_from_json(ns.plan)
    found = addresses_of(cp for vnf in plan.vnfs for vnfc in vnf.vnfcs for cp in vnfc.cps)
    for sap in plan.saps:
        found.setdefault(sap.network_id, []).extend(sap.addresses)
    for cp in (cp for pnf in plan.pnfs for cp in pnf.cps):
        found.setdefault(cp.network_id, []).extend(cp.addresses)
    return found


def _newcomers(
    uow: UnitOfWork, here: Neighbourhood, owner: _Owner, request: GrantRequest, instance: VnfInstance
) -> list[Newcomer]:
    replaced = {place_of_granted(one): one for one in held_for(uow, instance, request.remove_resources, ())}
    found: list[Newcomer] = []
    taken = {network: list(addresses) for network, addresses in here.taken.items()}
    for resource in request.add_resources:
        place = place_of(resource)
        key = f"{owner.name}/{place}"
        former = replaced.get(resource.former or place)
        kept = _cps_of(instance, former) if former else ()
        cps = connect(replace(here, taken=taken), resource.vdu_id, resource.index, key, kept)
        for network, addresses in addresses_of(cps).items():
            taken.setdefault(network, []).extend(addresses)
        found.append(
            Newcomer(
                definition=resource,
                key=f"{key}~{here.op_id[:8]}" if former else key,
                reservation_id=reservation_of(here.op_id, place),
                cps=cps,
                stands_for=former.reservation_id if former and request.operation in ELSEWHERE else "",
            )
        )
    return found


def _cps_of(instance: VnfInstance, former: GrantedResource) -> tuple[PlannedCp, ...]:
    """The connection points of the VNFC that is replaced: its successor takes them over with their addresses."""
    return tuple(
        PlannedCp(point.cpd_id, point.ext_cpd_id, point.network_id, point.mac, point.addresses)
        for vnfc in instance.vnfcs
        if (vnfc.vdu_id, vnfc.index) == (former.vdu_id, former.index)
        for point in vnfc.connection_points
    )


def _present(uow: UnitOfWork, owner: _Owner, instance: VnfInstance, leaving: Collection[str]) -> list[tuple[str, str]]:
    """(VDU, reservation) of the VNFCs that stay."""
    if owner.vnf is not None:
        held = [(vnfc.vdu_id, vnfc.reservation_id) for vnfc in owner.vnf.vnfcs]
    else:
        held = [(_vdu_of(one.key), one.id) for one in uow.reservations.list(ns_instance_id=instance.id)]
    return [(vdu_id, reservation) for vdu_id, reservation in held if reservation not in leaving]


def _vdu_of(key: str) -> str:
    return key.split("/")[1]


def _join_plan(uow: UnitOfWork, instance: VnfInstance, newcomers: Sequence[Newcomer]) -> None:
    """The NS's plan has the newcomers, beside those that they will replace; else their reservations say it."""
    if not instance.ns_instance_id:
        for one in newcomers:
            reservation = uow.reservations.get(one.reservation_id)
            told = {**reservation.decision, CPS: [asdict(cp) for cp in one.cps]}
            uow.reservations.save(replace(reservation, decision=told))
        return
    ns = uow.ns_instances.get(instance.ns_instance_id)
    plan = plan_from_json(ns.plan)
    vnf = next(one for one in plan.vnfs if one.vnf_instance_id == instance.id)
    new = [
        PlannedVnfc(one.key, one.definition.vdu_id, one.definition.index, one.reservation_id, one.cps)
        for one in newcomers
    ]
    known = {one.reservation_id for one in new}
    others = [vnfc for vnfc in vnf.vnfcs if vnfc.reservation_id not in known]
    uow.ns_instances.save(replace(ns, plan=with_vnfcs(plan, instance.id, [*others, *new]).to_json()))


def place_of_granted(resource: GrantedResource) -> str:
    """``<vdu>/<index>`` of a granted resource."""
    return f"{resource.vdu_id}/{resource.index}"


def held_for(
    uow: UnitOfWork, instance: VnfInstance, resources: Iterable[ResourceDefinition], new: Collection[str]
) -> tuple[GrantedResource, ...]:
    """What is held for VNFCs that are to go; what is ``new`` for the same place is not meant."""
    held = [(place, one) for place, one in _reservations(uow, instance) if one.id not in new]
    by_place, by_id = dict(held), {one.id: one for _, one in held}
    return tuple(
        GrantedResource(
            resource_definition_id=resource.id,
            reservation_id=one.id,
            zone_id="",
            resource_provider_id=one.host,
            placement={},
            vdu_id=resource.vdu_id,
            index=resource.index,
        )
        for resource in resources
        if (one := by_id.get(resource.reservation_id) or by_place.get(place_of(resource))) is not None
    )


def numbered(uow: UnitOfWork, request: GrantRequest, instance: VnfInstance) -> GrantRequest:
    """The request with the indices of a VNFM that numbers no instances (SOL003 knows none) made out.

    Of a VDU the last ones go first; what comes takes the places of what goes, then the lowest that are free.
    """
    held = {place for place, _ in _reservations(uow, instance)}
    removed, going = [], set[str]()
    for resource in request.remove_resources:
        if not resource.is_numbered:
            there = _indices(held - going, resource.vdu_id)
            resource = replace(resource, index=max(there, default=resource.index))
        going.add(place_of(resource))
        removed.append(resource)
    added, coming = [], set[str]()
    for resource in request.add_resources:
        if not resource.is_numbered:
            free = _indices(going - coming, resource.vdu_id)
            taken = set(_indices(held | coming, resource.vdu_id))
            lowest = next(n for n in range(len(taken) + 1) if n not in taken)
            resource = replace(resource, index=min(free, default=lowest))
        coming.add(place_of(resource))
        added.append(resource)
    return replace(request, add_resources=tuple(added), remove_resources=tuple(removed))


def _indices(places: Iterable[str], vdu_id: str) -> list[int]:
    split = (place.rpartition("/") for place in places)
    return [int(index) for vdu, _, index in split if vdu == vdu_id and index.isdigit()]


def _reservations(uow: UnitOfWork, instance: VnfInstance) -> list[tuple[str, Reservation]]:
    """Each place of the VNF with its reservation, the replaced ones of a replacement that was given up last."""
    if not instance.ns_instance_id:
        held = uow.reservations.list(ns_instance_id=instance.id)
        return [(one.key.partition("/")[2].partition("~")[0], one) for one in _oldest_last(held)]
    plan = plan_from_json(uow.ns_instances.get(instance.ns_instance_id).plan)
    vnfcs = [vnfc for vnf in plan.vnfs if vnf.vnf_instance_id == instance.id for vnfc in vnf.vnfcs]
    ids = {vnfc.reservation_id for vnfc in vnfcs}
    held = [one for one in uow.reservations.list(ns_instance_id=instance.ns_instance_id) if one.id in ids]
    return [(one.key.partition("/")[2].partition("~")[0], one) for one in _oldest_last(held)]


def _oldest_last(reservations: Iterable[Reservation]) -> list[Reservation]:
    return sorted(reservations, key=lambda one: "~" not in one.key)


def links_for(
    uow: UnitOfWork, instance: VnfInstance, added: Sequence[GrantedResource], request: GrantRequest
) -> tuple[Mapping[str, Any], ...]:
    """The external virtual links of what is added to a running VNF, with the addresses that the NFVO chose."""
    if request.operation == "CHANGE_EXT_CONN":
        return _reconnected(uow, instance, request)
    if request.operation == "INSTANTIATE" or not added:
        return ()
    if instance.ns_instance_id:
        plan = plan_from_json(uow.ns_instances.get(instance.ns_instance_id).plan)
        cps = {vnfc.reservation_id: vnfc.cps for vnf in plan.vnfs for vnfc in vnf.vnfcs}
    else:
        held = {one.reservation_id: uow.reservations.get(one.reservation_id).decision for one in added}
        cps = {key: tuple(PlannedCp(**cp) for cp in told.get(CPS, ())) for key, told in held.items()}
    return external_links((one.index, cp) for one in added for cp in cps.get(one.reservation_id, ()))


def _reconnected(uow: UnitOfWork, instance: VnfInstance, request: GrantRequest) -> tuple[Mapping[str, Any], ...]:
    """Addresses for connection points that go to other networks and for which none were asked for."""
    here = _neighbourhood(uow, request, instance, instance.tenant_id)
    asked = {
        (str(cp.get("cpdId")), number)
        for link in request.ext_virtual_links
        for cp in link.get("extCps") or ()
        for number, config in enumerate((cp.get("cpConfig") or {}).values())
        if config
    }
    taken = {network: list(addresses) for network, addresses in here.taken.items()}
    found: list[tuple[int, PlannedCp]] = []
    for vnfc in instance.vnfcs:
        stays = tuple(
            PlannedCp(cp.cpd_id, cp.ext_cpd_id, cp.network_id, cp.mac, cp.addresses) for cp in vnfc.connection_points
        )
        owner = f"{instance.id[:8]}/{vnfc.vdu_id}/{vnfc.index}"
        without = replace(here, taken=taken)
        for cp in connect(without, vnfc.vdu_id, vnfc.index, owner, stays, asked=asked):
            mac = next((one.mac for one in stays if one.cpd_id == cp.cpd_id), cp.mac)
            found.append((vnfc.index, replace(cp, mac=mac)))
            taken.setdefault(cp.network_id, []).extend(cp.addresses)
    return external_links(found)


def settle(uow: UnitOfWork, grant: Grant, *, done: bool, left: Sequence[Leftover] = ()) -> None:
    """Free what an operation took out of use, or did not come to use; keep the places of what is ``left`` there."""
    gone = {one.reservation_id for one in (grant.remove_resources if done else grant.add_resources)}
    instance = uow.vnf_instances.find(grant.vnf_instance_id)
    kept = keep_places(uow, grant, left) if done else frozenset()
    for reservation_id in gone - kept:
        uow.reservations.remove(reservation_id)
    for one in grant.add_resources if done else ():
        reservation = uow.reservations.find(one.reservation_id)
        if reservation is not None and "~" in reservation.key:
            uow.reservations.save(replace(reservation, key=reservation.key.partition("~")[0]))
    if instance is None or not instance.ns_instance_id:
        return
    ns = uow.ns_instances.get(instance.ns_instance_id)
    plan = plan_from_json(ns.plan)
    vnfcs = [
        replace(vnfc, key=vnfc.key.partition("~")[0]) if done else vnfc
        for vnf in plan.vnfs
        if vnf.vnf_instance_id == instance.id
        for vnfc in vnf.vnfcs
        if vnfc.reservation_id not in gone
    ]
    changed = with_vnfcs(plan, instance.id, vnfcs).to_json()
    if changed != ns.plan:
        uow.ns_instances.save(replace(ns, plan=changed))

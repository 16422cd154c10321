"""A VNF changes hands: from itself to a network service and back, with all that is held for it, in one transaction.

The reservations of a VNF on its own are kept under its identifier, those of a VNF of an NS under the NS's. Whoever has
it plans it; nothing of what it runs on changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mano.domain.ids import derive_id
from mano.domain.lcm_op_occ import require_idle
from mano.domain.vnf_instance import VnfInstance
from mano.errors import Refused, WrongState
from mano.nfvo.joining import Joiner, join_vnfs, reconnection, require_rules
from mano.nfvo.ns_change import VnfWork
from mano.nfvo.plan import NsPlan, PlannedVnf, plan_from_json
from mano.nfvo.plan_inputs import PlanInputs
from mano.ports.repositories import UnitOfWork

SERVICE, PROFILE = "nsInstanceId", "vnfProfileId"
"""Metadata of a VNF instance that name its NS, and its profile there."""


def newcomers(
    uow: UnitOfWork,
    inputs: PlanInputs,
    plan: NsPlan,
    entries: Sequence[Mapping[str, str]],
    taken: Mapping[str, Iterable[str]],
) -> tuple[tuple[PlannedVnf, ...], tuple[VnfWork, ...]]:
    """The VNFs of VnfInstanceData as an NS plans them, and what reconnects them.

    Raises Refused where one runs where the NSD's rules would not have let it.
    """
    if not entries:
        return (), ()
    joiners = [Joiner(uow.vnf_instances.get(entry["vnfInstanceId"]), entry["vnfProfileId"]) for entry in entries]
    joined = join_vnfs(inputs, plan, joiners, taken)
    for planned, joiner in zip(joined, joiners, strict=True):
        _require_whole(uow, inputs.ns_instance_id, planned, joiner.vnf)
    hosts = {one.key: one.host for one in uow.reservations.list(ns_instance_id=inputs.ns_instance_id)}
    for planned, joiner in zip(joined, joiners, strict=True):
        there = {(vnfc.vdu_id, vnfc.index): vnfc.host for vnfc in joiner.vnf.vnfcs}
        hosts |= {vnfc.key: there[vnfc.vdu_id, vnfc.index] for vnfc in planned.vnfcs}
    zones = {host.host.name: host.host.zone for host in uow.hosts.list()}
    require_rules(inputs.flavour, plan, joined, hosts, zones)
    work = (reconnection(planned, joiner.vnf) for planned, joiner in zip(joined, joiners, strict=True))
    return joined, tuple(one for one in work if one is not None)


def _require_whole(uow: UnitOfWork, ns_instance_id: str, planned: PlannedVnf, vnf: VnfInstance) -> None:
    """Raises Refused for a connection point that would stay on a network of another NS."""
    moving = {(vnfc.vdu_id, cp.cpd_id) for vnfc in planned.vnfcs for cp in vnfc.cps}
    for vnfc in vnf.vnfcs:
        for cp in vnfc.connection_points:
            network = uow.networks.find(cp.network_id)
            owner = network.ns_instance_id if network is not None else ""
            if (vnfc.vdu_id, cp.cpd_id) not in moving and owner not in ("", ns_instance_id, vnf.id):
                raise Refused(
                    f"connection point {cp.cpd_id} of VNF {vnf.name} would stay on a network of NS instance {owner}: "
                    f"profile {planned.profile_id} connects it to nothing",
                    hint="connect it elsewhere first: ChangeExtVnfConnectivity of the VNF",
                )


def take(uow: UnitOfWork, ns_instance_id: str, planned: PlannedVnf) -> None:
    """The VNF is part of the NS, as planned; it serves no chain before :func:`enlist`. Repeatable.

    Raises OperationInProgress while it is being changed, WrongState when another NS has it.
    """
    vnf = uow.vnf_instances.get(planned.vnf_instance_id)
    if vnf.ns_instance_id == ns_instance_id:
        return
    if vnf.ns_instance_id:
        raise WrongState(f"VNF {vnf.name} is part of NS instance {vnf.ns_instance_id} meanwhile")
    require_idle(uow.operations.active(vnf.id))
    places = {(vnfc.vdu_id, str(vnfc.index)): (vnfc.reservation_id, vnfc.key) for vnfc in planned.vnfcs}
    _move_reservations(uow, vnf.id, ns_instance_id, places)
    uow.vnf_instances.save(replace(_named(vnf, ns_instance_id, ""), ns_instance_id=ns_instance_id))
    ns = uow.ns_instances.get(ns_instance_id)
    plan = plan_from_json(ns.plan)
    grown = _with(plan, planned).to_json()
    uow.ns_instances.save(replace(ns, plan=grown, vnf_instances={**ns.vnf_instances, planned.name: vnf.id}))


def enlist(uow: UnitOfWork, vnf_instance_id: str, profile_id: str) -> None:
    """The VNF serves under a profile of its NS, or, with none, no chain."""
    vnf = uow.vnf_instances.get(vnf_instance_id)
    uow.vnf_instances.save(replace(_named(vnf, vnf.ns_instance_id, profile_id), vnf_profile_id=profile_id))


def let_go(uow: UnitOfWork, ns_instance_id: str, vnf_instance_id: str) -> PlannedVnf | None:
    """The VNF is on its own; what the NS planned of it, ``None`` when it had gone before.

    Raises OperationInProgress while the VNF is being changed.
    """
    vnf = uow.vnf_instances.find(vnf_instance_id)
    if vnf is None or vnf.ns_instance_id != ns_instance_id:
        return None
    require_idle(uow.operations.active(vnf.id))
    ns = uow.ns_instances.get(ns_instance_id)
    plan = plan_from_json(ns.plan)
    planned = next(one for one in plan.vnfs if one.vnf_instance_id == vnf.id)
    places = {}
    for vnfc in planned.vnfcs:
        key = f"{vnf.id[:8]}/{vnfc.vdu_id}/{vnfc.index}"
        places[vnfc.vdu_id, str(vnfc.index)] = (derive_id(vnf.id, "reservation", key), key)
    mine = {vnfc.reservation_id for vnfc in planned.vnfcs}
    _move_reservations(uow, ns.id, vnf.id, places, mine)
    uow.vnf_instances.save(replace(_named(vnf, "", ""), ns_instance_id="", vnf_profile_id=""))
    others = tuple(one for one in plan.vnfs if one.vnf_instance_id != vnf.id)
    names = {name: id for name, id in ns.vnf_instances.items() if id != vnf.id}
    uow.ns_instances.save(replace(ns, plan=replace(plan, vnfs=others).to_json(), vnf_instances=names))
    return planned


def _with(plan: NsPlan, planned: PlannedVnf) -> NsPlan:
    others = (vnf for vnf in plan.vnfs if vnf.vnf_instance_id != planned.vnf_instance_id)
    return replace(plan, vnfs=(*others, planned))


def _named(vnf: VnfInstance, ns_instance_id: str, profile_id: str) -> VnfInstance:
    """Its metadata name its NS, as those of a VNF do that the NS made."""
    told = {SERVICE: ns_instance_id, PROFILE: profile_id}
    rest = {name: value for name, value in vnf.metadata.items() if name not in told}
    return replace(vnf, metadata={**rest, **{name: value for name, value in told.items() if value}})


def _move_reservations(
    uow: UnitOfWork,
    owner: str,
    to: str,
    places: Mapping[tuple[str, str], tuple[str, str]],
    ids: set[str] | None = None,
) -> None:
    """Reservations of ``owner``, or those of ``ids`` among them, become those of ``to`` under other names.

    ``places`` maps VDU and number to the new identifier and key. Bandwidth that chains held for them is free.
    """
    held = [one for one in uow.reservations.list(ns_instance_id=owner) if ids is None or one.id in ids]
    keys = {one.key: places[_place(one.key)][1] for one in held}
    for one in held:
        id, key = places[_place(one.key)]
        uow.reservations.remove(one.id)
        request = _renamed(one.request, key, keys)
        uow.reservations.add(replace(one, id=id, ns_instance_id=to, key=key, request=request, links=(), generation=0))


def _place(key: str) -> tuple[str, str]:
    """VDU and number in ``<VNF>/<VDU>/<number>``."""
    _, vdu_id, index = key.partition("~")[0].split("/")
    return vdu_id, index


def _renamed(request: Mapping[str, Any], key: str, keys: Mapping[str, str]) -> dict[str, Any]:
    """What was asked for, in the new owner's names: groups within the VNF go on, those of the former owner end."""
    if not request:
        return {}
    groups = [
        {**group, "members": [keys[member] for member in group["members"]]}
        for group in request.get("groups") or ()
        if set(group["members"]) <= keys.keys()
    ]
    return {"vdu": {**request["vdu"], "id": key}, "groups": groups, "chains": []}

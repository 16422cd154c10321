"""From one NSD, or one flavour of it, to another: what a running NS has to gain and to lose. Pure.

What both have stays as it is, VNFs of an unchanged profile above all. New SAPs are attached where their names say.
"""

from __future__ import annotations

from collections.abc import Iterator

from mano.errors import InvalidInput
from mano.nfvo.ns_change import NsChange, Service, VnfWork
from vnf_descriptors.model import NsFlavour


def transition(service: Service, flavour: NsFlavour, level_id: str | None) -> NsChange:
    """What makes the NS one of ``flavour`` at an NS instantiation level, or its default one."""
    counts = flavour.instances(level_id)
    nested = flavour.nested_instances(level_id)
    kept = {profile.id for profile in flavour.pnf_profiles}
    links = {link.id for link in flavour.virtual_links}
    there = {network.vld_id for network in service.plan.networks}
    graphs = {vnffg.id for vnffg in flavour.vnffgs}
    saps = {sap.id for sap in flavour.saps}
    present = {sap.sapd_id for sap in service.plan.saps}
    change = NsChange(
        add={id: more for id, count in counts.items() if (more := count - len(_vnfs(service, id))) > 0},
        remove=tuple(id for profile in _profiles(service) for id in _vnfs(service, profile)[counts.get(profile, 0) :]),
        add_saps=tuple({"sapdId": sap.id, "sapName": sap.id} for sap in flavour.saps if sap.id not in present),
        remove_saps=tuple(sorted(present - saps)),
        add_vnffgs=tuple(id for id in sorted(graphs) if id not in service.vnffgs.values()),
        remove_vnffgs=tuple(sorted(set(service.vnffgs.values()) - graphs)),
        work=tuple(_flavour_changes(service, flavour)),
        remove_pnfs=tuple(pnf.pnf_id for pnf in service.ns.pnfs if pnf.profile_id not in kept),
        add_nested={id: more for id, count in nested.items() if (more := count - len(_nested(service, id))) > 0},
        remove_nested=tuple(
            id
            for profile in dict.fromkeys(one.profile_id for one in service.ns.nested)
            for id in _nested(service, profile)[nested.get(profile, 0) :]
        ),
        add_links=tuple(link.id for link in flavour.virtual_links if link.id not in there),
        remove_links=tuple(sorted(there - links)),
        flavour_id=flavour.id,
    )
    _require_same_descriptors(service, flavour)
    return change


def _profiles(service: Service) -> list[str]:
    return list(dict.fromkeys(vnf.profile_id for vnf in service.plan.vnfs))


def _vnfs(service: Service, profile: str) -> list[str]:
    mine = sorted((vnf.index, vnf.vnf_instance_id) for vnf in service.plan.vnfs if vnf.profile_id == profile)
    return [id for _, id in mine]


def _nested(service: Service, profile: str) -> list[str]:
    return [nested.ns_instance_id for nested in service.ns.nested if nested.profile_id == profile]


def _flavour_changes(service: Service, flavour: NsFlavour) -> Iterator[VnfWork]:
    """VNFs whose profile names another flavour of their VNFD."""
    before = {profile.id: profile for profile in service.flavour.vnf_profiles}
    counts = flavour.instances()
    for profile in flavour.vnf_profiles:
        former = before.get(profile.id)
        if former is None or former.flavour_id == profile.flavour_id:
            continue
        for id in _vnfs(service, profile.id)[: counts[profile.id]]:
            vnf = service.vnfs.get(id)
            if vnf is None or vnf.flavour_id == profile.flavour_id:
                continue
            undo = {"operation": "CHANGE_FLAVOUR", "newFlavourId": vnf.flavour_id}
            yield VnfWork(id, "CHANGE_FLAVOUR", {"newFlavourId": profile.flavour_id}, undo)


def _require_same_descriptors(service: Service, flavour: NsFlavour) -> None:
    """A profile that stays is of the same descriptor; VNFs of another one are changed by CHANGE_VNFPKG first."""
    vnfds = {profile.id: profile.vnfd_id for profile in flavour.vnf_profiles}
    for vnf in service.plan.vnfs:
        wanted = vnfds.get(vnf.profile_id, vnf.vnfd_id)
        instance = service.vnfs.get(vnf.vnf_instance_id)
        if instance is not None and instance.vnfd_id != wanted:
            raise InvalidInput(
                f"VNF {vnf.name} is of VNFD {instance.vnfd_id}, and profile {vnf.profile_id} of {wanted} there",
                hint="change its package first: UpdateNs with CHANGE_VNFPKG",
            )
    nsds = {profile.id: profile.nsd_id for profile in flavour.nested_ns_profiles}
    for nested in service.ns.nested:
        if nsds.get(nested.profile_id, nested.nsd_id) != nested.nsd_id:
            raise InvalidInput(
                f"nested NS {nested.key} is of NSD {nested.nsd_id}, and its profile of another one there",
                hint="take it out first: REMOVE_NESTED_NS",
            )

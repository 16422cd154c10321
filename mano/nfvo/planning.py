"""From descriptors to the plan of an NS. Pure: clocks, numbers and names come in.

Order of the decisions: networks with their subnets, then addresses (fixed ones before free ones, so that a free one
never takes what a descriptor fixes); :mod:`mano.nfvo.ns_placement` then asks for all VDUs of all VNFs at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from mano.domain.ids import derive_id, mac_address
from mano.domain.ns_instance import NetworkKind
from mano.errors import InvalidInput
from mano.nfvo.nested_planning import plan_nested
from mano.nfvo.plan import NsPlan, PlannedCp, PlannedPnf, PlannedSap, PlannedVnf, PlannedVnfc
from mano.nfvo.plan_inputs import Constituent, PlanInputs
from mano.nfvo.pnf_planning import hold_pnf_addresses, plan_pnf, pnf_keys
from mano.nfvo.virtual_links import Links, network_of_link
from vnf_descriptors.model import ExtCp, NsFlavour, VduCp, VnfFlavour


def plan_ns(inputs: PlanInputs) -> NsPlan:
    """The plan; raises InvalidInput where the descriptors contradict each other or the request."""
    networks = {link.id: network_of_link(inputs, link) for link in inputs.flavour.virtual_links}
    links = Links(inputs, networks)
    _hold_fixed_addresses(inputs, links)
    vnfs = tuple(
        _vnf(inputs, links, inputs.constituents[profile.id], index)
        for profile in inputs.flavour.vnf_profiles
        for index in range(inputs.counts[profile.id])
    )
    saps = tuple(
        _sap(inputs, links, sap.id, sap.virtual_link_id) for sap in inputs.flavour.saps if sap.id in inputs.saps
    )
    plan = NsPlan(inputs.flavour.id, tuple(networks.values()), vnfs, saps, _pnfs(inputs, links, ()))
    return replace(plan, nested=plan_nested(inputs, plan, inputs.nested))


def _pnfs(inputs: PlanInputs, links: Links, present: tuple[str, ...]) -> tuple[PlannedPnf, ...]:
    keys = pnf_keys(present, inputs.pnfs)
    return tuple(plan_pnf(inputs, links, one, key) for one, key in zip(inputs.pnfs, keys, strict=True))


@dataclass(frozen=True, slots=True)
class Slot:
    """A connection point that is about to be planned."""

    owner: str
    cp: VduCp
    ext: ExtCp | None
    link_id: str

    @property
    def fixed(self) -> tuple[str, ...]:
        return self.cp.fixed_addresses or (self.ext.fixed_addresses if self.ext else ())

    @property
    def versions(self) -> tuple[int, ...]:
        return tuple(v for v, name in ((4, "ipv4"), (6, "ipv6")) if name in self.cp.layer_protocols)


def slots_of(constituent: Constituent, vdu_id: str, owner: str) -> Iterator[Slot]:
    """The VDU's connection points that the NSD connects; those on a link inside the VNF are the VNF's own concern."""
    for cp in constituent.flavour.cps_of(vdu_id):
        ext = exposed_as(constituent.flavour, cp)
        link_id = constituent.profile.virtual_link_of(ext.requirement) if ext else None
        if link_id is not None:
            yield Slot(f"{owner}:{cp.id}", cp, ext, link_id)


def exposed_as(flavour: VnfFlavour, cp: VduCp) -> ExtCp | None:
    """The external connection point that a VduCp is exposed as."""
    return next((ext for ext in flavour.ext_cps if ext.vdu_cp_id == cp.id), None)


def _hold_fixed_addresses(inputs: PlanInputs, links: Links) -> None:
    """Keep what descriptors and request fix, so that no free address takes it first."""
    for sap in inputs.flavour.saps:
        if sap.id in inputs.saps:
            links.hold(sap.virtual_link_id, inputs.saps[sap.id].addresses, f"SAP {sap.id}")
    hold_pnf_addresses(inputs.pnfs, links)
    for link_id, addresses, owner in fixed_addresses(inputs.constituents):
        links.hold(link_id, addresses, owner)
    for nested in inputs.nested:
        for connection in inputs.flavour.nested_ns_profile(nested.profile_id).connections:
            links.hold(connection.virtual_link_id, nested.fixed.get(connection.requirement, ()), nested.profile_id)


def fixed_addresses(constituents: Mapping[str, Constituent]) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """(virtual link, addresses, owner) of what the VNFDs fix."""
    for constituent in constituents.values():
        for vdu in constituent.flavour.vdus:
            for slot in slots_of(constituent, vdu.id, constituent.profile.id):
                yield slot.link_id, slot.fixed, slot.owner


def _vnf(inputs: PlanInputs, links: Links, constituent: Constituent, index: int) -> PlannedVnf:
    profile = constituent.profile
    name = f"{profile.id}-{index}"
    counts = constituent.flavour.instances(profile.instantiation_level_id)
    vnfcs = tuple(
        _vnfc(inputs, links, constituent, name, vdu.id, number)
        for vdu in constituent.flavour.vdus
        for number in range(counts[vdu.id])
    )
    return PlannedVnf(
        profile_id=profile.id,
        index=index,
        vnf_instance_id=derive_id(inputs.operation_id, "vnf", name),
        operation_id=derive_id(inputs.operation_id, "vnf", name, "instantiate"),
        vnfd_id=constituent.vnfd.descriptor_id,
        package_id=constituent.package_id,
        flavour_id=constituent.flavour.id,
        level_id=profile.instantiation_level_id or constituent.flavour.default_level_id or "",
        name=name,
        vnfcs=vnfcs,
    )


def _vnfc(
    inputs: PlanInputs, links: Links, constituent: Constituent, vnf_name: str, vdu_id: str, number: int
) -> PlannedVnfc:
    key = f"{vnf_name}/{vdu_id}/{number}"
    return PlannedVnfc(
        key=key,
        vdu_id=vdu_id,
        index=number,
        reservation_id=derive_id(inputs.ns_instance_id, "reservation", key),
        cps=tuple(planned_cp(inputs, links, slot) for slot in slots_of(constituent, vdu_id, key)),
    )


def planned_cp(inputs: PlanInputs, links: Links, slot: Slot) -> PlannedCp:
    """The connection point with addresses of its own."""
    network = links.network_of(slot.link_id, slot.owner)
    addresses, gateway = links.give(slot.link_id, slot.fixed, slot.owner, slot.versions)
    return PlannedCp(
        cpd_id=slot.cp.id,
        ext_cpd_id=slot.ext.id if slot.ext else "",
        network_id=network.id,
        mac=mac_address(inputs.operation_id, slot.owner),
        addresses=addresses,
        gateway=gateway,
    )


def _sap(inputs: PlanInputs, links: Links, sapd_id: str, link_id: str) -> PlannedSap:
    request = inputs.saps[sapd_id]
    owner = f"SAP {sapd_id}"
    network = links.network_of(link_id, owner)
    addresses, gateway = links.give(link_id, request.addresses, owner)
    return PlannedSap(
        id=derive_id(inputs.operation_id, "sap", sapd_id),
        sapd_id=sapd_id,
        network_id=network.id,
        attachment=request.attachment,
        host="" if network.kind is NetworkKind.PROVIDER else request.host,
        mac=mac_address(inputs.operation_id, owner),
        addresses=addresses,
        gateway=gateway,
        trunk=inputs.flavour.sap(sapd_id).trunk,
    )


def grow_ns(
    inputs: PlanInputs,
    plan: NsPlan,
    add: Mapping[str, int],
    sapds: Sequence[str],
    taken: Mapping[str, Iterable[str]],
    new_links: Sequence[str] = (),
) -> NsPlan:
    """What comes to a service that runs: so many more VNFs of each profile, and these SAPs, on the networks it has.

    PNFs and nested NSs of the inputs come too, and networks for ``new_links``. ``taken`` maps a network to the
    addresses in use. The result holds the newcomers alone, and all networks.
    """
    made = tuple(network_of_link(inputs, inputs.flavour.virtual_link(link_id)) for link_id in new_links)
    networks = (*plan.networks, *made)
    links = Links(inputs, {network.vld_id: network for network in networks})
    links.take(taken)
    hold_pnf_addresses(inputs.pnfs, links)
    vnfs = tuple(
        _vnf(inputs, links, inputs.constituents[profile], index)
        for profile, count in add.items()
        for index in free_indices(plan, profile, count)
    )
    saps = tuple(_sap(inputs, links, sapd_id, inputs.flavour.sap(sapd_id).virtual_link_id) for sapd_id in sapds)
    pnfs = _pnfs(inputs, links, tuple(pnf.key for pnf in plan.pnfs))
    whole = replace(plan, networks=networks, saps=(*plan.saps, *saps), pnfs=(*plan.pnfs, *pnfs))
    nested = plan_nested(inputs, whole, inputs.nested)
    return NsPlan(inputs.flavour.id, networks, vnfs, saps, pnfs, nested)


def free_indices(plan: NsPlan, profile_id: str, count: int) -> list[int]:
    """The least numbers that no VNF of the profile has."""
    held = {vnf.index for vnf in plan.vnfs if vnf.profile_id == profile_id}
    return [index for index in range(len(held) + count) if index not in held][:count]


def count_instances(flavour: NsFlavour, level_id: str | None) -> dict[str, int]:
    """VNF instances of each profile at an NS instantiation level; raises InvalidInput for an unknown level."""
    try:
        return flavour.instances(level_id)
    except KeyError:
        known = ", ".join(level.id for level in flavour.instantiation_levels) or "none"
        raise InvalidInput(f"the NSD has no NS instantiation level '{level_id}'", hint=f"it has: {known}") from None

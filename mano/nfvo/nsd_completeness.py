"""Is all there that an NSD is made of, and does it fit? Asked when it is on-boarded (SOL005 clause 5.4.5.3.2)."""

from __future__ import annotations

from collections.abc import Iterator

from mano.domain.catalogue import DescriptorKind, OnboardingState, Package
from mano.errors import InvalidInput
from mano.nfvo.nested_planning import MAX_DEPTH, flavour_for, sap_of
from mano.nfvo.pnf_planning import ext_cp_of
from mano.ports.repositories import UnitOfWork
from vnf_descriptors.model import NestedNsProfile, Nsd, NsFlavour, Pnfd, PnfProfile, from_json


def require_complete(uow: UnitOfWork, tenant_id: str, nsd: Nsd) -> None:
    """Raises InvalidInput for a constituent that is not on-boarded, or that has no such connection point or SAP.

    An NSD that says ``strict_nsd_constituent_onboarding: false`` may come before its constituents (SOL001 clause 7.8).
    """
    for vnfd_id in nsd.vnfd_ids:
        profiles = sorted({p.id for f in nsd.flavours for p in f.vnf_profiles if p.vnfd_id == vnfd_id})
        _present(uow, tenant_id, nsd, DescriptorKind.VNF, vnfd_id, f"VNF profile {', '.join(profiles)}")
    for flavour in nsd.flavours:
        for pnf in flavour.pnf_profiles:
            _check_pnf(uow, tenant_id, nsd, pnf)
        for nested in flavour.nested_ns_profiles:
            _check_nested(uow, tenant_id, nsd, flavour, nested)
    _require_depth(uow, tenant_id, nsd, (nsd.descriptor_id,))


def on_boarded(uow: UnitOfWork, tenant_id: str, kind: DescriptorKind, descriptor_id: str) -> Package | None:
    """The on-boarded package of a descriptor, enabled or not."""
    known = uow.packages.list(tenant_id, kind=kind.value, descriptor_id=descriptor_id)
    return next((package for package in known if package.onboarding_state is OnboardingState.ONBOARDED), None)


_WHERE = {
    DescriptorKind.VNF: "on-board its VNF package first, or correct descriptor_id of the VNF node in the NSD",
    DescriptorKind.PNF: "on-board its PNFD first, or correct descriptor_id of the PNF node in the NSD",
    DescriptorKind.NS: "on-board it first, or correct descriptor_id of the NS node in the NSD",
}


def _present(
    uow: UnitOfWork, tenant_id: str, nsd: Nsd, kind: DescriptorKind, descriptor_id: str, profile: str
) -> Package | None:
    package = on_boarded(uow, tenant_id, kind, descriptor_id)
    if package is None and nsd.strict_onboarding:
        raise InvalidInput(
            f"the NSD names {kind.value.upper()}D {descriptor_id} ({profile}), which is not on-boarded",
            hint=_WHERE[kind],
        )
    return package


def _check_pnf(uow: UnitOfWork, tenant_id: str, nsd: Nsd, profile: PnfProfile) -> None:
    package = _present(uow, tenant_id, nsd, DescriptorKind.PNF, profile.pnfd_id, f"PNF profile {profile.id}")
    pnfd = from_json(package.descriptor) if package is not None else None
    if isinstance(pnfd, Pnfd):
        for connection in profile.connections:
            ext_cp_of(profile, pnfd, connection.requirement)


def _check_nested(uow: UnitOfWork, tenant_id: str, nsd: Nsd, flavour: NsFlavour, profile: NestedNsProfile) -> None:
    """The flavour, the SAPs, and that each lies on a network of the same kind as the link it is connected to."""
    package = _present(uow, tenant_id, nsd, DescriptorKind.NS, profile.nsd_id, f"nested NS profile {profile.id}")
    inner = from_json(package.descriptor) if package is not None else None
    if not isinstance(inner, Nsd):
        return
    inside = flavour_for(profile, inner)
    for connection in profile.connections:
        sap = sap_of(profile, inner, inside, connection.requirement)
        link, outer = inside.virtual_link(sap.virtual_link_id), flavour.virtual_link(connection.virtual_link_id)
        if link.physical_network != outer.physical_network:
            raise InvalidInput(
                f"nested NS profile {profile.id}: SAP {sap.id} lies on {_place(link.physical_network)}, virtual link "
                f"{outer.id} on {_place(outer.physical_network)}: they cannot be one network",
                hint="let both be overlays, or links of one physical network",
            )


def _place(physical: str | None) -> str:
    return f"physical network {physical}" if physical else "an overlay"


def _require_depth(uow: UnitOfWork, tenant_id: str, nsd: Nsd, path: tuple[str, ...]) -> None:
    for nested_id in nsd.nested_nsd_ids:
        if nested_id in path:
            raise InvalidInput(
                f"the NSD nests itself, by way of {', '.join(path[1:]) or 'its own profile'}",
                hint="an NS is made of other NSs, never of itself",
            )
        if len(path) > MAX_DEPTH:
            raise InvalidInput(f"NSs would be nested more than {MAX_DEPTH} deep", hint="nest the inner ones directly")
        for inner in _nsds(uow, tenant_id, nested_id):
            _require_depth(uow, tenant_id, inner, (*path, nested_id))


def _nsds(uow: UnitOfWork, tenant_id: str, nsd_id: str) -> Iterator[Nsd]:
    package = on_boarded(uow, tenant_id, DescriptorKind.NS, nsd_id)
    model = from_json(package.descriptor) if package is not None else None
    if isinstance(model, Nsd):
        yield model

"""What an operation changes in a network service that runs, as a value. Pure; serialises to JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, dataclass, field
from typing import Any

from mano.domain.ns_instance import NsInstance
from mano.domain.vnf_instance import VnfInstance
from mano.errors import InvalidInput
from mano.nfvo.plan import NsPlan
from vnf_descriptors.model import NestedNsProfile, Nsd, NsFlavour, VnfProfile

Request = Mapping[str, Any]

CREATE_SNAPSHOT, REVERT_TO_SNAPSHOT, DELETE_SNAPSHOT = "CREATE_SNAPSHOT", "REVERT_TO_SNAPSHOT", "DELETE_SNAPSHOT"
"""Work on snapshots of a VNF; the last is no operation of the VNFM's, but the deletion of a resource."""

SNAPSHOTS = frozenset({CREATE_SNAPSHOT, REVERT_TO_SNAPSHOT, DELETE_SNAPSHOT})


@dataclass(frozen=True, slots=True)
class VnfWork:
    """One operation on a VNF of the NS, and the one that undoes it; empty ``undo`` for one that needs no undoing."""

    vnf_instance_id: str
    operation: str
    request: Mapping[str, Any]
    undo: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NestedWork:
    """One operation on another NS: a nested one, or one that gets something of this one."""

    ns_instance_id: str
    nsd_id: str
    operation: str
    request: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class NsChange:
    """The decision on a request.

    ``add`` maps a VNF profile, ``add_nested`` a nested NS profile to how many more of it there shall be;
    ``take_nested`` are NestedNsInstanceData of NSs that are there. ``remove``, ``remove_pnfs`` and ``remove_nested``
    are identifiers of instances, ``remove_saps`` of SAPDs, ``add_links`` and ``remove_links`` of virtual links of the
    NSD. ``join`` are VnfInstanceData of VNFs on their own, ``leave`` VNFs that go on running elsewhere, ``hand_over``
    the operations by which other NSs take them in. With ``nsd_info_id`` or ``flavour_id`` the NS is of another NSD or
    flavour afterwards.
    """

    add: Mapping[str, int] = field(default_factory=dict)
    remove: tuple[str, ...] = ()
    add_saps: tuple[Mapping[str, Any], ...] = ()
    remove_saps: tuple[str, ...] = ()
    add_vnffgs: tuple[str, ...] = ()
    remove_vnffgs: tuple[str, ...] = ()
    work: tuple[VnfWork, ...] = ()
    scale_levels: Mapping[str, int] = field(default_factory=dict)
    add_pnfs: tuple[Mapping[str, Any], ...] = ()
    modify_pnfs: tuple[Mapping[str, Any], ...] = ()
    remove_pnfs: tuple[str, ...] = ()
    add_nested: Mapping[str, int] = field(default_factory=dict)
    take_nested: tuple[Mapping[str, Any], ...] = ()
    nested_parameters: tuple[Mapping[str, Any], ...] = ()
    remove_nested: tuple[str, ...] = ()
    nested_work: tuple[NestedWork, ...] = ()
    join: tuple[Mapping[str, str], ...] = ()
    leave: tuple[str, ...] = ()
    hand_over: tuple[NestedWork, ...] = ()
    add_links: tuple[str, ...] = ()
    remove_links: tuple[str, ...] = ()
    nsd_info_id: str = ""
    flavour_id: str = ""

    def to_json(self) -> dict[str, Any]:
        """JSON values; :func:`change_from_json` reads them."""
        return asdict(self)


def change_from_json(document: Mapping[str, Any]) -> NsChange:
    """The change that :meth:`NsChange.to_json` wrote."""
    fields: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in document.items()
    }
    work = tuple(VnfWork(**item) for item in document["work"])
    nested, handed = (
        tuple(NestedWork(**item) for item in document.get(name, ())) for name in ("nested_work", "hand_over")
    )
    return NsChange(**fields | {"work": work, "nested_work": nested, "hand_over": handed})


@dataclass(frozen=True, slots=True)
class Service:
    """What there is: the NS, its flavour, its plan, its VNFs, and its chains as (VNFFG info id, VNFFGD).

    ``passed`` maps ports that chains of the NS begin at, pass or end at to the chain's name; ``tied`` does so for
    nested NSs whose chains begin or end at ports of this one. ``nsd`` is the NS's own, ``newer`` the one that a request
    names, with its package; ``strangers`` are the VNFs that it names, whosever they are, ``targets`` the other NSs.
    """

    ns: NsInstance
    flavour: NsFlavour
    plan: NsPlan
    vnfs: Mapping[str, VnfInstance]
    vnffgs: Mapping[str, str]
    passed: Mapping[str, str] = field(default_factory=dict)
    tied: Mapping[str, str] = field(default_factory=dict)
    newer: tuple[str, Nsd] | None = None
    nsd: Nsd | None = None
    strangers: Mapping[str, VnfInstance] = field(default_factory=dict)
    targets: Mapping[str, Service] = field(default_factory=dict)


def keep_bounds(flavour: NsFlavour, plan: NsPlan, add: Mapping[str, int], remove: Sequence[str]) -> None:
    """Numbers of VNF instances stay within the VNF profiles' bounds (IFA 014 clause 6.3.3)."""
    hint = "change the NSD's vnf_profile, or scale the VNF itself"
    for profile in flavour.vnf_profiles:
        mine = {vnf.vnf_instance_id for vnf in plan.vnfs if vnf.profile_id == profile.id}
        _keep_within(profile, "VNF profile", "6.3.3", hint, mine, add.get(profile.id, 0), remove)


def keep_nested_bounds(flavour: NsFlavour, ns: NsInstance, add: Mapping[str, int], remove: Sequence[str]) -> None:
    """Numbers of nested NSs stay within the bounds of their profiles (IFA 014 clause 6.3.11)."""
    for profile in flavour.nested_ns_profiles:
        mine = {nested.ns_instance_id for nested in ns.nested if nested.profile_id == profile.id}
        hint = "change the NSD's ns_profile"
        _keep_within(profile, "nested NS profile", "6.3.11", hint, mine, add.get(profile.id, 0), remove)


def _keep_within(
    profile: VnfProfile | NestedNsProfile,
    noun: str,
    clause: str,
    hint: str,
    mine: Set[str],
    added: int,
    remove: Sequence[str],
) -> None:
    """Too few matters only where some go, too many only where some come: what is out of bounds already may stay so."""
    gone = len(mine & set(remove))
    count = len(mine) - gone + added
    if (gone and count < profile.min_instances) or (added and count > profile.max_instances):
        raise InvalidInput(
            f"{noun} {profile.id} may have {profile.min_instances} to {profile.max_instances} instances, "
            f"not {count} (IFA 014 clause {clause})",
            hint=hint,
        )


def known_vnf(service: Service, vnf_id: str, pointer: str) -> str:
    if vnf_id in service.vnfs:
        return vnf_id
    known = ", ".join(f"{vnf.name} {vnf.id}" for vnf in service.vnfs.values())
    raise InvalidInput("the NS has no such VNF instance", hint=f"it has: {known}", facts={"pointer": pointer})


def only(item: Request, *names: str) -> dict[str, Any]:
    return {name: item[name] for name in names if item.get(name) is not None}


def missing(attribute: str, kind: str, under: str = "") -> InvalidInput:
    return InvalidInput(f"{kind} needs {attribute}", hint="add it", facts={"pointer": f"{under}/{attribute}"})


def unsupported(pointer: str, hint: str) -> InvalidInput:
    return InvalidInput("this NFVO does not support what was asked for", hint=hint, facts={"pointer": pointer})

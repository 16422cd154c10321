"""What a request on an NS and the catalogue say, as the inputs of a plan: descriptors, SAPs, PNFs, nested NSs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mano.domain.catalogue import DescriptorKind, Package
from mano.domain.ns_instance import Network, NsInstance
from mano.domain.vnf_instance import InstantiationState
from mano.errors import InvalidInput, WrongState
from mano.nfvo.catalogue import find_usable
from mano.nfvo.nested_planning import MAX_DEPTH, flavour_for, sap_of
from mano.nfvo.ns_families import addresses_on, height_above, outer_joins, require_takeable
from mano.nfvo.plan import NsPlan, PlannedPnf, plan_from_json
from mano.nfvo.plan_inputs import Constituent, NestedRequest, OuterLink, PlanInputs, PnfRequest, SapRequest
from mano.nfvo.planning import fixed_addresses
from mano.nfvo.pnf_planning import addresses_in, modified, points_of, without_own
from mano.nfvo.virtual_links import Links
from mano.ports.repositories import UnitOfWork
from mano.ports.vim import Attachment
from vnf_descriptors.model import ConstituentKind, NestedNsProfile, Nsd, NsFlavour, Pnfd, Vnfd, from_json

Request = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reading:
    """Reads requests on one NS; ``attachments`` are those of all VIMs."""

    uow: UnitOfWork
    ns: NsInstance
    flavour: NsFlavour
    attachments: Mapping[str, Attachment]

    @property
    def tenant_id(self) -> str:
        """Whose NS it is."""
        return self.ns.tenant_id

    def constituents(self) -> dict[str, Constituent]:
        """The VNF profiles with the packages that serve them."""
        return constituents_of(self.uow, self.flavour, self.tenant_id)

    def outer(self) -> dict[str, OuterLink]:
        """The SAPs that an NS around this one connects."""
        return {
            join.sapd_id: OuterLink(self.uow.networks.get(join.outer), join.entry_port)
            for join in outer_joins(self.uow, self.ns)
        }

    # SAPs

    def saps(self, parameters: Request, outer: Mapping[str, OuterLink]) -> dict[str, SapRequest]:
        """How each SAP that is not connected from around is attached, by an InstantiateNsRequest."""
        wishes = ours(parameters).get("saps") or {}
        unknown = sorted(set(wishes) - {sap.id for sap in self.flavour.saps})
        if unknown:
            raise InvalidInput(
                f"the NSD has no SAP '{unknown[0]}'",
                hint=f"it has: {', '.join(sap.id for sap in self.flavour.saps) or 'none'}",
                facts={"pointer": f"/additionalParamsForNs/catena/saps/{unknown[0]}"},
            )
        named = self._named_saps(parameters)
        wanted = [sap.id for sap in self.flavour.saps if sap.id not in outer or sap.id in wishes]
        return {id: self._sap(id, named.get(id, {}) | wishes.get(id, {}), parameters) for id in wanted}

    def _named_saps(self, parameters: Request) -> dict[str, dict[str, str]]:
        """SapData by SAPD (SOL005 clause 6.5.3.10): a sapName that is an attachment's says where the SAP ends."""
        known = [sap.id for sap in self.flavour.saps]
        found = {}
        for index, data in enumerate(parameters.get("sapData") or ()):
            if data.get("sapdId") not in known:
                raise InvalidInput(
                    "the NSD has no such SAP",
                    hint=f"it has: {', '.join(known) or 'none'}",
                    facts={"pointer": f"/sapData/{index}/sapdId"},
                )
            name = data.get("sapName")
            found[str(data["sapdId"])] = {"attachment": str(name)} if name in self.attachments else {}
        return found

    def added_sap(self, data: Request) -> SapRequest:
        """How a SAP of an UpdateNsRequest is attached: where its sapName says, else where its own name does."""
        sap_id = str(data["sapdId"])
        name = str(data.get("sapName") or sap_id)
        wish = {"attachment": name if name in self.attachments else sap_id}
        _, fixed = addresses_in(data.get("sapProtocolData") or ())
        return self._attached(sap_id, wish, fixed, {"pointer": "/addSap"})

    def _sap(self, sap_id: str, wish: Request, parameters: Request) -> SapRequest:
        address = wish.get("address")
        fixed = (str(address),) if address else _sap_data_addresses(parameters, sap_id)
        pointer = {"pointer": f"/additionalParamsForNs/catena/saps/{sap_id}"}
        return self._attached(sap_id, wish, fixed, pointer)

    def _attached(self, sap_id: str, wish: Request, fixed: tuple[str, ...], pointer: Mapping[str, Any]) -> SapRequest:
        name = str(wish.get("attachment") or sap_id)
        attachment = self.attachments.get(name)
        if attachment is None:
            raise InvalidInput(
                f"SAP {sap_id}: no VIM has an attachment '{name}'",
                hint=f"known attachments: {', '.join(sorted(self.attachments)) or 'none'}",
                facts=pointer,
            )
        physical = self.flavour.virtual_link(self.flavour.sap(sap_id).virtual_link_id).physical_network or ""
        if attachment.physical_network != physical:
            network = attachment.physical_network
            where = f"physical network {network}" if network else "a host's bridge"
            raise InvalidInput(
                f"SAP {sap_id}: attachment '{name}' is on {where}, its virtual link on "
                f"{'physical network ' + physical if physical else 'an overlay'}",
                hint="choose an attachment on the same network",
                facts=pointer,
            )
        return SapRequest(attachment=name, host=attachment.host, addresses=fixed)

    # PNFs

    def pnfs(self, data: Sequence[Request], parameters: Request, pointer: str) -> tuple[PnfRequest, ...]:
        """The PNFs of AddPnfData (SOL005 clause 6.5.3.13)."""
        wishes = ours(parameters).get("pnfs") or {}
        unknown = sorted(set(wishes) - {str(item["pnfId"]) for item in data})
        if unknown:
            raise InvalidInput(
                f"addPnfData has no PNF '{unknown[0]}'",
                hint="name the PNFs by their pnfId",
                facts={"pointer": f"/additionalParamsForNs/catena/pnfs/{unknown[0]}"},
            )
        known = {pnf.pnf_id for pnf in self.ns.pnfs}
        found = []
        for number, item in enumerate(data):
            here = f"{pointer}/{number}"
            found.append(self._pnf(item, wishes.get(str(item["pnfId"])) or {}, here))
            if found[-1].pnf_id in known:
                raise InvalidInput(
                    f"PNF {found[-1].pnf_id} is part of the NS already", facts={"pointer": f"{here}/pnfId"}
                )
            known.add(found[-1].pnf_id)
        return tuple(found)

    def _pnf(self, item: Request, wishes: Request, pointer: str) -> PnfRequest:
        profile_id = str(item.get("pnfProfileId"))
        known = {profile.id: profile for profile in self.flavour.pnf_profiles}
        if profile_id not in known:
            raise InvalidInput(
                f"the NSD has no PNF profile '{profile_id}'",
                hint=f"it has: {', '.join(known) or 'none'}",
                facts={"pointer": f"{pointer}/pnfProfileId"},
            )
        profile = known[profile_id]
        package = find_usable(self.uow, DescriptorKind.PNF, profile.pnfd_id, self.tenant_id)
        if str(item.get("pnfdId")) not in (profile.pnfd_id, package.id):
            raise InvalidInput(
                f"PNF profile {profile_id} is of PNFD {profile.pnfd_id}, and of no other",
                hint="say that as pnfdId",
                facts={"pointer": f"{pointer}/pnfdId"},
            )
        pnfd = pnfd_of(package)
        points = points_of(self.flavour, profile, pnfd, item, wishes, self.attachments, pointer)
        return PnfRequest(str(item["pnfId"]), str(item["pnfName"]), profile_id, pnfd, package.id, points)

    def modified_pnf(
        self, inputs: PlanInputs, item: Request, taken: Mapping[str, Iterable[str]], number: int
    ) -> PlannedPnf:
        """A PNF of the NS as ModifyPnfData (SOL005 clause 6.5.3.15) want it."""
        plan = plan_from_json(self.ns.plan)
        planned = next(pnf for pnf in plan.pnfs if pnf.pnf_id == item["pnfId"])
        data = {**item, "pnfName": item.get("pnfName") or planned.name, "pnfProfileId": planned.profile_id}
        wishes = {cp.cpd_id: {"attachment": cp.attachment} for cp in planned.cps if cp.attachment}
        profile = self.flavour.pnf_profile(planned.profile_id)
        pnfd = pnfd_of(self.uow.packages.get(planned.package_id))
        pointer = f"/modifyPnfData/{number}"
        points = points_of(self.flavour, profile, pnfd, data, wishes, self.attachments, pointer)
        links = Links(inputs, {network.vld_id: network for network in plan.networks})
        links.take(without_own(taken, planned))
        asked = {point.cpd_id: point for point in points if point.addresses or point.mac}
        return modified(planned, item.get("pnfName"), asked, links)

    # Nested NSs

    def nested(self, parameters: Request, counts: Mapping[str, int]) -> tuple[NestedRequest, ...]:
        """The nested NSs of an InstantiateNsRequest: those that it names, and new ones up to the level's numbers."""
        require_depth(self.uow, self.ns, self.flavour)
        named = self.taken(parameters.get("nestedNsInstanceData") or (), "/nestedNsInstanceData")
        found = list(named)
        extra = {str(p["nsProfileId"]): p for p in parameters.get("additionalParamsForNestedNs") or ()}
        _require_profiles(self.flavour, extra)
        for profile in self.flavour.nested_ns_profiles:
            there = sum(one.profile_id == profile.id for one in named)
            if there > profile.max_instances:
                raise InvalidInput(
                    f"nested NS profile {profile.id} may have {profile.max_instances} instances, not {there}",
                    hint="name fewer",
                    facts={"pointer": "/nestedNsInstanceData"},
                )
            more = max(0, counts.get(profile.id, 0) - there)
            found += [self.new_nested(profile, extra.get(profile.id, {}))] * more
        return tuple(found)

    def new_nested(self, profile: NestedNsProfile, extra: Request) -> NestedRequest:
        """A nested NS that is to be made; ``extra`` is ParamsForNestedNs (SOL005 clause 6.5.3.21a)."""
        package = find_usable(self.uow, DescriptorKind.NS, profile.nsd_id, self.tenant_id)
        nsd = nsd_of(package)
        merged: dict[str, Any] = {}
        for pairs in extra.get("additionalParam") or ():
            merged |= pairs
        parameters = {"additionalParamsForNs": merged} if merged else {}
        return NestedRequest(profile.id, nsd, package.id, parameters=parameters, fixed=self._fixed(profile, nsd))

    def taken(self, data: Sequence[Request], pointer: str) -> tuple[NestedRequest, ...]:
        """NS instances that are there, as NestedNsInstanceData name them (SOL005 clause 6.5.3.20)."""
        found: list[NestedRequest] = []
        for number, item in enumerate(data):
            here = f"{pointer}/{number}"
            id = str(item.get("nestedNsInstanceId"))
            child = self.uow.ns_instances.find(id, self.tenant_id)
            if child is None:
                raise InvalidInput("there is no such NS instance", facts={"pointer": f"{here}/nestedNsInstanceId"})
            if any(one.ns_instance_id == id for one in found):
                raise InvalidInput(f"NS instance {child.name} is named twice", facts={"pointer": here})
            found.append(self._taken(child, item, here))
        return tuple(found)

    def _taken(self, child: NsInstance, item: Request, pointer: str) -> NestedRequest:
        profile = self._profile_for(child, item, pointer)
        if child.state is not InstantiationState.INSTANTIATED:
            raise WrongState(
                f"NS instance {child.name} is {child.state.value}",
                hint="instantiate it first, or let this NS make one",
                facts={"pointer": pointer},
            )
        active = self.uow.operations.active(child.id)
        if active is not None and active.operation == "TERMINATE":
            raise WrongState(f"NS instance {child.name} is being terminated", facts={"pointer": pointer})
        require_takeable(self.uow, self.ns, child, pointer)
        package = self.uow.packages.get(child.nsd_info_id)
        inner = {n.vld_id: n for n in self.uow.networks.list(child.tenant_id, ns_instance_id=child.id)}
        nsd = nsd_of(package)
        taken = self._within(profile, nsd, flavour_for(profile, nsd, child.flavour_id), child, inner)
        return NestedRequest(profile.id, nsd, package.id, child.id, child.flavour_id, inner, taken=taken)

    def _within(
        self, profile: NestedNsProfile, nsd: Nsd, flavour: NsFlavour, child: NsInstance, inner: Mapping[str, Network]
    ) -> dict[str, list[str]]:
        """The addresses in use behind the SAPs that a profile connects, by the virtual link around."""
        found: dict[str, list[str]] = {}
        for connection in profile.connections:
            link = sap_of(profile, nsd, flavour, connection.requirement).virtual_link_id
            if link in inner:
                addresses = addresses_on(self.uow, child, [inner[link].id])[inner[link].id]
                found.setdefault(connection.virtual_link_id, []).extend(addresses)
        return found

    def _profile_for(self, child: NsInstance, item: Request, pointer: str) -> NestedNsProfile:
        profiles = {profile.id: profile for profile in self.flavour.nested_ns_profiles}
        fitting = [profile for profile in profiles.values() if profile.nsd_id == child.nsd_id]
        asked = item.get("nsProfileId")
        if asked is not None and str(asked) not in profiles:
            raise InvalidInput(
                f"the NSD has no nested NS profile '{asked}'",
                hint=f"it has: {', '.join(profiles) or 'none'}",
                facts={"pointer": f"{pointer}/nsProfileId"},
            )
        if asked is not None:
            fitting = [profile for profile in fitting if profile.id == asked]
        if len(fitting) != 1:
            why = "several profiles are" if fitting else "no profile that may be meant is"
            raise InvalidInput(
                f"NS instance {child.name} is of NSD {child.nsd_id}; {why} of that",
                hint=f"say nsProfileId; there are: {', '.join(f'{p.id} of {p.nsd_id}' for p in profiles.values())}",
                facts={"pointer": pointer},
            )
        return fitting[0]

    def _fixed(self, profile: NestedNsProfile, nsd: Nsd) -> dict[str, list[str]]:
        """What the nested NS will have fixed on each virtual link that a requirement of its node connects."""
        flavour = flavour_for(profile, nsd)
        held: dict[str, list[str]] = {}
        for link_id, addresses, _ in fixed_addresses(constituents_of(self.uow, flavour, self.tenant_id)):
            held.setdefault(link_id, []).extend(addresses)
        return {
            connection.requirement: held.get(sap_of(profile, nsd, flavour, connection.requirement).virtual_link_id, [])
            for connection in profile.connections
        }


def require_distinct(inputs: PlanInputs, plan: NsPlan, taken: Mapping[str, Iterable[str]]) -> None:
    """Raises InvalidInput where an NS that is taken in has an address that somebody has on what it is connected to."""
    networks = {network.vld_id: network.id for network in plan.networks}
    for request in inputs.nested:
        for link_id, addresses in request.taken.items():
            held = {text.split("/")[0] for text in taken.get(networks.get(link_id, ""), ())}
            twice = held & {text.split("/")[0] for text in addresses}
            if twice:
                raise InvalidInput(
                    f"address {min(twice)} is in use on virtual link {link_id} and in the NS instance "
                    f"{request.ns_instance_id}: connected, they would collide",
                    hint="use other addresses on one side",
                )


def constituents_of(uow: UnitOfWork, flavour: NsFlavour, tenant_id: str) -> dict[str, Constituent]:
    """The VNF profiles of a flavour with the packages that serve them."""
    found = {}
    for profile in flavour.vnf_profiles:
        package = find_usable(uow, DescriptorKind.VNF, profile.vnfd_id, tenant_id)
        model = from_json(package.descriptor)
        if not isinstance(model, Vnfd):
            raise InvalidInput(f"package {package.id} holds no VNFD")
        found[profile.id] = Constituent(profile, model, package.id)
    return found


def nsd_of(package: Package) -> Nsd:
    """The NSD of a package."""
    model = from_json(package.descriptor)
    if not isinstance(model, Nsd):
        raise InvalidInput(f"package {package.id} holds no NSD")
    return model


def pnfd_of(package: Package) -> Pnfd:
    """The PNFD of a package."""
    model = from_json(package.descriptor)
    if not isinstance(model, Pnfd):
        raise InvalidInput(f"package {package.id} holds no PNFD")
    return model


def ns_flavour(nsd: Nsd, flavour_id: str) -> NsFlavour:
    """The deployment flavour of that name; raises InvalidInput with those that there are."""
    try:
        return nsd.flavour(flavour_id or None)
    except KeyError:
        raise InvalidInput(
            f"the NSD has no deployment flavour '{flavour_id}'",
            hint=f"it has: {', '.join(flavour.id for flavour in nsd.flavours)}",
            facts={"pointer": "/nsFlavourId"},
        ) from None


def ours(parameters: Request) -> Mapping[str, Any]:
    """Catena's own part of ``additionalParamsForNs``."""
    found: Mapping[str, Any] = (parameters.get("additionalParamsForNs") or {}).get("catena") or {}
    return found


def pnf_data(parameters: Request) -> Sequence[Request]:
    """AddPnfData of a request; the OpenAPI document of SOL005 v3.7.1 spells it ``addpnfData`` in InstantiateNs."""
    return parameters.get("addPnfData") or parameters.get("addpnfData") or ()


def require_depth(uow: UnitOfWork, ns: NsInstance, flavour: NsFlavour) -> None:
    """Raises InvalidInput where NSDs nest each other in a circle, or too deep for this instance."""
    _descend(uow, ns.tenant_id, flavour, (ns.nsd_id,), MAX_DEPTH - height_above(uow, ns))


def _descend(uow: UnitOfWork, tenant_id: str, flavour: NsFlavour, path: tuple[str, ...], left: int) -> None:
    for profile in flavour.nested_ns_profiles:
        if profile.nsd_id in path:
            raise InvalidInput(
                f"NSD {profile.nsd_id} nests itself, by {' and '.join(path[1:]) or 'its own profile'}",
                hint="on-board an NSD that does not",
            )
        if left < 1:
            raise InvalidInput(f"NSs would be nested more than {MAX_DEPTH} deep", hint="nest the inner ones directly")
        nsd = nsd_of(find_usable(uow, DescriptorKind.NS, profile.nsd_id, tenant_id))
        _descend(uow, tenant_id, flavour_for(profile, nsd), (*path, profile.nsd_id), left - 1)


def require_passable(flavour: NsFlavour, plan: NsPlan) -> None:
    """Raises InvalidInput for forwarding paths over what is not there: before anything is made."""
    pnfs = {pnf.profile_id: all(cp.host for cp in pnf.cps) for pnf in plan.pnfs}
    for kind, constituent, nfp in _passed(flavour):
        if kind is ConstituentKind.NS:
            raise InvalidInput(
                f"NFP {nfp} passes the nested NS {constituent}: paths lead through VNFs and PNFs",
                hint="let the nested NS have the path, and begin at its SAP",
            )
        if kind is ConstituentKind.PNF and constituent not in pnfs:
            raise InvalidInput(
                f"NFP {nfp} passes PNF profile {constituent}, of which no PNF is given",
                hint="give one in addPnfData",
                facts={"pointer": "/addPnfData"},
            )
        if kind is ConstituentKind.PNF and not pnfs[constituent]:
            raise InvalidInput(
                f"NFP {nfp} passes PNF profile {constituent}, which stands on a physical network beside the bridges",
                hint="attach it to a host's bridge: connect it to an overlay virtual link",
            )


def _passed(flavour: NsFlavour) -> Iterator[tuple[ConstituentKind, str, str]]:
    for vnffg in flavour.vnffgs:
        for nfp in vnffg.nfps:
            for position in nfp.positions:
                for element in position.elements:
                    yield element.ingress.kind, element.ingress.constituent_id, nfp.id


def _require_profiles(flavour: NsFlavour, named: Mapping[str, Any]) -> None:
    known = [profile.id for profile in flavour.nested_ns_profiles]
    for name in named:
        if name not in known:
            raise InvalidInput(
                f"the NSD has no nested NS profile '{name}'",
                hint=f"it has: {', '.join(known) or 'none'}",
                facts={"pointer": "/additionalParamsForNestedNs"},
            )


def _sap_data_addresses(parameters: Request, sap_id: str) -> tuple[str, ...]:
    """Fixed addresses of SOL005's SapData (clause 6.5.3.10)."""
    for data in parameters.get("sapData") or ():
        if data.get("sapdId") == sap_id:
            return addresses_in(data.get("sapProtocolData") or ())[1]
    return ()

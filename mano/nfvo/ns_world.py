"""What the NS stories act on: the store, the VIMs, the VNFM, the forwarding graphs, and the decisions in between."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from ipaddress import ip_network
from typing import Any

from mano.domain.catalogue import DescriptorKind
from mano.domain.events import Event
from mano.domain.ids import derive_id
from mano.domain.lcm_op_occ import CancelMode, LcmOpOcc, OperationState
from mano.domain.ns_instance import Network, NsInstance
from mano.domain.service_chain import ChainState
from mano.errors import CatenaError, InvalidInput, NotFound, WrongState
from mano.nfvo.catalogue import find_usable
from mano.nfvo.data_plane import DataPlane
from mano.nfvo.forwarding_graphs import ForwardingGraphs, with_paths
from mano.nfvo.graph_translation import LiveVnf, chain_documents
from mano.nfvo.growing import cp_config
from mano.nfvo.growth import addresses_taken
from mano.nfvo.ns_changes import NsChange
from mano.nfvo.ns_placement import chain_requests, growth_request, placement_request
from mano.nfvo.plan import NsPlan, PlannedSap, PlannedVnf, plan_from_json
from mano.nfvo.plan_inputs import Constituent, PlanInputs, SapRequest
from mano.nfvo.planning import count_instances, grow_ns, plan_ns
from mano.nfvo.reserving import Reserving
from mano.ports.clock import Clock, IdFactory
from mano.ports.or_vnfm import Vnfm
from mano.ports.repositories import UnitOfWork, UnitOfWorkFactory
from mano.ports.vim import Attachment, NetworkSpec, PortSpec, VimDriver
from vnf_descriptors.model import Nsd, NsFlavour, Vnfd, from_json

FIRST_VNI, LAST_VNI = 4096, (1 << 24) - 1
"""Tunnel keys of tenants' networks; smaller ones are the data plane's own."""

OWN_SUBNETS = ip_network("172.16.0.0/12")
"""Where a virtual link without a subnet of its own gets a /24 from."""


@dataclass(frozen=True, slots=True)
class NsWorld:
    """Everything that the stories need."""

    open_unit: UnitOfWorkFactory
    vims: Mapping[str, VimDriver]
    vnfm: Vnfm
    graphs: ForwardingGraphs
    reserving: Reserving
    clock: Clock
    new_id: IdFactory

    def decide(self, op: LcmOpOcc) -> NsPlan:
        """Plan the NS, place all its VDUs together and reserve; the plan is stored with operation and instance."""
        try:
            with self.open_unit() as uow:
                inputs = self._inputs(uow, op)
                plan = plan_ns(inputs)
            ids = {vnfc.key: vnfc.reservation_id for vnf in plan.vnfs for vnfc in vnf.vnfcs}
            request = placement_request(inputs, plan, chain_requests(inputs, plan))
            self.reserving.reserve(
                op.instance_id, op.tenant_id, request, ids, also=lambda uow: _keep_plan(uow, op, plan)
            )
        except CatenaError:
            self._give_numbers_back(op)
            raise
        return plan

    def grow(self, op: LcmOpOcc, change: NsChange) -> NsPlan:
        """Plan what an operation adds to a service that runs, place and reserve it; the newcomers alone.

        ``op.plan`` then holds the change and the newcomers, and the instance's plan has them among the rest.
        """
        with self.open_unit() as uow:
            ns = uow.ns_instances.get(op.instance_id, op.tenant_id)
            plan = plan_from_json(ns.plan)
            inputs = self._growth_inputs(uow, op, ns, plan, change)
            networks = {network.id: network for network in plan.networks}
            taken = addresses_taken(uow, networks, op.tenant_id)
            new = grow_ns(inputs, plan, change.add, [str(sap["sapdId"]) for sap in change.add_saps], taken)
        ids = {vnfc.key: vnfc.reservation_id for vnf in new.vnfs for vnfc in vnf.vnfcs}

        def keep(uow: UnitOfWork) -> None:
            _keep_growth(uow, op, change, new)

        if ids:
            self.reserving.reserve(op.instance_id, op.tenant_id, growth_request(inputs, plan, new), ids, also=keep)
        else:
            with self.open_unit() as uow:
                keep(uow)
        return new

    def _growth_inputs(
        self, uow: UnitOfWork, op: LcmOpOcc, ns: NsInstance, plan: NsPlan, change: NsChange
    ) -> PlanInputs:
        nsd = _nsd(uow, ns)
        flavour = nsd.flavour(plan.flavour_id)
        known = {name: attachment for vim in self.vims.values() for name, attachment in vim.attachments().items()}
        saps = {str(sap["sapdId"]): sap_request(sap, flavour, known) for sap in change.add_saps}
        return PlanInputs(
            ns_instance_id=ns.id,
            tenant_id=op.tenant_id,
            operation_id=op.id,
            nsd=nsd,
            flavour=flavour,
            constituents=_constituents(uow, flavour, op.tenant_id) if change.add else {},
            saps=saps,
            counts={},
            underlay_mtu=underlay_mtu(uow),
            vni_of=lambda key: uow.numbers.allocate("vni", key, FIRST_VNI, LAST_VNI),
            subnet_for=lambda key: own_subnet(uow.numbers.allocate("subnet", key, 0, 4095)),
        )

    def keep_plan_of_instance(self, op: LcmOpOcc) -> Mapping[str, Any]:
        """Copy the instance's plan to an operation that takes it down; the operation's own on a repeat."""
        if op.plan:
            return op.plan
        with self.open_unit() as uow:
            ns = uow.ns_instances.get(op.instance_id)
            uow.operations.save(replace(uow.operations.get(op.id), plan=ns.plan))
        return ns.plan

    def derived_op_id(self, op: LcmOpOcc, vnf: PlannedVnf, purpose: str) -> str:
        """The identifier of the VNF operation that this NS operation starts for a purpose."""
        return derive_id(op.id, "vnf", vnf.name, purpose)

    def hand_on_cancellation(self, op: LcmOpOcc, vnf_op_id: str) -> None:
        """Cancel a VNF's operation that an operation waits for which itself is cancelled FORCEFUL."""
        with self.open_unit(read_only=True) as uow:
            mode = uow.operations.get(op.id).cancel_mode
        if mode is CancelMode.FORCEFUL:
            with suppress(WrongState):  # it ended meanwhile
                self.vnfm.cancel(vnf_op_id, op.tenant_id, mode)

    def hosts_of(self, op: LcmOpOcc, plan: NsPlan | None = None) -> tuple[str, ...]:
        """The hosts that the NS is on: its reservations' and its SAPs'."""
        with self.open_unit(read_only=True) as uow:
            reserved = {r.host for r in uow.reservations.list(op.tenant_id, ns_instance_id=op.instance_id)}
        planned = plan or plan_from_json(op.plan)
        saps = {sap.host for sap in planned.saps if sap.host}
        return tuple(sorted(reserved | saps))

    def vim_of_sap(self, sap: PlannedSap) -> VimDriver:
        """The VIM that has the SAP's attachment."""
        for vim in self.vims.values():
            if sap.attachment in vim.attachments():
                return vim
        raise NotFound(f"no VIM has an attachment '{sap.attachment}' any more")

    def vnf_operation_state(self, op_id: str, tenant_id: str) -> OperationState | None:
        """The state of a VNF's operation, ``None`` when it was never started."""
        try:
            return self.vnfm.operation(op_id, tenant_id).state
        except NotFound:
            return None

    def retry_if_failed(self, vnf_op_id: str, op: LcmOpOcc) -> None:
        """Try a VNF's operation again that waits in FAILED_TEMP."""
        if self.vnf_operation_state(vnf_op_id, op.tenant_id) is OperationState.FAILED_TEMP:
            self.vnfm.retry(vnf_op_id, op.tenant_id)

    def instantiate_request(self, op: LcmOpOcc, plan: NsPlan, vnf: PlannedVnf) -> dict[str, Any]:
        """InstantiateVnfRequest (SOL003 clause 5.5.2.4) with every external connection point as planned."""
        links: dict[str, dict[str, dict[str, Any]]] = {}
        for vnfc in vnf.vnfcs:
            for cp in vnfc.cps:
                configs = links.setdefault(cp.network_id, {}).setdefault(cp.ext_cpd_id, {})
                configs[f"{vnfc.index:04d}"] = cp_config(cp)
        extra = next(
            (
                item.get("additionalParams") or {}
                for item in op.parameters.get("additionalParamsForVnf") or ()
                if item.get("vnfProfileId") == vnf.profile_id
            ),
            {},
        )
        return {
            "flavourId": vnf.flavour_id,
            "instantiationLevelId": vnf.level_id or None,
            "extVirtualLinks": [
                {
                    "id": network_id,
                    "resourceId": network_id,
                    "extCps": [{"cpdId": cpd_id, "cpConfig": configs} for cpd_id, configs in cps.items()],
                }
                for network_id, cps in links.items()
            ],
            "additionalParams": {**extra, "catenaParent": op.id},
        }

    def add_chains(self, op: LcmOpOcc, plan: NsPlan | None = None, vnffgd_id: str | None = None) -> None:
        """Store a chain for each NFP of the NSD, or of one VNFFG, with SPIs of its own; once per operation."""
        plan = plan or plan_from_json(op.plan)
        with self.open_unit() as uow:
            ns = uow.ns_instances.get(op.instance_id)
            flavour = _nsd(uow, ns).flavour(plan.flavour_id)
            for document in chain_documents(ns, flavour, self._live_by_profile(uow, op, plan), op.id):
                wanted = vnffgd_id is None or document["vnffgdId"] == vnffgd_id
                if wanted and uow.chains.find(document["id"]) is None:
                    uow.chains.add(self.graphs.new_chain(uow, document, ns.tenant_id, ns.id))

    def activate_chains(self, op: LcmOpOcc, plane: DataPlane) -> Mapping[str, Any]:
        """Record that the NS's chains are programmed; a summary for the step's record."""
        with self.open_unit() as uow:
            for chain in uow.chains.list(op.tenant_id, ns_instance_id=op.instance_id):
                if chain.id in plane.broken:
                    raise plane.broken[chain.id]
                ways = plane.ways.get(chain.id)
                if ways and chain.state == ChainState.PLANNED:
                    uow.chains.save(with_paths(chain, ways, plane.topology))
                    self.announce(uow, "chain", "programmed", chain.id, op.tenant_id, {"name": chain.name})
        return {
            "flows": {host: len(tables.flows) for host, tables in sorted(plane.tables.items())},
            "chains": len(plane.chains),
        }

    def announce(
        self, uow: UnitOfWork, noun: str, verb: str, subject: str, tenant_id: str, data: Mapping[str, Any]
    ) -> None:
        """Append an event in the same transaction."""
        uow.outbox.append(
            Event(
                id=self.new_id(),
                noun=noun,
                verb=verb,
                subject=subject,
                tenant_id=tenant_id,
                occurred_at=self.clock.now(),
                data=data,
            )
        )

    def _inputs(self, uow: UnitOfWork, op: LcmOpOcc) -> PlanInputs:
        ns = uow.ns_instances.get(op.instance_id, op.tenant_id)
        nsd = _nsd(uow, ns)
        flavour = _ns_flavour(nsd, str(op.parameters.get("nsFlavourId") or ""))
        return PlanInputs(
            ns_instance_id=ns.id,
            tenant_id=op.tenant_id,
            operation_id=op.id,
            nsd=nsd,
            flavour=flavour,
            constituents=_constituents(uow, flavour, op.tenant_id),
            saps=self._sap_requests(op, flavour),
            counts=count_instances(flavour, op.parameters.get("nsInstantiationLevelId")),
            underlay_mtu=underlay_mtu(uow),
            vni_of=lambda key: uow.numbers.allocate("vni", key, FIRST_VNI, LAST_VNI),
            subnet_for=lambda key: own_subnet(uow.numbers.allocate("subnet", key, 0, 4095)),
        )

    def _sap_requests(self, op: LcmOpOcc, flavour: NsFlavour) -> dict[str, SapRequest]:
        wishes = (op.parameters.get("additionalParamsForNs") or {}).get("catena", {}).get("saps", {})
        known = {name: attachment for vim in self.vims.values() for name, attachment in vim.attachments().items()}
        unknown = sorted(set(wishes) - {sap.id for sap in flavour.saps})
        if unknown:
            raise InvalidInput(
                f"the NSD has no SAP '{unknown[0]}'",
                hint=f"it has: {', '.join(sap.id for sap in flavour.saps) or 'none'}",
                facts={"pointer": f"/additionalParamsForNs/catena/saps/{unknown[0]}"},
            )
        return {sap.id: _sap_request(sap.id, flavour, wishes.get(sap.id, {}), known, op) for sap in flavour.saps}

    def _live_by_profile(self, uow: UnitOfWork, op: LcmOpOcc, plan: NsPlan) -> dict[str, list[LiveVnf]]:
        live = {one.instance.id: one for one in self.graphs.live_vnfs(uow, ns_instance_id=op.instance_id)}
        found: dict[str, list[LiveVnf]] = {}
        for vnf in plan.vnfs:
            if vnf.vnf_instance_id in live:
                found.setdefault(vnf.profile_id, []).append(live[vnf.vnf_instance_id])
        return found

    def _give_numbers_back(self, op: LcmOpOcc) -> None:
        """Release what planning allocated for networks that will not come."""
        with self.open_unit() as uow:
            ns = uow.ns_instances.get(op.instance_id)
            for flavour in _nsd(uow, ns).flavours:
                for link in flavour.virtual_links:
                    network_id = derive_id(op.id, "network", link.id)
                    uow.numbers.release("vni", network_id)
                    uow.numbers.release("subnet", network_id)


def network_spec(network: Network) -> NetworkSpec:
    """The VIM's view of a network."""
    return NetworkSpec(
        id=network.id,
        kind=network.kind,
        mtu=network.mtu,
        physical_network=network.physical_network,
        segment=network.segment,
    )


def sap_port(sap: PlannedSap, network: Network) -> PortSpec:
    """The VIM's view of a SAP: a port whose other end is outside."""
    return PortSpec(
        id=sap.id,
        host=sap.host,
        network=network_spec(network),
        mac=sap.mac,
        addresses=sap.addresses,
        mtu=network.mtu,
        attachment=sap.attachment,
        gateway=sap.gateway,
    )


def _keep_plan(uow: UnitOfWork, op: LcmOpOcc, plan: NsPlan) -> None:
    document = plan.to_json()
    uow.operations.save(replace(uow.operations.get(op.id), plan=document))
    uow.ns_instances.save(replace(uow.ns_instances.get(op.instance_id), plan=document))


def _nsd(uow: UnitOfWork, ns: NsInstance) -> Nsd:
    model = from_json(uow.packages.get(ns.nsd_info_id).descriptor)
    if not isinstance(model, Nsd):
        raise InvalidInput(f"package {ns.nsd_info_id} holds no NSD")
    return model


def _ns_flavour(nsd: Nsd, flavour_id: str) -> NsFlavour:
    try:
        return nsd.flavour(flavour_id or None)
    except KeyError:
        raise InvalidInput(
            f"the NSD has no deployment flavour '{flavour_id}'",
            hint=f"it has: {', '.join(flavour.id for flavour in nsd.flavours)}",
            facts={"pointer": "/nsFlavourId"},
        ) from None


def _constituents(uow: UnitOfWork, flavour: NsFlavour, tenant_id: str) -> dict[str, Constituent]:
    found = {}
    for profile in flavour.vnf_profiles:
        package = find_usable(uow, DescriptorKind.VNF, profile.vnfd_id, tenant_id)
        model = from_json(package.descriptor)
        if not isinstance(model, Vnfd):
            raise InvalidInput(f"package {package.id} holds no VNFD")
        found[profile.id] = Constituent(profile, model, package.id)
    if flavour.nested_ns_profiles or flavour.pnf_profiles:
        raise InvalidInput("the NSD has nested NSs or PNFs, which cannot be instantiated yet")
    return found


def _keep_growth(uow: UnitOfWork, op: LcmOpOcc, change: NsChange, new: NsPlan) -> None:
    uow.operations.save(replace(uow.operations.get(op.id), plan={"change": change.to_json(), "new": new.to_json()}))
    ns = uow.ns_instances.get(op.instance_id)
    plan = plan_from_json(ns.plan)
    grown = replace(plan, vnfs=(*plan.vnfs, *new.vnfs), saps=(*plan.saps, *new.saps))
    uow.ns_instances.save(replace(ns, plan=grown.to_json()))


def sap_request(data: Mapping[str, Any], flavour: NsFlavour, known: Mapping[str, Attachment]) -> SapRequest:
    """How a SAP of an UpdateNsRequest is attached: where its sapName says, else where its own name does."""
    sap_id = str(data["sapdId"])
    name = str(data.get("sapName") or sap_id)
    wish = {"attachment": name if name in known else sap_id}
    return _attached(sap_id, flavour, wish, known, _fixed_addresses(data), {"pointer": "/addSap"})


def underlay_mtu(uow: UnitOfWork) -> int:
    """The least MTU of the hosts' underlay; raises WrongState when there is no host."""
    mtus = [int(host.dataplane["underlay_mtu"]) for host in uow.hosts.list() if host.dataplane]
    if not mtus:
        raise WrongState("there is no NFVI host with a data plane", hint="add hosts: mano host add INVENTORY")
    return min(mtus)


def own_subnet(number: int) -> str:
    """The ``number``-th /24 of ours."""
    base = int(OWN_SUBNETS.network_address) + number * 256
    return str(ip_network((base, 24)))


def _sap_request(
    sap_id: str, flavour: NsFlavour, wish: Mapping[str, Any], known: Mapping[str, Attachment], op: LcmOpOcc
) -> SapRequest:
    pointer = {"pointer": f"/additionalParamsForNs/catena/saps/{sap_id}"}
    address = wish.get("address")
    fixed = (str(address),) if address else _sap_data_addresses(op, sap_id)
    return _attached(sap_id, flavour, wish, known, fixed, pointer)


def _attached(
    sap_id: str,
    flavour: NsFlavour,
    wish: Mapping[str, Any],
    known: Mapping[str, Attachment],
    fixed: tuple[str, ...],
    pointer: Mapping[str, Any],
) -> SapRequest:
    name = str(wish.get("attachment") or sap_id)
    attachment = known.get(name)
    if attachment is None:
        raise InvalidInput(
            f"SAP {sap_id}: no VIM has an attachment '{name}'",
            hint=f"known attachments: {', '.join(sorted(known)) or 'none'}",
            facts=pointer,
        )
    physical = flavour.virtual_link(flavour.sap(sap_id).virtual_link_id).physical_network or ""
    if attachment.physical_network != physical:
        where = f"physical network {attachment.physical_network}" if attachment.physical_network else "a host's bridge"
        raise InvalidInput(
            f"SAP {sap_id}: attachment '{name}' is on {where}, its virtual link on "
            f"{'physical network ' + physical if physical else 'an overlay'}",
            hint="choose an attachment on the same network",
            facts=pointer,
        )
    return SapRequest(attachment=name, host=attachment.host, addresses=fixed)


def _sap_data_addresses(op: LcmOpOcc, sap_id: str) -> tuple[str, ...]:
    """Fixed addresses of SOL005's SapData (clause 6.5.3.10)."""
    for data in op.parameters.get("sapData") or ():
        if data.get("sapdId") == sap_id:
            return _fixed_addresses(data)
    return ()


def _fixed_addresses(data: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(
        address
        for protocol in data.get("sapProtocolData") or ()
        for entry in (protocol.get("ipOverEthernet") or {}).get("ipAddresses") or ()
        for address in entry.get("fixedAddresses") or ()
    )

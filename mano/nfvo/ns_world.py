"""What the NS stories act on: the store, the VIMs, the VNFM, the forwarding graphs, and the decisions in between."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from ipaddress import ip_network
from typing import Any

from mano.domain.events import Event
from mano.domain.ids import derive_id
from mano.domain.lcm_op_occ import CancelMode, LcmOpOcc, OperationState
from mano.domain.ns_instance import Network, NsInstance
from mano.domain.service_chain import ChainState, ServiceChain
from mano.errors import CatenaError, NotFound, WrongState
from mano.nfvo.data_plane import DataPlane
from mano.nfvo.forwarding_graphs import ForwardingGraphs, with_paths
from mano.nfvo.graph_translation import LivePnf, LiveVnf, Parts, chain_documents
from mano.nfvo.growing import cp_config
from mano.nfvo.nested_services import NestedServices
from mano.nfvo.ns_change import NsChange
from mano.nfvo.ns_families import addresses_on, outer_joins
from mano.nfvo.ns_placement import chain_requests, growth_request, outer_groups, placement_request, with_groups
from mano.nfvo.ns_requests import Reading, ns_flavour, nsd_of, pnf_data, require_distinct, require_passable
from mano.nfvo.plan import NsPlan, PlannedPnf, PlannedPnfCp, PlannedSap, PlannedVnf, plan_from_json
from mano.nfvo.plan_inputs import NestedRequest, PlanInputs
from mano.nfvo.planning import count_instances, grow_ns, plan_ns
from mano.nfvo.reserving import Reserving
from mano.nfvo.virtual_links import network_id_of
from mano.nfvo.vnf_parameters import first_request, params_for, require_profiles, with_rules
from mano.nfvo.vnf_transfers import newcomers, take
from mano.ports.clock import Clock, IdFactory
from mano.ports.or_vnfm import Vnfm
from mano.ports.repositories import UnitOfWork, UnitOfWorkFactory
from mano.ports.vim import Attachment, NetworkSpec, PortSpec, VimDriver
from vnf_descriptors.model import Nsd, NsFlavour

FIRST_VNI, LAST_VNI = 4096, (1 << 24) - 1
"""Tunnel keys of tenants' networks; smaller ones are the data plane's own."""

OWN_SUBNETS = ip_network("172.16.0.0/12")
"""Where a virtual link without a subnet of its own gets a /24 from."""


VNFFGS = "vnffgs"
"""In a step's result: VNFFG descriptors to the instances that the step made, or removed."""


def vnffgs_of(chains: Iterable[ServiceChain]) -> dict[str, str]:
    """VNFFG descriptor to its instance, which is called as its first chain."""
    found: dict[str, str] = {}
    for chain in chains:
        if descriptor := str(chain.spec.get("vnffgdId") or ""):
            found.setdefault(descriptor, chain.id)
    return found


@dataclass(frozen=True, slots=True)
class NsWorld:
    """Everything that the stories need."""

    open_unit: UnitOfWorkFactory
    vims: Mapping[str, VimDriver]
    vnfm: Vnfm
    graphs: ForwardingGraphs
    reserving: Reserving
    nested: NestedServices
    clock: Clock
    new_id: IdFactory

    def decide(self, op: LcmOpOcc) -> NsPlan:
        """Plan the NS, place all its VDUs together and reserve; the plan is stored with operation and instance."""
        try:
            with self.open_unit() as uow:
                inputs = self._inputs(uow, op)
                plan = plan_ns(inputs)
                groups = outer_groups(uow, uow.ns_instances.get(op.instance_id), plan)
            require_passable(inputs.flavour, plan)
            request = placement_request(inputs, plan, chain_requests(inputs, plan))
            self._reserve(op, plan, with_groups(request, groups), lambda uow: _keep_plan(uow, op, plan))
        except CatenaError:
            self._give_numbers_back(op)
            raise
        return plan

    def grow(self, op: LcmOpOcc, change: NsChange) -> None:
        """Plan what an operation adds to a service that runs, place and reserve it, and take in the VNFs that join it.

        ``op.plan`` then holds the change and the newcomers, and the instance's plan has them among the rest.
        """
        with self.open_unit() as uow:
            ns = uow.ns_instances.get(op.instance_id, op.tenant_id)
            plan = plan_from_json(ns.plan)
            inputs = self._growth_inputs(uow, op, ns, change)
            taken = addresses_on(uow, ns, [network.id for network in plan.networks])
            saps = [str(sap["sapdId"]) for sap in change.add_saps]
            require_distinct(inputs, plan, taken)
            new = grow_ns(inputs, plan, change.add, saps, taken, change.add_links)
            modified = self._modified(uow, ns, inputs, change, taken)
            groups = outer_groups(uow, ns, new)
            grown = replace(plan, networks=new.networks, vnfs=(*plan.vnfs, *new.vnfs))
            joining, work = newcomers(uow, inputs, grown, change.join, taken)
        change = replace(change, work=(*change.work, *work))
        request = with_groups(growth_request(inputs, plan, new), groups)
        self._reserve(op, new, request, lambda uow: _keep_growth(uow, op, change, new, modified, joining))

    def require_takers(self, op: LcmOpOcc, change: NsChange) -> None:
        """Raises what the NSs will say that VNFs of this one are to be handed over to."""
        for work in change.hand_over:
            joins = NsChange(join=tuple(work.request["addVnfIstance"]))
            with self.open_unit(read_only=True) as uow:
                ns = uow.ns_instances.get(work.ns_instance_id, op.tenant_id)
                plan = plan_from_json(ns.plan)
                taken = addresses_on(uow, ns, [network.id for network in plan.networks])
                newcomers(uow, self._growth_inputs(uow, op, ns, joins), plan, joins.join, taken)

    def _modified(
        self,
        uow: UnitOfWork,
        ns: NsInstance,
        inputs: PlanInputs,
        change: NsChange,
        taken: Mapping[str, Iterable[str]],
    ) -> list[PlannedPnf]:
        """The PNFs that ModifyPnfData change, as they will be."""
        reading = Reading(uow, ns, inputs.flavour, self.attachments())
        return [reading.modified_pnf(inputs, item, taken, i) for i, item in enumerate(change.modify_pnfs)]

    def _reserve(
        self, op: LcmOpOcc, plan: NsPlan, request: Mapping[str, Any], keep: Callable[[UnitOfWork], None]
    ) -> None:
        """Reserve what the plan's VDUs need, and keep the plan, in one transaction."""
        ids = {vnfc.key: vnfc.reservation_id for vnf in plan.vnfs for vnfc in vnf.vnfcs}
        if ids:
            self.reserving.reserve(op.instance_id, op.tenant_id, request, ids, also=keep)
            return
        with self.open_unit() as uow:
            keep(uow)

    def _growth_inputs(self, uow: UnitOfWork, op: LcmOpOcc, ns: NsInstance, change: NsChange) -> PlanInputs:
        nsd = nsd_of(uow.packages.get(change.nsd_info_id or ns.nsd_info_id))
        flavour = ns_flavour(nsd, change.flavour_id or ns.flavour_id)
        require_profiles(flavour, op.parameters)
        if not change.flavour_id and not change.nsd_info_id:
            flavour = with_rules(flavour, first_request(uow, ns))
        reading = Reading(uow, ns, flavour, self.attachments())
        outer = reading.outer()
        extra = {str(one["nsProfileId"]): one for one in change.nested_parameters}
        made = [
            reading.new_nested(flavour.nested_ns_profile(id), extra.get(id, {}))
            for id, count in change.add_nested.items()
            for _ in range(count)
        ]
        return replace(
            self._numbered(uow, op, ns, nsd, flavour),
            constituents=reading.constituents() if change.add or change.join else {},
            saps={str(sap["sapdId"]): reading.added_sap(sap) for sap in change.add_saps},
            outer=outer,
            pnfs=reading.pnfs(change.add_pnfs, {}, "/addPnfData"),
            nested=(*reading.taken(change.take_nested, "/addNestedNsData"), *made),
        )

    def attachments(self) -> dict[str, Attachment]:
        """The attachments of all VIMs, by name."""
        return {name: attachment for vim in self.vims.values() for name, attachment in vim.attachments().items()}

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
        """The hosts that the NS is on: its reservations', its SAPs' and its PNFs'."""
        with self.open_unit(read_only=True) as uow:
            reserved = {r.host for r in uow.reservations.list(op.tenant_id, ns_instance_id=op.instance_id)}
        planned = plan or plan_from_json(op.plan)
        saps = {sap.host for sap in planned.saps if sap.host}
        pnfs = {cp.host for pnf in planned.pnfs for cp in pnf.cps if cp.host}
        return tuple(sorted(reserved | saps | pnfs))

    def vim_at(self, attachment: str) -> VimDriver:
        """The VIM that has the attachment."""
        for vim in self.vims.values():
            if attachment in vim.attachments():
                return vim
        raise NotFound(f"no VIM has an attachment '{attachment}' any more")

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
        asked = params_for(op.parameters, plan, vnf)
        extra = asked.get("additionalParams") or {}
        return {
            **{name: asked[name] for name in ("vnfConfigurableProperties", "extensions") if asked.get(name)},
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

    def add_chains(
        self,
        op: LcmOpOcc,
        plan: NsPlan | None = None,
        vnffgd_id: str | None = None,
        change: NsChange | None = None,
    ) -> None:
        """Store a chain for each NFP of the NSD, or of one VNFFG, with SPIs of its own; once per operation.

        ``change`` may name another NSD or flavour that the NS is about to be of.
        """
        plan = plan or plan_from_json(op.plan)
        with self.open_unit() as uow:
            ns = uow.ns_instances.get(op.instance_id)
            to = change or NsChange()
            nsd = nsd_of(uow.packages.get(to.nsd_info_id or ns.nsd_info_id))
            flavour = nsd.flavour(to.flavour_id or plan.flavour_id)
            for document in chain_documents(ns, flavour, self._parts(uow, ns, plan), op.id):
                wanted = vnffgd_id is None or document["vnffgdId"] == vnffgd_id
                if wanted and uow.chains.find(document["id"]) is None:
                    uow.chains.add(self.graphs.new_chain(uow, document, ns.tenant_id, ns.id))

    def activate_chains(self, op: LcmOpOcc, plane: DataPlane) -> Mapping[str, Any]:
        """Record that the NS's chains are programmed; a summary for the step's record."""
        with self.open_unit() as uow:
            chains = uow.chains.list(op.tenant_id, ns_instance_id=op.instance_id)
            for chain in chains:
                if chain.id in plane.broken:
                    raise plane.broken[chain.id]
                ways = plane.ways.get(chain.id)
                if ways and chain.state == ChainState.PLANNED:
                    uow.chains.save(with_paths(chain, ways, plane.topology))
                    self.announce(uow, "chain", "programmed", chain.id, op.tenant_id, {"name": chain.name})
        return {
            "flows": {host: len(tables.flows) for host, tables in sorted(plane.tables.items())},
            "chains": len(plane.chains),
            VNFFGS: vnffgs_of(chains),
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
        nsd = nsd_of(uow.packages.get(ns.nsd_info_id))
        flavour = with_rules(ns_flavour(nsd, str(op.parameters.get("nsFlavourId") or "")), op.parameters)
        require_profiles(flavour, op.parameters)
        level = op.parameters.get("nsInstantiationLevelId")
        counts = count_instances(flavour, level)
        reading = Reading(uow, ns, flavour, self.attachments())
        outer = reading.outer()
        nested = reading.nested(op.parameters, flavour.nested_instances(level))
        return replace(
            self._numbered(uow, op, ns, nsd, flavour),
            constituents=reading.constituents(),
            saps=reading.saps(op.parameters, outer),
            counts=counts,
            outer=outer,
            taken=joined_addresses(uow, ns, op.id, flavour, nested),
            pnfs=reading.pnfs(pnf_data(op.parameters), op.parameters, "/addPnfData"),
            nested=nested,
        )

    def _numbered(self, uow: UnitOfWork, op: LcmOpOcc, ns: NsInstance, nsd: Nsd, flavour: NsFlavour) -> PlanInputs:
        """Inputs that ask for nothing yet."""
        return PlanInputs(
            ns_instance_id=ns.id,
            tenant_id=op.tenant_id,
            operation_id=op.id,
            nsd=nsd,
            flavour=flavour,
            constituents={},
            saps={},
            counts={},
            underlay_mtu=underlay_mtu(uow),
            vni_of=lambda key: uow.numbers.allocate("vni", key, FIRST_VNI, LAST_VNI),
            subnet_for=lambda key: own_subnet(uow.numbers.allocate("subnet", key, 0, 4095)),
        )

    def _parts(self, uow: UnitOfWork, ns: NsInstance, plan: NsPlan) -> Parts:
        """What the NS's forwarding paths lead through, as it is."""
        live = {one.instance.id: one for one in self.graphs.live_vnfs(uow, ns_instance_id=ns.id)}
        vnfs: dict[str, list[LiveVnf]] = {}
        for vnf in plan.vnfs:
            if vnf.vnf_instance_id in live:
                vnfs.setdefault(vnf.profile_id, []).append(live[vnf.vnf_instance_id])
        pnfs: dict[str, list[LivePnf]] = {}
        for pnf in self.graphs.live_pnfs(uow, ns):
            pnfs.setdefault(pnf.instance.profile_id, []).append(pnf)
        return Parts(vnfs, pnfs, {join.sapd_id: join.entry_port for join in outer_joins(uow, ns)})

    def _give_numbers_back(self, op: LcmOpOcc) -> None:
        """Release what planning allocated for networks that will not come."""
        with self.open_unit() as uow:
            ns = uow.ns_instances.get(op.instance_id)
            for flavour in nsd_of(uow.packages.get(ns.nsd_info_id)).flavours:
                for link in flavour.virtual_links:
                    network_id = derive_id(op.id, "network", link.id)
                    uow.numbers.release("vni", network_id)
                    uow.numbers.release("subnet", network_id)


def joined_addresses(
    uow: UnitOfWork, ns: NsInstance, operation_id: str, flavour: NsFlavour, nested: Sequence[NestedRequest]
) -> dict[str, list[str]]:
    """Who has which address on what the networks of an NS that is to be made will be joined to, inside and around."""
    networks = {link.id: network_id_of(operation_id, link.id) for link in flavour.virtual_links}
    taken = addresses_on(uow, ns, networks.values())
    for request in nested:
        for link_id, addresses in request.taken.items():
            if link_id in networks:
                taken[networks[link_id]] += addresses
    return taken


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


def pnf_port(cp: PlannedPnfCp, network: Network) -> PortSpec:
    """The VIM's view of a PNF's connection point: a port whose other end is the PNF's."""
    return PortSpec(
        id=cp.id,
        host=cp.host,
        network=network_spec(network),
        mac=cp.mac,
        addresses=cp.addresses,
        mtu=network.mtu,
        attachment=cp.attachment,
        gateway=cp.gateway,
    )


def _keep_plan(uow: UnitOfWork, op: LcmOpOcc, plan: NsPlan) -> None:
    document = plan.to_json()
    uow.operations.save(replace(uow.operations.get(op.id), plan=document))
    uow.ns_instances.save(replace(uow.ns_instances.get(op.instance_id), plan=document))


def _keep_growth(
    uow: UnitOfWork,
    op: LcmOpOcc,
    change: NsChange,
    new: NsPlan,
    modified: Sequence[PlannedPnf],
    joining: Sequence[PlannedVnf],
) -> None:
    ns = uow.ns_instances.get(op.instance_id)
    plan = plan_from_json(ns.plan)
    after = {pnf.key: pnf for pnf in modified}
    document: dict[str, Any] = {"change": change.to_json(), "new": new.to_json()}
    if modified:
        document["modified"] = [asdict(pnf) for pnf in modified]
        document["former"] = [asdict(pnf) for pnf in plan.pnfs if pnf.key in after]
    leaving = {
        "leaving_pnfs": [asdict(pnf) for pnf in plan.pnfs if pnf.pnf_id in change.remove_pnfs],
        "leaving_nested": [
            {"key": one.key, "nsd_id": one.nsd_id} for one in plan.nested if one.ns_instance_id in change.remove_nested
        ],
        "leaving_links": [
            {"id": network.id, "vld_id": network.vld_id}
            for network in plan.networks
            if network.vld_id in change.remove_links
        ],
        "leaving_vnfs": [asdict(vnf) for vnf in plan.vnfs if vnf.vnf_instance_id in change.leave],
        "former_links": {
            id: [dict(link) for link in uow.vnf_instances.get(id).ext_virtual_links] for id in change.leave
        },
        "joining": [asdict(vnf) for vnf in joining],
    }
    document |= {name: items for name, items in leaving.items() if items}
    uow.operations.save(replace(uow.operations.get(op.id), plan=document))
    grown = replace(
        plan,
        networks=new.networks,
        vnfs=(*plan.vnfs, *new.vnfs),
        saps=(*plan.saps, *new.saps),
        pnfs=(*(after.get(pnf.key, pnf) for pnf in plan.pnfs), *new.pnfs),
        nested=(*plan.nested, *new.nested),
    )
    uow.ns_instances.save(replace(ns, plan=grown.to_json()))
    for vnf in joining:
        take(uow, ns.id, vnf)


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

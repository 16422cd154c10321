"""What a VNF's operation does to the VIM, as one plan. Pure; serialises to JSON.

The plan of an instantiation holds every port and VNFC with its identifier, so that each step can be repeated and undone
from the plan alone.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from ipaddress import ip_address, ip_network
from itertools import islice
from typing import Any

from mano.domain.grant import Grant, GrantedResource, ResourceDefinition
from mano.domain.ids import derive_id, mac_address
from mano.domain.ns_instance import NetworkKind
from mano.errors import InvalidInput
from mano.ports.vim import ComputeInterface, ComputeSpec, NetworkSpec, PortSpec
from vnf_descriptors.model import ExtCp, SfEncapsulation, Vdu, VduCp, VnfFlavour

NSH_OVERHEAD = 38
"""Octets of NSH MD type 1 (RFC 8300 section 2.4: 24) and of the Ethernet header inside it (14)."""


@dataclass(frozen=True, slots=True)
class PlannedPort:
    """A port with the names that it has in the descriptor; ``link_id`` is that of a virtual link inside the VNF."""

    cpd_id: str
    ext_cpd_id: str
    network_id: str
    spec: PortSpec
    gateway: str
    link_id: str = ""


@dataclass(frozen=True, slots=True)
class PlannedCompute:
    """One VNFC with its ports; ``key`` is ``<vdu>/<index>``, ``artifact`` the image's path in the package."""

    key: str
    vdu_id: str
    index: int
    compute_id: str
    vim_id: str
    host: str
    artifact: str
    checksum: str
    memory_mib: int
    placement: Mapping[str, Any]
    user_data: Mapping[str, Any]
    ports: tuple[PlannedPort, ...]
    vnfc_id: str = ""
    """The VNFC instance that it realises: it stays the same when the VNFC moves."""
    reservation_id: str = ""

    @property
    def signature(self) -> str:
        """Which process on which ports: two plans of one VNFC may differ in its ports alone."""
        return signature(self.compute_id, (port.spec.id for port in self.ports))

    @property
    def vnfc(self) -> str:
        """Identifier of the VNFC instance."""
        return self.vnfc_id or self.compute_id

    def spec(self, name: str, image_path: str) -> ComputeSpec:
        """The VIM's view of it."""
        return ComputeSpec(
            id=self.compute_id,
            name=f"{name}/{self.key}",
            host=self.host,
            image_path=image_path,
            image_checksum=self.checksum,
            placement=self.placement,
            memory_mib=self.memory_mib,
            interfaces=tuple(ComputeInterface(port.cpd_id, port.spec, port.gateway) for port in self.ports),
            user_data=self.user_data,
        )


def signature(compute_id: str, ports: Iterable[str]) -> str:
    """:attr:`PlannedCompute.signature` of what runs."""
    return "+".join((compute_id, *sorted(ports)))


@dataclass(frozen=True, slots=True)
class VnfPlan:
    """Desired state of one VNF instance."""

    flavour_id: str
    level_id: str
    package_id: str
    computes: tuple[PlannedCompute, ...]

    def compute(self, key: str) -> PlannedCompute:
        """The planned VNFC; KeyError when there is none."""
        for compute in self.computes:
            if compute.key == key:
                return compute
        raise KeyError(key)

    @property
    def internal_networks(self) -> dict[str, tuple[NetworkSpec, tuple[str, ...]]]:
        """The networks of links inside the VNF, with the VIMs that they reach; by identifier."""
        found: dict[str, tuple[NetworkSpec, tuple[str, ...]]] = {}
        for compute in self.computes:
            for port in compute.ports:
                if not port.ext_cpd_id:
                    _, vims = found.get(port.network_id, (port.spec.network, ()))
                    found[port.network_id] = (port.spec.network, tuple(dict.fromkeys((*vims, compute.vim_id))))
        return found

    def to_json(self) -> dict[str, Any]:
        """JSON values; :func:`plan_from_json` reads them."""
        return asdict(self)


def plan_from_json(document: Mapping[str, Any]) -> VnfPlan:
    """The plan that :meth:`VnfPlan.to_json` wrote."""
    return VnfPlan(**{**document, "computes": tuple(compute_from_json(item) for item in document["computes"])})


def compute_from_json(item: Mapping[str, Any]) -> PlannedCompute:
    """One VNFC of a plan's JSON."""
    return PlannedCompute(**{**item, "ports": tuple(port_from_json(port) for port in item["ports"])})


def port_from_json(item: Mapping[str, Any]) -> PlannedPort:
    """One port of a plan's JSON."""
    spec = dict(item["spec"])
    network = NetworkSpec(**{**spec["network"], "kind": NetworkKind(spec["network"]["kind"])})
    return PlannedPort(
        **{**item, "spec": PortSpec(**{**spec, "network": network, "addresses": tuple(spec["addresses"])})}
    )


def level_counts(flavour: VnfFlavour, level_id: str) -> dict[str, int]:
    """VDU to number of instances at an instantiation level; raises InvalidInput for one that there is not."""
    try:
        return flavour.instances(level_id or None)
    except KeyError:
        known = ", ".join(level.id for level in flavour.instantiation_levels) or "none"
        raise InvalidInput(
            f"flavour {flavour.id} has no instantiation level '{level_id}'", hint=f"it has: {known}"
        ) from None


def resource_definitions(op_id: str, flavour: VnfFlavour, level_id: str) -> tuple[ResourceDefinition, ...]:
    """The compute resources of an instantiation, for the grant request (SOL003 clause 9.5.3.2)."""
    counts = level_counts(flavour, level_id)
    return tuple(definition_of(op_id, vdu.id, index) for vdu in flavour.vdus for index in range(counts[vdu.id]))


def definition_of(op_id: str, vdu_id: str, index: int) -> ResourceDefinition:
    """What an operation calls one VNFC in its grant request."""
    return ResourceDefinition(id=derive_id(op_id, vdu_id, str(index)), vdu_id=vdu_id, index=index)


@dataclass(frozen=True, slots=True)
class PlanInputs:
    """What an instantiation was asked, and what was granted for it."""

    op_id: str
    flavour: VnfFlavour
    level_id: str
    package_id: str
    definitions: tuple[ResourceDefinition, ...]
    grant: Grant
    ext_virtual_links: Sequence[Mapping[str, Any]]
    parameters: Mapping[str, Any]


def removal_of(compute: PlannedCompute) -> ResourceDefinition:
    """What a grant request calls a VNFC that is to go."""
    return ResourceDefinition(compute.compute_id, compute.vdu_id, compute.index, reservation_id=compute.reservation_id)


def plan_vnf(inputs: PlanInputs) -> VnfPlan:
    """The plan; raises InvalidInput where the request leaves something open or contradicts the VNFD."""
    granted = {resource.resource_definition_id: resource for resource in inputs.grant.add_resources}
    return VnfPlan(
        flavour_id=inputs.flavour.id,
        level_id=inputs.level_id,
        package_id=inputs.package_id,
        computes=tuple(_plan_compute(inputs, definition, granted[definition.id]) for definition in inputs.definitions),
    )


def _plan_compute(inputs: PlanInputs, definition: ResourceDefinition, granted: GrantedResource) -> PlannedCompute:
    vdu = inputs.flavour.vdu(definition.vdu_id)
    host = granted.resource_provider_id
    artifact, checksum = image_of(vdu)
    ports = tuple(
        port
        for cp in inputs.flavour.cps_of(vdu.id)
        if (port := _plan_port(inputs, cp, definition, granted)) is not None
    )
    return PlannedCompute(
        key=f"{vdu.id}/{definition.index}",
        vdu_id=vdu.id,
        index=definition.index,
        compute_id=derive_id(inputs.op_id, "compute", vdu.id, str(definition.index)),
        vim_id=str(inputs.grant.additional_parameters.get("catenaHosts", {}).get(host, "")),
        host=host,
        artifact=artifact,
        checksum=checksum,
        memory_mib=vdu.memory_mib,
        placement=granted.placement,
        user_data=user_data_of(vdu, inputs.parameters),
        ports=ports,
        reservation_id=granted.reservation_id,
    )


def image_of(vdu: Vdu) -> tuple[str, str]:
    """(path in the package, SHA-256) of the VDU's software image; raises InvalidInput without one in the package."""
    image = vdu.sw_image
    if image is None or image.path is None or image.checksum is None:
        raise InvalidInput(
            f"VDU {vdu.id} has no software image inside its package",
            hint="add a SwImage artifact with file and checksum",
        )
    return image.path, image.checksum.value


def _plan_port(
    inputs: PlanInputs, cp: VduCp, definition: ResourceDefinition, granted: GrantedResource
) -> PlannedPort | None:
    return _port_on(
        inputs.op_id,
        inputs.flavour,
        cp,
        definition.index,
        granted.resource_provider_id,
        granted.placement,
        inputs.ext_virtual_links,
        inputs.grant,
        "",
    )


def planned_port(
    op_id: str,
    flavour: VnfFlavour,
    cp: VduCp,
    compute: PlannedCompute,
    links: Sequence[Mapping[str, Any]],
    grant: Grant,
    *,
    former: PlannedPort | None = None,
) -> PlannedPort | None:
    """The port that a running VNFC's connection point gets on these links; ``None`` where they do not name it.

    It keeps the MAC address of its ``former`` port unless another one is asked for.
    """
    mac = former.spec.mac if former else ""
    return _port_on(op_id, flavour, cp, compute.index, compute.host, compute.placement, links, grant, mac)


def _port_on(
    op_id: str,
    flavour: VnfFlavour,
    cp: VduCp,
    index: int,
    host: str,
    placement: Mapping[str, Any],
    links: Sequence[Mapping[str, Any]],
    grant: Grant,
    known_mac: str,
) -> PlannedPort | None:
    ext = next((ext for ext in flavour.ext_cps if ext.vdu_cp_id == cp.id), None)
    internal = grant.additional_parameters.get("catenaInternalLinks", {}).get(cp.virtual_link_id)
    if ext is None and internal:
        network_id, mac, facts = str(internal), "", _network_facts(grant, str(internal))
        addresses = internal_addresses(flavour, cp, index, facts)
    else:
        link, config = _connection(links, ext, index) if ext else ({}, {})
        if not link:
            return None
        network_id, facts = str(link["resourceId"]), _network_facts(grant, str(link["resourceId"]))
        mac, fixed = _addresses(config)
        addresses = tuple(_with_prefix(text, facts["subnets"], cp.id) for text in fixed)
    attached = placement.get("interfaces", {}).get(cp.id, {})
    vfs = attached.get("vfs") or ()
    spec = PortSpec(
        id=derive_id(op_id, "port", cp.vdu_id, str(index), cp.id),
        host=host,
        network=NetworkSpec(
            id=network_id,
            kind=NetworkKind(facts["kind"]),
            mtu=int(facts["mtu"]),
            physical_network=str(facts["physicalNetwork"]),
            segment=int(facts["segment"]),
        ),
        mac=mac or known_mac or mac_address(op_id, cp.vdu_id, str(index), cp.id),
        addresses=addresses,
        mtu=_mtu(cp, int(facts["mtu"])),
        vnic_type=cp.vnic_type.value,
        pci=str(attached.get("pci") or ""),
        vf=int(vfs[0]) if vfs else None,
    )
    inner = "" if ext else str(cp.virtual_link_id)
    return PlannedPort(cp.id, ext.id if ext else "", network_id, spec, _gateway(facts["gateways"], addresses), inner)


def internal_addresses(flavour: VnfFlavour, cp: VduCp, index: int, facts: Mapping[str, Any]) -> tuple[str, ...]:
    """Addresses of a connection point on a link inside the VNF: one for each subnet whose IP version it speaks.

    They follow from the CP's place among those on the link and the number of its VDU's instance, so that scaling and
    healing change nobody else's. What the descriptor fixes is for the first instance.
    """
    rank = 0
    for other in flavour.vdu_cps:
        if other.id == cp.id:
            break
        if other.virtual_link_id == cp.virtual_link_id:
            rank += flavour.vdu(other.vdu_id).max_instances
    versions = {version for version, name in ((4, "ipv4"), (6, "ipv6")) if name in cp.layer_protocols}
    if cp.fixed_addresses and index == 0:
        return tuple(_with_prefix(text, facts["subnets"], cp.id) for text in cp.fixed_addresses)
    found = []
    for subnet in map(ip_network, facts["subnets"]):
        if subnet.version in versions:
            taken = {*facts["gateways"], *(text for one in flavour.vdu_cps for text in one.fixed_addresses)}
            found.append(f"{_nth_free(subnet, rank + index, taken, cp.id)}/{subnet.prefixlen}")
    return tuple(found)


def _nth_free(subnet: Any, number: int, taken: Collection[str], owner: str) -> str:
    """The ``number``-th address of a subnet, from 0, that is not among the taken ones."""
    free = (str(address) for address in subnet.hosts() if str(address) not in taken)
    for address in islice(free, number, number + 1):
        return address
    raise InvalidInput(f"connection point {owner}: {subnet} is too small for {number + 1} addresses")


def _mtu(cp: VduCp, network_mtu: int) -> int:
    """An NSH-aware function gets whole frames of the network behind an NSH header."""
    aware = cp.sf is not None and cp.sf.encapsulation is SfEncapsulation.NSH
    return network_mtu + NSH_OVERHEAD if aware else network_mtu


def _connection(
    links: Sequence[Mapping[str, Any]], ext: ExtCp, index: int
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """(ExtVirtualLinkData, VnfExtCpConfig) of the ``index``-th instance of an external CP; empty where it is open."""
    for link in links:
        for ext_cp in link.get("extCps", ()):
            if ext_cp.get("cpdId") in (ext.id, ext.requirement):
                return link, _config_of(ext_cp.get("cpConfig") or {}, index)
    return {}, {}


def _config_of(configs: Mapping[str, Any], index: int) -> Mapping[str, Any]:
    """The ``index``-th instance's: the one that bears its number, else the one at its place."""
    if (named := configs.get(config_key(index))) is not None:
        return dict(named)
    ordered = [config for _, config in sorted(configs.items())]
    return ordered[index] or {} if index < len(ordered) else {}


def config_key(index: int) -> str:
    """What we call the configuration of an external CP's ``index``-th instance (SOL003's ``cpConfigId``)."""
    return f"{index:04d}"


def _network_facts(grant: Grant, network_id: str) -> Mapping[str, Any]:
    facts: Mapping[str, Any] | None = grant.additional_parameters.get("catenaNetworks", {}).get(network_id)
    if facts is None:
        raise InvalidInput(
            f"the NFVO knows no network {network_id}",
            hint="resourceId of extVirtualLinks must be a network of this NFVO",
        )
    return facts


def _addresses(config: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """(MAC address or empty, IP addresses) of a VnfExtCpConfig (SOL003 clause 4.4.1.10a)."""
    mac = ""
    found: list[str] = []
    for protocol in config.get("cpProtocolData") or ():
        data = protocol.get("ipOverEthernet") or {}
        mac = data.get("macAddress") or mac
        for entry in data.get("ipAddresses") or ():
            found.extend(entry.get("fixedAddresses") or ())
    return mac, tuple(found)


def _with_prefix(text: str, subnets: Sequence[str], owner: str) -> str:
    try:
        address = ip_address(text)
    except ValueError:
        raise InvalidInput(f"connection point {owner}: {text!r} is no IP address") from None
    for subnet in map(ip_network, subnets):
        if address in subnet:
            return f"{address}/{subnet.prefixlen}"
    raise InvalidInput(f"connection point {owner}: {address} is in no subnet of its network")


def _gateway(gateways: Sequence[str], addresses: Sequence[str]) -> str:
    own = {text.split("/")[0] for text in addresses}
    return next((gateway for gateway in gateways if own and gateway not in own), "")


def user_data_of(vdu: Vdu, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """What the VNFC finds in its configuration: the VNFD's boot data, then what the request adds for the VDU."""
    data: dict[str, Any] = {}
    if vdu.boot_data is not None:
        data.update(vdu.boot_data.kvp)
        data.update(_json_object(vdu.boot_data.content))
    data.update(parameters.get("userData", {}).get(vdu.id, {}))
    return data


def _json_object(content: str | None) -> dict[str, Any]:
    if not content:
        return {}
    try:
        parsed = json.loads(content)
    except ValueError:
        return {"content": content}
    return parsed if isinstance(parsed, dict) else {"content": content}

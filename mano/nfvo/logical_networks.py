"""Networks, subnets and ports in Neutron's words: every port of the bridges seen, and ports of one's own made.

A port of a VNFC and a SAP's port appear as what they are and are changed by their life cycles alone. A port made here
is an interface in a namespace of its own (or of a ``device_id`` that several ports share) on a host's bridge.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from ipaddress import ip_address, ip_network

from mano.domain.ids import mac_address
from mano.domain.ns_instance import Network, NetworkKind
from mano.domain.port_chains import Document, LogicalPort
from mano.domain.vnf_instance import ConnectionPoint
from mano.errors import CatenaError, Conflict, InUse, InvalidInput, NotFound
from mano.nfvo.forwarding_graphs import ForwardingGraphs
from mano.nfvo.logical_addresses import choose_addresses, taken_addresses
from mano.nfvo.neutron_documents import (
    network_document,
    port_document,
    seen_ports,
    subnet_documents,
    subnet_id,
    unfinished,
)
from mano.nfvo.ns_world import FIRST_VNI, LAST_VNI, network_spec
from mano.nfvo.virtual_links import DEFAULT_MTU, TUNNEL_OVERHEAD
from mano.ports.clock import IdFactory
from mano.ports.repositories import UnitOfWork, UnitOfWorkFactory
from mano.ports.vim import Attachment, PortSpec, VimDriver

MANAGEMENT = "catena:management"
"""``device_owner`` of the VNFM's ports in management networks (:mod:`mano.nfvo.management`)."""


class LogicalNetworks:
    """Use cases of ``/v2.0/networks``, ``/v2.0/subnets`` and ``/v2.0/ports``."""

    def __init__(
        self,
        open_unit: UnitOfWorkFactory,
        vims: Mapping[str, VimDriver],
        graphs: ForwardingGraphs,
        new_id: IdFactory,
    ) -> None:
        self._open_unit = open_unit
        self._vims = vims
        self._graphs = graphs
        self._new_id = new_id
        self._one_at_a_time = threading.Lock()

    # Networks and their subnets

    def networks(self, tenant_id: str) -> Sequence[Document]:
        """Every network of the tenant, those of its network services too."""
        with self._open_unit(read_only=True) as uow:
            names = {ns.id: ns.name for ns in uow.ns_instances.list(tenant_id)}
            return [network_document(network, names) for network in uow.networks.list(tenant_id)]

    def subnets(self, tenant_id: str) -> Sequence[Document]:
        """Every subnet of the tenant's networks."""
        with self._open_unit(read_only=True) as uow:
            return [each for network in uow.networks.list(tenant_id) for each in subnet_documents(network)]

    def create_network(self, tenant_id: str, values: Document) -> str:
        """An overlay network of its own; its identifier."""
        network_id = self._new_id()
        with self._open_unit() as uow:
            limit = _underlay_mtu(uow) - TUNNEL_OVERHEAD
            mtu = values.get("mtu") or min(DEFAULT_MTU, limit)
            if mtu > limit:
                raise InvalidInput(f"an MTU of {mtu} does not fit the underlay", hint=f"ask for at most {limit}")
            network = Network(
                id=network_id,
                tenant_id=tenant_id,
                ns_instance_id="",
                vld_id="",
                kind=NetworkKind.OVERLAY,
                mtu=mtu,
                vni=uow.numbers.allocate("vni", network_id, FIRST_VNI, LAST_VNI),
                name=values["name"],
                description=values["description"],
                vlan_transparent=values["vlan_transparent"],
            )
            uow.networks.add(network)
        for vim in self._vims.values():
            vim.ensure_network(network_spec(network))
        return network_id

    def update_network(self, id: str, tenant_id: str, values: Document) -> None:
        """Its name and description."""
        with self._open_unit() as uow:
            network = self._own_network(uow, id, tenant_id)
            uow.networks.save(replace(network, **values))

    def delete_network(self, id: str, tenant_id: str) -> None:
        """Remove a network that was made here and has no port."""
        with self._one_at_a_time:
            with self._open_unit(read_only=True) as uow:
                network = self._own_network(uow, id, tenant_id)
                _require_unused(uow, network)
            for vim in self._vims.values():
                vim.remove_network(network_spec(network))
            with self._open_unit() as uow:
                uow.networks.remove(id)
                uow.numbers.release("vni", id)

    def create_subnet(self, tenant_id: str, values: Document) -> str:
        """A prefix whose addresses the network's ports get; its identifier."""
        prefix = ip_network(values["cidr"])
        if values["ip_version"] not in (None, prefix.version):
            raise InvalidInput(f"{prefix} is not of IP version {values['ip_version']}")
        gateway = values["gateway_ip"]
        if gateway is not None and ip_address(gateway) not in prefix:
            raise InvalidInput(f"the gateway {gateway} is not in {prefix}")
        with self._open_unit() as uow:
            network = self._own_network(uow, values["network_id"], tenant_id)
            for other in network.subnets:
                if ip_network(other).version == prefix.version:
                    raise Conflict(
                        f"the network has the IPv{prefix.version} subnet {other} already",
                        hint="a network of Catena has one subnet of each IP version",
                    )
            uow.networks.save(
                replace(
                    network,
                    subnets=(*network.subnets, str(prefix)),
                    subnet_names=(*network.subnet_names, values["name"]),
                    gateways=(*network.gateways, gateway) if gateway else network.gateways,
                )
            )
        return subnet_id(network.id, str(prefix))

    def delete_subnet(self, id: str, tenant_id: str) -> None:
        """Remove a subnet that no port has an address of."""
        with self._one_at_a_time, self._open_unit() as uow:
            network, index = _subnet(uow, id, tenant_id)
            self._own_network(uow, network.id, tenant_id)
            prefix = ip_network(network.subnets[index])
            if any(address in prefix for address in taken_addresses(uow, network)):
                raise InUse(f"subnet {prefix} has addresses that ports use", hint="delete the ports first")
            uow.networks.save(
                replace(
                    network,
                    subnets=_without(network.subnets, index),
                    subnet_names=_without(network.subnet_names, index),
                    gateways=tuple(gateway for gateway in network.gateways if ip_address(gateway) not in prefix),
                )
            )

    # Ports

    def ports(self, tenant_id: str) -> Sequence[Document]:
        """Every port of the tenant."""
        with self._open_unit(read_only=True) as uow:
            networks = {network.id: network for network in uow.networks.list(tenant_id)}
            down = [unfinished(port) for port in uow.logical_ports.list(tenant_id) if port.point is None]
            found = (*seen_ports(uow, tenant_id), *down)
            return [port_document(port, networks.get(port.point.network_id)) for port in found]

    def create_port(self, tenant_id: str, values: Document) -> str:
        """A port on a host's bridge, its other end in a namespace; its identifier.

        Raises InvalidInput for a place or an address that cannot be had.
        """
        with self._one_at_a_time:
            port = self._store_port(tenant_id, values)
            try:
                self._realise(port)
            except CatenaError:
                self._forget(port)
                raise
        return port.id

    def update_port(self, id: str, tenant_id: str, values: Document) -> None:
        """Its name and description."""
        with self._open_unit() as uow:
            uow.logical_ports.save(replace(_own_port(uow, id, tenant_id), **values))

    def delete_port(self, id: str, tenant_id: str) -> None:
        """Remove a port that was made here and that nothing refers to."""
        with self._one_at_a_time:
            with self._open_unit(read_only=True) as uow:
                port = _own_port(uow, id, tenant_id)
                _require_unreferenced(uow, port)
            self._forget(port)

    def recover(self) -> None:
        """Finish what a server that died left half-made."""
        with self._open_unit(read_only=True) as uow:
            unfinished = [port for port in uow.logical_ports.list() if port.point is None]
        for port in unfinished:
            with self._one_at_a_time:
                with self._open_unit(read_only=True) as uow:
                    present = uow.logical_ports.find(port.id)
                if present is None or present.point is not None:
                    continue  # whoever wanted it has been quicker
                try:
                    self._realise(port)
                except CatenaError:
                    self._forget(port)

    def _store_port(self, tenant_id: str, values: Document) -> LogicalPort:
        port_id = self._new_id()
        with self._open_unit() as uow:
            network = uow.networks.get(values["network_id"], tenant_id)
            if network.kind is not NetworkKind.OVERLAY:
                raise InvalidInput(
                    "ports are made on overlay networks; this one is a physical network's own",
                    hint="`openstack network list --long` tells the networks' kinds",
                )
            device = values["device_id"] or f"port-{port_id[:13]}"
            host = self._host(uow, values["binding:host_id"], device)
            addresses = choose_addresses(uow, network, values["fixed_ips"])
            mac = values["mac_address"] or _own_mac(values["device_owner"], port_id, network.id, addresses)
            if any(mac == port.point.mac for port in seen_ports(uow, None) if port.point.network_id == network.id):
                raise Conflict(f"another port of the network has the MAC address {mac}")
            siblings = [port for port in uow.logical_ports.list() if port.attachment == device]
            known = any(device in vim.attachments() for vim in self._vims.values())
            port = LogicalPort(
                id=port_id,
                tenant_id=tenant_id,
                name=values["name"],
                network_id=network.id,
                mac=mac,
                addresses=addresses,
                host=host,
                attachment=device,
                description=values["description"],
                device_id=values["device_id"],
                device_owner=values["device_owner"],
                made_attachment=not known or any(port.made_attachment for port in siblings),
            )
            uow.logical_ports.add(port)
        return port

    def _host(self, uow: UnitOfWork, wanted: str, device: str) -> str:
        """Where the port shall be: as said, or where the device is, or the only host there is."""
        hosts = {host.host.name for host in uow.hosts.list() if host.dataplane}
        places = {name: place for vim in self._vims.values() for name, place in vim.attachments().items()}
        at = places[device].host if device in places else ""
        if device in places and not at:
            raise InvalidInput(f"device {device} is on a physical network and not beside a host's bridge")
        host = wanted or at or (next(iter(hosts)) if len(hosts) == 1 else "")
        if host not in hosts:
            raise InvalidInput(
                f"there is no host '{host}'" if host else "the port has no host",
                hint=f"say --host NAME; there are: {', '.join(sorted(hosts)) or 'none'}",
            )
        if at and at != host:
            raise InvalidInput(f"device {device} is on host {at} and not on {host}")
        return host

    def _realise(self, port: LogicalPort) -> None:
        """Make it in the VIM, keep what the VIM says, and let the bridges know."""
        with self._open_unit(read_only=True) as uow:
            network = uow.networks.get(port.network_id)
            vim = self._vims[uow.hosts.get(port.host).vim_id]
        if port.made_attachment:
            vim.add_attachment(Attachment(port.attachment, host=port.host))
        status = vim.ensure_port(_spec(port, network))
        point = ConnectionPoint(
            id=port.id,
            cpd_id="",
            port_id=port.id,
            network_id=network.id,
            mac=port.mac,
            addresses=port.addresses,
            host=port.host,
            ofport=status.ofport,
            interface=status.interface,
            realisation=status.realisation,
            trunk=network.vlan_transparent,
        )
        with self._open_unit() as uow:
            uow.logical_ports.save(replace(uow.logical_ports.get(port.id), point=point))
        self._graphs.refresh([port.host])

    def _forget(self, port: LogicalPort) -> None:
        """Bridges first, then the VIM, then the record: what is left half-removed is found again by its record."""
        with self._open_unit() as uow:
            network = uow.networks.get(port.network_id)
            vim = self._vims[uow.hosts.get(port.host).vim_id]
            uow.logical_ports.save(replace(uow.logical_ports.get(port.id), point=None))
            shared = [p for p in uow.logical_ports.list() if p.attachment == port.attachment and p.id != port.id]
        self._graphs.refresh(())
        vim.remove_port(_spec(port, network))
        if port.made_attachment and not shared and port.attachment in vim.attachments():
            vim.remove_attachment(port.attachment)
        with self._open_unit() as uow:
            uow.logical_ports.remove(port.id)

    @staticmethod
    def _own_network(uow: UnitOfWork, id: str, tenant_id: str) -> Network:
        network = uow.networks.get(id, tenant_id)
        if network.ns_instance_id:
            raise Conflict(
                f"network {id} belongs to network service {network.ns_instance_id}",
                hint="the life cycle of the network service makes and removes it",
            )
        return network


def _underlay_mtu(uow: UnitOfWork) -> int:
    mtus = [int(host.dataplane["underlay_mtu"]) for host in uow.hosts.list() if host.dataplane]
    if not mtus:
        raise Conflict("there is no NFVI host with a data plane", hint="add hosts: mano host add INVENTORY")
    return min(mtus)


def _own_mac(owner: str, port_id: str, network_id: str, addresses: Sequence[str]) -> str:
    """A port's own; that of a port which comes and goes follows from its addresses, for neighbours remember both."""
    return mac_address("neutron", *((network_id, *addresses) if owner == MANAGEMENT else (port_id,)))


def _spec(port: LogicalPort, network: Network) -> PortSpec:
    return PortSpec(
        id=port.id,
        host=port.host,
        network=network_spec(network),
        mac=port.mac,
        addresses=port.addresses,
        mtu=network.mtu,
        attachment=port.attachment,
        gateway=_gateway(network, port.addresses),
    )


def _gateway(network: Network, addresses: Sequence[str]) -> str:
    own = {text.split("/")[0] for text in addresses}
    return next((gateway for gateway in network.gateways if gateway not in own), "") if addresses else ""


def _own_port(uow: UnitOfWork, id: str, tenant_id: str) -> LogicalPort:
    """A port that was made here; one of a VNF or SAP is its life cycle's business."""
    port = uow.logical_ports.find(id, tenant_id)
    if port is not None:
        return port
    for seen in seen_ports(uow, tenant_id):
        if seen.point.port_id == id:
            raise InUse(f"port {id} is {seen.description}", hint="its life cycle makes, changes and removes it")
    raise NotFound(f"there is no port {id}")


def _require_unreferenced(uow: UnitOfWork, port: LogicalPort) -> None:
    users = [f"port pair {p.id}" for p in uow.port_pairs.list(port.tenant_id) if port.id in (p.ingress, p.egress)]
    users += [
        f"flow classifier {c.id}"
        for c in uow.flow_classifiers.list(port.tenant_id)
        if port.id in (c.logical_source_port, c.logical_destination_port)
    ]
    users += [f"chain {c.name or c.id}" for c in uow.chains.list(port.tenant_id) if _mentions(c.spec, port.id)]
    if users:
        raise InUse(f"port {port.id} is in use by {', '.join(users[:5])}")


def _mentions(spec: Document, port_id: str) -> bool:
    ends = (spec.get("ingress"), spec.get("egress"))
    legs = (leg for f in spec.get("functions") or () for leg in (f.get("ingress"), f.get("egress")))
    return port_id in (*ends, *legs)


def _require_unused(uow: UnitOfWork, network: Network) -> None:
    users = [port.name or port.point.port_id for port in seen_ports(uow, None) if port.point.network_id == network.id]
    users += [port.id for port in uow.logical_ports.list() if port.network_id == network.id and port.point is None]
    if users:
        raise InUse(f"network {network.id} still has ports: {', '.join(users[:5])}", hint="delete them first")


def _subnet(uow: UnitOfWork, id: str, tenant_id: str) -> tuple[Network, int]:
    for network in uow.networks.list(tenant_id):
        for index, prefix in enumerate(network.subnets):
            if subnet_id(network.id, prefix) == id:
                return network, index
    raise NotFound(f"there is no subnet {id}")


def _without(items: tuple[str, ...], index: int) -> tuple[str, ...]:
    return items[:index] + items[index + 1 :]

"""Ports: pairs of virtual interfaces between a switch and a VNFC or an attachment.

A ``normal`` port has its outer end on the host's integration bridge. A ``direct`` one is an emulated VF: its outer end
is on the switch of the NIC's physical network and no bridge of the host ever sees its packets. Until a VNFC takes the
port, its inner end is parked in the host's namespace.

The record is written before the first interface is made and deleted after the last is gone, so that a port of which a
crash left only half can always be found.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_interface
from pathlib import Path

from mano.adapters.vim_local import links, netns
from mano.adapters.vim_local.attachments import Attachments
from mano.adapters.vim_local.effects import Effects
from mano.adapters.vim_local.fabric import Fabric
from mano.adapters.vim_local.hosts import Hosts
from mano.adapters.vim_local.lab import UNDERLAY_MTU, Lab, check_identifier, choose_ofport
from mano.adapters.vim_local.records import read_record, read_records, write_record
from mano.adapters.vim_local.switch import (
    ANSWER_DEADLINE_S,
    INTEGRATION_BRIDGE,
    NETWORK_KEY,
    PORT_KEY,
    answers,
    location_of,
    switch_errors,
)
from mano.domain.ns_instance import NetworkKind
from mano.domain.vnf_instance import Realisation
from mano.errors import InUse, InvalidInput, NotFound, Unreachable
from mano.ports.vim import PortSpec, PortStatus
from sfc.ovs.commands import EnsurePort, RemovePort
from sfc.ovs.errors import SwitchError
from sfc.ovs.ovsdb import Database

ON_BRIDGE = frozenset({"normal", "virtio-forwarder"})
EMULATED_VF = frozenset({"direct", "macvtap", "direct-physical"})

_VF_NOTE = "a pair of virtual interfaces stands for the VF; it bypasses Open vSwitch"
_SAP_NOTE = "the physical network is a Linux bridge on this machine"


@dataclass(frozen=True, slots=True)
class Ends:
    """Where the two interfaces of a port are. ``parking`` is where the inner end waits for its VNFC."""

    outer: str
    outer_namespace: str
    inner: str
    parking: str
    physical_network: str = ""


class Ports:
    """Makes and removes the ports of one lab."""

    def __init__(self, lab: Lab, hosts: Hosts, fabric: Fabric, attachments: Attachments, effects: Effects) -> None:
        self._lab = lab
        self._hosts = hosts
        self._fabric = fabric
        self._attachments = attachments
        self._effects = effects

    def ensure(self, port: PortSpec) -> PortStatus:
        ends = self._ends(_checked(port))
        with self._lab.locked(f"host-{port.host or 'fabric'}"):
            self._claim(port, ends)
            self._ensure_pair(port, ends)
            if ends.physical_network:
                self._ensure_on_physical_network(port, ends)
                ofport = None
            else:
                ofport = self._ensure_on_bridge(port, ends)
            if port.attachment:
                self._ensure_attached(port, ends)
        return self._status(port, ends, ofport)

    def remove(self, port: PortSpec) -> None:
        """Nothing of it is left, wherever its inner end is; also when its host or attachment is gone already."""
        record = read_record(self._record_path(port.id))
        if record is None:
            return
        with self._lab.locked(f"host-{record['host'] or 'fabric'}"):
            if record["ofport"]:
                self._remove_from_bridge(str(record["host"]), str(record["outer"]))
            with self._effects("port.pair-gone"):
                if netns.exists(record["namespace"]):
                    links.remove(record["namespace"], record["outer"])
            with self._effects("port.record-gone"):
                self._record_path(port.id).unlink(missing_ok=True)

    def take(self, port: PortSpec, namespace: str, device: str) -> None:
        """Move the inner end into a VNFC's namespace under the name ``device``, with its addresses.

        Raises :class:`~mano.errors.InUse` when it is neither there nor parked.
        """
        ends = self._ends(port)
        there = links.read_links(namespace)
        inner = _labelled(there, port.id)
        if inner is None:
            if ends.inner not in links.read_links(ends.parking):
                raise InUse(f"port {port.id} belongs to another VNFC", hint="a port serves one VNFC at a time")
            with self._effects("port.move"):
                links.change(ends.parking, [["link", "set", "dev", ends.inner, "netns", namespace, "name", device]])
        elif inner.name != device:
            raise InUse(f"port {port.id} is {inner.name} of its VNFC and cannot become {device} while it runs")
        self._configure(port, namespace, device)

    def release(self, host: str, namespace: str) -> None:
        """Park the inner ends of a VNFC's namespace again, so that they outlive it."""
        parking = self._lab.namespace(host)
        if not netns.exists(parking):
            return
        for link in links.read_links(namespace).values():
            port_id = _port_id(link)
            if port_id is None:
                continue
            commands = [
                ["link", "set", "dev", link.name, "down"],
                ["link", "set", "dev", link.name, "netns", parking, "name", self._inner_name(port_id)],
            ]
            with self._effects("port.park"):
                links.change(namespace, commands)

    def ids(self) -> set[str]:
        """Every port of which there is anything: a record, an interface, or a row of a switch that answers."""
        found = {str(record["id"]) for _, record in read_records(self._lab.run / "ports")}
        for namespace in netns.names(self._lab.prefix):
            if netns.exists(namespace):
                found |= {port_id for link in links.read_links(namespace).values() if (port_id := _port_id(link))}
        for host in self._hosts.names():
            found |= self._rows_of(host)
        return found

    def on_host(self, host: str) -> list[str]:
        """What still has a record there, in words."""
        return [f"port {record['id']}" for _, record in read_records(self._lab.run / "ports") if record["host"] == host]

    def networks_in_use(self) -> set[str]:
        """Identifiers of the networks that a port belongs to."""
        return {str(record["network"]) for _, record in read_records(self._lab.run / "ports")}

    def _ends(self, port: PortSpec) -> Ends:
        outer, inner = self._lab.interface("port", port.id), self._inner_name(port.id)
        if port.vnic_type in EMULATED_VF:
            self._check_vf(port)
            host = self._hosts.facts(port.host)
            outer = self._lab.interface("vf", host.name, port.pci, str(port.vf))
            return Ends(outer, self._fabric.namespace, inner, self._lab.namespace(host.name), host.vfs[port.pci][0])
        if port.attachment and port.network.kind is NetworkKind.PROVIDER:
            namespace = self._fabric.namespace
            return Ends(outer, namespace, inner, namespace, port.network.physical_network)
        namespace = self._lab.namespace(self._hosts.facts(port.host).name)
        return Ends(outer, namespace, inner, namespace)

    def _claim(self, port: PortSpec, ends: Ends) -> None:
        """Write the record; raises where the port contradicts the host, its attachment or another port."""
        if port.attachment:
            self._check_attachment(port)
        for _, other in read_records(self._lab.run / "ports"):
            if other["outer"] == ends.outer and other["id"] != port.id:
                raise InUse(f"VF {port.vf} of {port.pci} on {port.host} belongs to port {other['id']}")
        path = self._record_path(port.id)
        present = read_record(path)
        record = {
            "id": port.id,
            "network": port.network.id,
            "host": port.host,
            "outer": ends.outer,
            "namespace": ends.outer_namespace,
            "ofport": present["ofport"] if present else 0,
        }
        if not ends.physical_network and not record["ofport"]:
            record["ofport"] = choose_ofport(port.id, self._taken_ofports(port.host))
        if record != present:
            with self._effects("port.record"):
                write_record(path, record)

    def _check_vf(self, port: PortSpec) -> None:
        vfs = self._hosts.facts(port.host).vfs
        if port.pci not in vfs:
            raise NotFound(
                f"host {port.host} has no NIC {port.pci!r:.40}", hint=f"it has {', '.join(sorted(vfs)) or 'none'}"
            )
        physical_network, count = vfs[port.pci]
        if physical_network != port.network.physical_network:
            raise InvalidInput(
                f"NIC {port.pci} of {port.host} is on physical network {physical_network or 'none'}, "
                f"network {port.network.id} on {port.network.physical_network}"
            )
        if port.vf is not None and not 0 <= port.vf < count:
            raise InvalidInput(f"NIC {port.pci} of {port.host} has VFs 0 to {count - 1}, not {port.vf}")

    def _check_attachment(self, port: PortSpec) -> None:
        attachment = self._attachments.get(port.attachment)
        place = attachment.host or attachment.physical_network
        provider = port.network.kind is NetworkKind.PROVIDER
        wanted = port.network.physical_network if provider else port.host
        if bool(attachment.physical_network) is not provider or place != wanted:
            raise InvalidInput(f"attachment {attachment.name} is at {place}, port {port.id} has to end at {wanted}")

    def _taken_ofports(self, host: str) -> set[int]:
        return {int(record["ofport"]) for _, record in read_records(self._lab.run / "ports") if record["host"] == host}

    def _ensure_pair(self, port: PortSpec, ends: Ends) -> None:
        if not netns.exists(ends.parking):
            raise Unreachable(f"host {port.host} is not prepared", hint="prepare the host again")
        if ends.physical_network:
            self._fabric.ensure_physical_network(ends.physical_network, port.network.segment)
        outer = links.read_links(ends.outer_namespace).get(ends.outer)
        if outer is None:
            add = ["link", "add", "name", ends.outer, "type", "veth", "peer", "name", ends.inner, "netns", ends.parking]
            with self._effects("port.pair"):
                links.change(ends.outer_namespace, [add])
        if outer is None or outer.alias != links.label("port", port.id) or not outer.up:
            with self._effects("port.outer"):
                self._configure_outer(port, ends, outer)
        if _has_unfinished_inner(ends, port):
            with self._effects("port.inner"):
                self._configure_inner(port, ends)

    def _configure_outer(self, port: PortSpec, ends: Ends, present: links.Link | None) -> None:
        outer = ends.outer
        commands = [["link", "set", "dev", outer, "mtu", str(max(UNDERLAY_MTU, port.mtu))]]
        if port.vnic_type in EMULATED_VF:
            # Alternative names know no colons.
            name = f"vf-{port.pci.replace(':', '-')}-{'pf' if port.vf is None else port.vf}-{port.host}"
            if present is None or name not in present.alternative_names:
                commands.append(["link", "property", "add", "dev", outer, "altname", name])
        commands.append(["link", "set", "dev", outer, "up"])
        # The label comes last: with it, the outer end is whole.
        commands.append(["link", "set", "dev", outer, "alias", links.label("port", port.id)])
        links.change(ends.outer_namespace, commands)

    def _configure_inner(self, port: PortSpec, ends: Ends) -> None:
        commands = [
            ["link", "set", "dev", ends.inner, "address", port.mac, "mtu", str(port.mtu)],
            ["link", "set", "dev", ends.inner, "alias", links.label("port", port.id)],
        ]
        links.change(ends.parking, commands)
        if not ends.physical_network:
            links.switch_checksum_offload_off(ends.parking, ends.inner)

    def _ensure_on_physical_network(self, port: PortSpec, ends: Ends) -> None:
        bridge = self._fabric.bridge_of(ends.physical_network, port.network.segment)
        outer = links.read_links(ends.outer_namespace)[ends.outer]
        if outer.master != bridge:
            with self._effects("port.switch"):
                links.change(ends.outer_namespace, [["link", "set", "dev", ends.outer, "master", bridge]])

    def _ensure_on_bridge(self, port: PortSpec, ends: Ends) -> int:
        record = read_record(self._record_path(port.id)) or {}
        location = location_of(self._lab, port.host)
        wish = EnsurePort(
            INTEGRATION_BRIDGE,
            ends.outer,
            int(record["ofport"]),
            external_ids={PORT_KEY: port.id, NETWORK_KEY: port.network.id, "attached-mac": port.mac},
            mtu=max(UNDERLAY_MTU, port.mtu),
        )
        with switch_errors():
            if not answers(location):
                raise Unreachable(f"{port.host}: Open vSwitch does not answer", hint="prepare the host again")
            with self._effects("port.bridge"), Database(location, timeout=ANSWER_DEADLINE_S) as database:
                state = database.apply(wish).ports[ends.outer]
        if state.ofport is None:
            raise Unreachable(f"{port.host}: the bridge gave port {port.id} no number", hint=state.error)
        return state.ofport

    def _remove_from_bridge(self, host: str, outer: str) -> None:
        location = location_of(self._lab, host)
        if not location.rundir.exists():
            return
        with switch_errors(), self._effects("port.bridge-gone"):
            # A dead ovs-vswitchd reads the database when it comes back: no need to wait for it.
            wait = answers(location)
            with Database(location, timeout=ANSWER_DEADLINE_S) as database:
                database.apply(RemovePort(outer), wait=wait)

    def _ensure_attached(self, port: PortSpec, ends: Ends) -> None:
        namespace = self._attachments.ensure_namespace(port.attachment)
        there = links.read_links(namespace)
        inner = _labelled(there, port.id)
        device = inner.name if inner else next(f"eth{n}" for n in range(len(there) + 1) if f"eth{n}" not in there)
        self.take(port, namespace, device)

    def _configure(self, port: PortSpec, namespace: str, device: str) -> None:
        """Addresses, gateways and link of an inner end; IPv6 only where it has an address."""
        now = links.read_links(namespace)[device]
        missing = [address for address in port.addresses if str(ip_interface(address)) not in now.addresses]
        if now.up and not missing:
            return
        with self._effects("port.addresses"):
            netns.set_ipv6(namespace, device, any(ip_interface(address).version == 6 for address in port.addresses))
            links.change(namespace, [["link", "set", "dev", device, "up"], *_address_commands(port, device)])

    def _status(self, port: PortSpec, ends: Ends, ofport: int | None) -> PortStatus:
        if port.vnic_type in EMULATED_VF:
            return PortStatus(port.id, port.host, ends.outer, None, Realisation.EMULATED, _VF_NOTE)
        if ends.physical_network:
            return PortStatus(port.id, port.host, ends.outer, None, Realisation.EMULATED, _SAP_NOTE)
        return PortStatus(port.id, port.host, ends.outer, ofport, Realisation.ENFORCED)

    def _rows_of(self, host: str) -> set[str]:
        try:
            with Database(location_of(self._lab, host), timeout=ANSWER_DEADLINE_S) as database:
                ports = database.ports(INTEGRATION_BRIDGE)
        except SwitchError:
            return set()  # nothing to read: the records tell what was there
        return {port.external_ids[PORT_KEY] for port in ports.values() if PORT_KEY in port.external_ids}

    def _inner_name(self, port_id: str) -> str:
        return self._lab.interface("port", port_id, "inner")

    def _record_path(self, port_id: str) -> Path:
        return self._lab.run / "ports" / f"{self._lab.interface('port', port_id)}.json"


def _checked(port: PortSpec) -> PortSpec:
    """The port, if it can exist at all."""
    for kind, text in (("port", port.id), ("network", port.network.id)):
        check_identifier(kind, text)
    if port.vnic_type not in ON_BRIDGE | EMULATED_VF:
        raise InvalidInput(
            f"port {port.id}: the local VIM has no vNIC type {port.vnic_type!r:.40}",
            hint=f"one of {', '.join(sorted(ON_BRIDGE | EMULATED_VF))}",
        )
    if not 68 <= port.mtu <= UNDERLAY_MTU:
        raise InvalidInput(f"port {port.id}: MTU {port.mtu} is not in 68..{UNDERLAY_MTU}, what the underlay carries")
    provider = port.network.kind is NetworkKind.PROVIDER
    if (port.vnic_type in EMULATED_VF) is not provider and not (provider and port.attachment):
        raise InvalidInput(
            f"port {port.id}: vNIC type {port.vnic_type} cannot join network {port.network.id}, "
            f"which is of kind {port.network.kind.value}",
            hint="VFs join provider networks, and vNICs of type normal join overlay networks",
        )
    for address in port.addresses:
        _check_address(port, address)
    return port


def _check_address(port: PortSpec, address: str) -> None:
    try:
        ip_interface(address)
    except ValueError:
        raise InvalidInput(
            f"port {port.id}: {address!r:.60} is no interface address", hint="such as 10.10.0.2/24"
        ) from None


def _address_commands(port: PortSpec, device: str) -> list[list[str]]:
    commands: list[list[str]] = []
    for text in port.addresses:
        address = ip_interface(text)
        nodad = ["nodad"] if address.version == 6 else []
        commands.append(["address", "replace", str(address), "dev", device, *nodad])
    if port.gateway:
        version = ip_interface(port.gateway).version
        if any(ip_interface(text).version == version for text in port.addresses):
            commands.append(["route", "replace", "default", "via", port.gateway, "dev", device])
    return commands


def _has_unfinished_inner(ends: Ends, port: PortSpec) -> bool:
    """The inner end is parked and not as it should be."""
    inner = links.read_links(ends.parking).get(ends.inner)
    return inner is not None and (inner.alias != links.label("port", port.id) or inner.mac != port.mac)


def _labelled(there: dict[str, links.Link], port_id: str) -> links.Link | None:
    wanted = links.label("port", port_id)
    return next((link for link in there.values() if link.alias == wanted), None)


def _port_id(link: links.Link) -> str | None:
    prefix = links.label("port", "")
    return link.alias.removeprefix(prefix) if link.alias.startswith(prefix) else None

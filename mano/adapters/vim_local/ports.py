"""Ports: what joins a VNFC or an attachment to a switch.

A ``normal`` port has its outer end on the host's integration bridge. A ``direct`` one is an emulated VF: its outer end
is on the switch of the NIC's physical network and no bridge of the host ever sees its packets. Until a VNFC takes the
port, its inner end is parked in the host's namespace.

The record is written before the first interface is made and deleted after the last is gone, so that a port of which a
crash left only half can always be found.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mano.adapters.vim_local import links, netns
from mano.adapters.vim_local.attachments import Attachments
from mano.adapters.vim_local.effects import Effects
from mano.adapters.vim_local.fabric import Fabric
from mano.adapters.vim_local.hosts import Hosts
from mano.adapters.vim_local.lab import COMPUTE_PREFIX, INTEGRATION_BRIDGE, UNDERLAY_MTU, Lab, choose_ofport
from mano.adapters.vim_local.pairs import Ends, Pairs, find, port_of
from mano.adapters.vim_local.records import read_record, read_records, write_record
from mano.adapters.vim_local.specification import EMULATED_VF, check_place, check_port, check_vf
from mano.adapters.vim_local.switch import (
    ANSWER_DEADLINE_S,
    NETWORK_KEY,
    PORT_KEY,
    answers,
    location_of,
    switch_errors,
)
from mano.domain.ns_instance import NetworkKind
from mano.domain.vnf_instance import Realisation
from mano.errors import InUse, Unreachable
from mano.ports.vim import MEND_HINT, PortSpec, PortStatus
from sfc.ovs.commands import EnsurePort, LimitPort, RemovePort
from sfc.ovs.errors import SwitchError
from sfc.ovs.ovsdb import Database
from sfc.ovs.switch_state import Snapshot

_VF_NOTE = "a pair of virtual interfaces stands for the VF; it bypasses Open vSwitch"
_SAP_NOTE = "the physical network is a Linux bridge on this machine"


class Ports:
    """Makes and removes the ports of one lab."""

    def __init__(self, lab: Lab, hosts: Hosts, fabric: Fabric, attachments: Attachments, effects: Effects) -> None:
        self._lab = lab
        self._hosts = hosts
        self._fabric = fabric
        self._attachments = attachments
        self._pairs = Pairs(effects)
        self._effects = effects

    def ensure(self, port: PortSpec) -> PortStatus:
        check_port(port)
        ends = self._ends(port)
        if not netns.exists(ends.parking):
            raise Unreachable(f"host {port.host or 'fabric'} is not whole", hint=MEND_HINT)
        with self._lab.locked(f"host-{port.host}"):
            ofport = self._claim(port, ends)
            if ends.physical_network:
                bridge = self._fabric.ensure_physical_network(ends.physical_network, port.network.segment)
                self._pairs.ensure(port, ends)
                self._pairs.join(ends, bridge)
            else:
                self._check_switch(port.host)
                self._pairs.ensure(port, ends)
                self._join_integration_bridge(port, ends, ofport)
            if port.attachment:
                self._attach(port, ends)
        return _status(port, ends, ofport)

    def remove(self, port: PortSpec) -> None:
        """Nothing of it is left, wherever its inner end is; also when its host or attachment is gone already."""
        record = read_record(self._record_path(port.id))
        if record is None:
            return
        with self._lab.locked(f"host-{record['host']}"):
            if record["ofport"]:
                self._leave_integration_bridge(str(record["host"]), str(record["outer"]))
            self._pairs.remove(str(record["namespace"]), str(record["outer"]))
            with self._effects("port.record-gone"):
                self._record_path(port.id).unlink(missing_ok=True)

    def take(self, port: PortSpec, namespace: str, device: str) -> None:
        """Make it exist, and give its inner end to a VNFC's namespace."""
        self.ensure(port)
        self._pairs.take(port, self._ends(port), namespace, device)

    def release(self, host: str, namespace: str) -> None:
        """Park the inner ends of a VNFC's namespace again, so that they outlive it."""
        parking = self._lab.namespace(host)
        if netns.exists(parking):
            names = {str(record["id"]): self._inner_name(str(record["id"])) for record in self._records()}
            self._pairs.park(namespace, parking, names)

    def ids(self) -> set[str]:
        """Every port of which there is anything: a record, an interface, or a row of a switch that answers."""
        found = {str(record["id"]) for record in self._records()}
        for namespace in netns.names(self._lab.prefix):
            if netns.exists(namespace):
                found |= {port_id for link in links.read_links(namespace).values() if (port_id := port_of(link))}
        for host in self._hosts.names():
            found |= self._rows_of(host)
        return found

    def on_host(self, host: str) -> list[str]:
        """What still has a record there, in words."""
        return [f"port {record['id']}" for record in self._records() if record["host"] == host]

    def networks_in_use(self) -> set[str]:
        """Identifiers of the networks that a port belongs to."""
        return {str(record["network"]) for record in self._records()}

    def _ends(self, port: PortSpec) -> Ends:
        """Where it belongs; raises where the port contradicts its host or its attachment."""
        if port.attachment:
            check_place(port, self._attachments.get(port.attachment))
        outer, inner = self._lab.interface("port", port.id), self._inner_name(port.id)
        if port.vnic_type in EMULATED_VF:
            host = self._hosts.facts(port.host)
            check_vf(port, host)
            vf = self._lab.interface("vf", host.name, port.pci, str(port.vf))
            return Ends(vf, self._fabric.namespace, inner, self._lab.namespace(host.name), host.vfs[port.pci][0])
        if port.network.kind is NetworkKind.PROVIDER:
            namespace = self._fabric.namespace
            return Ends(outer, namespace, inner, namespace, port.network.physical_network)
        namespace = self._lab.namespace(self._hosts.facts(port.host).name)
        return Ends(outer, namespace, inner, namespace)

    def _claim(self, port: PortSpec, ends: Ends) -> int | None:
        """Write the record; returns the OpenFlow number, which is the same ever after.

        Raises :class:`~mano.errors.InUse` when another port has the VF.
        """
        others = [record for record in self._records() if record["id"] != port.id]
        for other in others:
            if other["outer"] == ends.outer:
                raise InUse(f"VF {port.vf} of {port.pci} on {port.host} belongs to port {other['id']}")
        path = self._record_path(port.id)
        present = read_record(path) or {}
        ofport: int | None = None
        if not ends.physical_network:
            taken = {int(other["ofport"]) for other in others if other["host"] == port.host}
            ofport = int(present.get("ofport") or choose_ofport(port.id, taken))
        record = {
            "id": port.id,
            "network": port.network.id,
            "host": port.host,
            "outer": ends.outer,
            "namespace": ends.outer_namespace,
            "ofport": ofport or 0,
        }
        if record != present:
            with self._effects("port.record"):
                write_record(path, record)
        return ofport

    def _check_switch(self, host: str) -> None:
        if not answers(location_of(self._lab, host)):
            raise Unreachable(f"{host}: Open vSwitch does not answer", hint=MEND_HINT)

    def _join_integration_bridge(self, port: PortSpec, ends: Ends, ofport: int | None) -> None:
        wish = EnsurePort(
            INTEGRATION_BRIDGE,
            ends.outer,
            ofport,
            external_ids={PORT_KEY: port.id, NETWORK_KEY: port.network.id, "attached-mac": port.mac},
            mtu=UNDERLAY_MTU,
        )
        location = location_of(self._lab, port.host)
        with switch_errors(), Database(location, timeout=ANSWER_DEADLINE_S) as database:
            now = database.snapshot()
            if not wish_is_true(wish, now):
                with self._effects("port.bridge"):
                    now = database.apply(wish)
            if now.ports[ends.outer].max_rate_bps != port.bit_rate_bps:
                self._pairs.tune(port, self._users())
                with self._effects("port.rate"):
                    database.apply(LimitPort(ends.outer, port.bit_rate_bps))

    def _leave_integration_bridge(self, host: str, outer: str) -> None:
        location = location_of(self._lab, host)
        if not location.rundir.exists():
            return
        with switch_errors(), self._effects("port.bridge-gone"):
            # A dead ovs-vswitchd reads the database when it comes back: no need to wait for it.
            wait = answers(location)
            with Database(location, timeout=ANSWER_DEADLINE_S) as database:
                database.apply(RemovePort(outer), wait=wait)

    def _users(self) -> list[str]:
        """Namespaces of VNFCs."""
        return netns.names(self._lab.prefix + COMPUTE_PREFIX)

    def _attach(self, port: PortSpec, ends: Ends) -> None:
        namespace = self._attachments.ensure_namespace(port.attachment)
        inner = find(namespace, port.id)
        there = links.read_links(namespace)
        device = inner.name if inner else next(f"eth{n}" for n in range(len(there) + 1) if f"eth{n}" not in there)
        self._pairs.take(port, ends, namespace, device)

    def _rows_of(self, host: str) -> set[str]:
        try:
            with Database(location_of(self._lab, host), timeout=ANSWER_DEADLINE_S) as database:
                ports = database.ports(INTEGRATION_BRIDGE)
        except SwitchError:
            return set()  # nothing to read: the records tell what was there
        return {port.external_ids[PORT_KEY] for port in ports.values() if PORT_KEY in port.external_ids}

    def _inner_name(self, port_id: str) -> str:
        return self._lab.interface("port", port_id, "inner")

    def _records(self) -> Iterator[dict[str, Any]]:
        return (record for _, record in read_records(self._lab.run / "ports"))

    def _record_path(self, port_id: str) -> Path:
        return self._lab.run / "ports" / f"{self._lab.interface('port', port_id)}.json"


def wish_is_true(wish: EnsurePort, now: Snapshot) -> bool:
    """Whether the switch has the port as wished, with its number and without an error."""
    port = now.ports.get(wish.name)
    return port is not None and port.ofport == wish.ofport and not port.error and not list(wish.operations(now))


def _status(port: PortSpec, ends: Ends, ofport: int | None) -> PortStatus:
    if port.vnic_type in EMULATED_VF:
        return PortStatus(port.id, port.host, ends.outer, None, Realisation.EMULATED, _VF_NOTE)
    if ends.physical_network:
        return PortStatus(port.id, port.host, ends.outer, None, Realisation.EMULATED, _SAP_NOTE)
    return PortStatus(port.id, port.host, ends.outer, ofport, Realisation.ENFORCED)

"""NFVI hosts: a namespace with an Open vSwitch, joined to the others by the underlay.

``br-phy`` holds the uplink and the underlay address, because a userspace switch finds the way to its tunnels' far ends
only through a bridge of its own. ``br-int`` is the service function forwarder: fail-mode secure, one VXLAN-GPE port
whose destination each flow sets, one port for OAM.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from mano.adapters.vim_local import links, netns
from mano.adapters.vim_local.directory import Directory
from mano.adapters.vim_local.effects import Effects
from mano.adapters.vim_local.fabric import Fabric
from mano.adapters.vim_local.lab import (
    INTEGRATION_BRIDGE,
    OAM_OFPORT,
    OAM_PORT,
    TUNNEL_OFPORT,
    TUNNEL_PORT,
    UNDERLAY_BRIDGE,
    UNDERLAY_MTU,
    UNDERLAY_PREFIX_LENGTH,
    Lab,
    check_name,
)
from mano.adapters.vim_local.records import read_record, read_records, remove_tree, write_record
from mano.adapters.vim_local.specification import HostFacts
from mano.adapters.vim_local.switch import (
    ANSWER_DEADLINE_S,
    answers,
    location_of,
    switch_errors,
)
from mano.domain.ids import mac_address
from mano.domain.nfvi import Host
from mano.errors import NotFound, Unreachable
from mano.ports.vim import MEND_HINT, Dataplane
from sfc.model import Sff
from sfc.ovs.commands import Command, EnsureBridge, EnsurePort, RemovePort
from sfc.ovs.control import ask
from sfc.ovs.daemon import SwitchDaemon, TunnelNeighbour, prepare_switch
from sfc.ovs.errors import SwitchError
from sfc.ovs.features import lacking
from sfc.ovs.location import SwitchLocation
from sfc.ovs.oam import ensure_responder, responder_is_alive
from sfc.ovs.ovsdb import Database
from sfc.ovs.tunnels import bfd_name, bfd_ports

TUNNEL_OPTIONS = {
    "exts": "gpe",
    "packet_type": "ptap",
    "remote_ip": "flow",
    "key": "flow",
    "dst_port": "4790",
}
NEIGHBOUR_AGE_S = 3600
"""The longest time that ovs-vswitchd keeps a tunnel neighbour that no packet uses."""


class Hosts:
    """Makes, mends, watches and removes the hosts of one lab."""

    def __init__(
        self, lab: Lab, directory: Directory, fabric: Fabric, effects: Effects, *, bfd_interval_ms: int = 0
    ) -> None:
        """``bfd_interval_ms`` between two messages by which each two hosts watch their tunnel; 0: none is watched."""
        self._bfd_interval_ms = bfd_interval_ms
        self._lab = lab
        self._directory = directory
        self._fabric = fabric
        self._effects = effects

    def ensure(self, host: Host) -> None:
        """The host is whole: whatever is missing of it is made again."""
        check_name("host", host.name)
        for nic in host.nics:
            if nic.physnet:
                self._fabric.ensure_physical_network(nic.physnet)
        self._fabric.ensure()
        with self._lab.locked(f"host-{host.name}"):
            facts = self._record(host)
            self._ensure_namespace(host.name)
            self._ensure_uplink(host.name)
            self._ensure_switch(facts)
            self._ensure_addresses(facts)
            self._ensure_responder(facts)
        self._introduce(host.name)

    def remove(self, name: str) -> None:
        """Nothing of the host is left; what its ports and VNFCs leave is for their own removal."""
        with self._lab.locked(f"host-{check_name('host', name)}"):
            location = location_of(self._lab, name)
            with self._effects("host.switch-gone"), switch_errors():
                SwitchDaemon(location).remove()
            with self._effects("host.peers-gone"):
                self._forget(name)
            with self._effects("host.namespace-gone"):
                netns.delete(self._lab.namespace(name))
            with self._effects("host.uplink-gone"):
                self._remove_far_end(name)
            with self._effects("host.record-gone"):
                remove_tree(self._lab.host_directory(name))
                self._directory.forget_host(name)

    def facts(self, name: str) -> HostFacts:
        """The record; :class:`~mano.errors.NotFound` for a host that was never prepared or is removed."""
        record = read_record(self._record_path(check_name("host", name)))
        if record is None:
            raise NotFound(f"the local VIM has no host {name}", hint="add it with mano host add")
        return HostFacts.from_record(record)

    def names(self) -> list[str]:
        """All hosts that have a record."""
        return [str(record["name"]) for _, record in self._records()]

    def dataplane(self, name: str) -> Dataplane:
        """Facts from the switch itself; :class:`~mano.errors.Unreachable` when it does not answer or lacks a part."""
        facts = self.facts(name)
        location = location_of(self._lab, name)
        with switch_errors():
            ask(location, "version", timeout=ANSWER_DEADLINE_S)
            with Database(location, timeout=ANSWER_DEADLINE_S) as database:
                now = database.snapshot()
            lacks = tuple(sorted(lacking(location, INTEGRATION_BRIDGE))) if INTEGRATION_BRIDGE in now.bridges else ()
        ports = {port: now.ports[port].ofport for port in (TUNNEL_PORT, OAM_PORT) if port in now.ports}
        bridge = now.bridges.get(INTEGRATION_BRIDGE)
        if bridge is None or ports != {TUNNEL_PORT: TUNNEL_OFPORT, OAM_PORT: OAM_OFPORT}:
            raise Unreachable(f"{name}: its integration bridge is not whole", hint=MEND_HINT)
        return Dataplane(
            bridge=INTEGRATION_BRIDGE,
            underlay_ip=facts.underlay_ip,
            underlay_mtu=UNDERLAY_MTU,
            tunnel_ofport=TUNNEL_OFPORT,
            oam_ofport=OAM_OFPORT,
            oam_mac=self._mac(name, OAM_PORT),
            oam_ip=facts.oam_ip,
            datapath=bridge.datapath_type,
            lacks=lacks,
        )

    def _record(self, host: Host) -> HostFacts:
        facts = HostFacts.of(host, self._directory.number_of(host.name))
        path = self._record_path(host.name)
        if read_record(path) != facts.to_record():
            with self._effects("host.record"):
                write_record(path, facts.to_record())
        return facts

    def _ensure_namespace(self, name: str) -> None:
        with self._effects("host.namespace"):
            netns.add(self._lab.namespace(name))

    def _ensure_uplink(self, name: str) -> None:
        namespace = self._lab.namespace(name)
        near, far = self._uplink(name)
        if near not in links.read_links(namespace):
            with self._effects("host.uplink"):
                links.remove(self._fabric.namespace, far)
                links.change(
                    namespace,
                    [["link", "add", "name", near, "type", "veth", "peer", "name", far, "netns", self._lab.fabric]],
                )
        with self._effects("host.uplink-up"):
            links.change(
                namespace,
                [
                    ["link", "set", "dev", near, "mtu", str(UNDERLAY_MTU), "alias", links.label("uplink", name)],
                    ["link", "set", "dev", near, "up"],
                ],
            )
            self._fabric.attach(far, self._fabric.underlay_bridge)

    def _ensure_switch(self, facts: HostFacts) -> None:
        location = location_of(self._lab, facts.name)
        with switch_errors():
            if not answers(location):
                with self._effects("host.switch"):
                    _start_anew(SwitchDaemon(location))
            with self._effects("host.bridges"), Database(location) as database:
                database.apply(*self._bridges(facts))

    def _bridges(self, facts: HostFacts) -> Iterable[Command]:
        name = facts.name
        uplink, _ = self._uplink(name)
        yield EnsureBridge(
            UNDERLAY_BRIDGE,
            fail_mode="standalone",
            other_config={"hwaddr": self._mac(name, UNDERLAY_BRIDGE)},
            mtu=UNDERLAY_MTU,
        )
        yield EnsurePort(UNDERLAY_BRIDGE, uplink)
        yield EnsureBridge(INTEGRATION_BRIDGE, fail_mode="secure")
        yield EnsurePort(INTEGRATION_BRIDGE, TUNNEL_PORT, TUNNEL_OFPORT, type="vxlan", options=TUNNEL_OPTIONS)
        yield EnsurePort(INTEGRATION_BRIDGE, OAM_PORT, OAM_OFPORT, type="internal", mtu=UNDERLAY_MTU)

    def _ensure_addresses(self, facts: HostFacts) -> None:
        namespace = self._lab.namespace(facts.name)
        now = links.read_links(namespace)
        wanted = (
            (UNDERLAY_BRIDGE, self._mac(facts.name, UNDERLAY_BRIDGE), facts.underlay_ip),
            (OAM_PORT, self._mac(facts.name, OAM_PORT), facts.oam_ip),
        )
        for interface, mac, address in wanted:
            with_length = f"{address}/{UNDERLAY_PREFIX_LENGTH}"
            present = now.get(interface)
            if present and present.up and present.mac == mac and with_length in present.addresses:
                continue
            with self._effects("host.addresses"):
                links.change(
                    namespace,
                    [
                        ["link", "set", "dev", interface, "address", mac],
                        ["address", "replace", with_length, "dev", interface],
                        ["link", "set", "dev", interface, "up"],
                    ],
                )

    def _ensure_responder(self, facts: HostFacts) -> None:
        """Somebody answers OAM probes at the bridge's OAM port; the namespace's end is its end."""
        location = location_of(self._lab, facts.name)
        if responder_is_alive(location):
            return
        with self._effects("host.responder"), switch_errors():
            ensure_responder(location, OAM_PORT, self._mac(facts.name, OAM_PORT), IPv4Address(facts.oam_ip))

    def _introduce(self, name: str) -> None:
        """Tell this host about its peers, and each peer that lives about this host."""
        everybody = [HostFacts.from_record(record) for _, record in self._records()]
        with self._effects("host.neighbours"):
            for facts in everybody:
                location = location_of(self._lab, facts.name)
                peers = everybody if facts.name == name else [self.facts(name)]
                # A peer that is dead now learns about us when it is mended itself.
                with switch_errors() if facts.name == name else contextlib.suppress(SwitchError):
                    others = [peer for peer in peers if peer.name != facts.name]
                    self._prepare(location, others)
                    self._watch_tunnels(facts, others)

    def revive(self, name: str) -> None:
        """Tell a host's ovs-vswitchd, which has started anew, what it keeps in its memory alone."""
        peers = [facts for _, record in self._records() if (facts := HostFacts.from_record(record)).name != name]
        with switch_errors():
            self._prepare(location_of(self._lab, self.facts(name).name), peers)

    def _watch_tunnels(self, facts: HostFacts, peers: Iterable[HostFacts]) -> None:
        """BFD towards each peer; ovs-vswitchd need not have begun it when this returns."""
        if not self._bfd_interval_ms:
            return
        others = [_forwarder(peer) for peer in peers]
        ports = bfd_ports(INTEGRATION_BRIDGE, _forwarder(facts), others, interval_ms=self._bfd_interval_ms)
        with Database(location_of(self._lab, facts.name), timeout=ANSWER_DEADLINE_S) as database:
            database.apply(*ports, wait=False)

    def _forget(self, name: str) -> None:
        """No peer that lives watches the tunnel to a host that goes."""
        record = read_record(self._record_path(name))
        if record is None:
            return
        port = RemovePort(bfd_name(_forwarder(HostFacts.from_record(record))))
        for other in self.names():
            if other != name:
                with contextlib.suppress(SwitchError), Database(location_of(self._lab, other)) as database:
                    database.apply(port, wait=False)

    def _prepare(self, location: SwitchLocation, peers: Iterable[HostFacts]) -> None:
        ask(location, "tnl/neigh/aging", str(NEIGHBOUR_AGE_S), timeout=ANSWER_DEADLINE_S)
        neighbours = [
            TunnelNeighbour(UNDERLAY_BRIDGE, IPv4Address(peer.underlay_ip), self._mac(peer.name, UNDERLAY_BRIDGE))
            for peer in peers
        ]
        prepare_switch(location, neighbours=neighbours, timeout=ANSWER_DEADLINE_S)

    def _remove_far_end(self, name: str) -> None:
        if netns.exists(self._fabric.namespace):
            links.remove(self._fabric.namespace, self._uplink(name)[1])

    def _uplink(self, name: str) -> tuple[str, str]:
        return self._lab.interface(name, "uplink"), self._lab.interface(name, "uplink", "far")

    def _mac(self, name: str, interface: str) -> str:
        return mac_address(self._lab.id, name, interface)

    def _record_path(self, name: str) -> Path:
        return self._lab.host_directory(name) / "host.json"

    def _records(self) -> list[tuple[Path, dict[str, Any]]]:
        return list(read_records(self._lab.run / "hosts", "*/host.json"))


def _start_anew(daemon: SwitchDaemon) -> None:
    """Start what is not running; an ovs-vswitchd that runs and does not answer is ended first."""
    daemon.kill_vswitchd()
    daemon.start()


def _forwarder(facts: HostFacts) -> Sff:
    return Sff(facts.name, IPv4Address(facts.underlay_ip), TUNNEL_OFPORT)

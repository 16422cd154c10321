"""The wires outside the hosts: the underlay's switch, and one switch for each physical network.

All of them are Linux bridges in one namespace. A physical network's VLAN (its segment) is a bridge of its own, which
isolates as a switch with that VLAN would; no tag is on the wire.
"""

from __future__ import annotations

from mano.adapters.vim_local import links, netns
from mano.adapters.vim_local.effects import Effects
from mano.adapters.vim_local.lab import UNDERLAY_MTU, Lab

UNDERLAY = "underlay"


class Fabric:
    """Makes and removes the switches. A physical network without a segment stays as long as the fabric."""

    def __init__(self, lab: Lab, effects: Effects) -> None:
        self._lab = lab
        self._effects = effects

    @property
    def namespace(self) -> str:
        return self._lab.fabric

    def ensure(self) -> None:
        """The namespace and the underlay's switch are there."""
        with self._lab.locked("fabric"):
            with self._effects("fabric.namespace"):
                netns.add(self.namespace)
            self._ensure_bridge(self.underlay_bridge, UNDERLAY)

    def ensure_physical_network(self, name: str, segment: int = 0) -> str:
        """The switch of a physical network is there; returns its interface name."""
        bridge = self.bridge_of(name, segment)
        self.ensure()
        with self._lab.locked("fabric"):
            self._ensure_bridge(bridge, f"{name}/{segment}" if segment else name)
        return bridge

    def remove_segment(self, name: str, segment: int) -> None:
        """The switch of a physical network's VLAN is gone; the untagged one stays."""
        bridge = self.bridge_of(name, segment)
        if segment and netns.exists(self.namespace):
            with self._lab.locked("fabric"), self._effects("fabric.segment-gone"):
                links.remove(self.namespace, bridge)

    def remove(self) -> None:
        """The namespace and all switches are gone."""
        with self._lab.locked("fabric"), self._effects("fabric.gone"):
            netns.delete(self.namespace)

    @property
    def underlay_bridge(self) -> str:
        return self._lab.interface(UNDERLAY)

    def bridge_of(self, physical_network: str, segment: int = 0) -> str:
        return self._lab.interface("physnet", physical_network, str(segment))

    def _ensure_bridge(self, bridge: str, purpose: str) -> None:
        present = links.read_links(self.namespace).get(bridge)
        alias = links.label("switch", purpose)
        if present is not None and present.up and present.mtu == UNDERLAY_MTU and present.alias == alias:
            return
        commands = [
            ["link", "set", "dev", bridge, "mtu", str(UNDERLAY_MTU), "alias", alias],
            ["link", "set", "dev", bridge, "type", "bridge", "mcast_snooping", "0", "stp_state", "0"],
            ["link", "set", "dev", bridge, "up"],
        ]
        if present is None:
            commands.insert(0, ["link", "add", "name", bridge, "type", "bridge"])
        with self._effects("fabric.switch"):
            links.change(self.namespace, commands)

    def attach(self, interface: str, bridge: str) -> None:
        """Make an interface of the fabric's namespace a port of one of its switches."""
        commands = [
            ["link", "set", "dev", interface, "mtu", str(UNDERLAY_MTU)],
            ["link", "set", "dev", interface, "master", bridge],
            ["link", "set", "dev", interface, "up"],
        ]
        links.change(self.namespace, commands)

"""The two interfaces of a port: an outer end at a switch, and an inner end that its user gets.

Both are made in one step, so there is never one without the other. An end gets its label when it is as it should be:
one without a label was left by a crash and is done again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_interface

from mano.adapters.vim_local import links, netns
from mano.adapters.vim_local.commands import run
from mano.adapters.vim_local.effects import Effects
from mano.adapters.vim_local.lab import UNDERLAY_MTU
from mano.adapters.vim_local.shaping import shape
from mano.adapters.vim_local.specification import EMULATED_VF
from mano.errors import InUse
from mano.ports.vim import PortSpec


@dataclass(frozen=True, slots=True)
class Ends:
    """Where the two interfaces of a port are; ``parking`` is where the inner end waits for its user."""

    outer: str
    outer_namespace: str
    inner: str
    parking: str
    physical_network: str = ""


class Pairs:
    """Makes, moves and configures the interfaces of ports."""

    def __init__(self, effects: Effects) -> None:
        self._effects = effects

    def ensure(self, port: PortSpec, ends: Ends) -> None:
        """Both ends are there; the inner one is parked unless its user has it."""
        outer = links.read_links(ends.outer_namespace).get(ends.outer)
        if outer is None:
            add = ["link", "add", "name", ends.outer, "type", "veth", "peer", "name", ends.inner, "netns", ends.parking]
            with self._effects("port.pair"):
                links.change(ends.outer_namespace, [add])
        if outer is None or outer.alias != label(port.id) or not outer.up:
            with self._effects("port.outer"):
                _configure_outer(port, ends, outer)
        inner = links.read_links(ends.parking).get(ends.inner)
        if inner is not None and (inner.alias, inner.mac, inner.mtu) != (label(port.id), port.mac, port.mtu):
            with self._effects("port.inner"):
                _configure_inner(port, ends)

    def tune(self, port: PortSpec, users: Iterable[str]) -> None:
        """The inner end, in whichever of the namespaces its user has it, sends no more than the port may carry."""
        for namespace in users:
            inner = find(namespace, port.id) if netns.exists(namespace) else None
            if inner is not None:
                shape(self._effects, namespace, inner, port.bit_rate_bps)

    def remove(self, namespace: str, outer: str) -> None:
        """Both ends are gone, wherever the inner one was."""
        if netns.exists(namespace):
            with self._effects("port.pair-gone"):
                links.remove(namespace, outer)

    def join(self, ends: Ends, bridge: str) -> None:
        """The outer end is a port of a Linux bridge in its namespace."""
        if links.read_links(ends.outer_namespace)[ends.outer].master != bridge:
            with self._effects("port.switch"):
                links.change(ends.outer_namespace, [["link", "set", "dev", ends.outer, "master", bridge]])

    def take(self, port: PortSpec, ends: Ends, namespace: str, device: str) -> None:
        """The inner end is in its user's namespace, called ``device``, with its addresses.

        Raises :class:`~mano.errors.InUse` when somebody else has it.
        """
        inner = find(namespace, port.id)
        if inner is None:
            if ends.inner not in links.read_links(ends.parking):
                raise InUse(f"port {port.id} belongs to another VNFC", hint="a port serves one VNFC at a time")
            with self._effects("port.move"):
                links.change(ends.parking, [["link", "set", "dev", ends.inner, "netns", namespace, "name", device]])
        elif inner.name != device:
            raise InUse(f"port {port.id} is {inner.name} of its VNFC and cannot become {device} while it runs")
        self._configure(port, namespace, device)
        # A queue does not go with its interface from one namespace to another.
        if inner is not None or port.bit_rate_bps:
            shape(self._effects, namespace, links.read_links(namespace)[device], port.bit_rate_bps)

    def park(self, namespace: str, parking: str, inner_names: Mapping[str, str]) -> None:
        """Bring the inner ends in a user's namespace back; ``inner_names`` maps ports to interface names."""
        for link in links.read_links(namespace).values():
            inner = inner_names.get(port_of(link) or "")
            if inner is not None:
                commands = [
                    ["link", "set", "dev", link.name, "down"],
                    ["link", "set", "dev", link.name, "netns", parking, "name", inner],
                ]
                with self._effects("port.park"):
                    links.change(namespace, commands)

    def _configure(self, port: PortSpec, namespace: str, device: str) -> None:
        """MAC address, MTU, addresses and gateway; IPv6 only where it has an address."""
        now = links.read_links(namespace)[device]
        wanted = {str(ip_interface(address)) for address in port.addresses}
        foreign = {text for text in now.addresses - wanted if not ip_interface(text).is_link_local}
        whole = now.up and (now.mac, now.mtu) == (port.mac, port.mtu) and wanted <= now.addresses
        if whole and not foreign and _has_gateway(port, namespace, device):
            return
        with self._effects("port.addresses"):
            netns.set_ipv6(namespace, device, any(ip_interface(address).version == 6 for address in wanted))
            commands = [["link", "set", "dev", device, "address", port.mac, "mtu", str(port.mtu)]]
            commands += [["address", "delete", text, "dev", device] for text in sorted(foreign)]
            commands += [["link", "set", "dev", device, "up"], *_address_commands(port, device)]
            links.change(namespace, commands)


def label(port_id: str) -> str:
    """The alias of both ends."""
    return links.label("port", port_id)


def port_of(link: links.Link) -> str | None:
    """The port that an interface belongs to."""
    prefix = links.label("port", "")
    return link.alias.removeprefix(prefix) if link.alias.startswith(prefix) else None


def find(namespace: str, port_id: str) -> links.Link | None:
    """The port's interface in a namespace."""
    return next((link for link in links.read_links(namespace).values() if link.alias == label(port_id)), None)


def _configure_outer(port: PortSpec, ends: Ends, present: links.Link | None) -> None:
    outer = ends.outer
    commands = [["link", "set", "dev", outer, "mtu", str(UNDERLAY_MTU)]]
    if port.vnic_type in EMULATED_VF:
        # Alternative names know no colons.
        name = f"vf-{port.pci.replace(':', '-')}-{'pf' if port.vf is None else port.vf}-{port.host}"
        if present is None or name not in present.alternative_names:
            commands.append(["link", "property", "add", "dev", outer, "altname", name])
    commands.append(["link", "set", "dev", outer, "up"])
    commands.append(["link", "set", "dev", outer, "alias", label(port.id)])
    links.change(ends.outer_namespace, commands)


def _configure_inner(port: PortSpec, ends: Ends) -> None:
    inner = ends.inner
    links.change(ends.parking, [["link", "set", "dev", inner, "address", port.mac, "mtu", str(port.mtu)]])
    if not ends.physical_network:
        links.switch_checksum_offload_off(ends.parking, inner)
    links.change(ends.parking, [["link", "set", "dev", inner, "alias", label(port.id)]])


def _address_commands(port: PortSpec, device: str) -> list[list[str]]:
    commands: list[list[str]] = []
    for text in port.addresses:
        address = ip_interface(text)
        # Duplicate address detection would keep an address useless for a second; ours are planned.
        nodad = ["nodad"] if address.version == 6 else []
        commands.append(["address", "replace", str(address), "dev", device, *nodad])
    if _needs_gateway(port):
        commands.append(["route", "replace", "default", "via", port.gateway, "dev", device])
    return commands


def _needs_gateway(port: PortSpec) -> bool:
    if not port.gateway:
        return False
    version = ip_address(port.gateway).version
    return any(ip_interface(text).version == version for text in port.addresses)


def _has_gateway(port: PortSpec, namespace: str, device: str) -> bool:
    if not _needs_gateway(port):
        return True
    family = f"-{ip_address(port.gateway).version}"
    routes = json.loads(run(["ip", "-n", namespace, family, "-json", "route", "show", "default"]) or "[]")
    return any(route.get("dev") == device and route.get("gateway") == port.gateway for route in routes)

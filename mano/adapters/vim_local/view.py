"""A lab seen from outside: where its wires and functions are, for who tests and shows them. Changes nothing."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from mano.adapters.vim_local import links, netns
from mano.adapters.vim_local.driver import LocalVim
from mano.adapters.vim_local.lab import Lab

T = TypeVar("T")


class LabView:
    """One lab by its identifier and its server's data directory."""

    def __init__(self, lab_id: str, data_directory: Path) -> None:
        self._lab = Lab(lab_id)
        self._vim = LocalVim(data_directory, lab=lab_id)

    @property
    def fabric(self) -> str:
        """The namespace of the underlay's switch and the physical networks."""
        return self._lab.fabric

    def attachment(self, name: str) -> str:
        """The namespace of an attachment."""
        return self._lab.namespace(name)

    def host(self, name: str) -> str:
        """The namespace of a host."""
        return self._lab.namespace(name)

    def vnfc(self, compute_id: str) -> str:
        """The namespace of a VNFC."""
        return self._lab.prefix + self._lab.compute_key(compute_id)

    def uplinks(self, hosts: Sequence[str]) -> dict[int, str]:
        """The index of the far end of each host's uplink, an interface of the fabric's namespace; the host by it."""
        ends = {self._lab.interface(host, "uplink", "far"): host for host in hosts}
        present = netns.inside(self.fabric, socket.if_nameindex)
        return {index: ends[name] for index, name in present if name in ends}

    def interface_of_port(self, namespace: str, port_id: str) -> str:
        """The interface in a namespace that is a port's inner end; KeyError when there is none."""
        return self._link_of_port(namespace, port_id).name

    def mac_of_port(self, namespace: str, port_id: str) -> str:
        """The MAC address of a port's inner end; KeyError when there is none in the namespace."""
        return self._link_of_port(namespace, port_id).mac

    def inside(self, namespace: str, action: Callable[[], T]) -> T:
        """The action's result, run in a namespace."""
        return netns.inside(namespace, action)

    def read_vnfc(self, compute_id: str, name: str) -> bytes:
        """A file below ``/vnf`` of a running VNFC; raises :class:`~mano.errors.NotFound`."""
        return self._vim.read_file(compute_id, name)

    def remains(self) -> list[str]:
        """What is on the machine of this lab; empty when nothing is."""
        from mano.adapters.vim_local.cleanup import find_remains

        return find_remains(self._lab.id)

    def clean_up(self) -> list[str]:
        """Remove everything of this lab; says what it removed."""
        from mano.adapters.vim_local.cleanup import cleanup

        return cleanup(self._lab.id)

    def _link_of_port(self, namespace: str, port_id: str) -> links.Link:
        for link in links.read_links(namespace).values():
            if link.alias == links.label("port", port_id):
                return link
        raise KeyError(port_id)

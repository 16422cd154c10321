"""All hosts as a structure of arrays: one row per NUMA node, one per NIC, one per host.

The arrays answer for every host at once what can be answered without a search; `screen` turns that into verdicts. A
row is rewritten when its host changes. About 150 octets per NUMA node.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mano.domain.nfvi import HostState
from mano.placement.free import FreeHost, FreeNode

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

MAX_TRAIT_BITS = 62
"""Traits are bits of one word; the rarest beyond that share the last bit and are told apart by the exact fit."""


class Vocabulary:
    """Numbers for names."""

    def __init__(self) -> None:
        self._number: dict[str, int] = {}

    def number(self, name: str) -> int:
        return self._number.setdefault(name, len(self._number))

    def known(self, name: str) -> int | None:
        return self._number.get(name)

    def __len__(self) -> int:
        return len(self._number)


class FleetArrays:
    """The arrays of a list of hosts, kept in step by `update`."""

    def __init__(self, hosts: Sequence[FreeHost]) -> None:
        self.zones, self.physnets, self.traits = Vocabulary(), Vocabulary(), Vocabulary()
        self._labels: dict[tuple[str, str], Flags] = {}
        self._hosts = hosts
        self._allocate(hosts)
        for position, host in enumerate(hosts):
            self._write_static(position, host)
            self.update(position, host)

    def _allocate(self, hosts: Sequence[FreeHost]) -> None:
        nodes = np.array([len(host.nodes) for host in hosts], dtype=np.int64)
        nics = np.array([len(host.nics) for host in hosts], dtype=np.int64)
        count, rows, cards = len(hosts), int(nodes.sum()), int(nics.sum())
        self.size = count
        self.row_start = np.concatenate(([0], np.cumsum(nodes)))
        self.nic_start = np.concatenate(([0], np.cumsum(nics)))
        self.row_host = np.repeat(np.arange(count, dtype=np.int32), nodes)
        self.nic_host = np.repeat(np.arange(count, dtype=np.int32), nics)
        self.uniform_nodes = int(nodes[0]) if count and (nodes == nodes[0]).all() else 0
        self.node_count = nodes.astype(np.int32)

        self.enabled = np.zeros(count, dtype=bool)
        self.opened = np.zeros(count, dtype=bool)
        self.threads = np.zeros(count, dtype=bool)
        self.zone = np.zeros(count, dtype=np.int32)
        self.storage = np.zeros(count, dtype=np.int64)
        self.has_affine_switch = np.zeros(count, dtype=bool)

        self.free = np.zeros(rows, dtype=np.int32)
        self.whole_cpus = np.zeros(rows, dtype=np.int32)
        self.whole_cores = np.zeros(rows, dtype=np.int32)
        self.shared = np.zeros(rows, dtype=np.int64)
        self.small = np.zeros(rows, dtype=np.int64)
        self.pages: dict[int, Ints] = {}
        self.affine = np.zeros(rows, dtype=bool)

        self.nic_row = np.full(cards, -1, dtype=np.int32)
        self.nic_physnet = np.full(cards, -1, dtype=np.int32)
        self.nic_traits = np.zeros(cards, dtype=np.int64)
        self.nic_vfs = np.zeros(cards, dtype=np.int32)
        self.nic_mbps = np.full(cards, -1, dtype=np.int64)
        self.nic_untouched = np.zeros(cards, dtype=bool)

    def _write_static(self, position: int, host: FreeHost) -> None:
        self.enabled[position] = host.host.state is HostState.ENABLED
        self.threads[position] = host.has_threads
        self.zone[position] = self.zones.number(host.host.zone)
        affine = host.host.vswitch.affine_nodes if host.host.vswitch else frozenset()
        self.has_affine_switch[position] = bool(affine)
        first = int(self.row_start[position])
        place = {node.id: first + index for index, node in enumerate(host.nodes)}
        for node_id in affine:
            self.affine[place[node_id]] = True
        for node in host.nodes:
            for size in node.pages:
                if size not in self.pages:
                    self.pages[size] = np.zeros(len(self.free), dtype=np.int64)
        for index, nic in enumerate(host.nics, int(self.nic_start[position])):
            if nic.nic.numa_node is not None:
                self.nic_row[index] = place[nic.nic.numa_node]
            if nic.nic.physnet is not None:
                self.nic_physnet[index] = self.physnets.number(nic.nic.physnet)
            self.nic_traits[index] = self.trait_mask(nic.nic.traits)

    def trait_mask(self, traits: frozenset[str]) -> int:
        mask = 0
        for trait in sorted(traits):
            mask |= 1 << min(self.traits.number(trait), MAX_TRAIT_BITS)
        return mask

    def update(self, position: int, host: FreeHost) -> None:
        """Rewrite what is left of the host at `position`; its nodes and NICs are those that it had before."""
        self.opened[position] = host.opened
        self.storage[position] = host.storage_gib
        for row, node in enumerate(host.nodes, int(self.row_start[position])):
            self._write_node(row, node)
        for index, nic in enumerate(host.nics, int(self.nic_start[position])):
            self.nic_vfs[index] = 0 if nic.gone else nic.vf_count
            self.nic_mbps[index] = -1 if nic.mbps is None else nic.mbps
            self.nic_untouched[index] = nic.untouched

    def _write_node(self, row: int, node: FreeNode) -> None:
        self.free[row] = node.free_count
        self.whole_cpus[row] = node.whole_cpus
        self.whole_cores[row] = len(node.whole)
        self.shared[row] = node.shared_left
        self.small[row] = node.small_mib
        for size, count in node.pages.items():
            self.pages[size][row] = count

    def per_host(self, rows: npt.NDArray[Any]) -> Ints:
        """The sum of a row quantity over each host."""
        if self.uniform_nodes == 2:
            return np.asarray(np.add(rows[0::2], rows[1::2], dtype=np.int64))
        if self.uniform_nodes:
            return np.asarray(rows.reshape(self.size, self.uniform_nodes).sum(axis=1, dtype=np.int64))
        return np.bincount(self.row_host, weights=rows, minlength=self.size).astype(np.int64)

    def hosts_with(self, rows: Flags) -> Flags:
        """Hosts with a row that is set."""
        if self.uniform_nodes == 2:
            return np.asarray(rows[0::2] | rows[1::2])
        found = np.zeros(self.size, dtype=bool)
        found[self.row_host[rows]] = True
        return found

    def hosts_with_nic(self, nics: Flags) -> Flags:
        """Hosts with a NIC that is set."""
        found = np.zeros(self.size, dtype=bool)
        found[self.nic_host[nics]] = True
        return found

    def rows_with_nic(self, nics: Flags) -> Flags:
        """Nodes with a NIC that is set."""
        found = np.zeros(len(self.free), dtype=bool)
        rows = self.nic_row[nics]
        found[rows[rows >= 0]] = True
        return found

    def has_label(self, key: str, value: str) -> Flags:
        """Hosts that carry a label; remembered, as labels do not change with allocations."""
        known = self._labels.get((key, value))
        if known is None:
            carried = (host.host.labels.get(key) == value for host in self._hosts)
            known = self._labels[key, value] = np.fromiter(carried, dtype=bool, count=self.size)
        return known

    @property
    def octets(self) -> int:
        """Memory that the arrays take."""
        arrays = [value for value in vars(self).values() if isinstance(value, np.ndarray)]
        return sum(array.nbytes for array in (*arrays, *self.pages.values()))

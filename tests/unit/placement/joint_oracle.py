"""Small requests of several VDUs with groups and chains, and the least that any plan of them costs.

The search goes through every assignment of VDUs to (host, node) and of their VFs to NICs. It shares no code with the
engine, and keeps to what it can enumerate: one cell each, CPUs without siblings, one interface at most, no links.
"""

from __future__ import annotations

from itertools import combinations, pairwise
from random import Random
from typing import Any

Document = dict[str, Any]
Place = tuple[str, int]


def random_case(random: Random) -> tuple[Document, Document]:
    """An inventory and a request."""
    hosts = [_host(random, number) for number in range(random.choice([1, 2, 2, 3, 3, 4]))]
    vdus = [_vdu(random, number) for number in range(random.choice([2, 3, 3, 4, 4, 5]))]
    ids = [vdu["id"] for vdu in vdus]
    old = [one["id"] for host in hosts for one in host["allocations"]]
    groups = [_group(random, [*ids, *old]) for _ in range(random.choice([0, 0, 1, 1, 2]))]
    chains = [_chain(random, ids, hosts) for _ in range(random.choice([0, 1, 1]))]
    return {"hosts": hosts}, {"vdus": vdus, "groups": groups, "chains": chains}


def _host(random: Random, number: int) -> Document:
    nodes, nics = [], []
    for node in range(random.choice([1, 2, 2])):
        cores = [[node * 20 + cpu] for cpu in range(random.choice([2, 4, 4, 6]))]
        nodes.append({"id": node, "cores": cores, "memoryMib": random.choice([4, 8])})
        if random.random() < 0.6:
            pci = f"0000:0{node}:00.0"
            nics.append({"name": f"n{node}", "pci": pci, "numaNode": node, "totalVfs": random.choice([1, 2, 3])})
    held = [{"id": f"o{number}", "cells": [{"node": 0, "cpus": [0]}]}] if random.random() < 0.3 else []
    return {
        "name": f"h{number}", "zone": random.choice("ab"), "numaNodes": nodes, "nics": nics, "allocations": held
    }  # fmt: skip


def _vdu(random: Random, number: int) -> Document:
    vdu: Document = {
        "id": f"v{number}",
        "vcpus": random.choice([1, 2, 2, 3, 4]),
        "memoryMib": random.choice([1, 2, 4]),
        "numaNodes": 1,
    }
    if random.random() < 0.5:
        affinity = random.choice(["required", "preferred", "none"])
        vdu["interfaces"] = [
            {"id": "e", "vnicType": "direct", "vfs": random.choice([1, 1, 2]), "numaAffinity": affinity}
        ]
    return vdu


def _group(random: Random, ids: list[str]) -> Document:
    kind, scope = random.choice(["affinity", "anti-affinity"]), random.choice(["host", "zone", "numa-node"])
    return {"kind": kind, "scope": scope, "members": random.sample(ids, min(len(ids), random.choice([2, 2, 3])))}


def _chain(random: Random, ids: list[str], hosts: list[Document]) -> Document:
    chain: Document = {"id": "c", "path": random.sample(ids, min(len(ids), random.choice([2, 3])))}
    if random.random() < 0.3:
        chain["ingress"] = random.choice(hosts)["name"]
    return chain


def least_cost(inventory: Document, request: Document) -> int | None:
    """The cost of the best plan that places all, None when there is no plan."""
    return _Search(inventory, request).run()


class _Search:
    def __init__(self, inventory: Document, request: Document) -> None:
        self.hosts = {host["name"]: host for host in inventory["hosts"]}
        self.request = request
        self.cpus: dict[Place, int] = {}
        self.memory: dict[Place, int] = {}
        self.vfs: dict[Place, int] = {}
        self.at: dict[str, Place] = {}
        for name, host in self.hosts.items():
            for node in host["numaNodes"]:
                self.cpus[name, node["id"]] = len(node["cores"])
                self.memory[name, node["id"]] = node["memoryMib"]
            for nic in host["nics"]:
                self.vfs[name, nic["numaNode"]] = nic["totalVfs"]
            for old in host["allocations"]:
                self.cpus[name, 0] -= 1
                self.at[old["id"]] = (name, 0)
        self.best: int | None = None

    def run(self) -> int | None:
        self._place(0, 0)
        return self.best

    def _place(self, index: int, crossing: int) -> None:
        vdus = self.request["vdus"]
        if index == len(vdus):
            cost = self._cost(crossing)
            self.best = cost if self.best is None else min(self.best, cost)
            return
        vdu = vdus[index]
        for place in list(self.cpus):
            if self.cpus[place] < vdu["vcpus"] or self.memory[place] < vdu["memoryMib"]:
                continue
            self.at[vdu["id"]] = place
            if self._groups_hold():
                self.cpus[place] -= vdu["vcpus"]
                self.memory[place] -= vdu["memoryMib"]
                self._attach(index, vdu, place, crossing)
                self.cpus[place] += vdu["vcpus"]
                self.memory[place] += vdu["memoryMib"]
            del self.at[vdu["id"]]

    def _attach(self, index: int, vdu: Document, place: Place, crossing: int) -> None:
        if "interfaces" not in vdu:
            self._place(index + 1, crossing)
            return
        (interface,) = vdu["interfaces"]
        for nic in list(self.vfs):
            near = nic == place
            if nic[0] != place[0] or self.vfs[nic] < interface["vfs"]:
                continue
            if near or interface["numaAffinity"] != "required":
                self.vfs[nic] -= interface["vfs"]
                self._place(index + 1, crossing + (not near))
                self.vfs[nic] += interface["vfs"]

    def _groups_hold(self) -> bool:
        """What is there already may break a group among itself."""
        new = {vdu["id"] for vdu in self.request["vdus"]}
        for group in self.request["groups"]:
            for one, other in combinations([one for one in group["members"] if one in self.at], 2):
                if one not in new and other not in new:
                    continue
                a, b = self.at[one], self.at[other]
                zones = self.hosts[a[0]]["zone"], self.hosts[b[0]]["zone"]
                together = {"host": a[0] == b[0], "zone": zones[0] == zones[1], "numa-node": a == b}[group["scope"]]
                if together != (group["kind"] == "affinity"):
                    return False
        return True

    def _cost(self, crossing: int) -> int:
        used = {self.at[vdu["id"]][0] for vdu in self.request["vdus"]}
        opened = sum(not self.hosts[name]["allocations"] for name in used)
        hops = 0
        for chain in self.request["chains"]:
            stations = [chain["ingress"]] if "ingress" in chain else []
            for a, b in pairwise([*stations, *(self.at[one][0] for one in chain["path"])]):
                hops += 0 if a == b else 1 if self.hosts[a]["zone"] == self.hosts[b]["zone"] else 3
        return 1000 * opened + 50 * crossing + 10 * hops

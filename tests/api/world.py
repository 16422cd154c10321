"""The real use cases over a real store; only descriptors, stories and the NFVI behind them are small."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from mano.adapters.clock import SystemClock, random_id
from mano.adapters.fetcher import BackgroundThreads, WebFetcher
from mano.adapters.store import PackageDirectory, SqlStore
from mano.adapters.web_client import WebClient
from mano.adapters.webhooks import Dispatcher, DispatchPolicy, WebPostman
from mano.api.services import Health, Services
from mano.assurance.alarms import Alarms
from mano.assurance.auto_scaling import AutoScaler
from mano.assurance.capacity import Capacity
from mano.assurance.fan_out import follow_up
from mano.assurance.indicators import Indicators
from mano.assurance.measuring import Measuring
from mano.assurance.metering import Metering
from mano.assurance.performance import Performance
from mano.assurance.readings import Readings
from mano.assurance.subscriptions import Subscriptions
from mano.domain.catalogue import DescriptorKind
from mano.domain.lcm_op_occ import LcmOpOcc, Level
from mano.domain.ns_instance import Network, NetworkKind, SapInstance, ServiceChain
from mano.domain.vnf_instance import (
    ConnectionPoint,
    InstantiationState,
    Realisation,
    VnfcResource,
    VnfInstance,
    VnfOperationalState,
)
from mano.errors import InvalidInput, NotFound, Unreachable
from mano.nfvo.auto_scaling import ScalableServices
from mano.nfvo.catalogue import Catalogue
from mano.nfvo.ns_lifecycle import NsLifecycle
from mano.nfvo.package_sources import PackageSources
from mano.nfvo.placing import Placing
from mano.placement import inventory_from_document
from mano.ports.descriptors import PackageMembers, ReadPackage
from mano.ports.metering import ComputeUsage, PortCounters
from mano.ports.or_vnfm import Nfvo
from mano.ports.repositories import PackageStore, UnitOfWork, UnitOfWorkFactory
from mano.ports.workflows import Step
from mano.settings import Outbound
from mano.vnfm.auto_scaling import ScalableVnfs
from mano.vnfm.vnf_lifecycle import VnfLifecycle
from tests.api.networking import networking
from tests.fakes.descriptors import dpi, firewall, gi_lan, nat
from tests.fakes.engine import InlineWorkflows
from vnf_descriptors.model import Nsd, Pnfd, Vnfd

ARTIFACT = b"#!/bin/sh\nexit 0\n" * 100
DESCRIPTORS: dict[str, Callable[[], Vnfd | Nsd]] = {"firewall": firewall, "dpi": dpi, "nat": nat, "gi-lan": gi_lan}
KINDS: dict[type[Vnfd] | type[Nsd] | type[Pnfd], DescriptorKind] = {
    Vnfd: DescriptorKind.VNF,
    Nsd: DescriptorKind.NS,
    Pnfd: DescriptorKind.PNF,
}
CHECKSUM = {"algorithm": "SHA-256", "hash": "ab" * 32}


def archive(name: str, *, files: Sequence[str] = (), manifest: bool = True) -> bytes:
    """An archive whose descriptor is the named one of the fakes; the same octets whenever it is made."""
    members: dict[str, str | bytes] = {
        "Definitions/main.yaml": name,
        **dict.fromkeys(files, "included"),
        "Artifacts/run.sh": ARTIFACT,
    }
    if manifest:
        members["main.mf"] = "metadata:\n"
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as made:
        for member, text in members.items():
            made.writestr(zipfile.ZipInfo(member), text)
    return content.getvalue()


class NamedDescriptors:
    """Implements the descriptor reader: the archive's main file names one of the fakes."""

    def read(self, path: str) -> ReadPackage:
        try:
            with zipfile.ZipFile(path) as content:
                name = content.read("Definitions/main.yaml").decode()
        except (zipfile.BadZipFile, KeyError):
            finding = {"severity": "error", "code": "CSAR001", "message": "it is no archive", "file": "", "line": 1}
            return ReadPackage(None, None, (finding,))
        model = DESCRIPTORS[name]()
        artifacts = ({"artifactPath": "Artifacts/run.sh", "size": len(ARTIFACT), "checksum": CHECKSUM},)
        return ReadPackage(KINDS[type(model)], model, artifacts=artifacts)

    def members(self, path: str) -> PackageMembers:
        with zipfile.ZipFile(path) as content:
            names = content.namelist()
        definitions = sorted(name for name in names if name.startswith("Definitions/"))
        definitions.sort(key=lambda name: name != "Definitions/main.yaml")
        return PackageMembers(tuple(definitions), "main.mf" if "main.mf" in names else None)


@dataclass
class NfvoOfPackages:
    """The part of Or-Vnfm that creating a VNF instance needs."""

    open_unit: UnitOfWorkFactory

    def vnfd(self, vnfd_id: str, tenant_id: str) -> tuple[str, Mapping[str, Any]]:
        with self.open_unit(read_only=True) as uow:
            found = uow.packages.list(tenant_id, descriptor_id=vnfd_id)
        if not found:
            raise NotFound("no on-boarded package has this VNFD")
        return found[0].id, found[0].descriptor


@dataclass
class OneStep:
    """A story of one step that fails as often as it was told to."""

    level: Level
    operation: str
    open_unit: UnitOfWorkFactory
    failures: list[Exception] = field(default_factory=list)

    def prepare(self, op: LcmOpOcc) -> tuple[str, ...]:
        return ("work",)

    def step(self, op: LcmOpOcc, name: str) -> Step:
        return Step(name, self._work, lambda: None)

    def _work(self) -> None:
        if self.failures:
            raise self.failures.pop(0)

    def complete(self, uow: UnitOfWork, op: LcmOpOcc) -> None:
        state = (
            InstantiationState.INSTANTIATED if self.operation == "INSTANTIATE" else InstantiationState.NOT_INSTANTIATED
        )
        if self.level is Level.NS:
            uow.ns_instances.save(replace(uow.ns_instances.get(op.instance_id), state=state, flavour_id="simple"))
        else:
            uow.vnf_instances.save(replace(uow.vnf_instances.get(op.instance_id), instantiation_state=state))

    def rolled_back(self, uow: UnitOfWork, op: LcmOpOcc) -> None:
        return None


HOST = {
    "name": "h1",
    "numaNodes": [{"id": 0, "socket": 0, "cores": [[0], [1]], "memoryMib": 1024}],
}


class SmallNfvi:
    """An NFVI of declared hosts."""

    def __init__(self) -> None:
        self.hosts: dict[str, dict[str, Any]] = {}
        self.attachments: dict[str, dict[str, Any]] = {}

    def add_hosts(self, inventory: Mapping[str, Any], vim_id: str) -> Sequence[Mapping[str, Any]]:
        hosts = inventory_from_document(inventory).hosts
        self.hosts.update({host.name: {"name": host.name, "vim": vim_id or "local"} for host in hosts})
        return [self.hosts[host.name] for host in hosts]

    def list(self) -> Sequence[Mapping[str, Any]]:
        return [self.hosts[name] for name in sorted(self.hosts)]

    def get(self, name: str) -> Mapping[str, Any]:
        if name not in self.hosts:
            raise NotFound("there is no such host")
        return self.hosts[name]

    def set_state(self, name: str, state: str) -> Mapping[str, Any]:
        self.hosts[name] = {**self.get(name), "state": state}
        return self.hosts[name]

    def remove(self, name: str) -> None:
        self.get(name)
        del self.hosts[name]

    def topology(self, tenant_id: str) -> Mapping[str, Any]:
        return {"tier": "simulated", "hosts": self.list(), "chains": []}

    def vims(self) -> Sequence[Mapping[str, Any]]:
        return [{"id": "local", "type": "local", "attachments": self.attachments}]

    def add_attachment(self, vim_id: str, attachment: Mapping[str, Any]) -> Mapping[str, Any]:
        if vim_id != "local":
            raise NotFound("there is no such VIM")
        self.attachments[attachment["name"]] = dict(attachment)
        return attachment


class SmallChains:
    """One chain that carries nothing."""

    def __init__(self, open_unit: UnitOfWorkFactory) -> None:
        self.open_unit = open_unit
        self.reachable = True

    def list(self, tenant_id: str) -> Sequence[Mapping[str, Any]]:
        with self.open_unit(read_only=True) as uow:
            return [{"id": chain.id, "name": chain.name} for chain in uow.chains.list(tenant_id)]

    def get(self, id: str, tenant_id: str) -> Mapping[str, Any]:
        with self.open_unit(read_only=True) as uow:
            chain = uow.chains.get(id, tenant_id)
        return {"id": chain.id, "name": chain.name}

    def statistics(self, id: str, tenant_id: str) -> Mapping[str, Any]:
        if not self.reachable:
            raise Unreachable("host h1 does not answer on /run/openvswitch/secret/db.sock")
        hop = {"si": 254, "host": "h1", "sfName": "firewall", "packets": 7, "bytes": 700}
        return {**self.get(id, tenant_id), "paths": [{"direction": "forward", "spi": 1, "hops": [hop]}], "drops": []}

    def verify(self, id: str, tenant_id: str) -> Mapping[str, Any]:
        return {**self.get(id, tenant_id), "proven": True}

    def trace(self, id: str, tenant_id: str, packet: Mapping[str, Any]) -> Mapping[str, Any]:
        return {**self.get(id, tenant_id), "hops": [], "packet": dict(packet)}

    def follow(self, id: str, tenant_id: str, packet: Mapping[str, Any]) -> Mapping[str, Any]:
        return {**self.get(id, tenant_id), "sights": []}

    def traceroute(self, id: str, tenant_id: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        return {**self.get(id, tenant_id), "paths": [], "request": dict(request)}

    def drift(self, id: str, tenant_id: str) -> Mapping[str, Any]:
        return {**self.get(id, tenant_id), "hosts": ["h1"], "drift": []}

    def repair(self, id: str, tenant_id: str) -> Mapping[str, Any]:
        return {**self.get(id, tenant_id), "repaired": []}

    def history(self, id: str, tenant_id: str) -> Mapping[str, Any]:
        return {**self.get(id, tenant_id), "everyS": 5.0, "samples": []}


class SmallMeter:
    """Implements :class:`mano.ports.metering.Meter` by what a test says."""

    def __init__(self) -> None:
        self.cpu_s = 0.0
        self.memory_bytes = 0
        self.values: dict[str, float] = {}

    def compute_usage(self, compute_id: str, host: str) -> ComputeUsage:
        return ComputeUsage(self.cpu_s, self.memory_bytes)

    def port_counters(self, host: str) -> Mapping[int, PortCounters]:
        return {5: PortCounters(100, 200, 1, 2)}

    def compute_values(self, compute_id: str, host: str) -> Mapping[str, float]:
        return self.values


class World:
    """Everything that a conversation can look at or break."""

    def __init__(self, store: SqlStore, folder: Path, health: Health) -> None:
        self.store = store
        clock = SystemClock()
        self.workflows = InlineWorkflows(store, clock)
        self.stories = {
            (level, operation): OneStep(level, operation, store.open_unit)
            for level in Level
            for operation in ("INSTANTIATE", "TERMINATE")
        }
        for story in self.stories.values():
            self.workflows.register(story)
        nfvo = cast(Nfvo, NfvoOfPackages(store.open_unit))
        packages: PackageStore = PackageDirectory(folder / "packages")
        self.nfvi = SmallNfvi()
        self.chains = SmallChains(store.open_unit)
        self.web = WebClient(Outbound(loopback=True, deadline_s=2.0))
        self.dispatcher = Dispatcher(store, self.web, policy=DispatchPolicy(first_s=0.05, longest_s=0.2))
        store.fan_out = follow_up
        catalogue = Catalogue(store.open_unit, packages, NamedDescriptors(), clock, random_id)
        self.background = BackgroundThreads()
        postman = WebPostman(self.web)
        self.meter = SmallMeter()
        measuring = Measuring(
            store.open_unit, {"local": self.meter}, lambda id, tenant: (7, 700), lambda id, tenant: 1.5
        )
        self.performance = Performance(store.open_unit, measuring, postman, clock, random_id)
        self.indicators = Indicators(
            store.open_unit, {"local": self.meter}, clock, lambda descriptor: {"load": "load of the function"}
        )
        vnfs = VnfLifecycle(store.open_unit, self.workflows, nfvo, clock, random_id)
        services = NsLifecycle(store.open_unit, self.workflows, clock, random_id)
        read = Readings(store.open_unit, {"local": self.meter}, measuring, clock)
        self.auto_scaler = AutoScaler(
            store.open_unit,
            (
                ScalableVnfs(store.open_unit, nfvo, vnfs, read.of),
                ScalableServices(store.open_unit, services, read.of, read.of_service),
            ),
            clock,
        )
        self.metering = Metering(store.open_unit, lambda id, tenant: (7, 700), clock)
        self.services = Services(
            open_unit=store.open_unit,
            signal=store.signal,
            health=health,
            new_id=random_id,
            catalogue=catalogue,
            alarms=Alarms(store.open_unit, clock),
            performance=self.performance,
            capacity=Capacity(store.open_unit, ("local",)),
            indicators=self.indicators,
            metering=self.metering,
            package_sources=PackageSources(
                catalogue, store.open_unit, WebFetcher(self.web), self.background, max_bytes=1 << 20
            ),
            auto_scaler=self.auto_scaler,
            ns_lifecycle=services,
            vnf_lifecycle=vnfs,
            nfvi=self.nfvi,
            placing=Placing(store.open_unit, {}, clock),
            forwarding_graphs=self.chains,
            subscriptions=Subscriptions(store.open_unit, postman, clock, random_id),
            **networking(store, folder),
        )

    def fail_next(self, level: Level, operation: str, *errors: Exception) -> None:
        """Let the story's next attempts fail so."""
        self.stories[level, operation].failures.extend(errors)

    def close(self) -> None:
        """End what runs beside."""
        self.dispatcher.stop()
        self.background.stop()
        self.web.close()

    def unit(self) -> AbstractContextManager[UnitOfWork]:
        """A writing unit of work."""
        return self.store.open_unit()


def furnish(uow: UnitOfWork, ns_id: str, vnf_id: str) -> str:
    """Give an NS everything that an instantiated one has; the chain's identifier."""
    ns = uow.ns_instances.get(ns_id)
    vnf: VnfInstance = uow.vnf_instances.get(vnf_id)
    network = Network(random_id(), ns.tenant_id, ns.id, "access", NetworkKind.OVERLAY, 1500, vni=int(ns_id[:5], 16))
    uow.networks.add(network)
    point = ConnectionPoint(
        id=random_id(),
        cpd_id="in",
        port_id=random_id(),
        network_id=network.id,
        mac="0a:00:00:00:00:01",
        addresses=("10.10.0.2/24", "fd00::2/64"),
        host="h1",
        ofport=5,
        interface="catabc",
        ext_cpd_id="in",
    )
    vnfc = VnfcResource(
        id=random_id(),
        vdu_id="firewall",
        index=0,
        compute_id=random_id(),
        host="h1",
        placement={"host": "h1", "cells": []},
        connection_points=(point, replace(point, id=random_id(), cpd_id="out", ext_cpd_id="", addresses=())),
        realisations={"cpus": Realisation.ENFORCED},
    )
    addresses = [{"type": "IPV4", "fixedAddresses": ["10.10.0.2"]}]
    ethernet = {"layerProtocol": "IP_OVER_ETHERNET", "ipOverEthernet": {"macAddress": point.mac}}
    with_address = {**ethernet, "ipOverEthernet": {"macAddress": point.mac, "ipAddresses": addresses}}
    configs = {"0": {"cpProtocolData": [ethernet, with_address]}, "1": None}
    cps = [{"cpdId": "in", "cpConfig": configs}, {"cpdId": "out"}]
    link = {"id": network.id, "resourceId": network.id, "extCps": cps}
    uow.vnf_instances.save(
        replace(
            vnf,
            ns_instance_id=ns.id,
            instantiation_state=InstantiationState.INSTANTIATED,
            vnf_state=VnfOperationalState.STARTED,
            flavour_id="simple",
            vnfcs=(vnfc,),
            ext_virtual_links=(link,),
            configuration={"level": 3},
        )
    )
    sap = SapInstance(random_id(), "subscribers", "subscribers", replace(point, id=random_id()))
    uow.ns_instances.save(replace(ns, saps=(sap,), vnf_instances={"firewall": vnf.id}))
    chain = ServiceChain(random_id(), ns.tenant_id, ns.id, "web", 100, 101, {"vnffgdId": "value-added"})
    uow.chains.add(chain)
    return chain.id


__all__ = ["ARTIFACT", "DESCRIPTORS", "HOST", "InvalidInput", "World", "archive", "furnish"]

"""The sample service with a PNF and a nested service, for the tests of both."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mano.domain.catalogue import DescriptorKind
from mano.domain.lcm_op_occ import LcmOpOcc, OperationState
from mano.domain.ns_instance import NsInstance
from tests.scenarios.main_job.conftest import SAMPLES, Job
from tests.scenarios.operations.conftest import job_at
from vnf_descriptors import build as build_package

PNF: dict[str, Any] = {
    "pnfId": "pgw-1",
    "pnfName": "subscribers",
    "pnfdId": "7d5e1c2a-3f84-4b0d-9e6a-2b8c4d1f0a31",
    "pnfProfileId": "gateway",
    "cpData": [
        {
            "cpInstanceId": "ge-0/0/1",
            "cpdId": "sgi",
            "cpProtocolData": [
                {
                    "layerProtocol": "IP_OVER_ETHERNET",
                    "ipOverEthernet": {
                        "macAddress": "02:00:00:00:0a:02",
                        "ipAddresses": [{"type": "IPV4", "fixedAddresses": ["10.10.0.2"]}],
                    },
                }
            ],
        }
    ],
}
INSIDE = {"catena": {"saps": {"internet": {"attachment": "internet", "address": "198.51.100.1/24"}}}}
REQUEST = {
    "nsFlavourId": "simple",
    "addpnfData": [PNF],
    "additionalParamsForNestedNs": [{"nsProfileId": "gi_lan", "additionalParam": [INSIDE]}],
}


class Mobile:
    """The service as it runs, and what can be asked of it."""

    def __init__(self, job: Job) -> None:
        self.job = job

    def services(self) -> dict[str, NsInstance]:
        with self.job.catena.store.open_unit(read_only=True) as uow:
            return {ns.name: ns for ns in uow.ns_instances.list()}

    @property
    def ns(self) -> NsInstance:
        return self.services()["mobile"]

    @property
    def inner(self) -> NsInstance:
        return self.services()["mobile-gi_lan-0"]

    def change(self, operation: str, request: dict[str, Any], ns_id: str = "") -> LcmOpOcc:
        lifecycle = self.job.services.ns_lifecycle
        return self.job.operation(lifecycle.change(ns_id or self.ns.id, self.job.tenant, operation, request))

    def update(self, kind: str, **data: Any) -> LcmOpOcc:
        return self.change("UPDATE", {"updateType": kind, **data})

    def instantiate(self, **more: Any) -> LcmOpOcc:
        return self.job.instantiate(self.ns.id, {**REQUEST, **more})

    def on_its_own(self) -> NsInstance:
        """A Gi-LAN that nobody nests, without chains; the subscribers' attachment stays free for the PNF."""
        lifecycle = self.job.services.ns_lifecycle
        created = lifecycle.create(self.job.tenant, self.inner_nsd(), "alone", "")
        saps = {"subscribers": {"attachment": "elsewhere", "address": "10.10.0.9/24"}}
        saps |= INSIDE["catena"]["saps"]
        request = {"nsFlavourId": "simple", "additionalParamsForNs": {"catena": {"saps": saps}}}
        op = self.job.instantiate(created.id, request)
        assert op.state is OperationState.COMPLETED, op.error
        return self.services()["alone"]

    def inner_nsd(self) -> str:
        with self.job.catena.store.open_unit(read_only=True) as uow:
            return next(p.descriptor_id for p in uow.packages.list() if p.name == "gi-lan")

    def operations(self) -> list[LcmOpOcc]:
        with self.job.catena.store.open_unit(read_only=True) as uow:
            return [op for op in uow.operations.list() if op.level.value == "ns"]

    def proven(self) -> list[dict[str, Any]]:
        """Every chain is proven, and the bridges hold what they are to hold."""
        graphs = self.job.services.forwarding_graphs
        chains = graphs.list(self.job.tenant)
        for chain in chains[:1]:
            proof = graphs.verify(chain["id"], self.job.tenant)
            assert (proof["proven"], proof["violations"], proof["drift"]) == (True, [], [])
        return list(chains)


def done(op: LcmOpOcc) -> LcmOpOcc:
    assert op.state is OperationState.COMPLETED, op.error
    return op


def make_ready(directory: Path, archives: dict[str, Path]) -> tuple[Path, dict[str, Path]]:
    """A directory with hosts, packages and an NS instance that is not instantiated."""
    made = {**archives, "gateway": directory / "gateway.csar", "mobile": directory / "mobile.csar"}
    for name in ("gateway", "mobile"):
        build_package(SAMPLES / name, made[name])
    job = job_at(directory / "ready", made)
    job.add_hosts()
    job.services.nfvi.add_attachment("local", {"name": "elsewhere", "host": "h2"})
    refused = job.upload("mobile", DescriptorKind.NS)
    assert "is not on-boarded" in refused.failure["detail"], refused
    job.onboard()
    job.upload("gateway", DescriptorKind.PNF)
    nsd_id = str(job.upload("mobile", DescriptorKind.NS).descriptor_id)
    job.services.ns_lifecycle.create(job.tenant, nsd_id, "mobile", "")
    job.catena.stop()
    return directory / "ready", made


def make_running(ready: Path, made: dict[str, Path]) -> Path:
    """The same with the service instantiated."""
    directory = ready.with_name("instantiated")
    shutil.copytree(ready, directory)
    job = job_at(directory, made)
    done(Mobile(job).instantiate())
    job.catena.stop()
    return directory


def copied(source: Path, directory: Path, made: dict[str, Path]) -> Iterator[Mobile]:
    shutil.copytree(source, directory)
    job = job_at(directory, made)
    yield Mobile(job)
    job.catena.stop()

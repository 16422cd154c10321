"""One full value of each kind that is stored."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from mano.domain.alarm import Alarm, EventType, FaultyResourceType, PerceivedSeverity
from mano.domain.catalogue import DescriptorKind, OnboardingState, Package
from mano.domain.events import Event
from mano.domain.grant import Grant, GrantedResource
from mano.domain.lcm_op_occ import INITIAL, LcmOpOcc, Level
from mano.domain.nfvi import Allocation, Cell, Host, InterfacePlacement, Nic, NumaNode, Vswitch
from mano.domain.ns_instance import (
    Network,
    NetworkKind,
    NsInstance,
    Reservation,
    SapInstance,
    ServiceChain,
)
from mano.domain.vnf_instance import ConnectionPoint, InstantiationState, Realisation, VnfcResource, VnfInstance

NOW = datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC)
TENANT = "tenant-a"
OTHER = "tenant-b"


def operation(id: str = "op-1", *, instance: str = "ns-1", level: Level = Level.NS, **fields: Any) -> LcmOpOcc:
    state = fields.pop("state", INITIAL[level])
    return LcmOpOcc(
        id=id,
        tenant_id=TENANT,
        level=level,
        instance_id=instance,
        operation="INSTANTIATE",
        state=state,
        state_entered_at=NOW,
        started_at=NOW,
        **fields,
    )


def ns_instance(id: str = "ns-1", tenant: str = TENANT, name: str = "gi-lan") -> NsInstance:
    return NsInstance(id, tenant, name, "", "nsd", "nsd-info", NOW)


def event(id: str, tenant: str = TENANT, at: datetime = NOW) -> Event:
    return Event(id, "ns-instance", "created", "ns-1", tenant, at, {"name": "gi-lan"})


CP = ConnectionPoint(
    id="cp-1",
    cpd_id="inside",
    port_id="port-1",
    network_id="net-1",
    mac="0a:00:00:00:00:01",
    addresses=("10.10.0.1/24", "fd00::1/64"),
    host="h1",
    ofport=7,
    interface="catabcdefghij",
    realisation=Realisation.EMULATED,
)

PLACEMENT = {
    "host": "h1",
    "cells": [{"node": 0, "cpus": [2, 10], "memoryMib": 512, "pageSizeKib": 2048}],
    "vcpuPins": {"0": 2, "1": 10},
    "emulatorCpus": [],
    "blockedCpus": [],
    "interfaces": {"outside": {"pci": "0000:3b:00.0", "vfs": [3], "node": 0}},
}

PACKAGE = Package(
    id="package-1",
    tenant_id=TENANT,
    kind=DescriptorKind.VNF,
    created_at=NOW,
    onboarding_state=OnboardingState.ONBOARDED,
    descriptor_id="vnfd-1",
    descriptor={"description": {"id": "vnfd-1"}, "vdus": [{"id": "fw", "weights": [1, 2.5]}]},
    artifacts=({"path": "image.tar", "checksum": "00"},),
    user_defined_data={"owner": "Zoë", "emoji": "🦊"},
    failure={"detail": "none", "findings": []},
    onboarded_at=NOW,
)

VNF = VnfInstance(
    id="vnf-1",
    tenant_id=TENANT,
    vnfd_id="vnfd-1",
    package_id="package-1",
    name="fw",
    description="",
    provider="Acme",
    product_name="firewall",
    software_version="1",
    descriptor_version="1",
    created_at=NOW,
    instantiation_state=InstantiationState.INSTANTIATED,
    vnfcs=(VnfcResource("vnfc-1", "fw", 0, "compute-1", "h1", PLACEMENT, (CP,), {"cpus": Realisation.ENFORCED}),),
    ns_instance_id="ns-1",
    metadata={"a": "b"},
)

NS = NsInstance(
    id="ns-1",
    tenant_id=TENANT,
    name="gi-lan",
    description="",
    nsd_id="nsd-1",
    nsd_info_id="package-2",
    created_at=NOW,
    vnf_instances={"fw": "vnf-1"},
    saps=(SapInstance("sap-1", "subscribers", "sub", CP),),
    plan={"networks": []},
)

RESERVATION = Reservation("res-1", TENANT, "ns-1", "fw/fw/0", "h1", PLACEMENT, {"why": "first"}, NOW)

VALUES: list[tuple[str, Any]] = [
    ("packages", PACKAGE),
    ("vnf_instances", VNF),
    ("ns_instances", NS),
    ("networks", Network("net-1", TENANT, "ns-1", "access", NetworkKind.OVERLAY, 1500, 77, subnets=("10.10.0.0/24",))),
    ("chains", ServiceChain("chain-1", TENANT, "ns-1", "web", 16, 17, {"path": []}, ({"spi": 16},))),
    ("reservations", RESERVATION),
    (
        "grants",
        Grant("grant-1", TENANT, "vnf-1", "op-2", (GrantedResource("r", "res-1", "z", "h1", PLACEMENT),)),
    ),
    (
        "alarms",
        Alarm(
            "alarm-1",
            TENANT,
            "host h1",
            "h1",
            NOW,
            PerceivedSeverity.MAJOR,
            EventType.EQUIPMENT,
            "unreachable",
            fault_details=("no answer",),
            resource_type=FaultyResourceType.COMPUTE,
        ),
    ),
    ("operations", operation(parameters={"flavourId": "df"}, step_names=("networks", "vnfs"), parent_id="op-0")),
]
"""(repository, value), with every nested type somewhere."""


def host(name: str = "h1", *, cpus: int = 16) -> Host:
    return Host(
        name=name,
        zone="rack1",
        numa_nodes=(
            NumaNode(
                0,
                cores=tuple((cpu, cpu + cpus) for cpu in range(cpus)),
                memory_mib=65536,
                hugepages={2048: 1024},
                distances={0: 10},
            ),
        ),
        labels={"disk": "ssd"},
        reserved_cpus=frozenset({0, cpus}),
        cpu_overcommit=4.0,
        vswitch=Vswitch("netdev", (0,)),
        nics=(Nic("ens1f0", "0000:3b:00.0", 0, "dc1", 25000, 8, frozenset({"trusted"})),),
        allocations=(
            Allocation(
                "db-1",
                cells=(Cell(0, (4,), 1024, 2048),),
                interfaces={"eth0": InterfacePlacement("0000:3b:00.0", (0,), 0)},
            ),
        ),
    )

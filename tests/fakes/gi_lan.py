"""The sample network service as it stands in the store once it runs: VNFs, SAPs, networks, hosts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from mano.domain.ids import DEFAULT_TENANT, derive_id, mac_address
from mano.domain.nfvi import Host, NumaNode
from mano.domain.ns_instance import Network, NetworkKind, NsInstance, SapInstance
from mano.domain.vnf_instance import ConnectionPoint, InstantiationState, VnfcResource, VnfInstance
from mano.nfvo.graph_translation import LiveVnf
from mano.ports.repositories import StoredHost
from tests.fakes.descriptors import VNFDS, gi_lan

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOSTS = ("h1", "h2", "h3")
PLACES = {"firewall": "h1", "dpi": "h2", "nat": "h3"}
NETWORKS = {"access": derive_id("access"), "internet": derive_id("internet"), "mgmt": derive_id("mgmt")}
ADDRESSES = {"inside": ("10.10.0.1/24",), "outside": ("198.51.100.2/24",)}


def hosts() -> list[StoredHost]:
    """Three hosts with their data planes."""
    return [
        StoredHost(
            Host(name, (NumaNode(0, ((0,), (1,)), 1024),)),
            "local",
            dataplane={
                "bridge": "br-int",
                "underlay_ip": f"10.99.0.{number}",
                "underlay_mtu": 1600,
                "tunnel_ofport": 100,
                "oam_ofport": 200,
                "oam_mac": f"02:0a:00:00:00:0{number}",
                "oam_ip": f"192.168.200.{number}",
                "datapath": "netdev",
            },
        )
        for number, name in enumerate(HOSTS, 1)
    ]


def networks() -> list[Network]:
    """Two overlays and the provider's network."""
    return [
        Network(NETWORKS["access"], DEFAULT_TENANT, "ns", "access", NetworkKind.OVERLAY, 1500, vni=4096),
        Network(NETWORKS["mgmt"], DEFAULT_TENANT, "ns", "mgmt", NetworkKind.OVERLAY, 1500, vni=4097),
        Network(
            NETWORKS["internet"], DEFAULT_TENANT, "ns", "internet", NetworkKind.PROVIDER, 1500, physical_network="dc1"
        ),
    ]


def live_vnfs() -> dict[str, list[LiveVnf]]:
    """One instance of each VNF profile, on its place."""
    found = {}
    for number, profile in enumerate(gi_lan().flavour().vnf_profiles, 1):
        vnfd = VNFDS[profile.vnfd_id]()
        host = PLACES[profile.id]
        points = tuple(
            ConnectionPoint(
                id=derive_id(profile.id, cp.id),
                cpd_id=cp.id,
                port_id=derive_id(profile.id, cp.id),
                network_id=NETWORKS[profile.virtual_link_of(f"link_{cp.id}") or ""],
                mac=mac_address(profile.id, cp.id),
                addresses=ADDRESSES.get(cp.id, (f"192.0.2.{number}/24",) if cp.id == "mgmt" else ()),
                host=host,
                ofport=None if cp.id == "outside" else 10 + place,
            )
            for place, cp in enumerate(vnfd.flavour().vdu_cps)
        )
        vnfc = VnfcResource(derive_id(profile.id), profile.id, 0, derive_id(profile.id), host, {}, points)
        instance = VnfInstance(
            id=derive_id("instance", profile.id),
            tenant_id=DEFAULT_TENANT,
            vnfd_id=vnfd.descriptor_id,
            package_id=f"package-{profile.id}",
            name=f"{profile.id}-0",
            description="",
            provider="Catena",
            product_name=profile.id,
            software_version="1.0",
            descriptor_version="1.0",
            created_at=NOW,
            instantiation_state=InstantiationState.INSTANTIATED,
            flavour_id="simple",
            vnfcs=(vnfc,),
        )
        found[profile.id] = [LiveVnf(instance, vnfd)]
    return found


def subscribers() -> ConnectionPoint:
    """The SAP on h1's bridge."""
    return ConnectionPoint(
        id=derive_id("sap"),
        cpd_id="subscribers",
        port_id=derive_id("sap"),
        network_id=NETWORKS["access"],
        mac=mac_address("sap"),
        addresses=("10.10.0.2/24",),
        host="h1",
        ofport=1,
    )


def ns() -> NsInstance:
    """The network service with both SAPs attached."""
    point = subscribers()
    outside = replace(point, id="out", port_id="out", ofport=None, network_id=NETWORKS["internet"], host="")
    return NsInstance(
        id="ns",
        tenant_id=DEFAULT_TENANT,
        name="gi-lan",
        description="",
        nsd_id=gi_lan().descriptor_id,
        nsd_info_id="package-nsd",
        created_at=NOW,
        saps=(SapInstance("s", "subscribers", "subscribers", point), SapInstance("i", "internet", "internet", outside)),
    )

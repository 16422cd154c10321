"""Small descriptors in code: a firewall, an NSH-aware function and a NAT, and a network service of them."""

from __future__ import annotations

from dataclasses import replace

from vnf_descriptors.model import (
    AddressAssignment,
    AffinityKind,
    AffinityRule,
    Checksum,
    ConstituentKind,
    CpuPolicy,
    ExtCp,
    L2Protocol,
    L3Protocol,
    Nfp,
    NfpConnectionPoint,
    NfpElement,
    NfpPosition,
    NfpRule,
    Nsd,
    NsFlavour,
    NsVirtualLink,
    PortRange,
    Sap,
    SfEncapsulation,
    SfFacts,
    SfLayer,
    SwImage,
    Vdu,
    VduCp,
    VduCpu,
    VnfConnection,
    Vnfd,
    Vnffg,
    VnfFlavour,
    VnfProfile,
    VnicType,
)

FIREWALL = "11111111-0000-4000-8000-000000000001"
DPI = "11111111-0000-4000-8000-000000000002"
NAT = "11111111-0000-4000-8000-000000000003"
NSD = "22222222-0000-4000-8000-000000000001"


def cp(id: str, vdu: str, *layers: str, order: int = 0, sf: SfFacts | None = None, fixed: str = "") -> VduCp:
    addresses = (AddressAssignment("ip_address", fixed_addresses=(fixed,)),) if fixed else ()
    return VduCp(id, vdu, layers or ("ethernet",), order=order, sf=sf, addresses=addresses)


def vnfd(descriptor_id: str, name: str, *cps: VduCp, vcpus: int = 2) -> Vnfd:
    image = SwImage(
        "image", name, "1.0", f"Files/images/{name}.tar", checksum=Checksum("sha-256", "00" * 32), size_bytes=1
    )
    vdu = Vdu(
        id=name,
        name=name,
        description="",
        cpu=VduCpu(vcpus, CpuPolicy.DEDICATED),
        memory_mib=512,
        page_size_kib=2048,
        sw_image=image,
    )
    flavour = VnfFlavour(
        id="simple",
        description="",
        vdus=(vdu,),
        vdu_cps=cps,
        ext_cps=tuple(ExtCp(one.id, f"link_{one.id}", one.layer_protocols, vdu_cp_id=one.id) for one in cps),
    )
    return Vnfd(descriptor_id, "Catena", name, "1.0", "1.0", ("etsivnfm:v3.3.1",), (flavour,))


def firewall() -> Vnfd:
    facts = SfFacts(SfEncapsulation.NONE, SfLayer.L2)
    return vnfd(
        FIREWALL,
        "firewall",
        cp("in", "firewall", order=0, sf=facts),
        cp("out", "firewall", order=1, sf=facts),
        cp("mgmt", "firewall", "ipv4", "ipv6", order=2),
    )


def dpi() -> Vnfd:
    return vnfd(
        DPI,
        "dpi",
        cp("sfc", "dpi", order=0, sf=SfFacts(SfEncapsulation.NSH)),
        cp("mgmt", "dpi", "ipv4", "ipv6", order=1),
    )


def nat() -> Vnfd:
    outside = replace(cp("outside", "nat", "ipv4", order=1), vnic_type=VnicType.DIRECT, physnet="dc1")
    facts = SfFacts(SfEncapsulation.NONE, SfLayer.L3, rewrites_5tuple=True)
    return vnfd(
        NAT,
        "nat",
        cp("inside", "nat", "ipv4", order=0, sf=facts, fixed="10.10.0.1"),
        outside,
        cp("mgmt", "nat", "ipv4", "ipv6", order=2),
    )


VNFDS = {FIREWALL: firewall, DPI: dpi, NAT: nat}


def _at(profile: str, ingress: str, egress: str | None = None) -> NfpPosition:
    def point(name: str) -> NfpConnectionPoint:
        return NfpConnectionPoint(ConstituentKind.VNF, profile, f"link_{name}")

    return NfpPosition(profile, (NfpElement(profile, point(ingress), point(egress or ingress)),))


def _from_sap(sap: str) -> NfpPosition:
    point = NfpConnectionPoint(ConstituentKind.SAP, sap, sap)
    return NfpPosition(sap, (NfpElement(sap, point, point),))


def _profile(name: str, vnfd_id: str, **links: str) -> VnfProfile:
    connections = tuple(VnfConnection(f"link_{cp_name}", link) for cp_name, link in links.items())
    return VnfProfile(name, vnfd_id, "simple", connections=connections)


def gi_lan() -> Nsd:
    """Subscribers reach the internet through firewall, dpi and nat; dpi for the web alone."""
    web = tuple(
        NfpRule(f"web-{port}", "ipv4", "tcp", destination_ports=PortRange(port, port), priority=100)
        for port in (80, 443)
    )
    start = _from_sap("subscribers")
    flavour = NsFlavour(
        id="simple",
        vnf_profiles=(
            _profile("firewall", FIREWALL, **{"in": "access", "out": "access", "mgmt": "mgmt"}),
            _profile("dpi", DPI, sfc="access", mgmt="mgmt"),
            _profile("nat", NAT, inside="access", outside="internet", mgmt="mgmt"),
        ),
        virtual_links=(
            NsVirtualLink("access", ("ipv4",), l3=(L3Protocol(4, "10.10.0.0/24", gateway_ip="10.10.0.1"),)),
            NsVirtualLink(
                "internet",
                ("ipv4",),
                l2=L2Protocol(name="dc1", network_type="flat"),
                l3=(L3Protocol(4, "198.51.100.0/24", gateway_ip="198.51.100.1"),),
            ),
            NsVirtualLink(
                "mgmt", ("ipv4", "ipv6"), l3=(L3Protocol(4, "192.0.2.0/24"), L3Protocol(6, "fd00:ca:7e::/64"))
            ),
        ),
        saps=(Sap("subscribers", "access"), Sap("internet", "internet")),
        affinity_rules=(AffinityRule("apart", AffinityKind.ANTI_AFFINITY, "nfvi_node", ("firewall", "dpi", "nat")),),
        vnffgs=(
            Vnffg(
                "value-added",
                "",
                (
                    Nfp(
                        "web", (start, _at("firewall", "in", "out"), _at("dpi", "sfc"), _at("nat", "inside")), web, True
                    ),
                    Nfp(
                        "other",
                        (start, _at("firewall", "in", "out"), _at("nat", "inside")),
                        (NfpRule("rest", "ipv4"),),
                        True,
                    ),
                ),
            ),
        ),
    )
    return Nsd(NSD, "33333333-0000-4000-8000-000000000001", "Catena", "gi-lan", "1.0", (flavour,))

from __future__ import annotations

import json
import pickle
import subprocess
import sys

import pytest

from vnf_descriptors.model import (
    AffinityKind,
    AffinityRule,
    ConstituentKind,
    CpuPolicy,
    FrozenMap,
    InstantiationLevel,
    L3Protocol,
    Nfp,
    NfpConnectionPoint,
    NfpElement,
    NfpPosition,
    NfpRule,
    Nsd,
    NsFlavour,
    NsVirtualLink,
    PageSizeClass,
    Pnfd,
    PnfExtCp,
    PortRange,
    Qos,
    ScalingAspect,
    SfEncapsulation,
    SfFacts,
    Vdu,
    VduCp,
    VduCpu,
    Vnfd,
    Vnffg,
    VnfFlavour,
    VnfProfile,
    VnicType,
    from_json,
    to_json,
)

ID = "b1bb0ce7-ebca-4fa7-95ed-4840d70a1177"


def vnfd() -> Vnfd:
    vdu = Vdu(
        "fw",
        "firewall",
        "",
        VduCpu(2, CpuPolicy.DEDICATED),
        512,
        page_size_kib=2048,
        requires=FrozenMap({"disk": "ssd"}),
    )
    proxy = Vdu("proxy", "proxy", "", VduCpu(1), 256, page_size_kib=PageSizeClass.LARGE, max_instances=4)
    cps = (
        VduCp("second", "fw", ("ethernet",), order=1),
        VduCp("first", "fw", ("ethernet",), order=0, vnic_type=VnicType.DIRECT, sf=SfFacts(SfEncapsulation.NSH)),
    )
    aspect = ScalingAspect("out", "out", "", 3, ("one", "two"), FrozenMap({"proxy": FrozenMap({"one": 1, "two": 2})}))
    levels = (InstantiationLevel("small", "", vdu_instances=FrozenMap({"proxy": 3})),)
    flavour = VnfFlavour(
        "simple",
        "",
        (vdu, proxy),
        cps,
        scaling_aspects=(aspect,),
        instantiation_levels=levels,
        default_level_id="small",
    )
    return Vnfd(ID, "Catena", "firewall", "1.0", "1.0", ("catena",), (flavour,))


def nsd() -> Nsd:
    end = NfpConnectionPoint(ConstituentKind.VNF, "fw", "virtual_link_in", "access")
    nfp = Nfp(
        "web",
        (NfpPosition("p1", (NfpElement("e1", end, end),)),),
        (NfpRule("r1", protocol="tcp", destination_ports=PortRange(80, 80), priority=5),),
        symmetric=True,
    )
    flavour = NsFlavour(
        "simple",
        vnf_profiles=(VnfProfile("fw", ID, "simple"),),
        virtual_links=(
            NsVirtualLink("access", ("ethernet",), l3=(L3Protocol(4, "10.10.0.0/24"),), qos=Qos(10, 1, 0.5)),
        ),
        affinity_rules=(AffinityRule("apart", AffinityKind.ANTI_AFFINITY, "nfvi_node", ("fw",)),),
        vnffgs=(Vnffg("graph", "", (nfp,)),),
    )
    return Nsd(ID, ID, "Catena", "gi-lan", "1.0", (flavour,))


@pytest.mark.parametrize(
    "model", [vnfd(), nsd(), Pnfd(ID, ID, "Catena", "router", "1", "routes", (PnfExtCp("wan", ("ipv4",)),))]
)
def test_json_round_trip_through_text(model: Vnfd | Nsd | Pnfd) -> None:
    text = json.dumps(to_json(model))
    assert from_json(json.loads(text)) == model
    assert hash(from_json(json.loads(text))) == hash(model)
    assert pickle.loads(pickle.dumps(model)) == model


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        (("kind",), "Vnfs", "kind must be one of"),
        (("provider",), 3, "Vnfd.provider must be of type str"),
        (("surprise",), 3, "Vnfd has no field 'surprise'"),
        (("flavours",), {}, "Vnfd.flavours must be an array"),
        (("flavours", 0, "vdus", 0, "cpu", "policy"), "mine", "must be one of dedicated, shared, mixed"),
        (("flavours", 0, "vdus", 0, "memory_mib"), True, "memory_mib must be of type int"),
        (("flavours", 0, "vdus", 0, "memory_mib"), 0, "must be at least 1"),
        (("descriptor_id",), "a\nb", "descriptor_id must be 1 to 255 printable"),
    ],
)
def test_json_that_does_not_fit_says_where(path: tuple[str | int, ...], value: object, problem: str) -> None:
    data = json.loads(json.dumps(to_json(vnfd())))
    target = data
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = value
    with pytest.raises(ValueError, match=r"must|has no") as caught:
        from_json(data)
    assert problem in str(caught.value)


def test_a_missing_field_is_named() -> None:
    data = to_json(vnfd())
    del data["provider"]
    with pytest.raises(ValueError, match=r"Vnfd\.provider is missing"):
        from_json(data)


def test_fields_with_defaults_may_be_absent() -> None:
    data = to_json(vnfd())
    del data["sol001_edition"]
    assert from_json(data) == vnfd()


def test_instances_by_level_and_by_scale_level() -> None:
    flavour = vnfd().flavour()
    assert flavour.instances() == {"fw": 1, "proxy": 3}
    assert flavour.instances_at({"out": 0}) == {"fw": 1, "proxy": 1}
    assert flavour.instances_at({"out": 3}) == {"fw": 1, "proxy": 6}  # 1 + one + two + two
    with pytest.raises(ValueError, match="0 to 3"):
        flavour.instances_at({"out": 4})
    with pytest.raises(KeyError):
        flavour.instances_at({"up": 1})


def test_connection_points_come_in_their_order() -> None:
    assert [cp.id for cp in vnfd().flavour().cps_of("fw")] == ["first", "second"]


def test_a_mixed_policy_needs_indices_and_only_that() -> None:
    with pytest.raises(ValueError, match="dedicated_vcpus"):
        VduCpu(2, CpuPolicy.MIXED)
    with pytest.raises(ValueError, match="dedicated_vcpus"):
        VduCpu(2, CpuPolicy.SHARED, (0,))
    with pytest.raises(ValueError, match="below 2"):
        VduCpu(2, CpuPolicy.MIXED, (2,))


def test_a_name_with_a_newline_is_refused() -> None:
    with pytest.raises(ValueError, match="printable"):
        Vdu("a\nb", "", "", VduCpu(1), 1)


def test_a_frozen_map_does_not_change() -> None:
    frozen = FrozenMap({"a": 1})
    assert frozen == {"a": 1}
    with pytest.raises(TypeError):
        frozen["a"] = 2
    with pytest.raises(AttributeError):
        frozen.other = 1


def test_importing_the_library_loads_neither_toscaparser_nor_pyroute2() -> None:
    code = (
        "import sys, vnf_descriptors, vnf_descriptors.model\n"
        "heavy = {'toscaparser', 'pyroute2', 'yaml', 'cryptography', 'mano', 'sfc', 'dpdk_helpers'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"

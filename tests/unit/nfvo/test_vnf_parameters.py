"""What a request on an NS says of its VNFs."""

from __future__ import annotations

from typing import Any

import pytest

from mano.errors import InvalidInput
from mano.nfvo.plan import NsPlan, PlannedVnf
from mano.nfvo.vnf_parameters import named, params_for, require_profiles, with_rules
from vnf_descriptors.model import AffinityKind, NsFlavour, VnfProfile


def vnf(profile: str, index: int) -> PlannedVnf:
    return PlannedVnf(
        profile_id=profile,
        index=index,
        vnf_instance_id=f"{profile}-{index}",
        operation_id="",
        vnfd_id=f"vnfd-{profile}",
        package_id="",
        flavour_id="",
        level_id="",
        name=f"{profile}-{index}",
        vnfcs=(),
    )


PLAN = NsPlan("simple", (), (vnf("a", 0), vnf("a", 1), vnf("b", 0)), ())
FLAVOUR = NsFlavour(
    "simple", vnf_profiles=(VnfProfile("a", vnfd_id="vnfd-a", flavour_id="f"), VnfProfile("b", "vnfd-b", "f"))
)


def test_parameters_are_those_of_the_profile() -> None:
    request = {"additionalParamsForVnf": [{"vnfProfileId": "a", "extensions": {"x": 1}}]}
    assert params_for(request, PLAN, PLAN.vnfs[1])["extensions"] == {"x": 1}
    assert params_for({"scaleNsData": request}, PLAN, PLAN.vnfs[0])["extensions"] == {"x": 1}
    assert params_for(request, PLAN, PLAN.vnfs[2]) == {}


def test_each_of_several_new_vnfs_has_its_own() -> None:
    request = {
        "instantiateVnfData": [{"vnfProfileId": "a", "n": 0}, {"vnfdId": "vnfd-b"}, {"vnfdId": "vnfd-a", "n": 1}]
    }
    assert [params_for(request, PLAN, one).get("n") for one in PLAN.vnfs] == [0, 1, None]


def test_names_carry_a_number_where_several_have_them() -> None:
    items = [{"vnfProfileId": one, "vnfInstanceName": "mine", "vnfInstanceDescription": "d"} for one in ("a", "b")]
    request = {"additionalParamsForVnf": items}
    assert [named(request, PLAN, one)[0] for one in PLAN.vnfs] == ["mine-0", "mine-1", "mine"]
    assert named(request, PLAN, PLAN.vnfs[0])[1] == {"description": "d"}
    assert named({}, PLAN, PLAN.vnfs[0]) == ("a-0", {})


def test_rules_of_the_request_bind_as_those_of_the_nsd() -> None:
    rule = {
        "affinityOrAntiAffinity": "ANTI_AFFINITY",
        "scope": "NFVI_NODE",
        "vnfProfileId": ["a"],
        "vnfdId": ["vnfd-b"],
    }
    (made,) = with_rules(FLAVOUR, {"additionalAffinityOrAntiAffinityRule": [rule]}).affinity_rules
    assert (made.kind, made.scope, made.members) == (AffinityKind.ANTI_AFFINITY, "nfvi_node", ("a", "b"))
    assert with_rules(FLAVOUR, {}) is FLAVOUR


@pytest.mark.parametrize(
    ("rule", "pointer"),
    [
        ({"affinityOrAntiAffiinty": "AFFINITY", "scope": "ZONE", "vnfProfileId": ["x"]}, "/vnfProfileId/0"),
        ({"affinityOrAntiAffiinty": "AFFINITY", "scope": "ZONE", "vnfdId": ["x"]}, "/vnfdId/0"),
        ({"affinityOrAntiAffinity": "SOMEHOW", "scope": "ZONE"}, ""),
        ({"affinityOrAntiAffinity": "AFFINITY"}, ""),
    ],
)
def test_rules_that_bind_nothing_are_refused(rule: Any, pointer: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        with_rules(FLAVOUR, {"additionalAffinityOrAntiAffinityRule": [rule]})
    assert refused.value.facts["pointer"] == f"/additionalAffinityOrAntiAffinityRule/0{pointer}"


def test_parameters_of_nobody_are_refused() -> None:
    with pytest.raises(InvalidInput) as refused:
        require_profiles(FLAVOUR, {"scaleNsData": {"additionalParamsForVnf": [{"vnfProfileId": "c"}]}})
    assert refused.value.facts["pointer"] == "/scaleNsData/additionalParamsForVnf/0/vnfProfileId"

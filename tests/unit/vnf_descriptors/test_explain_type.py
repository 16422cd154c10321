"""What the standard's types say, by path."""

from __future__ import annotations

import pytest

from vnf_descriptors import explain_type
from vnf_descriptors.type_paths import nearest_type


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("tosca.nodes.nfv.Vdu.Compute", "node type, derived from tosca.nodes.Root"),
        ("tosca.nodes.nfv.Vdu.Compute", "virtual_compute: tosca.capabilities.nfv.VirtualCompute"),
        ("tosca.nodes.nfv.Vdu.Compute.properties.vdu_profile", "vdu_profile: property of tosca.nodes.nfv.Vdu.Compute"),
        ("tosca.nodes.nfv.Vdu.Compute.properties.vdu_profile", "min_number_of_instances: integer; required"),
        ("tosca.nodes.nfv.Vdu.Compute.vdu_profile.max_number_of_instances", "integer; required"),
        ("tosca.nodes.nfv.Vdu.Compute.capabilities.virtual_compute.properties.virtual_cpu", "num_virtual_cpu: integer"),
        ("tosca.nodes.nfv.Vdu.Compute.requirements.virtual_storage", "0 to any number"),
        ("Vdu.Compute.vdu_profile", "tosca.datatypes.nfv.VduProfile"),
        ("tosca.nodes.nfv.VduCp.vnic_type", "one of normal, "),
        ("tosca.nodes.nfv.VduCp.properties.layer_protocols", "list of string"),
        ("tosca.policies.nfv.NfpRule.destination_port_range", "in the editions held: 3.7.1, 4.4.1"),
        ("tosca.nodes.nfv.VNF.interfaces.Vnflcm", "instantiate: "),
        ("tosca.policies.nfv.ScalingAspects.aspects.step_deltas", "list of string"),
        ("tosca.nodes.Compute", "capabilities:"),
    ],
)
def test_a_path_is_explained(path: str, says: str) -> None:
    text = explain_type(path)
    assert text is not None and says in text, text


@pytest.mark.parametrize(
    "path",
    ["", ".", "tosca", "tosca.nodes.nfv.Vdu", "tosca.nodes.nfv.VduCp.bogus", "VduCp.properties.bogus", "a" * 999],
)
def test_what_is_not_there_is_not_explained(path: str) -> None:
    assert explain_type(path) is None


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("tosca.nodes.nfv.Vdu.Compute.properties.vdu_profil", "tosca.nodes.nfv.Vdu.Compute.properties.vdu_profile"),
        ("tosca.nodes.nfv.Vdu.Compute.propertys", "tosca.nodes.nfv.Vdu.Compute.properties"),
        ("tosca.nodes.nfv.Vdu.Computer", "tosca.nodes.nfv.Vdu.Compute"),
        ("Vdu.Computer", "tosca.nodes.nfv.Vdu.Compute"),
        ("qqq.www.zzz", None),
    ],
)
def test_what_was_probably_meant(path: str, meant: str | None) -> None:
    assert nearest_type(path) == meant

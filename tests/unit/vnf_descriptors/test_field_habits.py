"""What packages in the field do that the standard does not foresee, and that leaves no doubt of what they mean."""

from __future__ import annotations

import re
from pathlib import Path

import vnf_descriptors
from tests.unit.vnf_descriptors.descriptor_support import VNFD, changed, check_text, codes, found, write
from vnf_descriptors import Severity, Vnfd

SUBSTITUTION = """\
  substitution_mappings:
    node_type: example.Balancer
    properties: {flavour_id: simple}
    requirements:
      virtual_link: [front, virtual_link]
"""
OWN_NODE = """\
    vnf:
      type: example.Balancer
      interfaces:
        Vnflcm:
          instantiate: {implementation: install.sh}
"""


def without_own_node() -> str:
    """The VNFD with the VNF's type alone: neither a node of it nor a mapping to it."""
    return changed(OWN_NODE, "", changed(SUBSTITUTION, ""))


def test_a_type_that_no_node_is_of_still_names_the_vnf(tmp_path: Path) -> None:
    text = without_own_node()
    report = check_text(tmp_path, text)
    assert [entry.severity for entry in found(report, "VNFD001")] == [Severity.WARNING]
    model = vnf_descriptors.load(tmp_path / "vnfd.yaml")
    assert isinstance(model, Vnfd)
    assert (model.provider, model.product_name, model.flavours[0].id) == ("Example", "Balancer", "simple")


def test_a_type_that_leaves_a_property_open_names_no_vnf(tmp_path: Path) -> None:
    text = changed("provider: {type: string, default: Example}", "provider: {type: string}", without_own_node())
    assert "VNFD001" in codes(check_text(tmp_path, text), errors_only=True)


def test_two_types_do_not_tell_which_is_the_vnf(tmp_path: Path) -> None:
    text = changed("node_types:\n", "node_types:\n  example.Other: {derived_from: example.Balancer}\n")
    text = changed(OWN_NODE, "", changed(SUBSTITUTION, "", text))
    assert "VNFD001" in codes(check_text(tmp_path, text), errors_only=True)


def test_a_copy_of_the_standards_types_may_lack_what_nobody_gives(tmp_path: Path) -> None:
    copy = (
        "  tosca.nodes.nfv.Extra: {derived_from: tosca.nodes.Root, properties: {more: {type: tosca.datatypes.nfv.Gone"
    )
    optional = changed("node_types:\n", f"node_types:\n{copy}, required: false}}}}}}\n")
    report = check_text(tmp_path, optional)
    assert report.ok and [entry.code for entry in report] == ["TOSCA006"]
    assert "TOSCA006" in codes(check_text(tmp_path, optional.replace(", required: false", "")), errors_only=True)
    vendors = optional.replace("tosca.nodes.nfv.Extra", "example.Extra")
    assert "TOSCA006" in codes(check_text(tmp_path, vendors), errors_only=True)


def test_a_vnf_that_requires_itself_leaves_the_link_to_its_flavours(tmp_path: Path) -> None:
    text = changed(
        "      flavour_description: {type: string, default: One size}\n",
        "      flavour_description: {type: string, default: One size}\n"
        "    requirements:\n    - virtual_link_internal: {capability: tosca.capabilities.nfv.VirtualLinkable}\n",
    )
    text = changed("    vnf:\n      type: example.Balancer\n", "    vnf:\n      type: example.Balancer\n@", text)
    itself = text.replace("@", "      requirements:\n      - virtual_link_internal: vnf\n")
    report = check_text(tmp_path, itself)
    assert report.ok and "TOSCA015" in codes(report), report.to_text()
    other = text.replace("@", "      requirements:\n      - virtual_link_internal: disk\n")
    assert "TOSCA015" in codes(check_text(tmp_path, other), errors_only=True)


def test_an_external_link_is_mapped_by_the_name_that_vnf_ext_cp_has(tmp_path: Path) -> None:
    text = changed("virtual_link: [front, virtual_link]", "virtual_link: [front, external_virtual_link]")
    report = check_text(tmp_path, text)
    assert report.ok and "Did you mean 'virtual_link'?" in [entry.hint for entry in found(report, "TOSCA014")]
    text = changed("virtual_link: [front, virtual_link]", "virtual_link: [front, inner_link]")
    assert "TOSCA014" in codes(check_text(tmp_path, text), errors_only=True)


def test_every_hint_and_message_ends_without_a_full_stop_of_its_own(tmp_path: Path) -> None:
    text = re.sub("num_virtual_cpu: 4", "num_virtual_cpu: many", VNFD)
    (entry,) = found(vnf_descriptors.validate(write(tmp_path / "vnfd.yaml", text.encode())), "TOSCA011")
    assert "expected an integer" in f"{entry.message}. {entry.hint}" and not entry.message.endswith(".")

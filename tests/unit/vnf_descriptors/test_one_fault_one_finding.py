"""One slip of the pen is one finding: what stands below a misspelt name is still read, and nothing seems to lack."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.vnf_descriptors.descriptor_support import SAMPLES, changed, check_text, line_of, write
from vnf_descriptors import Nsd, Report, from_json, load, to_json, validate
from vnf_descriptors.keywords import MAX_GUESSES, NODE_TEMPLATE, Speller
from vnf_descriptors.model import Bitrate
from vnf_descriptors.report import MAX_OF_A_CODE
from vnf_descriptors.templates import MAX_IMPORTS
from vnf_descriptors.yamltree import Mapping, compose

NSD = (SAMPLES / "gi-lan/Definitions/gi-lan.yaml").read_text()
VNF_TYPES = (SAMPLES / "gi-lan/Definitions/vnf_types.yaml").read_text()

#: How the capability of the VDU `lb` begins.
COMPUTE = """\
        virtual_compute:
          properties:
            virtual_cpu:
              num_virtual_cpu: 4"""
#: What is replaced, by what, the code of the only error, and what its hint names.
SLIPS = [
    ("imports:", "import:", "TOSCA002", "imports"),
    ("node_types:", "node_type:", "TOSCA002", "node_types"),
    ("topology_template:", "topology_tempalte:", "TOSCA002", "topology_template"),
    ("  substitution_mappings:", "  substitution_mapping:", "TOSCA002", "substitution_mappings"),
    ("    node_type: example", "    node_typ: example", "TOSCA002", "node_type"),
    ("  node_templates:", "  node_template:", "TOSCA002", "node_templates"),
    ("    lb:\n      type:", "    lb:\n      tpye:", "TOSCA002", "type"),
    ("    lb:\n      type: tosca.nodes.nfv.Vdu.Compute\n      properties:",
     "    lb:\n      type: tosca.nodes.nfv.Vdu.Compute\n      propertys:", "TOSCA002", "properties"),
    (f"      capabilities:\n{COMPUTE}", f"      capabilites:\n{COMPUTE}", "TOSCA002", "capabilities"),
    (COMPUTE, COMPUTE.replace("properties", "propertis"), "TOSCA002", "properties"),
    (COMPUTE, COMPUTE.replace("virtual_compute", "virtual_computes"), "TOSCA017", "virtual_compute"),
    ("      requirements:\n      - virtual_storage: disk", "      requirments:\n      - virtual_storage: disk",
     "TOSCA002", "requirements"),
    ("    derived_from: tosca.nodes.nfv.VNF", "    derived_form: tosca.nodes.nfv.VNF", "TOSCA002", "derived_from"),
]  # fmt: skip


def errors(report: Report) -> list[str]:
    return [entry.code for entry in report.errors]


@pytest.mark.parametrize(("piece", "by", "code", "meant"), SLIPS, ids=[each[1].split()[0] for each in SLIPS])
def test_a_misspelt_name_is_the_only_error(tmp_path: Path, piece: str, by: str, code: str, meant: str) -> None:
    report = check_text(tmp_path, changed(piece, by))
    assert [entry.code for entry in report] == [code], report.to_text()
    assert report.errors[0].hint == f"Did you mean '{meant}'?"


def test_faults_below_a_misspelt_keyword_are_told(tmp_path: Path) -> None:
    text = changed("    lb:\n      type: tosca.nodes.nfv.Vdu.Compute\n      properties:\n        name: lb",
                   "    lb:\n      type: tosca.nodes.nfv.Vdu.Compute\n      propertys:\n        nam: lb")  # fmt: skip
    report = check_text(tmp_path, text)
    assert errors(report) == ["TOSCA002", "TOSCA009"]
    assert report.errors[1].line == line_of("nam: lb", text)


def test_no_more_misspelt_keywords_are_guessed_than_a_person_writes() -> None:
    node = compose("\n".join(f"propertys{number}: x" for number in range(9)).encode(), "a.yaml").root
    assert isinstance(node, Mapping)
    speller = Speller()
    read = speller.respelt(node, NODE_TEMPLATE)
    assert "properties" in read.entries
    assert read.key("properties").line == 1
    for _ in range(MAX_GUESSES):
        speller.respelt(node, NODE_TEMPLATE)
    assert speller.respelt(node, NODE_TEMPLATE) is node


def test_an_unknown_aspect_is_told_where_it_is_named_alone(tmp_path: Path) -> None:
    text = changed("aspect: ", "aspect: x")
    report = check_text(tmp_path, text)
    assert set(errors(report)) == {"VNFD007"}
    assert all("there is no scaling aspect" in entry.message for entry in report.errors), report.to_text()


def test_an_unknown_input_says_nothing_of_memory_or_cells(tmp_path: Path) -> None:
    report = check_text(tmp_path, changed("virtual_mem_size: 4 GiB", "virtual_mem_size: {get_input: siet}"))
    assert [(entry.code, entry.hint) for entry in report] == [("TOSCA019", "Did you mean 'site'?")]


def test_an_empty_range_of_ports_is_told(tmp_path: Path) -> None:
    rule = """  policies:
  - web:
      type: tosca.policies.nfv.SecurityGroupRule
      properties: {protocol: tcp, port_range_min: 800, port_range_max: 443}
      targets: [front]
"""
    text = changed("  policies:\n", rule)
    report = check_text(tmp_path, text)
    assert [(entry.code, entry.line) for entry in report] == [("VNFD015", line_of("      properties: {protocol", text))]


def test_a_refined_data_type_is_no_doubt_of_the_parser(tmp_path: Path) -> None:
    types = """data_types:
  example.Extensions:
    derived_from: tosca.datatypes.nfv.VnfInfoModifiableAttributesExtensions
    properties:
      zone: {type: string, default: a}
  example.Attributes:
    derived_from: tosca.datatypes.nfv.VnfInfoModifiableAttributes
    properties:
      extensions: {type: example.Extensions}
node_types:
  example.Balancer:
    derived_from: tosca.nodes.nfv.VNF
    properties:
      modifiable_attributes: {type: example.Attributes, required: false}
"""
    text = changed("node_types:\n  example.Balancer:\n    derived_from: tosca.nodes.nfv.VNF\n    properties:\n", types)
    own = "    vnf:\n      type: example.Balancer\n"
    text = changed(own, f"{own}      properties: {{modifiable_attributes: {{extensions: {{zone: b}}}}}}\n", text)
    assert check_text(tmp_path, text).to_text() == ""


def test_a_capability_that_no_requirement_is_named_like_gets_a_hint(tmp_path: Path) -> None:
    write(tmp_path / "vnf_types.yaml", VNF_TYPES.replace("forwarding_in", "port_a").encode())
    report = validate(write(tmp_path / "vnfd.yaml", NSD.replace("forwarding_in", "port_a").encode()))
    unwired = [entry for entry in report if entry.code == "NSD005"]
    assert unwired, report.to_text()
    assert all("Name the capability like its requirement (" in entry.hint for entry in unwired)


def test_fwd_is_short_for_forwarding(tmp_path: Path) -> None:
    write(tmp_path / "vnf_types.yaml", VNF_TYPES.replace("forwarding_in", "fwd_in").encode())
    path = write(tmp_path / "vnfd.yaml", NSD.replace("forwarding_in", "fwd_in").encode())
    assert validate(path).ok
    assert isinstance(load(path), Nsd)


IMPORT = "imports:\n- https://forge.etsi.org/rep/nfv/SOL001/raw/v4.4.1/etsi_nfv_sol001_vnfd_types.yaml\n"


@pytest.mark.parametrize(
    ("imports", "code"),
    [
        ("", "TOSCA008"),
        ("imports: []\n", "TOSCA008"),
        ("imports: etsi_nfv_sol001_vnfd_types.yaml\n", "TOSCA021"),
        ("imports: {file: etsi_nfv_sol001_vnfd_types.yaml}\n", "TOSCA021"),
        ("imports: [../../etsi_nfv_sol001_vnfd_types.yaml]\n", "TOSCA004"),
    ],
)
def test_types_that_are_not_imported_well_are_one_error(tmp_path: Path, imports: str, code: str) -> None:
    text = changed("num_virtual_cpu: 4", "num_virtual_cpu: many", changed(IMPORT, imports))
    report = check_text(tmp_path, text)
    assert sorted(errors(report)) == sorted([code, "TOSCA011"]), report.to_text()


def test_a_type_of_a_later_edition_is_told_as_such(tmp_path: Path) -> None:
    text = changed(
        "v4.4.1",
        "v2.6.1",
        changed("    work:\n      type: tosca.nodes.nfv.VduCp", "    work:\n      type: tosca.nodes.nfv.VipCp"),
    )
    report = check_text(tmp_path, text)
    hints = [entry.hint for entry in report if entry.code == "TOSCA006"]
    assert hints == ["Edition 4.4.1 of the standard knows it, but 2.6.1 is imported"]
    assert "TOSCA011" in errors(report), "the imported edition still judges the rest"


def test_what_a_failed_import_may_have_held_is_said(tmp_path: Path) -> None:
    own = "    disk:\n      type: "
    text = changed(f"{own}tosca.nodes.nfv.Vdu.VirtualBlockStorage", f"{own}acme.Disk")
    text = changed("imports:\n", "imports:\n- acme.yaml\n", text)
    hints = [entry.hint for entry in check_text(tmp_path, text) if entry.code == "TOSCA006"]
    assert hints == ["It may stand in 'acme.yaml', which cannot be used"]


def test_a_property_that_only_sounds_alike_is_not_taken_for_another(tmp_path: Path) -> None:
    pages = "virtual_mem_size: 4 GiB\n              vdu_mem_requirement: [{hugepage_size: 1 GiB}]"
    text = changed("              vdu_mem_requirements:", "              #", changed("virtual_mem_size: 4 GiB", pages))
    report = check_text(tmp_path, text)
    assert [(entry.code, entry.hint) for entry in report] == [("TOSCA009", "")]


def test_thousands_of_faults_of_one_code_are_counted(tmp_path: Path) -> None:
    missing = "".join(f"- file{number}.yaml\n" for number in range(MAX_IMPORTS + 1))
    report = check_text(tmp_path, changed("imports:\n", f"imports:\n{missing}"))
    told = [entry.message for entry in report if entry.code == "TOSCA003"]
    assert len(told) == MAX_OF_A_CODE + 1
    assert f"{MAX_IMPORTS - MAX_OF_A_CODE} more findings of this code" in told
    assert [entry.line for entry in report if entry.code == "YAML002"] == [MAX_IMPORTS + 4]


def test_a_misspelt_binding_does_not_look_like_a_missing_one(tmp_path: Path) -> None:
    text = changed("      - virtual_binding: worker", "      - virtual_bindin: worker")
    assert errors(check_text(tmp_path, text)) == ["TOSCA013"]


def test_limits_that_contradict_each_other_say_nothing_of_levels(tmp_path: Path) -> None:
    text = changed("min_number_of_instances: 2, max_number_of_instances: 9",
                   "min_number_of_instances: 12, max_number_of_instances: 9")  # fmt: skip
    assert [entry.code for entry in check_text(tmp_path, text)] == ["VNFD015"]


def test_the_level_of_the_vnfs_own_profile_exists(tmp_path: Path) -> None:
    own = "    vnf:\n      type: example.Balancer\n"
    text = changed(own, f"{own}      properties: {{vnf_profile: {{instantiation_level: smal}}}}\n")
    hints = [entry.hint for entry in check_text(tmp_path, text) if entry.code == "VNFD008"]
    assert hints == ["Did you mean 'small'?"]


def test_an_element_that_names_no_capability_is_told_once(tmp_path: Path) -> None:
    write(tmp_path / "vnf_types.yaml", VNF_TYPES.encode())
    report = validate(write(tmp_path / "vnfd.yaml", NSD.replace("forwarding_in}", "forwarding_inn}", 1).encode()))
    assert errors(report) == ["TOSCA015"], report.to_text()
    assert "Did you mean 'forwarding_in'?" in report.errors[0].message


def check_service(tmp_path: Path, text: str, kinds: str = VNF_TYPES) -> Report:
    """The report of the service's descriptor beside the types of its VNFs."""
    write(tmp_path / "vnf_types.yaml", kinds.encode())
    return validate(write(tmp_path / "vnfd.yaml", text.encode()))


@pytest.mark.parametrize("ports", ["[443, 80]", "[a, 80]", "[80, 70000]"])
def test_wrong_ports_of_a_rule_are_told_once(tmp_path: Path, ports: str) -> None:
    text = NSD.replace("destination_port_range: [80, 80]", f"destination_port_range: {ports}", 1)
    assert [entry.code for entry in check_service(tmp_path, text)] == ["NSD006"]


def test_a_misspelt_path_of_a_graph_is_told_where_it_is_named_alone(tmp_path: Path) -> None:
    report = check_service(tmp_path, changed("members: [web, other]", "members: [webx, other]", NSD))
    assert [(entry.code, entry.hint) for entry in report] == [("TOSCA014", "Did you mean 'web'?")]


def test_a_path_that_its_graph_leaves_out_is_told(tmp_path: Path) -> None:
    report = check_service(tmp_path, changed("members: [web, other]", "members: [other]", NSD))
    assert errors(report) == ["NSD010"]


def test_what_a_constituent_does_not_tell_is_one_warning(tmp_path: Path) -> None:
    kinds = VNF_TYPES
    for name, value in (("product_name", "firewall"), ("flavour_description", "One VNFC")):
        kinds = kinds.replace(f"{name}: {{type: string, default: {value}}}", f"{name}: {{type: string}}", 1)
    report = check_service(tmp_path, NSD, kinds)
    assert [(entry.code, entry.severity) for entry in report] == [("TOSCA010", "warning")]
    assert "does not tell 'product_name', 'flavour_description'" in report.findings[0].message


def test_a_scaled_vdu_without_an_initial_number_gets_a_warning(tmp_path: Path) -> None:
    deltas = """  policies:
  - lb_deltas:
      type: tosca.policies.nfv.VduScalingAspectDeltas
      targets: [lb]
      properties: {aspect: out, deltas: {first: {number_of_instances: 0}, more: {number_of_instances: 0}}}
"""
    report = check_text(tmp_path, changed("  policies:\n", deltas))
    assert [(entry.code, entry.severity) for entry in report] == [("VNFD007", "warning")], report.to_text()
    assert "'lb' is scaled, but has no VduInitialDelta" in report.findings[0].message


LINK_LEVELS = """  policies:
  - growth:
      type: tosca.policies.nfv.NsScalingAspects
      properties:
        aspects:
          wider: {name: wider, description: More, ns_scale_levels: {0: {description: Small}, 1: {description: Large}}}
  - rates:
      type: tosca.policies.nfv.VirtualLinkToLevelMapping
      targets: [access]
      properties: {aspect: wider, bit_rate_requirements: {0: {root: 1000}, 1: {root: 5000, leaf: 2000}}}
"""


def test_levels_of_an_aspect_set_bit_rates(tmp_path: Path) -> None:
    text = changed("  policies:\n", LINK_LEVELS, NSD)
    assert check_service(tmp_path, text).to_text() == ""
    service = load(tmp_path / "vnfd.yaml")
    assert isinstance(service, Nsd)
    (aspect,) = service.flavour().scaling_aspects
    assert [level.link_bitrates["access"] for level in aspect.levels] == [Bitrate(1000), Bitrate(5000, 2000)]
    assert from_json(to_json(service)) == service


def test_bit_rates_of_a_level_that_does_not_exist_are_told(tmp_path: Path) -> None:
    text = changed("1: {root: 5000", "2: {root: 5000", changed("  policies:\n", LINK_LEVELS, NSD))
    report = check_service(tmp_path, text)
    assert errors(report) == ["NSD009"]
    assert "has no scale level '2'" in report.errors[0].message

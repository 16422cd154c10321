"""Findings on service templates and types."""

from __future__ import annotations

from vnf_descriptors.codes.code import ERROR, INFO, WARNING, Code

_TYPES = "TOSCA Simple Profile 1.3, 3.7"
_TEMPLATES = "TOSCA Simple Profile 1.3, 3.8"
_VALUES = "TOSCA Simple Profile 1.3, 3.3"

TOSCA = (
    Code(
        "TOSCA001",
        ERROR,
        "tosca_definitions_version missing or unknown",
        "TOSCA Simple Profile 1.3, 3.1.2",
        "The first line of a service template says which TOSCA version it follows. SOL001 uses "
        "tosca_simple_yaml_1_2 and tosca_simple_yaml_1_3.",
        "tosca_definitions_version: tosca_simple_yaml_9_9",
    ),
    Code(
        "TOSCA002",
        ERROR,
        "unknown keyword",
        _TEMPLATES,
        "The keyword has no meaning at this place. Often it is misspelt, or indented one level off.",
        "propertys:\n  name: fw",
    ),
    Code(
        "TOSCA003",
        ERROR,
        "import not found",
        "TOSCA Simple Profile 1.3, 3.6.8",
        "An import names a file that is neither in the package nor one of the standard's type definitions.",
        "imports: [my_types.yaml]",
    ),
    Code(
        "TOSCA004",
        ERROR,
        "import refused",
        "TOSCA Simple Profile 1.3, 3.6.8",
        "Nothing is ever fetched. An import of a remote file that is not the standard's, of a path outside the "
        "package, or through a repository is refused.",
        "imports: ['http://example.org/types.yaml']",
    ),
    Code(
        "TOSCA005",
        ERROR,
        "imports form a cycle",
        "TOSCA Simple Profile 1.3, 3.6.8",
        "A file imports itself, directly or through others. What it defines would depend on itself.",
    ),
    Code(
        "TOSCA006",
        ERROR,
        "unknown type",
        _TYPES,
        "The type is defined neither in the package nor by the standard's edition that the package imports.",
        "type: tosca.nodes.nfv.Vdu.Computer",
    ),
    Code(
        "TOSCA007",
        ERROR,
        "type derives from itself",
        _TYPES,
        "A chain of derived_from leads back to its beginning.",
        "node_types:\n  a: {derived_from: b}\n  b: {derived_from: a}",
    ),
    Code(
        "TOSCA008",
        ERROR,
        "type definition faulty",
        _TYPES,
        "A type definition is not shaped as TOSCA wants it, or derives from a type that does not exist.",
    ),
    Code(
        "TOSCA009",
        ERROR,
        "unknown property",
        _VALUES,
        "The type defines no such property, capability property or input.",
        "virtual_cpu:\n  num_virtual_cpus: 2",
    ),
    Code(
        "TOSCA010",
        ERROR,
        "required property missing",
        _VALUES,
        "The type requires the property and gives it no default.",
    ),
    Code(
        "TOSCA011",
        ERROR,
        "value of the wrong type",
        _VALUES,
        "The value is not of the type that the definition gives: an integer, a boolean, a list, a map, a size with "
        "its unit, and so on.",
        "num_virtual_cpu: many",
    ),
    Code(
        "TOSCA012",
        ERROR,
        "value not allowed",
        "TOSCA Simple Profile 1.3, 3.6.3",
        "The value breaks a constraint of its definition: it is not one of the valid values, out of range, too "
        "long, or does not match the pattern.",
        "vnic_type: sriov",
    ),
    Code(
        "TOSCA013",
        ERROR,
        "unknown requirement",
        _TEMPLATES,
        "The node's type defines no requirement with this name.",
        "requirements:\n- virtual_bind: VDU1",
    ),
    Code(
        "TOSCA014",
        ERROR,
        "reference to something that does not exist",
        _TEMPLATES,
        "A requirement, group, policy or mapping names a node, group, capability or interface that is not defined.",
        "- virtual_binding: VDU9",
    ),
    Code(
        "TOSCA015",
        ERROR,
        "reference to something of the wrong type",
        _TEMPLATES,
        "The target exists, but it is of a type that cannot stand here: it lacks the capability that the "
        "requirement asks for, or the policy or group takes other types.",
        "- virtual_binding: internalVL1",
    ),
    Code(
        "TOSCA016",
        ERROR,
        "requirement given too often",
        _TEMPLATES,
        "The type limits how often the requirement may be fulfilled.",
    ),
    Code(
        "TOSCA017",
        ERROR,
        "unknown capability",
        _TEMPLATES,
        "The node's type defines no capability with this name.",
        "capabilities:\n  virtual_computer: {}",
    ),
    Code(
        "TOSCA018",
        ERROR,
        "unknown interface or operation",
        "TOSCA Simple Profile 1.3, 3.6.19",
        "The node's type has no such interface, or the interface no such operation or notification.",
    ),
    Code(
        "TOSCA019",
        ERROR,
        "function cannot be evaluated",
        "TOSCA Simple Profile 1.3, 4",
        "get_input names an input that is not defined, get_property or get_attribute a node or property that does "
        "not exist, or the function has the wrong arguments.",
        "{get_input: missing}",
    ),
    Code(
        "TOSCA020",
        ERROR,
        "artifact not in the package",
        "SOL001 6.5",
        "An artifact's file is a path relative to the file that names it, or to the root of the package, and must "
        "be a member. SOL004 also knows external artifacts, given by URI; as nothing is ever fetched, nobody could "
        "check them, and they are refused unless the policy allows them (Policy.allow_external, --allow-external).",
        "file: ../Files/images/missing.qcow2",
    ),
    Code(
        "TOSCA021",
        ERROR,
        "not shaped as TOSCA wants it",
        _TEMPLATES,
        "A map stands where a list belongs, a value where a map belongs, and so on.",
        "node_templates: [VDU1, VDU2]",
    ),
    Code(
        "TOSCA022",
        WARNING,
        "doubted by the TOSCA parser",
        _TEMPLATES,
        "The descriptor passes this library's own rules, but the independent TOSCA parser objects. Its objections to "
        "what SOL001 allows are known and left out, so this one deserves a look.",
    ),
    Code(
        "TOSCA023",
        WARNING,
        "TOSCA parser gave up",
        _TEMPLATES,
        "The independent TOSCA parser crashed, ran out of time or of memory on this descriptor. This library's own "
        "checks are complete without it.",
    ),
    Code(
        "TOSCA024",
        INFO,
        "other edition of the standard served",
        "SOL001 5",
        "The package imports type definitions of an edition that this library does not hold; the nearest edition "
        "with the same constructs is used.",
    ),
    Code(
        "TOSCA025",
        WARNING,
        "text without quotes",
        _VALUES,
        "A property of type string has a value that YAML reads as a number, boolean or date. It is taken as it was "
        "written; other tools may read '1.10' as 1.1.",
        "descriptor_version: 1.10",
    ),
    Code(
        "TOSCA026",
        INFO,
        "import served by this library",
        "SOL001 5",
        "The package names a type definition file of the standard without holding it; the library's own "
        "transcription of the standard is used.",
    ),
    Code(
        "TOSCA027",
        ERROR,
        "no topology template",
        _TEMPLATES,
        "The entry definitions hold no topology_template, so there is nothing to deploy.",
    ),
    Code(
        "TOSCA028",
        ERROR,
        "substitution mapping faulty",
        "TOSCA Simple Profile 1.3, 3.8.13",
        "substitution_mappings names the node type that the topology stands for and maps its requirements and "
        "capabilities to node templates of the topology.",
        "virtual_link: [CP1]",
    ),
    Code(
        "TOSCA030",
        ERROR,
        "descriptor cannot be modelled",
        _TEMPLATES,
        "The descriptor passes every rule, but two of its facts cannot both hold in the model that the rest of the "
        "system works with; the message says which.",
    ),
    Code(
        "TOSCA031",
        ERROR,
        "repository outside the package",
        "TOSCA Simple Profile 1.3, 3.6.6",
        "A repository is an address from which imports and artifacts would be fetched. Nothing ever is: what a package "
        "needs is in the package. The policy may allow repositories of artifacts (Policy.allow_external, "
        "--allow-external), such as a registry of container images; imports from them stay refused.",
        "repositories:\n  hub: {url: 'https://registry.example/'}",
    ),
)

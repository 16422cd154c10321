"""What rules and readers look at: a package's templates, types and topologies."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from vnf_descriptors.implied_imports import implied_imports
from vnf_descriptors.keywords import Speller
from vnf_descriptors.package import Package
from vnf_descriptors.report import Finding
from vnf_descriptors.templates import Templates, read_templates
from vnf_descriptors.topology import NodeTemplate, Topology, read_topology
from vnf_descriptors.typesystem import TypeDef, TypeSystem, build_types
from vnf_descriptors.values import ValueChecker

VNF = "tosca.nodes.nfv.VNF"
NS = "tosca.nodes.nfv.NS"
PNF = "tosca.nodes.nfv.PNF"
COMPUTE = "tosca.nodes.nfv.Vdu.Compute"
CONTAINER_UNIT = "tosca.nodes.nfv.Vdu.OsContainerDeployableUnit"


class Kind(StrEnum):
    """What a descriptor describes."""

    VNFD = "vnfd"
    NSD = "nsd"
    PNFD = "pnfd"


#: Kind of descriptor -> the node type that stands for the whole.
SELF_TYPES = {Kind.VNFD: VNF, Kind.NSD: NS, Kind.PNFD: PNF}


@dataclass(slots=True)
class Context:
    """Everything that is known of a descriptor before it is judged."""

    package: Package
    templates: Templates
    types: TypeSystem
    topologies: list[Topology] = field(default_factory=list)
    kind: Kind | None = None

    @property
    def values(self) -> ValueChecker:
        """Checks values against the descriptor's types."""
        return ValueChecker(self.types)

    def self_node(self, topology: Topology) -> NodeTemplate | None:
        """The node that stands for the VNF, NS or PNF itself; None when the topology has none."""
        if self.kind is None:
            return None
        candidates = topology.of_type(SELF_TYPES[self.kind])
        if topology.substitution is not None and topology.substitution.type is not None:
            wanted = topology.substitution.type.text
            candidates = [node for node in candidates if node.type == wanted] or candidates
        return candidates[0] if candidates else None

    def declared_type(self) -> TypeDef | None:
        """The type that the package derives for its VNF, NS or PNF without making a node of it.

        None when there is a node or a mapping, or when the package derives none or several: those tell nothing.
        """
        if self.kind is None or any(each.substitution or self.self_node(each) for each in self.topologies):
            return None
        wanted = SELF_TYPES[self.kind]
        found = [
            each
            for each in self.types.own()
            if each.section == "node_types"
            and not each.name.startswith("tosca.")
            and self.types.is_a("node_types", each.name, wanted)
        ]
        return found[0] if len(found) == 1 else None

    @property
    def flavours(self) -> list[Topology]:
        """The topologies that are deployment flavours: all but one that only chooses among others."""
        if len(self.topologies) < 2:
            return self.topologies
        return [each for each in self.topologies if not self.is_selector(each)]

    def is_selector(self, topology: Topology) -> bool:
        """True for the top template of several files: it holds the descriptor's own node and nothing else."""
        if len(self.topologies) < 2 or topology is not self.topologies[0]:
            return False
        own = self.self_node(topology)
        return own is not None and len(topology.nodes) == 1


def read_context(package: Package) -> tuple[Context, list[Finding]]:
    """Templates, types and topologies of a package, and what is wrong with their shape."""
    templates, findings = read_templates(package)
    context = Context(package, templates, build_types(templates))
    speller = Speller()
    for file in templates.files.values():
        topology, problems = read_topology(file, context.types, speller)
        findings += problems
        if topology is not None:
            context.topologies.append(topology)
    implied, problems = implied_imports(templates, context.types, context.topologies)
    if implied:
        templates.standard |= implied
        context.types = build_types(templates)
        for topology in context.topologies:
            topology.types = context.types
        findings += problems
    context.kind = _kind(context)
    return context, findings


def _kind(context: Context) -> Kind | None:
    for topology in context.topologies:
        substituted = topology.substitution.type if topology.substitution else None
        for kind in (Kind.NSD, Kind.VNFD, Kind.PNFD):
            if substituted is not None and context.types.is_a("node_types", substituted.text, SELF_TYPES[kind]):
                return kind
    for kind in (Kind.NSD, Kind.VNFD, Kind.PNFD):
        if any(topology.of_type(SELF_TYPES[kind]) for topology in context.topologies):
            return kind
    if any(topology.of_type(COMPUTE, CONTAINER_UNIT) for topology in context.topologies):
        return Kind.VNFD
    manifest = context.package.manifest
    named = manifest.kind if manifest else None
    return Kind({"vnf": "vnfd"}.get(named, named)) if named else None

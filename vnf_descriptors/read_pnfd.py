"""From checked topologies to the model of a PNF descriptor."""

from __future__ import annotations

from vnf_descriptors.context import Context, Kind
from vnf_descriptors.model import Pnfd, PnfExtCp, SfFacts
from vnf_descriptors.read_vnfd import DescriptorFacts
from vnf_descriptors.report import Finding
from vnf_descriptors.requirement_keys import read_function
from vnf_descriptors.topology import NodeTemplate, Topology
from vnf_descriptors.vnf_nodes import child, exposed, text_of, texts_of

_EXT_CP = "tosca.nodes.nfv.PnfExtCp"


def read_pnfd(context: Context) -> Pnfd:
    """The PNFD of a context without errors; ValueError when the model itself refuses a value."""
    facts = DescriptorFacts(context, Kind.PNFD)
    return Pnfd(
        descriptor_id=facts.text("descriptor_id"),
        invariant_id=facts.text("descriptor_invariant_id"),
        provider=facts.text("provider"),
        name=facts.text("name"),
        version=facts.text("version"),
        function_description=facts.text("function_description"),
        ext_cps=tuple(cp for topology in context.topologies for cp in _ext_cps(topology)),
        sol001_edition=context.templates.edition,
    )


def function_of(node: NodeTemplate) -> tuple[SfFacts | None, list[Finding]]:
    """What the metadata of a PnfExtCp say of the PNF as a service function, in the words of a VduCp's requirements.

    The findings tell of values that are not known.
    """
    return read_function([child(node.node, "metadata")])


def _ext_cps(topology: Topology) -> list[PnfExtCp]:
    opened = exposed(topology)
    return [
        PnfExtCp(
            node.name,
            texts_of(topology.property_of(node, "layer_protocols")),
            opened.get(node.name),
            text_of(topology.property_of(node, "description")),
            function_of(node)[0],
        )
        for node in topology.of_type(_EXT_CP)
    ]

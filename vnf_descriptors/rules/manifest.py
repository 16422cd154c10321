"""Where the manifest and the descriptor disagree. Each function finds one fault."""

from __future__ import annotations

from collections.abc import Iterator

from vnf_descriptors.context import Context, Kind
from vnf_descriptors.read_vnfd import DescriptorFacts
from vnf_descriptors.report import Finding, finding, quote

#: Kind of descriptor -> prefix of its manifest's metadata.
_PREFIXES = {Kind.VNFD: "vnf", Kind.NSD: "nsd", Kind.PNFD: "pnfd"}
#: Kind of descriptor -> name in the manifest -> property of the descriptor.
_PAIRS = {
    Kind.VNFD: {
        "vnf_product_name": "product_name",
        "vnf_provider_id": "provider",
        "vnfd_id": "descriptor_id",
        "vnf_software_version": "software_version",
    },
    Kind.NSD: {"nsd_name": "name", "nsd_designer": "designer", "nsd_invariant_id": "invariant_id"},
    Kind.PNFD: {"pnfd_name": "name", "pnfd_provider": "provider"},
}


def other_kind(context: Context) -> Iterator[Finding]:
    """The metadata are those of another kind of package than the descriptor's."""
    manifest = context.package.manifest
    if manifest is None or context.kind is None or manifest.kind in (None, _PREFIXES[context.kind]):
        return
    place = next(iter(manifest.metadata.values()))[1]
    message = (
        f"the metadata are those of a package of kind {manifest.kind}, but the descriptor is of kind {context.kind}"
    )
    yield finding("MF011", place, message)


def other_identity(context: Context) -> Iterator[Finding]:
    """The metadata name another product, provider, designer or identifier than the descriptor."""
    manifest = context.package.manifest
    if manifest is None or context.kind is None:
        return
    facts = DescriptorFacts(context, context.kind)
    for name, property_name in _PAIRS[context.kind].items():
        given, place = manifest.metadata.get(name, ("", None))
        expected = facts.text(property_name)
        if given and expected and place is not None and given != expected:
            message = f"{name} is {quote(given)}, but the descriptor's {property_name} is {quote(expected)}"
            yield finding("MF010", place, message)


MANIFEST_RULES = (other_kind, other_identity)

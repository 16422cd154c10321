"""The PNF descriptor as typed values (ETSI GS NFV-IFA 014 clause 6.6, GS NFV-SOL 001 clause 8)."""

from __future__ import annotations

from dataclasses import dataclass

from vnf_descriptors.model.checks import check_name
from vnf_descriptors.model.connection_points import SfFacts
from vnf_descriptors.model.nsd import behind


@dataclass(frozen=True, slots=True)
class PnfExtCp:
    """An external connection point of a PNF."""

    id: str
    layer_protocols: tuple[str, ...]
    #: Name of the PNF node's requirement that the NSD connects.
    requirement: str | None = None
    description: str | None = None
    #: What the PNF is to a service chain; None when the descriptor says nothing of it.
    sf: SfFacts | None = None


@dataclass(frozen=True, slots=True)
class Pnfd:
    """A PNF descriptor. `descriptor_id` and `invariant_id` are UUIDs in all but a few older ones."""

    descriptor_id: str
    invariant_id: str
    provider: str
    name: str
    version: str
    function_description: str
    ext_cps: tuple[PnfExtCp, ...] = ()
    #: Edition of SOL001 whose types it was read with, for example `3.7.1`.
    sol001_edition: str | None = None

    def __post_init__(self) -> None:
        check_name(self.descriptor_id, "descriptor_id")
        check_name(self.invariant_id, "invariant_id")

    def ext_cp(self, cpd_id: str) -> PnfExtCp:
        """The external connection point with this identifier; KeyError when there is none."""
        for point in self.ext_cps:
            if point.id == cpd_id:
                return point
        raise KeyError(cpd_id)

    def ext_cp_behind(self, requirement: str) -> PnfExtCp:
        """The connection point that an NSD means by a requirement of its PNF node; KeyError for none."""
        return behind(requirement, self.ext_cps)

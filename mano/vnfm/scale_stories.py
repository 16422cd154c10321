"""ScaleVnf and ScaleVnfToLevel (SOL003 clauses 5.4.5 and 5.4.6)."""

from __future__ import annotations

from abc import abstractmethod

from mano.domain.grant import Grant
from mano.vnfm.bit_rates import rates_at, with_rates
from mano.vnfm.change_story import ChangeVnf, Situation
from mano.vnfm.changes import VnfChange, between
from mano.vnfm.links import merged_links
from mano.vnfm.resources import PlannedCompute, VnfPlan
from mano.vnfm.scaling import Size, scaled, scaled_to_level


class _Resize(ChangeVnf):
    """VNFCs come and go until the VNF has its new size; of a VDU the last ones go first."""

    @abstractmethod
    def size(self, situation: Situation) -> Size:
        """The size that is asked for."""

    def decide(self, situation: Situation) -> tuple[VnfChange, Grant | None]:
        """The VNFCs that come, placed by the grant, and those that go."""
        size, before = self.size(situation), situation.plan
        add, remove = difference(before, size)
        grant = self.ask(situation, size.level_id, add=add, remove=remove)
        gone = {compute.compute_id for compute in remove}
        kept = [compute for compute in before.computes if compute.compute_id not in gone]
        new = self.made(situation, grant, add)
        computes = with_rates(in_order((*kept, *new)), rates_at(situation.flavour, size))
        after = VnfPlan(before.flavour_id, size.level_id, before.package_id, computes)
        links = merged_links(situation.instance.ext_virtual_links, grant.ext_virtual_links)
        facts = {
            "scale_levels": dict(size.levels),
            "instantiation_level_id": size.level_id,
            "ext_virtual_links": [dict(link) for link in links],
        }
        return VnfChange(before, after, between(before, after, situation.live), facts), grant


def difference(plan: VnfPlan, size: Size) -> tuple[list[tuple[str, int]], list[PlannedCompute]]:
    """(VDU, index) of the VNFCs that are missing for a size, and those that are too many."""
    held = {(compute.vdu_id, compute.index) for compute in plan.computes}
    wanted = {(vdu_id, index) for vdu_id, count in size.counts.items() for index in range(count)}
    extra = [compute for compute in plan.computes if (compute.vdu_id, compute.index) not in wanted]
    return sorted(wanted - held), extra


def in_order(computes: tuple[PlannedCompute, ...]) -> tuple[PlannedCompute, ...]:
    """By VDU and index."""
    return tuple(sorted(computes, key=lambda compute: (compute.vdu_id, compute.index)))


class ScaleVnf(_Resize):
    """ScaleVnf: some steps of one aspect out or in."""

    operation = "SCALE"

    def size(self, situation: Situation) -> Size:
        """One aspect, some steps up or down."""
        return scaled(situation.instance, situation.vnfd, situation.flavour, situation.op.parameters)


class ScaleVnfToLevel(_Resize):
    """ScaleVnfToLevel: an instantiation level, or a scale level for each aspect named."""

    operation = "SCALE_TO_LEVEL"

    def size(self, situation: Situation) -> Size:
        """A whole size at once."""
        return scaled_to_level(situation.instance, situation.flavour, situation.op.parameters)

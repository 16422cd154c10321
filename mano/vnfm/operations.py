"""Every operation that changes a running VNF, as the engine gets to know them."""

from __future__ import annotations

from collections.abc import Sequence

from mano.ports.workflows import Story
from mano.vnfm.connectivity_story import ChangeConnectivity
from mano.vnfm.heal_story import HealVnf
from mano.vnfm.modify_story import ModifyVnf
from mano.vnfm.operate_story import OperateVnf
from mano.vnfm.replace_stories import ChangeVnfFlavour, ChangeVnfPackage
from mano.vnfm.scale_stories import ScaleVnf, ScaleVnfToLevel
from mano.vnfm.snapshot_stories import CreateSnapshot, RevertToSnapshot
from mano.vnfm.world import VnfmWorld


def change_stories(world: VnfmWorld) -> Sequence[Story]:
    """One of each kind."""
    return (
        ScaleVnf(world),
        ScaleVnfToLevel(world),
        HealVnf(world),
        OperateVnf(world),
        ChangeConnectivity(world),
        ChangeVnfFlavour(world),
        ChangeVnfPackage(world),
        ModifyVnf(world),
        CreateSnapshot(world),
        RevertToSnapshot(world),
    )

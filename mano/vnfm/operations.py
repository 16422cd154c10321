"""Every operation that changes a running VNF, as the engine gets to know them."""

from __future__ import annotations

from collections.abc import Sequence

from mano.ports.workflows import Story
from mano.vnfm.scale_stories import ScaleVnf, ScaleVnfToLevel
from mano.vnfm.world import VnfmWorld


def change_stories(world: VnfmWorld) -> Sequence[Story]:
    """One of each kind."""
    return (ScaleVnf(world), ScaleVnfToLevel(world))

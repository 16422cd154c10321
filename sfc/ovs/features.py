"""What the datapath below a bridge can do, as the switch says itself."""

from __future__ import annotations

from sfc.limits import Feature
from sfc.ovs.control import ask
from sfc.ovs.location import SwitchLocation


def lacking(location: SwitchLocation, bridge: str, *, timeout: float = 5.0) -> frozenset[Feature]:
    """The features that tables may need and the bridge's datapath has not: what ``Sff.lacks`` takes."""
    return read_features(ask(location, "dpif/show-dp-features", bridge, timeout=timeout))


def read_features(text: str) -> frozenset[Feature]:
    """Of the answer; a feature that it does not name is none that the switch looked for, and counts as there."""
    told = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
    return frozenset(feature for feature in Feature if told.get(feature.value, "Yes").strip() == "No")

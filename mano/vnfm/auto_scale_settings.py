"""What an instance's configurable properties say of scaling and healing itself (SOL003 clause 5.5.2.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mano.domain.auto_scaling import COOL_DOWN_S
from mano.errors import InvalidInput

SCALES, HEALS = "isAutoscaleEnabled", "isAutohealEnabled"
"""The configurable properties that ask for it."""

SETTINGS = "catenaAutoscale"
"""The configurable property with settings of ours: :class:`Settings`."""

COOL_DOWN_MAX_S = 86_400


@dataclass(frozen=True, slots=True)
class Settings:
    """Of one instance: the rest between two changes in seconds, and bounds of scale levels by aspect."""

    cool_down_s: float = COOL_DOWN_S
    least: Mapping[str, int] | None = None
    most: Mapping[str, int] | None = None


def settings_of(configuration: Mapping[str, Any]) -> Settings:
    """The settings among an instance's configurable properties; raises InvalidInput saying what is wrong."""
    for name in (SCALES, HEALS):
        if not isinstance(configuration.get(name, False), bool):
            raise InvalidInput(
                f"vnfConfigurableProperties.{name} is true or false",
                facts={"pointer": f"/vnfConfigurableProperties/{name}"},
            )
    given = configuration.get(SETTINGS)
    if given is None:
        return Settings()
    if not isinstance(given, Mapping) or set(given) - {"coolDownS", "minLevels", "maxLevels"}:
        raise _wrong("may hold coolDownS, minLevels and maxLevels")
    rest = given.get("coolDownS", COOL_DOWN_S)
    if isinstance(rest, bool) or not isinstance(rest, int | float) or not 0 <= rest <= COOL_DOWN_MAX_S:
        raise _wrong(f"coolDownS is a number from 0 to {COOL_DOWN_MAX_S}")
    return Settings(float(rest), _levels(given.get("minLevels")), _levels(given.get("maxLevels")))


def _levels(given: Any) -> Mapping[str, int]:
    levels = {} if given is None else given
    if not isinstance(levels, Mapping) or any(
        isinstance(level, bool) or not isinstance(level, int) or level < 0 for level in levels.values()
    ):
        raise _wrong("minLevels and maxLevels map scaling aspects to scale levels from 0")
    return levels


def _wrong(what: str) -> InvalidInput:
    return InvalidInput(
        f"vnfConfigurableProperties.{SETTINGS}: {what}",
        hint=f'for example {{"{SETTINGS}": {{"coolDownS": 300, "maxLevels": {{"load": 2}}}}}}',
        facts={"pointer": f"/vnfConfigurableProperties/{SETTINGS}"},
    )

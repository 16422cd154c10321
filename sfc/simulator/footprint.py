"""What a walk depends on: the places in the tables where it looked, so small that a changed rule names who it concerns.

A rule that demands one value of a discriminating field (a port, an SPI, a connection mark, …) can only ever take
packets with that value: it concerns the walks that looked into its table with it. Any other rule concerns every walk
that looked into its table. Spots are hashes: two that collide cost a walk made again, never one forgotten.
"""

from __future__ import annotations

from sfc.model.fields import Field
from sfc.model.flows import Flow
from sfc.simulator.keys import Key

DISCRIMINATORS = (
    *(Field.NSH_SPI, Field.REG0, Field.CT_MARK, Field.ETH_SRC, Field.ETH_DST),
    *(Field.IN_PORT, Field.TUN_SRC, Field.REG1),
)
"""The most telling first."""

Spot = int


def spots_of_lookup(sff: str, table: int, key: Key) -> list[Spot]:
    """Every spot under which a rule may concern this lookup."""
    spots = [hash((sff, table, name.rank, key[name])) for name in DISCRIMINATORS if name in key]
    spots.append(hash((sff, table)))
    return spots


def spot_of_flow(sff: str, flow: Flow) -> Spot:
    """The one spot that names the lookups which the rule may decide."""
    values = {part.field: part.value for part in flow.match if part.mask is None}
    for name in DISCRIMINATORS:
        if name in values:
            return hash((sff, flow.table, name.rank, values[name]))
    return hash((sff, flow.table))


def spot_of_group(sff: str, group: int) -> Spot:
    """The spot of a group of buckets."""
    return hash((sff, "group", group))

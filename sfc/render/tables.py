"""The table plan: numbers, priorities and the library's own MAC addresses. Drawn in ``docs/table-plan.md``."""

from __future__ import annotations

from enum import IntEnum

from sfc.model.addresses import Mac
from sfc.model.chains import PathPosition


class Table(IntEnum):
    """Tables of an integration bridge."""

    GUARD = 0
    """Allow-list of every port; also where packets come back from functions."""
    CLASSIFY = 1
    SPREAD = 2
    """Which branch of a chain that spreads: by connection mark, else by hash."""
    SHARE = 3
    """Behind the hash: each branch has its share of the remainders."""
    SIZE = 4
    """Packets of ports whose way carries less than they may send."""
    ENTRY = 5
    """SFF entry: service index 0, TTL."""
    SFF = 10
    """Lookup of (SPI, SI)."""
    SERVE = 11
    """A function whose policy is open, or that another stands in for, while its legs have carrier."""
    PASS_BY = 12
    """The same function, while one of them has not."""
    HAND_OFF = 20
    """Behind the proxy's decap: to the function."""
    STAND_IN = 21
    """The same, to the next instance: a leg of the function has no carrier."""
    MARK_RETURN = 25
    """Back from a routing function, by connection mark."""
    END = 30
    """Behind the last decap: out of the chain."""
    REVERSE = 31
    """Reverse classifier, by connection mark or anew."""
    NEIGHBOUR = 40
    """ARP and ND responder."""
    ND_COMPLETE = 41
    """Second half of the ND answer: OVS wants the options in a table behind the type."""
    LOCAL = 50
    """Plain network: ports of this bridge."""
    REMOTE = 51
    """Plain network: stations of other bridges; frames from a tunnel never get here."""


SHARES_MAX = 256
"""Remainders of the hash that the branches of one chain divide among them."""

METER_OAM, METER_LIVENESS, METER_TOO_BIG = 1, 2, 3
OAM_RATE_PPS, OAM_BURST = 50, 20
LIVENESS_RATE_PPS, LIVENESS_BURST = 2000, 200
TOO_BIG_RATE_PPS, TOO_BIG_BURST = 100, 50

CLASSIFIER_TOP = 60000
"""Priority of the first classifier; each following rank is one lower."""
CLASSIFIER_BOTTOM = 1000

BRANCH_TOP, BRANCHES_MAX = 199, 90
"""Table 10: what chooses by context at a path's end, each rank one lower; how many classifiers may choose there."""

SFF_MAC = Mac(0x02CA00000002)
"""Source of frames that an SFF makes for a function. SPI 0 is never given out, so it is no MAC tag."""
OAM_SOURCE_TTL = Mac(0x020A000000FE)
"""Source of a frame to the OAM responder whose TTL ran out."""
OAM_SOURCE_END = Mac(0x020A000000FF)
"""Source of a frame to the OAM responder that reached the end of its path."""
TOO_BIG_BASE = 0x020C00000000
"""Destination ``02:0c:MTU:PORT`` of what is too big, on its way to the responder: what to tell, and by which port."""
NEIGHBOUR_INGRESS = Mac(0x02CAFFFFFF01)
"""What an L2 function's own stack uses as the MAC of everything towards a chain's ingress."""
NEIGHBOUR_EGRESS = Mac(0x02CAFFFFFF02)
"""The same towards a chain's egress."""


def mac_tag(position: PathPosition) -> Mac:
    """Source MAC ``02:ca:SPI:SI`` by which a bridging function's output is told apart."""
    return Mac(0x02CA << 32 | position.word)


VLANS = 4094  # IEEE 802.1Q: 1 to 4094


def vlan_tag(spi: int) -> int:
    """VLAN by which the packets of a path are told apart inside a function, 1 to 4094; two SPIs may share one."""
    return 1 + spi % VLANS

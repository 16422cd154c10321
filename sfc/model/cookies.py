"""What a flow's 64-bit cookie says: owner 8 · epoch 16 · chain 24 · hop 8 · direction 1 · kind 7.

``chain`` holds the forward SPI of the chain for flows that serve one, else a number that tells rules of
the same kind apart (an OpenFlow port, a VNI, the low 24 bits of a peer's address). ``hop`` holds the service
index; of a classifying rule, its number in the chain. Every rule of a bridge has a cookie of its own, so that
counters and traces name exactly one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType

from sfc.model.chains import Direction
from sfc.model.topology import check_range

OWNER = 0xCA


class Kind(IntEnum):
    """What one flow does. Values are part of the cookie: append, never renumber. From 96 on: drops."""

    TUNNEL_NSH = 1
    TUNNEL_L2 = 2
    OAM_REPLY_IN = 3
    OAM_REPLY_OUT = 4
    OAM_PROBE = 5
    PORT_IP = 6
    PORT_ARP = 7
    PORT_ND = 8
    SF_RETURN = 9
    PROXY_RETURN = 10
    SF_ANSWER = 11
    SF_ERROR = 12
    PROXY_TRACK = 13
    PROXY_ARP = 14
    PROXY_ARP_ANSWER = 15

    CLASSIFY = 16
    CLASSIFY_TRACK = 17
    CLASSIFY_FRAGMENT = 18
    CLASSIFY_NONE = 19
    REVERSE_MARK = 20
    REVERSE_MISS = 21
    REVERSE_NONE = 22
    REVERSE_OWN = 23
    SPREAD_MARK = 24
    SPREAD_CHOICE = 25
    SPREAD_SHARE = 26
    SPREAD_SHARE_ERROR = 27
    REVERSE_SHARE = 28

    ENTRY = 32
    ENTRY_TTL_ZERO = 33
    TTL_OUT_OAM = 34
    TTL_OUT = 35

    TO_PEER = 40
    TO_SF = 41
    TO_PROXY = 42
    TO_END = 43
    OAM_PASS = 44
    OAM_END = 45
    FAIL_OPEN = 46
    TO_LIVING = 47

    HAND_OFF = 48
    HAND_OFF_ERROR = 49
    MARK_RETURN = 50
    END = 51
    END_ERROR = 52

    ARP_ANSWER = 56
    ND_ANSWER = 57
    ND_COMPLETE = 58
    L2_LOCAL = 59
    L2_REMOTE = 60
    L2_TO_REMOTE = 61
    PROBE_FUNCTION = 62
    PROBE_BACK = 63
    TO_TAP = 64
    TAP_COPY = 65
    BRANCH = 66
    SIZE_RIGHT = 67
    TOO_BIG = 68
    TOO_BIG_ANSWER = 69
    TO_STAND_IN = 70
    STAND_IN = 71
    STAND_IN_BACK = 72

    DROP_GUARD = 96
    DROP_FORGED_NSH = 97
    DROP_TAGGED = 98
    DROP_FORGED_GPE = 99
    DROP_SPOOFED_IP = 100
    DROP_SPOOFED_IPV6 = 101
    DROP_SPOOFED_ARP = 102
    DROP_NEIGHBOUR = 103
    DROP_NOT_ALLOWED = 104
    DROP_LEG = 105
    DROP_DAD = 106
    DROP_CLASSIFIER_MISS = 107
    DROP_UNCLASSIFIED = 108
    DROP_SI_ZERO = 109
    DROP_TTL = 110
    DROP_NO_PATH = 111
    DROP_HAND_OFF_MISS = 112
    DROP_MARK_MISS = 113
    DROP_END_MISS = 114
    DROP_REVERSE_MISS = 115
    DROP_INVALID = 116
    DROP_ARP_MISS = 117
    DROP_ND_MISS = 118
    DROP_L2_TUNNEL = 119
    DROP_L2_UNKNOWN = 120
    DROP_ANNOUNCEMENT = 121
    DROP_FORGED_NSH_TAGGED = 122
    DROP_L2_GROUP = 123
    DROP_CHATTER = 124
    DROP_FAILED = 125
    DROP_TOO_BIG = 126
    DROP_L2_TAGGED = 127

    @property
    def is_drop(self) -> bool:
        """True of a rule that drops and counts."""
        return self >= Kind.DROP_GUARD

    @property
    def serves_chain(self) -> bool:
        """True when the cookie's chain field is a forward SPI."""
        return self in _OF_A_CHAIN

    @property
    def meaning(self) -> str:
        """What it does, for people."""
        return _MEANINGS[self]


_OF_A_CHAIN = frozenset(
    {
        *(Kind.SF_RETURN, Kind.PROXY_RETURN, Kind.SF_ANSWER, Kind.SF_ERROR, Kind.CLASSIFY, Kind.CLASSIFY_FRAGMENT),
        *(Kind.REVERSE_MARK, Kind.REVERSE_MISS, Kind.TO_PEER, Kind.TO_SF, Kind.TO_PROXY, Kind.TO_END, Kind.OAM_PASS),
        *(Kind.OAM_END, Kind.HAND_OFF, Kind.HAND_OFF_ERROR, Kind.MARK_RETURN, Kind.END, Kind.END_ERROR),
        *(Kind.SPREAD_MARK, Kind.SPREAD_CHOICE, Kind.SPREAD_SHARE, Kind.SPREAD_SHARE_ERROR, Kind.REVERSE_SHARE),
        *(
            Kind.BRANCH,
            Kind.TO_TAP,
            Kind.TAP_COPY,
            Kind.FAIL_OPEN,
            Kind.TO_LIVING,
            Kind.TO_STAND_IN,
            Kind.STAND_IN,
            Kind.STAND_IN_BACK,
            Kind.DROP_REVERSE_MISS,
            Kind.DROP_FAILED,
        ),
    }
)

_MEANINGS = MappingProxyType(
    {
        Kind.PROXY_ARP: "ARP that a routing function may send",
        Kind.PROXY_ARP_ANSWER: "ARP of a routing function answered",
        Kind.TUNNEL_NSH: "NSH from a known peer",
        Kind.TUNNEL_L2: "network frame from a known peer",
        Kind.OAM_REPLY_IN: "OAM reply from a peer",
        Kind.OAM_REPLY_OUT: "OAM reply to a peer",
        Kind.OAM_PROBE: "OAM probe from the responder (O bit only)",
        Kind.PORT_IP: "IP that the port may send",
        Kind.PORT_ARP: "ARP that the port may send",
        Kind.PORT_ND: "neighbour solicitation that the port may send",
        Kind.SF_RETURN: "what the NSH-aware function may send back",
        Kind.PROXY_RETURN: "back from the function: NSH on again",
        Kind.SF_ANSWER: "answer made by the function itself, put on the path back",
        Kind.SF_ERROR: "ICMP error of the function's own stack",
        Kind.PROXY_TRACK: "back from the function: look its connection up",
        Kind.CLASSIFY: "classified",
        Kind.CLASSIFY_TRACK: "fragment: look its connection up",
        Kind.CLASSIFY_FRAGMENT: "fragment classified by its connection",
        Kind.CLASSIFY_NONE: "in no chain: plain network",
        Kind.REVERSE_MARK: "reverse path by connection mark",
        Kind.REVERSE_MISS: "reverse path without mark: classified anew",
        Kind.REVERSE_OWN: "a connection that began here: on to the classifiers",
        Kind.REVERSE_NONE: "no answer to a chain: on to the classifiers",
        Kind.SPREAD_MARK: "the connection stays on its branch",
        Kind.SPREAD_CHOICE: "a branch is chosen by hash",
        Kind.SPREAD_SHARE: "a new connection of this branch",
        Kind.SPREAD_SHARE_ERROR: "ICMP error to this branch, connection left as it is",
        Kind.REVERSE_SHARE: "back on this branch, by hash",
        Kind.FAIL_OPEN: "the function is down: passed by",
        Kind.BRANCH: "on by the next chain of the graph",
        Kind.TO_TAP: "past the tap, a copy to it",
        Kind.TAP_COPY: "the tap's copy",
        Kind.TO_LIVING: "to the function while its legs have carrier, else past it or to the next",
        Kind.TO_STAND_IN: "a leg of the function has no carrier: to the next instance",
        Kind.STAND_IN: "handed to the instance that stands in",
        Kind.STAND_IN_BACK: "back from the instance that stands in: NSH on again",
        Kind.ENTRY: "SFF entry: TTL decremented",
        Kind.ENTRY_TTL_ZERO: "SFF entry: TTL 0 counts as 64",
        Kind.TTL_OUT_OAM: "TTL ran out under an OAM packet: to the responder",
        Kind.TTL_OUT: "TTL ran out under a user packet: to the responder",
        Kind.TO_PEER: "on to the next host",
        Kind.TO_SF: "to the NSH-aware function",
        Kind.TO_PROXY: "proxy: NSH off before the function",
        Kind.TO_END: "end of the path: NSH off",
        Kind.OAM_PASS: "OAM packet passes by the NSH-unaware function",
        Kind.OAM_END: "OAM packet at the end of the path: to the responder",
        Kind.HAND_OFF: "to the function",
        Kind.HAND_OFF_ERROR: "ICMP error to the function, connection left as it is",
        Kind.MARK_RETURN: "back from the function: NSH on again by connection mark",
        Kind.END: "leaves the chain",
        Kind.END_ERROR: "ICMP error leaves the chain, connection left as it is",
        Kind.ARP_ANSWER: "ARP answered",
        Kind.ND_ANSWER: "neighbour solicitation answered",
        Kind.ND_COMPLETE: "neighbour advertisement completed",
        Kind.L2_LOCAL: "network frame to a port here",
        Kind.L2_REMOTE: "network frame to another host",
        Kind.L2_TO_REMOTE: "network frame for no port here",
        Kind.PROBE_FUNCTION: "liveness probe to a function",
        Kind.PROBE_BACK: "liveness probe back from a function: to the responder",
        Kind.SIZE_RIGHT: "not too big for its way",
        Kind.TOO_BIG: "too big for its way: the responder tells the sender",
        Kind.TOO_BIG_ANSWER: "the sender is told that its packet was too big",
        Kind.DROP_TOO_BIG: "too big for its way, no responder here",
        Kind.DROP_GUARD: "guard: nothing allows it",
        Kind.DROP_FORGED_NSH: "guard: NSH forged by the port",
        Kind.DROP_TAGGED: "guard: VLAN-tagged frame",
        Kind.DROP_L2_TAGGED: "tagged frame to a station without VLANs",
        Kind.DROP_FORGED_GPE: "guard: VXLAN-GPE forged by the port",
        Kind.DROP_SPOOFED_IP: "guard: foreign IPv4 or MAC source",
        Kind.DROP_SPOOFED_IPV6: "guard: foreign IPv6 or MAC source",
        Kind.DROP_SPOOFED_ARP: "guard: foreign ARP source",
        Kind.DROP_NEIGHBOUR: "guard: neighbour discovery that the port may not send",
        Kind.DROP_NOT_ALLOWED: "guard: ethertype that the port may not send",
        Kind.DROP_LEG: "guard: not what the plan expects back from the function",
        Kind.DROP_DAD: "duplicate address detection: no answer is right",
        Kind.DROP_CLASSIFIER_MISS: "classifier table: no rule of this port",
        Kind.DROP_UNCLASSIFIED: "in no chain: the port's policy drops it",
        Kind.DROP_SI_ZERO: "service index 0",
        Kind.DROP_TTL: "TTL ran out, no responder here",
        Kind.DROP_NO_PATH: "SFF: no such path and index here",
        Kind.DROP_HAND_OFF_MISS: "hand-off: no IP packet of a planned path",
        Kind.DROP_MARK_MISS: "back from the function with no connection mark",
        Kind.DROP_END_MISS: "end of a path: no IP packet",
        Kind.DROP_REVERSE_MISS: "reverse path without mark: the chain's policy drops it",
        Kind.DROP_INVALID: "reverse path: invalid connection state",
        Kind.DROP_ARP_MISS: "ARP for an unknown address",
        Kind.DROP_ND_MISS: "neighbour discovery for an unknown address",
        Kind.DROP_L2_TUNNEL: "network frame from a peer for no port here",
        Kind.DROP_L2_UNKNOWN: "network frame for an unknown station",
        Kind.DROP_FORGED_NSH_TAGGED: "guard: NSH forged by the port, in a VLAN",
        Kind.DROP_CHATTER: "guard: link-local IPv6 that every kernel sends",
        Kind.DROP_L2_GROUP: "network frame for a group: nothing is flooded",
        Kind.DROP_FAILED: "the function is down: its chain is closed",
        Kind.DROP_ANNOUNCEMENT: "gratuitous ARP: nobody learns from it",
    }
)


@dataclass(frozen=True, slots=True)
class Cookie:
    """The decoded cookie."""

    kind: Kind
    chain: int = 0
    hop: int = 0
    direction: Direction = Direction.FORWARD
    epoch: int = 1
    owner: int = OWNER

    def __post_init__(self) -> None:
        fits = 0 <= self.kind < 128 and 0 <= self.chain < 1 << 24 and 0 <= self.hop < 256
        if not (fits and 0 <= self.epoch < 1 << 16 and 0 <= self.owner < 256):
            self._refuse()

    def _refuse(self) -> None:
        check_range("cookie kind", int(self.kind), 0, 127)
        check_range("cookie chain", self.chain, 0, (1 << 24) - 1)
        check_range("cookie hop", self.hop, 0, 255)
        check_range("cookie epoch", self.epoch, 0, (1 << 16) - 1)
        check_range("cookie owner", self.owner, 0, 255)

    def encode(self) -> int:
        """The 64 bits that Open vSwitch stores."""
        head = self.owner << 56 | self.epoch << 40 | self.chain << 16
        return head | self.hop << 8 | (self.direction is Direction.REVERSE) << 7 | self.kind

    @classmethod
    def decode(cls, value: int) -> Cookie:
        """Read 64 bits; ValueError when the kind is none of ours (another owner's flow)."""
        check_range("cookie", value, 0, (1 << 64) - 1)
        return cls(
            kind=Kind(value & 0x7F),
            chain=value >> 16 & 0xFFFFFF,
            hop=value >> 8 & 0xFF,
            direction=Direction(value >> 7 & 1),
            epoch=value >> 40 & 0xFFFF,
            owner=value >> 56,
        )

    def __str__(self) -> str:
        if not self.kind.serves_chain:
            return self.kind.meaning
        way = "forward" if self.direction is Direction.FORWARD else "reverse"
        return f"{self.kind.meaning} (chain with SPI {self.chain}, {way}, si {self.hop})"


OWNER_MASK = 0xFF << 56
"""Selects every flow of one owner, whatever it does."""

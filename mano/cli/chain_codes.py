"""Why a chain cannot be laid out or rendered: the ``reason`` among the facts of a refusal, for ``mano explain``."""

from __future__ import annotations

CHAIN_REASONS = {
    "NO_END": "the chain names no egress, and its last function does not rewrite 5-tuples: nobody knows where it ends.",
    "TWO_ENDS": "the chain names an egress, and its last function ends it already.",
    "SAME_ENDS": "the chain begins and ends at the same port.",
    "END_ROLE": "the chain begins or ends at a leg of a function, which is no member of a network.",
    "END_ONE_WAY": "the chain has an answer's way back, and its end cannot send one.",
    "END_LOST": "the chain begins or ends on a host that is lost.",
    "REWRITES_IN_THE_MIDDLE": "a function that rewrites addresses or ports can only be the last one: let the chain end "
    "at it.",
    "REWRITING_NSH": "a function that reads NSH tells the chain by it: leave rewrites5tuple out.",
    "CONTEXT_LOST": "a function reads a context header that another one wrote, across one that knows no NSH: "
    "put it before that.",
    "LEGS": "a function that knows no NSH needs two different legs.",
    "LEG_SFF": "the legs of a function are on different hosts.",
    "LEG_ROLE": "a port is a leg of a function for one chain, and a member of its network for another.",
    "TAKEN": "a port belongs to two functions that are described differently.",
    "UNKNOWN": "a function or a port of the chain is not on any bridge any more.",
    "TWICE": "something is named twice.",
    "L3_OVERLAP": "two tenants with the same addresses pass one routing function: their connections cannot "
    "be told apart.",
    "SPREAD_WIDE": "the groups that spread have too many combinations: 64 are the most.",
    "SPREAD_END": "the function at a chain's end cannot be spread: an answer must find the branch of its question.",
    "VLAN_TWICE": "two functions want chains told apart by VLAN in a way that meets.",
    "VLAN_MATCH": "a classifier selects by VLAN where packets have no tag.",
    "TTL_OUT": "the path has more hops than the NSH TTL.",
    "NO_BACKUP": "a function is down and its group has no other instance.",
    "NOTHING_LEFT": "every function of the chain is down.",
    "MATCH_PORTS": "a match on ports needs protocol tcp, udp or sctp.",
    "MATCH_ICMP": "a match on an ICMP type needs protocol icmp or icmpv6; one on a code needs a type.",
    "MATCH_FAMILY": "ethertype, source, destination and protocol of a match are of different IP versions.",
    "GROUP_EMPTY": "a group of the path has no instance.",
    "RANGE": "a number is outside its range.",
    "NAME": "a name has characters that names cannot have.",
}

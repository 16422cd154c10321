"""The classifiers' table, compared with the classifiers as sets of headers: it takes what they ask for, bit by bit.

Walks try some packets of each classifier; this finds the one packet that a rule takes, or leaves out, against it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from math import prod

from sfc.headerspace import EVERYTHING, Cube, beyond, member
from sfc.matchspace import TAGGED, Spaces, spaces
from sfc.model.addresses import Mac
from sfc.model.chains import PlannedChain
from sfc.model.classifiers import ETH_IPV4, ETH_IPV6, Match
from sfc.model.cookies import Kind
from sfc.model.fields import Field
from sfc.model.flows import Flow
from sfc.model.topology import Port
from sfc.render.tables import Table
from sfc.simulator.packets import Ethernet, Fragment, Icmp, Ip, Raw, Sctp, Tcp, Udp, Vlan

_VERSIONS = {ETH_IPV4: 4, ETH_IPV6: 6}
_FIELDS: dict[int, tuple[Field, ...]] = {
    version: (
        *(Field.VLAN_TCI, Field.VLAN_PCP, Field.ETH_SRC, Field.ETH_DST, Field.IP_PROTO, Field.IP_DSCP),
        *((Field.IPV4_SRC, Field.IPV4_DST) if version == 4 else (Field.IPV6_SRC, Field.IPV6_DST)),
        *(Field.IP_FRAG, Field.L4_SRC, Field.L4_DST),
        *((Field.ICMP_TYPE, Field.ICMP_CODE) if version == 4 else (Field.ICMPV6_TYPE, Field.ICMPV6_CODE)),
    )
    for version in (4, 6)
}
"""In the order of :func:`sfc.matchspace.spaces`."""
_WIDTHS = {4: (13, 3, 48, 48, 8, 6, 32, 32, 1, 16, 16, 8, 8), 6: (13, 3, 48, 48, 8, 6, 128, 128, 1, 16, 16, 8, 8)}


@dataclass(frozen=True, slots=True)
class Misfit:
    """A packet with which a rule and its classifier part."""

    chain: str
    classifier: int
    packet: Ethernet
    takes: bool
    """The rule takes it, the classifier does not; or the other way round."""


def misfits(port: Port, starts: Sequence[PlannedChain], flows: Sequence[Flow]) -> Iterator[Misfit]:
    """What the rules of a port's classifiers take too much or too little; ``flows`` are its bridge's table 1."""
    rules: dict[tuple[int, int], list[Flow]] = {}
    for flow in flows:
        if flow.table == Table.CLASSIFY and flow.cookie.kind is Kind.CLASSIFY:
            rules.setdefault((flow.cookie.chain, flow.cookie.hop), []).append(flow)
    chains = {planned.chain.id: planned.chain for planned in starts}
    for chain in chains.values():
        spis = [planned.forward.spi for planned in starts if planned.chain.id == chain.id]
        for index, classifier in enumerate(chain.classifiers):
            for version in sorted(set(classifier.match.versions) & set(port.versions)):
                own = [flow for spi in spis for flow in rules.get((spi, index), ()) if _version(flow) == version]
                for packet, takes in _compared(port, classifier.match, version, own):
                    yield Misfit(chain.id, index, packet, takes)


def _compared(port: Port, match: Match, version: int, flows: Sequence[Flow]) -> Iterator[tuple[Ethernet, bool]]:
    """Rules lie in the set of their classifier, and have its size together: then they are the same."""
    wanted = spaces(match, version)
    taken = [_of_flow(flow, version, port) for flow in flows]
    for cubes in taken:
        for number, (cube, allowed) in enumerate(zip(cubes, wanted, strict=True)):
            too_much = beyond((cube,), allowed)
            if too_much:
                yield _packet(port, version, (*cubes[:number], too_much[0], *cubes[number + 1 :])), True
                return
    widths = _WIDTHS[version]
    whole = prod(sum(_size(cube, width) for cube in each) for each, width in zip(wanted, widths, strict=True))
    if sum(prod(map(_size, cubes, widths)) for cubes in taken) < whole:
        yield _packet(port, version, _left_out(wanted, taken)), False


def _left_out(wanted: Spaces, taken: Sequence[tuple[Cube, ...]]) -> tuple[Cube, ...]:
    """Some corner of the classifier's set that no rule has."""
    corner = tuple(cubes[0] for cubes in wanted)
    left = [corner]
    for number, cubes in enumerate(wanted):
        left += [(*corner[:number], cube, *corner[number + 1 :]) for cube in cubes]
    for each in left:
        pieces = [each]
        for rule in taken:
            pieces = [piece for one in pieces for piece in _minus(one, rule)]
        if pieces:
            return pieces[0]
    return corner


def _minus(one: tuple[Cube, ...], rule: tuple[Cube, ...]) -> Iterator[tuple[Cube, ...]]:
    for number, (cube, other) in enumerate(zip(one, rule, strict=True)):
        for piece in beyond((cube,), (other,)):
            yield (*one[:number], piece, *one[number + 1 :])


def _of_flow(flow: Flow, version: int, port: Port) -> tuple[Cube, ...]:
    parts = {part.field: part for part in flow.match}
    cubes = []
    for field, width in zip(_FIELDS[version], _WIDTHS[version], strict=True):
        part = parts.get(field)
        if part is not None:
            mask = (field.full_mask if part.mask is None else part.mask) & (1 << width) - 1
            cubes.append((part.value & mask, mask))
        elif field is Field.VLAN_TCI and not port.trunk:
            cubes.append((0, TAGGED))  # the guard lets no other pass
        else:
            cubes.append(EVERYTHING)
    return tuple(cubes)


def _version(flow: Flow) -> int | None:
    return next((_VERSIONS.get(part.value) for part in flow.match if part.field is Field.ETH_TYPE), None)


def _size(cube: Cube, width: int) -> int:
    return 1 << width - cube[1].bit_count()


def _packet(port: Port, version: int, cubes: tuple[Cube, ...]) -> Ethernet:
    """A packet of these headers; what is open is such as its port may send."""
    tag, pcp, _, to_mac, protocol, dscp, source, destination, fragment, *rest = cubes
    own = next(int(prefix.network_address) for prefix in port.sources if prefix.version == version)
    tci = member(tag)
    make = IPv4Address if version == 4 else IPv6Address
    ip = Ip(
        make(member(source, own)),
        make(member(destination, own)),
        _payload(member(protocol, 17), [member(cube) for cube in rest]),
        dscp=member(dscp),
        fragment=Fragment.LATER if member(fragment) & 1 else Fragment.NO,
    )
    tags = (Vlan(tci & 0xFFF, member(pcp)),) if tci & TAGGED else ()
    return Ethernet(port.mac, Mac(member(to_mac, 0x02CA00000001)), ip, tags)


def _payload(protocol: int, values: Sequence[int]) -> Tcp | Udp | Sctp | Icmp | Raw:
    source, destination, kind, code = values
    match protocol:
        case 6:
            return Tcp(source, destination, "S")
        case 17:
            return Udp(source, destination)
        case 132:
            return Sctp(source, destination)
        case 1 | 58:
            return Icmp(kind, code)
        case _:
            return Raw(protocol)

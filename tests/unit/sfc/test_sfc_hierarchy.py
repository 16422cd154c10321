"""Internal boundary nodes: packets enter a lower domain and come back behind it, however the upper position is kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfc.errors import ModelError
from sfc.hierarchy import UPPER_CLASS, BoundaryNode, HierarchyError, Keeping, Lowering
from sfc.model import PathPosition
from sfc.nsh import ContextTlv, NextProtocol, NshError, NshHeader

PAYLOAD = b"a frame"
UPPER, OTHER = PathPosition(100, 254), PathPosition(200, 200)
LOWER = Lowering(UPPER, PathPosition(7, 255), PathPosition(7, 253))
TWIN = Lowering(OTHER, PathPosition(7, 255), PathPosition(7, 253))
APART = Lowering(OTHER, PathPosition(8, 255), PathPosition(8, 250))


def served(packet: bytes, leaves: PathPosition) -> bytes:
    """The packet behind the lower path's functions."""
    header, length = NshHeader.decode(packet)
    moved = NshHeader(
        leaves.spi,
        leaves.si,
        ttl=header.ttl - 3,
        next_protocol=header.next_protocol,
        oam=header.oam,
        context=header.context,
    )
    return moved.encode() + packet[length:]


def upper(position: PathPosition = UPPER, **more: object) -> NshHeader:
    return NshHeader(position.spi, position.si, **{"ttl": 40, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize("keeping", Keeping)
@pytest.mark.parametrize("oam", [False, True])
def test_a_packet_goes_through_the_domain_and_on(keeping: Keeping, oam: bool) -> None:
    node = BoundaryNode("ibn", (LOWER, APART), keeping)
    for position, lowering in ((UPPER, LOWER), (OTHER, APART)):
        inside = node.enter(upper(position, oam=oam).encode() + PAYLOAD)
        header, _ = NshHeader.decode(inside)
        assert (header.spi, header.si, header.ttl, header.oam) == (lowering.lower.spi, 255, 63, oam)
        out = node.leave(served(inside, lowering.leaves))
        back, length = NshHeader.decode(out)
        assert (back.spi, back.si, back.oam, out[length:]) == (position.spi, position.si - 1, oam, PAYLOAD)
        assert back.ttl == (63 if keeping is Keeping.UNIQUE_PATHS else 40)
        assert back.next_protocol == NextProtocol.ETHERNET


def test_a_nested_header_octet_by_octet() -> None:
    packet = upper().encode() + PAYLOAD
    inside = BoundaryNode("ibn", (LOWER,)).enter(packet)
    assert inside == NshHeader(7, 255, next_protocol=NextProtocol.NSH).encode() + packet


@pytest.mark.parametrize("keeping", [Keeping.NESTED, Keeping.METADATA])
def test_two_upper_paths_may_share_a_lower_one_when_the_packet_keeps_its_position(keeping: Keeping) -> None:
    node = BoundaryNode("ibn", (LOWER, TWIN), keeping)
    for position in (UPPER, OTHER):
        out = node.leave(served(node.enter(upper(position).encode()), LOWER.leaves))
        assert NshHeader.decode(out)[0].spi == position.spi
    with pytest.raises(ModelError, match="which says neither"):
        BoundaryNode("ibn", (LOWER, TWIN), Keeping.UNIQUE_PATHS)


def test_context_headers_of_the_upper_packet_come_out_again() -> None:
    context = (ContextTlv(0x0100, 5, b"abc"),)
    for keeping in Keeping:
        node = BoundaryNode("ibn", (LOWER,), keeping)
        inside = node.enter(upper(context=context).encode() + PAYLOAD)
        if keeping is Keeping.METADATA:
            lower, _ = NshHeader.decode(inside)
            assert lower.context[0].md_class == UPPER_CLASS
        assert NshHeader.decode(node.leave(served(inside, LOWER.leaves)))[0].context == context


def test_what_a_node_does_not_know_is_refused() -> None:
    nested, kept = BoundaryNode("ibn", (LOWER, APART)), BoundaryNode("ibn", (LOWER, APART), Keeping.METADATA)
    with pytest.raises(HierarchyError, match="no lower path for 100/200"):
        nested.enter(NshHeader(100, 200).encode())
    with pytest.raises(HierarchyError, match="ends at 7/254"):
        nested.leave(NshHeader(7, 254).encode())
    with pytest.raises(HierarchyError, match="no upper header"):
        nested.leave(NshHeader(7, 253).encode())
    with pytest.raises(HierarchyError, match="is not there"):
        kept.leave(NshHeader(7, 253).encode())


@pytest.mark.parametrize("keeping", [Keeping.NESTED, Keeping.METADATA])
def test_a_position_that_a_function_forged_is_refused(keeping: Keeping) -> None:
    node = BoundaryNode("ibn", (LOWER, APART), keeping)
    inside = node.enter(upper(OTHER).encode())
    with pytest.raises(HierarchyError, match="200/200 never entered the lower path 7/253"):
        node.leave(served(inside, LOWER.leaves))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Lowering(PathPosition(1, 1), PathPosition(7, 255), PathPosition(7, 254)),
        lambda: Lowering(UPPER, PathPosition(7, 255), PathPosition(8, 254)),
        lambda: Lowering(UPPER, PathPosition(7, 254), PathPosition(7, 254)),
        lambda: BoundaryNode("ibn", (LOWER, Lowering(UPPER, PathPosition(9, 255), PathPosition(9, 254)))),
        lambda: BoundaryNode("a b", ()),
    ],
)
def test_what_cannot_be_is_refused(make) -> None:
    with pytest.raises(ModelError):
        make()


@given(octets=st.binary(max_size=80), keeping=st.sampled_from(Keeping))
def test_no_octets_break_a_node(octets: bytes, keeping: Keeping) -> None:
    node = BoundaryNode("ibn", (LOWER,), keeping)
    for packet in (octets, NshHeader(7, 253, next_protocol=NextProtocol.NSH).encode() + octets):
        for way in (node.enter, node.leave):
            try:
                assert isinstance(way(packet), bytes)
            except NshError:
                continue

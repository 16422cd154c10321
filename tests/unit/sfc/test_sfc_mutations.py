"""Rules broken one by one: the proof refuses each, and names the packet, the place and the rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv6Address

import pytest

from sfc.ambiguity import ambiguous
from sfc.model import Ct, Direction, Field, FieldMatch, Flow, FlowTables, Kind, Layer, Output, Resubmit, SetField
from sfc.model.actions import DecNshTtl
from sfc.verify import Prover, Rule
from sfc.verify.replay import capture_of, read_capture, replay
from tests.unit.sfc.gilan import GiLan, gilan
from tests.unit.sfc.test_sfc_vlan import trunked

Break = Callable[[Flow], Flow]
LANS = {"l2": gilan(), "l3": gilan(Layer.L3), "vlan": trunked(egress="server")}
MGMT = FieldMatch(Field.REG1, 1001)
NAT_MGMT = FieldMatch(Field.ND_TARGET, int(IPv6Address("fd00:ca:7e::13")))
PROVERS = {name: Prover() for name in LANS}


def removed(flow: Flow) -> Flow:
    """Stands for itself: see :func:`broken`."""
    return flow


def without(field: Field) -> Break:
    def widen(flow: Flow) -> Flow:
        return replace(flow, match=tuple(part for part in flow.match if part.field is not field))

    return widen


def one_bit_less(field: Field) -> Break:
    def widen(flow: Flow) -> Flow:
        return replace(flow, match=tuple(_wider(part) if part.field is field else part for part in flow.match))

    return widen


def _wider(part: FieldMatch) -> FieldMatch:
    mask = part.field.full_mask if part.mask is None else part.mask
    low = mask & -mask
    return FieldMatch(part.field, part.value & ~low, mask & ~low)


def setting(field: Field) -> Break:
    def other(flow: Flow) -> Flow:
        actions = (
            SetField(field, each.value ^ 2) if isinstance(each, SetField) and each.field is field else each
            for each in flow.actions
        )
        return replace(flow, actions=tuple(actions))

    return other


def sent_elsewhere(flow: Flow) -> Flow:
    actions = (Output(each.ofport + 1) if isinstance(each, Output) else each for each in flow.actions)
    return replace(flow, actions=tuple(actions))


def marked_otherwise(flow: Flow) -> Flow:
    actions = (replace(each, mark=77) if isinstance(each, Ct) and each.commit else each for each in flow.actions)
    return replace(flow, actions=tuple(actions))


def ttl_kept(flow: Flow) -> Flow:
    return replace(flow, actions=tuple(each for each in flow.actions if not isinstance(each, DecNshTtl)))


def round_the_entry(flow: Flow) -> Flow:
    """Straight to the next look-up: nothing is decremented."""
    actions = (Resubmit(10) if each == Resubmit(5) else each for each in flow.actions)
    return replace(flow, actions=tuple(actions))


def in_circles(flow: Flow) -> Flow:
    """Connection tracking sends the packet where it came from, again and again."""
    actions = (replace(each, table=flow.table) if isinstance(each, Ct) else each for each in flow.actions)
    return replace(flow, actions=tuple(actions))


def twice_itself(flow: Flow) -> Flow:
    return replace(flow, actions=(Resubmit(flow.table), Resubmit(flow.table)))


def of_chain(number: int, change: Break) -> Break:
    return lambda flow: change(flow) if flow.cookie.chain == number else flow


def about(part: FieldMatch, change: Break) -> Break:
    return lambda flow: change(flow) if part in flow.match else flow


def broken(lan: GiLan, kind: Kind, change: Break) -> dict[str, FlowTables]:
    """The tables with the first rule of a kind that the change changes broken; where it removes, all of one bridge."""
    for name, tables in lan.tables.items():
        if change is removed and any(flow.cookie.kind is kind for flow in tables.flows):
            flows = tuple(flow for flow in tables.flows if flow.cookie.kind is not kind)
            return {**lan.tables, name: FlowTables(name, flows, tables.groups, tables.meters)}
        for flow in tables.flows:
            changed = change(flow) if flow.cookie.kind is kind else flow
            if changed != flow:
                flows = tuple(changed if each is flow else each for each in tables.flows)
                return {**lan.tables, name: FlowTables(name, flows, tables.groups, tables.meters)}
    raise AssertionError(f"no rule of kind {kind.name} is changed by this")


MUTATIONS: list[tuple[str, Kind, Break, Rule]] = [
    ("l2", Kind.CLASSIFY, removed, Rule.FUNCTIONS),
    ("l2", Kind.CLASSIFY, one_bit_less(Field.L4_DST), Rule.STRANGER),
    ("l2", Kind.CLASSIFY, setting(Field.NSH_SPI), Rule.FUNCTIONS),
    ("l2", Kind.CLASSIFY, setting(Field.NSH_FLAGS), Rule.UNDERLAY),
    ("l2", Kind.CLASSIFY, marked_otherwise, Rule.BESIDES),
    ("l2", Kind.CLASSIFY_TRACK, removed, Rule.BESIDES),
    ("l2", Kind.CLASSIFY_FRAGMENT, removed, Rule.BESIDES),
    ("l2", Kind.CLASSIFY_FRAGMENT, setting(Field.NSH_SPI), Rule.BESIDES),
    ("l2", Kind.TO_PROXY, removed, Rule.FUNCTIONS),
    ("l2", Kind.TO_PROXY, without(Field.NSH_SPI), Rule.EXECUTABLE),
    ("l2", Kind.TO_PROXY, one_bit_less(Field.NSH_SI), Rule.EXECUTABLE),
    ("l2", Kind.TO_SF, setting(Field.ETH_DST), Rule.FUNCTIONS),
    ("l2", Kind.TO_PEER, setting(Field.TUN_DST), Rule.FUNCTIONS),
    ("l2", Kind.HAND_OFF, setting(Field.ETH_SRC), Rule.FUNCTIONS),
    ("l2", Kind.HAND_OFF, sent_elsewhere, Rule.FUNCTIONS),
    ("l2", Kind.HAND_OFF, without(Field.REG0), Rule.EXECUTABLE),
    ("l2", Kind.PROXY_RETURN, removed, Rule.FUNCTIONS),
    ("l2", Kind.PROXY_RETURN, setting(Field.NSH_SI), Rule.DESTINATION),
    ("l2", Kind.REVERSE_MARK, setting(Field.NSH_TTL), Rule.UNDERLAY),
    ("l2", Kind.PROXY_RETURN, without(Field.ETH_SRC), Rule.GUARD),
    ("l2", Kind.SF_RETURN, without(Field.NSH_SI), Rule.GUARD),
    ("l2", Kind.SF_RETURN, without(Field.ETH_SRC), Rule.GUARD),
    ("l2", Kind.SF_ANSWER, removed, Rule.BESIDES),
    ("l2", Kind.SF_ANSWER, setting(Field.NSH_SI), Rule.BESIDES),
    ("l2", Kind.SF_ERROR, removed, Rule.BESIDES),
    ("l2", Kind.SF_ERROR, setting(Field.NSH_SPI), Rule.BESIDES),
    ("l2", Kind.END, setting(Field.ETH_DST), Rule.DESTINATION),
    ("l2", Kind.END, marked_otherwise, Rule.MARK),
    ("l2", Kind.END_ERROR, removed, Rule.BESIDES),
    ("l2", Kind.REVERSE_MARK, removed, Rule.MARK),
    ("l2", Kind.REVERSE_MARK, without(Field.CT_MARK), Rule.EXECUTABLE),
    ("l2", Kind.REVERSE_MISS, removed, Rule.MISS),
    ("l2", Kind.DROP_TAGGED, removed, Rule.GUARD),
    ("l2", Kind.PROXY_RETURN, without(Field.ETH_TYPE), Rule.GUARD),
    ("l2", Kind.SF_ERROR, without(Field.IPV4_SRC), Rule.GUARD),
    ("l2", Kind.SF_ERROR, without(Field.ETH_DST), Rule.GUARD),
    ("l2", Kind.TTL_OUT, removed, Rule.INDEX),
    ("l2", Kind.TTL_OUT, setting(Field.ETH_SRC), Rule.INDEX),
    ("l2", Kind.TTL_OUT_OAM, sent_elsewhere, Rule.INDEX),
    ("l2", Kind.ENTRY_TTL_ZERO, removed, Rule.INDEX),
    ("l2", Kind.ENTRY, ttl_kept, Rule.INDEX),
    ("l2", Kind.DROP_SI_ZERO, removed, Rule.INDEX),
    ("l2", Kind.OAM_END, setting(Field.ETH_SRC), Rule.OAM),
    ("l2", Kind.OAM_PASS, round_the_entry, Rule.INDEX),
    ("l2", Kind.PROBE_FUNCTION, setting(Field.ETH_SRC), Rule.LIVENESS),
    ("l2", Kind.CLASSIFY_FRAGMENT, setting(Field.NSH_TTL), Rule.INDEX),
    ("l2", Kind.CLASSIFY_FRAGMENT, without(Field.CT_MARK), Rule.BESIDES),
    ("l2", Kind.SF_ANSWER, setting(Field.NSH_FLAGS), Rule.BESIDES),
    ("l2", Kind.REVERSE_MARK, setting(Field.NSH_FLAGS), Rule.UNDERLAY),
    ("l2", Kind.REVERSE_MISS, setting(Field.NSH_TTL), Rule.UNDERLAY),
    ("l2", Kind.REVERSE_MISS, without(Field.ETH_DST), Rule.STRANGER),
    ("l2", Kind.DROP_INVALID, removed, Rule.MISS),
    ("l2", Kind.END, setting(Field.ETH_SRC), Rule.DESTINATION),
    ("l2", Kind.END_ERROR, of_chain(200, sent_elsewhere), Rule.BESIDES),
    ("l2", Kind.END_ERROR, of_chain(200, setting(Field.ETH_DST)), Rule.BESIDES),
    ("l2", Kind.TO_SF, setting(Field.ETH_SRC), Rule.FUNCTIONS),
    ("l2", Kind.PORT_ARP, removed, Rule.NEIGHBOUR),
    ("l2", Kind.PORT_ND, removed, Rule.NEIGHBOUR),
    ("l2", Kind.ARP_ANSWER, removed, Rule.NEIGHBOUR),
    ("l2", Kind.ARP_ANSWER, setting(Field.ARP_SHA), Rule.NEIGHBOUR),
    ("l2", Kind.DROP_ANNOUNCEMENT, removed, Rule.NEIGHBOUR),
    ("l2", Kind.ND_ANSWER, removed, Rule.NEIGHBOUR),
    ("l2", Kind.ND_COMPLETE, about(NAT_MGMT, setting(Field.ND_TLL)), Rule.NEIGHBOUR),
    ("l2", Kind.TUNNEL_L2, removed, Rule.DESTINATION),
    ("l2", Kind.L2_LOCAL, about(MGMT, sent_elsewhere), Rule.DESTINATION),
    ("l2", Kind.L2_REMOTE, about(MGMT, setting(Field.TUN_DST)), Rule.DESTINATION),
    ("l2", Kind.L2_REMOTE, about(MGMT, setting(Field.TUN_ID)), Rule.DESTINATION),
    ("l3", Kind.HAND_OFF, marked_otherwise, Rule.FUNCTIONS),
    ("l3", Kind.HAND_OFF, setting(Field.ETH_DST), Rule.FUNCTIONS),
    ("l3", Kind.MARK_RETURN, removed, Rule.FUNCTIONS),
    ("l3", Kind.MARK_RETURN, without(Field.CT_MARK), Rule.EXECUTABLE),
    ("vlan", Kind.CLASSIFY, without(Field.VLAN_TCI), Rule.STRANGER),
    ("vlan", Kind.END, setting(Field.VLAN_TCI), Rule.DESTINATION),
]


@pytest.mark.parametrize(("lan", "kind", "change", "rule"), MUTATIONS)
def test_a_broken_rule_is_refused_and_replays(lan: str, kind: Kind, change: Break, rule: Rule) -> None:
    topology, chains = LANS[lan].topology, LANS[lan].chains
    prover = PROVERS[lan]
    assert prover.prove(topology, chains, LANS[lan].tables).violations == ()
    tables = broken(LANS[lan], kind, change)
    violations = prover.prove(topology, chains, tables).violations
    assert rule in {each.rule for each in violations}, violations
    told = next(each for each in violations if each.rule is rule)
    assert told.sff is not None and told.flow is not None and f"cookie {told.flow.cookie.encode():#x}" in str(told)
    if rule is not Rule.EXECUTABLE:
        octets = capture_of(topology, told)
        assert read_capture(octets)[-1].packet == told.packet
        assert replay(topology, tables, octets).events


@pytest.mark.parametrize(("kind", "change"), [(Kind.PORT_IP, in_circles), (Kind.L2_TO_REMOTE, twice_itself)])
def test_rules_that_lead_in_circles_end_and_are_refused(kind: Kind, change: Break) -> None:
    """A switch gives up after 4096 look-ups of one packet, or six recirculations; so does the proof."""
    lan = LANS["l2"]
    violations = PROVERS["l2"].prove(lan.topology, lan.chains, broken(lan, kind, change)).violations
    assert violations and any("it went round too long" in str(each) for each in violations)


def test_a_ttl_of_no_nsh_is_refused() -> None:
    lan = LANS["l2"]

    def decremented(flow: Flow) -> Flow:
        return replace(flow, actions=(DecNshTtl(), *flow.actions))

    violations = PROVERS["l2"].prove(lan.topology, lan.chains, broken(lan, Kind.PORT_IP, decremented)).violations
    assert Rule.EXECUTABLE in {each.rule for each in violations}


def test_rendered_rules_leave_nothing_undefined() -> None:
    for lan in LANS.values():
        for tables in lan.tables.values():
            assert list(ambiguous(tables.flows)) == []


def test_only_rules_that_differ_in_what_they_do_are_ambiguous() -> None:
    flow = next(each for each in LANS["l2"].tables["h1"].flows if each.cookie.kind is Kind.END)
    wide = replace(flow, match=flow.match[1:])
    assert list(ambiguous((flow, wide))) == []
    other = replace(wide, actions=())
    assert list(ambiguous((flow, other))) == [(flow, other)]
    assert list(ambiguous((flow, other), fresh=[replace(flow, priority=1)])) == []
    assert flow.cookie.direction is Direction.REVERSE

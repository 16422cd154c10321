"""What Open vSwitch would not do: found in tables made by hand, never in rendered ones."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sfc.limits import Feature, faults
from sfc.model import (
    Awareness,
    Bucket,
    Clone,
    Cookie,
    Decap,
    EncapEthernet,
    EncapNsh,
    Flow,
    FlowTables,
    Group,
    GroupType,
    Kind,
    Layer,
    MeterBy,
    OnFailure,
    Output,
    Resubmit,
    SetField,
    ToGroup,
)
from sfc.model.actions import Action
from sfc.model.fields import Field
from sfc.ovs.features import read_features
from sfc.render import render
from sfc.verify import Prover, Rule
from tests.unit.sfc.gilan import gilan
from tests.unit.sfc.spreading import planned, spread_chain, three_firewalls
from tests.unit.sfc.test_sfc_graph import CACHED, FIRST, SCRUBBED
from tests.unit.sfc.test_sfc_graph import planned as planned_graph
from tests.unit.sfc.test_sfc_hand_off import in_vlans, with_tap

COOKIE = Cookie(Kind.TO_SF, 1)


def rule(*actions: Action) -> Flow:
    return Flow(20, 100, (), actions, COOKIE)


def group(*buckets: Bucket, kind: GroupType = GroupType.FAST_FAILOVER, **more: object) -> Group:
    return Group(1, kind, buckets, **more)  # type: ignore[arg-type]


def found(*flows: Flow, groups: tuple[Group, ...] = ()) -> list[str]:
    return [fault.what for fault in faults(FlowTables("h1", flows, groups))]


@pytest.mark.parametrize(
    ("actions", "words"),
    [
        ((Decap(), SetField(Field.ETH_DST, 1), Output(1)), "right behind a decap"),
        ((Decap(), EncapNsh()), "right behind a decap"),
        ((Clone((Decap(), Resubmit(30))), Output(1)), "ends the actions beside it"),
        ((ToGroup(9),), "there is no group 9"),
        ((MeterBy(9), Output(1)), "there is no meter 9"),
    ],
)
def test_rules_that_would_not_do_what_they_say_are_found(actions: tuple[Action, ...], words: str) -> None:
    (what,) = found(rule(*actions))
    assert words in what


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (group(Bucket((Output(1),)), kind=GroupType.SELECT), "dp_hash"),
        (group(Bucket((EncapNsh(), Output(1)), watch_port=1)), "in a bucket"),
        (group(Bucket((EncapEthernet(), Output(1)), watch_port=1)), "in a bucket"),
        (group(Bucket((Decap(), Output(1)), watch_port=1)), "in a bucket"),
        (group(Bucket((SetField(Field.ETH_DST, 1), Output(1)), watch_port=1)), "only registers"),
        (group(Bucket((Output(1), SetField(Field.REG0, 1)), watch_port=1)), "ends with it"),
        (group(Bucket((Output(1), Output(2)), watch_port=1)), "ends with it"),
        (group(Bucket((Output(1),))), "watches no port"),
        (group(Bucket((ToGroup(1),), watch_port=1)), "or itself"),
    ],
)
def test_groups_that_would_not_do_what_they_say_are_found(bad: Group, words: str) -> None:
    assert any(words in what for what in found(groups=(bad,)))


def test_what_is_rendered_has_no_fault() -> None:
    lans = [gilan(layer) for layer in (Layer.L2, Layer.L3)]
    networks = [(lan.topology, lan.chains) for lan in (*lans, with_tap(Awareness.NONE), with_tap(Awareness.NSH))]
    networks += [in_vlans(), planned_graph(FIRST, CACHED, SCRUBBED)]
    spreading = three_firewalls()
    networks.append((spreading, planned(spreading, spread_chain())))
    for topology, chains in networks:
        for policy in OnFailure:
            functions = tuple(replace(each, on_failure=policy) for each in topology.functions)
            for tables in render(replace(topology, functions=functions), chains).values():
                assert list(faults(tables)) == []


def test_a_proof_tells_them_and_goes_on_telling_until_they_are_gone() -> None:
    lan = gilan()
    prover, tables = Prover(), lan.tables
    bad = {**tables, "h2": replace(tables["h2"], flows=(*tables["h2"].flows, rule(ToGroup(9))))}
    for given, count in ((tables, 0), (bad, 1), (bad, 1), (tables, 0)):
        violations = prover.prove(lan.topology, lan.chains, given).violations
        assert [violation.rule for violation in violations] == [Rule.EXECUTABLE] * count


@pytest.mark.parametrize("feature", Feature)
def test_what_a_datapath_lacks_is_refused_by_name_where_it_is_needed(feature: Feature) -> None:
    """Here h3, where the NAT's connections are marked, has one thing less than a userspace datapath."""
    lan = gilan()
    sffs = tuple(replace(sff, lacks=frozenset({feature})) if sff.name == "h3" else sff for sff in lan.topology.sffs)
    topology = replace(lan.topology, sffs=sffs)
    proof = Prover().prove(topology, lan.chains, render(topology, lan.chains))
    told = {(violation.rule, violation.sff) for violation in proof.violations}
    assert told == {(Rule.EXECUTABLE, "h3")}
    assert all(feature.value in str(violation) for violation in proof.violations)
    one_way = gilan(symmetric=False)
    needed = {each.what for each in faults(render(topology, one_way.chains)["h3"], lacks=[feature])}
    assert bool(needed) is (feature in (Feature.RECIRCULATION, Feature.ND_EXTENSION))


def test_a_switch_tells_what_its_datapath_has() -> None:
    assert read_features("Recirc: Yes\nCT mark: No\nMax VLAN headers: 1\n") == {Feature.CT_MARK}
    assert read_features("") == frozenset()

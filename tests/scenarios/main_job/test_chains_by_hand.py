"""Chains that no VNFFG asked for: made of a Chain document, changed while they carry packets, deleted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from mano.adapters.clock import SystemClock
from mano.adapters.sfc_paths_simulated import SimulatedServicePaths
from mano.domain.lcm_op_occ import OperationState
from mano.errors import (
    AlreadyExists,
    ChainTooLarge,
    InUse,
    InvalidInput,
    NotFound,
    NoTunnel,
    OperationInProgress,
    Unreachable,
    WrongState,
)
from tests.scenarios.main_job.conftest import Job, new_job

DNS: dict[str, Any] = {
    "apiVersion": "catena/v1",
    "kind": "Chain",
    "id": "dns",
    "classifiers": [{"priority": 500, "match": {"protocol": "udp", "destinationPort": "53"}}],
    "ingress": "subscribers",
    "path": [{"group": "fw", "instances": [{"sf": "firewall-0"}]}, {"group": "nat-0"}],
}


@pytest.fixture
def running(job: Job) -> Job:
    """The sample network service is up."""
    op = job.instantiate(job.ready())
    assert op.state is OperationState.COMPLETED, op.error
    return job


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory, archives: dict[str, Path]) -> Iterator[Job]:
    """The same for all who only ask and are refused."""
    job = new_job(tmp_path_factory.mktemp("standing"), archives)
    job.instantiate(job.ready())
    yield job
    job.catena.stop()


def chain(job: Job, name: str) -> dict[str, Any]:
    return next(dict(one) for one in job.services.forwarding_graphs.list(job.tenant) if one["name"] == name)


def functions(job: Job, name: str, protocol: str = "udp", port: int = 53) -> list[str]:
    """Names of the functions that a subscriber's packet meets on the programmed tables."""
    found = chain(job, name)
    packet = {"source": "10.10.0.2", "destination": "198.51.100.1", "protocol": protocol, "destinationPort": port}
    walk = job.services.forwarding_graphs.trace(found["id"], job.tenant, packet)
    assert "delivered" in walk["verdict"], walk
    names = {
        hop["sfId"]: hop["sfName"]
        for one in job.services.forwarding_graphs.list(job.tenant)
        for path in one["paths"]
        for hop in [*path["hops"], path.get("terminator") or path["hops"][0]]
    }
    return [names[function] for function in walk["functions"]]


def is_true(job: Job) -> bool:
    """The bridges hold what is intended, and that is proven."""
    for one in job.services.forwarding_graphs.list(job.tenant):
        said = job.services.forwarding_graphs.verify(one["id"], job.tenant)
        if not said["proven"] or said["drift"] or not all(trace["agrees"] for trace in said["traces"]):
            return False
    return True


def test_a_chain_made_by_hand_takes_its_packets_and_gives_them_back(running: Job):
    made = running.services.chains.create(running.tenant, DNS)
    assert (made["name"], made["state"], made["nsInstanceId"]) == ("dns", "active", "")
    assert made["classifiers"][0]["text"] == "udp destination port 53"
    assert functions(running, "dns") == ["firewall-0", "nat-0"]
    assert is_true(running)
    spis = [made["forwardSpi"], made["reverseSpi"]]
    running.services.chains.delete(made["id"], running.tenant)
    with pytest.raises(NotFound):
        running.services.forwarding_graphs.get(made["id"], running.tenant)
    assert functions(running, "other") == ["firewall-0", "nat-0"]
    assert is_true(running)
    again = running.services.chains.create(running.tenant, DNS)
    assert not set(spis) & {again["forwardSpi"], again["reverseSpi"]}, "numbers rest before they are used again"


def test_the_preview_tells_everything_and_stores_nothing(standing: Job):
    before = standing.services.forwarding_graphs.list(standing.tenant)
    preview = standing.services.chains.preview_new(standing.tenant, DNS).to_document()
    assert preview["differs"] and preview["packetsTried"] > 0
    assert set(preview["flows"]) == {"h1", "h2", "h3"} or set(preview["flows"]) < {"h1", "h2", "h3"}
    assert preview["mtu"] == 1500
    assert [hop["sfName"] for hop in preview["chain"]["paths"][0]["hops"]] == ["firewall-0"]
    assert any("chain dns wins over classifier 0 of chain other by priority" in text for text in preview["warnings"])
    assert standing.services.forwarding_graphs.list(standing.tenant) == before


def test_a_change_goes_through_its_phases_and_ends_on_the_new_path(running: Job):
    other = chain(running, "other")
    longer = {"path": [{"group": "firewall-0"}, {"group": "dpi-0"}, {"group": "nat-0"}]}
    document = running.services.chains.patched(other["id"], running.tenant, longer)
    preview = running.services.chains.preview_change(other["id"], running.tenant, document)
    assert preview.phases == ("added", "flipped", "inherited", "removed")
    op = running.services.chains.operation(
        running.services.chains.replace(other["id"], running.tenant, document), running.tenant
    )
    assert (op.state, op.error) == (OperationState.COMPLETED, None)
    assert [step.name for step in op.steps] == [
        "add the new paths",
        "let the new version classify",
        "lead marked connections back on the new path",
        "drain",
        "remove the old paths",
    ]
    after = chain(running, "other")
    assert (after["version"], after["state"], after["change"]) == (2, "active", None)
    assert not {after["forwardSpi"], after["reverseSpi"]} & {other["forwardSpi"], other["reverseSpi"]}
    assert after["id"] == other["id"]
    assert functions(running, "other") == ["firewall-0", "dpi-0", "nat-0"]
    assert is_true(running)


def test_a_change_of_classifiers_alone_needs_no_new_path(running: Job):
    web = chain(running, "web")
    match = [{"priority": 100, "match": {"protocol": "tcp", "destinationPort": "8000-8080"}}]
    document = running.services.chains.patched(web["id"], running.tenant, {"classifiers": match})
    op_id = running.services.chains.replace(web["id"], running.tenant, document)
    op = running.services.chains.operation(op_id, running.tenant)
    assert [step.name for step in op.steps] == ["let the new version classify"]
    assert chain(running, "web")["forwardSpi"] == web["forwardSpi"]
    assert functions(running, "web", "tcp", 8042) == ["firewall-0", "dpi-0", "nat-0"]
    assert functions(running, "web", "tcp", 80) == ["firewall-0", "nat-0"]
    assert is_true(running)


def test_the_same_document_changes_nothing(standing: Job):
    other = chain(standing, "other")
    document = standing.services.chains.patched(other["id"], standing.tenant, {})
    assert not standing.services.chains.preview_change(other["id"], standing.tenant, document).differs


def test_the_network_service_takes_its_changed_chains_with_it(running: Job):
    other = chain(running, "other")
    document = running.services.chains.patched(other["id"], running.tenant, {"path": [{"group": "nat-0"}]})
    running.services.chains.replace(other["id"], running.tenant, document)
    with pytest.raises(WrongState, match="goes with it"):
        running.services.chains.delete(other["id"], running.tenant)
    ns_id = other["nsInstanceId"]
    assert running.terminate(ns_id).state is OperationState.COMPLETED
    assert running.held() == {}


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"path": [{"group": "a", "instances": [{"sf": "marker-of-mine"}]}]}, "/path/0/instances/0/sf"),
        ({"path": []}, "/path"),
        ({"path": [{"group": "a\nactions=drop"}]}, "/path/0/group"),
        ({"ingress": "marker-of-mine"}, "/ingress"),
        ({"classifiers": [{"match": {"protocol": "marker-of-mine"}}]}, "/classifiers/0/match/protocol"),
        ({"classifiers": [{"match": {"source": "marker-of-mine"}}]}, "/classifiers/0/match/source"),
        ({"classifiers": [{"match": {"destinationPort": "80-70"}}]}, "/classifiers/0/match/destinationPort"),
        ({"classifiers": [{"priority": -1}]}, "/classifiers/0/priority"),
        ({"classifiers": [{"match": {"colour": "red"}}]}, "/classifiers/0/match/colour"),
        ({"metadata": {"context": [1 << 40]}}, "/metadata/context/0"),
        ({"metadata": {"context": [1, 2, 3, 4]}}, "/metadata/context"),
        ({"metadata": {"context": [1, 2, 3], "tlvs": ["00" * 300]}}, "/metadata/tlvs"),
        ({"path": [{"group": f"g{number}"} for number in range(256)]}, "/path"),
        ({"id": "x,priority=65535 actions=NORMAL"}, "/id"),
        ({"name": "a\ncookie=0,actions=drop"}, "/name"),
        ({"path": [{"group": "fw", "instances": [{"sf": "firewall-0\nactions=drop"}]}]}, "/path/0/instances/0/sf"),
        ({"functions": [{"id": "x actions=drop", "ingress": "in"}]}, "/functions/0/id"),
        ({"classifiers": [{"match": {"destinationPort": "80,actions=drop"}}]}, "/classifiers/0/match/destinationPort"),
        ({"classifiers": [{"match": {"source": "10.0.0.0/8 actions=drop"}}]}, "/classifiers/0/match/source"),
        ({"classifiers": [{"match": {"source": "10.0.0.1/ff00::"}}]}, "/classifiers/0/match/source"),
        ({"classifiers": [{"match": {"sourceMac": "02:00:00:00:00:01/ff"}}]}, "/classifiers/0/match/sourceMac"),
        ({"classifiers": [{"match": {"dscp": "0x40/0x40"}}]}, "/classifiers/0/match/dscp"),
        ({"classifiers": [{"match": {"protocol": 6, "sourcePort": "1/0"}}]}, "/classifiers/0/match/sourcePort"),
        ({"classifiers": [{"match": {"vlan": 4096}}]}, "/classifiers/0/match/vlan"),
        ({"classifiers": [{"match": {"vlan": 10, "vlanPriority": 8}}]}, "/classifiers/0/match/vlanPriority"),
        ({"symmetric": "yes"}, "/symmetric"),
        ({"kind": "marker-of-mine"}, "/kind"),
        ({"id": None}, "/id"),
        ({"functions": [{"id": "x", "ingress": "nowhere"}]}, "/functions/0/ingress"),
        ({"extra": 1}, "/extra"),
    ],
)
def test_what_is_wrong_is_told_by_its_place(standing: Job, change: dict[str, Any], pointer: str):
    document = {key: value for key, value in {**DNS, **change}.items() if value is not None}
    with pytest.raises(InvalidInput) as told:
        standing.services.chains.create(standing.tenant, document)
    assert told.value.facts["pointer"] == pointer
    assert "marker-of-mine" not in f"{told.value.detail} {told.value.hint}"
    assert len(standing.services.forwarding_graphs.list(standing.tenant)) == 2


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ([{"group": "nat-0"}, {"group": "firewall-0"}], "REWRITES_IN_THE_MIDDLE"),
        ([{"group": "firewall-0"}], "NO_END"),
    ],
)
def test_a_path_that_cannot_be_laid_out_is_refused(standing: Job, path: list[Any], reason: str):
    with pytest.raises(InvalidInput) as told:
        standing.services.chains.create(standing.tenant, {**DNS, "path": path})
    assert told.value.facts["reason"] == reason
    assert is_true(standing)


@pytest.mark.parametrize(
    ("classifiers", "reason"),
    [
        ([{"match": {"vlan": 10}}], "VLAN_MATCH"),
        ([{"match": {"vlan": 10}}, {"match": {"protocol": "tcp"}}], "VLAN_MIXED"),
        (
            [{"match": {"protocol": "tcp", "sourcePort": "1-65534", "destinationPort": "1-65534", "dscp": "1/1"}}],
            "MATCH_FLOWS",
        ),
    ],
)
def test_classifiers_that_no_switch_could_hold_are_refused(
    standing: Job, classifiers: list[dict[str, Any]], reason: str
):
    with pytest.raises(InvalidInput) as told:
        standing.services.chains.preview_new(standing.tenant, {**DNS, "classifiers": classifiers})
    assert told.value.facts["reason"] == reason
    assert is_true(standing)


def test_bits_are_kept_as_they_were_asked_for(standing: Job):
    match = {
        "protocol": "udp",
        "source": "10.10.0.2/255.255.0.255",
        "destinationPort": "0x35/0xff",
        "dscp": "0x08/0x38",
        "sourceMac": "02:00:00:00:00:00/03:00:00:00:00:00",
    }
    asked = {**DNS, "classifiers": [{"priority": 500, "match": match}]}
    preview = standing.services.chains.preview_new(standing.tenant, asked).to_document()
    (classifier,) = preview["chain"]["classifiers"]
    assert classifier["match"] == {**match, "protocol": 17, "dscp": "0x8/0x38"}
    assert "destination port 0x35/0xff" in classifier["text"]
    assert any("chain dns wins over classifier 0 of chain other by priority" in text for text in preview["warnings"])


def test_the_same_chain_twice_is_refused(running: Job):
    running.services.chains.create(running.tenant, DNS)
    with pytest.raises(AlreadyExists):
        running.services.chains.create(running.tenant, DNS)


def test_another_tenants_functions_do_not_exist(standing: Job):
    with pytest.raises(InvalidInput, match="names no"):
        standing.services.chains.create("another-tenant", DNS)
    with pytest.raises(NotFound):
        standing.services.chains.delete(chain(standing, "web")["id"], "another-tenant")


def test_chains_that_share_a_function_mean_the_same_by_it(standing: Job):
    topology = standing.services.nfvi.topology(standing.tenant)
    ports = {port["cpdId"]: port["id"] for host in topology["hosts"] for port in host["ports"]}
    routed = {"id": "fw", "ingress": ports["in"], "egress": ports["out"], "layer": "l3"}
    path = [{"group": "fw"}, {"group": "nat-0"}]
    with pytest.raises(InvalidInput, match="with another layer"):
        standing.services.chains.create(standing.tenant, {**DNS, "functions": [routed], "path": path})


def test_a_port_beside_the_bridges_is_no_part_of_a_chain(standing: Job):
    with pytest.raises(NoTunnel, match="bypasses"):
        standing.services.chains.create(standing.tenant, {**DNS, "ingress": "internet"})


def test_a_chain_whose_ends_send_more_than_its_tunnels_carry_is_refused(running: Job):
    for host in ("h1", "h2", "h3"):
        with running.catena.store.open_unit() as uow:
            stored = uow.hosts.get(host)
            uow.hosts.put(replace(stored, dataplane={**stored.dataplane, "underlay_mtu": 1500}))
    with pytest.raises(ChainTooLarge) as told:
        running.services.chains.create(running.tenant, DNS)
    assert told.value.facts == {"mtu": 1500, "carried": 1426, "overhead": 74}


def silence(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """The host's bridge does not answer any more."""
    program = SimulatedServicePaths.program

    def answer(paths: SimulatedServicePaths, called: str, tables: Any, *, generation: int | None = None) -> None:
        if called == host:
            raise Unreachable(f"{host} does not answer")
        program(paths, called, tables, generation=generation)

    monkeypatch.setattr(SimulatedServicePaths, "program", answer)


def test_a_chain_through_a_host_that_does_not_answer_leaves_nothing(running: Job, monkeypatch: pytest.MonkeyPatch):
    silence(monkeypatch, "h1")
    with pytest.raises(Unreachable):
        running.services.chains.create(running.tenant, DNS)
    assert {one["name"] for one in running.services.forwarding_graphs.list(running.tenant)} == {"web", "other"}


def test_a_change_that_a_dead_host_stops_waits_for_a_decision(running: Job, monkeypatch: pytest.MonkeyPatch):
    other = chain(running, "other")
    longer = {"path": [{"group": "firewall-0"}, {"group": "dpi-0"}, {"group": "nat-0"}]}
    document = running.services.chains.patched(other["id"], running.tenant, longer)
    with monkeypatch.context() as meanwhile:
        silence(meanwhile, chain(running, "web")["paths"][0]["hops"][1]["host"])
        op_id = running.services.chains.replace(other["id"], running.tenant, document)
        op = running.services.chains.operation(op_id, running.tenant)
        assert op.state is OperationState.FAILED_TEMP
        assert chain(running, "other")["state"] == "changing"
        with pytest.raises(OperationInProgress):
            running.services.chains.replace(other["id"], running.tenant, document)
    assert functions(running, "other") == ["firewall-0", "nat-0"], "the present version goes on"
    running.services.chains.rollback(op_id, running.tenant)
    assert running.services.chains.operation(op_id, running.tenant).state is OperationState.ROLLED_BACK
    assert chain(running, "other")["forwardSpi"] == other["forwardSpi"]
    assert is_true(running)
    again = running.services.chains.replace(other["id"], running.tenant, document)
    assert running.services.chains.operation(again, running.tenant).state is OperationState.COMPLETED


def watch_bridges(monkeypatch: pytest.MonkeyPatch, seen: list[str]) -> None:
    """Write down what is asked of the bridges, and the waits of the clock."""
    program, settle, sleep = SimulatedServicePaths.program, SimulatedServicePaths.settle, SystemClock.sleep

    def programmed(paths: SimulatedServicePaths, host: str, tables: Any, *, generation: int | None = None) -> None:
        seen.append("program")
        program(paths, host, tables, generation=generation)

    def settled(paths: SimulatedServicePaths, host: str) -> None:
        seen.append(f"settle {host}")
        settle(paths, host)

    def slept(clock: SystemClock, seconds: float) -> None:
        seen.append(f"sleep {seconds:g}")
        sleep(clock, min(seconds, 0.01))

    monkeypatch.setattr(SimulatedServicePaths, "program", programmed)
    monkeypatch.setattr(SimulatedServicePaths, "settle", settled)
    monkeypatch.setattr(SystemClock, "sleep", slept)


def before_the_removal(seen: list[str]) -> list[str]:
    """What came between the last two times that bridges were programmed."""
    runs = [list(run) for is_program, run in groupby(seen, lambda word: word == "program") if not is_program]
    assert seen[-1] == "program", seen
    return runs[-1]


def changed_to_longer(job: Job) -> None:
    other = chain(job, "other")
    longer = {"path": [{"group": "firewall-0"}, {"group": "dpi-0"}, {"group": "nat-0"}]}
    document = job.services.chains.patched(other["id"], job.tenant, longer)
    op_id = job.services.chains.replace(other["id"], job.tenant, document)
    assert job.services.chains.operation(op_id, job.tenant).state is OperationState.COMPLETED


def test_old_paths_go_only_when_every_bridge_forgot_them(running: Job, monkeypatch: pytest.MonkeyPatch):
    """However short the drain is: a switch goes on for a while by what it remembers."""
    made = running.services.chains.create(running.tenant, DNS)
    seen: list[str] = []
    with monkeypatch.context() as meanwhile:
        watch_bridges(meanwhile, seen)
        changed_to_longer(running)
        *settled, drained = before_the_removal(seen)
        assert sorted(settled) == ["settle h1", "settle h2", "settle h3"]
        assert drained == "sleep 0.01"
        seen.clear()
        running.services.chains.delete(made["id"], running.tenant)
        *settled, drained = before_the_removal(seen)
        assert settled and all(word.startswith("settle ") for word in settled)
        assert drained == "sleep 0.01"


def test_a_bridge_that_cannot_say_what_it_remembers_is_given_time(running: Job, monkeypatch: pytest.MonkeyPatch):
    def refused(paths: SimulatedServicePaths, host: str) -> None:
        raise Unreachable(f"{host} does not answer")

    seen: list[str] = []
    with monkeypatch.context() as meanwhile:
        watch_bridges(meanwhile, seen)
        meanwhile.setattr(SimulatedServicePaths, "settle", refused)
        changed_to_longer(running)
    assert before_the_removal(seen) == ["sleep 1.01"]


def test_a_service_that_chains_made_by_hand_pass_stays(running: Job):
    made = running.services.chains.create(running.tenant, DNS)
    ns_id = chain(running, "web")["nsInstanceId"]
    with pytest.raises(InUse, match="chain dns begins, passes or ends"):
        running.terminate(ns_id)
    running.services.chains.delete(made["id"], running.tenant)
    assert running.terminate(ns_id).state is OperationState.COMPLETED


def test_functions_may_be_described_by_their_ports(running: Job):
    """As networking-sfc's port pairs do."""
    topology = running.services.nfvi.topology(running.tenant)
    ports = {port["cpdId"]: port["id"] for host in topology["hosts"] for port in host["ports"]}
    pair = {"id": "pp1", "ingress": ports["in"], "egress": ports["out"], "awareness": "none", "layer": "l2"}
    document = {
        **DNS,
        "functions": [pair],
        "path": [{"group": "ppg1", "instances": [{"sf": "pp1"}]}, {"group": "nat-0"}],
    }
    made = running.services.chains.create(running.tenant, document)
    web = chain(running, "web")
    assert made["paths"][0]["hops"][0]["sfId"] == web["paths"][0]["hops"][0]["sfId"], "the same legs, the same function"
    assert is_true(running)

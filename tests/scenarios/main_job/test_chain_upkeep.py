"""Traceroute, drift, repair, dead functions and the history of counters, on the simulated tier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest

from mano.adapters.clock import SystemClock, random_id
from mano.adapters.sfc_paths_simulated import SimulatedServicePaths
from mano.domain.alarm import PerceivedSeverity
from mano.domain.lcm_op_occ import OperationState
from mano.errors import WrongState
from mano.nfvo.chain_counts import CountHistory
from mano.nfvo.forwarding_graphs import CUT, DARK, DOWN
from mano.nfvo.keeping import Keeper
from mano.nfvo.tracing import classified_packet
from mano.ports.service_paths import Drift, NetworkSight, PathHop, PathProbe
from sfc.model import Kind
from sfc.simulator import Simulator
from sfc.simulator.packets import Ethernet, Ip, Udp
from tests.scenarios.main_job.conftest import SAMPLES, Job
from tests.scenarios.main_job.test_chains_by_hand import chain, functions, is_true


@pytest.fixture
def running(job: Job) -> Job:
    """The sample network service is up."""
    assert job.instantiate(job.ready()).state is OperationState.COMPLETED
    return job


def paths_of(job: Job) -> SimulatedServicePaths:
    found = job.catena.graphs._paths
    assert isinstance(found, SimulatedServicePaths)
    return found


def keeper(job: Job, counts: CountHistory | None = None) -> Keeper:
    opened = job.catena.store.open_unit
    return Keeper(opened, job.catena.graphs, paths_of(job), SystemClock(), random_id, counts or CountHistory())


def test_a_traceroute_names_every_hop_its_rule_and_its_function(running: Job):
    web = chain(running, "web")
    found = running.services.forwarding_graphs.traceroute(web["id"], running.tenant, {})
    forward, reverse = found["paths"]
    assert (forward["direction"], reverse["direction"]) == ("forward", "reverse")
    assert forward["whole"] and reverse["whole"]
    assert [hop["ttl"] for hop in forward["hops"]] == list(range(1, len(forward["hops"]) + 1))
    assert forward["hops"][-1]["end"] and forward["hops"][-1]["host"] == web["paths"][0]["egress"]["host"]
    indices = [hop["si"] for hop in forward["hops"]]
    assert indices == sorted(indices, reverse=True) and indices[0] == 255
    assert {hop["sfName"] for hop in forward["hops"]} >= {"firewall-0", "dpi-0"}
    assert all(hop["cookie"] for hop in forward["hops"])
    only = running.services.forwarding_graphs.traceroute(web["id"], running.tenant, {"direction": "reverse"})
    assert [path["direction"] for path in only["paths"]] == ["reverse"]


def lose_a_flow(job: Job, host: str) -> None:
    """Somebody with a shell on the host deletes the first rule that puts packets on a chain."""
    bridge = paths_of(job)._bridges[host]
    flows = [flow for flow in bridge.tables.flows if "classify" not in str(flow.cookie.kind)]
    bridge.tables = replace(bridge.tables, flows=tuple(flows[1:]))


def test_drift_is_told_and_repaired(running: Job):
    graphs = running.services.forwarding_graphs
    web = chain(running, "web")
    assert graphs.drift(web["id"], running.tenant)["drift"] == []
    lose_a_flow(running, "h1")
    (drift,) = graphs.drift(web["id"], running.tenant)["drift"]
    assert drift["host"] == "h1" and drift["missing"]
    (repaired,) = graphs.repair(web["id"], running.tenant)["repaired"]
    assert repaired["host"] == "h1"
    assert graphs.drift(web["id"], running.tenant)["drift"] == []
    assert graphs.repair(web["id"], running.tenant)["repaired"] == []


def test_only_drift_that_stands_is_alarmed(running: Job, monkeypatch: pytest.MonkeyPatch):
    graphs = running.catena.graphs
    assert graphs.standing_drift() == ()
    lose_a_flow(running, "h1")
    assert [drift.host for drift in graphs.standing_drift()] == ["h1"]
    monkeypatch.setattr(graphs._clock, "sleep", lambda _: graphs.refresh())
    assert list(graphs.standing_drift()) == [], "what arrives meanwhile is no drift"


def test_the_keeper_mends_what_somebody_changed_and_tells_of_it(running: Job):
    lose_a_flow(running, "h2")
    kept = keeper(running)
    plane = running.catena.graphs.latest
    assert plane is not None
    drift = kept._look(plane, "h2")
    assert isinstance(drift, Drift) and drift
    kept._mend(["h2"])
    assert not kept._look(plane, "h2")
    with running.catena.store.open_unit(read_only=True) as uow:
        told = [event.subject for event in uow.outbox.after(0) if (event.noun, event.verb) == ("bridge", "repaired")]
    assert told == ["h2"]


def die(job: Job, function: str, lives: bool = False) -> None:
    keeper(job).functions_changed({function: lives})


def function_id(job: Job, name: str) -> str:
    hops = [hop for one in job.services.forwarding_graphs.list(job.tenant) for p in one["paths"] for hop in p["hops"]]
    return next(str(hop["sfId"]) for hop in hops if hop["sfName"] == name)


def verdict(job: Job, name: str, packet: Mapping[str, Any]) -> str:
    asked = {"source": "10.10.0.2", "destination": "198.51.100.1", **packet}
    return str(job.services.forwarding_graphs.trace(chain(job, name)["id"], job.tenant, asked)["verdict"])


DNS = {"protocol": "udp", "destinationPort": 53}


def test_a_dead_function_that_fails_closed_closes_its_chains_until_it_is_back(running: Job):
    firewall = function_id(running, "firewall-0")
    die(running, firewall)
    assert "dropped" in verdict(running, "other", DNS)
    with running.catena.store.open_unit(read_only=True) as uow:
        (alarm,) = [alarm for alarm in uow.alarms.list(cleared_at=None) if alarm.key.startswith(DOWN)]
        verbs = [(event.noun, event.verb) for event in uow.outbox.after(0)]
    assert alarm.severity is PerceivedSeverity.CRITICAL
    assert "firewall-0" in alarm.fault_details[0] and "web" in alarm.fault_details[1]
    assert ("service-function", "failed") in verbs and ("alarm", "raised") in verbs
    assert is_true(running)
    die(running, firewall, lives=True)
    assert "delivered" in verdict(running, "other", DNS)
    with running.catena.store.open_unit(read_only=True) as uow:
        assert not [alarm for alarm in uow.alarms.list(cleared_at=None) if alarm.key.startswith(DOWN)]
        verbs = [(event.noun, event.verb) for event in uow.outbox.after(0)]
    assert ("service-function", "recovered") in verbs and ("alarm", "cleared") in verbs


def test_a_dead_function_that_fails_open_is_passed_by(running: Job):
    path = [{"group": "firewall-0"}, {"group": "dpi-0", "onFailure": "open"}, {"group": "nat-0"}]
    dpi = function_id(running, "dpi-0")
    web = chain(running, "web")
    document = running.services.chains.patched(web["id"], running.tenant, {"path": path})
    running.services.chains.replace(web["id"], running.tenant, document)
    assert functions(running, "web", "tcp", 80) == ["firewall-0", "dpi-0", "nat-0"]
    die(running, dpi)
    assert functions(running, "web", "tcp", 80) == ["firewall-0", "nat-0"]
    assert is_true(running)


def sees(job: Job, *cuts: tuple[str, str], dark: frozenset[tuple[str, int]] = frozenset()) -> None:
    """The switches tell of tunnels and ports."""
    keeper(job).network_changed(NetworkSight(frozenset(cuts), dark))


def alarms(job: Job, begin: str) -> dict[str, tuple[str, ...]]:
    """Details of the alarms that stand, by what follows in their keys."""
    with job.catena.store.open_unit(read_only=True) as uow:
        standing = uow.alarms.list(cleared_at=None)
    return {each.key.removeprefix(begin): each.fault_details for each in standing if each.key.startswith(begin)}


def verbs(job: Job, noun: str) -> list[str]:
    with job.catena.store.open_unit(read_only=True) as uow:
        return [event.verb for event in uow.outbox.after(0) if event.noun == noun]


def test_a_broken_tunnel_is_relayed_round_alarmed_and_healed(running: Job):
    before = chain(running, "web")["paths"]
    (first, second) = [hop["host"] for hop in before[0]["hops"]][:2]
    pair = (min(first, second), max(first, second))
    assert first != second
    sees(running, pair)
    web, other = chain(running, "web"), "|".join(pair)
    assert set(alarms(running, CUT)) == {other, f"{other}/ns/{web['nsInstanceId']}"}
    assert "web: its packets are relayed" in str(alarms(running, CUT)) and verbs(running, "tunnel") == ["lost"]
    plane = running.catena.graphs.latest
    assert plane is not None and any(one.forward.detours for one in plane.chains)
    assert "delivered" in verdict(running, "web", {"protocol": "tcp", "destinationPort": 80})
    assert is_true(running)
    sees(running)
    assert alarms(running, CUT) == {} and verbs(running, "tunnel") == ["lost", "restored"]
    assert chain(running, "web")["paths"] == before


def test_functions_of_a_host_that_nobody_reaches_are_dealt_with_by_their_policies(running: Job):
    web = chain(running, "web")
    hops = {hop["sfName"]: hop["host"] for hop in web["paths"][0]["hops"]}
    lost = hops["dpi-0"]
    cuts = [pair for pair in (("h1", "h2"), ("h1", "h3"), ("h2", "h3")) if lost in pair]
    sees(running, *cuts)
    found = alarms(running, CUT)
    assert set(found) == {lost, f"{lost}/ns/{web['nsInstanceId']}"} and "dpi-0 is out of reach" in str(found[lost])
    assert verbs(running, "underlay-host") == ["lost"]
    assert "dropped on h1" in verdict(running, "web", {"protocol": "tcp", "destinationPort": 80})
    assert functions(running, "other", "udp", 53) == ["firewall-0", "nat-0"]
    assert is_true(running)
    path = [{"group": "firewall-0"}, {"group": "dpi-0", "onFailure": "open"}, {"group": "nat-0"}]
    document = running.services.chains.patched(web["id"], running.tenant, {"path": path})
    running.services.chains.replace(web["id"], running.tenant, document)
    assert functions(running, "web", "tcp", 80) == ["firewall-0", "nat-0"]
    (down,) = running.services.forwarding_graphs.statistics(web["id"], running.tenant)["down"]
    assert (down["onFailure"], down["reason"]) == ("open", "nothing gets to the host of dpi-0")
    sees(running)
    assert functions(running, "web", "tcp", 80) == ["firewall-0", "dpi-0", "nat-0"]
    assert alarms(running, CUT) == {}


def test_a_chain_that_cannot_reach_its_end_says_so(running: Job):
    web = chain(running, "web")
    ends = web["paths"][0]["ingress"]["host"], web["paths"][0]["egress"]["host"]
    sees(running, *[pair for pair in (("h1", "h2"), ("h1", "h3"), ("h2", "h3")) if ends[0] in pair])
    assert "nothing gets from" in str(alarms(running, CUT))
    assert "nothing gets from" in str(running.services.forwarding_graphs.get(web["id"], running.tenant)["problem"])
    sees(running)
    assert running.services.forwarding_graphs.get(web["id"], running.tenant)["problem"] is None


def test_a_function_without_carrier_is_dead_at_once_and_alive_when_it_is_back(running: Job):
    firewall = function_id(running, "firewall-0")
    plane = running.catena.graphs.latest
    assert plane is not None
    leg = plane.topology.port(plane.topology.function(firewall).legs(True)[1])
    sees(running, dark=frozenset({(leg.sff, leg.ofport)}))
    assert "has lost its carrier" in alarms(running, DARK)[firewall][0]
    assert "dropped" in verdict(running, "other", DNS)
    die(running, firewall)
    assert set(alarms(running, DARK)) == {firewall}, "a server that has not looked yet leaves what is stored"
    sees(running)
    assert alarms(running, DARK) == {} and set(alarms(running, DOWN)) == {firewall}
    assert "dropped" in verdict(running, "other", DNS), "no probe came through yet"
    die(running, firewall, lives=True)
    assert "delivered" in verdict(running, "other", DNS)
    assert verbs(running, "service-function") == ["failed", "recovered"]


def test_a_switch_that_starts_anew_is_given_everything_it_forgot(running: Job, monkeypatch: pytest.MonkeyPatch):
    revived: list[str] = []
    monkeypatch.setattr(paths_of(running), "revive", revived.append)
    lose_a_flow(running, "h2")
    keeper(running).network_changed(NetworkSight(anew=frozenset({"h2"})))
    assert revived == ["h2"] and verbs(running, "bridge") == ["repaired"]


def test_a_restart_remembers_who_is_dead(running: Job):
    die(running, function_id(running, "firewall-0"))
    paths_of(running)._bridges.clear()
    running.catena.graphs.refresh(())
    assert "dropped" in verdict(running, "other", DNS)


def test_counters_are_remembered(running: Job):
    counts = CountHistory(every_s=1.0)
    kept = keeper(running, counts)
    plane = running.catena.graphs.latest
    assert plane is not None
    web = chain(running, "web")
    read = {host: paths_of(running).statistics(host) for host in plane.tables}
    for _ in range(3):
        counts.add(SystemClock().now(), plane, read)
    samples = counts.of(web["id"])
    assert len(samples) == 3
    assert {path["direction"] for path in samples[0]["paths"]} == {"forward", "reverse"}
    assert kept._counters("nowhere") is None


def test_statistics_tell_connections_latency_and_what_dead_functions_cost(
    running: Job, monkeypatch: pytest.MonkeyPatch
):
    web, dpi = chain(running, "web"), function_id(running, "dpi-0")
    plane, paths = running.catena.graphs.latest, paths_of(running)
    assert plane is not None
    rsp = plane.ways[web["id"]][0].forward
    zone = plane.topology.port(rsp.end).ofport
    monkeypatch.setattr(paths, "connections", lambda host: {zone: {rsp.spi: 7}} if host == rsp.end_sff else {})
    hops = tuple(PathHop(ttl, rsp.hops[0].sff, rsp.spi, 256 - ttl, median_ms=float(ttl)) for ttl in (1, 2, 3))
    monkeypatch.setattr(paths, "probe", lambda *_, **__: PathProbe(hops))
    counts = running.services.forwarding_graphs._counts
    kept = keeper(running, counts)
    for _ in plane.chains:
        kept._measure(plane)
    die(running, dpi)
    frame = classified_packet(
        plane, plane.ways[web["id"]][0], {"protocol": "tcp", "destinationPort": 80, "destination": "198.51.100.1"}
    )
    paths.send(plane.topology, rsp.start, frame)
    found = running.services.forwarding_graphs.statistics(web["id"], running.tenant)
    forward = found["paths"][0]
    first, second = forward["hops"]
    assert (forward["classified"], forward["endPackets"], forward["latencyMs"]) == (1, 0, 3.0)
    assert (first["packets"], first["returned"], first["active"], first["latencyMs"]) == (1, 1, 7, 1.0)
    assert (second["packets"], second["dropped"], second["passedBy"]) == (0, 1, 0)
    assert [drop["packets"] for drop in found["drops"] if "down" in drop["reason"]] == [1]
    assert [(drop["reason"], drop["packets"]) for drop in second["drops"]] == [(Kind.DROP_FAILED.meaning, 1)]
    assert first["drops"] == forward["ingressDrops"] == []
    (down,) = found["down"]
    assert (down["sfId"], down["sfName"], down["onFailure"]) == (second["sfId"], "dpi-0", "next")
    assert "gives no probe back" in down["reason"] and down["since"].endswith("Z")
    die(running, dpi, lives=True)
    assert running.services.forwarding_graphs.statistics(web["id"], running.tenant)["down"] == []


def test_the_strictest_policy_of_several_chains_counts(running: Job):
    path = [{"group": "firewall-0", "onFailure": "open"}, {"group": "nat-0"}]
    other = chain(running, "other")
    document = running.services.chains.patched(other["id"], running.tenant, {"path": path})
    running.services.chains.replace(other["id"], running.tenant, document)
    die(running, function_id(running, "firewall-0"))
    assert "dropped" in verdict(running, "other", DNS), "the chain `web` wants the firewall to fail closed"


def test_one_packet_is_followed_with_its_octets_at_every_hop(running: Job):
    packet = {"source": "10.10.0.2", "destination": "198.51.100.1", "protocol": "tcp", "destinationPort": 80}
    web = chain(running, "web")
    found = running.services.forwarding_graphs.follow(web["id"], running.tenant, packet)
    sights = found["sights"]
    assert [sight["number"] for sight in sights] == list(range(1, len(sights) + 1))
    assert all(sight["expected"] for sight in sights)
    wheres = [sight["where"] for sight in sights]
    assert wheres[:2] == ["to firewall-0", "from firewall-0"] and "to dpi-0" in wheres and wheres[-1] == "to nat-0"
    assert wheres.count("to the underlay") == wheres.count("from the underlay") == 2
    indices = [sight["si"] for sight in sights if sight["where"] == "to the underlay"]
    assert indices == [254, 253]
    assert all(sight["rules"] for sight in sights if sight["direction"] == "out")
    token = bytes.fromhex(found["sent"]["bytes"])[-16:]
    assert all(token in bytes.fromhex(sight["bytes"]) for sight in sights)
    placed = {each["sfName"]: each for each in found["functions"]}
    assert placed["dpi-0"]["host"] == "h2" and placed["dpi-0"]["why"] and placed["dpi-0"]["placement"]["cells"]
    origin = found["descriptor"]
    line = (SAMPLES / "gi-lan" / origin["file"]).read_text(encoding="utf-8").splitlines()[origin["line"] - 1]
    assert origin["nfpdId"] == "web" and line.strip() == "web:"


def test_a_chain_whose_function_is_gone_lets_nothing_by(running: Job):
    """Packets that were to pass the firewall do not pass without it."""
    other = chain(running, "other")
    before = running.catena.graphs.data_plane()
    with running.catena.store.open_unit() as uow:
        stored = uow.chains.get(other["id"])
        functions = [{**f, "ingress": "gone", "ingressCp": "gone"} for f in stored.spec["functions"]]
        uow.chains.save(replace(stored, spec={**stored.spec, "functions": functions}))
        web = uow.chains.get(chain(running, "web")["id"])
        uow.chains.remove(web.id)
    plane = running.catena.graphs.refresh(())
    assert list(plane.broken) == [other["id"]]
    told = running.services.forwarding_graphs.get(other["id"], running.tenant)
    assert told["problem"] and told["mtu"] is None
    station = before.topology.port(stored.spec["ingress"])
    gateway = next(port for port in plane.topology.ports if port.allowed)
    payload = Ip(station.addresses[0], ip_address("198.51.100.1"), Udp(40000, 53))
    walk = Simulator(plane.topology, plane.tables).inject(station.id, Ethernet(station.mac, gateway.mac, payload))
    assert not walk.deliveries and walk.drops
    with pytest.raises(WrongState):
        running.services.forwarding_graphs.verify(other["id"], running.tenant)


def test_a_chain_that_spreads_is_proven_traced_and_counted(running: Job):
    other = chain(running, "other")
    path = [{"group": "fw", "spread": True, "instances": [{"sf": "firewall-0"}]}, {"group": "nat-0"}]
    document = running.services.chains.patched(other["id"], running.tenant, {"path": path})
    op_id = running.services.chains.replace(other["id"], running.tenant, document)
    assert running.services.chains.operation(op_id, running.tenant).state is OperationState.COMPLETED
    assert functions(running, "other") == ["firewall-0", "nat-0"]
    assert is_true(running)
    graphs = running.services.forwarding_graphs
    assert all(way["whole"] for way in graphs.traceroute(other["id"], running.tenant, {})["paths"])
    packet = {"source": "10.10.0.2", "destination": "198.51.100.1", "protocol": "udp", "destinationPort": 53}
    graphs.follow(other["id"], running.tenant, packet)
    counted = graphs.statistics(other["id"], running.tenant)["paths"][0]
    assert (counted["classified"], counted["hops"][0]["packets"], counted["endPackets"]) == (1, 1, 1)
    shown = chain(running, "other")
    assert [path["share"] for path in shown["paths"]] == [1.0, 1.0]
    assert [group["spread"] for group in shown["groups"]] == [True, False]
    (instance,) = shown["groups"][0]["instances"]
    assert (instance["sfName"], instance["weight"], instance["share"]) == ("firewall-0", 1, 1.0)
    assert shown["after"] == [] and shown["portChainId"] is None and shown["nfpdId"] == "other"


def test_what_would_happen_if_a_function_died_is_proven_beforehand(running: Job):
    web = chain(running, "web")
    said = running.services.forwarding_graphs.verify(web["id"], running.tenant)
    assert {each["sfName"] for each in said["failures"]} == {"firewall-0", "dpi-0", "nat-0"}
    assert all(each["proven"] and each["onFailure"] for each in said["failures"]), said["failures"]
    assert is_true(running), "asking changes nothing"

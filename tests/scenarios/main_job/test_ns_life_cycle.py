"""Instantiate and terminate the sample network service; what it makes, holds, refuses and leaves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mano.domain.catalogue import DescriptorKind, OnboardingState, OperationalState, UsageState
from mano.domain.lcm_op_occ import OperationState
from mano.domain.vnf_instance import InstantiationState
from mano.errors import InUse, NotFound, OperationInProgress, WrongState
from tests.scenarios.main_job.conftest import REQUEST, SAPS, Job


def test_the_service_comes_up_whole(job: Job):
    ns_id = job.ready()
    op = job.instantiate(ns_id)
    assert op.error is None
    assert op.state is OperationState.COMPLETED
    assert job.held() == {
        "reservations": 3,
        "networks": 3,
        "chains": 2,
        "vnf_instances": 3,
        "saps": 2,
        "vim networks": 3,
        "vim ports": 10,
        "vim computes": 3,
    }
    with job.catena.store.open_unit(read_only=True) as uow:
        ns = uow.ns_instances.get(ns_id)
        states = {vnf.name: vnf.instantiation_state for vnf in uow.vnf_instances.list()}
    assert ns.state is InstantiationState.INSTANTIATED
    assert sorted(ns.vnf_instances) == ["dpi-0", "firewall-0", "nat-0"]
    assert set(states.values()) == {InstantiationState.INSTANTIATED}


def test_each_vnf_is_on_a_host_of_its_own_and_says_why(job: Job):
    job.instantiate(job.ready())
    placements = {p["key"]: p for p in job.services.placing.placements(job.tenant)}
    assert len({p["host"] for p in placements.values()}) == 3
    for placement in placements.values():
        assert placement["decision"]["why"], placement["key"]
    nat = placements["nat-0/nat/0"]["allocation"]
    assert nat["interfaces"]["outside"]["vfs"] == [0]
    assert all(cell["pageSizeKib"] == 2048 for p in placements.values() for cell in p["allocation"]["cells"])


def test_the_chains_are_proven_and_carry_packets_through_their_functions(job: Job):
    job.instantiate(job.ready())
    graphs = job.services.forwarding_graphs
    chains = {chain["name"]: chain for chain in graphs.list(job.tenant)}
    for name, functions in (("web", ["firewall-0", "dpi-0", "nat-0"]), ("other", ["firewall-0", "nat-0"])):
        chain = chains[name]
        assert chain["state"] == "active"
        proof = graphs.verify(chain["id"], job.tenant)
        assert (proof["proven"], proof["violations"], proof["drift"]) == (True, [], [])
        assert proof["packetsTried"] > 0
        assert proof["traces"]
        assert all(trace["agrees"] for trace in proof["traces"])
        port = 80 if name == "web" else 53
        packet = {"source": "10.10.0.2", "destination": "198.51.100.1", "protocol": "tcp", "destinationPort": port}
        walk = graphs.trace(chain["id"], job.tenant, {**packet, "sourcePort": 40000})
        facts = {h["sfId"]: h["sfName"] for path in chain["paths"] for h in path["hops"]}
        facts |= {p["terminator"]["sfId"]: p["terminator"]["sfName"] for p in chain["paths"]}
        assert [facts[function] for function in walk["functions"]] == functions
        assert "delivered" in walk["verdict"]


def test_terminate_leaves_nothing_and_the_instance_can_live_again(job: Job):
    ns_id = job.ready()
    job.instantiate(ns_id)
    assert job.terminate(ns_id).state is OperationState.COMPLETED
    assert job.held() == {}
    assert job.instantiate(ns_id).state is OperationState.COMPLETED
    assert job.terminate(ns_id).state is OperationState.COMPLETED
    job.services.ns_lifecycle.delete(ns_id, job.tenant)
    with pytest.raises(NotFound), job.catena.store.open_unit(read_only=True) as uow:
        uow.ns_instances.get(ns_id)


def test_two_services_share_the_hosts_and_nothing_else(job: Job):
    first = job.ready()
    with job.catena.store.open_unit(read_only=True) as uow:
        nsd_id = uow.ns_instances.get(first).nsd_id
    job.services.nfvi.add_attachment("local", {"name": "subscribers-2", "host": "h1"})
    job.services.nfvi.add_attachment("local", {"name": "internet-2", "physnet": "dc1"})
    second = job.services.ns_lifecycle.create(job.tenant, nsd_id, "second", "").id
    saps = {name: {**sap, "attachment": f"{name}-2"} for name, sap in SAPS.items()}
    assert job.instantiate(first).state is OperationState.COMPLETED
    op = job.instantiate(second, {**REQUEST, "additionalParamsForNs": {"catena": {"saps": saps}}})
    assert op.error is None
    spis = [spi for c in job.services.forwarding_graphs.list(job.tenant) for spi in (c["forwardSpi"], c["reverseSpi"])]
    assert len(spis) == len(set(spis)) == 8
    cpus = [
        (p["host"], cpu)
        for p in job.services.placing.placements(job.tenant)
        for cell in p["allocation"]["cells"]
        for cpu in cell["cpus"]
    ]
    assert len(cpus) == len(set(cpus))
    assert job.terminate(first).state is OperationState.COMPLETED
    assert job.held()["chains"] == 2
    assert job.terminate(second).state is OperationState.COMPLETED
    assert job.held() == {}


def test_what_does_not_fit_is_refused_with_reasons_and_holds_nothing(job: Job):
    ns_id = job.ready()
    for host in ("h1", "h2", "h3"):
        with job.catena.store.open_unit() as uow:
            stored = uow.hosts.get(host)
            uow.hosts.put(replace(stored, host=replace(stored.host, nics=())))
    op = job.instantiate(ns_id)
    assert op.state is OperationState.ROLLED_BACK
    assert op.error is not None
    assert op.error["code"] == "NOT_PLACEABLE"
    reasons = op.error["facts"]["unplaced"]["nat-0/nat/0"]["reasons"]
    assert reasons["PHYSNET"] >= 1
    assert sum(reasons.values()) == 3
    assert job.held() == {}


def test_an_unknown_attachment_is_refused_and_names_those_there_are(job: Job):
    ns_id = job.ready()
    saps = {**SAPS, "subscribers": {"attachment": "nowhere"}}
    op = job.instantiate(ns_id, {**REQUEST, "additionalParamsForNs": {"catena": {"saps": saps}}})
    assert op.state is OperationState.ROLLED_BACK
    assert "no VIM has an attachment 'nowhere'" in op.error["detail"]
    assert "internet, subscribers" in op.error["hint"]
    assert job.held() == {}


def test_states_forbid_what_they_must(job: Job):
    ns_id = job.ready()
    lifecycle = job.services.ns_lifecycle
    with pytest.raises(WrongState):
        lifecycle.terminate(ns_id, job.tenant, {})
    job.instantiate(ns_id)
    with pytest.raises(WrongState):
        lifecycle.instantiate(ns_id, job.tenant, REQUEST)
    with pytest.raises(WrongState):
        lifecycle.delete(ns_id, job.tenant)
    with pytest.raises(NotFound):
        lifecycle.terminate(ns_id, "another-tenant", {})


def test_a_host_in_use_cannot_be_removed(job: Job):
    job.instantiate(job.ready())
    with pytest.raises(InUse, match="h1 carries"):
        job.services.nfvi.remove("h1")


def test_packages_in_use_stay(job: Job):
    job.ready()
    catalogue = job.services.catalogue
    nsd = job.packages["gi-lan"]
    catalogue.patch(nsd, job.tenant, operational_state=OperationalState.DISABLED)
    with pytest.raises(InUse):
        catalogue.delete(nsd, job.tenant)
    with job.catena.store.open_unit(read_only=True) as uow:
        assert uow.packages.get(nsd).usage_state is UsageState.IN_USE


def test_an_nsd_that_names_an_unknown_vnfd_is_not_onboarded(job: Job):
    job.add_hosts()
    package = job.upload("gi-lan", DescriptorKind.NS)
    assert package.onboarding_state is OnboardingState.ERROR
    assert "which is not on-boarded" in package.failure["detail"]
    assert "on-board its VNF package first" in package.failure["hint"]


def test_a_second_package_of_the_same_descriptor_is_refused(job: Job):
    assert job.upload("firewall", DescriptorKind.VNF).onboarding_state is OnboardingState.ONBOARDED
    again = job.upload("firewall", DescriptorKind.VNF)
    assert again.onboarding_state is OnboardingState.ERROR
    assert again.failure["code"] == "ALREADY_EXISTS"


def test_a_package_of_the_wrong_kind_is_refused(job: Job):
    package = job.upload("firewall", DescriptorKind.NS)
    assert package.onboarding_state is OnboardingState.ERROR
    assert "not for a NSD" in package.failure["detail"]


def test_an_operation_that_is_not_over_owns_its_instance(job: Job):
    ns_id = job.ready()
    job.vim.kill_switch("h2")
    op = job.instantiate(ns_id)
    assert op.state is OperationState.FAILED_TEMP
    with pytest.raises(OperationInProgress, match="is not over"):
        job.services.ns_lifecycle.instantiate(ns_id, job.tenant, REQUEST)


def test_hosts_that_come_and_go_are_heard_of(job: Job):
    job.add_hosts()
    job.services.nfvi.remove("h3")
    with job.catena.store.open_unit(read_only=True) as uow:
        told = [(event.verb, event.subject) for event in uow.outbox.after(0) if event.noun == "host"]
    assert told == [("added", "h1"), ("added", "h2"), ("added", "h3"), ("removed", "h3")]

"""The life of hosts, networks, ports and VNFCs when nothing goes wrong."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from ipaddress import IPv4Address

from mano.domain.vnf_instance import Realisation
from mano.ports.vim import Observed
from tests.scenarios.vim_contract.samples import (
    NETWORKS,
    OVERLAY,
    compute,
    host,
    inside,
    outside,
    subscriber_port,
)
from tests.scenarios.vim_contract.stories import PORTS, build_host, instantiate, take_host_down, terminate
from tests.scenarios.vim_contract.worlds import World, serving_image

NOTHING = Observed((), (), ())


def test_a_host_reports_its_forwarder_and_how_real_its_resources_are(world: World) -> None:
    driver = world.driver()
    status = driver.ensure_host(host("h1"))
    assert status.reachable
    assert status.dataplane is not None
    assert status.dataplane.bridge == "br-int"
    assert status.dataplane.underlay_mtu >= 1574
    assert status.dataplane.tunnel_ofport != status.dataplane.oam_ofport
    assert {"cpus", "memory", "hugepages", "sriov"} == set(status.realisations) == set(status.notes)
    assert status.realisations["sriov"] is not Realisation.ENFORCED
    assert driver.host_status("h1") == status
    driver.remove_host("h1")
    assert not driver.host_status("h1").reachable


def test_an_unknown_host_is_unreachable_with_a_sentence(world: World) -> None:
    status = world.driver().host_status("h9")
    assert not status.reachable
    assert "h9" in status.detail


def test_hosts_have_addresses_of_their_own_and_keep_them(world: World) -> None:
    driver = world.driver()
    before = [driver.ensure_host(host(name)).dataplane for name in ("h1", "h2")]
    addresses = {IPv4Address(address) for plane in before for address in (plane.underlay_ip, plane.oam_ip)}
    assert len(addresses) == 4
    assert before[0].oam_mac != before[1].oam_mac
    driver.remove_host("h1")
    restarted = world.driver()
    assert restarted.ensure_host(host("h2")).dataplane == before[1]
    assert restarted.ensure_host(host("h1")).dataplane == before[0]
    for name in ("h1", "h2"):
        restarted.remove_host(name)


def test_an_ns_comes_and_goes_and_leaves_nothing(world: World) -> None:
    driver = world.driver()
    build_host(driver)
    vnfc = compute(serving_image(world), (inside(), outside()))
    instantiate(vnfc)(driver)
    assert driver.compute_status(vnfc.id, "h1").state == "running"
    assert driver.observe() == Observed(
        networks=tuple(sorted(network.id for network in NETWORKS)),
        ports=tuple(sorted(port.id for port in PORTS)),
        computes=(vnfc.id,),
    )
    terminate(vnfc)(driver)
    assert driver.compute_status(vnfc.id, "h1").state == "gone"
    assert driver.observe() == NOTHING
    take_host_down(driver)


def test_ports_may_go_before_the_vnfc_that_uses_them(world: World) -> None:
    driver = world.driver()
    build_host(driver)
    vnfc = compute(serving_image(world), (inside(), outside()))
    instantiate(vnfc)(driver)
    for port in PORTS:
        driver.remove_port(port)
    assert driver.observe().ports == ()
    driver.remove_compute(vnfc.id, "h1")
    for network in NETWORKS:
        driver.remove_network(network)
    take_host_down(driver)


def test_only_ports_on_the_bridge_have_a_number_and_it_never_changes(world: World) -> None:
    driver = world.driver()
    build_host(driver)
    before = {port.id: driver.ensure_port(port) for port in PORTS}
    assert before["port-inside"].ofport and before["port-sub"].ofport
    assert before["port-inside"].ofport != before["port-sub"].ofport
    assert before["port-outside"].ofport is None and before["port-inet"].ofport is None
    assert before["port-outside"].realisation is not Realisation.ENFORCED and before["port-outside"].note
    assert len({status.interface for status in before.values()}) == len(PORTS)
    restarted = world.driver()
    assert {port.id: restarted.ensure_port(port) for port in PORTS} == before
    for port in PORTS:
        restarted.remove_port(port)
    take_host_down(restarted)


def test_many_ports_on_one_host_have_numbers_of_their_own(world: World) -> None:
    driver = world.driver()
    driver.ensure_host(host("h1"))
    ports = [inside(id=f"port-{n}", mac=f"02:10:00:00:01:{n:02x}", addresses=()) for n in range(8)]
    numbers = [driver.ensure_port(port).ofport for port in ports]
    assert len(set(numbers)) == len(ports)
    for port in ports:
        driver.remove_port(port)
    driver.remove_host("h1")


def test_the_ports_of_a_removed_vnfc_serve_another(world: World) -> None:
    driver = world.driver()
    build_host(driver)
    image = serving_image(world)
    first, second = (compute(image, (inside(), outside()), id=id_) for id_ in ("compute-1", "compute-2"))
    driver.ensure_compute(first)
    number = driver.ensure_port(inside()).ofport
    driver.remove_compute(first.id, "h1")
    assert driver.observe().ports == ("port-inside", "port-outside")
    assert driver.ensure_compute(second).state == "running"
    assert driver.ensure_port(inside()).ofport == number
    driver.remove_compute(second.id, "h1")
    for port in (inside(), outside()):
        driver.remove_port(port)
    take_host_down(driver)


def test_a_ports_bit_rate_changes_while_its_vnfc_runs(world: World) -> None:
    driver = world.driver()
    driver.ensure_host(host("h1"))
    limited = replace(inside(), bit_rate_bps=2_000_000)
    vnfc = compute(serving_image(world), (limited,))
    driver.ensure_compute(vnfc)
    assert world.bit_rates(limited.id) == {2_000_000}
    for rate in (8_000_000, 0, 3_000_000):
        driver.ensure_port(replace(limited, bit_rate_bps=rate))
        assert world.bit_rates(limited.id) == {rate}
    assert driver.compute_status(vnfc.id, "h1").state == "running"
    driver.remove_compute(vnfc.id, "h1")
    driver.remove_port(limited)
    driver.remove_host("h1")


def test_a_vnfc_with_another_specification_replaces_the_first(world: World) -> None:
    driver = world.driver()
    driver.ensure_host(host("h1"))
    vnfc = compute(serving_image(world), (inside(),))
    driver.ensure_compute(vnfc)
    assert driver.ensure_compute(replace(vnfc, user_data={"prefixes": []})).state == "running"
    assert driver.observe().computes == (vnfc.id,)
    driver.remove_compute(vnfc.id, "h1")
    driver.remove_port(inside())
    driver.remove_host("h1")


def test_a_vnfc_says_how_real_its_resources_are(world: World) -> None:
    driver = world.driver()
    driver.ensure_host(host("h1"))
    vnfc = compute(serving_image(world))
    status = driver.ensure_compute(vnfc)
    assert {"cpus", "memory"} <= set(status.realisations)
    assert driver.compute_status(vnfc.id, "h1") == status
    driver.remove_compute(vnfc.id, "h1")
    driver.remove_host("h1")


def test_vlans_of_one_physical_network_come_and_go_separately(world: World) -> None:
    driver = world.driver()
    build_host(driver)
    tagged = [replace(NETWORKS[1], id=f"net-vlan-{vlan}", segment=vlan) for vlan in (10, 20)]
    for network in tagged:
        driver.ensure_network(network)
    ports = [outside(id=f"port-{n.segment}", network=n, vf=n.segment // 10) for n in tagged]
    assert len({driver.ensure_port(port).interface for port in ports}) == 2
    for port, network in zip(ports, tagged, strict=True):
        driver.remove_port(port)
        driver.remove_network(network)
    take_host_down(driver)


def test_attachments_are_listed_and_survive_a_restart(world: World) -> None:
    build_host(world.driver())
    driver = world.driver()
    assert set(driver.attachments()) == {"sub", "inet"}
    assert driver.attachments()["sub"].host == "h1"
    assert driver.attachments()["inet"].physical_network == "dc1"
    take_host_down(driver)
    assert driver.attachments() == {}


def test_two_saps_may_end_at_one_attachment(world: World) -> None:
    driver = world.driver()
    build_host(driver)
    driver.ensure_network(OVERLAY)
    ports = [
        subscriber_port(),
        subscriber_port(id="port-sub-2", mac="02:10:00:00:00:13", addresses=("10.10.1.2/24",), gateway=""),
    ]
    first = [driver.ensure_port(port) for port in ports]
    assert [driver.ensure_port(port) for port in ports] == first
    for port in ports:
        driver.remove_port(port)
    driver.remove_network(OVERLAY)
    take_host_down(driver)


def test_many_threads_at_once_do_what_one_would(world: World) -> None:
    driver = world.driver()
    names = ("h1", "h2", "h3")
    image = serving_image(world)
    with ThreadPoolExecutor(8) as pool:
        assert all(status.reachable for status in pool.map(driver.ensure_host, map(host, names)))
        planes = [driver.host_status(name).dataplane for name in names]
        assert len({plane.underlay_ip for plane in planes}) == len(names)
        ports = [
            inside(name, id=f"port-{name}-{n}", mac=f"02:10:00:00:0{name[1]}:{n:02x}", addresses=())
            for name in names
            for n in range(4)
        ]
        before = list(pool.map(driver.ensure_port, ports))
        assert len({(status.host, status.ofport) for status in before}) == len(ports)
        vnfcs = [compute(image, (port,), id=f"compute-{port.id}", host=port.host) for port in ports[::2]]
        assert {status.state for status in pool.map(driver.ensure_compute, vnfcs)} == {"running"}
        assert list(pool.map(driver.ensure_port, ports)) == before
        assert len(driver.observe().computes) == len(vnfcs)
        list(pool.map(lambda vnfc: driver.remove_compute(vnfc.id, vnfc.host), vnfcs))
        list(pool.map(driver.remove_port, ports))
        assert driver.observe() == NOTHING
        list(pool.map(driver.remove_host, names))

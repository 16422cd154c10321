"""What only the real local VIM can show: packets, confinement, limits, and surviving its server."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mano.adapters.vim_local import LocalVim, launcher, links, netns
from mano.adapters.vim_local.cleanup import cleanup, find_remains, labs, living_labs
from mano.adapters.vim_local.console import KEPT_BYTES, MAX_BYTES
from mano.adapters.vim_local.cpus import usable_cpus
from mano.domain.vnf_instance import Realisation
from mano.errors import DeadlineExceeded, NotFound
from mano.ports.vim import Attachment, PortSpec
from tests.scenarios.vim_contract.samples import (
    NETWORKS,
    NEVER_READY,
    OVERLAY,
    PHYSNET,
    SERVES,
    build_image,
    compute,
    host,
    inside,
    internet_port,
    member,
    outside,
    subscriber_port,
)
from tests.scenarios.vim_contract.stories import build_host, instantiate, take_host_down, terminate
from tests.scenarios.vim_contract.worlds import LocalWorld, serving_image

pytestmark = pytest.mark.dataplane


@pytest.fixture
def world(tmp_path: Path, lab_id: str) -> Iterator[LocalWorld]:
    world = LocalWorld(tmp_path, lab_id)
    yield world
    world.clean_up()


def eventually(condition: Callable[[], bool], deadline_s: float = 10.0) -> bool:
    """Whether it becomes true in time."""
    deadline = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.02)
    return True


def script(text: str) -> bytes:
    return b"#!/bin/sh\nset -u\n" + text.encode()


def run_vnfc(world: LocalWorld, text: str, ports: tuple[PortSpec, ...] = (), **changes: object) -> LocalVim:
    """A host with one VNFC whose entry point is this shell script."""
    driver = world.driver()
    driver.ensure_host(host("h1"))
    image = build_image(world.directory, [member("entrypoint", script(text))])
    driver.ensure_compute(compute(image, ports, **changes))
    return driver


SERVE = "trap 'exit 0' TERM; touch /vnf/ready; while :; do sleep 5 & wait $!; done\n"


def test_full_size_packets_cross_the_underlay_between_hosts(world: LocalWorld) -> None:
    driver = world.driver()
    planes = {name: driver.ensure_host(host(name)).dataplane for name in ("h1", "h2")}
    driver.add_attachment(Attachment("left", host="h1"))
    driver.add_attachment(Attachment("right", host="h2"))
    left = subscriber_port(id="port-left", attachment="left", addresses=("10.10.0.2/24",), gateway="")
    right = subscriber_port(
        id="port-right", host="h2", attachment="right", addresses=("10.10.0.3/24",), mac="02:10:00:00:00:04", gateway=""
    )
    for here, port, there in (("h1", left, "h2"), ("h2", right, "h1")):
        number = driver.ensure_port(port).ofport
        tunnel, peer = planes[here].tunnel_ofport, planes[there].underlay_ip
        flows = [
            f"in_port={number},actions=set_field:100->tun_id,set_field:{peer}->tun_dst,output:{tunnel}",
            f"in_port={tunnel},tun_id=100,actions=output:{number}",
        ]
        for flow in flows:
            driver.switch_of(here).run("ovs-ofctl", "-O", "OpenFlow15", "add-flow", "br-int", flow, timeout=5)
    payload = os.urandom(200_000)
    assert received_over_tcp(driver, "right", "10.10.0.3", "left", payload) == payload


def test_packets_of_a_vf_reach_the_physical_network_and_no_bridge_of_the_host(world: LocalWorld) -> None:
    driver = run_vnfc(world, "ip address show > /vnf/addresses\n" + SERVE, (inside(), outside()))
    driver.add_attachment(Attachment("inet", physical_network=PHYSNET))
    driver.ensure_port(internet_port())
    # The other side's kernel answers: packets get there and back.
    with pytest.raises(ConnectionRefusedError):
        netns.inside(driver.namespace_of("inet"), lambda: socket.create_connection(("198.51.100.2", 9), 5))
    dump = driver.switch_of("h1").run("ovs-ofctl", "-O", "OpenFlow15", "dump-ports-desc", "br-int", timeout=5).stdout
    vf = driver.ensure_port(outside()).interface
    assert vf not in dump
    assert "vf-0000-3b-00.0-1-h1" in links.read_links(driver.lab.fabric)[vf].alternative_names
    assert driver.ensure_port(outside()).realisation is Realisation.EMULATED


def received_over_tcp(driver: LocalVim, server: str, address: str, client: str, payload: bytes) -> bytes:
    """What a server in one attachment receives from a client in another."""
    listener = netns.inside(driver.namespace_of(server), lambda: socket.create_server((address, 7000)))
    # Nothing answers ARP without flows of our own: the neighbours are told.
    for name, neighbour, mac in ((client, address, "02:10:00:00:00:04"), (server, "10.10.0.2", "02:10:00:00:00:03")):
        command = ["neighbour", "replace", neighbour, "lladdr", mac, "dev", "eth0"]
        links.change(driver.namespace_of(name), [command])
    with listener:
        listener.settimeout(10)
        sender = netns.inside(driver.namespace_of(client), lambda: socket.create_connection((address, 7000), 10))
        connection, _ = listener.accept()
        with sender, connection:
            connection.settimeout(10)
            sender.sendall(payload)
            sender.shutdown(socket.SHUT_WR)
            chunks = []
            while chunk := connection.recv(65536):
                chunks.append(chunk)
    return b"".join(chunks)


def test_interfaces_are_as_specified(world: LocalWorld) -> None:
    driver = run_vnfc(world, SERVE, (inside(mtu=1600, gateway="10.10.0.254"), outside()))
    namespace = driver.namespace_of_compute("compute-nat")
    eth0, eth1 = (links.read_links(namespace)[name] for name in ("eth0", "eth1"))
    assert (eth0.mac, eth0.mtu, eth0.up) == ("02:10:00:00:00:01", 1600, True)
    assert {"10.10.0.1/24", "fd00::1/64"} <= eth0.addresses
    assert (eth1.mac, eth1.mtu, eth1.up) == ("02:10:00:00:00:02", 1500, True)
    assert eth1.addresses == {"198.51.100.2/24"}  # no IPv6 where none is asked for
    routes = json.loads(subprocess.check_output(["ip", "-n", namespace, "-json", "route", "show", "default"]))
    assert [(route["gateway"], route["dev"]) for route in routes] == [("10.10.0.254", "eth0")]
    outer = driver.ensure_port(inside(mtu=1600, gateway="10.10.0.254")).interface
    assert links.read_links(driver.namespace_of("h1"))[outer].mtu == 1600
    offload = subprocess.check_output(["ip", "netns", "exec", namespace, "ethtool", "-k", "eth0"], text=True)
    assert "tx-checksumming: off" in offload


CONFINED = """
{
  id -u; hostname; cat /proc/1/comm; ls -d /proc/[0-9]* | wc -l
  grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/self/status
} > /vnf/facts
for target in /usr/mark /etc/services /proc/sys/kernel/hostname /proc/sysrq-trigger /bin/sh; do
  ( echo x >> $target ) 2>/dev/null && echo "wrote $target" >> /vnf/broken
done
for path in /root/.ssh /home /srv /etc/shadow /var/log /sys /run/catena /proc/kcore; do
  [ -e $path ] && [ -s $path ] && echo "sees $path" >> /vnf/broken
done
mount -t tmpfs none /tmp 2>/dev/null && echo mounted >> /vnf/broken
unshare --mount true 2>/dev/null && echo unshared >> /vnf/broken
chroot / true 2>/dev/null && echo chrooted >> /vnf/broken
mknod /tmp/disk b 254 0 2>/dev/null && echo "made a device" >> /vnf/broken
kill -0 $PPID 2>/dev/null; [ $PPID = 1 ] || echo "has parent $PPID" >> /vnf/broken
echo 1 > /proc/sys/net/ipv4/ip_forward || echo "cannot route" >> /vnf/broken
nft add table ip t || echo "cannot filter" >> /vnf/broken
touch /vnf/broken
"""


def test_a_vnfc_has_its_network_and_nothing_of_the_machine(world: LocalWorld) -> None:
    driver = run_vnfc(world, CONFINED + SERVE, (inside(),))
    assert driver.read_file("compute-nat", "broken") == b""
    facts = driver.read_file("compute-nat", "facts").decode().split()
    assert facts[:2] == ["0", "nat-0"]
    assert int(facts[3]) <= 6
    assert facts[4:] == ["CapEff:", "00000000000074fb", "CapBnd:", "00000000000074fb", "NoNewPrivs:", "1"]
    with open("/proc/sys/net/ipv4/ip_forward", encoding="ascii") as ours:
        assert netns.inside(driver.namespace_of_compute("compute-nat"), read_ip_forward) == "1"
        assert ours.read() == read_ip_forward() + "\n"


def read_ip_forward() -> str:
    return Path("/proc/sys/net/ipv4/ip_forward").read_text(encoding="ascii").strip()


def test_the_configuration_has_the_promised_shape(world: LocalWorld) -> None:
    driver = run_vnfc(world, SERVE, (inside(gateway="10.10.0.254"), outside()))
    assert json.loads(driver.read_file("compute-nat", "config.json")) == {
        "name": "nat/0",
        "interfaces": [
            {
                "name": "inside",
                "device": "eth0",
                "mac": "02:10:00:00:00:01",
                "addresses": ["10.10.0.1/24", "fd00::1/64"],
                "gateway": "10.10.0.254",
                "mtu": 1500,
            },
            {
                "name": "outside",
                "device": "eth1",
                "mac": "02:10:00:00:00:02",
                "addresses": ["198.51.100.2/24"],
                "gateway": None,
                "mtu": 1500,
            },
        ],
        "userData": {"prefixes": ["10.10.0.0/24"]},
    }


def test_files_of_a_vnfc_are_read_without_following_its_links(world: LocalWorld) -> None:
    driver = run_vnfc(
        world,
        "mkdir /vnf/state; echo 7 > /vnf/state/count; ln -s /etc /vnf/out; ln -s count /vnf/state/alias\n" + SERVE,
    )
    assert driver.read_file("compute-nat", "state/count") == b"7\n"
    for name in ("out/hostname", "state/alias", "../etc/hosts", "/etc/hosts", "state", "none", "state//count"):
        with pytest.raises(NotFound, match="compute-nat"):
            driver.read_file("compute-nat", name)
    driver.remove_compute("compute-nat", "h1")
    with pytest.raises(NotFound, match="does not run"):
        driver.read_file("compute-nat", "state/count")


def test_cpus_that_are_here_are_pinned_and_others_are_imitated(world: LocalWorld) -> None:
    first = usable_cpus()[0]
    here = {"cells": [{"node": 0, "cpus": [first], "memoryMib": 64, "pageSizeKib": 4}]}
    driver = run_vnfc(world, SERVE, placement=here)
    assert driver.compute_status("compute-nat", "h1").realisations["cpus"] is Realisation.ENFORCED
    assert cpus_of(driver) == {first}
    far = {"cells": [{"node": 0, "cpus": [1000], "memoryMib": 64, "pageSizeKib": 4}]}
    run_vnfc(world, SERVE, placement=far)
    status = driver.compute_status("compute-nat", "h1")
    assert status.realisations["cpus"] is Realisation.EMULATED
    assert "1000" in status.detail
    assert cpus_of(driver) == {usable_cpus()[1000 % len(usable_cpus())]}


def cpus_of(driver: LocalVim) -> set[int]:
    """Where every process of the VNFC may run."""
    pids = netns.processes(driver.namespace_of_compute("compute-nat"))
    assert pids
    return set().union(*(os.sched_getaffinity(pid) for pid in pids))


def test_memory_beyond_the_limit_ends_the_vnfc(world: LocalWorld) -> None:
    driver = run_vnfc(world, SERVE, memory_mib=64)
    status = driver.compute_status("compute-nat", "h1")
    if status.realisations["memory"] is not Realisation.ENFORCED:
        pytest.skip(f"no memory control group here: {status.detail}")
    greedy = script('touch /vnf/ready; exec /usr/bin/python3 -c "x = bytearray(200 << 20); print(len(x))"\n')
    vnfc = compute(build_image(world.directory, [member("entrypoint", greedy)]), memory_mib=64)
    driver.ensure_compute(vnfc)
    assert eventually(lambda: driver.compute_status(vnfc.id, "h1").state == "failed")
    detail = driver.compute_status(vnfc.id, "h1").detail
    assert "209715200" not in detail
    assert "more memory than it has" in detail


def test_what_a_vnfc_writes_to_its_files_is_bounded(world: LocalWorld) -> None:
    text = "dd if=/dev/zero of=/vnf/fill bs=1M count=100 2>/dev/null && echo whole > /vnf/result; touch /vnf/result\n"
    driver = run_vnfc(world, text + SERVE, memory_mib=48)
    assert driver.read_file("compute-nat", "result") == b""


def test_a_console_that_never_stops_is_cut(world: LocalWorld) -> None:
    """More than a file of the VNFC may hold is printed, and neither the VNFC ends nor the console grows."""
    driver = run_vnfc(world, "yes all is well | head -c 96000000; echo the end; touch /vnf/ready; exec sleep 600\n")
    console = driver.lab.compute_directory("compute-nat") / "console"
    assert eventually(lambda: console.read_bytes().endswith(b"\nthe end\n"))
    assert launcher.FILE_MAX < 96_000_000
    assert KEPT_BYTES <= console.stat().st_size <= MAX_BYTES
    assert driver.compute_status("compute-nat", "h1").state == "running"


def test_the_last_words_in_its_own_log_are_kept(world: LocalWorld) -> None:
    driver = run_vnfc(world, "touch /vnf/ready; sleep 0.2; echo out of cheese > /vnf/log/vnf.log; exit 4\n")
    assert eventually(lambda: driver.compute_status("compute-nat", "h1").state == "failed")
    detail = driver.compute_status("compute-nat", "h1").detail
    assert "out of cheese" in detail
    assert "status 4" in detail


def test_a_vnfc_that_is_never_ready_is_given_up(world: LocalWorld) -> None:
    driver = LocalVim(world.directory, lab=world.lab, ready_deadline_s=0.6)
    driver.ensure_host(host("h1"))
    vnfc = compute(build_image(world.directory, [member("entrypoint", NEVER_READY)]))
    with pytest.raises(DeadlineExceeded, match="waiting for godot"):
        driver.ensure_compute(vnfc)
    assert driver.compute_status(vnfc.id, "h1").state == "starting"
    driver.remove_compute(vnfc.id, "h1")
    driver.remove_host("h1")
    assert world.remains() == []


def test_a_vnfc_that_ignores_sigterm_is_removed(world: LocalWorld) -> None:
    driver = run_vnfc(world, "trap '' TERM; touch /vnf/ready; while :; do sleep 1; done\n")
    driver.remove_compute("compute-nat", "h1")
    driver.remove_host("h1")
    assert world.remains() == []


def test_orphans_of_a_vnfc_end_with_it(world: LocalWorld) -> None:
    driver = run_vnfc(world, "(setsid sleep 600 &) ; (setsid sh -c 'while :; do sleep 1; done' &)\n" + SERVE)
    assert len(netns.processes(driver.namespace_of_compute("compute-nat"))) >= 4
    driver.remove_compute("compute-nat", "h1")
    driver.remove_host("h1")
    assert world.remains() == []


SERVER = """
import os, sys
from pathlib import Path
from tests.scenarios.vim_contract.stories import build_host, instantiate
from tests.scenarios.vim_contract.samples import compute, inside, outside
from tests.scenarios.vim_contract.worlds import LocalWorld, serving_image
world = LocalWorld(Path(sys.argv[1]), sys.argv[2])
driver = world.driver()
build_host(driver)
instantiate(compute(serving_image(world), (inside(), outside())))(driver)
print("up", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def killed_server(world: LocalWorld) -> LocalWorld:
    """A world whose server was killed when everything was up."""
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(world.directory), world.lab],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert server.stdout is not None and server.stdin is not None
    with server.stdout, server.stdin:
        assert server.stdout.readline() == "up\n"
        assert world.lab in living_labs()
        server.kill()
        server.wait(10)
    return world


def test_vnfcs_outlive_a_killed_server(killed_server: LocalWorld) -> None:
    driver = killed_server.driver()
    assert driver.compute_status("compute-nat", "h1").state == "running"
    vnfc = compute(serving_image(killed_server), (inside(), outside()))
    moments: list[str] = []
    assert killed_server.driver(moments.append).ensure_compute(vnfc).state == "running"
    assert "after compute.process" not in moments
    terminate(vnfc)(driver)
    take_host_down(driver)
    assert killed_server.remains() == []


def test_a_clean_up_needs_nothing_but_the_machine(killed_server: LocalWorld) -> None:
    lab = killed_server.lab
    (killed_server.directory / "vim_local.json").unlink()
    assert lab in labs()
    assert lab not in living_labs()
    found = find_remains(lab)
    for word in ("ovs-vswitchd", "ovsdb-server", "entrypoint", f"cat-{lab}-h1", f"cat-{lab}-fabric", "control group"):
        assert any(word in line for line in found), word
    assert cleanup(lab) == found
    assert find_remains(lab) == []
    assert cleanup(lab) == []


def test_a_clean_up_finds_namespaces_even_without_a_run_directory(killed_server: LocalWorld) -> None:
    subprocess.run(["rm", "-rf", f"/run/catena/{killed_server.lab}"], check=True)
    assert any("entrypoint" in line for line in cleanup(killed_server.lab))
    assert find_remains(killed_server.lab) == []


def test_after_a_reboot_everything_is_made_again_as_it_was(world: LocalWorld) -> None:
    driver = world.driver()
    build_host(driver)
    vnfc = compute(serving_image(world), (inside(), outside()))
    instantiate(vnfc)(driver)
    plane, number = driver.host_status("h1").dataplane, driver.ensure_port(inside()).ofport
    cleanup(world.lab)  # what a reboot leaves: the data directory
    restarted = world.driver()
    assert not restarted.host_status("h1").reachable
    assert restarted.ensure_host(host("h1")).dataplane == plane
    instantiate(vnfc)(restarted)
    assert restarted.ensure_port(inside()).ofport == number
    assert restarted.compute_status(vnfc.id, "h1").state == "running"


def test_a_hanging_switch_is_unreachable_in_good_time_and_mended(world: LocalWorld) -> None:
    driver = world.driver()
    driver.ensure_host(host("h1"))
    pid = int((driver.switch_of("h1").rundir / "ovs-vswitchd.pid").read_text())
    os.kill(pid, signal.SIGSTOP)
    status = driver.host_status("h1")
    assert not status.reachable
    assert "in time" in status.detail
    assert driver.ensure_host(host("h1")).reachable
    assert driver.host_status("h1").reachable


def test_a_switch_without_its_database_server_is_mended(world: LocalWorld) -> None:
    driver = world.driver()
    build_host(driver)
    number = driver.ensure_port(inside()).ofport
    world.kill_switch("h1")
    os.kill(int((driver.switch_of("h1").rundir / "ovsdb-server.pid").read_text()), signal.SIGKILL)
    assert driver.ensure_host(host("h1")).reachable
    assert driver.ensure_port(inside()).ofport == number


def test_two_labs_do_not_see_each_other(world: LocalWorld, tmp_path: Path) -> None:
    driver = world.driver()
    build_host(driver)
    other = LocalVim(tmp_path / "other", lab=world.lab[:-1] + ("a" if world.lab[-1] != "a" else "b"))
    try:
        build_host(other)
        for network in NETWORKS:
            other.ensure_network(network)
        instantiate(compute(serving_image(world), (inside(), outside())))(driver)
        assert other.observe().ports == ()
        other.remove_network(OVERLAY)
        other.remove_network(NETWORKS[1])
        take_host_down(other)
        assert find_remains(other.lab.id) == []
        assert driver.compute_status("compute-nat", "h1").state == "running"
    finally:
        cleanup(other.lab.id)


def test_peers_know_each_other_before_the_first_packet(world: LocalWorld) -> None:
    driver = world.driver()
    for name in ("h1", "h2"):
        driver.ensure_host(host(name))
    addresses = {name: driver.host_status(name).dataplane.underlay_ip for name in ("h1", "h2")}
    for name, peer in (("h1", "h2"), ("h2", "h1")):
        assert addresses[peer] in neighbours_of(driver, name)
    world.kill_switch("h1")
    driver.ensure_host(host("h1"))
    assert addresses["h2"] in neighbours_of(driver, "h1")


def neighbours_of(driver: LocalVim, name: str) -> str:
    location = driver.switch_of(name)
    return location.run("ovs-appctl", "-t", str(location.control_socket), "tnl/neigh/show", timeout=5).stdout


@pytest.mark.deep
@pytest.mark.timeout(600)
def test_killed_at_any_time_whatever_it_was_doing(world: LocalWorld) -> None:
    """SIGKILL after ever longer times, also in the middle of one change."""
    vnfc = compute(serving_image(world), (inside(), outside()))
    for step in range(60):
        server = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(world.directory), world.lab],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        time.sleep(0.25 + step * 0.02)
        server.kill()
        server.wait(10)
        driver = world.driver()
        if step % 2:
            build_host(driver)
            instantiate(vnfc)(driver)
            assert driver.compute_status(vnfc.id, "h1").state == "running"
        terminate(vnfc)(driver)
        for name in set(driver.attachments()):
            driver.remove_attachment(name)
        driver.remove_host("h1")
        assert world.remains() == [], step


def test_the_image_is_unpacked_with_its_links_and_modes(world: LocalWorld) -> None:
    members = [
        member("./", kind=b"5"),
        member("./entrypoint", b"#!/bin/sh\n[ -x lib/tool ] && [ -L tool ] && ./tool > /vnf/said; " + SERVES[10:]),
        member("lib", kind=b"5"),
        member("lib/tool", b"#!/bin/sh\necho it works\n"),
        member("tool", kind=b"2", link="lib/tool"),
    ]
    driver = world.driver()
    driver.ensure_host(host("h1"))
    driver.ensure_compute(compute(build_image(world.directory, members, "image.tar.gz")))
    assert driver.read_file("compute-nat", "said") == b"it works\n"

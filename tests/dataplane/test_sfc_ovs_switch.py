"""A private Open vSwitch: started, changed, killed and removed; its errors name the host and what to do."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from sfc.errors import ModelError
from sfc.ovs.commands import EnsureBridge, EnsurePort, RemoveBridge, RemovePort, SetSwitchConfig
from sfc.ovs.control import ask
from sfc.ovs.daemon import SwitchDaemon, TunnelNeighbour, prepare_switch
from sfc.ovs.errors import SwitchRefused, SwitchTimeout, SwitchUnreachable
from sfc.ovs.location import SwitchLocation
from sfc.ovs.ovsdb import Database
from tests.dataplane.sfc_ovs_lab import TUNNEL, HandLab, hand_lab, ip, run

pytestmark = pytest.mark.dataplane


@pytest.fixture
def lab(lab_id: str, tmp_path: Path):
    with hand_lab(lab_id, tmp_path) as lab:
        yield lab


@pytest.fixture
def daemon(lab: HandLab) -> SwitchDaemon:
    return lab.start_switch("h1")


def vsctl(daemon: SwitchDaemon, *arguments: str) -> str:
    """An independent look at the database."""
    return run("ovs-vsctl", f"--db=unix:{daemon.location.database_socket}", "--timeout=5", *arguments).strip()


def pid(daemon: SwitchDaemon, program: str) -> int:
    return int((daemon.location.rundir / f"{program}.pid").read_text())


def test_it_starts_once_and_answers(daemon):
    first = pid(daemon, "ovs-vswitchd")
    daemon.start()
    assert daemon.is_alive()
    assert pid(daemon, "ovs-vswitchd") == first
    assert vsctl(daemon, "list-br") == ""


def test_bridges_and_ports_appear_as_asked_for_and_asking_again_changes_nothing(lab, daemon):
    lab.wire("h1", "p1", "sub", "eth0")
    wishes = (
        EnsureBridge("br-int", external_ids={"catena": 'a "quoted" value'}),
        EnsurePort("br-int", "p1", ofport=1, mtu=1600, external_ids={"port": "x"}),
        EnsurePort("br-int", "gpe0", ofport=100, type="vxlan", options=TUNNEL),
        SetSwitchConfig({"stats-update-interval": "1000"}),
    )
    with Database(daemon.location) as database:
        now = database.apply(*wishes)
        before = vsctl(daemon, "get", "Open_vSwitch", ".", "next_cfg")
        database.apply(*wishes)
    assert now.ports["p1"].ofport == 1
    assert now.ports["p1"].mtu == 1600
    assert vsctl(daemon, "get", "Interface", "gpe0", "ofport") == "100"
    assert vsctl(daemon, "get", "Interface", "gpe0", "options:packet_type") == "ptap"
    assert vsctl(daemon, "get-fail-mode", "br-int") == "secure"
    assert vsctl(daemon, "get", "Open_vSwitch", ".", "next_cfg") == before


def test_removal_leaves_nothing(lab, daemon):
    lab.wire("h1", "p1", "sub", "eth0")
    with Database(daemon.location) as database:
        database.apply(EnsureBridge("br-int"), EnsurePort("br-int", "p1", ofport=1))
        database.apply(RemovePort("p1"), RemovePort("never-there"))
        assert set(database.ports("br-int")) == {"br-int"}
        database.apply(RemoveBridge("br-int"))
        assert database.bridges() == {}
    assert vsctl(daemon, "--columns=name", "list", "Interface") == ""


@pytest.mark.parametrize(
    ("wish", "why"),
    [
        (EnsurePort("br-int", "nowhere", ofport=7), "could not open network device nowhere"),
        (EnsurePort("br-int", "second", ofport=1, type="internal"), "got OpenFlow number 2, not 1"),
        (EnsurePort("br-other", "first"), "is on br-int, not on br-other"),
    ],
)
def test_what_the_switch_cannot_do_is_refused_with_its_reason(daemon, wish, why):
    with Database(daemon.location) as database:
        bridges = (EnsureBridge("br-int"), EnsureBridge("br-other"))
        database.apply(*bridges, EnsurePort("br-int", "first", ofport=1, type="internal"))
        with pytest.raises(SwitchRefused, match=why) as caught:
            database.apply(wish)
    assert caught.value.host == "h1"
    assert str(caught.value).startswith("h1: ")


def test_a_port_on_a_bridge_that_does_not_exist_changes_nothing(daemon):
    with Database(daemon.location) as database:
        with pytest.raises(SwitchRefused, match="there is no bridge br-none"):
            database.apply(EnsurePort("br-none", "p1", type="internal"))
        assert database.snapshot().ports == {}


def test_two_writers_at_once_both_get_what_they_want(daemon):
    with Database(daemon.location) as database:
        database.apply(EnsureBridge("br-int"))
    failures: list[BaseException] = []

    def write(writer: int) -> None:
        try:
            for number in range(10):
                with Database(daemon.location) as mine:
                    mine.apply(EnsurePort("br-int", f"w{writer}n{number}", type="internal"))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(writer,)) for writer in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with Database(daemon.location) as database:
        assert len(database.ports("br-int")) == 21


def test_a_killed_vswitchd_is_unreachable_and_comes_back_with_its_bridges(daemon):
    with Database(daemon.location) as database:
        database.apply(EnsureBridge("br-int"))
    daemon.kill_vswitchd()
    assert not daemon.is_alive()
    with pytest.raises(SwitchUnreachable, match="start its ovsdb-server and ovs-vswitchd"):
        ask(daemon.location, "version")
    with Database(daemon.location) as database, pytest.raises(SwitchUnreachable, match="h1: "):
        database.apply(EnsurePort("br-int", "p9", type="internal"), timeout=0.3)
    daemon.start()
    with Database(daemon.location) as database:
        assert database.apply(EnsureBridge("br-int")).ports["p9"].ofport is not None


def test_a_stopped_process_that_does_not_answer_is_a_time_out_and_can_be_stopped_for_good(daemon):
    frozen = pid(daemon, "ovs-vswitchd")
    os.kill(frozen, signal.SIGSTOP)
    with pytest.raises(SwitchTimeout):
        ask(daemon.location, "version", timeout=0.2)
    assert not daemon.is_alive()
    daemon.stop()
    assert not runs(frozen)


def runs(number: int) -> bool:
    """False also for what is left of a process until its parent looks."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{number}/status").read_text()
    except FileNotFoundError:
        return False


def test_a_pid_file_of_another_process_is_not_believed(daemon):
    daemon.stop()
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        (daemon.location.rundir / "ovs-vswitchd.pid").write_text(f"{bystander.pid}\n")
        daemon.stop()
        assert bystander.poll() is None
        daemon.start()
        assert daemon.is_alive()
    finally:
        bystander.kill()
        bystander.wait()


def test_a_start_that_was_killed_half_way_is_made_whole(lab):
    location = SwitchLocation("h1", lab.directory / "h1", lab.namespace("h1"))
    location.rundir.mkdir()
    (location.rundir / "conf.draft").write_text("OVSDB JSON 12")
    daemon = lab.start_switch("h1")
    daemon.kill_vswitchd()
    with Database(location) as database:
        database.transact([{"op": "delete", "table": "Open_vSwitch", "where": []}])
    daemon.start()
    with Database(location) as database:
        assert database.apply(EnsureBridge("br-int")).bridges.keys() == {"br-int"}


def test_after_a_start_it_is_told_neighbours_and_the_smallest_fragment(lab, daemon):
    with Database(daemon.location) as database:
        database.apply(EnsureBridge("br-phy", fail_mode="standalone"), EnsureBridge("br-int"))
    neighbour = TunnelNeighbour("br-phy", IPv4Address("10.99.0.2"), "02:99:00:00:00:02")
    for _ in range(2):
        prepare_switch(daemon.location, neighbours=[neighbour])
        assert "02:99:00:00:00:02" in ask(daemon.location, "tnl/neigh/show")
        assert "min v4 frag size: 400" in ask(daemon.location, "dpctl/ipf-get-status")
        daemon.restart_vswitchd(kill=True)


@pytest.mark.parametrize("mac", ["02:99:00:00:00", "02:99:00:00:00:zz:1", "02990000 0002", "g2:99:00:00:00:02"])
def test_a_neighbour_needs_a_mac_address(mac):
    with pytest.raises(ModelError, match="no MAC address"):
        TunnelNeighbour("br-phy", IPv4Address("10.99.0.2"), mac)


def test_removal_takes_processes_devices_and_files_away(lab, daemon):
    with Database(daemon.location) as database:
        database.apply(EnsureBridge("br-int"))
    processes = [pid(daemon, program) for program in ("ovsdb-server", "ovs-vswitchd")]
    daemon.remove()
    daemon.remove()
    assert not daemon.location.rundir.exists()
    deadline = time.monotonic() + 5
    while any(map(runs, processes)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(runs, processes))
    assert "br-int" not in run("ip", "-n", lab.namespace("h1"), "link", "show")


def test_a_start_that_cannot_work_says_why(lab, tmp_path):
    location = SwitchLocation("h2", tmp_path / "h2", f"cat-{lab.id}-missing")
    with pytest.raises((SwitchUnreachable, SwitchRefused), match=r"h2: .*missing"):
        SwitchDaemon(location).start()
    ip(lab.namespace("h1"), "link show")

"""What breaks on a running service, and what the server does about it: tunnels, carriers, switches. On Open vSwitch."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sqlite3
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mano.adapters.vim_local import LocalVim
from mano.cli.demo import traffic
from mano.cli.demo.world import SUBSCRIBERS
from sfc.ovs.daemon import SwitchDaemon
from sfc.ovs.monitor import SwitchMonitor
from sfc.ovs.ovsdb import Database
from tests.dataplane.gi_lan import INTERNET_IP, Lab, internet, run

pytestmark = [pytest.mark.dataplane, pytest.mark.deep, pytest.mark.timeout(300)]

INTERVAL_MS = 300
IP_MTU = 14
"""Linux's number; Python has no name for it."""
PATIENCE_S = 30.0


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, module_lab_id: str) -> Iterator[Lab]:
    """The sample network service, its web chain's dpi to be passed by when it is lost."""
    lab = Lab(module_lab_id, tmp_path_factory.mktemp("true"))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("CATENA_BFD_INTERVAL", str(INTERVAL_MS))
        try:
            lab.prepare()
            lab.instantiate()
            path = [{"group": "firewall-0"}, {"group": "dpi-0", "onFailure": "open"}, {"group": "nat-0"}]
            change = lab.api.patch(f"/mano/v1/chains/{web(lab)['id']}", {"path": path})
            until("the dpi is open", lambda: lab.api.get(change)["operationState"] == "COMPLETED")
            until("all tunnels are watched", partial(tunnels_carry, lab))
            with internet(lab):
                yield lab
        finally:
            lab.close()


def until(what: str, holds: Callable[[], Any]) -> float:
    """Seconds until it holds."""
    begun = time.monotonic()
    while not holds():
        assert time.monotonic() - begun < PATIENCE_S, what
        time.sleep(0.02)
    return time.monotonic() - begun


def vim(lab: Lab) -> LocalVim:
    return LocalVim(lab.directory, lab=lab.id)


def tunnels_carry(lab: Lab) -> bool:
    """Every bridge hears every other one."""
    states = []
    for host in ("h1", "h2", "h3"):
        with SwitchMonitor(vim(lab).switch_of(host)) as monitor:
            states += [each.forwarding for name, each in monitor.interfaces.items() if name.startswith("bfd")]
    return len(states) == 6 and all(states)


def web(lab: Lab) -> Mapping[str, Any]:
    chains = lab.api.get("/mano/v1/chains")
    return dict(next(chain for chain in chains if chain["name"] == "web"))


def events(lab: Lab, noun: str, since: float = 0.0) -> list[tuple[str, str, float]]:
    """(verb, subject, when) of what was told of these things from a moment on."""
    with contextlib.closing(sqlite3.connect(f"file:{lab.database}?mode=ro", uri=True)) as store:
        rows = store.execute("SELECT document, occurred_at FROM outbox WHERE noun = ? ORDER BY sequence", (noun,))
        told = [(json.loads(document), at) for document, at in rows if at >= since]
    return [(document["verb"], document["subject"], at) for document, at in told]


def standing(lab: Lab, cause: str) -> list[Mapping[str, Any]]:
    found = lab.api.get("/mano/v1/alarms")
    return [each for each in found if each["probableCause"] == cause and "alarmClearedTime" not in each]


def is_whole(lab: Lab) -> bool:
    """A busy machine may starve a switch for so long that its peers think it lost; it is back soon."""
    return not standing(lab, "host-cut-off") and not standing(lab, "tunnel-down")


def page(lab: Lab, name: str, timeout_s: float = 2.0) -> bool:
    """Whether a subscriber gets a page through the web chain."""
    try:
        answer = lab.view.inside(
            lab.view.attachment(SUBSCRIBERS), partial(traffic.http_get, INTERNET_IP, name, timeout_s=timeout_s)
        )
    except OSError:
        return False
    return answer.status == 200


def uplink(lab: Lab, host: str) -> str:
    """The far end of a host's cable to the underlay."""
    index = next(index for index, each in lab.view.uplinks(["h1", "h2", "h3"]).items() if each == host)
    links = json.loads(run("ip", "-n", lab.view.fabric, "-json", "link", "show"))
    return str(next(link["ifname"] for link in links if link["ifindex"] == index))


def test_a_host_that_is_cut_off_is_noticed_and_its_functions_are_dealt_with_until_it_is_back(lab: Lab) -> None:
    assert page(lab, "before.example")
    hops = {hop["sfName"]: hop["host"] for hop in web(lab)["paths"][0]["hops"]}
    host, cable = hops["dpi-0"], uplink(lab, hops["dpi-0"])
    switch = json.loads(run("ip", "-n", lab.view.fabric, "-json", "link", "show", cable))[0]["master"]
    until("nothing is cut", partial(is_whole, lab))
    run("ip", "-n", lab.view.fabric, "link", "set", cable, "nomaster")
    broken = time.time()
    try:
        until("it is noticed", lambda: ("lost", host) in [e[:2] for e in events(lab, "underlay-host", broken)])
        told = [at for *_, at in events(lab, "underlay-host", broken) + events(lab, "tunnel", broken)]
        print(f"noticed {1000 * (min(told) - broken):.0f} ms after the cable was pulled")
        until("pages come past it", lambda: page(lab, "without.example"))
        (alarm,) = [each for each in standing(lab, "host-cut-off") if each["managedObjectId"] == host]
        assert "dpi-0 is out of reach" in str(alarm["faultDetails"])
    finally:
        run("ip", "-n", lab.view.fabric, "link", "set", cable, "master", switch)
    until("it is back", partial(is_whole, lab))
    until("pages come through it", lambda: page(lab, "after.example"))
    assert {hop["sfName"]: hop["host"] for hop in web(lab)["paths"][0]["hops"]} == hops


def test_a_function_without_carrier_is_dealt_with_at_once(lab: Lab) -> None:
    function = next(hop for hop in web(lab)["paths"][0]["hops"] if hop["sfName"] == "dpi-0")
    with Database(vim(lab).switch_of(function["host"])) as database:
        ports = database.ports("br-int").values()
    (interface,) = [each.name for each in ports if function["portIn"] in each.external_ids.values()]
    namespace = lab.view.host(function["host"])
    run("ip", "-n", namespace, "link", "set", interface, "down")
    broken = time.time()
    try:
        until("it is told", lambda: standing(lab, "service function has no carrier"))
        failed = events(lab, "service-function", broken)[0][2]
        print(f"noticed {1000 * (failed - broken):.0f} ms after the carrier was lost")
        assert page(lab, "dark.example")
    finally:
        run("ip", "-n", namespace, "link", "set", interface, "up")
    until("it is back", lambda: not standing(lab, "service function has no carrier"))


def told_mtu(destination: str, octets: int) -> int:
    """What the kernel learns of the way from ICMP after a datagram of that many octets that must not be fragmented."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.IPPROTO_IP, traffic.IP_MTU_DISCOVER, traffic.IP_PMTUDISC_DO)
        sender.connect((destination, 9))
        with contextlib.suppress(OSError):  # it knows already
            sender.send(bytes(octets - 28))
        time.sleep(0.1)
        return sender.getsockopt(socket.IPPROTO_IP, IP_MTU)


def test_what_is_too_big_for_a_way_is_counted_and_its_sender_told(lab: Lab) -> None:
    subscriber = lab.view.attachment(SUBSCRIBERS)
    assert lab.view.inside(subscriber, partial(told_mtu, INTERNET_IP, 1480)) == 1500
    host = web(lab)["paths"][0]["hops"][-1]["host"]
    set_underlay_mtu(lab, host, 1520)
    try:
        lab.mano("chain", "repair", "web")
        assert lab.api.get(f"/mano/v1/chains/{web(lab)['id']}")["mtu"] == 1520 - 74
        until(
            "the sender knows", lambda: lab.view.inside(subscriber, partial(told_mtu, INTERNET_IP, 1480)) == 1520 - 74
        )
        drops = lab.api.get(f"/mano/v1/chains/{web(lab)['id']}/statistics")["drops"]
        assert [drop["packets"] > 0 for drop in drops if "too big" in drop["reason"]] == [True]
        assert page(lab, "narrow.example")
    finally:
        set_underlay_mtu(lab, host, 1600)
        lab.mano("chain", "repair", "web")


def set_underlay_mtu(lab: Lab, host: str, mtu: int) -> None:
    """What the server knows of the way to a host, as if it had been added again on another underlay."""
    with contextlib.closing(sqlite3.connect(lab.database, timeout=10.0)) as store, store:
        (text,) = store.execute("SELECT document FROM hosts WHERE name = ?", (host,)).fetchone()
        document = json.loads(text)
        document["dataplane"]["underlay_mtu"] = mtu
        store.execute("UPDATE hosts SET document = ? WHERE name = ?", (json.dumps(document), host))


def test_one_real_packet_is_tied_to_rules_placements_and_the_line_that_asked_for_it(lab: Lab, tmp_path: Path) -> None:
    until("nothing is cut", partial(is_whole, lab))
    capture = tmp_path / "packet.pcap"
    asked = ("--source", "10.10.0.2", "--destination", INTERNET_IP, "--protocol", "tcp", "--destination-port", "80")
    done = lab.mano("chain", "trace", "web", *asked, "--pcap", str(capture), "-o", "json")
    found = json.loads(done.stdout)
    sights, chain = found["sights"], web(lab)
    assert all(sight["expected"] for sight in sights), [sight for sight in sights if not sight["expected"]]
    decoded = run("tshark", "-r", str(capture), "-T", "fields", "-e", "frame.len").split()
    assert decoded == [str(sight["octets"]) for sight in sights]
    met = [sight["sfName"] for sight in sights if sight["sfName"] and sight["direction"] == "out"]
    assert met[: len(chain["paths"][0]["hops"])] == [hop["sfName"] for hop in chain["paths"][0]["hops"]]
    held = {flow.cookie for host in ("h1", "h2", "h3") for flow in lab.bridge(host).flows()}
    assert {rule["cookie"] for sight in sights for rule in sight["rules"]} <= held
    placed = {each["key"].split("/")[0]: each for each in lab.api.get("/mano/v1/placements")}
    for function in found["functions"]:
        assert function["host"] == placed[function["sfName"]]["host"] and function["why"]
        assert function["placement"] == placed[function["sfName"]]["allocation"]
    origin = found["descriptor"]
    archives = [zipfile.ZipFile(path) for path in lab.directory.rglob("*") if zipfile.is_zipfile(path)]
    (text,) = {each.read(origin["file"]) for each in archives if origin["file"] in each.namelist()}
    name, kind = text.decode().splitlines()[origin["line"] - 1 : origin["line"] + 1]
    assert origin["nfpdId"] == "web" == name.strip().rstrip(":") and "NFP" in kind


def test_a_switch_that_is_killed_holds_everything_again_right_after_its_start(lab: Lab) -> None:
    location = vim(lab).switch_of("h2")
    pid = int(Path(location.rundir / "ovs-vswitchd.pid").read_text())
    os.kill(pid, signal.SIGKILL)
    until("it is dead", lambda: not Path(f"/proc/{pid}").exists())
    repaired = len(events(lab, "bridge"))
    SwitchDaemon(location).start()
    took = until("its flows are back", lambda: len(events(lab, "bridge")) > repaired)
    print(f"restored {1000 * took:.0f} ms after the start")
    until("pages come", lambda: page(lab, "again.example"))
    until("nothing is cut", partial(is_whole, lab))
    until("all holds", lambda: lab.mano("chain", "verify", "web").returncode == 0)

"""Service chains on real Open vSwitch: programming beside ``ovs-ofctl``, restarts, and what a failure costs.

As root, with Open vSwitch installed; elsewhere these benchmarks fail with the reason. Each makes a switch of its own.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.harness import Call, benchmark
from benchmarks.large_network import large_network
from sfc.change import make_before_break
from sfc.model import Chain, Cookie, Kind, OnFailure, Output, PathGroup, SetField, SpiPool
from sfc.model.fields import PACKET_TYPE_NSH, Field, FieldMatch
from sfc.model.flows import Flow, FlowTables, flow
from sfc.ovs.control import ask
from sfc.ovs.keeper import BridgeKeeper
from sfc.ovs.lab import BRIDGE, Lab
from sfc.ovs.messages import add_flows
from sfc.ovs.openflow import OpenFlow, replace_tables
from sfc.ovs.stats import settle
from sfc.path import plan_chain
from sfc.render import render

MANY = 10_000


def many_flows(count: int, si: int = 254) -> list[Flow]:
    """Flows of an SFF: NSH at one position, on to a peer."""
    nsh = FieldMatch(Field.PACKET_TYPE, PACKET_TYPE_NSH)
    actions = (SetField(Field.TUN_ID, 7), SetField(Field.TUN_DST, 0x0A630002), SetField(Field.NSH_SI, si), Output(100))
    return [
        flow(10, 100, (nsh, FieldMatch(Field.NSH_SPI, 1 + spi)), actions, Cookie(Kind.TO_PEER, chain=1 + spi))
        for spi in range(count)
    ]


@contextlib.contextmanager
def a_lab() -> Iterator[Lab]:
    with Lab(f"b{secrets.token_hex(3)}") as lab:
        yield lab


def ofctl(lab: Lab, *arguments: str) -> None:
    """``ovs-ofctl`` as its users run it."""
    switch = f"unix:{lab.location.management_socket(BRIDGE)}"
    command = ["ovs-ofctl", "-O", "OpenFlow15", "--bundle", arguments[0], switch, *arguments[1:]]
    subprocess.run(command, check=True, timeout=60, env=dict(lab.location.environment))


@benchmark("openflow: one flow in a bundle by our client", number=50)
def one_flow() -> Iterator[Call]:
    with a_lab() as lab, OpenFlow(lab.location, BRIDGE, timeout=600) as switch:
        (only,) = many_flows(1)
        yield lambda: switch.commit(add_flows([only]))


@benchmark("openflow: one flow in a bundle by ovs-ofctl, the measure")
def one_flow_by_ofctl() -> Iterator[Call]:
    with a_lab() as lab, TemporaryDirectory() as directory:
        file = Path(directory) / "flows"
        file.write_text("".join(f"{each.text()}\n" for each in many_flows(1)))
        yield lambda: ofctl(lab, "add-flows", str(file))


@benchmark(f"openflow: {MANY} flows from rendered objects to barrier")
def all_flows() -> Iterator[Call]:
    with a_lab() as lab, OpenFlow(lab.location, BRIDGE, timeout=600) as switch:
        rendered = many_flows(MANY)
        yield lambda: switch.commit(add_flows(rendered))


@benchmark(f"openflow: {MANY} flows of a ready file by ovs-ofctl, the measure")
def all_flows_by_ofctl() -> Iterator[Call]:
    with a_lab() as lab, TemporaryDirectory() as directory:
        file = Path(directory) / "flows"
        file.write_text("".join(f"{each.text()}\n" for each in many_flows(MANY)))
        yield lambda: ofctl(lab, "add-flows", str(file))


@benchmark("sfc: make a bridge of 1 000 chains equal to its tables, nothing to do")
def nothing_to_do() -> Iterator[Call]:
    network = large_network(hosts=50, chains=1000, hops=3)
    tables = render(network.topology, network.chains)["h1"]
    with a_lab() as lab:
        replace_tables(lab.location, BRIDGE, tables)
        yield lambda: replace_tables(lab.location, BRIDGE, tables)


@benchmark("sfc: ovs-vswitchd killed with 5 000 flows and started: all are back")
def back_after_a_kill() -> Iterator[Call]:
    with a_lab() as lab:
        tables = FlowTables("lab", tuple(many_flows(5000)))
        with BridgeKeeper(lab.location, BRIDGE, tables) as keeper:
            keeper.attend(10.0)

            def kill_and_wait() -> None:
                lab.daemon.kill_vswitchd()
                lab.daemon.start()
                while keeper.attend(10.0) is None:
                    pass

            yield kill_and_wait


class Stream:
    """Datagrams from one station of a lab to another, numbered, a thousand a second."""

    def __init__(self, lab: Lab) -> None:
        self.sending, self.receiving = (lab.socket(name, socket.AF_INET, socket.SOCK_DGRAM) for name in ("a", "b"))
        self.receiving.bind(("10.0.0.2", 9))
        self.arrived: list[float] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=part) for part in (self._send, self._receive)]
        for thread in self._threads:
            thread.start()

    def _send(self) -> None:
        while not self._stop.wait(0.001):
            self.sending.sendto(b"x", ("10.0.0.2", 9))

    def _receive(self) -> None:
        self.receiving.settimeout(0.2)
        while not self._stop.is_set():
            with contextlib.suppress(TimeoutError):
                self.receiving.recv(100)
                self.arrived.append(time.perf_counter())

    def close(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self.sending.close()
        self.receiving.close()

    def gap_after(self, moment: float) -> float:
        """The longest silence from ``moment`` on, once packets have come again for a tenth of a second."""
        time.sleep(0.1)
        times = [moment, *(each for each in self.arrived if each > moment)]
        return max((after - before for before, after in pairwise(times)), default=float("inf"))


_GAPS: list[float] = []


@benchmark("sfc: silence of a stream while a leg of its function has no carrier", clock=lambda: sum(_GAPS))
def carrier_loss() -> Iterator[Call]:
    with a_lab() as lab:
        ends = lab.station("a", "10.0.0.1/24"), lab.station("b", "10.0.0.2/24")
        lab.bridging_function("fw", on_failure=OnFailure.OPEN)
        lab.program(Chain("all", ends[0], (PathGroup.of("fw"),), egress=ends[1]))
        stream = Stream(lab)
        time.sleep(0.5)

        def lose_and_find() -> None:
            begin = time.perf_counter()
            lab.run("fw", "ip", "link", "set", "out", "down")
            time.sleep(0.3)
            _GAPS.append(stream.gap_after(begin))
            lab.run("fw", "ip", "link", "set", "out", "up")
            time.sleep(0.3)

        try:
            yield lose_and_find
        finally:
            stream.close()


def by_hand(count: int) -> str:
    """Flows for stations a and b with ``count`` bridging functions between them, as an expert writes them.

    Guard, TTL, hand-off by MAC tag, the way back by connection mark: what the rendered tables do, and nothing else.
    """
    lines = [
        "table=0,priority=0,actions=drop",
        "table=5,priority=100,packet_type=(1,0x894f),actions=dec_nsh_ttl,resubmit(,10)",
    ]
    lines += [
        "table=5,priority=300,packet_type=(1,0x894f),nsh_si=0,actions=drop",
        "table=5,priority=205,packet_type=(1,0x894f),nsh_ttl=1,actions=drop",
        "table=5,priority=200,packet_type=(1,0x894f),nsh_ttl=0,actions=set_field:63->nsh_ttl,resubmit(,10)",
    ]
    for here, mac, address in ((1, MACS[0], "10.0.0.1"), (2, MACS[1], "10.0.0.2")):
        lines.append(f"table=0,priority=310,in_port={here},vlan_tci=0/0x1000,dl_type=0x894f,actions=drop")
        lines.append(f"table=0,priority=305,in_port={here},vlan_tci=0x1000/0x1000,actions=drop")
        lines.append(f"table=0,priority=200,in_port={here},dl_src={mac},arp,actions=output:{3 - here}")
        onward = "resubmit(,1)" if here == 1 else "ct(table=31,zone=2)"
        lines.append(f"table=0,priority=200,in_port={here},dl_src={mac},ip,nw_src={address},actions={onward}")
    lines.append(f"table=1,priority=100,in_port=1,ip,actions={impose(100, 255, 63)}")
    lines.append(f"table=31,priority=100,in_port=2,ip,ct_mark=100,actions={impose(101, 255, 63)}")
    for spi, legs in ((100, range(count)), (101, range(count)[::-1])):
        for number, which in enumerate(legs):
            si, ttl = 255 - number, 62 - number
            into, out = (3 + 2 * which, 4 + 2 * which)[:: 1 if spi == 100 else -1]
            tag = f"02:ca:00:00:{spi:02x}:{si:02x}"
            lines.append(f"{at(spi, si)},actions=set_field:{spi << 8 | si}->reg0,decap(),resubmit(,20)")
            lines.append(
                f"table=20,priority=100,reg0={spi << 8 | si},ip,actions=set_field:{tag}->eth_src,output:{into}"
            )
            lines.append(f"table=0,priority=200,in_port={out},ip,dl_src={tag},actions={impose(spi, si - 1, ttl)}")
        end = 255 - count
        lines.append(f"{at(spi, end)},actions=set_field:{spi << 8 | end}->reg0,decap(),resubmit(,30)")
        macs = MACS[::-1] if spi == 100 else MACS
        commit = "ct(commit,zone=2,exec(set_field:100->ct_mark))," if spi == 100 else ""
        leave = f"set_field:{macs[0]}->eth_dst,set_field:{macs[1]}->eth_src,{commit}output:{2 if spi == 100 else 1}"
        lines.append(f"table=30,priority=100,reg0={spi << 8 | end},ip,actions={leave}")
    return "".join(f"{line}\n" for line in lines)


MACS = ("02:ab:00:00:00:01", "02:ab:00:00:00:02")


def at(spi: int, si: int) -> str:
    return f"table=10,priority=100,packet_type=(1,0x894f),nsh_spi={spi},nsh_si={si}"


def impose(spi: int, si: int, ttl: int) -> str:
    context = f"set_field:0xca7e0000->nsh_c1,set_field:0->nsh_c2,set_field:0->nsh_c3,set_field:{spi << 8 | si}->nsh_c4"
    path = f"set_field:{spi}->nsh_spi,set_field:{si}->nsh_si,set_field:{ttl}->nsh_ttl,set_field:0->nsh_flags"
    return f"encap(nsh(md_type=1)),{path},{context},resubmit(,5)"


def cpu_seconds(lab: Lab) -> float:
    """What ovs-vswitchd has used so far, all threads."""
    pid = int((lab.location.rundir / "ovs-vswitchd.pid").read_text())
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


SEGMENT = 1448
MEGABYTES = 48


def transfer(lab: Lab) -> float:
    """CPU microseconds of ovs-vswitchd for each segment of a TCP stream from a to b."""
    with lab.socket("b") as listening, lab.socket("a") as sending:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("10.0.0.2", 5001))
        listening.listen()
        sending.connect(("10.0.0.2", 5001))
        receiving, _ = listening.accept()
        with receiving:
            before = cpu_seconds(lab)
            thread = threading.Thread(target=sending.sendall, args=(bytes(MEGABYTES << 20),))
            thread.start()
            left = MEGABYTES << 20
            while left:
                left -= len(receiving.recv(1 << 20))
            thread.join()
    return (cpu_seconds(lab) - before) * 1e6 / ((MEGABYTES << 20) / SEGMENT)


def datapath_flows(lab: Lab) -> tuple[int, int]:
    """(flows in the datapath, those of them behind a recirculation) right after a transfer."""
    lines = [line for line in ask(lab.location, "dpctl/dump-flows").splitlines() if "eth_type(0x0800)" in line]
    return len(lines), sum("recirc_id(0)" not in line for line in lines)


def compare(count: int, runs: int = 5) -> str:
    """Rendered tables beside flows by hand: the least CPU of paired runs, and the flows in the datapath."""
    with a_lab() as lab:
        ends = lab.station("a", "10.0.0.1/24"), lab.station("b", "10.0.0.2/24")
        functions = [lab.bridging_function(f"f{number}") for number in range(count)]
        chain = Chain("all", ends[0], tuple(map(PathGroup.of, functions)), egress=ends[1])
        file = lab.location.rundir / "by-hand"
        file.write_text(by_hand(count))
        best: dict[str, float] = {}
        flows: dict[str, tuple[int, int]] = {}
        for _ in range(runs):
            for name in ("by hand", "rendered"):
                if name == "rendered":
                    lab.program(chain)
                else:
                    ofctl(lab, "replace-flows", str(file))
                ask(lab.location, "dpctl/del-flows")
                best[name] = min(best.get(name, float("inf")), transfer(lab))
                flows[name] = datapath_flows(lab)
    ratio = best["rendered"] / best["by hand"]
    return (
        f"{count} functions: rendered {best['rendered']:.1f} us/segment, {flows['rendered'][0]} datapath flows, "
        f"{flows['rendered'][1]} of them recirculated; by hand {best['by hand']:.1f} us/segment, "
        f"{flows['by hand'][0]} and {flows['by hand'][1]}; CPU {ratio:.2f} x"
    )


class BothWays:
    """Numbered datagrams between two stations of a lab, on one connection, 2 000 a second each way."""

    def __init__(self, lab: Lab) -> None:
        self.ends = [lab.socket(name, socket.AF_INET, socket.SOCK_DGRAM) for name in ("a", "b")]
        for number, end in enumerate(self.ends, 1):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
            end.bind((f"10.0.0.{number}", 9))
            end.settimeout(0.2)
        self.ends[0].connect(("10.0.0.2", 9))
        self.ends[1].connect(("10.0.0.1", 9))
        self.sent, self.seen = [0, 0], [set[int](), set[int]()]
        self._sending, self._receiving = threading.Event(), threading.Event()
        self._threads = [
            threading.Thread(target=part, args=(n,)) for n in (0, 1) for part in (self._send, self._receive)
        ]
        for thread in self._threads:
            thread.start()

    def _send(self, which: int) -> None:
        begin = time.monotonic()
        while not self._sending.wait(0.001):
            due = int((time.monotonic() - begin) * 2000)
            while self.sent[which] < due:
                self.ends[which].send(self.sent[which].to_bytes(8, "big"))
                self.sent[which] += 1

    def _receive(self, which: int) -> None:
        while not self._receiving.is_set():
            with contextlib.suppress(TimeoutError):
                self.seen[1 - which].add(int.from_bytes(self.ends[which].recv(100), "big"))

    def lost(self) -> tuple[int, int]:
        """Ends the streams; how many of each direction never arrived."""
        self._sending.set()
        time.sleep(0.5)
        self._receiving.set()
        for thread in self._threads:
            thread.join()
        for end in self.ends:
            end.close()
        return self.sent[0] - len(self.seen[0]), self.sent[1] - len(self.seen[1])


def changes(repetitions: int = 100, drain_s: float = 0.1) -> Iterator[str]:
    """A chain gains and loses a function again and again, make before break, under traffic; then nothing changes."""
    with a_lab() as lab:
        ends = lab.station("a", "10.0.0.1/24"), lab.station("b", "10.0.0.2/24")
        groups = tuple(PathGroup.of(lab.bridging_function(name)) for name in ("first", "second"))
        chain = Chain("all", ends[0], groups[:1], egress=ends[1])
        lab.program(chain)
        topology, chains, pool = lab.topology, lab.chains, SpiPool(200, 9999)
        for what, count in (("changes", repetitions), ("control", 0)):
            streams = BothWays(lab)
            time.sleep(0.5)
            begin = time.monotonic()
            for number in range(count):
                (forward, reverse), pool = pool.allocate(2)
                wanted = replace(chain, path=groups[: 2 - number % 2])
                plan = make_before_break(
                    topology, chains, plan_chain(topology, wanted, forward, reverse), drain_s=drain_s
                )
                for step in plan.steps:
                    replace_tables(lab.location, BRIDGE, render(topology, step.chains)["lab"])
                    settle(lab.location)  # else the datapath goes on by what it remembers of the old flows
                    time.sleep(step.wait_s)
                chains = plan.steps[-1].chains
            took = time.monotonic() - begin
            if not count:
                time.sleep(repetitions * drain_s)
            lost = streams.lost()
            yield f"{what}: {count} in {took:.1f} s; lost there and back {lost[0]} and {lost[1]} of {streams.sent}"


if __name__ == "__main__":
    for functions in (1, 2, 3):
        print(compare(functions), flush=True)
    for line in changes():
        print(line, flush=True)

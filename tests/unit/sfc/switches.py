"""Private Open vSwitch processes on dummy devices: real tables, real datapath, no namespace and no packet on a wire."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import time
from pathlib import Path

from sfc.model import FlowTables, Mac, Sff, Topology
from sfc.simulator.packets import Packet
from sfc.simulator.wire import encode, encode_gpe

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
PROTOCOLS = "protocols=OpenFlow10,OpenFlow13,OpenFlow14,OpenFlow15"
DEADLINE_S = 20


def underlay_mac(sff: Sff) -> Mac:
    return Mac(0x02FE00000000 + int(sff.underlay_ip) % (1 << 24))


class Switch:
    """One vswitchd with br-phy (underlay) and br-int, as one host has them."""

    def __init__(self, directory: Path, topology: Topology, sff: Sff) -> None:
        self.directory = directory
        self.topology = topology
        self.sff = sff
        self._environment = {**os.environ, "OVS_RUNDIR": str(directory), "OVS_LOGDIR": str(directory)}

    def start(self) -> None:
        self.directory.mkdir()
        here = self.directory
        self._run("ovsdb-tool", "create", f"{here}/conf.db", SCHEMA)
        database = ["--remote=punix:" + f"{here}/db.sock", f"--unixctl={here}/db.ctl", f"{here}/conf.db"]
        self._run("ovsdb-server", "--detach", "--no-chdir", f"--pidfile={here}/db.pid", *database)
        self._vsctl("--no-wait", "init")
        dummies = ["--enable-dummy=system", "--disable-system", "--disable-system-route"]
        control = ["--detach", "--no-chdir", f"--pidfile={here}/vs.pid", f"--unixctl={here}/vs.ctl"]
        self._run("ovs-vswitchd", *control, *dummies, f"unix:{here}/db.sock")
        self._add_underlay()
        self._add_bridge()

    def stop(self) -> None:
        for name in ("vs.pid", "db.pid"):
            pidfile = self.directory / name
            if pidfile.exists():
                pid = int(pidfile.read_text())
                os.kill(pid, signal.SIGTERM)
                _await_end(pid)

    def load(self, tables: FlowTables) -> None:
        """Replace every flow; ``diff`` is empty afterwards."""
        for meter in tables.meters:
            self._ofctl("add-meter", "BRIDGE", meter.text())
        (self.directory / "flows.txt").write_text(tables.flow_text())
        self._ofctl("--bundle", "replace-flows", "BRIDGE", str(self.directory / "flows.txt"))

    def diff(self) -> str:
        """Differences between the switch's flows and those that were loaded."""
        command = ["ovs-ofctl", "-O", "OpenFlow15", "diff-flows", self._management, str(self.directory / "flows.txt")]
        return subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, env=self._environment).stdout

    def receive(self, ofport: int, packet: Packet, tun_src: int = 0, tun_id: int = 0) -> None:
        """A packet comes in by a port, or, with tunnel fields, by the underlay."""
        if ofport != self.sff.tunnel_ofport:
            self._appctl("netdev-dummy/receive", f"p{ofport}", encode(packet).hex())
            return
        peer = next(sff for sff in self.topology.sffs if int(sff.underlay_ip) == tun_src)
        macs = (underlay_mac(peer), underlay_mac(self.sff))
        outer = encode_gpe(packet, tun_id, peer.underlay_ip, self.sff.underlay_ip, macs)
        self._appctl("netdev-dummy/receive", "p-phy", outer.hex())

    def trace(self, ofport: int, packet: Packet) -> str:
        """``ofproto/trace`` of a packet."""
        return self._appctl("ofproto/trace", "br-int", f"in_port={ofport}", encode(packet).hex())

    def counters(self) -> dict[int, int]:
        """Packets by cookie, of rules that met any."""
        self._appctl("revalidator/wait")
        counted: dict[int, int] = {}
        for line in self._ofctl("dump-flows", "BRIDGE").splitlines():
            if "cookie=" in line:
                parts = dict(part.strip().split("=", 1) for part in line.split(",")[:4] if "=" in part)
                cookie, packets = int(parts["cookie"], 16), int(parts["n_packets"])
                counted[cookie] = counted.get(cookie, 0) + packets
        return {cookie: packets for cookie, packets in counted.items() if packets}

    def sent(self, ofport: int) -> list[bytes]:
        """Frames that left by a port, in order."""
        return _read_pcap(self.directory / f"p{ofport}.pcap")

    def sent_to_underlay(self) -> list[bytes]:
        """What left by the underlay, outer headers taken off: VXLAN header and payload."""
        return [frame[42:] for frame in _read_pcap(self.directory / "p-phy.pcap") if frame[12:14] == b"\x08\x00"]

    @property
    def _management(self) -> str:
        return f"unix:{self.directory}/br-int.mgmt"

    def _add_underlay(self) -> None:
        mac = underlay_mac(self.sff)
        bridge = ["--", "set", "bridge", "br-phy", "datapath_type=dummy", f'other_config:hwaddr="{mac}"']
        port = ["--", "add-port", "br-phy", "p-phy", "--", "set", "interface", "p-phy", "type=dummy"]
        self._vsctl("add-br", "br-phy", *bridge, *port, f"options:tx_pcap={self.directory}/p-phy.pcap")
        self._appctl("netdev-dummy/ip4addr", "br-phy", f"{self.sff.underlay_ip}/24")
        self._appctl("ovs/route/add", f"{self.sff.underlay_ip}/24", "br-phy")
        for peer in self.topology.sffs:
            if peer is not self.sff:
                self._appctl("tnl/neigh/set", "br-phy", str(peer.underlay_ip), str(underlay_mac(peer)))

    def _add_bridge(self) -> None:
        arguments = ["add-br", "br-int", "--", "set", "bridge", "br-int", "datapath_type=dummy", "fail-mode=secure"]
        arguments.append(PROTOCOLS)
        ofports = [port.ofport for port in self.topology.ports if port.sff == self.sff.name]
        for ofport in (*ofports, self.sff.oam_ofport):
            arguments += ["--", "add-port", "br-int", f"p{ofport}", "--", "set", "interface", f"p{ofport}"]
            arguments += ["type=dummy", f"ofport_request={ofport}", f"options:tx_pcap={self.directory}/p{ofport}.pcap"]
        arguments += ["--", "add-port", "br-int", "gpe", "--", "set", "interface", "gpe", "type=vxlan"]
        arguments += [f"ofport_request={self.sff.tunnel_ofport}", "options:exts=gpe", "options:packet_type=ptap"]
        arguments += ["options:remote_ip=flow", "options:key=flow", "options:dst_port=4790"]
        self._vsctl(*arguments)

    def _vsctl(self, *arguments: str) -> str:
        return self._run("ovs-vsctl", f"--db=unix:{self.directory}/db.sock", *arguments)

    def _appctl(self, *arguments: str) -> str:
        return self._run("ovs-appctl", "-t", f"{self.directory}/vs.ctl", *arguments)

    def _ofctl(self, *arguments: str) -> str:
        words = [self._management if word == "BRIDGE" else word for word in arguments]
        return self._run("ovs-ofctl", "-O", "OpenFlow15", *words)

    def _run(self, *command: str) -> str:
        done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, env=self._environment)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
        return done.stdout


def _await_end(pid: int) -> None:
    until = time.monotonic() + DEADLINE_S
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return
        if state == "Z":  # ended; whoever adopted it has not looked yet
            return
        time.sleep(0.01)
    raise AssertionError(f"process {pid} did not end")


def _read_pcap(path: Path) -> list[bytes]:
    data = path.read_bytes()
    frames, place = [], 24
    while place + 16 <= len(data):
        length = struct.unpack_from("=I", data, place + 8)[0]
        frames.append(data[place + 16 : place + 16 + length])
        place += 16 + length
    return frames

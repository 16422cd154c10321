"""The sample functions, each alone in namespaces, with real packets."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from tests.dataplane.sfc_ovs_lab import SERVE_TCP, SERVE_UDP, HandLab, hand_lab, inside, ip, python, run, wait_for
from tests.unit.images.conftest import load_image
from tests.unit.images.test_dpi_inspector import REQUEST, SYN, frame, tcp

pytestmark = pytest.mark.dataplane

FIRST_MAC, SECOND_MAC = "02:00:00:00:01:01", "02:00:00:00:01:02"


@pytest.fixture
def lab(lab_id: str, tmp_path: Path):
    with hand_lab(lab_id, tmp_path) as lab:
        yield lab


def connect(lab: HandLab, name: str, address: str, port: int, seconds: float = 3.0) -> bytes:
    """What a server answers to a request from a namespace."""

    def talk() -> bytes | OSError:
        try:
            with socket.create_connection((address, port), seconds) as connection:
                connection.sendall(REQUEST)
                return connection.recv(1000)
        except OSError as error:
            return error

    answer = inside(lab.namespace(name), talk)
    if isinstance(answer, OSError):
        raise answer
    return answer


def interface(name: str, device: str, *addresses: str) -> dict[str, object]:
    return {"name": name, "device": device, "addresses": list(addresses), "mtu": 1500}


class TestFirewall:
    @pytest.fixture
    def firewall(self, lab):
        lab.wire("sub", "eth0", "fw", "leg0")
        lab.wire("srv", "eth0", "fw", "leg1")
        lab.station("sub", "eth0", FIRST_MAC, "10.10.0.2/24")
        lab.station("srv", "eth0", SECOND_MAC, "10.10.0.9/24")
        lab.background("srv", *python(SERVE_TCP), "80", "23", "25", "111")
        lab.background("sub", *python(SERVE_TCP), "80")
        ip(lab.namespace("srv"), "neighbour replace 10.10.0.2 lladdr " + FIRST_MAC + " dev eth0")
        ip(lab.namespace("sub"), "neighbour replace 10.10.0.9 lladdr " + SECOND_MAC + " dev eth0")
        user_data = {"blockedTcpPorts": [23], "rejectedTcpPorts": [111], "insidePrefixes": ["10.10.0.2/32"]}
        function = lab.start_function("firewall", "fw", [interface("in", "leg0"), interface("out", "leg1")], user_data)
        wait_for("the server answers", lambda: self.answers(lab, 80))
        return function

    @staticmethod
    def answers(lab, port) -> bool:
        try:
            return connect(lab, "sub", "10.10.0.9", port).endswith(str(port).encode())
        except OSError:
            return False

    def test_allowed_traffic_passes_both_ways_and_is_counted(self, lab, firewall):
        assert connect(lab, "sub", "10.10.0.9", 25).endswith(b"hello from 25")
        wait_for("the counter moves", lambda: firewall.counters["accepted_new"]["packets"] >= 2)

    def test_a_blocked_port_dies_in_the_firewall_and_its_counter_says_so(self, lab, firewall):
        before = firewall.counters["blocked_tcp_23"]["packets"]
        with pytest.raises(TimeoutError):
            connect(lab, "sub", "10.10.0.9", 23, seconds=0.5)
        wait_for("the counter moves", lambda: firewall.counters["blocked_tcp_23"]["packets"] > before)

    def test_a_rejected_port_is_answered_with_a_reset_at_once(self, lab, firewall):
        with pytest.raises(ConnectionRefusedError):
            connect(lab, "sub", "10.10.0.9", 111)
        wait_for("the counter moves", lambda: firewall.counters["rejected_tcp_111"]["packets"] == 1)

    def test_a_connection_from_outside_is_unsolicited(self, lab, firewall):
        with pytest.raises(TimeoutError):
            connect(lab, "srv", "10.10.0.2", 80, seconds=0.5)
        wait_for("the counter moves", lambda: firewall.counters["unsolicited"]["packets"] >= 1)

    def test_it_ends_when_asked_and_takes_its_bridge_with_it(self, lab, firewall):
        firewall.stop()
        assert "wire" not in run("ip", "-n", firewall.namespace, "link", "show")
        assert [line["event"] for line in firewall.log] == ["configured", "ready", "ended"]

    def test_a_bad_configuration_ends_it_with_a_reason(self, lab):
        lab.wire("a", "eth0", "bad", "leg0")
        with pytest.raises(AssertionError, match="ports are"):
            lab.start_function("firewall", "bad", [interface("in", "leg0")], {"blockedTcpPorts": [99999]})
        assert lab.functions[-1].process.returncode == 1


class TestNat:
    @pytest.fixture
    def nat(self, lab):
        lab.wire("sub", "eth0", "nat", "leg0")
        lab.wire("srv", "eth0", "nat", "leg1")
        lab.station("sub", "eth0", FIRST_MAC, "10.10.0.2/24", gateway="10.10.0.1")
        lab.station("srv", "eth0", SECOND_MAC, "198.51.100.1/24", gateway="198.51.100.2")
        lab.station("nat", "leg0", "02:00:00:00:02:01", "10.10.0.1/24")
        lab.station("nat", "leg1", "02:00:00:00:02:02", "198.51.100.2/24")
        lab.background("srv", *python(SERVE_TCP), "80")
        lab.background("srv", *python(SERVE_UDP), "53")
        lab.background("sub", *python(SERVE_TCP), "80")
        interfaces = [interface("inside", "leg0", "10.10.0.1/24"), interface("outside", "leg1", "198.51.100.2/24")]
        function = lab.start_function("nat", "nat", interfaces)
        wait_for("the server answers", lambda: self.answers(lab))
        return function

    @staticmethod
    def answers(lab) -> bool:
        try:
            return connect(lab, "sub", "198.51.100.1", 80).endswith(b"hello from 80")
        except OSError:
            return False

    def test_a_server_sees_the_outside_address_only(self, lab, nat):
        listener = inside(lab.namespace("srv"), lambda: socket.create_server(("198.51.100.1", 8080)))
        sender = inside(lab.namespace("sub"), lambda: socket.create_connection(("198.51.100.1", 8080), 3))
        with listener, sender, listener.accept()[0] as accepted:
            assert accepted.getpeername()[0] == "198.51.100.2"
        wait_for("the counter moves", lambda: nat.counters["translated"]["packets"] >= 1)

    def test_datagrams_find_their_way_back(self, lab, nat):
        client = inside(lab.namespace("sub"), lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        with client:
            client.settimeout(3)
            client.sendto(b"abc", ("198.51.100.1", 53))
            assert client.recv(100) == b"cba"

    def test_nobody_outside_reaches_inside(self, lab, nat):
        with pytest.raises(TimeoutError):
            connect(lab, "srv", "10.10.0.2", 80, seconds=0.5)
        wait_for("the counter moves", lambda: nat.counters["unsolicited"]["packets"] >= 1)


class TestDpi:
    DPI_MAC = "02:21:00:00:00:01"

    @pytest.fixture
    def dpi(self, lab):
        lab.wire("sff", "p21", "dpi", "sfc0", 1600)
        lab.station("dpi", "sfc0", self.DPI_MAC)
        return lab.start_function("dpi", "dpi", [interface("sfc", "sfc0")])

    @pytest.fixture
    def sff(self, lab, dpi):
        """The forwarder's end: sends frames and hears what comes back."""

        def open_socket() -> socket.socket:
            packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x894F))
            packets.bind(("p21", 0x894F))
            packets.settimeout(3)
            return packets

        with inside(lab.namespace("sff"), open_socket) as packets:
            yield packets

    @staticmethod
    def exchange(packets, octets: bytearray) -> bytes:
        packets.send(octets)
        while True:
            data, address = packets.recvfrom(2000)
            if address[2] != socket.PACKET_OUTGOING:
                return data

    def test_a_request_and_its_answer_come_back_marked_and_swapped(self, dpi, sff):
        expected = load_image("dpi").names.context_value("example.org").to_bytes(4, "big")
        sent = frame(tcp(b"", flags=SYN, sequence=0))
        assert self.exchange(sff, sent)[26:30] == bytes(4)
        back = self.exchange(sff, frame(tcp(REQUEST, sequence=1)))
        assert back[26:30] == expected
        assert (back[0:6], back[6:12]) == (bytes(sent[6:12]), bytes(sent[0:6]))
        assert back[21] == 253
        assert self.exchange(sff, frame(tcp(b"HTTP/1.1 200 OK\r\n", back=True), spi=101))[26:30] == expected
        wait_for("the counters are saved", lambda: dpi.counters["names"] == {"http:example.org": 1})
        assert [line["name"] for line in dpi.log if line["event"] == "recognised"] == ["example.org"]

    def test_it_never_sends_an_exhausted_index_and_counts_what_it_drops(self, dpi, sff):
        sff.send(frame(tcp(b"x"), si=1))
        sff.send(bytes(12) + b"\x89\x4f" + bytes(30))
        assert self.exchange(sff, frame(tcp(b"x"), si=2))[21] == 1
        dropped = {"malformed": 1, "serviceIndex": 1, "sending": 0}
        wait_for("the counters are saved", lambda: dpi.counters["dropped"] == dropped)

    def test_a_burst_comes_back_whole(self, dpi, sff):
        octets = frame(tcp(b"x" * 1400))
        sff.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 * 1024 * 1024)
        for _ in range(20):
            for _ in range(50):
                sff.send(octets)
            time.sleep(0.01)
        wait_for("all are counted", lambda: dpi.counters["packets"] == 1000)
        assert dpi.counters["dropped"]["sending"] == 0

    def test_it_survives_its_interface_going_down_and_up(self, lab, dpi, sff):
        ip(dpi.namespace, "link set sfc0 down")
        time.sleep(0.1)
        ip(dpi.namespace, "link set sfc0 up")
        wait_for("it forwards again", lambda: self.comes_back(sff))

    def comes_back(self, packets) -> bool:
        packets.settimeout(0.3)
        try:
            return self.exchange(packets, frame(tcp(b"x")))[21] == 253
        except OSError:
            return False

    def test_it_ends_when_asked(self, dpi):
        dpi.stop()
        assert dpi.log[-1]["event"] == "ended"

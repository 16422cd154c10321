"""Packets of the Gi-LAN's subscriber, and a simulator to send them into."""

from __future__ import annotations

from sfc.model import Mac
from sfc.simulator import Simulator
from sfc.simulator.packets import Ethernet, Fragment, Ip, Tcp, Udp
from tests.unit.sfc.gilan import GATEWAY, SUB, SUB_IP, WEB_IP, GiLan

BROADCAST = Mac((1 << 48) - 1)


def tcp(port: int = 80, flags: str = "S") -> Ethernet:
    return Ethernet(SUB, GATEWAY, Ip(SUB_IP, WEB_IP, Tcp(40000, port, flags)))


def udp(port: int = 53, fragment: Fragment = Fragment.NO) -> Ethernet:
    return Ethernet(SUB, GATEWAY, Ip(SUB_IP, WEB_IP, Udp(40001, port), fragment=fragment))


def simulator(lan: GiLan) -> Simulator:
    return Simulator(lan.topology, lan.tables)

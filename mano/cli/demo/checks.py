"""Claims about the running network service, each tried with real packets, each able to fail.

A check returns its evidence in a sentence or raises :class:`~mano.cli.demo.errors.CheckFailed` with what was expected
and what was seen. They run in the order of :data:`CHECKS`, between the start and the stop of the underlay's capture or
after it.
"""

from __future__ import annotations

import hashlib
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from mano.cli.demo import traffic
from mano.cli.demo.captures import NshPacket
from mano.cli.demo.errors import CheckFailed
from mano.cli.demo.forgery import Forger, new_marker, send
from mano.cli.demo.world import SUBSCRIBER_ADDRESS as SUBSCRIBER
from mano.cli.demo.world import SUBSCRIBERS, DemoWorld

T = TypeVar("T")

FORGERIES = 5
"""Frames of each forged kind."""

BLOCKED_PORT = 23
DOWNLOAD_OCTETS = 1 << 20
SETTLE_DEADLINE_S = 5.0
GPE_VNI_NSH = 7


@dataclass(frozen=True, slots=True)
class Check:
    """A named claim."""

    name: str
    run: Callable[[DemoWorld], str]


def check_http(world: DemoWorld) -> str:
    """HTTP through firewall, dpi and nat, and back."""
    answer = world.lab.inside(world.subscriber, lambda: traffic.http_get(world.server, world.http_name))
    _expect(answer.status == 200, f"HTTP status {answer.status}")
    _expect(answer.name == world.http_name, f"the server saw the host name {answer.name!r}, not {world.http_name!r}")
    nat = _nat_address(world)
    _expect(answer.peer == nat, f"the server saw {answer.peer}, not the nat's address {nat}")
    return f"{world.http_name} answered 200; the server saw {answer.peer}, the nat"


def check_tls(world: DemoWorld) -> str:
    """TLS with a server name that is new in every run."""
    answer = world.lab.inside(world.subscriber, lambda: traffic.tls_get(world.server, world.tls_name))
    _expect(answer.name == world.tls_name, f"the server saw the server name {answer.name!r}, not {world.tls_name!r}")
    return f"{world.tls_name} answered {answer.status} over TLS"


def check_full_size(world: DemoWorld) -> str:
    """Full-size segments: the MTU is right everywhere."""
    got = world.lab.inside(world.subscriber, lambda: traffic.download(world.server, DOWNLOAD_OCTETS))
    _expect(got == DOWNLOAD_OCTETS, f"{got} of {DOWNLOAD_OCTETS} octets arrived")
    return f"{got} octets in full-size TCP segments"


def check_dpi_names(world: DemoWorld) -> str:
    """The dpi recognised both names and counted them."""
    wanted = {f"http:{world.http_name}", f"tls:{world.tls_name}"}
    names = _until(lambda: set(world.counters("dpi").get("names", {})) & wanted, lambda found: found == wanted)
    _expect(names == wanted, f"the dpi counted {sorted(names) or 'neither'} of {sorted(wanted)}")
    return f"counted {' and '.join(sorted(wanted))}"


def check_dns(world: DemoWorld) -> str:
    """DNS by the chain for everything else."""
    name = f"www.{world.http_name}"
    address = world.lab.inside(world.subscriber, lambda: traffic.resolve(world.server, name))
    _expect(address == world.server, f"the DNS server answered {address}")
    seen = [request for request in world.requests() if (request["protocol"], request["name"]) == ("dns", name)]
    _expect(bool(seen), f"the DNS server did not log the question for {name}")
    return f"{name} resolved to {address}"


def check_fragments(world: DemoWorld) -> str:
    """A datagram larger than the MTU, there and back in fragments."""
    came = world.lab.inside(world.subscriber, lambda: traffic.echo(world.server, 3000))
    _expect(came, "the datagram came back changed")
    return "3000 octets of UDP came back whole"


def check_blocked_port(world: DemoWorld) -> str:
    """A blocked port dies in the firewall, by its own count, and the server never hears of it."""
    counter = f"blocked_tcp_{BLOCKED_PORT}"
    before = _blocked(world, counter)
    outcome = world.lab.inside(world.subscriber, lambda: traffic.knock(world.server, BLOCKED_PORT))
    _expect(outcome == "silent", f"port {BLOCKED_PORT} is {outcome}")
    after = _until(lambda: _blocked(world, counter), lambda count: count > before)
    _expect(after > before, f"the firewall's counter {counter} stayed at {before}")
    heard = [request for request in world.requests() if request["protocol"] == "telnet"]
    _expect(not heard, f"the server heard {len(heard)} telnet connections")
    return f"port {BLOCKED_PORT} is silent; the firewall counted {after - before} packets"


def check_management_network(world: DemoWorld) -> str:
    """The management network is real without any chain: every VNF reaches every other, IPv4 and IPv6, full MTU."""
    network = next((n for n in world.topology["networks"] if n["name"] == "mgmt"), None)
    if network is None:
        raise CheckFailed("the network service has no network 'mgmt'")
    stations = [
        (vnfc, port) for vnfc in world.vnfcs() for port in world.ports(vnfc["id"]) if port["networkId"] == network["id"]
    ]
    _expect(len(stations) >= 2, f"{len(stations)} stations on the management network")
    pings = 0
    for here, _ in stations:
        for there, port in stations:
            for address in port["addresses"] if here["id"] != there["id"] else ():
                _ping(world, world.lab.vnfc(here["id"]), address.split("/")[0], network["mtu"])
                pings += 1
    return f"{pings} pings between {len(stations)} VNFs, {network['mtu']} octets, none lost"


def _ping(world: DemoWorld, namespace: str, address: str, mtu: int) -> None:
    answered = world.lab.inside(namespace, lambda: traffic.ping(address, mtu))
    _expect(answered, f"an echo of {mtu} octets from {namespace} to {address} was lost")


def check_traces(world: DemoWorld) -> str:
    """The simulator proves the chains, and the switches say the same of every classifier's packet."""
    bridges, tried = 0, 0
    for name, chain in sorted(world.chains.items()):
        result = world.api.post(f"/mano/v1/chains/{chain['id']}/verify", {})
        _expect(result["proven"], f"chain {name}: {'; '.join(result['violations'][:3])}")
        wrong = [trace for trace in result["traces"] if not trace["agrees"]]
        if wrong:
            first = wrong[0]
            raise CheckFailed(
                f"chain {name} on {first['host']}: the switch met {first['cookies']}, expected {first['expected']}"
            )
        _expect(bool(result["traces"]), f"chain {name}: no trace was made")
        drifted = [f"{d['host']} lacks {len(d['missing'])}, has {len(d['foreign'])} others" for d in result["drift"]]
        _expect(not drifted, f"the bridges differ from what was programmed: {'; '.join(drifted)}")
        _expect_same_hops(world, name, result["traces"])
        bridges += len(result["traces"])
        tried = max(tried, result["packetsTried"])
    return f"{tried} packets proven on the simulator, {bridges} bridge traces agree, no drift"


def _expect_same_hops(world: DemoWorld, name: str, traces: Sequence[dict[str, Any]]) -> None:
    """The hosts of each trace are those of the plan, in order, repeats left out."""
    path = world.path(name, "forward")
    planned = [path["ingress"]["host"], *(hop["host"] for hop in path["hops"]), path["egress"]["host"]]
    by_packet: dict[str, list[str]] = {}
    for trace in traces:
        by_packet.setdefault(trace["packet"], []).append(trace["host"])
    for packet, hosts in by_packet.items():
        _expect(
            _unrepeated(hosts) == _unrepeated(planned), f"chain {name}, {packet}: traced {hosts}, planned {planned}"
        )


def _unrepeated(names: Sequence[str]) -> list[str]:
    return [name for index, name in enumerate(names) if index == 0 or names[index - 1] != name]


def check_underlay(world: DemoWorld) -> str:
    """Every NSH packet on every uplink is where the plan has it, and every planned leg was seen."""
    planned = {leg: context for name in world.chains for leg, context in _planned_legs(world, name).items()}
    seen: Counter[tuple[str, str, int, int, int]] = Counter()
    for host in world.hosts:
        for packet in _captured(world, host):
            leg = _leg(world, packet)
            _expect(packet.vni == GPE_VNI_NSH, f"NSH on VNI {packet.vni}")
            if leg not in planned:
                raise CheckFailed(f"on {host}'s uplink: {_leg_text(leg)} is on no planned leg")
            _expect_context(packet, planned[leg], leg)
            seen[leg] += 1
    missing = [_leg_text(leg) for leg in planned if not seen[leg]]
    _expect(not missing, f"never seen on the underlay: {'; '.join(missing)}")
    return f"{sum(seen.values())} NSH packets on {len(planned)} legs, each with the planned SPI, SI, TTL and context"


def _planned_legs(world: DemoWorld, chain: str) -> dict[tuple[str, str, int, int, int], list[int | None]]:
    return {
        (leg["from"], leg["to"], leg["spi"], leg["si"], leg["ttl"]): leg["context"]
        for path in world.chains[chain]["paths"]
        for leg in path["legs"]
    }


def _leg(world: DemoWorld, packet: NshPacket) -> tuple[str, str, int, int, int]:
    here = world.underlay.get(packet.source, packet.source)
    there = world.underlay.get(packet.destination, packet.destination)
    return (here, there, packet.spi, packet.si, packet.ttl)


def _leg_text(leg: tuple[str, str, int, int, int]) -> str:
    return f"{leg[0]} to {leg[1]} with SPI {leg[2]}, SI {leg[3]}, TTL {leg[4]}"


def _expect_context(packet: NshPacket, planned: Sequence[int | None], leg: tuple[str, str, int, int, int]) -> None:
    _expect(len(packet.context) == len(planned), f"{_leg_text(leg)}: {len(packet.context)} context words")
    for word, (got, wanted) in enumerate(zip(packet.context, planned, strict=True), 1):
        if wanted is not None and got != wanted:
            raise CheckFailed(f"{_leg_text(leg)}: context word {word} is {got:#x}, planned {wanted:#x}")


def check_context_header(world: DemoWorld) -> str:
    """What the dpi wrote of this run's names is in the context header on the next hop's wire."""
    after = _leg_behind(world, "web", "forward", world.vnfc("dpi")["vnfName"])
    wanted = {_context_value(name): name for name in (world.http_name, world.tls_name)}
    found = {
        packet.context[1]
        for packet in _captured(world, after["to"])
        if _leg(world, packet)[:4] == (after["from"], after["to"], after["spi"], after["si"])
    }
    missing = [name for value, name in wanted.items() if value not in found]
    _expect(not missing, f"no packet from {after['from']} to {after['to']} carries the mark of {', '.join(missing)}")
    marks = ", ".join(f"{value:#010x}" for value in wanted)
    return f"{marks} in c2 from {after['from']} to {after['to']} (SPI {after['spi']}, SI {after['si']})"


def _leg_behind(world: DemoWorld, chain: str, direction: str, function: str) -> dict[str, Any]:
    """The leg of the underlay that a packet takes when it leaves a function."""
    path = world.path(chain, direction)
    si = next((hop["si"] for hop in path["hops"] if hop["sfName"] == function), None)
    for leg in path["legs"]:
        if si is not None and leg["si"] == si - 1:
            return dict(leg)
    raise CheckFailed(f"no leg of the underlay follows {function} in chain {chain}")


def _context_value(name: str) -> int:
    """The first 32 bits of the name's SHA-256: what the sample dpi writes."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")


def check_chain_choice(world: DemoWorld) -> str:
    """Web traffic moved the counters of chain web, DNS those of chain other, in both directions."""
    told = []
    for name in ("web", "other"):
        for path in world.statistics(name)["paths"]:
            counts = [hop["packets"] for hop in path["hops"]] + [path["endPackets"]]
            _expect(all(counts), f"chain {name}, {path['direction']}: hop counters {counts}")
            told.append(f"{name} {path['direction']} {path['endPackets']}")
    return ", ".join(told)


def check_forgeries(world: DemoWorld) -> str:
    """What a subscriber forges is dropped and counted, and reaches no wire."""
    marker = new_marker()
    forgeries = list(_forger(world).forgeries(marker))
    before = world.drops("web")
    interface = world.lab.interface_of_port(world.subscriber, world.sap(SUBSCRIBERS)["id"])
    frames = [forgery.frame for forgery in forgeries for _ in range(FORGERIES)]
    world.lab.inside(world.subscriber, lambda: send(interface, frames))
    wanted: Counter[str] = Counter()
    for forgery in forgeries:
        wanted[forgery.reason] += FORGERIES
    host = world.sap(SUBSCRIBERS)["host"]

    def counted() -> dict[str, int]:
        after = world.drops("web")
        return {reason: after.get((host, reason), 0) - before.get((host, reason), 0) for reason in wanted}

    got = _until(counted, lambda counts: all(counts[reason] >= wanted[reason] for reason in wanted))
    short = [f"{reason}: {got[reason]} of {wanted[reason]}" for reason in wanted if got[reason] < wanted[reason]]
    _expect(not short, f"not all forged frames were dropped by the guard: {'; '.join(short)}")
    escaped = world.capture.contains(marker) if world.capture else []
    _expect(not escaped, f"forged frames were seen on the uplinks of {', '.join(escaped)}")
    return f"{len(frames)} frames of {len(forgeries)} kinds dropped and counted, none on any wire"


def _forger(world: DemoWorld) -> Forger:
    sap = world.sap(SUBSCRIBERS)
    path = world.path("web", "forward")
    namespace = world.subscriber
    interface = world.lab.interface_of_port(namespace, sap["id"])
    own = _mac_of(namespace, interface)
    inside = next(port for port in world.ports(world.vnfc("nat")["id"]) if port["cpdId"] == "inside")
    underlay = {host: address for address, host in world.underlay.items()}
    return Forger(
        mac=own,
        gateway_mac=inside["mac"],
        address=SUBSCRIBER.split("/")[0],
        target=world.server,
        host_underlay=underlay[path["egress"]["host"]],
        spi=path["spi"],
        si=path["hops"][-1]["si"] - 1,
    )


def _mac_of(namespace: str, interface: str) -> str:
    command = ["ip", "netns", "exec", namespace, "cat", f"/sys/class/net/{interface}/address"]
    return subprocess.run(command, capture_output=True, timeout=5, check=True, text=True).stdout.strip()


def _nat_address(world: DemoWorld) -> str:
    outside = next(port for port in world.ports(world.vnfc("nat")["id"]) if port["cpdId"] == "outside")
    return str(outside["addresses"][0]).split("/")[0]


def _blocked(world: DemoWorld, counter: str) -> int:
    value = world.counters("firewall").get(counter)
    if value is None:
        raise CheckFailed(f"the firewall has no counter {counter}")
    return int(value["packets"] if isinstance(value, dict) else value)


def _captured(world: DemoWorld, host: str) -> list[NshPacket]:
    if world.capture is None:
        raise CheckFailed("nothing was captured")
    return world.capture.nsh_packets(host)


def _until(look: Callable[[], T], enough: Callable[[T], bool]) -> T:
    """Look until it is enough or the deadline is over; the last look."""
    deadline = time.monotonic() + SETTLE_DEADLINE_S
    while not enough(found := look()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def _expect(held: bool, otherwise: str) -> None:
    if not held:
        raise CheckFailed(otherwise)


WHILE_CAPTURING: tuple[Check, ...] = (
    Check("HTTP is answered through the chain", check_http),
    Check("TLS is answered through the chain", check_tls),
    Check("full-size packets pass", check_full_size),
    Check("dpi recognises this run's names", check_dpi_names),
    Check("DNS is answered", check_dns),
    Check("fragments pass", check_fragments),
    Check("a blocked port dies in the firewall", check_blocked_port),
    Check("forged frames go nowhere", check_forgeries),
    Check("the management network is real", check_management_network),
)
"""Checks that send packets; the underlay is captured meanwhile."""

AFTERWARDS: tuple[Check, ...] = (
    Check("SPI, SI, TTL and context on the underlay are as planned", check_underlay),
    Check("dpi's context header is on the next hop's wire", check_context_header),
    Check("each chain counted its own traffic", check_chain_choice),
    Check("simulator and switches agree hop by hop", check_traces),
)
"""Checks on what was captured and counted."""

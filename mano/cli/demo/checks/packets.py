"""Claims that are tried by sending packets: what a subscriber asks, and what the functions make of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mano.cli.demo import traffic
from mano.cli.demo.checks.claims import expect, until
from mano.cli.demo.errors import CheckFailed
from mano.cli.demo.world import MANAGEMENT, DemoWorld

BLOCKED_PORT = 23
DOWNLOAD_OCTETS = 1 << 17
DATAGRAM_OCTETS = 3000


def check_http(world: DemoWorld) -> str:
    """HTTP through firewall, dpi and nat, and back."""
    answer = world.as_subscriber(lambda: traffic.http_get(world.server, world.http_name, timeout_s=world.patience_s))
    expect(answer.status == 200, f"HTTP status {answer.status}")
    expect(answer.name == world.http_name, f"the server saw the host name {answer.name!r}, not {world.http_name!r}")
    nat = world.nat_address()
    expect(answer.peer == nat, f"the server saw {answer.peer}, not the nat's address {nat}")
    return f"{world.http_name} answered 200; the server saw {answer.peer}, the nat"


def check_tls(world: DemoWorld) -> str:
    """TLS with a server name that is new in every run."""
    answer = world.as_subscriber(lambda: traffic.tls_get(world.server, world.tls_name, timeout_s=world.patience_s))
    expect(answer.name == world.tls_name, f"the server saw the server name {answer.name!r}, not {world.tls_name!r}")
    return f"{world.tls_name} answered {answer.status} over TLS"


def check_full_size(world: DemoWorld) -> str:
    """Full-size segments: the MTU is right everywhere."""
    wanted = DOWNLOAD_OCTETS
    got = world.as_subscriber(lambda: traffic.download(world.server, wanted, timeout_s=world.patience_s))
    expect(got == wanted, f"{got} of {wanted} octets arrived")
    return f"{got} octets in full-size TCP segments"


def check_dpi_names(world: DemoWorld) -> str:
    """The dpi recognised both names and counted them."""
    wanted = {f"http:{world.http_name}", f"tls:{world.tls_name}"}
    names = until(world, lambda: set(world.counters("dpi").get("names", {})) & wanted, lambda found: found == wanted)
    expect(names == wanted, f"the dpi counted {sorted(names) or 'neither'} of {sorted(wanted)}")
    return f"counted {' and '.join(sorted(wanted))}"


def check_dns(world: DemoWorld) -> str:
    """DNS by the chain for everything else."""
    name = f"www.{world.http_name}"
    address = world.as_subscriber(lambda: traffic.resolve(world.server, name, timeout_s=world.patience_s))
    expect(address == world.server, f"the DNS server answered {address}")
    seen = [request for request in world.requests() if (request["protocol"], request["name"]) == ("dns", name)]
    expect(bool(seen), f"the DNS server did not log the question for {name}")
    return f"{name} resolved to {address}"


def check_fragments(world: DemoWorld) -> str:
    """A datagram larger than the MTU, there and back in fragments."""
    came = world.as_subscriber(lambda: traffic.echo(world.server, DATAGRAM_OCTETS, timeout_s=world.patience_s))
    expect(came, "the datagram came back changed")
    return f"{DATAGRAM_OCTETS} octets of UDP came back whole"


def check_blocked_port(world: DemoWorld) -> str:
    """A blocked port dies in the firewall, by its own count, and the server never hears of it."""
    counter = f"blocked_tcp_{BLOCKED_PORT}"
    before, heard_before = _blocked(world, counter), _telnet(world)
    outcome = world.as_subscriber(lambda: traffic.knock(world.server, BLOCKED_PORT))
    expect(outcome == "silent", f"port {BLOCKED_PORT} is {outcome}")
    after = until(world, lambda: _blocked(world, counter), lambda count: count > before)
    expect(after > before, f"the firewall's counter {counter} stayed at {before}")
    heard = _telnet(world) - heard_before
    expect(not heard, f"the server heard {heard} telnet connections")
    return f"port {BLOCKED_PORT} is silent; the firewall counted {after - before} packets"


def _blocked(world: DemoWorld, counter: str) -> int:
    value = world.counters("firewall").get(counter)
    if value is None:
        raise CheckFailed(f"the firewall has no counter {counter}")
    return int(value["packets"] if isinstance(value, dict) else value)


def _telnet(world: DemoWorld) -> int:
    return sum(1 for request in world.requests() if request["protocol"] == "telnet")


def check_management_network(world: DemoWorld) -> str:
    """The management network is real without any chain: every VNF reaches every other, IPv4 and IPv6, full MTU."""
    network = next((n for n in world.topology["networks"] if n["name"] == MANAGEMENT), None)
    if network is None:
        raise CheckFailed(f"the network service has no network '{MANAGEMENT}'")
    stations = [
        (vnfc, port) for vnfc in world.vnfcs() for port in world.ports(vnfc["id"]) if port["networkId"] == network["id"]
    ]
    expect(len(stations) >= 2, f"{len(stations)} stations on the management network")
    pings = 0
    for here, _ in stations:
        for there, port in stations:
            for address in port["addresses"] if here["id"] != there["id"] else ():
                _ping(world, here, there, address.split("/")[0], network["mtu"])
                pings += 1
    return f"{pings} pings between {len(stations)} VNFs, {network['mtu']} octets, none lost"


def _ping(world: DemoWorld, here: Mapping[str, Any], there: Mapping[str, Any], address: str, mtu: int) -> None:
    namespace = world.lab.vnfc(here["id"])
    answered = world.lab.inside(namespace, lambda: traffic.ping(address, mtu, timeout_s=world.patience_s))
    expect(answered, f"an echo of {mtu} octets from {here['vnfName']} to {there['vnfName']} ({address}) was lost")

"""What the rendered tables cost beside flows that an expert writes for just these chains, and beside a plain network.

TCP streams; CPU of every ovs-vswitchd on the way for each segment of 1 448 octets. The variants take turns, the least
of each counts; the figure of a benchmark is that of the rendered tables.
"""

from __future__ import annotations

import re
import secrets
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from benchmarks.gi_lan import ADDRESS, Bench, bench, location_of
from benchmarks.hand_written import End, Place, between_stations, plain_network, sample_chains
from benchmarks.harness import Call, benchmark
from benchmarks.paired import Paired, replace_flows, transfer
from mano.cli.demo.world import INTERNET
from sfc.model import Chain, PathGroup
from sfc.ovs.lab import BRIDGE, Lab

HAND, RENDERED, PLAIN = "by hand", "rendered", "plain network"
INTEGRATION = "br-int"

_SPENT: list[float] = []


def _spent() -> float:
    return sum(_SPENT)


def _runs(name: str, paired: Paired) -> Iterator[Call]:
    def run() -> None:
        paired.run()
        _SPENT.append(paired.best[RENDERED])

    yield run
    print(f"{name}: {paired.report()}", flush=True)


def on_one_host(count: int) -> Iterator[Call]:
    """A station, bridging functions, a station."""
    with Lab(f"b{secrets.token_hex(3)}") as lab:
        ends = lab.station("a", "10.0.0.1/24"), lab.station("b", "10.0.0.2/24")
        functions = [lab.bridging_function(f"f{number}") for number in range(count)]
        chain = Chain("all", ends[0], tuple(map(PathGroup.of, functions)), egress=ends[1])
        variants: Mapping[str, Callable[[], object]] = {
            HAND: partial(replace_flows, lab.location, BRIDGE, between_stations(count)),
            RENDERED: partial(lab.program, chain),
        }
        stream = partial(transfer, [lab.location], partial(lab.socket, "a"), partial(lab.socket, "b"), "10.0.0.2", 5001)
        yield from _runs(f"{count} bridging functions", Paired([lab.location], variants, stream))


@benchmark("data plane: a segment of TCP over 1 bridging function", clock=_spent)
def one_function() -> Iterator[Call]:
    yield from on_one_host(1)


@benchmark("data plane: a segment of TCP over 2 bridging functions", clock=_spent)
def two_functions() -> Iterator[Call]:
    yield from on_one_host(2)


@benchmark("data plane: a segment of TCP over 3 bridging functions", clock=_spent)
def three_functions() -> Iterator[Call]:
    yield from on_one_host(3)


def place_of(made: Bench) -> Place:
    """Where the sample service's ports are now."""
    world = made.world
    hosts = made.process.api.get("/mano/v1/hosts")
    planes = {host["name"]: host["dataplane"] for host in hosts}
    sap = world.sap("subscribers")
    firewall = next(vnfc for vnfc in world.vnfcs() if vnfc["vnfName"] == "firewall-0")
    return Place(
        subscriber=_subscriber(made, sap),
        firewall_in=_port(world, firewall, "in"),
        firewall_out=_port(world, firewall, "out"),
        dpi=_port(world, world.vnfc("dpi"), "sfc"),
        gateway=_port(world, world.vnfc("nat"), "inside"),
        underlay={name: plane["underlayIp"] for name, plane in planes.items()},
        tunnel=planes[sap["host"]]["tunnelOfport"],
    )


def _subscriber(made: Bench, sap: Mapping[str, Any]) -> End:
    """The port that the chain begins at; its number is what the guard expects its MAC at."""
    world, location = made.world, location_of(sap["host"])
    mac = made.view.mac_of_port(world.subscriber, world.path("other", "forward")["ingress"]["port"])
    switch = f"unix:{location.management_socket(INTEGRATION)}"
    said = location.run("ovs-ofctl", "-O", "OpenFlow15", "dump-flows", switch, timeout=30).stdout
    guarded = re.search(rf"in_port=(\d+),dl_src={mac}\b", said)
    assert guarded is not None
    return _end(sap["host"], {"ofport": guarded[1], "mac": mac}, sap["addresses"])


def _port(world: Any, vnfc: Mapping[str, Any], cpd: str) -> End:
    port = next(port for port in world.ports(vnfc["id"]) if port["cpdId"] == cpd)
    return _end(vnfc["host"], port, port["addresses"])


def _end(host: str, port: Mapping[str, Any], addresses: Sequence[str]) -> End:
    address = str(addresses[0]).split("/")[0] if addresses else ""
    return End(host, int(port["ofport"]), str(port["mac"]), address)


def over_three_hosts(name: str, port: int) -> Iterator[Call]:
    """The sample service's chain that takes this port of TCP; the server only programs."""
    with bench(watches=False) as made:
        place = place_of(made)
        locations = {host: location_of(host) for host in place.underlay}
        chain = f"/mano/v1/chains/{made.world.chains[name]['id']}"

        def install(tables: Mapping[str, str]) -> None:
            for host, text in tables.items():
                replace_flows(locations[host], INTEGRATION, text)

        variants: Mapping[str, Callable[[], object]] = {
            PLAIN: partial(install, plain_network(place)),
            HAND: partial(install, sample_chains(place)),
            RENDERED: partial(made.process.api.post, f"{chain}/repair", {}),
        }
        stream = partial(
            transfer,
            list(locations.values()),
            partial(made.world.as_subscriber, _tcp),
            partial(made.view.inside, made.view.attachment(INTERNET), _tcp),
            ADDRESS,
            port,
        )
        yield from _runs(f"chain {name}", Paired(list(locations.values()), variants, stream))


def _tcp() -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM)


@benchmark("data plane: a segment of TCP over the chain other, three hosts", clock=_spent)
def other() -> Iterator[Call]:
    yield from over_three_hosts("other", 5001)


@benchmark("data plane: a segment of TCP over the chain web, three hosts", clock=_spent)
def web() -> Iterator[Call]:
    yield from over_three_hosts("web", 80)

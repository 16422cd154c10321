"""Service function chains: the NSH codec beside a bare ``struct`` codec, rendering, and proof of many chains.

Divide the times of the codec's benchmarks by each other: both run on the same machine in the same minute.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from benchmarks.harness import Call, benchmark
from benchmarks.large_network import LargeNetwork, large_network
from sfc.model import PlannedChain
from sfc.nsh import NshHeader
from sfc.nsh_batch import NshBatch
from sfc.path import plan_chain
from sfc.render import Renderer, render
from sfc.verify import Prover, prove

BATCH = 1_000_000
_BARE = struct.Struct("!II16s")


def bare_encode(spi: int, si: int, ttl: int, next_protocol: int, oam: int, context: bytes) -> bytes:
    """As little as can be done in Python: no object, no check."""
    return _BARE.pack(oam << 29 | ttl << 22 | 0x60100 | next_protocol, spi << 8 | si, context)


def bare_decode(octets: bytes) -> tuple[int, int, int, int, int, bytes]:
    """The same the other way."""
    base, path, context = _BARE.unpack_from(octets)
    return path >> 8, path & 0xFF, base >> 22 & 0x3F, base & 0xFF, base >> 29 & 1, context


@benchmark("nsh: encode with a bare struct, the measure", number=100_000)
def encode_bare() -> Iterator[Call]:
    context = bytes(16)
    yield lambda: bare_encode(100, 255, 63, 3, 0, context)


@benchmark("nsh: encode a header object", number=100_000)
def encode() -> Iterator[Call]:
    header = NshHeader(100, 255)
    yield lambda: header.encode()


@benchmark("nsh: make and encode a header object", number=100_000)
def make_and_encode() -> Iterator[Call]:
    yield lambda: NshHeader(100, 255).encode()


@benchmark("nsh: decode with a bare struct, the measure", number=100_000)
def decode_bare() -> Iterator[Call]:
    octets = NshHeader(100, 255).encode()
    yield lambda: bare_decode(octets)


@benchmark("nsh: decode to a header object", number=100_000)
def decode() -> Iterator[Call]:
    octets = NshHeader(100, 255).encode()
    yield lambda: NshHeader.decode(octets)


@benchmark("nsh: encode a batch of 1 000 000")
def encode_batch() -> Iterator[Call]:
    batch = _batch()
    yield batch.encode


@benchmark("nsh: decode a batch of 1 000 000")
def decode_batch() -> Iterator[Call]:
    octets = _batch().encode()
    yield lambda: NshBatch.decode(octets)


@benchmark("nsh: gather 1 000 000 out of a capture")
def gather_batch() -> Iterator[Call]:
    octets = _batch().encode()
    offsets = np.arange(BATCH) * 24
    yield lambda: NshBatch.gather(octets, offsets)


@benchmark("sfc: render 1 000 chains of 3 functions on 50 hosts", clock=time.process_time)
def render_many() -> Iterator[Call]:
    network = large_network(hosts=50, chains=1000, hops=3)
    yield lambda: render(network.topology, network.chains)


@benchmark("sfc: render 1 000 chains after a change of one", clock=time.process_time)
def render_change() -> Iterator[Call]:
    network = large_network(hosts=50, chains=1000, hops=3)
    renderer, versions = Renderer(), _versions(network)
    renderer.render(network.topology, network.chains)
    yield lambda: renderer.render(network.topology, next(versions))


@benchmark("sfc: prove 500 chains of 5 functions on 50 hosts", clock=time.process_time)
def prove_many() -> Iterator[Call]:
    network = large_network(hosts=50, chains=500, hops=5)
    tables = render(network.topology, network.chains)
    yield lambda: _proven(len(prove(network.topology, network.chains, tables).violations))


@benchmark("sfc: prove 500 chains after a change of one", clock=time.process_time)
def prove_change() -> Iterator[Call]:
    network = large_network(hosts=50, chains=500, hops=5)
    renderer, prover, versions = Renderer(), Prover(), list(_some(_versions(network), 2))
    rendered = [renderer.render(network.topology, chains) for chains in versions]
    for chains, tables in zip(versions, rendered, strict=True):
        _proven(len(prover.prove(network.topology, chains, tables).violations))
    turn = 0

    def again() -> None:
        nonlocal turn
        turn = 1 - turn
        _proven(len(prover.prove(network.topology, versions[turn], rendered[turn]).violations))

    yield again


def _batch() -> NshBatch:
    chance = np.random.default_rng(8300)
    return NshBatch(
        spi=chance.integers(0, 1 << 24, BATCH, dtype=np.uint32),
        si=chance.integers(0, 256, BATCH, dtype=np.uint8),
        ttl=chance.integers(0, 64, BATCH, dtype=np.uint8),
        next_protocol=chance.integers(0, 8, BATCH, dtype=np.uint8),
        oam=chance.integers(0, 2, BATCH).astype(np.bool_),
        unassigned=np.zeros(BATCH, dtype=np.uint8),
        context=chance.integers(0, 1 << 32, (BATCH, 4), dtype=np.uint32),
    )


def _versions(network: LargeNetwork) -> Iterator[tuple[PlannedChain, ...]]:
    """The network's chains with one of them turned round, another one each time, under new identifiers."""
    chains, pool = list(network.chains), network.pool
    while True:
        for number, planned in enumerate(network.chains):
            (forward, reverse), pool = pool.allocate(2)
            turned = replace(planned.chain, path=planned.chain.path[::-1])
            chains[number] = plan_chain(network.topology, turned, forward, reverse)
            yield tuple(chains)


def _some(versions: Iterator[tuple[PlannedChain, ...]], count: int) -> Iterator[tuple[PlannedChain, ...]]:
    for _ in range(count):
        yield next(versions)


def _proven(violations: int) -> None:
    if violations:
        raise AssertionError(f"the tables break {violations} invariants")

"""The codec against decoders of others: tshark and tcpdump read a capture as we do, field by field."""

from __future__ import annotations

import random
import re
import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest

from sfc.nsh import ContextTlv, NextProtocol, NshHeader
from sfc.nsh_batch import NshBatch
from tests.plugins.tiers import skip_for_want_of

COUNT = 80
FRAME = bytes.fromhex("020000000001 020000000002 894f")
INNER = bytes.fromhex("020000000003 020000000004 88b5") + bytes(46)
FIELDS = (
    *("version", "Obit", "ttl", "length", "mdtype", "nextproto", "spi", "si", "contextheader"),
    *("metadataclass", "metadatatype", "metadataunassignedbit", "metadatalen", "metadata"),
)


def some_headers() -> list[NshHeader]:
    chance = random.Random(8300)

    def tlv() -> ContextTlv:
        value = chance.randbytes(chance.randrange(1, 14))
        return ContextTlv(chance.randrange(1 << 16), chance.randrange(1, 256), value, unassigned=chance.randrange(2))

    def context(number: int) -> bytes | tuple[ContextTlv, ...]:
        if number % 2:
            return chance.randbytes(16)
        return tuple(tlv() for _ in range(chance.randrange(4)))

    return [
        NshHeader(
            chance.randrange(1 << 24),
            chance.randrange(256),
            ttl=chance.randrange(64),
            next_protocol=chance.choice((NextProtocol.ETHERNET, NextProtocol.ACTIVE_OAM, NextProtocol.EXPERIMENT_1)),
            oam=bool(chance.randrange(2)),
            context=context(number),
        )
        for number in range(COUNT)
    ]


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[bytes]]:
    """A file of frames, and the octets of each behind Ethernet."""
    packets = [header.encode() + INNER for header in some_headers()]
    file = tmp_path_factory.mktemp("nsh") / "nsh.pcap"
    with file.open("wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for number, packet in enumerate(packets):
            length = len(FRAME) + len(packet)
            out.write(struct.pack("<IIII", number, 0, length, length) + FRAME + packet)
    return file, packets


def output_of(*command: str) -> str:
    if shutil.which(command[0]) is None:
        skip_for_want_of(command[0])
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def listed(text: str) -> list[str]:
    return text.split(",") if text else []


def test_tshark_decodes_every_header_as_we_do(capture: tuple[Path, list[bytes]]) -> None:
    file, packets = capture
    wanted = (part for name in FIELDS for part in ("-e", f"nsh.{name}"))
    lines = output_of("tshark", "-r", str(file), "-T", "fields", *wanted).splitlines()
    assert len(lines) == len(packets)
    for line, packet in zip(lines, packets, strict=True):
        ours, length = NshHeader.decode(packet)
        told = dict(zip(FIELDS, line.split("\t"), strict=True))
        numbers = [int(told[name], 0) for name in ("version", "ttl", "length", "mdtype", "nextproto", "spi", "si")]
        assert numbers == [0, ours.ttl, length // 4, ours.md_type, ours.next_protocol, ours.spi, ours.si]
        assert (told["Obit"] in ("1", "True")) == ours.oam
        if isinstance(ours.context, bytes):
            assert bytes.fromhex("".join(listed(told["contextheader"]))) == ours.context
            continue
        columns = [listed(told[name]) for name in FIELDS[9:13]]
        theirs = [tuple(int(number, 0) for number in tlv) for tlv in zip(*columns, strict=True)]
        assert theirs == [(tlv.md_class, tlv.type, tlv.unassigned, len(tlv.value)) for tlv in ours.context]
        assert [bytes.fromhex(value) for value in listed(told["metadata"])] == [tlv.value for tlv in ours.context]


def test_tcpdump_decodes_every_header_as_we_do(capture: tuple[Path, list[bytes]]) -> None:
    file, packets = capture
    pattern = re.compile(
        r"^\S+ NSH, ver 0, flags \[(\S+)\], next-protocol (.+?), service-path-id 0x(\w+), service-index 0x(\w+)$", re.M
    )
    seen = pattern.findall(output_of("tcpdump", "-n", "-vv", "-r", str(file)))
    assert len(seen) == len(packets)
    for (flags, _, spi, si), packet in zip(seen, packets, strict=True):
        ours, _ = NshHeader.decode(packet)
        assert (flags == "O", int(spi, 16), int(si, 16)) == (ours.oam, ours.spi, ours.si)


def test_the_batch_gathers_the_same_out_of_the_file(capture: tuple[Path, list[bytes]]) -> None:
    file, packets = capture
    octets, offsets, at = file.read_bytes(), [], 24
    for packet in packets:
        at += 16 + len(FRAME)
        if NshHeader.decode(packet)[0].md_type == 1:
            offsets.append(at)
        at += len(packet)
    batch = NshBatch.gather(octets, np.array(offsets))
    ones = [header for header in (NshHeader.decode(packet)[0] for packet in packets) if header.md_type == 1]
    assert len(ones) == COUNT // 2
    for number, header in enumerate(ones):
        path = (int(batch.spi[number]), int(batch.si[number]), int(batch.ttl[number]))
        assert path == (header.spi, header.si, header.ttl)
        assert bool(batch.oam[number]) == header.oam
        assert batch.context[number].astype(">u4").tobytes() == header.context

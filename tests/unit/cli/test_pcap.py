"""Capture files: what is written is read by tshark's rules, what is no capture is told."""

from __future__ import annotations

import base64
import struct
from pathlib import Path

import pytest

from mano.cli.exits import Failure
from mano.cli.pcap import first_frame, packet_of, replayable, write

FRAME = bytes.fromhex(
    "0a00000000020a00000000010800450000200001000040110000c0000201c6336401003500350000000000000000000000"
)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "a.pcap"
    write(file, [(1.5, FRAME), (2.000000001, b"x" * 20)])
    data = file.read_bytes()
    assert struct.unpack_from("<I", data)[0] == 0xA1B23C4D
    assert struct.unpack_from("<IIII", data, 24) == (1, 500_000_000, len(FRAME), len(FRAME))
    assert first_frame(file) == FRAME


def test_a_packet_is_told_by_its_five_tuple() -> None:
    found = packet_of(FRAME)
    assert found["source"] == "192.0.2.1" and found["destination"] == "198.51.100.1"
    assert (found["protocol"], found["sourcePort"], found["destinationPort"]) == (17, 53, 53)


def block(order: str, kind: int, body: bytes) -> bytes:
    length = 12 + len(body)
    return struct.pack(f"{order}II", kind, length) + body + struct.pack(f"{order}I", length)


def blocks(order: str, packet: bytes, link: int = 1) -> bytes:
    """A pcapng file: its section, an interface, statistics of it that come too early, a packet."""
    section = block(order, 0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1))
    return section + block(order, 1, struct.pack(f"{order}HHI", link, 0, 0)) + block(order, 5, bytes(12)) + packet


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_format_of_wireshark_is_read_too(tmp_path: Path, order: str) -> None:
    file = tmp_path / "a.pcapng"
    padded = FRAME + bytes(-len(FRAME) % 4)
    enhanced = block(order, 6, struct.pack(f"{order}IIIII", 0, 0, 0, len(FRAME), len(FRAME)) + padded)
    simple = block(order, 3, struct.pack(f"{order}I", len(FRAME)) + padded)
    for packet in (enhanced, simple):
        file.write_bytes(blocks(order, packet))
        assert first_frame(file) == FRAME


def test_a_packets_vlan_is_told() -> None:
    tagged = FRAME[:12] + b"\x81\x00\x00\x07" + FRAME[12:]
    assert packet_of(tagged)["vlan"] == 7
    with pytest.raises(Failure, match="2 VLAN tags"):
        packet_of(FRAME[:12] + b"\x88\xa8\x00\x05" + tagged[12:])


def test_packets_that_replay_a_refusal_are_written_and_named(tmp_path: Path) -> None:
    file = tmp_path / "v.pcapng"
    capture = blocks("<", b"")
    with pytest.raises(Failure) as told, replayable(file):
        raise Failure("no", hint="mend it", facts={"capture": base64.b64encode(capture).decode()})
    assert file.read_bytes() == capture and str(file) in told.value.hint
    file.unlink()
    for nothing in (None, "no base64!", base64.b64encode(b"#!/bin/sh").decode(), 7):
        with pytest.raises(Failure) as told, replayable(file):
            raise Failure("no", facts={"capture": nothing})
        assert not file.exists() and told.value.hint == ""


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (block("<", 0x0A0D0D0A, bytes(16)), "no byte order"),
        (blocks("<", b""), "holds no packet"),
        (blocks("<", struct.pack("<II", 6, 3) + bytes(12)), "damaged"),
        (blocks("<", block("<", 6, bytes(8))), "cut short"),
        (blocks("<", block("<", 6, struct.pack("<IIIII", 0, 0, 0, 99, 99))), "cut short"),
        (blocks("<", block("<", 6, struct.pack("<IIIII", 9, 0, 0, 0, 0))), "not captured on Ethernet"),
        (blocks("<", block("<", 3, struct.pack("<I", 0)), link=113), "not captured on Ethernet"),
        (b"", "holds no packet"),
        (b"no capture at all, but long enough to be one of something", "no capture file"),
        (struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101) + bytes(16), "not captured on Ethernet"),
        (struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1) + struct.pack("<IIII", 0, 0, 99, 99), "cut short"),
    ],
)
def test_what_is_no_capture_is_told(tmp_path: Path, content: bytes, told: str) -> None:
    file = tmp_path / "b.pcap"
    file.write_bytes(content)
    with pytest.raises(Failure, match=told):
        first_frame(file)


@pytest.mark.parametrize("frame", [b"", b"\xff" * 14, FRAME[:30]])
def test_what_is_no_ip_packet_is_told(frame: bytes) -> None:
    with pytest.raises(Failure):
        packet_of(frame)

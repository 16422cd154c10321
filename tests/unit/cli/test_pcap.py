"""Capture files: what is written is read by tshark's rules, what is no capture is told."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from mano.cli.exits import Failure
from mano.cli.pcap import first_frame, packet_of, write

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


@pytest.mark.parametrize(
    ("content", "told"),
    [
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

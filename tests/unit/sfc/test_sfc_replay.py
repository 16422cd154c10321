"""Violations as captures: written, read by tshark, replayed, and refused when damaged."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfc.errors import SimulationError
from sfc.model import Kind
from sfc.model.flows import FlowTables
from sfc.simulator import Injected
from sfc.simulator.packets import Ethernet, Nsh
from sfc.verify import Rule, Violation, verify
from sfc.verify.replay import capture_of, read_capture, replay, write_capture
from tests.unit.sfc.gilan import GiLan, gilan
from tests.unit.sfc.traffic import tcp


def without(lan: GiLan, host: str, kind: Kind) -> dict[str, FlowTables]:
    tables = lan.tables
    kept = tuple(flow for flow in tables[host].flows if flow.cookie.kind is not kind)
    return {**tables, host: replace(tables[host], flows=kept)}


def violations(lan: GiLan, tables: dict[str, FlowTables]) -> tuple[Violation, ...]:
    return verify(lan.topology, lan.chains, tables)


@pytest.mark.parametrize(("host", "kind"), [("h1", Kind.HAND_OFF), ("h3", Kind.REVERSE_MARK), ("h2", Kind.TUNNEL_NSH)])
def test_every_violation_replays_from_its_capture(host: str, kind: Kind) -> None:
    lan = gilan()
    tables = without(lan, host, kind)
    found = violations(lan, tables)
    assert found
    for violation in found:
        capture = capture_of(lan.topology, violation)
        packets = read_capture(capture)
        assert packets == violation.history
        assert packets[-1].packet == violation.packet
        trace = replay(lan.topology, tables, capture)
        last = trace.rules[-1].flow
        assert violation.flow in (last, None)


def test_a_capture_of_an_answer_holds_the_question_before_it() -> None:
    lan = gilan()
    found = next(each for each in violations(lan, without(lan, "h3", Kind.REVERSE_MARK)) if each.rule is Rule.MARK)
    assert len(found.history) >= 2
    assert found.history[-2].sff == "h1" and found.history[-1].sff == "h3"


def test_a_forgery_on_the_underlay_replays_too() -> None:
    lan = gilan()
    inner = tcp()
    packets = (Injected("h2", 100, Nsh(replace_position(), inner, 60), 0x0A630001, 7), Injected("h1", 1, inner))
    assert read_capture(write_capture(lan.topology, packets)) == packets


def replace_position():
    return gilan().web.forward.position(254)


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_tshark_reads_the_capture_with_its_ports_and_what_is_wrong(tmp_path: Path) -> None:
    lan = gilan()
    violation = violations(lan, without(lan, "h1", Kind.HAND_OFF))[0]
    file = tmp_path / "violation.pcapng"
    file.write_bytes(capture_of(lan.topology, violation))
    fields = ("frame.interface_name", "tcp.dstport", "frame.comment")
    command = ["tshark", "-r", str(file), "-T", "fields", *(part for name in fields for part in ("-e", name))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    interface, port, comment = done.stdout.splitlines()[-1].split("\t")
    assert (interface, port) == ("h1/1", "80")
    assert "meets exactly its functions" in comment


@given(octets=st.binary(max_size=200), cut=st.integers(0, 400), at=st.integers(0, 400), octet=st.integers(0, 255))
def test_a_damaged_capture_is_refused_or_read(octets: bytes, cut: int, at: int, octet: int) -> None:
    lan = gilan()
    whole = bytearray(write_capture(lan.topology, (Injected("h1", 1, tcp()), Injected("h1", 1, tcp(22))), "why"))
    whole[at % len(whole)] = octet
    for file in (octets, bytes(whole), bytes(whole[:cut])):
        try:
            assert all(isinstance(each.packet, Ethernet | Nsh) for each in read_capture(file))
        except SimulationError:
            continue


def test_an_empty_capture_replays_nothing() -> None:
    lan = gilan()
    with pytest.raises(SimulationError, match="no packet"):
        replay(lan.topology, lan.tables, write_capture(lan.topology, ()))

"""The lines that the demo makes of what it found."""

from __future__ import annotations

from mano.cli.demo import report

PLACEMENT = {
    "key": "nat-0/nat/0",
    "host": "h3",
    "allocation": {
        "cells": [{"node": 0, "cpus": [2, 18], "memoryMib": 512, "pageSizeKib": 2048}],
        "interfaces": {"outside": {"pci": "0000:3b:00.0", "vfs": [0], "node": 0}, "mgmt": {}},
    },
    "decision": {
        "why": ["of 3 hosts, 1 could take it"],
        "notElsewhere": {"h2": "short of memory", "h1": "cost 1020 against 1000"},
    },
}

PATH = {
    "direction": "forward",
    "spi": 100,
    "endSi": 254,
    "endPackets": 7,
    "hops": [{"si": 255, "host": "h1", "sfName": "firewall-0", "packets": 9}],
    "ingress": {"host": "h1", "port": "p"},
    "egress": {"host": "h3", "port": "q"},
}


def test_a_placement_says_where_why_and_why_not_elsewhere() -> None:
    assert list(report.placement_lines(PLACEMENT)) == [
        "nat-0/nat/0 on h3: node 0: CPUs 2,18, 512 MiB in pages of 2048 KiB, outside: VF 0 of 0000:3b:00.0 (node 0)",
        "    of 3 hosts, 1 could take it",
        "    not on h1 (cost 1020 against 1000), h2 (short of memory)",
    ]


def test_a_path_names_each_hop_with_its_position() -> None:
    ends_at_nat = {**PATH, "terminator": {"sfName": "nat-0"}}
    assert report.path_line(ends_at_nat) == "forward: h1 > [100/255] firewall-0@h1 > [100/254] end at nat-0@h3"
    assert report.path_line(PATH).endswith("[100/254] end at a station@h3")


def test_counters_stand_at_each_hop() -> None:
    assert report.counter_line("web", PATH) == "web forward: [100/255] firewall-0@h1 9 > end 7"


def test_steps_have_their_times() -> None:
    begin = "2026-01-01T00:00:00+00:00"
    steps = [
        {"name": "vnfs", "state": "DONE", "startedAt": begin, "endedAt": "2026-01-01T00:00:01.500000+00:00"},
        {"name": "graphs", "state": "RUNNING", "startedAt": begin, "endedAt": None},
    ]
    operation = {"catena": {"steps": steps}}
    assert report.step_rows(operation) == [("    vnfs", "done", "1.50 s"), ("    graphs", "running", "")]
    assert report.current_steps(operation) == "graphs"

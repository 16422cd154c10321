"""The document tells the tables that are rendered."""

from __future__ import annotations

import re

from sfc.model import VNI_NSH, VNI_OAM_REPLY, Layer
from sfc.render import NEIGHBOUR_EGRESS, NEIGHBOUR_INGRESS, SFF_MAC, Table
from tests.architecture.tree import ROOT
from tests.unit.sfc.gilan import gilan

TEXT = (ROOT / "docs" / "table-plan.md").read_text()


def told_priorities() -> dict[int, str]:
    """The third column of the table of tables, by table number."""
    rows = re.findall(r"^\| (\d+)(?:, (\d+))?[^|]*\|[^|]*\|([^|]*)\|$", TEXT, re.MULTILINE)
    return {int(number): rules for first, second, rules in rows for number in (first, second) if number}


def test_every_table_is_told() -> None:
    assert set(told_priorities()) == {int(table) for table in Table}


def test_every_priority_that_is_rendered_is_told() -> None:
    told = told_priorities()
    for layer in Layer.L2, Layer.L3:
        for tables in gilan(layer).tables.values():
            for flow in tables.flows:
                rules = told[flow.table]
                numbers = [int(number) for number in re.findall(r"\b\d{1,5}\b", rules)]
                ranges = [(int(a), int(b)) for a, b in re.findall(r"(\d+)–(\d+)", rules)]
                classifier = "and down" in rules and 1000 < flow.priority <= 60000
                inside = any(high >= flow.priority >= low for high, low in ranges)
                assert flow.priority in (0, *numbers) or classifier or inside, flow


def test_reserved_addresses_and_keys_are_told() -> None:
    for mac in (SFF_MAC, NEIGHBOUR_INGRESS):
        assert str(mac) in TEXT
    assert str(NEIGHBOUR_EGRESS).endswith(":02")
    assert f"VNI {VNI_NSH}, {VNI_OAM_REPLY}" in TEXT

"""The dashboard while an NFVI comes about, from no host to very many.

A module of its own: one process runs one server's operations at a time.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.web.conftest import Tab
from tests.web.network_service import Server, sample_inventory, small_hosts

pytestmark = pytest.mark.browser


def test_an_empty_nfvi_says_what_to_do_and_hosts_appear_when_they_come(empty: Server, tab: Tab) -> None:
    page = tab.open(empty)
    expect(page.get_by_test_id("empty-nfvi")).to_contain_text("mano host add")
    expect(page.get_by_test_id("no-chains")).to_be_visible()
    empty.add_hosts(sample_inventory())
    ns_id = empty.instantiate()
    expect(page.get_by_test_id("vnfc-firewall-0")).to_be_visible()
    expect(page.get_by_test_id("chain-view")).to_be_visible()
    expect(page.get_by_test_id("events")).to_contain_text("NS instantiate: COMPLETED")
    empty.terminate(ns_id)
    expect(page.get_by_test_id("no-chains")).to_be_visible()
    expect(page.get_by_test_id("vnfc-firewall-0")).to_have_count(0)
    expect(page.get_by_test_id("host-h1")).to_be_visible()
    late = "/statistics"  # of the chain that was just looked at
    assert [text for text in tab.complaints if not text.endswith(late)] == []


def test_very_many_hosts_are_drawn_as_cards(empty: Server, tab: Tab) -> None:
    empty.add_hosts(small_hosts(160))
    page = tab.open(empty)
    expect(page.get_by_test_id("summary")).to_contain_text("160 hosts")
    expect(page.get_by_test_id("host-n000")).to_be_visible()
    expect(page.get_by_test_id("host-n159")).to_be_visible()
    expect(page.locator("[data-testid^=numa-]")).to_have_count(0)
    page.get_by_test_id("host-title-n000").click()
    expect(page.get_by_test_id("details")).to_contain_text("n000")

"""The dashboard in a real browser, against the real server on the simulated tier."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from mano.adapters.clock import SystemClock, random_id
from mano.domain.events import Event
from mano.domain.ids import DEFAULT_TENANT
from mano.nfvo.chain_counts import CountHistory
from mano.nfvo.keeping import Keeper
from tests.web.conftest import Tab
from tests.web.network_service import Server, elsewhere

pytestmark = pytest.mark.browser

FORWARD, REVERSE = "forward", "reverse"


@pytest.fixture
def shown(gilan: Server, tab: Tab) -> Iterator[Page]:
    """The network service's page; at its end nothing was asked of strangers, and the policy was kept."""
    page = tab.open(gilan)
    expect(page.get_by_test_id("chain-view")).to_be_visible()
    expect(page.get_by_test_id("live")).to_have_attribute("data-status", "connected")
    expect(page.get_by_test_id("map-frame")).to_have_attribute("data-fitted", "true")
    yield page
    assert tab.complaints == []
    assert {url for url in tab.asked if not url.startswith((gilan.url, "data:"))} == set()


def chains(server: Server) -> dict[str, dict[str, Any]]:
    """The chains by name, as the server tells them."""
    assert server.catena.services.forwarding_graphs is not None
    return {chain["name"]: dict(chain) for chain in server.catena.services.forwarding_graphs.list(DEFAULT_TENANT)}


def leg(page: Page, spi: int, si: int | str, kind: str) -> Locator:
    """One line of the chain's drawing."""
    return page.get_by_test_id(f"leg-{spi}-{si}-{kind}")


def counter(line: Locator) -> int:
    """The packets that a leg claims."""
    found = re.match(r"(\d[\d\u2009]*) sim", line.locator(".leg-count").text_content() or "")
    assert found is not None
    return int(found[1].replace("\u2009", ""))


# The map


def test_hosts_are_drawn_with_their_numa_nodes_and_how_true_they_are(shown: Page) -> None:
    for name in ("h1", "h2", "h3"):
        expect(shown.get_by_test_id(f"reach-{name}")).to_have_text("reachable")
        expect(shown.get_by_test_id(f"numa-{name}-0")).to_contain_text("socket 0")
        expect(shown.get_by_test_id(f"numa-{name}-1")).to_contain_text("2 MiB pages")
        expect(shown.get_by_test_id(f"realisations-{name}")).to_contain_text("accounted")
        expect(shown.locator(f"[data-testid^=cpu-{name}-]")).to_have_count(32)


def test_every_cpu_shows_whose_it_is(shown: Page, gilan: Server) -> None:
    assert gilan.catena.services.nfvi is not None
    told = gilan.catena.services.nfvi.topology(DEFAULT_TENANT)
    for host in told["hosts"]:
        for node in host["numaNodes"]:
            for cpu, user in (pair for core in node["cores"] for pair in core["use"].items()):
                cell = shown.get_by_test_id(f"cpu-{host['name']}-{cpu}")
                expect(cell).to_have_attribute("data-use", user or "free")


def test_functions_stand_on_their_hosts(shown: Page) -> None:
    hosts = {name: box(shown.get_by_test_id(f"host-{name}")) for name in ("h1", "h2", "h3")}
    for function, host in {"firewall": "h1", "dpi": "h2", "nat": "h3"}.items():
        inner, outer = box(shown.get_by_test_id(f"vnfc-{function}-0")), hosts[host]
        assert outer["x"] < inner["x"] and inner["x"] + inner["width"] < outer["x"] + outer["width"]
        assert outer["y"] < inner["y"] and inner["y"] + inner["height"] < outer["y"] + outer["height"]


def box(element: Locator) -> Any:
    """Where an element is, in pixels of the window; the browser's own arithmetic moves it by thousandths."""
    found: Any = element.bounding_box()
    assert found is not None
    return {side: round(length, 1) for side, length in found.items()}


def test_networks_saps_and_vfs_are_drawn(shown: Page) -> None:
    expect(shown.get_by_test_id("network-access")).to_contain_text("VNI 4096")
    expect(shown.get_by_test_id("network-public")).to_contain_text("provider, dc1")
    expect(shown.get_by_test_id("sap-subscribers")).to_contain_text("10.10.0.2/24")
    expect(shown.get_by_test_id("host-h3").get_by_test_id("nic-ens1f0")).to_contain_text("1/8 VF")
    expect(shown.get_by_test_id("host-h1").get_by_test_id("nic-ens1f0")).to_contain_text("0/8 VF")


def test_the_map_stays_as_it_is_when_another_chain_is_looked_at(shown: Page) -> None:
    before = [box(shown.get_by_test_id(f"host-{name}")) for name in ("h1", "h2", "h3")]
    for name in ("other", "web"):
        shown.get_by_test_id(f"chain-{name}").click()
        expect(shown.get_by_test_id(f"map-chain-{name}")).to_have_class(re.compile("focused"))
        expect(shown.get_by_test_id("map-frame")).to_have_attribute("data-fitted", "true")
    assert [box(shown.get_by_test_id(f"host-{name}")) for name in ("h1", "h2", "h3")] == before


# Chains


def test_the_list_tells_each_chain_with_its_classifiers(shown: Page, gilan: Server) -> None:
    for name, chain in chains(gilan).items():
        card = shown.get_by_test_id(f"chain-{name}")
        expect(card).to_contain_text(f"SPI {chain['forwardSpi']} →")
        expect(card).to_contain_text(f"SPI {chain['reverseSpi']} ←")
        for classifier in chain["classifiers"]:
            expect(card).to_contain_text(classifier["text"])


@pytest.mark.parametrize("name", ["web", "other"])
def test_every_hop_of_a_chain_shows_its_spi_and_si(shown: Page, gilan: Server, name: str) -> None:
    shown.get_by_test_id(f"chain-{name}").click()
    for path in chains(gilan)[name]["paths"]:
        spi = path["spi"]
        for hop in path["hops"]:
            expect(leg(shown, spi, hop["si"], "out")).to_contain_text(f"{spi}/{hop['si']}")
            expect(leg(shown, spi, hop["si"] - 1, "back")).to_contain_text(f"{spi}/{hop['si'] - 1}")
            station = shown.get_by_test_id(f"visit-{hop['host']}").get_by_test_id(f"station-{hop['sfName']}")
            expect(station).to_be_visible()
        for way in path["legs"]:
            line = leg(shown, spi, way["si"], "trunk")
            expect(line).to_contain_text(f"{way['from']} to {way['to']}")
            expect(line).to_contain_text(f"TTL {way['ttl']}")
        expect(leg(shown, spi, path["endSi"], "exit")).to_contain_text(f"{spi}/{path['endSi']}")


def test_counters_follow_the_packets(shown: Page, gilan: Server) -> None:
    shown.get_by_test_id("chain-web").click()
    path = chains(gilan)["web"]["paths"][0]
    lines = [leg(shown, path["spi"], hop["si"], "out") for hop in path["hops"]]
    expect(lines[-1].locator(".leg-count")).to_be_visible()
    before = [counter(line) for line in lines]
    gilan.send_web_packets(7)
    for line, packets in zip(lines, before, strict=True):
        expect(line.locator(".leg-count")).to_contain_text(re.compile(rf"^{packets + 7} sim [\d.]+/s$"))
    expect(shown.get_by_test_id("chain-rate")).to_contain_text(re.compile(r"^[1-9\d.]+ packets/s"))


def test_a_function_that_is_down_is_struck_through_with_its_reason(shown: Page, gilan: Server) -> None:
    shown.get_by_test_id("chain-web").click()
    firewall = chains(gilan)["web"]["paths"][0]["hops"][0]["sfId"]
    with dead(gilan, firewall):
        gilan.send_web_packets(3)
        expect(shown.get_by_test_id("down")).to_contain_text("gives no probe back")
        expect(shown.get_by_test_id("station-firewall-0").locator(".dg-struck")).to_contain_text("firewall-0")
        expect(shown.get_by_test_id("drop-firewall-0")).to_contain_text("the function is down: its chain is closed")
        expect(shown.get_by_test_id("station-firewall-0")).to_have_attribute("aria-label", re.compile("no probe back"))
    expect(shown.get_by_test_id("down")).to_have_count(0)


@contextmanager
def dead(server: Server, function: str) -> Iterator[None]:
    """Within it the function gives no probe back."""
    catena = server.catena
    keeper = Keeper(catena.store.open_unit, catena.graphs, server.paths, SystemClock(), random_id, CountHistory())
    elsewhere(lambda: keeper.functions_changed({function: False}))
    try:
        yield
    finally:
        elsewhere(lambda: keeper.functions_changed({function: True}))


def test_whatever_claims_a_packet_says_that_it_is_simulated(shown: Page) -> None:
    expect(shown.get_by_test_id("tier")).to_have_text("tier simulated")
    expect(shown.get_by_test_id("chain-rate")).to_contain_text("simulated")
    expect(shown.get_by_test_id("drops")).to_contain_text("simulated")
    expect(shown.locator(".leg-count").first).to_contain_text("sim")
    counts = shown.locator(".leg-count").all_text_contents()
    assert counts and all(" sim " in text for text in counts)


@pytest.mark.parametrize("width", [1100, 1440, 1920])
def test_no_label_is_cut_by_what_it_stands_between(shown: Page, width: int) -> None:
    shown.set_viewport_size({"width": width, "height": 900})
    expect(shown.locator(".leg-count").first).to_be_visible()
    measured = shown.evaluate(
        """() => [...document.querySelectorAll('.leg')].flatMap((leg) => {
             const line = leg.querySelector('.leg-line').getBBox();
             return [...leg.querySelectorAll('text')].map((text) => ({
               text: text.textContent, left: text.getBBox().x - line.x,
               right: line.x + line.width - text.getBBox().x - text.getBBox().width }));
           })"""
    )
    assert len(measured) > 20
    assert [one for one in measured if one["left"] < 0 or one["right"] < 0] == []


def test_a_chain_is_proven_on_demand(shown: Page) -> None:
    shown.get_by_test_id("prove").click()
    expect(shown.get_by_test_id("proof")).to_contain_text(
        re.compile(r"^proven with [\d\u2009]+ packets on the simulator")
    )


# Details


def test_a_function_tells_why_it_is_where_it_is(shown: Page) -> None:
    shown.get_by_test_id("vnfc-dpi-0").click()
    details = shown.get_by_test_id("details")
    expect(details.get_by_test_id("why-here")).to_contain_text("h2 won over h3")
    expect(details.get_by_test_id("why-not")).to_contain_text(re.compile("h1.*affinity.*h3"))
    expect(details).to_contain_text("512 MiB in 2 MiB pages")


def test_everything_can_be_reached_by_keyboard(shown: Page) -> None:
    shown.get_by_test_id("chain-other").focus()
    shown.keyboard.press("Enter")
    expect(shown.get_by_test_id("chain-other")).to_have_attribute("aria-pressed", "true")
    for focused in ("vnfc-nat-0", "host-title-h1", "network-access", "sap-subscribers"):
        shown.get_by_test_id(focused).focus()
        shown.keyboard.press("Enter")
        expect(shown.get_by_test_id("details")).to_be_visible()
        shown.keyboard.press("Escape")
        expect(shown.get_by_test_id("details")).to_have_count(0)
    shown.get_by_test_id("station-firewall-0").focus()
    shown.keyboard.press("Enter")
    expect(shown.get_by_test_id("details")).to_contain_text("firewall-0")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_colours_follow_the_reader(shown: Page, scheme: Any) -> None:
    shown.emulate_media(color_scheme=scheme)
    brightness = shown.evaluate(
        "() => getComputedStyle(document.body).backgroundColor.match(/\\d+/g).reduce((sum, part) => sum + +part, 0)"
    )
    assert (brightness > 600) == (scheme == "light")


# What changes


def test_an_event_is_told_and_the_picture_read_anew(shown: Page, gilan: Server) -> None:
    with shown.expect_response(lambda response: response.url.endswith("/mano/v1/topology")):
        data = {"name": "told-by-the-test"}
        gilan.announce(Event(random_id(), "chain", "programmed", "c", DEFAULT_TENANT, datetime.now(UTC), data))
    expect(shown.get_by_test_id("events")).to_contain_text("chain told-by-the-test programmed")


def test_a_lost_host_is_red_with_the_reason(gilan: Server, tab: Tab) -> None:
    gilan.lost["h2"] = "its switch does not answer"
    try:
        page = tab.open(gilan)
        expect(page.get_by_test_id("reach-h2")).to_have_text("unreachable")
        expect(page.get_by_test_id("host-h2")).to_contain_text("its switch does not answer")
        expect(page.get_by_test_id("visit-h2")).to_contain_text("unreachable")
        page.get_by_test_id("chain-web").click()
        spi = chains(gilan)["web"]["forwardSpi"]
        trouble = re.compile("h2 cannot be reached: its switch does not answer")
        expect(leg(page, spi, 254, "trunk")).to_have_attribute("data-trouble", trouble)
        expect(page.get_by_test_id("counts-problem")).to_be_visible()
        expect(page.get_by_test_id("reach-h1")).to_have_text("reachable")
    finally:
        gilan.lost.clear()


def test_a_server_that_goes_away_is_told_and_so_is_its_return(gilan: Server, tab: Tab) -> None:
    page = tab.open(gilan)
    expect(page.get_by_test_id("live")).to_contain_text("live")
    gilan.hang_up()
    try:
        expect(page.get_by_test_id("live")).to_have_attribute("data-status", "reconnecting")
        expect(page.get_by_test_id("live")).to_contain_text(re.compile(r"stale since \d\d:\d\d:\d\d"))
        expect(page.get_by_test_id("stale")).to_contain_text("What you see is from")
        expect(page.get_by_test_id("host-h1")).to_be_visible()
    finally:
        gilan.listen()
    expect(page.get_by_test_id("live")).to_have_attribute("data-status", "connected")
    expect(page.get_by_test_id("stale")).to_have_count(0)


def test_without_a_token_the_page_says_how_to_get_one(gilan: Server, tab: Tab) -> None:
    page = tab.open(gilan, with_token=False)
    expect(page.get_by_test_id("token-needed")).to_contain_text("mano serve")
    page.get_by_test_id("token-field").fill("no token")
    page.get_by_test_id("token-submit").click()
    expect(page.get_by_test_id("token-needed")).to_contain_text("the token is not valid")
    page.get_by_test_id("token-field").fill(f"{gilan.url}/ui/#token={gilan.token}")
    page.get_by_test_id("token-submit").click()
    expect(page.get_by_test_id("host-h1")).to_be_visible()


def test_the_token_leaves_the_address_and_survives_a_reload(gilan: Server, tab: Tab) -> None:
    page = tab.open(gilan)
    expect(page.get_by_test_id("host-h1")).to_be_visible()
    assert page.url == f"{gilan.url}/ui/"
    page.reload()
    expect(page.get_by_test_id("host-h1")).to_be_visible()
    assert all(gilan.token not in url for url in tab.asked)


def test_the_layout_runs_beside_the_page(gilan: Server, tab: Tab) -> None:
    with tab.page.expect_worker() as worker:
        tab.open(gilan)
    assert re.search(r"/ui/assets/elk-worker[\w.-]*\.js$", worker.value.url)


def test_the_page_comes_to_rest(shown: Page, gilan: Server) -> None:
    """It asks for the chosen chain's counters about once a second, and for little else."""
    asked: list[str] = []
    shown.on("request", lambda request: asked.append(request.url.removeprefix(gilan.url)))
    began = time.monotonic()
    shown.wait_for_timeout(4000)
    seconds = time.monotonic() - began
    counters = [url for url in asked if url.endswith("/statistics")]
    assert 1 <= len(counters) <= seconds + 2
    assert len(asked) - len(counters) <= 6

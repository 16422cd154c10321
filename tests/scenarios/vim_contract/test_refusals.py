"""What a VIM cannot do it refuses with a sentence that says why, and nothing of it is made."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from dataclasses import replace

import pytest

from mano.domain.ns_instance import NetworkKind
from mano.errors import AlreadyExists, CatenaError, InUse, InvalidInput, NotFound
from mano.ports.vim import Attachment, NetworkSpec, Observed, PortSpec, VimDriver
from tests.scenarios.vim_contract.samples import (
    NETWORKS,
    OVERLAY,
    PCI,
    PROVIDER,
    SERVES,
    SUBSCRIBER,
    build_image,
    compute,
    host,
    inside,
    internet_port,
    member,
    outside,
    subscriber_port,
)
from tests.scenarios.vim_contract.stories import build_host, take_host_down
from tests.scenarios.vim_contract.worlds import World, serving_image

NOTHING = Observed((), (), ())


def refused(kind: type[CatenaError], word: str, action: Callable[[], object]) -> None:
    """The action raises exactly this kind of error, and its sentence names the culprit."""
    with pytest.raises(kind) as caught:
        action()
    assert type(caught.value) is kind
    assert word in str(caught.value)


@pytest.mark.parametrize(
    ("port", "kind", "word"),
    [
        pytest.param(inside(id="a port"), InvalidInput, "a port", id="white space in the identifier"),
        pytest.param(inside(id="x\nlink delete lo"), InvalidInput, "identifier", id="a second command"),
        pytest.param(inside(host="../h1"), InvalidInput, "../h1", id="a host that is a path"),
        pytest.param(inside(host=""), InvalidInput, "host", id="no host"),
        pytest.param(inside(host="h9"), NotFound, "h9", id="an unknown host"),
        pytest.param(inside(mtu=9000), InvalidInput, "9000", id="an MTU beyond the underlay"),
        pytest.param(inside(mac="02:10:00:00:00"), InvalidInput, "MAC", id="a short MAC address"),
        pytest.param(inside(mac="02:10:00:00:00:+1"), InvalidInput, "MAC", id="a MAC address that int() would take"),
        pytest.param(inside(addresses=("10.10.0.1/33",)), InvalidInput, "10.10.0.1/33", id="a bad prefix"),
        pytest.param(inside(gateway="10.10.0.1/24"), InvalidInput, "10.10.0.1/24", id="a gateway with a prefix"),
        pytest.param(inside(vnic_type="smart-nic"), InvalidInput, "smart-nic", id="an unknown vNIC type"),
        pytest.param(inside(vnic_type="direct", pci=PCI, vf=0), InvalidInput, "overlay", id="a VF on an overlay"),
        pytest.param(outside(vnic_type="normal"), InvalidInput, "provider", id="a vNIC on a provider network"),
        pytest.param(outside(pci="0000:5e:00.0"), NotFound, "0000:5e:00.0", id="an unknown NIC"),
        pytest.param(outside(vf=4), InvalidInput, "VF 4", id="a VF beyond the last"),
        pytest.param(
            outside(network=replace(PROVIDER, physical_network="dc2")), InvalidInput, "dc2", id="a NIC elsewhere"
        ),
        pytest.param(subscriber_port(attachment="nowhere"), NotFound, "nowhere", id="an unknown attachment"),
        pytest.param(subscriber_port(attachment="inet"), InvalidInput, "inet", id="an attachment on the wrong network"),
        pytest.param(internet_port(attachment="sub"), InvalidInput, "sub", id="an attachment beside a host"),
    ],
)
def test_a_port_that_cannot_be(world: World, port: PortSpec, kind: type[CatenaError], word: str) -> None:
    driver = world.driver()
    build_host(driver)
    refused(kind, word, lambda: driver.ensure_port(port))
    assert driver.observe() == NOTHING
    take_host_down(driver)


@pytest.mark.parametrize(
    ("network", "word"),
    [
        pytest.param(replace(OVERLAY, mtu=1551), "1551", id="no room for the tunnel's headers"),
        pytest.param(replace(OVERLAY, mtu=67), "67", id="smaller than IPv4 allows"),
        pytest.param(replace(OVERLAY, id="net;1"), "net;1", id="a strange identifier"),
        pytest.param(NetworkSpec("net-1", NetworkKind.PROVIDER, 1500), "physical", id="a provider without a network"),
        pytest.param(replace(OVERLAY, physical_network="dc1"), "physical", id="an overlay with a physical network"),
        pytest.param(replace(PROVIDER, physical_network="dc 1"), "dc 1", id="a strange physical network"),
    ],
)
def test_a_network_that_cannot_be(world: World, network: NetworkSpec, word: str) -> None:
    driver = world.driver()
    refused(InvalidInput, word, lambda: driver.ensure_network(network))
    assert driver.observe() == NOTHING


@pytest.mark.parametrize("name", ["fabric", "v-1", "a/b", "", "-x", "ü", "h" * 64])
def test_a_host_whose_name_is_not_possible(world: World, name: str) -> None:
    driver = world.driver()
    refused(InvalidInput, "name", lambda: driver.ensure_host(replace(host("h1"), name=name or " ")))
    assert world.remains() == []


def test_a_vf_serves_one_port(world: World) -> None:
    driver = world.driver()
    build_host(driver)
    driver.ensure_port(outside())
    refused(InUse, "port-outside", lambda: driver.ensure_port(outside(id="port-thief", mac="02:10:00:00:00:99")))
    assert driver.observe().ports == ("port-outside",)
    driver.ensure_port(outside(id="port-other", vf=2))
    for port in (outside(), outside(id="port-other", vf=2)):
        driver.remove_port(port)
    take_host_down(driver)


def test_a_port_serves_one_vnfc(world: World) -> None:
    driver = world.driver()
    driver.ensure_host(host("h1"))
    image = serving_image(world)
    driver.ensure_compute(compute(image, (inside(),)))
    refused(InUse, "port-inside", lambda: driver.ensure_compute(compute(image, (inside(),), id="compute-thief")))
    assert driver.compute_status("compute-nat", "h1").state == "running"
    for id_ in ("compute-thief", "compute-nat"):
        driver.remove_compute(id_, "h1")
    driver.remove_port(inside())
    driver.remove_host("h1")


def test_what_is_in_use_is_not_removed(world: World) -> None:
    driver = world.driver()
    build_host(driver)
    for network in NETWORKS:
        driver.ensure_network(network)
    driver.ensure_port(subscriber_port())
    refused(InUse, "port-sub", lambda: driver.remove_host("h1"))
    refused(InUse, "port-sub", lambda: driver.remove_attachment("sub"))
    refused(InUse, OVERLAY.id, lambda: driver.remove_network(OVERLAY))
    assert driver.host_status("h1").reachable
    driver.remove_port(subscriber_port())
    for network in NETWORKS:
        driver.remove_network(network)
    take_host_down(driver)


def test_attachments_that_cannot_be(world: World) -> None:
    driver = world.driver()
    refused(NotFound, "h1", lambda: driver.add_attachment(SUBSCRIBER))
    build_host(driver)
    refused(AlreadyExists, "sub", lambda: driver.add_attachment(Attachment("sub", physical_network="dc1")))
    refused(AlreadyExists, "h1", lambda: driver.add_attachment(Attachment("h1", host="h1")))
    refused(InvalidInput, "../x", lambda: driver.add_attachment(Attachment("../x", host="h1")))
    refused(InvalidInput, "d c", lambda: driver.add_attachment(Attachment("y", physical_network="d c")))
    with pytest.raises(ValueError, match="not both"):
        Attachment("both", host="h1", physical_network="dc1")
    assert set(driver.attachments()) == {"sub", "inet"}
    take_host_down(driver)


@pytest.mark.parametrize(
    ("members", "word"),
    [
        pytest.param([member("../entrypoint", SERVES)], "leads out", id="a path upwards"),
        pytest.param([member("entrypoint", SERVES), member("/etc/passwd", b"x")], "relative", id="an absolute path"),
        pytest.param(
            [
                member("entrypoint", SERVES),
                member("lib", kind=tarfile.SYMTYPE, link="/etc"),
                member("lib/passwd", b"x"),
            ],
            "leads out",
            id="through a link out of it",
        ),
        pytest.param([member("entrypoint", SERVES), member("null", kind=tarfile.CHRTYPE)], "device", id="a device"),
        pytest.param([member("start", SERVES)], "entrypoint", id="no entry point"),
        pytest.param([member("entrypoint", SERVES, mode=0o644)], "executable", id="an entry point that cannot run"),
        pytest.param([member("entrypoint", SERVES), member("ready", b"")], "ready", id="ready before it began"),
    ],
)
def test_a_software_image_that_is_not_safe(world: World, members: list, word: str) -> None:
    driver = world.driver()
    driver.ensure_host(host("h1"))
    vnfc = compute(build_image(world.directory, members))
    refused(InvalidInput, word, lambda: driver.ensure_compute(vnfc))
    assert driver.compute_status(vnfc.id, "h1").state == "gone"
    assert driver.observe() == NOTHING
    driver.remove_host("h1")


def test_a_software_image_that_is_another_or_none(world: World) -> None:
    driver = world.driver()
    driver.ensure_host(host("h1"))
    image = serving_image(world)
    vnfc = compute(image)
    refused(InvalidInput, "SHA-256", lambda: driver.ensure_compute(replace(vnfc, image_checksum="0" * 64)))
    image.path.write_bytes(image.path.read_bytes()[:700])
    refused(InvalidInput, "SHA-256", lambda: driver.ensure_compute(vnfc))
    image.path.unlink()
    refused(InvalidInput, "cannot be read", lambda: driver.ensure_compute(vnfc))
    assert driver.observe() == NOTHING
    driver.remove_host("h1")


def test_a_vnfc_that_cannot_be(world: World) -> None:
    driver = world.driver()
    build_host(driver)
    image = serving_image(world)
    refused(InvalidInput, "compute 1", lambda: driver.ensure_compute(compute(image, id="compute 1")))
    refused(InvalidInput, "name", lambda: driver.ensure_compute(compute(image, name="")))
    refused(InvalidInput, "memory", lambda: driver.ensure_compute(compute(image, memory_mib=1)))
    refused(InvalidInput, "port-sub", lambda: driver.ensure_compute(compute(image, (subscriber_port(),))))
    refused(InvalidInput, "h2", lambda: driver.ensure_compute(compute(image, (inside(host="h2"),))))
    refused(NotFound, "h9", lambda: driver.ensure_compute(compute(image, host="h9")))
    assert driver.observe() == NOTHING
    take_host_down(driver)


def test_a_refusal_does_not_spoil_what_is_there(world: World) -> None:
    def refuse_all(driver: VimDriver) -> None:
        refused(InvalidInput, "MTU", lambda: driver.ensure_port(inside(mtu=9000)))
        refused(InvalidInput, "SHA-256", lambda: driver.ensure_compute(replace(vnfc, image_checksum="0" * 64)))

    driver = world.driver()
    driver.ensure_host(host("h1"))
    vnfc = compute(serving_image(world), (inside(),))
    status = driver.ensure_compute(vnfc)
    refuse_all(driver)
    assert driver.compute_status(vnfc.id, "h1") == status
    driver.remove_compute(vnfc.id, "h1")
    driver.remove_port(inside())
    driver.remove_host("h1")

"""What a VIM cannot do it refuses with a sentence that says why, and nothing of it is made."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial

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


PORTS_THAT_CANNOT_BE: list[tuple[PortSpec, type[CatenaError], str]] = [
    (inside(id="a port"), InvalidInput, "a port"),
    (inside(id="x\nlink delete lo"), InvalidInput, "identifier"),
    (inside(host="../h1"), InvalidInput, "../h1"),
    (inside(host=""), InvalidInput, "host"),
    (inside(host="h9"), NotFound, "h9"),
    (inside(mtu=9000), InvalidInput, "9000"),
    (inside(mac="02:10:00:00:00"), InvalidInput, "MAC"),
    (inside(mac="02:10:00:00:00:+1"), InvalidInput, "MAC"),
    (inside(addresses=("10.10.0.1/33",)), InvalidInput, "10.10.0.1/33"),
    (inside(gateway="10.10.0.1/24"), InvalidInput, "10.10.0.1/24"),
    (inside(vnic_type="smart-nic"), InvalidInput, "smart-nic"),
    (inside(vnic_type="direct", pci=PCI, vf=0), InvalidInput, "overlay"),
    (outside(vnic_type="normal"), InvalidInput, "provider"),
    (outside(pci="0000:5e:00.0"), NotFound, "0000:5e:00.0"),
    (outside(vf=4), InvalidInput, "VF 4"),
    (outside(network=replace(PROVIDER, physical_network="dc2")), InvalidInput, "dc2"),
    (subscriber_port(attachment="nowhere"), NotFound, "nowhere"),
    (subscriber_port(attachment="inet"), InvalidInput, "inet"),
    (internet_port(attachment="sub"), InvalidInput, "sub"),
]


def test_ports_that_cannot_be(world: World) -> None:
    driver = world.driver()
    build_host(driver)
    for port, kind, word in PORTS_THAT_CANNOT_BE:
        refused(kind, word, partial(driver.ensure_port, port))
        assert driver.observe() == NOTHING, word
    take_host_down(driver)


NETWORKS_THAT_CANNOT_BE = [
    (replace(OVERLAY, mtu=1551), "1551"),
    (replace(OVERLAY, mtu=67), "67"),
    (replace(OVERLAY, id="net;1"), "net;1"),
    (NetworkSpec("net-1", NetworkKind.PROVIDER, 1500), "physical"),
    (replace(OVERLAY, physical_network="dc1"), "physical"),
    (replace(PROVIDER, physical_network="dc 1"), "dc 1"),
]


def test_networks_that_cannot_be(world: World) -> None:
    driver = world.driver()
    for network, word in NETWORKS_THAT_CANNOT_BE:
        refused(InvalidInput, word, partial(driver.ensure_network, network))
        assert driver.observe() == NOTHING, word
        assert world.remains() == [], word


def test_hosts_whose_names_are_not_possible(world: World) -> None:
    driver = world.driver()
    for name in ("fabric", "v-1", "a b", " ", "-x", "ü", "h" * 64):
        refused(InvalidInput, "name", partial(driver.ensure_host, replace(host("h1"), name=name)))
        assert world.remains() == [], name


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


IMAGES_THAT_ARE_NOT_SAFE = [
    ([member("../entrypoint", SERVES)], "leads out"),
    ([member("entrypoint", SERVES), member("/etc/passwd", b"x")], "relative"),
    (
        [
            member("entrypoint", SERVES),
            member("lib", kind=tarfile.SYMTYPE, link="/etc"),
            member("lib/passwd", b"x"),
        ],
        "leads out",
    ),
    ([member("entrypoint", SERVES), member("null", kind=tarfile.CHRTYPE)], "device"),
    ([member("start", SERVES)], "entrypoint"),
    ([member("entrypoint", SERVES, mode=0o644)], "executable"),
    ([member("entrypoint", SERVES), member("ready", b"")], "ready"),
]


def test_software_images_that_are_not_safe(world: World) -> None:
    driver = world.driver()
    driver.ensure_host(host("h1"))
    for members, word in IMAGES_THAT_ARE_NOT_SAFE:
        vnfc = compute(build_image(world.directory, members))
        refused(InvalidInput, word, partial(driver.ensure_compute, vnfc))
        assert driver.compute_status(vnfc.id, "h1").state == "gone", word
        assert driver.observe() == NOTHING, word
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

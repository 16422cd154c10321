"""Addresses of a virtual link."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mano.errors import InvalidInput, Refused
from mano.nfvo.ipam import Subnet, assign, gateway_for, subnet_of
from vnf_descriptors.model import IpRange, L3Protocol


def subnet(cidr: str, gateway: str | None = None, *pools: tuple[str, str]) -> Subnet:
    return subnet_of(
        L3Protocol(
            ip_version=6 if ":" in cidr else 4,
            cidr=cidr,
            gateway_ip=gateway,
            pools=tuple(IpRange(first, last) for first, last in pools),
        )
    )


def test_the_lowest_free_address_is_given_and_never_the_gateway():
    net = subnet("10.0.0.0/29", "10.0.0.1")
    assert [assign([net], [4], (), "vm")[0] for _ in range(3)] == ["10.0.0.2/29", "10.0.0.3/29", "10.0.0.4/29"]


def test_a_pool_bounds_what_is_given():
    net = subnet("10.0.0.0/24", None, ("10.0.0.100", "10.0.0.101"))
    assert assign([net], [4], (), "a") == ("10.0.0.100/24",)
    assert assign([net], [4], (), "b") == ("10.0.0.101/24",)
    with pytest.raises(Refused, match=r"c: no address is free in 10\.0\.0\.0/24"):
        assign([net], [4], (), "c")


def test_one_address_of_each_version_that_the_link_has():
    nets = [subnet("192.0.2.0/24"), subnet("fd00::/64")]
    assert assign(nets, [4, 6], (), "cp") == ("192.0.2.1/24", "fd00::1/64")
    assert assign(nets[:1], [4, 6], (), "cp") == ("192.0.2.2/24",)
    assert assign(nets, [], (), "l2 leg") == ()


def test_a_fixed_address_may_be_the_gateway_and_is_taken_once():
    net = subnet("10.10.0.0/24", "10.10.0.1")
    assert assign([net], [4], ("10.10.0.1",), "nat") == ("10.10.0.1/24",)
    with pytest.raises(InvalidInput, match="taken already"):
        assign([net], [4], ("10.10.0.1",), "other")


def test_held_addresses_wait_for_their_owner():
    net = subnet("10.0.0.0/24")
    net.held.add(ip_address("10.0.0.1"))
    assert assign([net], [4], (), "anybody") == ("10.0.0.2/24",)
    assert assign([net], [4], ("10.0.0.1",), "owner") == ("10.0.0.1/24",)


@pytest.mark.parametrize("text", ["10.0.1.1", "fd00::1", "not an address", "10.0.0.1; drop"])
def test_an_address_outside_the_link_is_refused_with_its_owner(text: str):
    with pytest.raises(InvalidInput, match="nat:inside"):
        assign([subnet("10.0.0.0/24")], [4], (text,), "nat:inside")


def test_no_one_is_its_own_gateway():
    net = subnet("10.10.0.0/24", "10.10.0.1")
    assert gateway_for([net], ["10.10.0.2/24"]) == "10.10.0.1"
    assert gateway_for([net], ["10.10.0.1/24"]) == ""
    assert gateway_for([net], []) == ""


@given(st.lists(st.sampled_from(["free", "fixed"]), max_size=30), st.integers(0, 13))
def test_no_address_is_given_twice(kinds: list[str], fixed_start: int):
    net = subnet("10.0.0.0/27", "10.0.0.1")
    given_out: list[str] = []
    for number, kind in enumerate(kinds):
        wanted = (f"10.0.0.{2 + (fixed_start + number) % 28}",) if kind == "fixed" else ()
        try:
            given_out.extend(assign([net], [4], wanted, "x"))
        except (InvalidInput, Refused):
            continue
    assert len(given_out) == len(set(given_out))
    assert "10.0.0.1/27" not in given_out

"""The OpenFlow connection against switches that refuse, fall silent, die or flood."""

from __future__ import annotations

import socket
import struct
import time

import pytest

from sfc.model.actions import Output
from sfc.model.cookies import Cookie, Kind
from sfc.model.fields import Field, FieldMatch
from sfc.model.flows import flow
from sfc.ovs.errors import SwitchRefused, SwitchTimeout, SwitchUnreachable
from sfc.ovs.location import SwitchLocation
from sfc.ovs.messages import EncodedFlow, Type, add_flow
from sfc.ovs.openflow import OpenFlow
from tests.unit.sfc_ovs.fakes import HELLO, openflow, read_openflow, serving

RULE = flow(0, 5, (FieldMatch(Field.IN_PORT, 1),), (Output(2),), Cookie(Kind.PORT_IP))


@pytest.fixture
def location(tmp_path):
    return SwitchLocation("h1", tmp_path)


def switch(location, handler):
    return serving(location.management_socket("br-int"), handler)


def greet(connection: socket.socket) -> None:
    connection.sendall(HELLO)
    read_openflow(connection)


def play_bundle(connection: socket.socket, fail: bool = False) -> list[bytes]:
    """Take a bundle in; returns what was added."""
    added = []
    while True:
        kind, xid, body = read_openflow(connection)
        if kind == Type.BUNDLE_ADD:
            added.append(body[8:])
            if fail:
                connection.sendall(openflow(Type.ERROR, xid, struct.pack("!HH", 2, 9)))
        elif kind == Type.BARRIER_REQUEST:
            connection.sendall(openflow(Type.BARRIER_REPLY, xid))
        elif kind == Type.BUNDLE_CONTROL:
            (stage,) = struct.unpack_from("!H", body, 4)
            assert not (stage == 4 and fail), "a bundle with a refused message must not be committed"
            connection.sendall(openflow(Type.BUNDLE_CONTROL, xid, body[:4] + struct.pack("!HH", stage + 1, 3)))
            if stage == 4:
                return added


def test_a_bundle_carries_its_messages_and_is_committed(location):
    added: list[bytes] = []

    def handler(connection):
        greet(connection)
        added.extend(play_bundle(connection))

    with switch(location, handler), OpenFlow(location, "br-int") as bridge:
        bridge.commit([add_flow(EncodedFlow.of(RULE))])
    assert [message[1] for message in added] == [Type.FLOW_MOD]
    assert added[0][8:] == add_flow(EncodedFlow.of(RULE)).body


def test_a_refused_bundle_names_the_flow_that_was_at_fault(location):
    def handler(connection):
        greet(connection)
        play_bundle(connection, fail=True)

    with (
        switch(location, handler),
        OpenFlow(location, "br-int") as bridge,
        pytest.raises(SwitchRefused, match=r"h1: br-int: bad action \(OpenFlow error 2/9\): cookie=0xca.*output:2"),
    ):
        bridge.commit([add_flow(EncodedFlow.of(RULE))])


def test_a_stale_generation_is_refused(location):
    def handler(connection):
        greet(connection)
        _, xid, body = read_openflow(connection)
        assert struct.unpack("!IHxxQ", body) == (2, 0, 7)
        connection.sendall(openflow(Type.ERROR, xid, struct.pack("!HH", 11, 0)))

    with (
        switch(location, handler),
        OpenFlow(location, "br-int") as bridge,
        pytest.raises(SwitchRefused, match="a newer server is master"),
    ):
        bridge.become_master(7)


def test_a_bridge_without_openflow_1_5_is_told(location):
    def handler(connection):
        connection.sendall(openflow(Type.ERROR, 0, struct.pack("!HH", 0, 0) + b"version"))
        time.sleep(0.2)

    with switch(location, handler), pytest.raises(SwitchRefused, match="must speak OpenFlow"):
        OpenFlow(location, "br-int")


def test_echo_requests_are_answered_and_unknown_messages_passed_over(location):
    echoed = []

    def handler(connection):
        greet(connection)
        connection.sendall(openflow(Type.ECHO_REQUEST, 9, b"alive?") + openflow(77, 0) + openflow(30, 0, b"role"))
        echoed.append(read_openflow(connection))
        echoed.append(read_openflow(connection))
        request = next(each for each in echoed if each[0] == Type.MULTIPART_REQUEST)
        connection.sendall(openflow(Type.MULTIPART_REPLY, request[1], struct.pack("!HHI", 1, 0, 0)))

    with switch(location, handler), OpenFlow(location, "br-int", timeout=5) as bridge:
        assert bridge.flows() == []
    assert (Type.ECHO_REPLY, 9, b"alive?") in echoed


def test_a_reply_in_parts_is_read_whole(location):
    meters = [struct.pack("!HHI", 8, 0, number) for number in (1, 2, 3)]

    def handler(connection):
        greet(connection)
        _, xid, _ = read_openflow(connection)
        for number, meter in enumerate(meters):
            more = number < len(meters) - 1
            part = openflow(Type.MULTIPART_REPLY, xid, struct.pack("!HHI", 10, more, 0) + meter)
            connection.sendall(part[:9])
            time.sleep(0.01)
            connection.sendall(part[9:])

    with switch(location, handler), OpenFlow(location, "br-int") as bridge:
        assert bridge.meter_ids() == {1, 2, 3}


def test_a_reply_that_contradicts_itself_is_refused(location):
    def handler(connection):
        greet(connection)
        _, xid, _ = read_openflow(connection)
        connection.sendall(openflow(Type.MULTIPART_REPLY, xid, struct.pack("!HHI", 10, 0, 0) + b"\x00\x63"))

    with (
        switch(location, handler),
        OpenFlow(location, "br-int") as bridge,
        pytest.raises(SwitchRefused, match="cannot be read"),
    ):
        bridge.meter_ids()


def test_silence_ends_at_the_deadline(location):
    with switch(location, lambda connection: time.sleep(1)), pytest.raises(SwitchTimeout, match="did not answer"):
        OpenFlow(location, "br-int", timeout=0.05)


def test_a_death_in_the_middle_is_a_dead_switch(location):
    def handler(connection):
        greet(connection)
        read_openflow(connection)

    with (
        switch(location, handler),
        OpenFlow(location, "br-int") as bridge,
        pytest.raises(SwitchUnreachable, match="h1: Open vSwitch does not answer"),
    ):
        bridge.flows()


def test_a_bridge_that_does_not_exist_is_a_dead_switch(location):
    with pytest.raises(SwitchUnreachable, match=r"br-int\.mgmt"):
        OpenFlow(location, "br-int")


def test_neither_side_waits_for_ever_when_both_talk_at_length(location):
    """The switch answers every message with an error before it reads on; together more than sockets buffer."""
    count = 20_000

    def handler(connection):
        greet(connection)
        for _ in range(count):
            _, xid, _ = read_openflow(connection)
            connection.sendall(openflow(Type.ERROR, xid, struct.pack("!HH", 5, 1) + bytes(60)))
        _, xid, _ = read_openflow(connection)
        connection.sendall(openflow(Type.BARRIER_REPLY, xid))

    with (
        switch(location, handler),
        OpenFlow(location, "br-int", timeout=60) as bridge,
        pytest.raises(SwitchRefused, match="the table is full"),
    ):
        bridge.send([add_flow(EncodedFlow.of(RULE))] * count)

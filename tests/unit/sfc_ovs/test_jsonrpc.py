"""The JSON-RPC connection against servers that answer in pieces, late, wrongly or not at all."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path

import pytest

from sfc.ovs.control import ask
from sfc.ovs.errors import SwitchRefused, SwitchTimeout, SwitchUnreachable
from sfc.ovs.jsonrpc import JsonRpc
from sfc.ovs.location import SwitchLocation
from tests.unit.sfc_ovs.fakes import read_json, serving


def answer(connection: socket.socket, result: object, error: object = None) -> None:
    request = read_json(connection)
    connection.sendall(json.dumps({"id": request["id"], "result": result, "error": error}).encode())


def test_an_answer_in_single_octets_is_put_together(tmp_path):
    def slowly(connection: socket.socket) -> None:
        request = read_json(connection)
        for octet in json.dumps({"id": request["id"], "result": {"text": "ein Ä {"}, "error": None}).encode():
            connection.sendall(bytes([octet]))

    with serving(tmp_path / "s", slowly), JsonRpc("h1", tmp_path / "s") as rpc:
        assert rpc.call("anything") == {"text": "ein Ä {"}


def test_an_echo_request_in_between_is_answered(tmp_path):
    echoes = []

    def with_echo(connection: socket.socket) -> None:
        request = read_json(connection)
        connection.sendall(b'{"method":"echo","params":["x"],"id":"echo"}')
        echoes.append(read_json(connection))
        reply = {"id": request["id"], "result": 5, "error": None}
        connection.sendall(json.dumps(reply).encode() + b"\n")

    with serving(tmp_path / "s", with_echo), JsonRpc("h1", tmp_path / "s") as rpc:
        assert rpc.call("anything") == 5
    assert echoes == [{"id": "echo", "result": ["x"], "error": None}]


def test_answers_to_other_requests_are_passed_over(tmp_path):
    def twice(connection: socket.socket) -> None:
        request = read_json(connection)
        connection.sendall(
            b'{"id":77,"result":1,"error":null}' + json.dumps({"id": request["id"], "result": 2}).encode()
        )

    with serving(tmp_path / "s", twice), JsonRpc("h1", tmp_path / "s") as rpc:
        assert rpc.call("anything") == 2


@pytest.mark.parametrize(
    ("error", "words"), [("no such command", "no such command"), ({"error": "bad", "details": "why"}, "bad why")]
)
def test_a_refusal_carries_the_servers_words_and_the_host(tmp_path, error, words):
    with (
        serving(tmp_path / "s", lambda connection: answer(connection, None, error)),
        JsonRpc("h1", tmp_path / "s") as rpc,
        pytest.raises(SwitchRefused, match=f"h1: method: {words}") as caught,
    ):
        rpc.call("method")
    assert caught.value.host == "h1"


def test_silence_ends_at_the_deadline(tmp_path):
    with (
        serving(tmp_path / "s", lambda connection: time.sleep(1)),
        JsonRpc("h1", tmp_path / "s") as rpc,
        pytest.raises(SwitchTimeout, match="did not answer method"),
    ):
        rpc.call("method", timeout=0.05)


def test_a_closed_connection_is_a_dead_switch(tmp_path):
    with (
        serving(tmp_path / "s", lambda connection: connection.close()),
        JsonRpc("h1", tmp_path / "s") as rpc,
        pytest.raises(SwitchUnreachable, match="start its ovsdb-server"),
    ):
        rpc.call("method")


@pytest.mark.parametrize("text", [b"[1, 2]}", b'"text"}'])
def test_a_message_that_is_no_object_is_refused(tmp_path, text):
    def nonsense(connection: socket.socket) -> None:
        read_json(connection)
        connection.sendall(text)
        time.sleep(0.5)

    with (
        serving(tmp_path / "s", nonsense),
        JsonRpc("h1", tmp_path / "s") as rpc,
        pytest.raises(SwitchRefused, match="no JSON object"),
    ):
        rpc.call("method", timeout=5)


def test_an_endless_answer_is_cut_off(tmp_path, monkeypatch):
    monkeypatch.setattr("sfc.ovs.jsonrpc._MAX_MESSAGE", 10_000)

    def endless(connection: socket.socket) -> None:
        read_json(connection)
        while True:
            connection.sendall(b'{"a":' * 1000)

    with (
        serving(tmp_path / "s", endless),
        JsonRpc("h1", tmp_path / "s") as rpc,
        pytest.raises(SwitchRefused, match="sent more than"),
    ):
        rpc.call("method", timeout=5)


def test_a_path_longer_than_a_socket_address_is_reached(tmp_path):
    rundir = tmp_path / ("x" * 120)
    location = SwitchLocation("h1", rundir)
    with serving(location.control_socket, lambda connection: answer(connection, "3.1.0\n")):
        assert ask(location, "version") == "3.1.0\n"


def test_nobody_there_is_a_dead_switch(tmp_path):
    with pytest.raises(SwitchUnreachable, match="h1: Open vSwitch does not answer"):
        ask(SwitchLocation("h1", tmp_path / "gone"), "version")


@pytest.mark.parametrize(
    ("host", "namespace", "rundir"),
    [("h 1", None, "/run"), ("h1", "a;b", "/run"), ("h1", None, "run"), ("", None, "/run"), ("-h", None, "/run")],
)
def test_a_location_with_unsafe_names_cannot_be(host, namespace, rundir):
    with pytest.raises(ValueError, match=r"not allowed|absolute"):
        SwitchLocation(host, Path(rundir), namespace)

"""What commands ask of OVSDB, given what is there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sfc.ovs.commands import EnsureBridge, EnsurePort, LimitPort, RemoveBridge, RemovePort, SetSwitchConfig, WrongBridge
from sfc.ovs.switch_state import Snapshot, read_snapshot

UUID = "00000000-0000-0000-0000-00000000000{}"


def rows(mtu: int | list[Any] = 1600, *, limited: bool = False) -> list[dict[str, Any]]:
    """One bridge with its own port and one more, as ovsdb-server gives them."""

    def interface(number: int, name: str, kind: str, ofport: int, request: object) -> dict[str, Any]:
        return {
            "_uuid": ["uuid", UUID.format(number)],
            "name": name,
            "type": kind,
            "ofport": ofport,
            "ofport_request": request,
            "mtu": 1600,
            "mtu_request": mtu,
            "mac_in_use": "02:00:00:00:00:01",
            "link_state": "up",
            "error": ["set", []],
            "options": ["map", []],
            "external_ids": ["map", [["owner", "somebody"]]],
            "bfd": ["map", []],
            "statistics": ["map", [["rx_packets", 3]]],
        }

    def port(number: int, name: str, of: int) -> dict[str, Any]:
        limit = ["uuid", UUID.format(7)] if name == "p1" and limited else ["set", []]
        return {
            "_uuid": ["uuid", UUID.format(number)],
            "name": name,
            "interfaces": ["uuid", UUID.format(of)],
            "qos": limit,
        }

    bridge = {
        "_uuid": ["uuid", UUID.format(9)],
        "name": "br-int",
        "datapath_type": "netdev",
        "fail_mode": "secure",
        "protocols": ["set", ["OpenFlow10", "OpenFlow13", "OpenFlow14", "OpenFlow15"]],
        "other_config": ["map", []],
        "external_ids": ["map", []],
        "ports": ["set", [["uuid", UUID.format(1)], ["uuid", UUID.format(2)]]],
    }
    interfaces = [interface(3, "br-int", "internal", 65534, ["set", []]), interface(4, "p1", "", 1, 1)]
    return [
        {"rows": [bridge]},
        {"rows": [port(1, "br-int", 3), port(2, "p1", 4)]},
        {"rows": interfaces},
        {"rows": [{"other_config": ["map", [["a", "1"]]]}]},
        {"rows": [{"_uuid": ["uuid", UUID.format(7)], "other_config": ["map", [["max-rate", "1000"]]]}]},
    ]


NOW = read_snapshot(rows())
EMPTY = Snapshot({}, {}, {})


def operations(command: Any, now: Snapshot = NOW) -> list[dict[str, Any]]:
    return list(command.operations(now))


def test_the_snapshot_joins_bridges_ports_and_interfaces():
    port = NOW.ports["p1"]
    assert (port.bridge, port.ofport, port.requested_ofport, port.mtu, port.link_up) == ("br-int", 1, 1, 1600, True)
    assert port.statistics == {"rx_packets": 3}
    assert NOW.bridges["br-int"].ports == ("br-int", "p1")


def test_what_is_true_needs_nothing():
    assert operations(EnsureBridge("br-int")) == []
    assert operations(EnsurePort("br-int", "p1", ofport=1, mtu=1600, external_ids={"owner": "somebody"})) == []
    assert operations(RemovePort("p2")) == []
    assert operations(RemoveBridge("br-x")) == []
    assert operations(SetSwitchConfig({"a": "1"})) == []


def test_a_new_bridge_is_one_guarded_insertion():
    found = operations(EnsureBridge("br-int", mtu=1600), EMPTY)
    assert [each["op"] for each in found] == ["wait", "insert", "insert", "insert", "mutate"]
    assert found[0]["rows"] == []
    assert found[1]["row"] == {"name": "br-int", "type": "internal", "mtu_request": 1600}


def test_a_new_port_needs_its_bridge_and_nobody_of_its_name():
    found = operations(EnsurePort("br-int", "p2", ofport=2))
    assert [(each["op"], each.get("rows")) for each in found[:2]] == [("wait", [{"name": "br-int"}]), ("wait", [])]
    assert found[2]["row"]["ofport_request"] == 2
    assert found[-1]["mutations"][0][:2] == ["ports", "insert"]


def test_only_columns_that_differ_are_updated_and_foreign_keys_stay():
    (guard, update) = operations(EnsurePort("br-int", "p1", ofport=1, mtu=1500, external_ids={"catena": "x"}))
    assert guard["op"] == "wait"
    assert update["row"] == {
        "mtu_request": 1500,
        "external_ids": ["map", [["catena", "x"], ["owner", "somebody"]]],
    }


def test_removal_takes_the_reference_away():
    (removal,) = operations(RemovePort("p1"))
    assert removal["mutations"] == [["ports", "delete", ["uuid", UUID.format(2)]]]


def test_a_limit_takes_the_place_of_another_and_goes_with_its_port():
    limited = read_snapshot(rows(limited=True))
    assert (NOW.ports["p1"].max_rate_bps, limited.ports["p1"].max_rate_bps) == (0, 1000)
    assert operations(LimitPort("p1", 0)) == operations(LimitPort("p1", 1000), limited) == []
    changed = operations(LimitPort("p1", 5000), limited)
    assert [(each["op"], each["table"]) for each in changed[1:]] == [
        ("delete", "QoS"),
        ("delete", "Queue"),
        ("insert", "Queue"),
        ("insert", "QoS"),
        ("update", "Port"),
    ]
    assert changed[4]["row"]["other_config"] == ["map", [["max-rate", "5000"]]]
    for gone in (operations(LimitPort("p1", 0), limited), operations(RemovePort("p1"), limited)):
        assert gone[-1]["row"] == {"qos": ["set", []]}
    with pytest.raises(ValueError, match="less than nothing"):
        LimitPort("p1", -1)


def test_a_port_of_another_bridge_is_not_stolen():
    elsewhere = replace(NOW, ports={"p1": replace(NOW.ports["p1"], bridge="br-ext")})
    with pytest.raises(WrongBridge, match="on br-ext, not on br-int"):
        operations(EnsurePort("br-int", "p1"), elsewhere)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: EnsureBridge("br int"),
        lambda: EnsureBridge("a" * 16),
        lambda: EnsureBridge("br-int", fail_mode="open"),
        lambda: EnsurePort("br-int", "x\ny"),
        lambda: EnsurePort("br-int", "p1", ofport=0),
        lambda: EnsurePort("br-int", "p1", ofport=0xFF00),
    ],
)
def test_names_and_numbers_are_checked_at_birth(wrong):
    with pytest.raises(ValueError, match=r"name|fail mode|OpenFlow number"):
        wrong()


def test_handles_of_names_with_odd_characters_are_identifiers():
    found = operations(EnsurePort("br-int", "a.b-c_d"))
    handles = [each["uuid-name"] for each in found if each["op"] == "insert"]
    assert all(handle.isidentifier() for handle in handles)

"""Configuration of the firewall and the NAT becomes nftables' text, and nothing else does."""

from __future__ import annotations

import json

import pytest

from tests.unit.images.conftest import SAMPLES

IMAGES = ("firewall", "dpi", "nat")


def interface(image, name: str, device: str, *addresses: str):
    return image.vnf.Interface(name, device, "02:00:00:00:00:01", addresses, "", 1500)


def test_all_images_bear_the_same_surroundings():
    texts = {(SAMPLES / name / "images" / name / "vnf.py").read_text() for name in IMAGES}
    assert len(texts) == 1


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_names_an_entry_point_that_can_be_run(name):
    directory = SAMPLES / name / "images" / name
    entry = directory / (directory / "image.yaml").read_text().rpartition("entrypoint: ")[2].strip()
    assert entry.stat().st_mode & 0o111
    assert entry.read_text().startswith("#!/usr/bin/python3 -IB\n")


def test_without_user_data_the_firewall_blocks_telnet(firewall):
    text = firewall.rules.ruleset(firewall.rules.read_policy({}))
    assert 'tcp dport 23 counter name "blocked_tcp_23" drop' in text
    assert 'unsolicited" drop' not in text


def test_the_firewall_takes_ports_prefixes_and_its_own_address(firewall):
    policy = firewall.rules.read_policy(
        {
            "blockedTcpPorts": ["25", 23, 23],
            "rejectedTcpPorts": 111,
            "rejectedUdpPorts": [69],
            "insidePrefixes": ["10.10.0.0/24", "fd10::/64"],
            "ownAddress": "10.10.0.254/24",
        }
    )
    text = firewall.rules.ruleset(policy)
    assert policy.blocked == (23, 25)
    assert str(policy.own_address) == "10.10.0.254"
    assert 'tcp dport 111 counter name "rejected_tcp_111" reject with tcp reset' in text
    assert 'udp dport 69 counter name "rejected_udp_69" reject' in text
    assert 'ct state new ip saddr { 10.10.0.0/24 } counter name "accepted_new" accept' in text
    assert 'ct state new ip6 saddr { fd10::/64 } counter name "accepted_new" accept' in text
    assert text.index("saddr") < text.index('counter name "unsolicited" drop')


@pytest.mark.parametrize(
    "user_data",
    [
        {"blockedTcpPorts": [0]},
        {"blockedTcpPorts": ["23 drop\n"]},
        {"blockedTcpPorts": list(range(1, 1100))},
        {"rejectedTcpPorts": [65536]},
        {"rejectedUdpPorts": [-1]},
        {"insidePrefixes": ["10.10.0.0/24 }; flush ruleset #"]},
        {"ownAddress": "10.10.0.1; reboot"},
    ],
)
def test_the_firewall_refuses_what_is_no_port_or_address(firewall, user_data):
    with pytest.raises(firewall.vnf.BadConfiguration, match="userData"):
        firewall.rules.read_policy(user_data)


def test_the_nat_translates_its_inside_network_to_its_outside_address(nat):
    inside = interface(nat, "inside", "eth0", "10.10.0.1/24")
    outside = interface(nat, "outside", "eth1", "198.51.100.2/24")
    text = nat.rules.ruleset(nat.rules.read_policy(inside, outside, {"insidePrefixes": ["10.20.0.0/16"]}))
    for prefix in ("10.10.0.0/24", "10.20.0.0/16"):
        rule = f'oifname "eth1" ip saddr {prefix} counter name "translated" snat ip to 198.51.100.2'
        assert rule in text
    assert "policy drop" in text


@pytest.mark.parametrize(
    ("inside", "outside", "user_data"),
    [
        ((), ("198.51.100.2/24",), {}),
        (("fd10::1/64",), ("198.51.100.2/24",), {}),
        (("10.10.0.1/24",), (), {}),
        (("10.10.0.1/24; x",), ("198.51.100.2/24",), {}),
        (("10.10.0.1/24",), ("198.51.100.2/24",), {"insidePrefixes": ["::/0"]}),
    ],
)
def test_the_nat_refuses_a_configuration_without_two_addresses(nat, inside, outside, user_data):
    with pytest.raises(nat.vnf.BadConfiguration):
        nat.rules.read_policy(
            interface(nat, "inside", "a", *inside), interface(nat, "outside", "b", *outside), user_data
        )


def test_a_device_name_that_could_be_more_than_a_name_is_refused(nat, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"interfaces": [{"name": "in", "device": 'a" accept #'}]}))
    with pytest.raises(nat.vnf.BadConfiguration, match="no name of a network device"):
        nat.vnf.Vnf(tmp_path)


def test_the_surroundings_are_read_and_written_in_the_given_directory(nat, tmp_path):
    document = {
        "name": "nat-1",
        "interfaces": [{"name": "inside", "device": "eth0", "mac": "02:00:00:00:00:01", "addresses": ["10.10.0.1/24"]}],
        "userData": {"a": 1},
    }
    (tmp_path / "config.json").write_text(json.dumps(document))
    vnf = nat.vnf.Vnf(tmp_path)
    vnf.save("counters", {"packets": 3})
    vnf.ready()
    assert vnf.interface("inside").addresses == ("10.10.0.1/24",)
    assert vnf.user_data == {"a": 1}
    assert json.loads((tmp_path / "state" / "counters.json").read_text()) == {"packets": 3}
    assert (tmp_path / "ready").exists()
    line = json.loads((tmp_path / "log" / "vnf.log").read_text())
    assert (line["vnf"], line["event"]) == ("nat-1", "ready")
    with pytest.raises(nat.vnf.BadConfiguration, match="there is no interface 'out'"):
        vnf.interface("out")


def test_the_log_is_turned_over_when_it_is_full(nat, tmp_path, monkeypatch):
    (tmp_path / "config.json").write_text("{}")
    monkeypatch.setattr(nat.vnf, "LOG_MAX_OCTETS", 300)
    vnf = nat.vnf.Vnf(tmp_path)
    for number in range(20):
        vnf.log("tick", number=number)
    assert (tmp_path / "log" / "vnf.log").stat().st_size < 500
    assert (tmp_path / "log" / "vnf.log.1").exists()

"""EAL, vhost-user, Open vSwitch with DPDK, testpmd: what is said to them and what they say."""

from __future__ import annotations

from typing import Any

import pytest

from dpdk_helpers.eal import EalArguments, EalError, Vdev, socket_mem
from dpdk_helpers.ovs_dpdk import (
    OvsDpdkError,
    PmdThread,
    Rxq,
    parse_pmd_rxq_show,
    parse_pmd_stats_show,
    plan_pmds,
    unpolled,
)
from dpdk_helpers.pci import PciAddress
from dpdk_helpers.testpmd import PortStats, TestpmdCommand, TestpmdError, parse_port_stats
from dpdk_helpers.topology import Core, HostTopology, NumaNode
from dpdk_helpers.vhost import VhostError, VhostPort

RXQ_SHOW = """\
Displaying last 60 seconds pmd usage %
pmd thread numa_id 0 core_id 0:
  isolated : true
  port: vhu2              queue-id:  0 (enabled)   pmd usage: NOT AVAIL
  overhead: NOT AVAIL
pmd thread numa_id 1 core_id 9:
  isolated : false
  port: vhu2              queue-id:  1 (disabled)  pmd usage:  7 %
  overhead:  2 %
"""

STATS_SHOW = """\
pmd thread numa_id 0 core_id 1:
  packets received: 1000
  packet recirculations: 0
  miss with success upcall: 4
  miss with failed upcall: 2
  idle cycles: 6000 (75.00%)
  processing cycles: 2000 (25.00%)
  avg cycles per packet: 8.00 (8000/1000)
main thread:
  packets received: 0
  miss with failed upcall: 0
"""

PORT_STATS = """\
  ######################## NIC statistics for port 0  ########################
  RX-packets: 4170336    RX-missed: 5          RX-bytes:  266901504
  RX-errors: 0
  RX-nombuf:  0
  TX-packets: 4169984    TX-errors: 1          TX-bytes:  266878976

  Throughput (since last show)
  Rx-pps:      1723048          Rx-bps:    882200832
  Tx-pps:      1722698          Tx-bps:    882021760
  ############################################################################
  ######################## NIC statistics for port 1  ########################
  RX-packets: 4169952    RX-missed: 0
"""


def host(isolated=()):
    cores = tuple(Core((n, n + 4), n, n // 2, n // 2) for n in range(4))
    nodes = (NumaNode(0, (0, 1, 4, 5), 1, 1), NumaNode(1, (2, 3, 6, 7), 1, 1))
    return HostTopology((), nodes, cores, (), tuple(isolated))


def test_eal_arguments_are_words():
    eal = EalArguments(
        lcores=(1, 2, 3),
        main_lcore=1,
        socket_mem_mib={1: 512},
        file_prefix="vnf",
        allow=(PciAddress.parse("0000:3b:02.0"),),
        single_file_segments=True,
    )
    assert eal.argv() == [
        *("-l", "1-3", "--main-lcore", "1", "--socket-mem", "0,512", "--file-prefix=vnf"),
        *("--single-file-segments", "-a", "0000:3b:02.0"),
    ]
    mapped = EalArguments(lcore_map={0: 5, 1: 5}, no_pci=True, huge_pages=False, memory_mib=32)
    assert mapped.argv() == ["--lcores", "0@5,1@5", "-m", "32", "--no-pci", "--no-huge"]


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"lcores": (1,), "lcore_map": {0: 1}},
        {"lcores": (-1,)},
        {"lcores": (1,), "main_lcore": 2},
        {"lcores": (1,), "file_prefix": "a b"},
        {"lcores": (1,), "no_pci": True, "allow": (PciAddress(0, 0, 0, 0),)},
        {"lcores": (1,), "memory_mib": -1},
        {"lcores": (1,), "huge_pages": False, "socket_mem_mib": {0: 1}},
    ],
)
def test_contradicting_eal_arguments_are_refused(arguments):
    with pytest.raises(EalError, match="expected"):
        EalArguments(**arguments)


@pytest.mark.parametrize("parameters", [{"path": "/a,queues=9"}, {"path": "a b"}, {"p=q": 1}, {"path": ""}])
def test_a_parameter_never_becomes_two(parameters):
    with pytest.raises(EalError):
        Vdev("net_virtio_user0", parameters)


def test_socket_mem_counts_from_node_zero():
    assert socket_mem({0: 1024, 2: 512}) == "1024,0,512"
    for wrong in ({}, {-1: 1}, {5000: 1}):
        with pytest.raises(EalError):
            socket_mem(wrong)


def test_both_ends_of_a_vhost_port_name_the_same_socket():
    port = VhostPort("vhu0", "/run/x/vhu0.sock", queues=2)
    assert port.ovs_interface() == {"type": "dpdkvhostuserclient", "options": {"vhost-server-path": "/run/x/vhu0.sock"}}
    assert str(port.virtio_user(3)) == "net_virtio_user3,path=/run/x/vhu0.sock,server=1,queues=2"


@pytest.mark.parametrize(
    ("name", "socket", "queues"),
    [
        ("a" * 16, "/s", 1),
        ("", "/s", 1),
        ("a b", "/s", 1),
        ("a", "relative", 1),
        ("a", "/a/../b", 1),
        ("a", "/" + "s" * 107, 1),
        ("a", "/s,x=1", 1),
        ("a", "/s", 0),
        ("a", "/s", 129),
    ],
)
def test_ports_that_cannot_be_are_refused(name, socket, queues):
    with pytest.raises(VhostError, match="expected"):
        VhostPort(name, socket, queues)


def test_poll_mode_threads_take_whole_cores_isolated_ones_first():
    plan = plan_pmds(host(isolated=(1, 5, 3, 7)), [0, 1], cores_per_node=1, memory_mib=256, housekeeping=[0])
    assert plan.pmd_cpus == (1, 3, 5, 7)
    assert plan.other_config()["dpdk-socket-mem"] == "256,256"
    assert plan.other_config()["pmd-cpu-mask"] == "0xaa"
    assert plan_pmds(host(), [1], cores_per_node=2, memory_mib=1, housekeeping=[4]).pmd_cpus == (2, 3, 6, 7)


def test_poll_mode_threads_leave_the_housekeeping_core_alone():
    with pytest.raises(OvsDpdkError, match="2 cores to spare on node 0, found 1"):
        plan_pmds(host(), [0], cores_per_node=2, memory_mib=1, housekeeping=[4])
    with pytest.raises(OvsDpdkError, match="online CPU"):
        plan_pmds(host(), [0], cores_per_node=1, memory_mib=1, housekeeping=[99])


def test_queues_are_read_with_their_threads():
    threads = parse_pmd_rxq_show(RXQ_SHOW)
    assert threads == (
        PmdThread(0, 0, True, (Rxq("vhu2", 0, True, None),)),
        PmdThread(1, 9, False, (Rxq("vhu2", 1, False, 7),)),
    )
    assert unpolled(threads, {"vhu2": 2, "vhu3": 1}) == (("vhu3", 0),)


@pytest.mark.parametrize(
    "text", ["  port: a queue-id: 0 (enabled) pmd usage: 1 %", "pmd thread numa_id 0 core_id 1:\n  port: a"]
)
def test_reports_that_make_no_sense_are_refused(text):
    with pytest.raises(OvsDpdkError, match="expected"):
        parse_pmd_rxq_show(text)


def test_counters_are_read_by_thread():
    thread, main = parse_pmd_stats_show(STATS_SHOW)
    assert (thread.numa_node, thread.cpu, thread.packets, thread.upcalls_failed) == (0, 1, 1000, 2)
    assert (thread.busy_percent, thread.cycles_per_packet) == (25.0, 2.0)
    assert (main.cpu, main.busy_percent, main.cycles_per_packet) == (None, 0.0, None)
    assert parse_pmd_stats_show("") == ()


def test_testpmd_leaves_one_lcore_to_its_command_line():
    eal = EalArguments(lcores=(1, 2), no_pci=True)
    words = TestpmdCommand(eal, tx_first=True, stats_period_s=None).argv()
    assert words[words.index("--") + 1 :] == [
        *("--total-num-mbufs=8192", "--nb-cores=1", "--rxq=1", "--txq=1", "--forward-mode=io", "--auto-start"),
        *("--tx-first", "--no-lsc-interrupt"),
    ]
    wrongs: tuple[dict[str, Any], ...] = ({"cores": 2}, {"queues": 0}, {"mbufs": 1024}, {"stats_period_s": 0})
    for wrong in wrongs:
        with pytest.raises(TestpmdError, match="expected"):
            TestpmdCommand(eal, **wrong)


def test_port_statistics_are_read_and_half_of_one_is_not():
    assert parse_port_stats(PORT_STATS) == (PortStats(0, 4170336, 5, 4169984, 1, 1723048, 1722698),)
    assert parse_port_stats("noise\n") == ()

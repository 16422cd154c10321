"""Helpers for DPDK hosts: CPU sets, topology, huge pages, PCI, SR-IOV, EAL, vhost-user, Open vSwitch, testpmd.

`dpdk_helpers.sysfs` reads files; everything else works on values. Importing one module loads no other library.
"""

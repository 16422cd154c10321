"""Open vSwitch by its own protocols: OVSDB, OpenFlow and the control socket of ovs-vswitchd.

The only part of :mod:`sfc` that does I/O. Everything goes through Unix sockets below one run directory, so no
network namespace has to be entered to talk to a switch. Start with :class:`sfc.ovs.location.SwitchLocation`.
"""

"""Claims about the running network service, each tried with real packets, each able to fail.

They run in the order of the two lists: the first while the underlay is captured, the second on what was captured and
counted meanwhile.
"""

from __future__ import annotations

from mano.cli.demo.checks.claims import Check, outcome
from mano.cli.demo.checks.forged import check_forgeries
from mano.cli.demo.checks.packets import (
    check_blocked_port,
    check_dns,
    check_dpi_names,
    check_fragments,
    check_full_size,
    check_http,
    check_management_network,
    check_tls,
)
from mano.cli.demo.checks.tables import check_chain_choice, check_drift, check_traces
from mano.cli.demo.checks.wire import check_context_header, check_underlay

__all__ = ["AFTERWARDS", "WHILE_CAPTURING", "Check", "outcome"]

WHILE_CAPTURING: tuple[Check, ...] = (
    Check("HTTP is answered through the chain", check_http),
    Check("TLS is answered through the chain", check_tls),
    Check("full-size packets pass", check_full_size),
    Check("dpi recognises this run's names", check_dpi_names),
    Check("DNS is answered", check_dns),
    Check("fragments pass", check_fragments),
    Check("a blocked port dies in the firewall", check_blocked_port),
    Check("forged frames go nowhere", check_forgeries),
    Check("the management network is real", check_management_network),
)
"""Checks that send packets; the underlay is captured meanwhile."""

AFTERWARDS: tuple[Check, ...] = (
    Check("SPI, SI, TTL and context on the underlay are as planned", check_underlay),
    Check("dpi's context header is on the next hop's wire", check_context_header),
    Check("each chain counted its own traffic", check_chain_choice),
    Check("simulator and switches agree hop by hop", check_traces),
    Check("the bridges hold what was rendered", check_drift),
)
"""Checks on what was captured and counted."""

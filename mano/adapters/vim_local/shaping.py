"""Bit rates of ports: a token bucket at each end of a port's pair (tc-tbf), so that both directions are limited.

Open vSwitch's own policing would not see these packets: its userspace datapath takes them before the kernel polices.
"""

from __future__ import annotations

from mano.adapters.vim_local import links, netns
from mano.adapters.vim_local.commands import run
from mano.adapters.vim_local.effects import Effects

KIND = "tbf"
_BURST_MIN_OCTETS = 65536
"""One segment that offloading left whole must fit into the bucket."""
_BURST_S = 0.01
_QUEUE_S = 0.05


def shape(effects: Effects, namespace: str, link: links.Link, bit_rate_bps: int) -> None:
    """What the interface sends is limited to a bit rate; 0 takes the limit away. Nothing happens where that is so."""
    if is_shaped(namespace, link, bit_rate_bps):
        return
    with effects("port.rate"):
        run(["tc", "-n", namespace, "qdisc", *_bucket(link.name, bit_rate_bps)])


def is_shaped(namespace: str, link: links.Link, bit_rate_bps: int) -> bool:
    """True when the interface has this limit; of 0 bit/s, when it has none."""
    if not bit_rate_bps or link.qdisc != KIND:
        return not bit_rate_bps and link.qdisc != KIND
    return bit_rate(namespace, link.name) == bit_rate_bps // 8 * 8  # the kernel counts octets


def bit_rate(namespace: str, name: str) -> int:
    """The limit of what an interface sends, in bit/s; 0 for none."""

    def ask() -> int:
        from pyroute2 import IPRoute

        with IPRoute() as kernel:
            (index,) = kernel.link_lookup(ifname=name)
            found = [one for one in kernel.get_qdiscs(index=index) if one.get_attr("TCA_KIND") == KIND]
            if not found:
                return 0
            options = found[0].get_attr("TCA_OPTIONS")
            wide = options.get_attr("TCA_TBF_RATE64")
            return 8 * int(wide or options.get_attr("TCA_TBF_PARMS")["rate"])

    return netns.inside(namespace, ask)


def _bucket(name: str, bit_rate_bps: int) -> list[str]:
    if not bit_rate_bps:
        return ["delete", "dev", name, "root"]
    burst = max(_BURST_MIN_OCTETS, int(bit_rate_bps / 8 * _BURST_S))
    limit = burst + int(bit_rate_bps / 8 * _QUEUE_S)
    rate = ["rate", f"{bit_rate_bps}bit", "burst", str(burst), "limit", str(limit)]
    return ["replace", "dev", name, "root", KIND, *rate]

"""What a VNFC may send through a port: a token bucket at the port's inner end (tc-tbf).

What it may get is limited by Open vSwitch's own quality of service. Its policing would not see what comes in: the
userspace datapath takes packets before the kernel polices them.
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
    if bit_rate_bps == (bit_rate(namespace, link.name) if link.qdisc == KIND else 0):
        return
    with effects("port.rate"):
        run(["tc", "-n", namespace, "qdisc", *_bucket(link.name, bit_rate_bps)])


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

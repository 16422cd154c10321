"""What an NSD promises the packets of a forwarding path: bit rate and latency of the links between functions."""

from __future__ import annotations

from collections.abc import Sequence

from vnf_descriptors.model import NsFlavour, NsVirtualLink

BPS_PER_MBPS = 10**6


def bounds_of(flavour: NsFlavour, hops: Sequence[str | None]) -> dict[str, int]:
    """`bandwidthMbps` and `maxLatencyUs` of a chain in a PlacementRequest, each where the NSD says it.

    ``hops`` names the virtual link of each hop, None where the NSD names none. A path needs the greatest rate that a
    link of it guarantees (``min_bitrate_requirements``; what a link is limited to is not kept free for it). Its
    latency is bounded when that of every hop is, by their sum: a link's ``qos`` holds for each crossing (IFA 014,
    clauses 6.5.4 and 6.5.6).
    """
    known = {link.id: link for link in flavour.virtual_links}
    links = [known.get(hop or "") for hop in hops]
    rate = max((_guaranteed_mbps(link) for link in links if link is not None), default=0)
    latencies = [link.qos.latency_us for link in links if link is not None and link.qos is not None]
    bounds = {"bandwidthMbps": rate} if rate else {}
    if hops and len(latencies) == len(hops):
        bounds["maxLatencyUs"] = sum(latencies)
    return bounds


def _guaranteed_mbps(link: NsVirtualLink) -> int:
    """Rounded up, as a bit less is not what was promised."""
    return 0 if link.min_bitrate is None else -(-link.min_bitrate.root_bps // BPS_PER_MBPS)

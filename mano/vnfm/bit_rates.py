"""Bit rates of the links inside a VNF, which follow from its size (SOL001 clause 6.10, VirtualLinkBitrate). Pure.

A link of which neither an instantiation level nor a scaling aspect says anything has no limit. Each port on a link gets
what the VNFD calls the leaf's bit rate, without one the root's: what the ports of a link may carry together is not
counted across hosts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from mano.errors import InvalidInput
from mano.vnfm.resources import PlannedCompute
from mano.vnfm.scaling import Size, initial_levels
from vnf_descriptors.model import Bitrate, ScalingAspect, VnfFlavour, VnfVirtualLink


def rates_at(flavour: VnfFlavour, size: Size) -> dict[str, Bitrate]:
    """Virtual link to its bit rates; raises InvalidInput for a rate outside of what the link's profile allows."""
    found = {link.id: rate for link in flavour.virtual_links if (rate := _rate(flavour, link, size)) is not None}
    for link in flavour.virtual_links:
        if link.id in found:
            _check(link, found[link.id])
    return found


def with_rates(computes: Iterable[PlannedCompute], rates: Mapping[str, Bitrate]) -> tuple[PlannedCompute, ...]:
    """The VNFCs with ports that carry as much as their links."""
    return tuple(
        replace(
            compute,
            ports=tuple(
                replace(port, spec=replace(port.spec, bit_rate_bps=_of_port(rates.get(port.link_id))))
                for port in compute.ports
            ),
        )
        for compute in computes
    )


def _of_port(rate: Bitrate | None) -> int:
    if rate is None:
        return 0
    return rate.root_bps if rate.leaf_bps is None else rate.leaf_bps


def _rate(flavour: VnfFlavour, link: VnfVirtualLink, size: Size) -> Bitrate | None:
    """What the level says and the steps since then add; else what there is at scale level 0 and all steps add."""
    level = flavour.level(size.level_id or None)
    said = level.link_bitrates.get(link.id) if level is not None else None
    start = said or flavour.initial_link_bitrates.get(link.id)
    base = initial_levels(flavour, size.level_id) if said else {}
    gained = [rate for aspect in flavour.scaling_aspects for rate in _steps(aspect, link.id, size.levels)]
    lost = [rate for aspect in flavour.scaling_aspects for rate in _steps(aspect, link.id, base)]
    if start is None and not gained:
        return None
    rates = [*((start,) if start else ()), *gained, *(_negative(rate) for rate in lost)]
    leaves = [rate.leaf_bps for rate in rates if rate.leaf_bps is not None]
    return Bitrate(sum(rate.root_bps for rate in rates), sum(leaves) if leaves else None)


def _steps(aspect: ScalingAspect, link_id: str, levels: Mapping[str, int]) -> Iterator[Bitrate]:
    """What each step of an aspect adds, up to its level."""
    deltas = aspect.link_deltas.get(link_id)
    if not deltas or not aspect.step_deltas:
        return
    last = len(aspect.step_deltas) - 1
    for step in range(levels.get(aspect.id, 0)):
        rate = deltas.get(aspect.step_deltas[min(step, last)])
        if rate is not None:
            yield rate


def _negative(rate: Bitrate) -> Bitrate:
    return Bitrate(-rate.root_bps, None if rate.leaf_bps is None else -rate.leaf_bps)


def _check(link: VnfVirtualLink, rate: Bitrate) -> None:
    low = link.min_bitrate.root_bps if link.min_bitrate else 1
    high = link.max_bitrate.root_bps if link.max_bitrate else None
    if rate.root_bps < low or (high is not None and rate.root_bps > high) or (rate.leaf_bps or 1) < 1:
        allowed = f"{low} or more" if high is None else f"{low} to {high}"
        raise InvalidInput(
            f"virtual link {link.id} would have {rate.root_bps} bit/s; its vl_profile allows {allowed}",
            hint="ask for another level, or mend the VNFD (SOL001 clause 6.8, VlProfile)",
            facts={"link": link.id},
        )

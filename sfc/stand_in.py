"""Whom a bridge itself gives a function's packets, at once, while a leg of the function has no carrier."""

from __future__ import annotations

from dataclasses import replace

from sfc.model.chains import Chain, Direction, Hop, Rsp
from sfc.model.topology import Awareness, Layer, OnFailure, ServiceFunction, Topology


def stand_in(topology: Topology, chain: Chain, rsp: Rsp, hop: Hop) -> Hop | None:
    """The next instance of the function's group, met at the same index behind the same bridge.

    None unless the function's policy is ``next``, and what comes back from both is told apart by the packet alone: a
    connection's mark would have to be committed in two zones.
    """
    function = topology.function(hop.function)
    if function.on_failure is not OnFailure.NEXT or not _is_exact(function):
        return None
    groups = (each.instances for each in chain.path)
    instances = next((each for each in groups if any(one.function == function.id for one in each)), ())
    ranked = sorted(instances, key=lambda each: (-each.weight, each.function))
    for other in (topology.function_by_id.get(each.function) for each in ranked):
        if other is not None and other.id not in rsp.functions and _is_exact(other):
            port_in, port_out = other.legs(rsp.direction is Direction.FORWARD)
            if topology.port(port_in).sff == hop.sff:
                return replace(hop, function=other.id, port_in=port_in, port_out=port_out)
    return None


def _is_exact(function: ServiceFunction) -> bool:
    if function.is_tap or function.rewrites_5tuple:
        return False
    return not function.is_proxied or (function.awareness is Awareness.NONE and function.layer is Layer.L2)

"""Which VNFCs a request is about. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mano.domain.vnf_instance import VnfInstance
from mano.errors import InvalidInput


def named_vnfcs(instance: VnfInstance, request: Mapping[str, Any]) -> tuple[str, ...]:
    """Identifiers of the VNFCs that a request names, in their order; empty when it names none: all are meant.

    ``vnfcInstanceId`` stands in SOL002's requests (clauses 5.5.2.8 and 5.5.2.9), and as additional parameter in those
    of clients that speak SOL003 alone. Raises InvalidInput for one that the VNF does not have.
    """
    extra = request.get("additionalParams") or {}
    named = request.get("vnfcInstanceId") or extra.get("vnfcInstanceId") or ()
    wanted = [named] if isinstance(named, str) else list(named)
    known = [vnfc.id for vnfc in instance.vnfcs]
    unknown = [one for one in wanted if one not in known]
    if unknown:
        raise InvalidInput(
            "vnfcInstanceId names a VNFC that the VNF does not have",
            hint=f"it has: {', '.join(known) or 'none'}",
            facts={"pointer": "/vnfcInstanceId"},
        )
    return tuple(one for one in known if one in wanted)


def catena_parameters(request: Mapping[str, Any], allowed: Sequence[str]) -> Mapping[str, Any]:
    """Our own part of ``additionalParams``; raises InvalidInput for what it does not know."""
    extra = request.get("additionalParams") or {}
    ours = extra.get("catena") or {}
    if not isinstance(ours, Mapping) or set(ours) - set(allowed):
        raise InvalidInput(
            f"additionalParams.catena may hold {', '.join(allowed)}",
            facts={"pointer": "/additionalParams/catena"},
        )
    return ours

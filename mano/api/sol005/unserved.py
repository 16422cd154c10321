"""Attributes of NS requests that SOL005 has and this NFVO does not serve: refused with pointer and reason. Pure.

What a client asks for is done or refused, never left out in silence. Attributes that the standard does not have pass
unread, as SOL013 clause 5.6 asks of a receiver.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from mano.errors import InvalidInput

SOON = timedelta(seconds=60)
"""A clock that goes ahead by less does not make "now" the future."""

_PLACES = "hosts of the NFVI have zones and labels and no geographic place (a VDU asks for labels by requires)"
_WAN = "no WAN infrastructure manager is attached"
_MANAGED = "the VNFM makes a VNF's internal virtual links itself"
_JOIN = "a VNF that exists already joins a network service that runs: UpdateNs with ADD_VNF"
_NS_PARAMETERS = "no life-cycle script of the NSD would read it"
_LANGUAGE = "VNFs of this VNFM speak the language that their packages have"
_PROFILE = "the NSD's VNF profile says it; send vnfProfileId alone, with additionalParams for the VNF"

UNSERVED: Mapping[str, Mapping[str, str]] = {
    "INSTANTIATE": {
        "/vnfInstanceData": _JOIN,
        "/locationConstraints": _PLACES,
        "/nestedNsLocationConstraints": _PLACES,
        "/wanConnectionData": _WAN,
        "/additionalAffinityOrAntiAffinityRule/*/vnfInstanceId": "the VNFs of this service are made by this operation",
    },
    "SCALE": {
        "/scaleNsData/additionalParamsForNs": _NS_PARAMETERS,
        "/scaleNsData/locationConstraints": _PLACES,
        "/scaleNsData/nestedNsLocationConstraints": _PLACES,
    },
    "UPDATE": {
        "/instantiateVnfData/*/vnfFlavourId": _PROFILE,
        "/instantiateVnfData/*/vnfInstantiationLevelId": _PROFILE,
        "/instantiateVnfData/*/extVirtualLinks": _PROFILE,
        "/instantiateVnfData/*/extManagedVirtualLinks": _MANAGED,
        "/instantiateVnfData/*/localizationLanguage": _LANGUAGE,
        "/instantiateVnfData/*/locationConstraints": _PLACES,
        "/changeVnfFlavourData/*/extManagedVirtualLinks": _MANAGED,
        "/changeVnfPackageData/*/extManagedVirtualLinks": _MANAGED,
        "/modifyVnfInfoData/*/vnfdId": "send updateType CHANGE_VNFPKG, which changes what runs as well",
    },
    "HEAL": {
        "/healNsData/healScript": "no life-cycle script of the NSD is run; leave it out, or send actionsHealing",
        "/healNsData/additionalParamsforNs": _NS_PARAMETERS,
    },
    "TERMINATE": {
        "/terminateNsData/additionalParamsforNs": _NS_PARAMETERS,
    },
}
"""NS operation to attributes, ``*`` standing for every member of an array, and why they are not served."""

TIMES: Mapping[str, str] = {
    "INSTANTIATE": "/startTime",
    "SCALE": "/scaleTime",
    "UPDATE": "/updateTime",
    "TERMINATE": "/terminationTime",
}
"""When an operation shall begin (SOL005 clause 6.5.2): now, here."""


def refuse_unserved(operation: str, request: Mapping[str, Any], now: datetime) -> None:
    """Raise InvalidInput for the first attribute that cannot be honoured; ``now`` has a time zone."""
    for path, reason in UNSERVED.get(operation, {}).items():
        for pointer, value in _found(request, path.strip("/").split("/"), ""):
            if value not in (None, [], {}, ""):
                name = path.rpartition("/")[2]
                raise InvalidInput(f"{name} is not served: {reason}", hint="leave it out", facts={"pointer": pointer})
    if operation in TIMES:
        _refuse_later(request, TIMES[operation], now)


def _found(value: Any, steps: list[str], pointer: str) -> Iterator[tuple[str, Any]]:
    if not steps:
        yield pointer, value
    elif steps[0] == "*" and isinstance(value, list):
        for index, item in enumerate(value):
            yield from _found(item, steps[1:], f"{pointer}/{index}")
    elif isinstance(value, Mapping) and steps[0] in value:
        yield from _found(value[steps[0]], steps[1:], f"{pointer}/{steps[0]}")


def _refuse_later(request: Mapping[str, Any], pointer: str, now: datetime) -> None:
    name = pointer.strip("/")
    text = request.get(name)
    if text is None:
        return
    try:
        moment = datetime.fromisoformat(str(text))
        later = moment - now > SOON
    except (ValueError, TypeError, OverflowError):
        raise InvalidInput(
            f"{name} is no date and time with a time zone (RFC 3339)",
            hint="such as 2030-01-01T12:00:00Z",
            facts={"pointer": pointer},
        ) from None
    if later:
        raise InvalidInput(
            f"{name} is not served: operations begin when they are accepted",
            hint="leave it out, and send the request when it is time",
            facts={"pointer": pointer},
        )

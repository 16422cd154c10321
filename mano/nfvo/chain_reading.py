"""Reading a Chain document that somebody wrote: every member checked, with a JSON pointer where it is wrong. Pure.

Nothing that was sent is repeated in an error: the pointer says where it stands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

from mano.errors import InvalidInput
from mano.nfvo.chain_documents import ETHERTYPES, PROTOCOLS
from sfc.errors import SfcError
from sfc.model import Mac, Match, OnFailure, OnMiss, PortRange
from sfc.model.bits import addresses, mac_bits, number_bits

T = TypeVar("T")

API_VERSION, KIND = "catena/v1", "Chain"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}")
"""Names of chains, groups and functions."""
TEXT_MAX = 255
CLASSIFIERS_MAX, GROUPS_MAX, INSTANCES_MAX, FUNCTIONS_MAX = 256, 63, 64, 512
PRIORITY_MAX, WEIGHT_MAX, ORDER_MAX = 65535, 1000, 1 << 31

MEMBERS = [
    "apiVersion",
    "kind",
    "id",
    "name",
    "symmetric",
    "classifiers",
    "path",
    "ingress",
    "egress",
    "metadata",
    "order",
    "onMiss",
    "functions",
    "vnffgdId",
    "nfpdId",
    "portChainId",
]
ORIGINS = ("vnffgdId", "nfpdId", "portChainId")
"""Members that say what a chain was made for."""
SPREAD_BY = ("connection", "addresses")
"""What a group that spreads keeps together: each connection, or all between two addresses."""
MATCH_MEMBERS = [
    "ethertype",
    "protocol",
    "source",
    "destination",
    "sourcePort",
    "destinationPort",
    "vlan",
    "vlanPriority",
    "dscp",
    "icmpType",
    "icmpCode",
    "sourceMac",
    "destinationMac",
]
FUNCTION_MEMBERS = [
    "id",
    "name",
    "ingress",
    "egress",
    "awareness",
    "layer",
    "rewrites5tuple",
    "onFailure",
    "vnfInstanceId",
    "vnfcId",
    "ingressCp",
    "egressCp",
    "weight",
]
AWARENESS, LAYERS = ("nsh", "none", "vlan"), ("l2", "l3", "tap")


def wrong(pointer: str, what: str, hint: str = "") -> InvalidInput:
    """The error that the member at a JSON pointer is not what it must be."""
    return InvalidInput(f"{pointer or '/'}: {what}", hint=hint, facts={"pointer": pointer or "/"})


def members(value: Any, pointer: str, allowed: Collection[str], required: Sequence[str] = ()) -> Mapping[str, Any]:
    """An object with these members and no others; null counts as left out."""
    if not isinstance(value, Mapping):
        raise wrong(pointer, "must be an object")
    unknown = [name for name in value if name not in allowed]
    if unknown:
        named = unknown[0] if NAME.fullmatch(str(unknown[0])) else "*"
        raise wrong(f"{pointer}/{named}", "is not known", f"known members: {', '.join(sorted(allowed))}")
    given = {name: item for name, item in value.items() if item is not None}
    for name in required:
        if name not in given:
            raise wrong(f"{pointer}/{name}", "is required")
    return given


def text(value: Any, pointer: str) -> str:
    """A short printable string."""
    if not isinstance(value, str) or not 0 < len(value) <= TEXT_MAX or not value.isprintable():
        raise wrong(pointer, f"must be 1 to {TEXT_MAX} printable characters")
    return value


def name(value: Any, pointer: str) -> str:
    """A name that may stand in the data plane's model."""
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise wrong(pointer, "must be a name", "1 to 128 letters, digits and . _ : / -, a letter or digit first")
    return value


def flag(value: Any, pointer: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise wrong(pointer, "must be true or false")
    return value


def whole(value: Any, pointer: str, low: int, high: int) -> int:
    """A whole number within bounds."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise wrong(pointer, f"must be a whole number in {low}..{high}")
    return value


def one_of(value: Any, pointer: str, allowed: Sequence[str]) -> str:
    """One of a few words."""
    if value not in allowed or not isinstance(value, str):
        raise wrong(pointer, f"must be one of {', '.join(allowed)}")
    return value


def items(value: Any, pointer: str, most: int, least: int = 1) -> Sequence[Any]:
    """An array of bounded length."""
    if not isinstance(value, list | tuple) or not least <= len(value) <= most:
        raise wrong(pointer, f"must be an array of {least} to {most} members")
    return value


def head(document: Any) -> Mapping[str, Any]:
    """The document's members, with its kind and version checked."""
    given = members(document, "", MEMBERS, ("path", "ingress"))
    if given.get("apiVersion", API_VERSION) != API_VERSION:
        raise wrong("/apiVersion", f"must be {API_VERSION}")
    if given.get("kind", KIND) != KIND:
        raise wrong("/kind", f"must be {KIND}")
    return given


def plain_members(given: Mapping[str, Any]) -> dict[str, Any]:
    """What needs no knowledge of functions and ports, as it is stored."""
    words = members(given.get("metadata", {}), "/metadata", ("context",)).get("context", ())
    context = [
        whole(word, f"/metadata/context/{index}", 0, (1 << 32) - 1)
        for index, word in enumerate(items(words, "/metadata/context", 3, 0))
    ]
    spec: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "order": whole(given.get("order", 0), "/order", 0, ORDER_MAX),
        "symmetric": flag(given.get("symmetric", True), "/symmetric"),
        "onMiss": one_of(given.get("onMiss", OnMiss.CLASSIFY.value), "/onMiss", [each.value for each in OnMiss]),
        "classifiers": [
            classifier(item, f"/classifiers/{index}")
            for index, item in enumerate(items(given.get("classifiers", [{}]), "/classifiers", CLASSIFIERS_MAX))
        ],
    }
    if context:
        spec["metadata"] = {"context": context}
    return spec | {name: text(given[name], f"/{name}") for name in ORIGINS if name in given}


def classifier(item: Any, pointer: str) -> dict[str, Any]:
    """One classifier as it is stored."""
    given = members(item, pointer, ("priority", "match", "id"))
    match = members(given.get("match", {}), f"{pointer}/match", MATCH_MEMBERS)
    read = {member: _MATCH[member](value, f"{pointer}/match/{member}") for member, value in match.items()}
    stored = {"priority": whole(given.get("priority", 0), f"{pointer}/priority", 0, PRIORITY_MAX), "match": read}
    return stored | ({"id": text(given["id"], f"{pointer}/id")} if "id" in given else {})


def _number_or_name(names: Mapping[str, int], low: int, high: int) -> Callable[[Any, str], int]:
    def read(value: Any, pointer: str) -> int:
        if isinstance(value, str):
            if value.lower() in names:
                return names[value.lower()]
            if re.fullmatch(r"0[xX][0-9a-fA-F]{1,8}|[0-9]{1,8}", value):
                value = int(value, 16 if value[:2].lower() == "0x" else 10)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            known = f" or one of {', '.join(names)}" if names else ""
            raise wrong(pointer, f"must be a number in {low}..{high}{known}")
        return value

    return read


def _ethertype(value: Any, pointer: str) -> int:
    number = _number_or_name(ETHERTYPES, 0, 0xFFFF)(value, pointer)
    if number not in ETHERTYPES.values():
        raise wrong(pointer, "must be ipv4 (0x0800) or ipv6 (0x86dd): nothing else enters a chain")
    return number


def _addresses(value: Any, pointer: str) -> str:
    try:
        if not isinstance(value, str):
            raise ValueError
        return str(addresses(value))
    except (SfcError, ValueError):
        what = "must be an address, a prefix such as 10.0.0.0/24 or 2001:db8::/64, or an address with a mask"
        raise wrong(pointer, what, "10.0.0.5/255.0.0.255: where the mask has ones, the address counts") from None


def _ports(value: Any, pointer: str) -> str:
    try:
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise ValueError
        if "/" in str(value):
            return str(Match(protocol=PROTOCOLS["tcp"], source_port=number_bits(str(value))).source_port)
        return str(PortRange.parse(str(value)))
    except (SfcError, ValueError):
        what = "must be a port, a range of ports such as 1000-2000, or a port with a mask such as 0x50/0xf0"
        raise wrong(pointer, f"{what}, within 0..65535") from None


def _dscp(value: Any, pointer: str) -> int | str:
    if not isinstance(value, str) or "/" not in value:
        return _number_or_name({}, 0, 63)(value, pointer)
    try:
        return str(Match(dscp=number_bits(value)).dscp)
    except SfcError:
        raise wrong(pointer, "must be a number in 0..63, or one with a mask such as 0x28/0x38") from None


def _mac(value: Any, pointer: str) -> str:
    try:
        written = text(value, pointer)
        return str(mac_bits(written) if "/" in written else Mac.parse(written))
    except SfcError:
        what = "must be a MAC address such as 02:00:00:00:00:01, or one with a mask"
        raise wrong(pointer, what, "02:00:00:00:00:00/ff:00:00:00:00:00") from None


_MATCH: Mapping[str, Callable[[Any, str], Any]] = {
    "ethertype": _ethertype,
    "protocol": _number_or_name(PROTOCOLS, 0, 255),
    "source": _addresses,
    "destination": _addresses,
    "sourcePort": _ports,
    "destinationPort": _ports,
    "vlan": _number_or_name({}, 0, 4095),
    "vlanPriority": _number_or_name({}, 0, 7),
    "dscp": _dscp,
    "icmpType": _number_or_name({}, 0, 255),
    "icmpCode": _number_or_name({}, 0, 255),
    "sourceMac": _mac,
    "destinationMac": _mac,
}


def group(item: Any, pointer: str) -> Mapping[str, Any]:
    """One group of the path, its instances not looked at yet."""
    given = dict(members(item, pointer, ("group", "instances", "onFailure", "spread", "spreadBy"), ("group",)))
    name(given["group"], f"{pointer}/group")
    given.setdefault("instances", [{"sf": given["group"]}])
    items(given["instances"], f"{pointer}/instances", INSTANCES_MAX)
    flag(given.setdefault("spread", False), f"{pointer}/spread")
    one_of(given.setdefault("spreadBy", SPREAD_BY[0]), f"{pointer}/spreadBy", SPREAD_BY)
    if "onFailure" in given:
        one_of(given["onFailure"], f"{pointer}/onFailure", [each.value for each in OnFailure])
    return given


def instance(item: Any, pointer: str) -> Mapping[str, Any]:
    """One instance of a group: ``sf`` names it, ``ingress`` and ``egress`` its connection points."""
    given = dict(members(item, pointer, ("sf", "weight", "ingress", "egress"), ("sf",)))
    for member in ("sf", "ingress", "egress"):
        if member in given:
            text(given[member], f"{pointer}/{member}")
    given["weight"] = whole(given.get("weight", 1), f"{pointer}/weight", 0, WEIGHT_MAX)
    return given


def function(item: Any, pointer: str) -> Mapping[str, Any]:
    """A function that the document describes itself; its ports not looked at yet."""
    given = dict(members(item, pointer, FUNCTION_MEMBERS, ("id", "ingress")))
    name(given["id"], f"{pointer}/id")
    name(given.setdefault("name", given["id"]), f"{pointer}/name")
    text(given["ingress"], f"{pointer}/ingress")
    text(given.setdefault("egress", given["ingress"]), f"{pointer}/egress")
    one_of(given.setdefault("awareness", "none"), f"{pointer}/awareness", AWARENESS)
    one_of(given.setdefault("layer", "l2"), f"{pointer}/layer", LAYERS)
    flag(given.setdefault("rewrites5tuple", False), f"{pointer}/rewrites5tuple")
    one_of(given.setdefault("onFailure", OnFailure.CLOSED.value), f"{pointer}/onFailure", [e.value for e in OnFailure])
    return given

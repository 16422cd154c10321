"""External virtual links of a VNF (ExtVirtualLinkData, SOL003 clause 4.4.1.11): put together and changed. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Link = Mapping[str, Any]


def merged_links(known: Sequence[Link], new: Sequence[Link]) -> tuple[dict[str, Any], ...]:
    """The links with the new ones merged in: a connection point is on one link, and the new one counts.

    Configurations of further instances of a connection point on the same link are added to those that are known.
    """
    moved = {(str(cp.get("cpdId")), str(link.get("resourceId"))) for link in new for cp in link.get("extCps") or ()}
    elsewhere = {cpd: resource for cpd, resource in moved}
    found: dict[str, dict[str, Any]] = {}
    for link in (*known, *new):
        resource = str(link.get("resourceId"))
        cps = [dict(cp) for cp in link.get("extCps") or () if elsewhere.get(str(cp.get("cpdId")), resource) == resource]
        target = found.setdefault(resource, {**link, "extCps": []})
        for cp in cps:
            _merge_cp(target["extCps"], cp)
    return tuple(link for link in found.values() if link["extCps"])


def _merge_cp(cps: list[dict[str, Any]], new: Mapping[str, Any]) -> None:
    for cp in cps:
        if cp.get("cpdId") == new.get("cpdId"):
            cp["cpConfig"] = {**(cp.get("cpConfig") or {}), **(new.get("cpConfig") or {})}
            return
    cps.append(dict(new))


def renamed_cps(links: Sequence[Link], names: Mapping[str, str]) -> tuple[dict[str, Any], ...]:
    """The links with connection points called as another descriptor calls them."""
    return tuple(
        {
            **link,
            "extCps": [
                {**cp, "cpdId": names.get(str(cp.get("cpdId")), cp.get("cpdId"))} for cp in link.get("extCps") or ()
            ],
        }
        for link in links
    )

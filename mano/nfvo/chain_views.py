"""Chains as ``/mano/v1`` shows them: what they take, their paths, who serves them by how much, and who fails. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from mano.domain.alarm import Alarm
from mano.domain.service_chain import ServiceChain
from mano.nfvo.chain_documents import chain_from_document, match_text, match_to_document
from mano.nfvo.forwarding_graphs import DARK, DOWN
from mano.nfvo.graph_translation import functions_of
from sfc.model import OnFailure, PathGroup, ServiceFunction


def view(chain: ServiceChain) -> dict[str, Any]:
    """The chain as ``/mano/v1/chains`` shows it."""
    intent = chain_from_document(chain.spec)
    return {
        "id": chain.id,
        "name": chain.name,
        "nsInstanceId": chain.ns_instance_id,
        "vnffgdId": chain.spec.get("vnffgdId"),
        "nfpdId": chain.spec.get("nfpdId"),
        "portChainId": chain.spec.get("portChainId"),
        "state": chain.state,
        "version": chain.version,
        "symmetric": intent.symmetric,
        "forwardSpi": chain.forward_spi,
        "reverseSpi": chain.reverse_spi,
        "classifiers": [
            {"priority": c.priority, "match": match_to_document(c.match), "text": match_text(c.match)}
            for c in intent.classifiers
        ],
        "after": list(intent.after),
        "groups": [_group(chain, place, group) for place, group in enumerate(intent.path)],
        "paths": list(_paths(chain)),
        "change": None
        if chain.change is None
        else {"operationId": chain.change.operation_id, "phase": chain.change.phase.value},
    }


def functions_out(
    chain: ServiceChain,
    down: Iterable[ServiceFunction],
    standing: Iterable[Alarm],
    beyond: Collection[str] = (),
) -> Iterator[Mapping[str, Any]]:
    """The chain's functions among these: what becomes of their packets, why, and since when if an alarm says so.

    ``beyond`` are those whose hosts the chain does not reach.
    """
    causes = {alarm.key: alarm for alarm in standing}
    own = functions_of([chain])
    for function in sorted(down, key=lambda each: each.id):
        if function.id not in own:
            continue
        name = own[function.id]["name"]
        cause = causes.get(f"{DOWN}{function.id}") or causes.get(f"{DARK}{function.id}")
        otherwise = f"nothing gets to the host of {name}" if function.id in beyond else f"{name} is stopped"
        yield {
            "sfId": function.id,
            "sfName": name,
            "onFailure": function.on_failure.value,
            "reason": cause.fault_details[0] if cause is not None else otherwise,
            "since": None if cause is None else cause.raised_at.isoformat().replace("+00:00", "Z"),
        }


def _group(chain: ServiceChain, place: int, group: PathGroup) -> dict[str, Any]:
    """A group of the intended path with all its instances; the ``share`` of a spare one is 0."""
    functions = functions_of([chain])
    return {
        "group": group.name,
        "spread": group.spread,
        "instances": [
            {
                "sfId": each.function,
                "sfName": functions.get(each.function, {}).get("name", each.function),
                "weight": each.weight,
                "share": _share_of(chain, place, each.function),
                "onFailure": functions.get(each.function, {}).get("onFailure") or OnFailure.CLOSED.value,
            }
            for each in group.instances
        ],
    }


def _share_of(chain: ServiceChain, place: int, function: str) -> float | None:
    """0 to 1 of the chain's connections; ``None`` for a chain whose choice was not stored."""
    if not chain.branches:
        return None
    through = sum(branch.weight or 1 for branch in chain.branches if branch.functions[place] == function)
    return through / sum(branch.weight or 1 for branch in chain.branches)


def _paths(chain: ServiceChain) -> Iterator[dict[str, Any]]:
    """What is programmed, each with its share of the connections; 0 of a path that a change drains."""
    total = sum(branch.weight or 1 for branch in chain.branches)
    shares = {
        spi: (branch.weight or 1) / total
        for branch in chain.branches
        for spi in (branch.forward_spi, branch.reverse_spi)
        if spi is not None
    }
    for path in chain.paths:
        yield {**path, "share": shares.get(path["spi"], 0.0 if shares else None)}

"""Packets of a graph: which chains they take one behind the other, decided without any table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sfc.classifier import ranking
from sfc.model.chains import Chain, PlannedChain
from sfc.model.topology import Topology
from sfc.samples import samples, takes
from sfc.simulator.packets import Ethernet
from sfc.verify.plan import Graph
from sfc.walk import imposed_context

Words = tuple[int, int, int, int]
WRITTEN = 1
"""Which word, from 0, functions that write context write: the second."""


def graph_samples(topology: Topology, graph: Graph) -> Iterator[Ethernet]:
    """Packets of every classifier inside the graph that looks at packets."""
    for planned in graph.followers:
        end = topology.port(planned.forward.end)
        for index, classifier in enumerate(planned.chain.classifiers):
            if classifier.match.context is None:
                yield from samples(topology, planned.chain, end, index)


def written_values(topology: Topology, first: PlannedChain, graph: Graph) -> tuple[int | None, ...]:
    """What functions may write so that another branch is taken: None for what the model of each writes by itself."""
    paths = (first, *graph.followers)
    if not any(topology.function(name).writes_context for each in paths for name in each.forward.functions):
        return (None,)
    matches = (classifier.match.context for each in graph.followers for classifier in each.chain.classifiers)
    values = {match.value for match in matches if match is not None and match.word == WRITTEN + 1}
    return (None, *sorted(values))


def chains_taken(
    topology: Topology, first: PlannedChain, graph: Graph, packet: Ethernet, written: int | None
) -> tuple[PlannedChain, ...]:
    """The chains that a packet of ``first`` takes, when functions write ``written`` into the second word."""
    taken = [first]
    words = _words_behind(topology, first, imposed_context(first.chain, first.forward, 255), written)
    while following := _chosen(graph.behind(taken[-1].chain.id), packet, words):
        by_context = any(classifier.match.context is not None for classifier in following.chain.classifiers)
        fresh = imposed_context(following.chain, following.forward, 255)
        kept = (fresh[0], words[1], words[2], fresh[3]) if by_context and _by_context(following, words) else fresh
        words = _words_behind(topology, following, kept, written)
        taken.append(following)
    return tuple(taken)


def _by_context(planned: PlannedChain, words: Words) -> bool:
    contexts = (classifier.match.context for classifier in planned.chain.classifiers)
    return any(match is not None and match.takes(words) for match in contexts)


def _words_behind(topology: Topology, planned: PlannedChain, words: Words, written: int | None) -> Words:
    """The context at the end of a path: a proxy writes the planned one, some functions their own."""
    for hop in planned.forward.hops:
        function = topology.function(hop.function)
        if function.is_proxied:
            words = imposed_context(planned.chain, planned.forward, hop.si - 1)
        elif function.writes_context and written is not None:
            words = (words[0], written, words[2], words[3])
    return words


def _chosen(candidates: Sequence[PlannedChain], packet: Ethernet, words: Words) -> PlannedChain | None:
    """A match on context is made first: the header is still there."""
    by_id = {planned.chain.id: planned for planned in candidates}
    rules = ranking(planned.chain for planned in candidates)
    for chain, index in rules:
        context = chain.classifiers[index].match.context
        if context is not None and context.takes(words):
            return by_id[chain.id]
    return next((by_id[chain.id] for chain, index in rules if _takes(chain, index, packet)), None)


def _takes(chain: Chain, index: int, packet: Ethernet) -> bool:
    return takes(chain.classifiers[index].match, packet)

"""``mano explain``: what a code means, and what a type of SOL001 says."""

from __future__ import annotations

import difflib
import inspect

import click

from mano.cli.exits import Failure


@click.command("explain")
@click.argument("what", metavar="CODE|TYPE[.PATH]")
def explain(what: str) -> None:
    """Explain a CODE or a TYPE of SOL001.

    A CODE is that of a finding on a package, of an error, or of a placement's or a chain's refusal. A TYPE may be
    followed by a path into it: tosca.nodes.nfv.Vdu.Compute.properties.vdu_profile
    """
    text = _of_finding(what) or _of_error(what) or _of_placement(what) or _of_chain(what) or _of_type(what)
    if text is None:
        raise _unknown(what)
    click.echo(text.rstrip("\n"))


def _unknown(what: str) -> Failure:
    if "." in what:
        from vnf_descriptors.type_paths import nearest_type

        meant = nearest_type(what)
        return Failure(f"there is no type or part of one {what!r}", hint=f"near it: {meant}" if meant else "")
    near = difflib.get_close_matches(what.upper(), _known(), n=3, cutoff=0.5)
    return Failure(f"there is no code {what!r}", hint=f"near it: {', '.join(near)}" if near else "")


def _of_type(path: str) -> str | None:
    from vnf_descriptors import explain_type

    return explain_type(path)


def _of_finding(code: str) -> str | None:
    from vnf_descriptors import explain as explain_finding

    return explain_finding(code)


def _of_error(code: str) -> str | None:
    kind = _errors().get(code.upper())
    return None if kind is None else f"{code.upper()}: {inspect.getdoc(kind)}"


def _of_chain(code: str) -> str | None:
    from mano.cli.chain_codes import CHAIN_REASONS

    known = CHAIN_REASONS.get(code.upper())
    return None if known is None else f"{code.upper()}: {known}"


def _of_placement(code: str) -> str | None:
    from mano.placement import Code

    wanted = code.upper()
    if wanted.startswith("PAGES_"):
        return f"{wanted}: the host has not enough free huge pages of {wanted.removeprefix('PAGES_')} KiB."
    if wanted not in PLACEMENT_CODES or wanted not in {member.value for member in Code}:
        return None
    return f"{wanted}: {PLACEMENT_CODES[wanted]}"


PLACEMENT_CODES = {
    "HOST_STATE": "the host is draining or down.",
    "LABEL": "the host lacks a label that the VDU requires.",
    "ZONE": "the host is in a zone that the request leaves out.",
    "AFFINITY": "a strict group of the request forbids the host.",
    "CPU_DEDICATED": "not enough dedicated CPUs are free: online ones that are neither reserved nor shared.",
    "CPU_SHARED": "the host's shared CPUs, times its overcommit, are taken.",
    "THREAD_POLICY": "there are CPUs, but not in the whole cores that the thread policy asks for.",
    "MEMORY": "not enough small-page memory is free; memory is never overcommitted.",
    "NUMA_CELLS": "the host fits, but no distinct NUMA nodes hold the VDU's cells.",
    "STORAGE": "not enough storage is free.",
    "PHYSNET": "no NIC of the host is on the physical network.",
    "VF": "no NIC on the physical network has enough free VFs with the traits asked for.",
    "NIC_NUMA": "the NICs that would do are on NUMA nodes that the interface's affinity forbids.",
    "BANDWIDTH": "no NIC has the bandwidth left.",
    "LINK_BANDWIDTH": "no path between the hosts of a chain has the bandwidth left.",
    "LATENCY": "no path between the hosts of a chain is fast enough.",
}
"""The reasons of a refusal, in the order in which a host is looked at."""


def _errors() -> dict[str, type]:
    from mano.errors import CatenaError

    found: dict[str, type] = {}
    waiting: list[type[CatenaError]] = [CatenaError]
    while waiting:
        kind = waiting.pop()
        found[kind.code] = kind
        waiting.extend(kind.__subclasses__())
    return found


def _known() -> list[str]:
    from mano.cli.chain_codes import CHAIN_REASONS
    from vnf_descriptors.codes import CODES

    return [*CODES, *_errors(), *PLACEMENT_CODES, *CHAIN_REASONS]

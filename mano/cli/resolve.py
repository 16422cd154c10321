"""People name things; the interfaces want identifiers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from mano.cli.client import Client, quoted
from mano.cli.exits import Failure

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Noun:
    """A kind of resource: what people call it, its list, and the attribute that holds its name.

    ``filtered`` is False where the list takes no attribute filter.
    """

    word: str
    path: str
    attribute: str
    filtered: bool = True


PACKAGE = Noun("package", "/vnfpkgm/v2/vnf_packages", "vnfProductName")
NSD = Noun("NSD", "/nsd/v2/ns_descriptors", "nsdName")
PNFD = Noun("PNFD", "/nsd/v2/pnf_descriptors", "pnfdName")
NS = Noun("network service", "/nslcm/v2/ns_instances", "nsInstanceName")
VNF = Noun("VNF", "/vnflcm/v2/vnf_instances", "vnfInstanceName")
CHAIN = Noun("chain", "/mano/v1/chains", "name", filtered=False)


def identify(client: Client, noun: Noun, text: str) -> str:
    """The identifier of what ``text`` names: an identifier itself, the start of one, or a name."""
    if UUID.fullmatch(text):
        return text.lower()
    found = [row for row in _candidates(client, noun, text) if _is_named(row, noun, text)]
    if len(found) == 1:
        return str(found[0]["id"])
    if not found:
        raise Failure(f"there is no {noun.word} {text!r}", hint="`list` shows all")
    ids = ", ".join(sorted(str(row["id"]) for row in found)[:5])
    raise Failure(f"{len(found)} of them are called {text!r}", hint=f"name one by its identifier: {ids}")


def _candidates(client: Client, noun: Noun, text: str) -> list[dict[str, Any]]:
    if not noun.filtered:
        return client.list(noun.path)
    named = client.list(noun.path, query={"filter": f"(eq,{noun.attribute},{quoted(text)})"})
    return named or (client.list(noun.path, query={"filter": f"(cont,id,{quoted(text)})"}) if len(text) >= 4 else [])


def _is_named(row: dict[str, Any], noun: Noun, text: str) -> bool:
    return row.get(noun.attribute) == text or (len(text) >= 4 and str(row["id"]).startswith(text.lower()))

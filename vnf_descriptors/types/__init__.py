"""The type definitions of GS NFV-SOL 001, transcribed into tables, one definition for all editions we serve.

Descriptors import the standard's files by name or by the address where ETSI publishes them. Nothing is
fetched: `recognise` tells which table such an import means, `definitions` gives what it defines.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from importlib import resources

from vnf_descriptors.types.notation import Definitions, parse

#: Editions that the tables hold, oldest first.
EDITIONS = ("2.6.1", "3.7.1", "4.4.1")
#: Editions between them that differ in what packages use, with the signs of their lines in the tables.
_SIGNS = {"2.5.1": "2a", "2.6.1": "2", "3.3.1": "3b", "3.7.1": "3", "4.4.1": "4"}
#: Each subject with the tables that its file imports, directly or not.
SUBJECTS = {
    "common": ("common",),
    "vnfd": ("common", "vnfd"),
    "pnfd": ("common", "pnfd"),
    "nsd": ("common", "vnfd", "pnfd", "nsd"),
}
_STANDARD_FILE = re.compile(
    r"etsi_nfv_sol001_(?P<subject>common|vnfd|nsd|pnfd)_(?:(?P<inside>\d+[._]\d+[._]\d+)_)?types"
    r"(?:[_-]v?(?P<after>\d+[._]\d+[._]\d+))?\.ya?ml$",
    re.IGNORECASE,
)
_EDITION = re.compile(r"(?<![\d.])v?(\d{1,2})[._](\d{1,2})[._](\d{1,2})(?![\d.])")


@dataclass(frozen=True, slots=True)
class StandardTypes:
    """A file of the standard: its subject, the edition that was asked for, and the one we serve for it."""

    subject: str
    asked: str | None
    edition: str


def recognise(reference: str, definitions_version: str = "") -> StandardTypes | None:
    """What a file name or address means when it is one of the standard's files, else None.

    An edition that we do not hold is served by the nearest one that defines the same constructs. Without an
    edition in the reference, TOSCA 1.2 means edition 2.6.1, anything else the newest.
    """
    reference = re.split(r"[?#]", reference, maxsplit=1)[0]
    name = reference.rsplit("/", 1)[-1]
    found = _STANDARD_FILE.search(name)
    if found is None:
        return None
    asked = _asked(found["inside"] or found["after"] or reference)
    if asked is None:
        edition = EDITIONS[0] if definitions_version.endswith("_1_2") else EDITIONS[-1]
    else:
        edition = served_edition(asked)
    return StandardTypes(found["subject"].lower(), asked, edition)


def served_edition(asked: str) -> str:
    """The edition that we serve for one that was asked for: 2.7 to 3.5 as 3.3.1, 3.6 and later ones of 3 as 3.7.1."""
    major, minor, *_ = (int(part) for part in asked.split("."))
    if (major, minor) < (2, 7):
        return "2.5.1" if (major, minor) < (2, 6) else "2.6.1"
    if major > 3:
        return "4.4.1"
    return "3.3.1" if (major, minor) < (3, 6) else "3.7.1"


def _asked(text: str) -> str | None:
    found = _EDITION.search(text)
    return None if found is None else ".".join(str(int(part)) for part in found.groups())


@functools.cache
def definitions(subject: str, edition: str) -> Definitions:
    """The type definitions of a subject with all that it imports. Shared: do not change what comes back."""
    tables = SUBJECTS[subject]
    text = _tables(tables)
    if edition not in EDITIONS and subject != "common":
        text += _for_tables(_tables(("older",)), text)
    return parse(text, _SIGNS[edition])


@functools.cache
def tosca_definitions() -> Definitions:
    """The normative TOSCA types that the standard builds on. Shared: do not change what comes back."""
    return parse(_tables(("tosca",)), "")


def _for_tables(older: str, text: str) -> str:
    """Of the blocks for older editions, those for what these tables define."""
    blocks = re.split(r"\n(?=\S)", f"\n{older}")
    defined = set(re.findall(r"^(\w+ [\w.]+)", text, re.MULTILINE))
    kept = [block for block in blocks if " ".join(block.lstrip("+").split()[:2]) in defined]
    return "\n" + "\n".join(kept)


def _tables(names: tuple[str, ...]) -> str:
    folder = resources.files(__name__)
    return "\n".join(folder.joinpath(f"{name}.types").read_text("utf-8") for name in names)

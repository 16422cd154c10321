"""TOSCA-Metadata/TOSCA.meta: where a package says what it holds (SOL004 clause 4.1.2.3)."""

from __future__ import annotations

from dataclasses import dataclass

from vnf_descriptors.report import Finding, Position, finding, quote

PATH = "TOSCA-Metadata/TOSCA.meta"
#: Largest TOSCA.meta, in octets.
MAX_BYTES = 1024 * 1024

_ENTRIES = ("Manifest", "Change-Log", "Tests", "Licenses", "Certificate")
_KNOWN = {
    "tosca-meta-file-version",
    "csar-version",
    "created-by",
    "entry-definitions",
    "other-definitions",
    *(f"etsi-entry-{name.lower()}" for name in _ENTRIES),
}
_OLD = {f"entry-{name.lower()}": f"etsi-entry-{name.lower()}" for name in _ENTRIES}
_BLOCK = {"name", "content-type", "algorithm", "hash"}
_WANTED = ("TOSCA-Meta-File-Version", "CSAR-Version", "Created-By")

Value = tuple[str, Position]


@dataclass(frozen=True, slots=True)
class ToscaMeta:
    """Block 0 by keyword (lower case, with the prefix `etsi-` where SOL004 has it), and the later blocks."""

    entries: dict[str, Value]
    blocks: tuple[dict[str, Value], ...] = ()

    def get(self, keyword: str) -> Value | None:
        """Value and place of a keyword such as `ETSI-Entry-Manifest`; None when absent or empty."""
        value = self.entries.get(keyword.lower())
        return value if value is not None and value[0] else None


def parse(data: bytes) -> tuple[ToscaMeta, list[Finding]]:
    """The metadata and what is wrong with their form. Never raises for content."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = Position(PATH, data.count(b"\n", 0, error.start) + 1)
        return ToscaMeta({}), [finding("CSAR002", place, "TOSCA.meta is not UTF-8 text")]
    findings: list[Finding] = []
    blocks = [_block(lines, findings) for lines in _split(text)]
    if not blocks:
        return ToscaMeta({}), [finding("CSAR002", Position(PATH), "TOSCA.meta is empty")]
    entries = _current_names(blocks[0], findings)
    for wanted in _WANTED:
        if wanted.lower() not in entries:
            findings.append(finding("CSAR003", Position(PATH), f"TOSCA.meta lacks '{wanted}'"))
    for block in blocks[1:]:
        for name, (_, place) in block.items():
            if name not in _BLOCK:
                findings.append(finding("CSAR006", place, f"the keyword {quote(name)} is not known in a block"))
    return ToscaMeta(entries, tuple(blocks[1:])), findings


def _split(text: str) -> list[list[tuple[int, str]]]:
    blocks: list[list[tuple[int, str]]] = [[]]
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            blocks.append([])
        elif line[0] in " \t" and blocks[-1]:
            first, start = blocks[-1][-1]
            blocks[-1][-1] = (first, start + line[1:])
        elif not line.startswith("#"):
            blocks[-1].append((number, line))
    return [block for block in blocks if block]


def _block(lines: list[tuple[int, str]], findings: list[Finding]) -> dict[str, Value]:
    block: dict[str, Value] = {}
    for number, line in lines:
        name, colon, value = line.partition(":")
        place = Position(PATH, number)
        if not colon or not name.strip():
            findings.append(finding("CSAR002", place, f"this line is not 'Name: value': {quote(line.strip())}"))
            continue
        key = name.strip().lower()
        if key in block:
            findings.append(finding("CSAR002", place, f"the keyword {quote(name.strip())} occurs twice in its block"))
        block[key] = (value.strip(), place)
    return block


def _current_names(block: dict[str, Value], findings: list[Finding]) -> dict[str, Value]:
    entries: dict[str, Value] = {}
    for name, (value, place) in block.items():
        current = _OLD.get(name, name)
        if current != name:
            findings.append(finding("CSAR005", place, f"{quote(name)} is the old form of {quote(current)}"))
        elif name not in _KNOWN:
            findings.append(finding("CSAR006", place, f"the keyword {quote(name)} is not known"))
        entries.setdefault(current, (value, place))
    return entries

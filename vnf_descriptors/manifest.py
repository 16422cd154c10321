"""The manifest of a package (SOL004 clause 4.3.2): metadata, digests, non-MANO artifact sets, signature."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from vnf_descriptors.report import Finding, Position, finding, quote

#: Largest manifest, in octets.
MAX_BYTES = 8 * 1024 * 1024
#: Most lines of a manifest, and most faults in them that are told.
MAX_LINES = 50_000
MAX_FINDINGS = 200
#: Digest algorithms of SOL004 with the length of their digest in hexadecimal digits.
ALGORITHMS = {"SHA-256": 64, "SHA-512": 128}
_ALIASES = {"SHA256": "SHA-256", "SHA512": "SHA-512"}

#: Names of the metadata that each kind of package needs.
METADATA = {
    "vnf": ("vnf_product_name", "vnf_provider_id", "vnf_package_version", "vnf_release_date_time"),
    "pnfd": ("pnfd_name", "pnfd_provider", "pnfd_archive_version", "pnfd_release_date_time"),
    "nsd": ("nsd_name", "nsd_designer", "nsd_file_structure_version", "nsd_release_date_time"),
}
_BEGIN = re.compile(rb"(?m)^-----BEGIN (CMS|PKCS7)-----[ \t]*\r?$")
_END = re.compile(rb"(?m)^-----END (CMS|PKCS7)-----[ \t]*\r?$")
_DATE = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$")
_HEX = re.compile(r"[0-9a-f]+$")
_GROUP = {"source", "algorithm", "hash", "signature", "certificate"}


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    """One file that the manifest describes."""

    source: str
    position: Position
    algorithm: str = ""
    hash: str = ""
    #: Members that hold the file's own signature and the signer's certificate.
    signature: str = ""
    certificate: str = ""

    @property
    def external(self) -> bool:
        """True when the file is not in the package but at a URI."""
        return "://" in self.source


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a manifest says."""

    path: str
    #: Name -> (value, where it stands); names in lower case.
    metadata: dict[str, tuple[str, Position]] = field(default_factory=dict)
    entries: tuple[ManifestEntry, ...] = ()
    #: Set identifier -> paths of its files.
    non_mano: dict[str, tuple[str, ...]] = field(default_factory=dict)
    #: The octets that the signature covers, and the signature itself (PEM); empty when there is none.
    signed_part: bytes = b""
    cms: bytes = b""

    @property
    def kind(self) -> str | None:
        """`vnf`, `pnfd` or `nsd`, by the prefix of the metadata; None without metadata."""
        for name in self.metadata:
            for kind in METADATA:
                if name.startswith(f"{kind}_"):
                    return kind
        return None


def parse(data: bytes, path: str) -> tuple[Manifest, list[Finding]]:
    """The manifest and what is wrong with its form. Never raises for content."""
    findings: list[Finding] = []
    text_part, cms, tail = _split(data)
    if tail.strip():
        line = data.count(b"\n", 0, len(data) - len(tail)) + 1
        findings.append(finding("MF013", Position(path, line), "text stands after the signature", "Remove it"))
    try:
        text = text_part.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = Position(path, text_part.count(b"\n", 0, error.start) + 1)
        findings.append(finding("MF002", place, "the manifest is not UTF-8 text"))
        return Manifest(path), findings
    reader = _Reader(path)
    reader.read(text)
    findings += reader.findings
    manifest = Manifest(
        path,
        reader.metadata,
        tuple(reader.entries),
        {name: tuple(sources) for name, sources in reader.non_mano.items()},
        text_part if cms else b"",
        cms,
    )
    return manifest, findings + _check_metadata(manifest) + _check_entries(manifest)


def without_digests(data: bytes, path: str) -> str:
    """What of a manifest does not follow from the package's files: no groups of local files, no signature."""
    text = _split(data)[0].decode("utf-8-sig", "replace")
    reader = _Reader(path)
    reader.read(text)
    kept = [line for number, line in enumerate(_lines(text), 1) if number not in reader.local_lines]
    while kept and not kept[-1].strip():
        kept.pop()
    return "".join(f"{line}\n" for line in kept)


def _split(data: bytes) -> tuple[bytes, bytes, bytes]:
    """The text, the CMS block and what follows it."""
    begin = _BEGIN.search(data)
    if begin is None:
        return data, b"", b""
    end = _END.search(data, begin.end())
    if end is None:
        return data[: begin.start()], data[begin.start() :], b""
    return data[: begin.start()], data[begin.start() : end.end()], data[end.end() :]


class _Reader:
    """Reads a manifest line by line."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._section = ""
        self._set = ""
        self._group: dict[str, str] = {}
        self._group_at = Position(path)
        self._group_lines: list[int] = []
        #: The lines of groups whose Source is in the package.
        self.local_lines: set[int] = set()
        self.metadata: dict[str, tuple[str, Position]] = {}
        self.entries: list[ManifestEntry] = []
        self.non_mano: dict[str, list[str]] = {}
        self.findings: list[Finding] = []

    def read(self, text: str) -> None:
        """Read all lines, unless there are too many or too many that mean nothing."""
        for number, line in enumerate(_lines(text), 1):
            if number > MAX_LINES or len(self.findings) >= MAX_FINDINGS:
                message = f"the manifest goes on, beyond {MAX_LINES} lines or {MAX_FINDINGS} faults"
                self.findings.append(finding("MF002", Position(self._path, number), message))
                break
            self.line(number, line)
        self._flush()

    def line(self, number: int, text: str) -> None:
        if not text.strip() or text.lstrip().startswith("#"):
            return
        written, colon, rest = text.partition(":")
        shown, value = written.strip(), rest.strip()
        if not colon or not shown:
            place = Position(self._path, number)
            message = f"this line is not 'name: value': {quote(text.strip())}"
            self.findings.append(finding("MF002", place, message))
            return
        name, indent = shown.lower(), len(text) - len(text.lstrip())
        place = Position(self._path, number, indent + 1)
        if not value and name in ("metadata", "non_mano_artifact_sets"):
            self._flush()
            self._section = name
        elif self._section == "non_mano_artifact_sets" and (indent or (not value and name not in _GROUP)):
            self._non_mano(shown, name, value)
        elif name in _GROUP:
            self._section = ""
            self._entry(name, value, place)
        elif self._section == "metadata":
            self._metadatum(name, value, place)
        else:
            message = f"{quote(shown)} means nothing here"
            self.findings.append(finding("MF002", place, message, "Put metadata below 'metadata:'"))

    def _metadatum(self, name: str, value: str, place: Position) -> None:
        if name in self.metadata:
            self.findings.append(finding("MF002", place, f"{quote(name)} occurs twice"))
        self.metadata[name] = (_unquoted(value), place)

    def _non_mano(self, shown: str, name: str, value: str) -> None:
        if name == "source":
            self.non_mano.setdefault(self._set, []).append(value)
        else:
            self._set = shown
            self.non_mano.setdefault(shown, [])

    def _entry(self, name: str, value: str, place: Position) -> None:
        if name == "source":
            self._flush()
            self._group_at = place
        elif not self._group and name not in ("signature", "certificate"):
            self.findings.append(finding("MF002", place, f"'{name}' stands before any Source"))
        elif name in self._group:
            self.findings.append(finding("MF002", place, f"'{name}' occurs twice for one Source"))
        self._group[name] = value
        self._group_lines.append(place.line)

    def _flush(self) -> None:
        if self._group.get("source"):
            self.entries.append(
                ManifestEntry(
                    self._group["source"].removeprefix("./"),
                    self._group_at,
                    _algorithm(self._group.get("algorithm", "")),
                    self._group.get("hash", "").lower(),
                    self._group.get("signature", ""),
                    self._group.get("certificate", ""),
                )
            )
        elif "source" in self._group:
            self.findings.append(finding("MF002", self._group_at, "this Source is empty"))
        if "://" not in self._group.get("source", ""):
            self.local_lines.update(self._group_lines)
        self._group, self._group_lines = {}, []


def _lines(text: str) -> list[str]:
    """The lines as every program counts them: only line feeds and carriage returns end one."""
    return re.split(r"\r\n|\n|\r", text)


def _unquoted(text: str) -> str:
    """The text without the quotes that those put round it who take a manifest for YAML."""
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text


def _algorithm(text: str) -> str:
    upper = text.strip().upper()
    return _ALIASES.get(upper, upper)


def _check_metadata(manifest: Manifest) -> list[Finding]:
    findings = []
    kinds = {kind for kind in METADATA for name in manifest.metadata if name.startswith(f"{kind}_")}
    kind = manifest.kind
    if kind is None:
        findings.append(finding("MF003", Position(manifest.path), "the manifest has no metadata"))
        return findings
    if len(kinds) > 1:
        place = next(iter(manifest.metadata.values()))[1]
        findings.append(finding("MF011", place, f"the metadata mix the prefixes {', '.join(sorted(kinds))}"))
    missing = [name for name in METADATA[kind] if not manifest.metadata.get(name, ("", None))[0]]
    if missing:
        place = next(iter(manifest.metadata.values()))[1]
        findings.append(finding("MF003", place, f"the metadata lack {', '.join(missing)}"))
    date = manifest.metadata.get(f"{kind}_release_date_time")
    if date is not None and date[0] and not _DATE.match(date[0]):
        message = f"{quote(date[0])} is no date and time"
        findings.append(finding("MF004", date[1], message, "Write it like 2026-01-31T12:00:00Z"))
    return findings


def _check_entries(manifest: Manifest) -> list[Finding]:
    findings = []
    seen: dict[str, ManifestEntry] = {}
    for entry in manifest.entries:
        first = seen.setdefault(entry.source, entry)
        if first is not entry and first.hash != entry.hash:
            message = f"{quote(entry.source)} is listed twice, first on line {first.position.line}"
            findings.append(finding("MF009", entry.position, message))
        findings.extend(_check_digest(entry))
    for name, sources in manifest.non_mano.items():
        for source in sources:
            if source.removeprefix("./") not in seen:
                message = f"{quote(source)} of the set {quote(name)} has no digest"
                findings.append(finding("MF015", Position(manifest.path), message))
    return findings


def _check_digest(entry: ManifestEntry) -> list[Finding]:
    place, source = entry.position, quote(entry.source)
    if not entry.algorithm and not entry.hash:
        if entry.external:
            return [finding("MF012", place, f"the external file {source} has no digest")]
        return []
    if entry.algorithm not in ALGORITHMS:
        hint = f"Use {' or '.join(ALGORITHMS)}"
        return [finding("MF007", place, f"the algorithm {quote(entry.algorithm)} of {source} is not known", hint)]
    if len(entry.hash) != ALGORITHMS[entry.algorithm] or not _HEX.match(entry.hash):
        digits = ALGORITHMS[entry.algorithm]
        return [finding("MF014", place, f"the hash of {source} is not {digits} hexadecimal digits")]
    return []

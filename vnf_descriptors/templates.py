"""The YAML files that a descriptor consists of: the entry file and what it imports.

Imports lead to files of the package, or to the standard's type definitions that `types` serves. Nothing is
fetched, and nothing outside the package is read.
"""

from __future__ import annotations

import itertools
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from vnf_descriptors import types
from vnf_descriptors.guard import MemberError, check_name
from vnf_descriptors.keywords import SERVICE_TEMPLATE, Speller, unknown_keywords
from vnf_descriptors.members import Members
from vnf_descriptors.package import Package
from vnf_descriptors.report import Finding, Place, Position, Severity, finding, quote
from vnf_descriptors.suggest import did_you_mean
from vnf_descriptors.types import StandardTypes
from vnf_descriptors.yamltree import MAX_BYTES, MAX_FINDINGS, MAX_NODES, ComposeCache, Mapping, Node, Scalar, Sequence

#: Most files that a descriptor may import, and their octets together.
MAX_FILES = 200
MAX_TOTAL = 16 * 1024 * 1024
#: Most imports that are looked for, in all its files together.
MAX_IMPORTS = 2000

_VERSIONS = ("tosca_simple_yaml_1_0", "tosca_simple_yaml_1_1", "tosca_simple_yaml_1_2", "tosca_simple_yaml_1_3")
_CACHE = ComposeCache()
#: Where ETSI publishes the standard's files. What others keep under the same names may differ.
_ETSI = re.compile(r"https?://(?:[\w-]+\.)*etsi\.org(?::\d+)?/", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TemplateFile:
    """One service template of the package."""

    path: str
    root: Mapping
    version: str
    digest: bytes = b""

    @property
    def topology(self) -> Mapping | None:
        """The topology template, or None when the file only defines types."""
        found = self.root.get("topology_template")
        return found if isinstance(found, Mapping) else None


@dataclass(slots=True)
class Templates:
    """All service templates of a descriptor, the entry first, and the standard files that they import."""

    files: dict[str, TemplateFile] = field(default_factory=dict)
    standard: dict[StandardTypes, Place] = field(default_factory=dict)
    #: The imports that could not be used: what they define is missing.
    unusable: list[str] = field(default_factory=list)

    @property
    def entry(self) -> TemplateFile:
        """The file that the descriptor begins with."""
        return next(iter(self.files.values()))

    @property
    def is_newer(self) -> bool:
        """True when the descriptor was written to an edition later than all that are held."""
        held = _numbers(types.EDITIONS[-1])
        return any(each.asked is not None and _numbers(each.asked) > held for each in self.standard)

    @property
    def edition(self) -> str | None:
        """The edition of SOL001 that the descriptor was written to, as far as it tells."""
        for found in self.standard:
            return found.asked or found.edition
        for file in self.files.values():
            known = types.recognise(file.path)
            metadata = file.root.get("metadata")
            version = metadata.get("template_version") if isinstance(metadata, Mapping) else None
            if known is not None and isinstance(version, Scalar):
                return version.text
        return None


def _numbers(edition: str) -> tuple[int, ...]:
    return tuple(int(part) for part in edition.split("."))


def read_templates(package: Package) -> tuple[Templates, list[Finding]]:
    """The templates of a package, read as far as they can be, and what is wrong with them."""
    reader = _Reader(package.members)
    reader.read(package.entry)
    return reader.templates, reader.findings


class _Reader:
    """Follows imports, breadth first, each file once."""

    def __init__(self, members: Members) -> None:
        self._members = members
        self._octets = 0
        self._nodes = 0
        self._speller = Speller()
        self._imports_left = MAX_IMPORTS
        self._imported: dict[str, list[tuple[str, Place]]] = {}
        self.templates = Templates()
        self.findings: list[Finding] = []

    def read(self, entry: str) -> None:
        waiting = [entry]
        seen = {entry}
        while waiting:
            path = waiting.pop(0)
            file = self._file(path)
            if file is None:
                continue
            self.templates.files[path] = file
            self._imported[path] = self._imports(file)
            for target, _ in self._imported[path]:
                if target not in seen:
                    seen.add(target)
                    waiting.append(target)
        self.findings.extend(itertools.islice(self._cycles(entry), MAX_FINDINGS))

    def _cycles(self, entry: str) -> Iterator[Finding]:
        """The imports that lead back to a file that led to them."""
        path, done = [entry], set[str]()
        waiting = [iter(self._imported.get(entry, ()))]
        while waiting:
            step = next(waiting[-1], None)
            if step is None:
                done.add(path.pop())
                waiting.pop()
            elif step[0] in path:
                yield finding("TOSCA005", step[1], f"the import of {quote(step[0])} leads back here")
            elif step[0] not in done:
                path.append(step[0])
                waiting.append(iter(self._imported.get(step[0], ())))

    def _file(self, path: str) -> TemplateFile | None:
        if self._nodes > MAX_NODES:
            return None  # told already
        size = self._members.size(path)
        self._octets += size
        if size > MAX_BYTES or self._octets > MAX_TOTAL or len(self.templates.files) >= MAX_FILES:
            message = f"the descriptor is larger than {MAX_FILES} files, {MAX_TOTAL} octets or {MAX_BYTES} in one file"
            self.findings.append(finding("YAML002", Position(path), message))
            return None
        try:
            data = b"".join(self._members.chunks(path))
        except MemberError as error:
            self.findings.append(finding("ZIP008", Position(path), str(error)))
            return None
        composed = _CACHE.compose(data, path, max(0, MAX_NODES - self._nodes))
        self.findings.extend(composed.findings)
        self._nodes += composed.nodes
        if composed.root is None:
            if not composed.findings:
                self.findings.append(finding("TOSCA021", Position(path), "this file is empty"))
            return None
        if self._nodes > MAX_NODES:
            message = f"the descriptor has more than {MAX_NODES} nodes in all its files together"
            self.findings.append(finding("YAML003", Position(path), message))
            return None
        if not isinstance(composed.root, Mapping):
            self.findings.append(finding("TOSCA021", composed.root, "a service template is a map of keywords"))
            return None
        return self._template(path, composed.root, composed.digest)

    def _template(self, path: str, root: Mapping, digest: bytes) -> TemplateFile:
        root = self._speller.respelt(root, SERVICE_TEMPLATE)
        version = root.get("tosca_definitions_version")
        text = version.text if isinstance(version, Scalar) else ""
        if version is None:
            message = "the file has no tosca_definitions_version"
            hint = "Begin it with 'tosca_definitions_version: tosca_simple_yaml_1_3'"
            self.findings.append(finding("TOSCA001", root, message, hint))
        elif text.endswith("_0") and text.removesuffix("_0") in _VERSIONS:
            # What drafts of TOSCA, and the tools that followed them, write.
            message = f"the TOSCA version {quote(text)} is read as {text.removesuffix('_0')}"
            text = text.removesuffix("_0")
            self.findings.append(finding("TOSCA001", version, message, f"Write {text}", Severity.WARNING))
        elif text not in _VERSIONS:
            hint = did_you_mean(text, _VERSIONS) or f"Use {_VERSIONS[-1]}"
            self.findings.append(finding("TOSCA001", version, f"the TOSCA version {quote(text)} is not known", hint))
        self.findings.extend(unknown_keywords(root, SERVICE_TEMPLATE, "a service template"))
        return TemplateFile(path, root, text, digest)

    # Imports ------------------------------------------------------------------------------------------

    def _imports(self, file: TemplateFile) -> list[tuple[str, Place]]:
        node = file.root.get("imports")
        if node is None or (isinstance(node, Scalar) and node.value is None):
            return []
        if not isinstance(node, Sequence):
            message = "imports must be a list of files"
            self.findings.append(finding("TOSCA021", node, message, "Put a '-' before each"))
        found: list[tuple[str, Place]] = []
        for item in node.items if isinstance(node, Sequence) else [node]:
            self._imports_left -= 1
            if self._imports_left < 0:
                message = f"the descriptor has more than {MAX_IMPORTS} imports in all its files together"
                self.findings.append(finding("YAML002", item, message))
                break
            reference, remote = self._reference(item)
            if reference is None:
                self.findings.append(finding("TOSCA021", item, "an import is a file name or a map with 'file'"))
                continue
            target = self._resolve(file, reference, remote)
            if target is not None:
                found.append((target, reference))
        return found

    def _reference(self, item: Node) -> tuple[Scalar | None, bool]:
        """The reference, and whether it lies in a repository."""
        if isinstance(item, Scalar):
            return (item if item.text else None), False
        if not isinstance(item, Mapping):
            return None, False
        named = item.get("file")
        if named is None and len(item.entries) == 1:
            # The older notation: `- name: file` or `- name: {file: …}`.
            return self._reference(next(iter(item.entries.values()))[1])
        return (named if isinstance(named, Scalar) else None), item.get("repository") is not None

    def _resolve(self, file: TemplateFile, reference: Scalar, remote: bool) -> str | None:
        text = reference.text
        if "://" in text or remote:
            self._standard(file, reference, "TOSCA004", "nothing is ever fetched")
            return None
        path = posixpath.normpath(posixpath.join(posixpath.dirname(file.path), text))
        problem = check_name(path) if not text.startswith("/") else "is absolute"
        if problem is not None:
            message = f"the import {quote(text)} {problem}"
            self.findings.append(finding("TOSCA004", reference, message, "Import files inside the package"))
            known = types.recognise(text, file.version)
            if known is not None:
                self.templates.standard.setdefault(known, reference)
            else:
                self.templates.unusable.append(text)
            return None
        for candidate in (path, posixpath.normpath(text)):
            if candidate in self._members:
                return candidate
        self._standard(file, reference, "TOSCA003", "it is not in the package")
        return None

    def _similar_file(self, text: str) -> str:
        names = [name for name in self._members.names() if name.endswith((".yaml", ".yml"))]
        return did_you_mean(text, [posixpath.basename(name) for name in names])

    def _standard(self, file: TemplateFile, reference: Scalar, code: str, why: str) -> None:
        known = types.recognise(reference.text, file.version)
        if known is None:
            hint = self._similar_file(reference.text) if len(self.templates.unusable) < MAX_FINDINGS else ""
            message = f"the import {quote(reference.text)} cannot be used: {why}"
            self.findings.append(finding(code, reference, message, hint or "Put the file into the package"))
            self.templates.unusable.append(reference.text)
            return
        self.templates.standard.setdefault(known, reference)
        if code == "TOSCA003":
            message = f"{quote(reference.text)} is not in the package; edition {known.edition} is used"
            self.findings.append(finding("TOSCA026", reference, message))
        elif not _ETSI.match(reference.text):
            message = (
                f"{quote(reference.text)} is not where ETSI publishes; edition {known.edition} is used instead of it"
            )
            self.findings.append(finding("TOSCA026", reference, message, severity=Severity.WARNING))
        if known.asked is not None and known.asked != known.edition:
            message = f"edition {known.asked} of the standard's types is read as edition {known.edition}"
            self.findings.append(finding("TOSCA024", reference, message))

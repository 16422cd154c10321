"""The requirement keys that SOL001 leaves to operators: Nova's `hw:` names and our own `catena:` names.

A key is read into the field of a placement request that it means. Every value is checked here, so that what
comes out could be placed by some host; what could not is a finding.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, TypeVar

from vnf_descriptors import units
from vnf_descriptors.model import (
    CpuPolicy,
    EmulatorThreads,
    FrozenMap,
    NumaAffinity,
    NumaCell,
    OnFailure,
    PageSizeClass,
    SfEncapsulation,
    SfFacts,
    SfLayer,
    ThreadPolicy,
)
from vnf_descriptors.report import Finding, finding, quote
from vnf_descriptors.suggest import did_you_mean
from vnf_descriptors.yamltree import Mapping, Node, Scalar

#: Page sizes that processors have, in KiB.
PAGE_SIZES = frozenset({4, 16, 64, 1024, 2048, 16384, 32768, 65536, 524288, 1048576, 16777216})
#: Most vCPUs of one VDU, and most NUMA cells.
MAX_VCPUS = 4096
MAX_CELLS = 64
#: Most virtual functions behind one interface.
MAX_VFS = 256

_INTEGER = re.compile(r"\d{1,12}$")
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$")
_PAGE = re.compile(r"(\d{1,9})\s*([kKmMgG]i?[bB]?)?$")
_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}

VDU_KEYS = frozenset(
    {
        "hw:cpu_policy",
        "hw:cpu_thread_policy",
        "hw:cpu_dedicated_mask",
        "hw:emulator_threads_policy",
        "hw:numa_nodes",
        "hw:mem_page_size",
        "hw:pci_numa_affinity_policy",
        "catena:vcpus",
        "catena:memoryMib",
        "catena:cpuPolicy",
        "catena:dedicatedVcpus",
        "catena:threadPolicy",
        "catena:emulatorThreads",
        "catena:pageSizeKib",
        "catena:numaNodes",
        "catena:storageGib",
        "catena:requires",
    }
)
_CELL_KEY = re.compile(r"hw:numa_(cpus|mem)\.(\d{1,2})$")
INTERFACE_KEYS = frozenset(
    {
        "hw:pci_numa_affinity_policy",
        "catena:vnicType",
        "catena:physnet",
        "catena:vfs",
        "catena:numaAffinity",
        "catena:bandwidthMbps",
        "catena:traits",
        "catena:sfc",
        "catena:layer",
        "catena:rewrites5tuple",
        "catena:onFailure",
        "catena:probe",
    }
)
_E = TypeVar("_E", bound=StrEnum)
_V = TypeVar("_V")


@dataclass(frozen=True, slots=True)
class VduFacts:
    """What the keys say of a VDU; None where they say nothing."""

    cpu_policy: CpuPolicy | None = None
    dedicated_vcpus: tuple[int, ...] = ()
    thread_policy: ThreadPolicy | None = None
    emulator_threads: EmulatorThreads | None = None
    page_size_kib: int | PageSizeClass | None = None
    numa_nodes: int | None = None
    numa_cells: tuple[NumaCell, ...] = ()
    numa_affinity: NumaAffinity | None = None
    vcpus: int | None = None
    memory_mib: int | None = None
    storage_gib: int | None = None
    requires: FrozenMap[str, str] = field(default_factory=FrozenMap)
    other: FrozenMap[str, str] = field(default_factory=FrozenMap)


@dataclass(frozen=True, slots=True)
class InterfaceFacts:
    """What the keys say of an interface; None where they say nothing."""

    vnic_type: str | None = None
    physnet: str | None = None
    vfs: int | None = None
    numa_affinity: NumaAffinity | None = None
    bandwidth_mbps: int | None = None
    traits: tuple[str, ...] = ()
    sf: SfFacts | None = None
    all: FrozenMap[str, str] = field(default_factory=FrozenMap)


#: Most unknown keys of one VDU or connection point that are told.
MAX_FINDINGS = 50


class KeyReader:
    """The keys of one VDU or connection point, gathered from several maps."""

    def __init__(self, maps: Iterable[Node | None], known: frozenset[str], cells: bool = False) -> None:
        self._values: dict[str, Scalar] = {}
        self._cells = cells
        self.findings: list[Finding] = []
        for node in maps:
            for name, key, value in node.items() if isinstance(node, Mapping) else ():
                self._take(name, key, value, known)

    def _take(self, name: str, key: Scalar, value: Node, known: frozenset[str]) -> None:
        if not isinstance(value, Scalar):
            return
        unknown = name not in known and not (self._cells and _CELL_KEY.match(name))
        if unknown and len(self.findings) < MAX_FINDINGS:
            hint = did_you_mean(name, known)
            self.findings.append(finding("REQ001", key, f"the requirement key {quote(name)} is not known", hint))
        before = self._values.setdefault(name, value)
        if before is not value and before.text != value.text:
            message = f"{quote(name)} is {quote(value.text)} here and {quote(before.text)} on line {before.line}"
            self.findings.append(finding("REQ004", value, message))

    def place(self, *names: str) -> Scalar | None:
        """Where the first of some keys stands."""
        return next((self._values[name] for name in names if name in self._values), None)

    def all(self) -> FrozenMap[str, str]:
        """Every key with its value as it was written."""
        return FrozenMap({name: value.text for name, value in self._values.items()})

    def others(self, known: frozenset[str]) -> FrozenMap[str, str]:
        """The keys that are not known."""
        unknown = {name: value.text for name, value in self._values.items() if name not in known}
        return FrozenMap({name: text for name, text in unknown.items() if not _CELL_KEY.match(name)})

    def read(self, parse: Callable[[str], _V], *names: str) -> _V | None:
        """The value of a key that has several names; they must agree."""
        found: list[tuple[Scalar, _V]] = []
        for name in names:
            node = self._values.get(name)
            if node is None:
                continue
            try:
                found.append((node, parse(node.text.strip())))
            except ValueError as error:
                self.findings.append(finding("REQ002", node, f"{quote(name)} is {quote(node.text)}: {error}"))
        if len({repr(value) for _, value in found}) > 1:
            self.contradict(found[-1][0], f"{' and '.join(names)} differ")
        return found[0][1] if found else None

    def contradict(self, node: Scalar, message: str, hint: str = "") -> None:
        """Note that two facts do not go together."""
        self.findings.append(finding("REQ004", node, message, hint))

    def impossible(self, node: Scalar, message: str, hint: str = "") -> None:
        """Note that no host could satisfy this."""
        self.findings.append(finding("REQ003", node, message, hint))

    def cell_keys(self) -> Iterator[tuple[str, int, Scalar]]:
        """`hw:numa_cpus.N` and `hw:numa_mem.N`: which, N, and the value."""
        for name, value in self._values.items():
            found = _CELL_KEY.match(name)
            if found:
                yield found[1], int(found[2]), value


# Values -------------------------------------------------------------------------------------------------


def enum_of(kind: type[_E], **extra: _E) -> Callable[[str], _E]:
    """A parser for the values of an enumeration, and for further spellings."""

    def parse(text: str) -> _E:
        if text in extra:
            return extra[text]
        try:
            return kind(text)
        except ValueError:
            words = [member.value for member in kind]
            raise ValueError(f"expected one of {', '.join(words)}. {did_you_mean(text, words)}".rstrip(". ")) from None

    return parse


def integer(low: int, high: int) -> Callable[[str], int]:
    """A parser for integers within limits."""

    def parse(text: str) -> int:
        if not _INTEGER.match(text) or not low <= int(text) <= high:
            raise ValueError(f"expected an integer from {low} to {high}")
        return int(text)

    return parse


def boolean(text: str) -> bool:
    """true or false."""
    if text.lower() not in _BOOLEANS:
        raise ValueError("expected true or false")
    return _BOOLEANS[text.lower()]


def label(text: str) -> str:
    """A name of letters, digits and a few marks, 63 characters at most."""
    if not _LABEL.match(text):
        raise ValueError("expected a name of letters, digits, '.', '_', '/' and '-'")
    return text


def page_size(text: str) -> int | PageSizeClass:
    """`small`, `large`, `any`, or a number: of KiB, or with a unit such as 2MB."""
    if text in {member.value for member in PageSizeClass}:
        return PageSizeClass(text)
    found = _PAGE.match(text)
    if not found:
        raise ValueError("expected small, large, any or a number of KiB")
    factor = {"": 1, "k": 1, "m": 1024, "g": 1024**2}[(found[2] or "")[:1].lower()]
    return int(found[1]) * factor


def cpu_set(text: str) -> tuple[int, ...]:
    """A set of vCPU indices such as `0,2-3`, or `^0` for all but 0 (then negative numbers, minus one)."""
    if text.startswith("["):
        return tuple(_json_integers(text))
    found: list[int] = []
    for part in text.split(","):
        negative = part.strip().startswith("^")
        first, _, last = part.strip().removeprefix("^").partition("-")
        if not _INTEGER.match(first) or (last and not _INTEGER.match(last)):
            raise ValueError("expected indices such as 0,2-3")
        low, high = int(first), int(last or first)
        if not low <= high < MAX_VCPUS:
            raise ValueError(f"expected ascending indices below {MAX_VCPUS}")
        found += [-index - 1 if negative else index for index in range(low, high + 1)]
    return tuple(found)


def _json_integers(text: str) -> list[int]:
    values = _json(text)
    if not isinstance(values, list) or not all(type(each) is int and 0 <= each < MAX_VCPUS for each in values):
        raise ValueError("expected a list of indices")
    return values


def _json(text: str) -> Any:
    if len(text) > 10_000:
        raise ValueError("expected a shorter value")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("expected JSON") from None


def labels(text: str) -> FrozenMap[str, str]:
    """Labels as `disk=ssd,gpu=none` or as a JSON object."""
    if text.startswith("{"):
        value = _json(text)
        if not all(isinstance(each, str) for each in value.values()):
            raise ValueError("expected text values")
        return FrozenMap({label(name): label(each) for name, each in value.items()})
    pairs = [part.strip().partition("=") for part in text.split(",") if part.strip()]
    if not all(equals for _, equals, _ in pairs):
        raise ValueError("expected labels such as disk=ssd,gpu=none")
    return FrozenMap({label(name.strip()): label(value.strip()) for name, _, value in pairs})


def names(text: str) -> tuple[str, ...]:
    """Names separated by commas."""
    return tuple(label(part.strip()) for part in text.strip("[]").split(",") if part.strip())


def cells_or_count(text: str) -> int | tuple[NumaCell, ...]:
    """A number of cells, or a JSON list of `{"vcpus": [0, 1], "memoryMib": 512}`."""
    if not text.startswith("["):
        return integer(1, MAX_CELLS)(text)
    cells = _json(text)
    if not isinstance(cells, list) or not 0 < len(cells) <= MAX_CELLS:
        raise ValueError(f"expected 1 to {MAX_CELLS} cells")
    found = []
    for cell in cells:
        if not isinstance(cell, dict) or set(cell) != {"vcpus", "memoryMib"} or type(cell["memoryMib"]) is not int:
            raise ValueError("expected cells with vcpus and memoryMib")
        found.append(NumaCell(tuple(_json_integers(json.dumps(cell["vcpus"]))), cell["memoryMib"]))
    return tuple(found)


# VDUs and interfaces ----------------------------------------------------------------------------------------


def read_vdu_facts(maps: Iterable[Node | None]) -> tuple[VduFacts, KeyReader]:
    """The facts of a VDU's keys; the reader holds the findings."""
    reader = KeyReader(maps, VDU_KEYS, cells=True)
    read = reader.read
    nodes = read(cells_or_count, "catena:numaNodes", "hw:numa_nodes")
    cells = nodes if isinstance(nodes, tuple) else _nova_cells(reader, nodes)
    affinity = enum_of(NumaAffinity, legacy=NumaAffinity.PREFERRED)
    facts = VduFacts(
        cpu_policy=read(enum_of(CpuPolicy), "catena:cpuPolicy", "hw:cpu_policy"),
        dedicated_vcpus=read(cpu_set, "catena:dedicatedVcpus", "hw:cpu_dedicated_mask") or (),
        thread_policy=read(enum_of(ThreadPolicy), "catena:threadPolicy", "hw:cpu_thread_policy"),
        emulator_threads=read(enum_of(EmulatorThreads), "catena:emulatorThreads", "hw:emulator_threads_policy"),
        page_size_kib=read(page_size, "catena:pageSizeKib", "hw:mem_page_size"),
        numa_nodes=nodes if isinstance(nodes, int) and not cells else None,
        numa_cells=cells,
        numa_affinity=read(affinity, "hw:pci_numa_affinity_policy"),
        vcpus=read(integer(1, MAX_VCPUS), "catena:vcpus"),
        memory_mib=read(integer(1, 2**40), "catena:memoryMib"),
        storage_gib=read(integer(0, 2**30), "catena:storageGib"),
        requires=read(labels, "catena:requires") or FrozenMap(),
        other=reader.others(VDU_KEYS),
    )
    return facts, reader


def _nova_cells(reader: KeyReader, count: int | None) -> tuple[NumaCell, ...]:
    """Cells that `hw:numa_cpus.N` and `hw:numa_mem.N` describe; both are needed for every N."""
    cpus: dict[int, tuple[int, ...]] = {}
    memory: dict[int, int] = {}
    last: Scalar | None = None
    for which, number, node in reader.cell_keys():
        last = node
        try:
            if which == "cpus":
                cpus[number] = cpu_set(node.text)
            else:
                memory[number] = integer(1, 2**40)(node.text)
        except ValueError as error:
            reader.findings.append(finding("REQ002", node, f"{quote(node.text)}: {error}"))
    if last is None:
        return ()
    wanted = set(range(count or len(cpus)))
    if set(cpus) != wanted or set(memory) != wanted:
        hint = f"Give hw:numa_cpus.N and hw:numa_mem.N for N from 0 to {len(wanted) - 1}"
        reader.contradict(last, "the NUMA cells are not described completely", hint)
        return ()
    return tuple(NumaCell(cpus[number], memory[number]) for number in sorted(cpus))


def read_interface_facts(maps: Iterable[Node | None]) -> tuple[InterfaceFacts, KeyReader]:
    """The facts of an interface's keys; the reader holds the findings."""
    reader = KeyReader(maps, INTERFACE_KEYS)
    read = reader.read
    affinity = enum_of(NumaAffinity, legacy=NumaAffinity.PREFERRED)
    facts = InterfaceFacts(
        vnic_type=read(label, "catena:vnicType"),
        physnet=read(label, "catena:physnet"),
        vfs=read(integer(1, MAX_VFS), "catena:vfs"),
        numa_affinity=read(affinity, "catena:numaAffinity", "hw:pci_numa_affinity_policy"),
        bandwidth_mbps=read(integer(0, 10_000_000), "catena:bandwidthMbps"),
        traits=read(names, "catena:traits") or (),
        sf=_sf_facts(reader),
        all=reader.all(),
    )
    legacy = reader.place("hw:pci_numa_affinity_policy")
    if legacy is not None and legacy.text == "legacy":
        message = "the NUMA affinity 'legacy' is read as 'preferred'"
        reader.findings.append(finding("REQ005", legacy, message))
    return facts, reader


_SF_KEYS = ("catena:sfc", "catena:layer", "catena:rewrites5tuple", "catena:onFailure", "catena:probe")


def read_function(maps: Iterable[Node | None]) -> tuple[SfFacts | None, list[Finding]]:
    """What metadata say of a service function, and what is wrong with that; keys that are not ours are anybody's."""
    nodes = [node for node in maps if isinstance(node, Mapping)]
    foreign = {name for node in nodes for name in node.entries if not name.startswith("catena:")}
    reader = KeyReader(nodes, frozenset({*_SF_KEYS, *foreign}))
    return _sf_facts(reader), reader.findings


def _sf_facts(reader: KeyReader) -> SfFacts | None:
    keys = _SF_KEYS
    if reader.place(*keys) is None:
        return None
    facts = SfFacts()
    return replace(
        facts,
        encapsulation=reader.read(enum_of(SfEncapsulation), keys[0]) or facts.encapsulation,
        layer=reader.read(enum_of(SfLayer), keys[1]) or facts.layer,
        rewrites_5tuple=reader.read(boolean, keys[2]) or False,
        on_failure=reader.read(enum_of(OnFailure), keys[3]) or facts.on_failure,
        probe=reader.read(_probe, keys[4]),
    )


def _probe(text: str) -> str:
    if not text or len(text) > 200 or not text.isprintable():
        raise ValueError("expected a probe of at most 200 printable characters")
    return text


def size_of_page(facts: VduFacts, huge: int | None) -> int | PageSizeClass | None:
    """The page size that keys and the property huge_pages_requirements give together."""
    return facts.page_size_kib if facts.page_size_kib is not None else huge


def memory_of(text: str, page_kib: int | PageSizeClass | None) -> int:
    """Memory in MiB. A size in powers of 1000 is rounded up to whole pages, so that 4 GB fits 1 GiB pages."""
    mib = units.size_mib(text)
    if isinstance(page_kib, int) and page_kib > 1024 and units.is_decimal(text):
        page_mib = page_kib // 1024
        return -(-mib // page_mib) * page_mib
    return mib

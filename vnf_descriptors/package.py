"""An open package: its layout, its files and what its manifest and signature say of them."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from types import TracebackType

from vnf_descriptors import tosca_meta
from vnf_descriptors.guard import check_uri
from vnf_descriptors.manifest import Manifest, ManifestEntry
from vnf_descriptors.members import Members
from vnf_descriptors.report import Position, SignatureState
from vnf_descriptors.signature import TrustStore
from vnf_descriptors.tosca_meta import ToscaMeta

YAML_SUFFIXES = (".yaml", ".yml")


class Layout(StrEnum):
    """How a package says where its descriptor begins."""

    TOSCA_METADATA = "tosca-metadata"
    ROOT_YAML = "root-yaml"
    #: No package: one YAML file with what it imports beside it.
    BARE = "bare"


@dataclass(frozen=True, slots=True)
class Policy:
    """What a package must fulfil beyond the standard."""

    trust: TrustStore = field(default_factory=TrustStore)
    #: True makes an unsigned package, and one from an unknown signer, an error.
    require_signature: bool = False
    #: True lets artifacts, manifest sources and repositories lie outside the package; nothing of them is ever fetched.
    allow_external: bool = False
    #: The time at which certificates must be valid; None for now.
    now: datetime.datetime | None = None

    def time(self) -> datetime.datetime:
        """The time to check certificates at."""
        return self.now or datetime.datetime.now(datetime.UTC)

    def check_uri(self, uri: str) -> str | None:
        """What speaks against a file at an address outside the package, or None."""
        problem = check_uri(uri)
        if problem is None and not self.allow_external:
            return "lies outside the package, from where nothing is ever fetched or checked"
        return problem


@dataclass(frozen=True, slots=True)
class PackageFile:
    """A file of a package with its digest, if the manifest gives one."""

    path: str
    size: int
    algorithm: str = ""
    hash: str = ""


@dataclass(slots=True)
class Package:
    """An open package. Close it, or use it as a context manager."""

    path: str
    layout: Layout
    members: Members
    #: Path of the file that the descriptor begins with.
    entry: str
    meta: ToscaMeta | None = None
    manifest: Manifest | None = None
    policy: Policy = field(default_factory=Policy)
    signature: SignatureState = SignatureState.NONE
    #: Subject of the certificate that signed the package.
    signer: str = ""
    #: The way of SOL004 clause 5.1 in which the package is secured: 2 is one signature over the whole archive.
    security_option: int = 1
    #: The signing certificate (PEM) when it is a file of the package; empty otherwise.
    signing_certificate: str = ""
    resources: contextlib.ExitStack = field(default_factory=contextlib.ExitStack, repr=False)

    def __enter__(self) -> Package:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give back open files."""
        self.resources.close()

    def files(self) -> tuple[PackageFile, ...]:
        """Every file with its digest from the manifest, by path."""
        listed = {entry.source: entry for entry in self.manifest.entries} if self.manifest else {}
        none = ManifestEntry("", Position(""))
        return tuple(
            PackageFile(name, self.members.size(name), listed.get(name, none).algorithm, listed.get(name, none).hash)
            for name in self.members.names()
        )

    def artifacts(self) -> tuple[PackageFile, ...]:
        """The files that are neither the descriptor nor about the package itself."""
        own = {tosca_meta.PATH, self.manifest.path if self.manifest else ""}
        return tuple(file for file in self.files() if file.path not in own and not self.is_descriptor(file.path))

    def descriptor_files(self) -> tuple[str, ...]:
        """The YAML files that make up the descriptor, the entry first."""
        own = [name for name in self.members.names() if name != self.entry and self.is_descriptor(name)]
        return (self.entry, *own)

    def is_descriptor(self, name: str) -> bool:
        """True for the entry file and for YAML files in its directory or below."""
        folder = self.entry.rpartition("/")[0]
        beside = name.startswith(f"{folder}/") if folder else "/" not in name
        return name == self.entry or (beside and name.endswith(YAML_SUFFIXES))

    def read(self, name: str) -> bytes:
        """The content of a file; KeyError when there is none, guard.MemberError when it is damaged."""
        return b"".join(self.members.chunks(name))

    def chunks(self, name: str) -> Iterator[bytes]:
        """The content of a file in pieces; errors as `read`."""
        return self.members.chunks(name)

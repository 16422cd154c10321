"""Reading packages with :mod:`vnf_descriptors`; implements :class:`mano.ports.descriptors.DescriptorReader`."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mano.domain.catalogue import DescriptorKind
from mano.errors import InvalidInput, Refused
from mano.ports.descriptors import PackageMembers, ReadPackage
from vnf_descriptors.model import Nsd, Pnfd, Vnfd

if TYPE_CHECKING:
    from vnf_descriptors import Package, Policy

KINDS: dict[type[Vnfd] | type[Nsd] | type[Pnfd], DescriptorKind] = {
    Vnfd: DescriptorKind.VNF,
    Nsd: DescriptorKind.NS,
    Pnfd: DescriptorKind.PNF,
}


MAX_KNOWN = 256
"""Most archives whose parts are remembered."""


class LibraryReader:
    """Reads archives under the library's limits; nothing of the library is imported before the first package.

    ``trust`` are files and directories of root certificates and revocation lists. They are read anew for each package,
    so that a new revocation list counts at once; Refused when they cannot be read.
    """

    def __init__(
        self, trust: Sequence[Path] = (), *, require_signature: bool = False, allow_external: bool = False
    ) -> None:
        self._trust = tuple(trust)
        self._require_signature = require_signature
        self._allow_external = allow_external
        self._parts = functools.lru_cache(maxsize=MAX_KNOWN)(self._look_into)
        if self._trust:
            self._policy()  # a trust store that cannot be read is told at the start

    def read(self, path: str) -> ReadPackage:
        """Check and load the archive; never raises for its content, Refused when the trust store cannot be read."""
        from vnf_descriptors.csar import inspect
        from vnf_descriptors.loader import read_descriptor
        from vnf_descriptors.report import Report

        package, findings = inspect(path, self._policy())
        if package is None:
            return ReadPackage(None, None, _documents(Report(path, tuple(findings))))
        with package:
            model, more = read_descriptor(package)
            report = Report(path, tuple(findings + more))
            return ReadPackage(
                kind=KINDS[type(model)] if model is not None and report.ok else None,
                model=model if report.ok else None,
                findings=_documents(report),
                signature=package.signature.value,
                signer=package.signer,
                security_option=package.security_option,
                signing_certificate=package.signing_certificate,
                artifacts=_artifacts(package),
            )

    def members(self, path: str) -> PackageMembers:
        """The parts of an archive that was read without errors; it is looked into once."""
        state = os.stat(path)
        return self._parts(path, state.st_mtime_ns, state.st_size)

    def _look_into(self, path: str, _changed: int, _size: int) -> PackageMembers:
        from vnf_descriptors.csar import open_package
        from vnf_descriptors.package import Policy
        from vnf_descriptors.report import DescriptorError

        try:
            # What was on-boarded stays readable, whatever the policy for new packages is by now.
            with open_package(path, Policy(allow_external=True)) as package:
                manifest = package.manifest.path if package.manifest else None
                return PackageMembers(package.descriptor_files(), manifest)
        except DescriptorError as error:
            raise InvalidInput(f"the stored package cannot be read any more: {error}") from None

    def _policy(self) -> Policy:
        from vnf_descriptors.package import Policy
        from vnf_descriptors.signature import TrustStore

        try:
            store = TrustStore.from_pem(*self._trust)
        except (OSError, ValueError) as error:
            raise Refused(f"the trust store cannot be read: {error}", hint="mend what --trust names") from None
        return Policy(store, self._require_signature, allow_external=self._allow_external)


def _documents(report: Any) -> tuple[dict[str, Any], ...]:
    return tuple(report.to_json()["findings"])


def _artifacts(package: Package) -> tuple[dict[str, Any], ...]:
    """Files of the package, with their set of non-MANO artifacts, and those that the manifest names elsewhere."""
    manifest = package.manifest
    sets = {path: name for name, paths in manifest.non_mano.items() for path in paths} if manifest else {}
    inside = tuple(
        {
            "artifactPath": file.path,
            "size": file.size,
            "checksum": {"algorithm": file.algorithm, "hash": file.hash} if file.hash else None,
            **({"nonManoArtifactSetId": sets[file.path]} if file.path in sets else {}),
        }
        for file in package.artifacts()
    )
    outside = tuple(
        {"artifactUri": entry.source, "checksum": {"algorithm": entry.algorithm, "hash": entry.hash}}
        for entry in (manifest.entries if manifest else ())
        if entry.external and entry.hash
    )
    return inside + outside

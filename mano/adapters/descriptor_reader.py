"""Reading packages with :mod:`vnf_descriptors`; implements :class:`mano.ports.descriptors.DescriptorReader`."""

from __future__ import annotations

from typing import Any

from mano.domain.catalogue import DescriptorKind
from mano.errors import InvalidInput
from mano.ports.descriptors import PackageMembers, ReadPackage
from vnf_descriptors.model import Nsd, Pnfd, Vnfd

KINDS: dict[type[Vnfd] | type[Nsd] | type[Pnfd], DescriptorKind] = {
    Vnfd: DescriptorKind.VNF,
    Nsd: DescriptorKind.NS,
    Pnfd: DescriptorKind.PNF,
}


class LibraryReader:
    """Reads archives under the library's limits; nothing of the library is imported before the first package."""

    def read(self, path: str) -> ReadPackage:
        """Check and load the archive; never raises for its content."""
        from vnf_descriptors.loader import load_with_report

        loaded = load_with_report(path)
        model, report = loaded.descriptor, loaded.report
        document = report.to_json()
        if model is None:
            return ReadPackage(None, None, tuple(document["findings"]), report.signature.value)
        return ReadPackage(
            kind=KINDS[type(model)],
            model=model,
            findings=tuple(document["findings"]),
            signature=report.signature.value,
            artifacts=self._artifacts(path),
        )

    def members(self, path: str) -> PackageMembers:
        """The parts of an archive that was read without errors."""
        from vnf_descriptors.csar import open_package
        from vnf_descriptors.report import DescriptorError

        try:
            with open_package(path) as package:
                manifest = package.manifest.path if package.manifest else None
                return PackageMembers(package.descriptor_files(), manifest)
        except DescriptorError as error:
            raise InvalidInput(f"the stored package cannot be read any more: {error}") from None

    def _artifacts(self, path: str) -> tuple[dict[str, Any], ...]:
        from vnf_descriptors.csar import open_package

        with open_package(path) as package:
            return tuple(
                {
                    "artifactPath": file.path,
                    "size": file.size,
                    "checksum": {"algorithm": file.algorithm, "hash": file.hash} if file.hash else None,
                }
                for file in package.artifacts()
            )

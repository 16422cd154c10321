"""Read, check and build ETSI NFV descriptors and packages (GS NFV-SOL 001, GS NFV-SOL 004).

`validate` tells everything that is wrong with a package or descriptor, with the place of each fault; `load`
gives its typed model; `open_package` its parts; `build` makes a package from a source tree.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vnf_descriptors.builder import SigningKey, build
    from vnf_descriptors.codes import Severity, explain
    from vnf_descriptors.csar import open_package
    from vnf_descriptors.loader import load, load_with_report, validate
    from vnf_descriptors.model import Nsd, Pnfd, Vnfd, from_json, to_json
    from vnf_descriptors.package import Layout, Package, PackageFile, Policy
    from vnf_descriptors.report import DescriptorError, Finding, Report, SignatureState, to_sarif, to_text
    from vnf_descriptors.signature import TrustStore
    from vnf_descriptors.type_paths import explain_type

#: Where each public name lives. Resolved on first use, so that importing the package costs nothing.
_HOMES = {
    "build": "builder",
    "SigningKey": "builder",
    "Severity": "codes",
    "explain": "codes",
    "explain_type": "type_paths",
    "open_package": "csar",
    "load": "loader",
    "load_with_report": "loader",
    "validate": "loader",
    "Nsd": "model",
    "Pnfd": "model",
    "Vnfd": "model",
    "from_json": "model",
    "to_json": "model",
    "Layout": "package",
    "Package": "package",
    "PackageFile": "package",
    "Policy": "package",
    "DescriptorError": "report",
    "Finding": "report",
    "Report": "report",
    "SignatureState": "report",
    "to_sarif": "report",
    "to_text": "report",
    "TrustStore": "signature",
}

__all__ = [
    "DescriptorError",
    "Finding",
    "Layout",
    "Nsd",
    "Package",
    "PackageFile",
    "Pnfd",
    "Policy",
    "Report",
    "Severity",
    "SignatureState",
    "SigningKey",
    "TrustStore",
    "Vnfd",
    "build",
    "explain",
    "explain_type",
    "from_json",
    "load",
    "load_with_report",
    "open_package",
    "to_json",
    "to_sarif",
    "to_text",
    "validate",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)

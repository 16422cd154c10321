"""What to do about a type that does not exist."""

from __future__ import annotations

from collections.abc import Iterable

from vnf_descriptors import types
from vnf_descriptors.context import Context
from vnf_descriptors.suggest import did_you_mean


def missing_type(context: Context, section: str, name: str, more: Iterable[str] = ()) -> str:
    """Import the file of the standard that defines the type; else a similar name. Empty when neither helps."""
    for subject in types.SUBJECTS:
        if name in types.definitions(subject, types.EDITIONS[-1]).get(section, {}):
            return f"Import 'etsi_nfv_sol001_{subject}_types.yaml', which defines it"
    return did_you_mean(name, [*more, *context.types.names(section)])
